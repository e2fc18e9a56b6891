//! How synthetic load spreads over accounts. Tables are made with floats, draws use integers.

#![expect(clippy::float_arithmetic, reason = "probabilities of synthetic load; nothing of money")]

/// How often each account is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    /// Every account as often as any other.
    Uniform,
    /// The account of rank r in proportion to 1 / r^0.99.
    Zipf,
    /// One account has all events.
    Hot,
}

impl Skew {
    /// From `uniform`, `zipf` or `hot`.
    pub fn from_name(name: &str) -> Option<Skew> {
        match name {
            "uniform" => Some(Skew::Uniform),
            "zipf" => Some(Skew::Zipf),
            "hot" => Some(Skew::Hot),
            _ => None,
        }
    }
}

const EXPONENT: f64 = 0.99;

/// Ranks below this have a column of their own; above, ranks share columns by ranges whose width
/// is at most 1/64 of their start, so that within a range the frequency differs by under 2 %.
const RANKS_ALONE: u32 = 1 << 14;
const RANGE_SHARE: u32 = 64;

/// One column of Walker's alias table: its own range of ranks, and another's to fill it up.
#[derive(Clone, Copy, Default)]
struct Column {
    /// Of 2^32 draws of this column, those below keep its own range.
    keep_below: u32,
    start: u32,
    width: u32,
    alias_start: u32,
    alias_width: u32,
}

/// Draws account numbers below `accounts`.
pub struct AccountPicker {
    skew: Skew,
    accounts: u32,
    columns: Vec<Column>,
    /// Coprime to `accounts`: spreads ranks over account numbers, so that busy accounts are not
    /// neighbours in memory.
    stride: u64,
}

impl AccountPicker {
    /// `accounts` is at least 1.
    pub fn new(skew: Skew, accounts: u32) -> AccountPicker {
        let columns = if skew == Skew::Zipf { alias_table(&zipf_ranges(accounts)) } else { Vec::new() };
        AccountPicker { skew, accounts, columns, stride: stride_for(u64::from(accounts)) }
    }

    /// The account of one draw from two independent random words.
    #[inline(always)]
    pub fn pick(&self, random: u64, other: u64) -> u32 {
        match self.skew {
            Skew::Hot => 0,
            Skew::Uniform => below(random, self.accounts),
            Skew::Zipf => {
                let column = self.columns[below(random, self.columns.len() as u32) as usize];
                let (start, width) = if (other as u32) < column.keep_below {
                    (column.start, column.width)
                } else {
                    (column.alias_start, column.alias_width)
                };
                let rank = start + below(other, width);
                (u64::from(rank) * self.stride % u64::from(self.accounts)) as u32
            }
        }
    }
}

/// The high half of a random word scaled to 0..bound.
#[inline(always)]
fn below(random: u64, bound: u32) -> u32 {
    (((random >> 32) * u64::from(bound)) >> 32) as u32
}

/// The first number from 2^32 / golden ratio (modulo `accounts`) on that shares no factor with it.
fn stride_for(accounts: u64) -> u64 {
    let first = 2_654_435_761 % accounts.max(2);
    (first.max(1)..)
        .find(|&stride| greatest_common_divisor(stride, accounts) == 1)
        .expect("a prime above every factor comes in the end")
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Ranges of ranks, each with its weight.
fn zipf_ranges(accounts: u32) -> Vec<(u32, u32, f64)> {
    let mut ranges = Vec::new();
    let mut start = 0u32;
    while start < accounts {
        let width = if start < RANKS_ALONE { 1 } else { start / RANGE_SHARE }.min(accounts - start);
        // The middle rank's frequency stands for all of the range; rank numbers start at 1.
        let middle = f64::from(start) + (f64::from(width) + 1.0) / 2.0;
        ranges.push((start, width, f64::from(width) * middle.powf(-EXPONENT)));
        start += width;
    }
    ranges
}

fn alias_table(ranges: &[(u32, u32, f64)]) -> Vec<Column> {
    let total: f64 = ranges.iter().map(|range| range.2).sum();
    // Scaled so that the mean column weighs 1.
    let mut weights: Vec<f64> = ranges.iter().map(|range| range.2 / total * ranges.len() as f64).collect();
    let (mut light, mut heavy): (Vec<usize>, Vec<usize>) = (0..ranges.len()).partition(|&index| weights[index] < 1.0);
    let mut columns: Vec<Column> = ranges
        .iter()
        .map(|&(start, width, _)| Column { keep_below: u32::MAX, start, width, alias_start: start, alias_width: width })
        .collect();
    while let (Some(&small), Some(&large)) = (light.last(), heavy.last()) {
        light.pop();
        columns[small].keep_below = (weights[small] * 4_294_967_296.0) as u32;
        columns[small].alias_start = ranges[large].0;
        columns[small].alias_width = ranges[large].1;
        weights[large] -= 1.0 - weights[small];
        if weights[large] < 1.0 {
            heavy.pop();
            light.push(large);
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random_words(count: usize) -> impl Iterator<Item = (u64, u64)> {
        let mut random = crate::load_generator::SplitMix::new(7);
        (0..count).map(move |_| (random.next(), random.next()))
    }

    #[test]
    fn zipf_draws_each_rank_as_often_as_its_weight_says() {
        const ACCOUNTS: u32 = 100_000;
        const DRAWS: usize = 2_000_000;
        let picker = AccountPicker::new(Skew::Zipf, ACCOUNTS);
        let mut counts = vec![0u32; ACCOUNTS as usize];
        for (random, other) in random_words(DRAWS) {
            counts[picker.pick(random, other) as usize] += 1;
        }
        let weight = |rank: u32| f64::from(rank + 1).powf(-EXPONENT);
        let total: f64 = (0..ACCOUNTS).map(weight).sum();
        let drawn = |rank: u32| counts[(u64::from(rank) * picker.stride % u64::from(ACCOUNTS)) as usize];
        for rank in [0, 1, 2, 10, 100] {
            let expected = weight(rank) / total * DRAWS as f64;
            let found = f64::from(drawn(rank));
            assert!((found - expected).abs() < 5.0 * expected.sqrt(), "rank {rank}: {found} for {expected}");
        }
        let tail: f64 = (50_000..ACCOUNTS).map(|rank| f64::from(drawn(rank))).sum();
        let expected: f64 = (50_000..ACCOUNTS).map(|rank| weight(rank) / total).sum::<f64>() * DRAWS as f64;
        assert!((tail - expected).abs() < 0.02 * expected, "tail: {tail} for {expected}");
    }

    #[test]
    fn every_account_can_be_drawn_whatever_their_number() {
        for accounts in [1, 2, 3, 7, 10, 1000, 20_000] {
            for skew in [Skew::Uniform, Skew::Zipf] {
                let picker = AccountPicker::new(skew, accounts);
                let mut seen = vec![false; accounts as usize];
                for (random, other) in random_words(accounts as usize * 400) {
                    seen[picker.pick(random, other) as usize] = true;
                }
                let share = seen.iter().filter(|&&drawn| drawn).count();
                assert!(share * 100 >= seen.len() * 95, "{skew:?}: {share} of {accounts}");
            }
            assert_eq!(AccountPicker::new(Skew::Hot, accounts).pick(u64::MAX, 3), 0);
        }
    }
}
