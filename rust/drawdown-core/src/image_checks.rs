//! What a pool's image must say to be a state: sums that fit, debts and thresholds as `apply` keeps them.
//! An image is guarded by its frame's checksum; this is the second line, so that whatever is taken in
//! can be lived with.

use crate::image::CorruptImage;
use crate::image_messages::PoolImage;
use crate::threshold::fault_of;

/// # Errors
/// Names what no pool can have.
pub(crate) fn check_pool(image: &PoolImage) -> Result<(), CorruptImage> {
    let corrupt = |what: &str| Err(CorruptImage(format!("pool {} has {what}", image.credit_type)));
    let is_total = |sum: i128| i64::try_from(sum).is_ok();
    let debts: i128 = image.debts.iter().map(|debt| i128::from(debt.amount)).sum();
    if image.debts.iter().any(|debt| debt.amount <= 0) || !is_total(debts + i128::from(image.headroom_held)) {
        return corrupt("a debt that can't be");
    }
    let overage: i128 = image.overage.iter().map(|period| i128::from(period.credits)).sum();
    if image.overage.iter().any(|period| period.credits < 0)
        || !is_total(overage + i128::from(image.overage_headroom_held))
    {
        return corrupt("overage that can't be");
    }
    if let Some(fault) = fault_of(&image.thresholds, &image.percents) {
        return corrupt(fault);
    }
    let remaining: i128 = image.grants.iter().map(|grant| i128::from(grant.remaining)).sum();
    if !is_total(remaining) {
        return corrupt("more remaining than fits");
    }
    Ok(())
}
