//! Exact decimal text ⇄ integers, and the one rounding rule (half-even).
//!
//! Credits are `i64` in 10^-scale of their type. No floats anywhere (semantics §2).

/// The largest scale of a credit type or meter.
pub const SCALE_MAX: u8 = 12;

/// Why a decimal text was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalError {
    /// Not of the form `-?digits[.digits]`.
    Malformed,
    /// Has non-zero digits beyond the scale: never rounded silently.
    BeyondScale,
    /// Does not fit `i64` in the smallest unit.
    Overflow,
}

impl DecimalError {
    /// A sentence for the person who sent it.
    pub fn explain(self, text: &str, scale: u32) -> String {
        let shown: String = text.chars().take(64).filter(|c| !c.is_control()).collect();
        match self {
            DecimalError::Malformed => {
                format!("'{shown}' is not a decimal number: write digits, optionally a point and digits")
            }
            DecimalError::BeyondScale => {
                format!("'{shown}' has more than {scale} decimals, the scale here; it is not rounded silently")
            }
            DecimalError::Overflow => format!("'{shown}' does not fit 64 bits at scale {scale}"),
        }
    }
}

/// The value of `text` in 10^-scale. Trailing zeros beyond the scale are fine.
pub fn parse_decimal(text: &str, scale: u32) -> Result<i64, DecimalError> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some((_, "")) => return Err(DecimalError::Malformed),
        Some(parts) => parts,
        None => (digits, ""),
    };
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return Err(DecimalError::Malformed);
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > scale as usize {
        return Err(DecimalError::BeyondScale);
    }
    let mut value: i128 = 0;
    for b in whole.bytes().chain(fraction.bytes()) {
        value = value * 10 + i128::from(b - b'0');
        if value > i128::from(u64::MAX) {
            return Err(DecimalError::Overflow);
        }
    }
    value *= pow10(scale - fraction.len() as u32);
    if negative {
        value = -value;
    }
    i64::try_from(value).map_err(|_| DecimalError::Overflow)
}

/// `value` in 10^-scale as text without superfluous zeros: `format_decimal(1500, 3) == "1.5"`.
pub fn format_decimal(value: i64, scale: u32) -> String {
    let magnitude = i128::from(value).unsigned_abs();
    let unit = pow10(scale).unsigned_abs();
    let (whole, fraction) = (magnitude / unit, magnitude % unit);
    let sign = if value < 0 { "-" } else { "" };
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    let padded = format!("{fraction:0width$}", width = scale as usize);
    format!("{sign}{whole}.{}", padded.trim_end_matches('0'))
}

/// 10^n for n ≤ 38.
pub const fn pow10(n: u32) -> i128 {
    10i128.pow(n)
}

/// A non-negative decimal as numerator over 10^decimals, reduced of trailing zeros.
/// At most 18 decimals and a numerator within `i64`.
pub fn parse_rational(text: &str) -> Result<(i64, u32), DecimalError> {
    let decimals = match text.split_once('.') {
        Some((_, fraction)) => fraction.trim_end_matches('0').len() as u32,
        None => 0,
    };
    if decimals > 18 {
        return Err(DecimalError::BeyondScale);
    }
    Ok((parse_decimal(text, decimals)?, decimals))
}

/// n / d rounded half-even, for n ≥ 0 and d > 0.
#[inline]
pub fn divide_half_even(n: i128, d: i128) -> i128 {
    debug_assert!(n >= 0 && d > 0);
    // 128-bit division is a library call several times dearer than the 64-bit instruction.
    if let (Ok(n), Ok(d)) = (u64::try_from(n), u64::try_from(d)) {
        return i128::from(divide_half_even_u64(n, d));
    }
    let (quotient, rest) = (n / d, n % d);
    quotient + i128::from(rounds_up(rest as u128, d as u128, quotient & 1 == 1))
}

#[inline]
fn divide_half_even_u64(n: u64, d: u64) -> u64 {
    if d == 1 {
        return n;
    }
    let (quotient, rest) = (n / d, n % d);
    quotient + u64::from(rounds_up(u128::from(rest), u128::from(d), quotient & 1 == 1))
}

#[inline]
fn rounds_up(rest: u128, divisor: u128, odd: bool) -> bool {
    let twice = rest * 2;
    twice > divisor || (twice == divisor && odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_or_refused() {
        assert_eq!(parse_decimal("12.50", 2), Ok(1250));
        assert_eq!(parse_decimal("-0.001", 3), Ok(-1));
        assert_eq!(parse_decimal("1.0000", 0), Ok(1));
        assert_eq!(parse_decimal("1.01", 1), Err(DecimalError::BeyondScale));
        for bad in ["", ".5", "5.", "1e3", "+1", "1_0", " 1", "--1", "1.2.3", "NaN"] {
            assert_eq!(parse_decimal(bad, 9), Err(DecimalError::Malformed), "{bad}");
        }
        assert_eq!(parse_decimal("9223372036854775807", 0), Ok(i64::MAX));
        assert_eq!(parse_decimal("-9223372036854775808", 0), Ok(i64::MIN));
        assert_eq!(parse_decimal("9223372036854775808", 0), Err(DecimalError::Overflow));
        assert_eq!(parse_decimal("99999999999999999999999999999999999999999999", 0), Err(DecimalError::Overflow));
    }

    #[test]
    fn formatting_is_the_inverse_of_parsing() {
        for (value, scale, text) in
            [(1500, 3, "1.5"), (-1, 9, "-0.000000001"), (0, 9, "0"), (i64::MIN, 0, "-9223372036854775808")]
        {
            assert_eq!(format_decimal(value, scale), text);
            assert_eq!(parse_decimal(text, scale), Ok(value));
        }
    }

    #[test]
    fn ties_go_to_the_even_neighbour() {
        for (n, d, q) in [(5, 10, 0), (15, 10, 2), (25, 10, 2), (26, 10, 3), (24, 10, 2), (7, 1, 7)] {
            assert_eq!(divide_half_even(n, d), q);
            assert_eq!(divide_half_even(n << 70, d << 70), q);
        }
    }
}
