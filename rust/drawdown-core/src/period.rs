//! Usage periods of an account (semantics §3): the calendar month in UTC until its first edge
//! is set, from then on only edges begin periods: the first comes with the start of the month that is open.

const DAY_US: i64 = 86_400_000_000;

/// Start of the period that holds `time`.
pub fn period_start(edges: &[i64], time: i64) -> i64 {
    match edges.partition_point(|edge| *edge <= time) {
        0 => month_start(time),
        n => edges[n - 1],
    }
}

/// End (exclusive) of the period that starts at `start`; `None` while no edge ends it yet.
pub fn period_end(edges: &[i64], start: i64) -> Option<i64> {
    let next_edge = edges.iter().copied().find(|edge| *edge > start);
    let begins_at_edge = edges.binary_search(&start).is_ok();
    if begins_at_edge {
        return next_edge;
    }
    let month_end = next_month_start(start);
    Some(next_edge.map_or(month_end, |edge| edge.min(month_end)))
}

/// Edges in front of the period that holds `floor`: nothing can be dated into what they begin any more.
pub fn closed_edges(edges: &[i64], floor: i64) -> usize {
    edges.partition_point(|edge| *edge <= floor).saturating_sub(1)
}

/// First instant of the UTC calendar month that holds `time`.
pub fn month_start(time: i64) -> i64 {
    let (year, month, _) = civil_from_days(time.div_euclid(DAY_US));
    days_from_civil(year, month, 1) * DAY_US
}

fn next_month_start(time: i64) -> i64 {
    let (year, month, _) = civil_from_days(time.div_euclid(DAY_US));
    let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days_from_civil(year, month, 1) * DAY_US
}

/// Days since 1970-01-01 of a proleptic Gregorian date. Counts from 1 March, so that the leap
/// day is the last of its year.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_round_trip_over_eight_centuries() {
        // A step that is no part of a year or a leap cycle.
        let step = if cfg!(miri) { 997 } else { 1 };
        for days in (-150_000..150_000).step_by(step) {
            let (y, m, d) = civil_from_days(days);
            assert_eq!(days_from_civil(y, m, d), days);
        }
        assert_eq!(civil_from_days(0), (1970, 1, 1));
        assert_eq!(civil_from_days(20_777), (2026, 11, 20));
    }

    #[test]
    fn months_rule_until_the_first_edge() {
        let november = days_from_civil(2026, 11, 1) * DAY_US;
        let edge = days_from_civil(2026, 11, 15) * DAY_US;
        assert_eq!(period_start(&[], november), november);
        assert_eq!(period_start(&[edge], edge - 1), november);
        assert_eq!(period_start(&[edge], edge), edge);
        assert_eq!(period_start(&[edge], edge + 100 * DAY_US), edge);
        assert_eq!(period_end(&[edge], november), Some(edge));
        assert_eq!(period_end(&[edge], edge), None);
        assert_eq!(period_end(&[], november), Some(days_from_civil(2026, 12, 1) * DAY_US));
    }
}
