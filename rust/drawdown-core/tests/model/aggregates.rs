//! What the uses of a period come to: `max`, `last` and `unique`, counted anew each time.

use crate::prices::How;

/// One use of a `max`, `last` or `unique` meter.
#[derive(Clone, Debug)]
pub struct Burned {
    pub counter: (String, String, i64),
    pub at: i64,
    pub quantity: i128,
    pub model: &'static str,
    pub units: i128,
    /// Cancelled.
    pub is_gone: bool,
}

/// What these uses, in order, come to.
pub fn aggregate(how: How, uses: &[&Burned]) -> i128 {
    let uses: Vec<&&Burned> = uses.iter().filter(|b| !b.is_gone).collect();
    match how {
        How::Max => uses.iter().map(|b| b.quantity).max().unwrap_or(0),
        // Of equal times the later one comes last.
        How::Last => uses.iter().max_by_key(|b| b.at).map_or(0, |b| b.quantity),
        _ => {
            let mut seen: Vec<&str> = uses.iter().map(|b| b.model).filter(|model| !model.is_empty()).collect();
            seen.sort_unstable();
            seen.dedup();
            seen.len() as i128
        }
    }
}
