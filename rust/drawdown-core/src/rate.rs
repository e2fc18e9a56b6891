//! Prices: quantity to credits, rounded half-even once (semantics §2).

use crate::amount::divide_half_even;

/// A price of one meter. Quantities are raw (10^-quantity_scale), results smallest units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Price {
    /// quantity × num / den.
    Flat { num: i64, den: i64 },
    /// Graduated: each unit at the price of the tier it falls in, over one denominator.
    Tiered { tiers: Vec<Tier>, den: i64 },
    /// num / den for every started `size` units of the period.
    Package { size: i64, num: i64, den: i64 },
}

/// Units above the former tier's `up_to`, up to and including this one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Raw units; `i64::MAX` for the last tier.
    pub up_to: i64,
    pub num: i64,
}

/// The charge does not fit `i64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChargeOverflow;

impl Price {
    /// Whether the price of a unit depends on what was applied before it in the period.
    #[inline]
    pub fn is_stateful(&self) -> bool {
        !matches!(self, Price::Flat { .. })
    }

    /// Whether whatever is used costs nothing.
    pub fn is_free(&self) -> bool {
        match self {
            Price::Flat { num, .. } | Price::Package { num, .. } => *num == 0,
            Price::Tiered { tiers, .. } => tiers.iter().all(|tier| tier.num == 0),
        }
    }

    /// Charge of `quantity` units after `before` units of the period: half_even(T(before+q) − T(before)).
    #[inline]
    pub fn charge(&self, before: i64, quantity: i64) -> Result<i64, ChargeOverflow> {
        if let Price::Flat { num, den } = *self {
            let exact = i128::from(quantity) * i128::from(num);
            return i64::try_from(divide_half_even(exact, i128::from(den))).map_err(|_| ChargeOverflow);
        }
        let after = before.checked_add(quantity).ok_or(ChargeOverflow)?;
        let exact = self.cumulative(after) - self.cumulative(before);
        i64::try_from(divide_half_even(exact, i128::from(self.denominator()))).map_err(|_| ChargeOverflow)
    }

    fn denominator(&self) -> i64 {
        match *self {
            Price::Flat { den, .. } | Price::Tiered { den, .. } | Price::Package { den, .. } => den,
        }
    }

    /// T(x) over the denominator. At most 2^63 units × 2^63, so it fits `i128`.
    fn cumulative(&self, units: i64) -> i128 {
        match self {
            Price::Flat { num, .. } => i128::from(units) * i128::from(*num),
            Price::Tiered { tiers, .. } => {
                let (mut total, mut from) = (0i128, 0i64);
                for tier in tiers {
                    let upper = tier.up_to.min(units);
                    if upper > from {
                        total += i128::from(upper - from) * i128::from(tier.num);
                        from = upper;
                    }
                }
                total
            }
            Price::Package { size, num, .. } => {
                let started = (i128::from(units) + i128::from(*size) - 1) / i128::from(*size);
                started * i128::from(*num)
            }
        }
    }

    /// Largest quantity whose charge after `before` is at most `available`, and which the period's
    /// counter still takes where the price rests on that; 0 if `available` is negative, unless it is free.
    pub fn units_for(&self, before: i64, available: i64) -> i64 {
        if available < 0 && !self.is_free() {
            return 0;
        }
        let available = available.max(0);
        if let Price::Flat { num, den } = *self {
            return flat_units(num, den, available);
        }
        let fits = |q: i64| self.charge(before, q).is_ok_and(|c| c <= available);
        let top = i64::MAX - before;
        if fits(top) {
            return top;
        }
        let (mut low, mut high) = (0i64, top);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if fits(middle) { low = middle } else { high = middle }
        }
        low
    }
}

/// Largest q with half_even(q × num / den) ≤ available.
fn flat_units(num: i64, den: i64, available: i64) -> i64 {
    if num == 0 {
        return i64::MAX;
    }
    // The rounded charge is ≤ available iff the exact one is ≤ available + ½, a tie going down
    // only if `available` is even; so the bound is right or one too large.
    let bound = (2 * available as u128 + 1) * den as u128;
    let twice = 2 * num as u128;
    let guess = match (u64::try_from(bound), u64::try_from(twice)) {
        (Ok(b), Ok(t)) => u128::from(b / t),
        _ => bound / twice,
    };
    let guess = i64::try_from(guess).unwrap_or(i64::MAX);
    let charge = divide_half_even(i128::from(guess) * i128::from(num), i128::from(den));
    if charge > i128::from(available) { guess - 1 } else { guess }
}

/// Greatest common divisor, for reducing rates when they are defined.
pub fn greatest_common_divisor(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_charge_is_rounded_half_even_once() {
        let price = Price::Flat { num: 5, den: 2 };
        assert_eq!(price.charge(0, 1), Ok(2));
        assert_eq!(price.charge(0, 3), Ok(8));
        assert_eq!(Price::Flat { num: i64::MAX, den: 1 }.charge(0, 2), Err(ChargeOverflow));
        assert_eq!(Price::Flat { num: i64::MAX, den: i64::MAX }.charge(0, i64::MAX), Ok(i64::MAX));
    }

    #[test]
    fn tiers_are_exact_at_and_beside_each_edge() {
        let price = Price::Tiered {
            tiers: vec![Tier { up_to: 10, num: 3 }, Tier { up_to: 20, num: 2 }, Tier { up_to: i64::MAX, num: 1 }],
            den: 1,
        };
        for (before, q, charge) in [(0, 10, 30), (0, 11, 32), (9, 2, 5), (10, 10, 20), (19, 2, 3), (20, 5, 5)] {
            assert_eq!(price.charge(before, q), Ok(charge), "{before}+{q}");
        }
    }

    #[test]
    fn what_is_affordable_ends_where_the_counter_does() {
        let tiers = |last| Price::Tiered {
            tiers: vec![Tier { up_to: 10, num: 3 }, Tier { up_to: i64::MAX, num: last }],
            den: 1,
        };
        assert_eq!(1, tiers(1).units_for(i64::MAX - 1, 1_000));
        assert_eq!(0, tiers(1).units_for(i64::MAX, 1_000));
        assert_eq!(i64::MAX - 10, tiers(0).units_for(10, 0));
    }

    #[test]
    fn packages_charge_each_started_one_once() {
        let price = Price::Package { size: 10, num: 7, den: 1 };
        for (before, q, charge) in [(0, 1, 7), (1, 9, 0), (1, 10, 7), (10, 1, 7), (0, 0, 0), (9, 12, 14)] {
            assert_eq!(price.charge(before, q), Ok(charge), "{before}+{q}");
        }
    }

    #[test]
    fn units_for_is_the_largest_that_fits() {
        let prices = [
            Price::Flat { num: 5, den: 2 },
            Price::Flat { num: 1, den: 1_000_000 },
            Price::Flat { num: 1_000_000, den: 3 },
            Price::Flat { num: i64::MAX, den: 1 },
            Price::Flat { num: 1, den: i64::MAX },
            Price::Tiered { tiers: vec![Tier { up_to: 10, num: 3 }, Tier { up_to: i64::MAX, num: 1 }], den: 2 },
            Price::Package { size: 10, num: 7, den: 1 },
        ];
        for price in prices {
            for available in [0, 1, 2, 3, 7, 8, 100, 12_345_678, i64::MAX / 2, i64::MAX] {
                let q = price.units_for(0, available);
                if q == i64::MAX {
                    continue;
                }
                assert!(price.charge(0, q).is_ok_and(|c| c <= available), "{price:?} {available} {q}");
                assert!(!price.charge(0, q + 1).is_ok_and(|c| c <= available), "{price:?} {available} {q}");
            }
        }
        assert_eq!(Price::Flat { num: 0, den: 1 }.units_for(0, 0), i64::MAX);
        assert_eq!(Price::Flat { num: 1, den: 1 }.units_for(0, -1), 0);
        assert_eq!(Price::Flat { num: 0, den: 1 }.units_for(0, -1), i64::MAX);
        assert_eq!(Price::Package { size: 10, num: 0, den: 1 }.units_for(7, -1), i64::MAX - 7);
    }
}
