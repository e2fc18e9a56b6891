//! Commands that define credit types, meters and rates.

use crate::amount::{DecimalError, SCALE_MAX, parse_decimal, parse_rational, pow10};
use crate::catalog::Meter;
use crate::command::{Aggregation, CreateCreditType, CreateMeter, SetRate};
use crate::engine::Engine;
use crate::entry::{Control, CreditTypeCreated, MeterCreated, Pair, RateSet, TierEntry};
use crate::execute::{Done, Group, Refusal, aggregation_number, check_id, shown};
use crate::instant::check_date;
use crate::rate::greatest_common_divisor;
use crate::status::Status;

const CREDIT_TYPES_MAX: usize = 1_000;
const METERS_MAX: usize = 60_000;

impl Engine {
    pub(crate) fn create_credit_type(&mut self, c: &CreateCreditType, group: &mut Group<'_>) -> Result<Done, Refusal> {
        check_id("name", &c.name)?;
        if c.scale > SCALE_MAX {
            return Err(Refusal::invalid("scale", format!("scale is {}, it goes from 0 to {SCALE_MAX}", c.scale)));
        }
        if let Some(id) = self.catalog.credit_type_id(&c.name) {
            let scale = self.catalog.credit_types[usize::from(id)].scale;
            return same_or_conflict(scale == c.scale, "scale", || {
                format!("credit type '{}' exists with scale {scale}; a scale is declared once", shown(&c.name))
            });
        }
        if self.catalog.credit_types.len() >= CREDIT_TYPES_MAX {
            return Err(Refusal::invalid(
                "name",
                format!("there are {CREDIT_TYPES_MAX} credit types, the most allowed"),
            ));
        }
        self.keep_catalog(group);
        let entry = CreditTypeCreated { name: c.name.clone(), scale: u32::from(c.scale) };
        self.emit_in(Control::CreditTypeCreated(entry), group);
        Ok(Done::ok())
    }

    pub(crate) fn create_meter(&mut self, c: &CreateMeter, group: &mut Group<'_>) -> Result<Done, Refusal> {
        check_id("key", &c.key)?;
        if c.quantity_scale > SCALE_MAX {
            let reason = format!("quantity_scale is {}, it goes from 0 to {SCALE_MAX}", c.quantity_scale);
            return Err(Refusal::invalid("quantity_scale", reason));
        }
        match (&c.unique_of, c.aggregation) {
            (Some(dimension), Aggregation::Unique) => check_id("unique_of", dimension)?,
            (None, Aggregation::Unique) => {
                return Err(Refusal::invalid("unique_of", "a 'unique' meter names the dimension it counts"));
            }
            (Some(_), _) => {
                return Err(Refusal::invalid("unique_of", "only a 'unique' meter counts the values of a dimension"));
            }
            (None, _) => {}
        }
        let mut dimensions = c.dimensions.clone();
        dimensions.sort();
        dimensions.dedup();
        for dimension in &dimensions {
            check_id("dimensions", dimension)?;
        }
        let meter = Meter {
            key: c.key.clone(),
            unit: c.unit.clone(),
            quantity_scale: c.quantity_scale,
            aggregation: c.aggregation,
            dimensions,
            unique_of: c.unique_of.clone(),
        };
        if let Some(id) = self.catalog.meter_id(&c.key) {
            let same = self.catalog.meters[usize::from(id)] == meter;
            return same_or_conflict(same, "key", || {
                format!("meter '{}' exists with other content; meters are not edited", shown(&c.key))
            });
        }
        if self.catalog.meters.len() >= METERS_MAX {
            return Err(Refusal::invalid("key", format!("there are {METERS_MAX} meters, the most allowed")));
        }
        self.keep_catalog(group);
        let entry = MeterCreated {
            key: meter.key,
            unit: meter.unit,
            quantity_scale: u32::from(meter.quantity_scale),
            aggregation: aggregation_number(meter.aggregation),
            dimensions: meter.dimensions,
            unique_of: meter.unique_of,
        };
        self.emit_in(Control::MeterCreated(entry), group);
        Ok(Done::ok())
    }

    pub(crate) fn set_rate(&mut self, c: &SetRate, group: &mut Group<'_>) -> Result<Done, Refusal> {
        check_id("table", &c.table)?;
        check_date("valid_from", c.valid_from)?;
        let entry = self.compile_rate(c)?;
        let matches: Vec<(String, String)> = entry.matches.iter().map(|p| (p.key.clone(), p.value.clone())).collect();
        let newest = self.catalog.table_id(&c.table).and_then(|table| {
            let match_id = self.catalog.match_id(&matches)?;
            self.catalog.newest_rate(table, entry.meter as u16, match_id, entry.valid_from)
        });
        if newest.is_some_and(|rate| rate.sent == entry.sent) {
            return Ok(Done::duplicate());
        }
        let one_unit = pow10(u32::from(self.catalog.meters[entry.meter as usize].quantity_scale));
        let dearest = entry.tiers.iter().map(|t| t.num).max().unwrap_or(entry.num);
        let cheapest = entry.tiers.iter().map(|t| t.num).min().unwrap_or(entry.num);
        let is_below_one = |num: i64| num > 0 && i128::from(num) * one_unit < i128::from(entry.den);
        let warns = entry.form != 2 && (is_below_one(dearest) || is_below_one(cheapest));
        self.keep_catalog(group);
        self.emit_in(Control::RateSet(entry), group);
        let done = Done::ok();
        Ok(if warns {
            done.with(
                "warning",
                "one unit costs less than the smallest unit of the credit type: such events can be free for ever; choose a larger scale",
            )
        } else {
            done
        })
    }

    fn compile_rate(&self, c: &SetRate) -> Result<RateSet, Refusal> {
        let meter = self.catalog.meter_id(&c.meter).ok_or_else(|| {
            Refusal::new(
                Status::MeterUnknown,
                "meter",
                format!("there is no meter '{}'; create it first", shown(&c.meter)),
            )
        })?;
        let credit_type = self.catalog.credit_type_id(&c.credit_type).ok_or_else(|| {
            Refusal::invalid(
                "credit_type",
                format!("there is no credit type '{}'; create it first", shown(&c.credit_type)),
            )
        })?;
        let defined = &self.catalog.meters[usize::from(meter)];
        if let Some(key) = c.matches.keys().find(|key| !defined.dimensions.contains(key)) {
            let reason = format!("'{}' is not a dimension that meter '{}' declares", shown(key), defined.key);
            return Err(Refusal::invalid("match", reason));
        }
        let quantity_scale = u32::from(defined.quantity_scale);
        let scale = self.catalog.scale(credit_type);
        let (per, per_decimals) = positive_rational("per", &c.per)?;
        let mut entry = RateSet {
            table: c.table.clone(),
            meter: u32::from(meter),
            credit_type: u32::from(credit_type),
            matches: c.matches.iter().map(|(k, v)| Pair { key: k.clone(), value: v.clone() }).collect(),
            valid_from: c.valid_from.unwrap_or(i64::MIN),
            sent: serde_json::to_string(c).expect("a command is JSON"),
            ..RateSet::default()
        };
        match (&c.credits, c.tiers.is_empty(), c.package) {
            (Some(credits), true, false) => {
                entry.form = 0;
                let per_unit = PerUnit { scale, quantity_scale, per, per_decimals };
                (entry.num, entry.den) = per_unit.ratio("credits", &[credits])?.single();
            }
            (Some(credits), true, true) => {
                entry.form = 2;
                let size = i128::from(per) * pow10(quantity_scale);
                let unit = pow10(per_decimals);
                if size % unit != 0 {
                    return Err(Refusal::invalid("per", "a package must hold a whole number of smallest quantities"));
                }
                entry.size = i64::try_from(size / unit).map_err(|_| too_large("per"))?;
                let per_package = PerUnit { scale, quantity_scale: 0, per: 1, per_decimals: 0 };
                (entry.num, entry.den) = per_package.ratio("credits", &[credits])?.single();
            }
            (None, false, false) => {
                entry.form = 1;
                let per_unit = PerUnit { scale, quantity_scale, per, per_decimals };
                let prices: Vec<&String> = c.tiers.iter().map(|t| &t.credits).collect();
                let ratio = per_unit.ratio("tiers", &prices)?;
                entry.den = ratio.den;
                entry.tiers = tier_entries(c, quantity_scale, &ratio.nums)?;
            }
            _ => return Err(Refusal::invalid("credits", "give either 'credits' (alone or with 'package') or 'tiers'")),
        }
        Ok(entry)
    }
}

/// What one unit is, for turning decimal credits into smallest units per raw quantity.
struct PerUnit {
    scale: u32,
    quantity_scale: u32,
    per: i64,
    per_decimals: u32,
}

struct Ratio {
    nums: Vec<i64>,
    den: i64,
}

impl Ratio {
    fn single(&self) -> (i64, i64) {
        (self.nums[0], self.den)
    }
}

impl PerUnit {
    /// credits × 10^scale × 10^per_decimals / (per × 10^quantity_scale × 10^decimals), over one
    /// denominator for all prices, reduced.
    fn ratio(&self, field: &'static str, prices: &[&String]) -> Result<Ratio, Refusal> {
        let parsed = prices
            .iter()
            .map(|text| {
                let (num, decimals) = parse_rational(text).map_err(|e| decimal_refusal(field, text, e))?;
                if num < 0 {
                    return Err(Refusal::invalid(field, format!("a price can't be negative: '{}'", shown(text))));
                }
                Ok((num, decimals))
            })
            .collect::<Result<Vec<_>, Refusal>>()?;
        let decimals = parsed.iter().map(|(_, d)| *d).max().unwrap_or(0);
        // Powers of ten common to both sides cancel before anything is multiplied out.
        let up = self.scale + self.per_decimals;
        let down = self.quantity_scale + decimals;
        let common = up.min(down);
        let mut den = i128::from(self.per).checked_mul(pow10(down - common)).ok_or_else(|| too_large(field))?;
        let mut nums = Vec::with_capacity(parsed.len());
        for (num, own) in &parsed {
            let raised = pow10(decimals - own).checked_mul(pow10(up - common)).ok_or_else(|| too_large(field))?;
            nums.push(i128::from(*num).checked_mul(raised).ok_or_else(|| too_large(field))?);
        }
        let divisor = nums.iter().fold(den, |d, num| greatest_common_divisor(d, *num)).max(1);
        den /= divisor;
        let nums = nums
            .iter()
            .map(|num| i64::try_from(num / divisor).map_err(|_| too_large(field)))
            .collect::<Result<Vec<_>, Refusal>>()?;
        Ok(Ratio { nums, den: i64::try_from(den).map_err(|_| too_large(field))? })
    }
}

fn tier_entries(c: &SetRate, quantity_scale: u32, nums: &[i64]) -> Result<Vec<TierEntry>, Refusal> {
    let mut entries = Vec::with_capacity(c.tiers.len());
    let mut above = 0i64;
    for (i, (tier, num)) in c.tiers.iter().zip(nums).enumerate() {
        let is_last = i + 1 == c.tiers.len();
        let up_to = match &tier.up_to {
            None if is_last => i64::MAX,
            None => return Err(Refusal::invalid("tiers", "only the last tier has no up_to")),
            Some(_) if is_last => return Err(Refusal::invalid("tiers", "the last tier must have no up_to")),
            Some(text) => parse_decimal(text, quantity_scale).map_err(|e| decimal_refusal("tiers", text, e))?,
        };
        if up_to <= above {
            return Err(Refusal::invalid("tiers", "each tier's up_to must be above the one before"));
        }
        above = up_to;
        entries.push(TierEntry { up_to, num: *num });
    }
    Ok(entries)
}

fn positive_rational(field: &'static str, text: &str) -> Result<(i64, u32), Refusal> {
    match parse_rational(text) {
        Ok((value, decimals)) if value > 0 => Ok((value, decimals)),
        Ok(_) => Err(Refusal::invalid(field, format!("'{}' must be above 0", shown(text)))),
        Err(error) => Err(decimal_refusal(field, text, error)),
    }
}

fn decimal_refusal(field: &'static str, text: &str, error: DecimalError) -> Refusal {
    Refusal::invalid(field, error.explain(text, 18))
}

fn too_large(field: &'static str) -> Refusal {
    Refusal::invalid(field, "the price, brought to smallest units, does not fit 64 bits")
}

/// A repeat with the same content is `Duplicate`; with other content `Conflict`.
pub(crate) fn same_or_conflict(
    same: bool,
    field: &'static str,
    reason: impl FnOnce() -> String,
) -> Result<Done, Refusal> {
    if same { Ok(Done::duplicate()) } else { Err(Refusal::new(Status::Conflict, field, reason())) }
}
