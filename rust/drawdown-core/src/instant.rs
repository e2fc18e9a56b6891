//! What can be a date: instants in UTC microseconds since 1970, of the years 1 to 9999. Later than all of them is
//! `NEVER`, and none of them is so far off that sums with windows, margins and grace leave 64 bits.

use crate::execute::Refusal;

const YEAR_1_US: i64 = -62_135_596_800_000_000;
const YEAR_10000_US: i64 = 253_402_300_800_000_000;

/// Whether an instant lies between 1970 and the year 9999.
pub(crate) fn is_instant(us: i64) -> bool {
    (0..YEAR_10000_US).contains(&us)
}

/// Grants and prices may be dated before 1970, for example from the beginning on.
///
/// # Errors
/// `INVALID` naming `field` for what no calendar can show.
pub(crate) fn check_date(field: &'static str, us: Option<i64>) -> Result<(), Refusal> {
    match us.filter(|us| !(YEAR_1_US..YEAR_10000_US).contains(us)) {
        None => Ok(()),
        Some(us) => {
            let reason = format!("{field} is {us} µs, outside the years 1 to 9999; give UTC microseconds since 1970");
            Err(Refusal::invalid(field, reason))
        }
    }
}
