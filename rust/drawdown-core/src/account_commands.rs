//! Commands about accounts: creation, rate tables, periods, test clocks, policies, thresholds.

use crate::amount::parse_decimal;
use crate::catalog::NO_CAP;
use crate::command::{
    AdvanceClock, Amount, AssignRateTable, CreateAccount, PolicyKind, SetPeriodEdge, SetPolicy, SetThresholds,
};
use crate::engine::Engine;
use crate::entry::{
    AccountCreated, ClockAdvanced, Control, PeriodEdgeSet, PolicySet, RateTableAssigned, ThresholdsSet,
};
use crate::execute::{Done, Group, Refusal, absent_account, absent_customer, check_id, policy_number, shown};
use crate::instant::check_date;
use crate::period::{closed_edges, month_start};
use crate::threshold::{THRESHOLDS_MAX, parse_percent};

/// Of an account that names none.
pub const DEFAULT_RATE_TABLE: &str = "default";

/// Of periods that are not closed, beside the one that comes with the first.
const EDGES_MAX: usize = 1_200;

impl Engine {
    pub(crate) fn create_account(&mut self, c: &CreateAccount, group: &mut Group<'_>) -> Result<Done, Refusal> {
        check_id("account", &c.account)?;
        for (field, value) in [("customer", &c.customer), ("rate_table", &c.rate_table)] {
            if let Some(id) = value {
                check_id(field, id)?;
            }
        }
        check_date("test_clock", c.test_clock)?;
        if c.test_clock.is_some_and(|at| at < 0) {
            return Err(Refusal::invalid("test_clock", "a test clock starts at or after 1970"));
        }
        // Whether it exists or not: what lies outside the caller's prefix is neither seen nor made.
        if !group.sees(&c.account) {
            return Err(absent_account(&c.account));
        }
        // A customer is whom its accounts' purchases and invoices are for: nobody buys for one outside his prefix.
        if let Some(customer) = c.customer.as_deref().filter(|id| !group.sees(id)) {
            return Err(absent_customer(customer));
        }
        let rate_table = c.rate_table.as_deref().unwrap_or(DEFAULT_RATE_TABLE);
        let fingerprint = self.account_fingerprint(c, rate_table);
        if let Some(number) = self.find_account(&c.account) {
            let known = self.accounts[number as usize].extra.as_ref().map_or(0, |extra| extra.fingerprint);
            return crate::catalog_commands::same_or_conflict(known == fingerprint, "account", || {
                format!("account '{}' exists with other content", shown(&c.account))
            });
        }
        if self.catalog.table_id(rate_table).is_none() {
            self.keep_catalog(group);
        }
        let entry = AccountCreated {
            account: self.account_count(),
            id: c.account.clone(),
            customer: c.customer.clone().unwrap_or_default(),
            rate_table: rate_table.into(),
            test_clock: c.test_clock,
            fingerprint,
            floor: c.test_clock.map(|at| self.settings.floor_at(at)),
        };
        self.emit_in(Control::AccountCreated(entry), group);
        Ok(Done::ok())
    }

    /// 0 for an account with nothing but its id, which then needs no memory for it.
    fn account_fingerprint(&self, c: &CreateAccount, rate_table: &str) -> u64 {
        let customer = c.customer.as_deref().unwrap_or("");
        if customer.is_empty() && rate_table == DEFAULT_RATE_TABLE && c.test_clock.is_none() {
            return 0;
        }
        let f = self.key.fingerprint(3, customer.as_bytes(), 0, c.test_clock);
        self.key.fold_bytes(f, rate_table.as_bytes()) | 1
    }

    pub(crate) fn assign_rate_table(&mut self, c: &AssignRateTable, group: &mut Group<'_>) -> Result<Done, Refusal> {
        check_id("table", &c.table)?;
        check_date("valid_from", c.valid_from)?;
        let number = self.touch(&c.account, group)?;
        let account = &self.accounts[number as usize];
        let valid_from = c.valid_from.unwrap_or_else(|| account.now(self.stamp));
        let is_newest = account.rate_table_from() == valid_from;
        if is_newest && self.catalog.table_id(&c.table) == Some(account.rate_table) {
            return Ok(Done::duplicate());
        }
        if self.catalog.table_id(&c.table).is_none() {
            self.keep_catalog(group);
        }
        let entry = RateTableAssigned { account: number, table: c.table.clone(), valid_from };
        self.emit_in(Control::RateTableAssigned(entry), group);
        Ok(Done::ok())
    }

    pub(crate) fn set_period_edge(&mut self, c: &SetPeriodEdge, group: &mut Group<'_>) -> Result<Done, Refusal> {
        check_date("at", Some(c.at))?;
        let number = self.touch(&c.account, group)?;
        let account = &self.accounts[number as usize];
        let is_first = account.period_edges().is_empty();
        if account.period_edges().binary_search(&c.at).is_ok() != c.withdrawn {
            return Ok(Done::duplicate());
        }
        // Events of up to the margin ahead may already count in the period that is open.
        let earliest = account.now(self.stamp).saturating_add(self.settings.early_margin_us);
        if c.at <= earliest {
            let reason =
                format!("a period edge must lie after {earliest}, the present plus the margin for early events");
            return Err(Refusal::invalid("at", reason));
        }
        let floor = account.test_clock().map_or(self.floor, |clock| clock.floor);
        let open = account.period_edges().len() - closed_edges(account.period_edges(), floor);
        if open > EDGES_MAX && !c.withdrawn {
            return Err(Refusal::invalid("at", format!("the account has {EDGES_MAX} period edges, the most allowed")));
        }
        let closed_below = (open < account.period_edges().len()).then_some(floor);
        let set = |at: i64| {
            let edge = PeriodEdgeSet { account: number, at, withdrawn: c.withdrawn, closed_below };
            Control::PeriodEdgeSet(edge)
        };
        if is_first {
            // No month ends the period that is open: it goes on, under its own start, until the first edge.
            self.emit_in(set(month_start(earliest)), group);
        }
        self.emit_in(set(c.at), group);
        Ok(Done::ok())
    }

    pub(crate) fn advance_clock(&mut self, c: &AdvanceClock, group: &mut Group<'_>) -> Result<Done, Refusal> {
        check_date("to", Some(c.to))?;
        let number = self.touch(&c.account, group)?;
        let Some(clock) = self.accounts[number as usize].test_clock() else {
            let reason = format!("account '{}' was not created on a test clock", shown(&c.account));
            return Err(Refusal::invalid("account", reason));
        };
        if c.to < clock.now {
            return Err(Refusal::invalid("to", format!("the clock stands at {}; it never goes back", clock.now)));
        }
        if c.to > clock.now {
            let floor = Some(self.settings.floor_at(c.to));
            self.emit_in(Control::ClockAdvanced(ClockAdvanced { account: number, to: c.to, floor }), group);
        }
        self.live(number, group.journal);
        let booked = self.book_breakage(number, u32::MAX, group.journal);
        Ok(Done::ok().with("expired", booked))
    }

    pub(crate) fn set_policy(&mut self, c: &SetPolicy, group: &mut Group<'_>) -> Result<Done, Refusal> {
        let credit_type = self.credit_type_of(&c.credit_type)?;
        let limit = match (c.kind, &c.limit, &c.cap) {
            (PolicyKind::Overdraft, Some(limit), None) => self.bound("limit", limit, credit_type)?,
            (PolicyKind::Overdraft, None, _) => {
                return Err(Refusal::invalid("limit", "an overdraft policy needs a limit"));
            }
            (PolicyKind::Overage, None, Some(cap)) => self.bound("cap", cap, credit_type)?,
            (PolicyKind::Overage, None, None) => NO_CAP,
            (_, None, None) => 0,
            (PolicyKind::Overdraft, _, Some(_)) | (_, None, Some(_)) => {
                return Err(Refusal::invalid("cap", "only an overage policy has a cap"));
            }
            (_, Some(_), _) => return Err(Refusal::invalid("limit", "only an overdraft policy has a limit")),
        };
        match (c.kind, c.price.as_deref()) {
            (PolicyKind::Overage, None) => return Err(Refusal::invalid("price", "an overage policy needs a price")),
            (PolicyKind::Overage, Some(price)) if !is_price(price) => {
                return Err(Refusal::invalid("price", format!("'{}' is not a decimal of 0 or more", shown(price))));
            }
            (PolicyKind::Overage, _) | (_, None) => {}
            (_, Some(_)) => return Err(Refusal::invalid("price", "only an overage policy has a price")),
        }
        if c.since.is_some() && c.kind != PolicyKind::Overage {
            return Err(Refusal::invalid("since", "only an overage policy counts apart since an instant"));
        }
        check_date("since", c.since)?;
        let number = self.touch(&c.account, group)?;
        let entry = PolicySet {
            account: number,
            credit_type: u32::from(credit_type),
            kind: policy_number(c.kind),
            limit,
            price: c.price.clone().unwrap_or_default(),
            since: c.since,
        };
        self.emit_in(Control::PolicySet(entry), group);
        Ok(Done::ok())
    }

    pub(crate) fn set_thresholds(&mut self, c: &SetThresholds, group: &mut Group<'_>) -> Result<Done, Refusal> {
        let credit_type = self.credit_type_of(&c.credit_type)?;
        if c.thresholds.len() > THRESHOLDS_MAX {
            return Err(Refusal::invalid("thresholds", format!("at most {THRESHOLDS_MAX} thresholds fit one pool")));
        }
        let (mut thresholds, mut percents) = (Vec::new(), Vec::new());
        for given in &c.thresholds {
            match percentage(given)? {
                Some(percent) => percents.push(percent),
                None => thresholds.push(self.amount("thresholds", given, credit_type)?),
            }
        }
        thresholds.sort_unstable_by(|a, b| b.cmp(a));
        thresholds.dedup();
        percents.sort_unstable_by(|a, b| b.cmp(a));
        percents.dedup();
        let number = self.touch(&c.account, group)?;
        let pool = self.accounts[number as usize].pool(credit_type);
        let fired = pool.map_or(0, |pool| pool.fired_among(&thresholds, &percents));
        let entry = ThresholdsSet { account: number, credit_type: u32::from(credit_type), thresholds, percents, fired };
        self.emit_in(Control::ThresholdsSet(entry), group);
        // A level set above the present balance has been passed already: say so at once.
        self.cross(number, credit_type, true, group.journal);
        Ok(Done::ok())
    }

    /// A limit or cap: an amount of 0 or more.
    fn bound(&self, field: &'static str, amount: &Amount, credit_type: u16) -> Result<i64, Refusal> {
        match self.amount(field, amount, credit_type)? {
            negative if negative < 0 => Err(Refusal::invalid(field, format!("{field} can't be negative"))),
            bound => Ok(bound),
        }
    }

    pub(crate) fn credit_type_of(&self, name: &str) -> Result<u16, Refusal> {
        self.catalog.credit_type_id(name).ok_or_else(|| {
            Refusal::invalid("credit_type", format!("there is no credit type '{}'; create it first", shown(name)))
        })
    }

    /// An amount as sent, in smallest units of the credit type.
    pub(crate) fn amount(&self, field: &'static str, amount: &Amount, credit_type: u16) -> Result<i64, Refusal> {
        let scale = self.catalog.scale(credit_type);
        match amount {
            Amount::Units(units) => Ok(*units),
            Amount::Decimal(text) => {
                parse_decimal(text, scale).map_err(|error| Refusal::invalid(field, error.explain(text, scale)))
            }
        }
    }
}

/// Hundredths of a percent of a threshold that ends in `%`.
fn percentage(given: &Amount) -> Result<Option<u32>, Refusal> {
    let Amount::Decimal(text) = given else { return Ok(None) };
    let Some(number) = text.strip_suffix('%') else { return Ok(None) };
    parse_percent(number).map(Some).ok_or_else(|| {
        let reason = format!(
            "'{}' is no percentage of what was granted; write one from 0.01% to 100%, at most two decimals",
            shown(text)
        );
        Refusal::invalid("thresholds", reason)
    })
}

fn is_price(text: &str) -> bool {
    crate::amount::parse_rational(text).is_ok_and(|(value, _)| value >= 0)
}
