//! Counters in an account's image.

use crate::counter::{Aggregate, Counter};
use crate::image::CorruptImage;
use crate::image_messages::{AggregateImage, CounterImage};

const VALUE_BYTES: usize = 16;

pub fn counter_image(counter: &Counter) -> CounterImage {
    CounterImage {
        meter: u32::from(counter.meter),
        match_id: counter.match_id,
        period: counter.period,
        units: counter.units,
        aggregate: counter.aggregate.as_deref().map(|aggregate| AggregateImage {
            burned: aggregate.burned,
            value: aggregate.value,
            at: aggregate.at,
            values: aggregate.values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            changed: aggregate.changed,
        }),
    }
}

pub fn counter_from(image: &CounterImage) -> Result<Counter, CorruptImage> {
    let aggregate = image.aggregate.as_ref().map(aggregate_from).transpose()?;
    Ok(Counter {
        meter: image.meter as u16,
        match_id: image.match_id,
        period: image.period,
        units: image.units,
        aggregate: aggregate.map(Box::new),
    })
}

fn aggregate_from(image: &AggregateImage) -> Result<Aggregate, CorruptImage> {
    let (values, rest) = image.values.as_chunks::<VALUE_BYTES>();
    if !rest.is_empty() {
        return Err(CorruptImage("the values of a counter are cut short".into()));
    }
    if image.burned < 0 || image.value < 0 {
        return Err(CorruptImage("a counter below zero".into()));
    }
    Ok(Aggregate {
        burned: image.burned,
        value: image.value,
        at: image.at,
        values: values.iter().map(|value| u128::from_le_bytes(*value)).collect(),
        changed: image.changed,
    })
}
