//! What corrections need, in an account's image.

use crate::account::Settled;
use crate::image::CorruptImage;
use crate::image_messages::{CorrectedImage, SettledImage};

pub fn settled_image(settled: &Settled) -> SettledImage {
    SettledImage {
        meter_plus_one: settled.meter.map_or(0, |meter| u32::from(meter) + 1),
        number: settled.number,
        amount: settled.amount,
    }
}

pub fn settled_from(image: &SettledImage) -> Settled {
    Settled {
        meter: image.meter_plus_one.checked_sub(1).map(|meter| meter as u16),
        number: image.number,
        amount: image.amount,
    }
}

pub fn corrected_image(((time, event), seq): (&(i64, u128), &u64)) -> CorrectedImage {
    CorrectedImage { time: *time, event: event.to_le_bytes().to_vec(), seq: *seq }
}

pub fn corrected_from(image: &CorrectedImage) -> Result<((i64, u128), u64), CorruptImage> {
    let event: [u8; 16] = image.event[..]
        .try_into()
        .map_err(|_| CorruptImage("the mark of a corrected event is not 16 bytes long".into()))?;
    Ok(((image.time, u128::from_le_bytes(event)), image.seq))
}
