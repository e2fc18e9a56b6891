//! Void-and-replace: the old grants go and the new ones come in one step (semantics §4.10).

use crate::amount::{divide_half_even, parse_rational, pow10};
use crate::command::{Formula, GrantAmount, GrantInput, MoveOut, VoidAndReplace};
use crate::engine::Engine;
use crate::entry::{Control, GrantIdUsed};
use crate::execute::{Done, Group, Refusal, shown};
use crate::grant::VOIDED;
use crate::grant_commands::{Known, PreparedGrant, grant_conflict};
use crate::status::Status;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

impl Engine {
    pub(crate) fn void_and_replace(&mut self, c: &VoidAndReplace, group: &mut Group<'_>) -> Result<Done, Refusal> {
        let prepared = self.prepare_replacement(c)?;
        let number = self.touch(&c.account, group)?;
        for id in &c.void {
            self.grant_named(number, id)?;
        }
        if self.is_repeat(number, c, &prepared)? {
            return Ok(Done::duplicate());
        }
        let mut carried: BTreeMap<&str, i64> = BTreeMap::new();
        let mut amounts = Vec::with_capacity(c.create.len());
        for (input, prepared) in c.create.iter().zip(&prepared) {
            amounts.push(self.replacement_amount(number, prepared, input, &mut carried)?);
        }
        for out in &c.move_out {
            self.take_out(number, out, &mut carried)?;
        }
        let before = self.balances_touched(number, c, &prepared)?;
        let forfeited = self.void_all(number, c, &carried, group)?;
        let mut created = Vec::with_capacity(c.create.len());
        for ((input, prepared), amount) in c.create.iter().zip(&prepared).zip(amounts) {
            if amount == 0 {
                self.check_on_account(number, input)?;
                let (id, fingerprint) = (input.grant_id.clone(), prepared.fingerprint);
                self.emit_in(Control::GrantIdUsed(GrantIdUsed { account: number, id, fingerprint }), group);
            } else {
                self.add_grant(number, prepared, input, amount, group)?;
            }
            let scale = self.scale_of(prepared.credit_type);
            created.push(json!({"grant_id": input.grant_id, "amount": amount, "scale": scale}));
        }
        self.after_replacement(number, &before, group);
        Ok(Done::ok().with("forfeited", forfeited).with("created", created))
    }

    /// What is available before the step in each pool that it takes from or gives to.
    fn balances_touched(
        &self,
        number: u32,
        c: &VoidAndReplace,
        prepared: &[PreparedGrant],
    ) -> Result<BTreeMap<u16, i64>, Refusal> {
        let voided = c.void.iter().map(|id| self.grant_named(number, id).map(|(credit_type, _)| credit_type));
        let types = voided.chain(prepared.iter().map(|p| Ok(p.credit_type)));
        let account = &self.accounts[number as usize];
        let available = |credit_type| account.pool(credit_type).map_or(0, |pool| pool.available);
        types.map(|found| found.map(|credit_type| (credit_type, available(credit_type)))).collect()
    }

    /// Debt is paid by all of the new grants together, in burn-down order, whatever order they came in. Levels
    /// are crossed by the step as a whole: what is gone between its voids and its grants was never the balance.
    fn after_replacement(&mut self, number: u32, before: &BTreeMap<u16, i64>, group: &mut Group<'_>) {
        for (credit_type, before) in before {
            if let Some(pool) = self.accounts[number as usize].pool(*credit_type) {
                let fell = pool.available < *before;
                self.after_grants(number, *credit_type, fell, group);
            }
        }
    }

    /// Everything that is `INVALID` whatever the account holds.
    fn prepare_replacement(&self, c: &VoidAndReplace) -> Result<Vec<PreparedGrant>, Refusal> {
        let mut ids = BTreeSet::new();
        for input in &c.create {
            if !ids.insert(&input.grant_id) {
                let reason = format!("grant '{}' is created twice in one command", shown(&input.grant_id));
                return Err(Refusal::invalid("create", reason));
            }
            if let GrantAmount::Formula(formula) = &input.amount {
                if !c.void.contains(&formula.of) {
                    let of = shown(&formula.of);
                    let reason = format!("the formula is over '{of}', which this command does not void");
                    return Err(Refusal::invalid("amount", reason));
                }
                self.formula(formula, 0, self.credit_type_of(&input.credit_type)?)?;
            }
        }
        self.check_move_out(c)?;
        c.create.iter().map(|input| self.prepare_grant(input)).collect()
    }

    fn check_move_out(&self, c: &VoidAndReplace) -> Result<(), Refusal> {
        if !c.move_out.is_empty() && c.create.is_empty() {
            let reason = "credits move out only beside a grant that is created, whose id makes this repeatable";
            return Err(Refusal::invalid("create", reason));
        }
        if let Some(out) = c.move_out.iter().find(|out| !c.void.contains(&out.of)) {
            let reason = format!("'{}' is not voided by this command", shown(&out.of));
            return Err(Refusal::invalid("move_out", reason));
        }
        Ok(())
    }

    /// Credits that leave the account: never more than the grant has free beside what formulas carry.
    fn take_out<'c>(&self, number: u32, out: &'c MoveOut, carried: &mut BTreeMap<&'c str, i64>) -> Result<(), Refusal> {
        let (credit_type, old) = self.grant_named(number, &out.of)?;
        let amount = self.amount("move_out", &out.amount, credit_type)?;
        if amount <= 0 {
            return Err(Refusal::invalid("move_out", "what moves out is more than 0"));
        }
        let free = if old.flags & VOIDED != 0 { 0 } else { old.free };
        let taken = carried.entry(out.of.as_str()).or_insert(0);
        *taken = taken.checked_add(amount).filter(|sum| *sum <= free).ok_or_else(|| {
            let reason = format!("'{}' no longer has that much free", shown(&out.of));
            Refusal::new(Status::Insufficient, "move_out", reason)
        })?;
        Ok(())
    }

    /// Whether the command was applied before; some but not all of its ids is a conflict.
    fn is_repeat(&self, number: u32, c: &VoidAndReplace, prepared: &[PreparedGrant]) -> Result<bool, Refusal> {
        let mut known = 0;
        for (input, prepared) in c.create.iter().zip(prepared) {
            match self.known(number, &input.grant_id, prepared.fingerprint) {
                Known::Same => known += 1,
                Known::Other => return Err(grant_conflict(&input.grant_id)),
                Known::New => {}
            }
        }
        if known > 0 && known < c.create.len() {
            let reason = "some of the new ids exist already, others don't: not a repeat of the same command";
            return Err(Refusal::new(Status::Conflict, "create", reason));
        }
        Ok(known > 0)
    }

    /// Amount of a replacing grant; `carried` sums what formulas take from each old one, never more than
    /// it has free: what a formula adds beyond that is new.
    fn replacement_amount<'c>(
        &self,
        number: u32,
        prepared: &PreparedGrant,
        input: &'c GrantInput,
        carried: &mut BTreeMap<&'c str, i64>,
    ) -> Result<i64, Refusal> {
        let formula = match (&input.amount, prepared.amount) {
            (GrantAmount::Formula(formula), _) => formula,
            (GrantAmount::Fixed(_), amount) => return Ok(amount.expect("a fixed amount was prepared")),
        };
        let (old_type, old) = self.grant_named(number, &formula.of)?;
        if old_type != prepared.credit_type {
            return Err(Refusal::invalid("amount", "a formula carries credits within one credit type"));
        }
        let free = if old.flags & VOIDED != 0 { 0 } else { old.free };
        let amount = self.formula(formula, free, prepared.credit_type)?;
        let taken = carried.entry(formula.of.as_str()).or_insert(0);
        *taken = taken.checked_add(amount.min(free)).filter(|sum| *sum <= free).ok_or_else(|| {
            Refusal::invalid("amount", format!("the formulas carry more than '{}' has free", shown(&formula.of)))
        })?;
        Ok(amount)
    }

    fn formula(&self, formula: &Formula, free: i64, credit_type: u16) -> Result<i64, Refusal> {
        match (&formula.min, &formula.fraction, &formula.minus) {
            (Some(n), None, None) => {
                let n = self.amount("amount", n, credit_type)?;
                if n < 0 {
                    return Err(Refusal::invalid("amount", "min can't be negative"));
                }
                Ok(n.min(free))
            }
            (None, Some(fraction), None) => {
                let parsed = parse_rational(fraction).ok().filter(|(n, d)| *n >= 0 && i128::from(*n) <= pow10(*d));
                let (num, decimals) = parsed.ok_or_else(|| {
                    Refusal::invalid("amount", format!("fraction '{}' is not a decimal from 0 to 1", shown(fraction)))
                })?;
                Ok(divide_half_even(i128::from(free) * i128::from(num), pow10(decimals)) as i64)
            }
            (None, None, Some(n)) => {
                // A negative one adds to what is free.
                let n = self.amount("amount", n, credit_type)?;
                let amount = free.checked_sub(n).ok_or_else(|| {
                    Refusal::new(Status::Overflow, "amount", "the amount would leave the signed 64-bit range")
                })?;
                Ok(amount.max(0))
            }
            _ => Err(Refusal::invalid("amount", "a formula has exactly one of 'min', 'fraction' and 'minus'")),
        }
    }

    /// Void what is named and not voided yet; returns what was forfeited, without what is carried.
    fn void_all(
        &mut self,
        number: u32,
        c: &VoidAndReplace,
        carried: &BTreeMap<&str, i64>,
        group: &mut Group<'_>,
    ) -> Result<Vec<Value>, Refusal> {
        let mut forfeited = Vec::with_capacity(c.void.len());
        for id in &c.void {
            let (credit_type, grant) = self.grant_named(number, id)?;
            if grant.flags & VOIDED != 0 {
                forfeited.push(json!({"grant_id": id, "amount": 0, "scale": self.scale_of(credit_type)}));
                continue;
            }
            let moved = carried.get(id.as_str()).copied().unwrap_or(0);
            let (voided, grant_number) = (grant.free - moved, grant.number);
            self.emit_void(number, credit_type, grant_number, voided, moved, "replaced", group);
            forfeited
                .push(json!({"grant_id": id, "amount": voided, "moved": moved, "scale": self.scale_of(credit_type)}));
        }
        Ok(forfeited)
    }
}
