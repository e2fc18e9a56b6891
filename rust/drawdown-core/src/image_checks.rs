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

#[cfg(test)]
mod tests {
    use crate::engine::Engine;
    use crate::hash::StoreKey;
    use crate::image_messages::{AccountImage, DebtImage, PeriodCredits};
    use crate::settings::Settings;
    use crate::status::Status;
    use crate::usage::Rights;
    use prost::Message;

    fn engine() -> Engine {
        Engine::new(Settings::default(), StoreKey::new([3; 16]))
    }

    /// An account with 5 of a grant set aside for a reservation.
    fn lived() -> Engine {
        let mut engine = engine();
        let commands = br#"[{"type": "create_credit_type", "name": "credits", "scale": 0},
            {"type": "create_account", "account": "acme"},
            {"type": "create_grant", "account": "acme",
             "grant": {"grant_id": "g", "credit_type": "credits", "amount": "9"}},
            {"type": "reserve", "account": "acme", "reservation_id": "r", "credit_type": "credits", "credits": "5"}]"#;
        let commands = crate::command_json::group_from_json(commands).unwrap();
        let outcomes = engine.execute(&commands, 1 << 50, &Rights::ALL, &mut Vec::new());
        assert!(outcomes.iter().all(|outcome| outcome.status == Some(Status::Ok)), "{outcomes:?}");
        engine
    }

    /// What loading says of the account's image after this was done to it.
    fn said(forge: impl FnOnce(&mut AccountImage)) -> Result<(), String> {
        let lived = lived();
        let mut image = AccountImage::decode(&lived.account_image(0)[..]).unwrap();
        forge(&mut image);
        let mut other = engine();
        other.load_global(&lived.global_image()).unwrap();
        other.load_account(&image.encode_to_vec()).map_err(|corrupt| corrupt.0)
    }

    #[test]
    fn reservations_that_hold_other_than_is_set_aside_are_refused() {
        assert_eq!(Ok(()), said(|_| {}));
        let refused = |says: &str, forge: fn(&mut AccountImage)| {
            let what = said(forge).expect_err(says);
            assert!(what.contains(says), "{what}");
        };
        refused("part of 0 or less", |image| image.pools[0].reservations[0].parts[0].amount = 0);
        refused("part of 0 or less", |image| {
            let mut less = image.pools[0].reservations[0].parts[0].clone();
            less.amount = -1;
            image.pools[0].reservations[0].parts.push(less);
            image.pools[0].grants[0].held = 4;
        });
        refused("holds 5, its reservations 4", |image| image.pools[0].reservations[0].parts[0].amount = 4);
        refused("holds 5, its reservations 0", |image| image.pools[0].reservations.clear());
        refused("does not have set aside", |image| {
            let mut elsewhere = image.pools[0].reservations[0].parts[0].clone();
            elsewhere.number = 1;
            image.pools[0].reservations[0].parts.push(elsewhere);
        });
        refused("does not have set aside", |image| image.pools[0].headroom_held = 1);
        refused("does not have set aside", |image| image.pools[0].overage_headroom_held = 1);
    }

    #[test]
    fn sums_that_no_pool_can_have_are_refused() {
        let refused = |says: &str, forge: fn(&mut AccountImage)| {
            let what = said(forge).expect_err(says);
            assert!(what.contains(says), "{what}");
        };
        refused("a debt that can't be", |image| image.pools[0].debts.push(DebtImage { meter_plus_one: 0, amount: 0 }));
        refused("a debt that can't be", |image| {
            let pool = &mut image.pools[0];
            pool.debts.push(DebtImage { meter_plus_one: 0, amount: i64::MAX });
            pool.headroom_held = 1;
        });
        refused("overage that can't be", |image| {
            image.pools[0].overage.push(PeriodCredits { period: 0, credits: -1 });
        });
        refused("overage that can't be", |image| {
            let pool = &mut image.pools[0];
            pool.overage.push(PeriodCredits { period: 0, credits: i64::MAX });
            pool.overage_headroom_held = 1;
        });
        refused("more remaining than fits", |image| {
            let mut other = image.pools[0].grants[0].clone();
            (other.number, other.remaining) = (1, i64::MAX);
            image.pools[0].grants.push(other);
        });
    }
}
