//! The prices of the stories, and what a quantity costs: exact fractions in 128 bits.

pub const SCALE: u32 = 3;

/// Credits, in millionths.
type Millionths = i128;

#[derive(Clone, Debug)]
pub enum Kind {
    /// Credits per unit.
    Flat(Millionths),
    /// (whole units up to and including, in 10^-quantity_scale; credits per unit).
    Tiers(Vec<(i128, Millionths)>),
    /// Credits for every started so many units.
    Package(Millionths, i128),
}

/// Rate tables; of the last one nobody defined anything.
pub const TABLES: [&str; 4] = ["default", "second", "second", "empty"];

#[derive(Clone, Debug)]
pub struct Rate {
    pub table: &'static str,
    pub meter: &'static str,
    pub credit_type: &'static str,
    pub matches: &'static str,
    /// After the start of the story; absent: from the beginning.
    pub valid_from: Option<i64>,
    pub kind: Kind,
}

pub struct Meter {
    pub key: &'static str,
    pub quantity_scale: u32,
    pub how: How,
}

/// What the events of a period come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum How {
    Sum,
    Count,
    Max,
    Last,
    /// Values of `model`.
    Unique,
}

impl How {
    pub fn name(self) -> &'static str {
        match self {
            How::Sum => "sum",
            How::Count => "count",
            How::Max => "max",
            How::Last => "last",
            How::Unique => "unique",
        }
    }

    /// Whether what an event adds depends on the others of its period.
    pub fn is_aggregate(self) -> bool {
        matches!(self, How::Max | How::Last | How::Unique)
    }
}

pub const METERS: [Meter; 12] = [
    Meter { key: "tokens", quantity_scale: 0, how: How::Sum },
    Meter { key: "hours", quantity_scale: 1, how: How::Sum },
    Meter { key: "files", quantity_scale: 0, how: How::Sum },
    Meter { key: "jobs", quantity_scale: 0, how: How::Count },
    Meter { key: "crumbs", quantity_scale: 0, how: How::Sum },
    Meter { key: "cash", quantity_scale: 0, how: How::Sum },
    Meter { key: "free", quantity_scale: 0, how: How::Sum },
    Meter { key: "huge", quantity_scale: 0, how: How::Sum },
    Meter { key: "unpriced", quantity_scale: 0, how: How::Sum },
    Meter { key: "peak", quantity_scale: 0, how: How::Max },
    Meter { key: "level", quantity_scale: 1, how: How::Last },
    Meter { key: "users", quantity_scale: 0, how: How::Unique },
];

const END: i128 = i128::MAX;

pub fn rates(start: i64) -> Vec<Rate> {
    let rate =
        |meter, kind| Rate { table: "default", meter, credit_type: "credits", matches: "", valid_from: None, kind };
    let second = |meter, kind| Rate { table: "second", ..rate(meter, kind) };
    vec![
        rate("tokens", Kind::Flat(2_000_000)),
        Rate { matches: "large", ..rate("tokens", Kind::Flat(5_000_000)) },
        // Dearer from two hours into the story on.
        Rate { valid_from: Some(start + 7_200_000_000), ..rate("tokens", Kind::Flat(3_000_000)) },
        rate("hours", Kind::Tiers(vec![(100, 1_000_000), (155, 500_500), (END, 1_000)])),
        rate("files", Kind::Package(3_000_000, 10)),
        rate("jobs", Kind::Tiers(vec![(3, 0), (END, 1_500_000)])),
        rate("crumbs", Kind::Flat(500)),
        Rate { credit_type: "usd", ..rate("cash", Kind::Flat(1_000_000)) },
        rate("free", Kind::Flat(0)),
        rate("peak", Kind::Flat(1_000_000)),
        // By tiers from two hours into the story on: what was burned before takes no place in them.
        Rate {
            valid_from: Some(start + 7_200_000_000),
            ..rate("peak", Kind::Tiers(vec![(5, 2_000_000), (END, 250_000)]))
        },
        rate("level", Kind::Tiers(vec![(40, 1_000_000), (END, 500_500)])),
        rate("users", Kind::Tiers(vec![(1, 0), (END, 2_500_000)])),
        rate("huge", Kind::Flat(4_000_000_000_000_000_000_000)),
        second("tokens", Kind::Flat(7_000_000)),
        second("hours", Kind::Tiers(vec![(30, 2_000_000), (END, 250_500)])),
        second("files", Kind::Flat(400_000)),
        second("jobs", Kind::Flat(1_250_000)),
        second("peak", Kind::Tiers(vec![(8, 1_500_000), (END, 500_000)])),
        second("level", Kind::Flat(750_000)),
    ]
}

pub fn divide_half_even(n: i128, d: i128) -> i128 {
    let (floor, rest) = (n.div_euclid(d), n.rem_euclid(d));
    match (rest * 2).cmp(&d) {
        std::cmp::Ordering::Less => floor,
        std::cmp::Ordering::Greater => floor + 1,
        std::cmp::Ordering::Equal => floor + floor.rem_euclid(2),
    }
}

impl Rate {
    pub fn keeps_a_counter(&self) -> bool {
        !matches!(self.kind, Kind::Flat(_))
    }

    /// Whatever is used of it costs nothing.
    pub fn is_free(&self) -> bool {
        match &self.kind {
            Kind::Flat(credits) | Kind::Package(credits, _) => *credits == 0,
            Kind::Tiers(tiers) => tiers.iter().all(|(_, credits)| *credits == 0),
        }
    }

    /// Smallest units for `used` after `before`, rounded once; `None` past 128 bits.
    pub fn charge(&self, before: i128, used: i128, quantity_scale: u32) -> Option<i128> {
        let unit = 10i128.pow(quantity_scale);
        let exact = self.total(before + used, unit)?.checked_sub(self.total(before, unit)?)?;
        Some(divide_half_even(exact.checked_mul(10i128.pow(SCALE))?, unit * 1_000_000))
    }

    /// `charge`; none where its price rests on a period that would come to more than 64 bits hold.
    pub fn charge_in_counter(&self, before: i128, used: i128, quantity_scale: u32) -> Option<i128> {
        let is_within = matches!(self.kind, Kind::Flat(_)) || before + used <= i64::MAX.into();
        is_within.then(|| self.charge(before, used, quantity_scale)).flatten()
    }

    /// Millionths × quantity unit of everything up to `quantity`.
    fn total(&self, quantity: i128, unit: i128) -> Option<i128> {
        match &self.kind {
            Kind::Flat(credits) => quantity.checked_mul(*credits),
            Kind::Tiers(tiers) => {
                let (mut sum, mut from) = (0i128, 0i128);
                for (to, credits) in tiers {
                    sum += (quantity.min(*to) - from).max(0).checked_mul(*credits)?;
                    from = *to;
                }
                Some(sum)
            }
            Kind::Package(credits, size) => {
                let size = size * unit;
                let started = quantity / size + i128::from(quantity % size != 0);
                started.checked_mul(*credits)?.checked_mul(unit)
            }
        }
    }

    /// The `set_rate` command.
    pub fn command(&self) -> serde_json::Value {
        let decimal = |millionths: i128| format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
        let meter = METERS.iter().find(|m| m.key == self.meter).expect("a known meter");
        let unit = 10i128.pow(meter.quantity_scale);
        let mut command = serde_json::json!({
            "type": "set_rate", "table": self.table, "meter": self.meter, "credit_type": self.credit_type
        });
        match &self.kind {
            Kind::Flat(credits) => command["credits"] = decimal(*credits).into(),
            Kind::Package(credits, size) => {
                command["credits"] = decimal(*credits).into();
                command["per"] = size.to_string().into();
                command["package"] = true.into();
            }
            Kind::Tiers(tiers) => {
                let tier = |(to, credits): &(i128, i128)| match *to {
                    END => serde_json::json!({"credits": decimal(*credits)}),
                    to if unit == 1 => serde_json::json!({"up_to": to.to_string(), "credits": decimal(*credits)}),
                    to => {
                        serde_json::json!({"up_to": format!("{}.{}", to / unit, to % unit), "credits": decimal(*credits)})
                    }
                };
                command["tiers"] = tiers.iter().map(tier).collect();
            }
        }
        if !self.matches.is_empty() {
            command["match"] = serde_json::json!({"model": self.matches});
        }
        if let Some(from) = self.valid_from {
            command["valid_from"] = from.into();
        }
        command
    }
}

/// Start of the UTC calendar month, counted day by day from 2026.
pub fn month_of(time: i64) -> i64 {
    const DAY: i64 = 86_400_000_000;
    let (mut start, mut year, mut month) = (1_767_225_600_000_000, 2026, 0);
    loop {
        let leap = i64::from(year % 4 == 0);
        let days = [31, 28 + leap, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month];
        if time < start + days * DAY {
            return start;
        }
        start += days * DAY;
        month += 1;
        if month == 12 {
            (year, month) = (year + 1, 0);
        }
    }
}
