//! Commands about grants: create, release, void, void-and-replace (semantics §4).

use crate::amount::{divide_half_even, parse_rational, pow10};
use crate::command::{
    Category, CreateGrant, Formula, GrantAmount, GrantInput, ReleaseGrant, VoidAndReplace, VoidGrant,
};
use crate::engine::Engine;
use crate::entry::{Control, GrantCreated, GrantIdUsed, GrantReleased, GrantTextEntry, GrantVoided, Pair};
use crate::execute::{Done, Group, Refusal, check_id, shown, source_number};
use crate::grant::{Grant, NEVER, PENDING, VOIDED};
use crate::status::Status;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const TEXT_BYTES_MAX: usize = 1_024;
const METADATA_MAX: usize = 32;
const GRANTS_PER_ACCOUNT_MAX: u32 = 1_000_000;

/// How an id stands towards a grant that is to be created.
enum Known {
    New,
    Same,
    Other,
}

impl Engine {
    pub(crate) fn create_grant(&mut self, c: &CreateGrant, group: &mut Group<'_>) -> Result<Done, Refusal> {
        let number = self.touch(&c.account, group)?;
        let GrantAmount::Fixed(amount) = &c.grant.amount else {
            return Err(Refusal::invalid("amount", "a formula needs void_and_replace, with the grant it is over"));
        };
        let credit_type = self.credit_type_of(&c.grant.credit_type)?;
        let amount = self.amount("amount", amount, credit_type)?;
        let fingerprint = self.grant_fingerprint(&c.grant, Some(amount));
        match self.known(number, &c.grant.grant_id, fingerprint) {
            Known::Same => return Ok(Done::duplicate().with("grant_id", c.grant.grant_id.clone())),
            Known::Other => return Err(grant_conflict(&c.grant.grant_id)),
            Known::New => {}
        }
        self.add_grant(number, credit_type, &c.grant, amount, fingerprint, group)?;
        self.after_grants(number, credit_type, group);
        Ok(Done::ok().with("grant_id", c.grant.grant_id.clone()))
    }

    /// Validate and emit one grant.
    fn add_grant(
        &mut self,
        number: u32,
        credit_type: u16,
        input: &GrantInput,
        amount: i64,
        fingerprint: u64,
        group: &mut Group<'_>,
    ) -> Result<(), Refusal> {
        let (scope, effective_at) = self.check_grant(number, input)?;
        if amount <= 0 {
            return Err(Refusal::invalid("amount", "the amount of a grant must be above 0"));
        }
        let account = &self.accounts[number as usize];
        if account.next_grant >= GRANTS_PER_ACCOUNT_MAX {
            return Err(Refusal::invalid("grant_id", "the account has as many grants as fit"));
        }
        let total = account.pool(credit_type).map_or(0, |pool| pool.remaining_total()) + i128::from(amount);
        if total > i128::from(i64::MAX) {
            let reason = "the pool's total of remaining credits would not fit 64 bits";
            return Err(Refusal::new(Status::Overflow, "amount", reason));
        }
        let entry = GrantCreated {
            account: number,
            credit_type: u32::from(credit_type),
            number: account.next_grant,
            id: input.grant_id.clone(),
            amount,
            priority: input.priority as u32,
            effective_at,
            expires_at: input.expires_at,
            scope: scope.iter().map(|m| u32::from(*m)).collect(),
            promotional: input.category == Category::Promotional,
            pending: input.pending,
            source: source_number(input.source),
            fingerprint,
            text: text_entry(input),
        };
        self.keep_catalog_for_scope(&scope, group);
        self.emit_in(Control::GrantCreated(entry), group);
        Ok(())
    }

    /// Everything about a grant but its amount; its scope and start.
    fn check_grant(&self, number: u32, input: &GrantInput) -> Result<(Vec<u16>, i64), Refusal> {
        check_id("grant_id", &input.grant_id)?;
        check_texts(input)?;
        if !(1..=100).contains(&input.priority) {
            let reason = format!("priority is {}; it goes from 1 (burns first) to 100", input.priority);
            return Err(Refusal::invalid("priority", reason));
        }
        let scope = self.scope_of(input)?;
        let account = &self.accounts[number as usize];
        let effective_at = input.effective_at.unwrap_or_else(|| account.now(self.stamp));
        check_dates(effective_at, input.expires_at)?;
        Ok((scope, effective_at))
    }

    fn keep_catalog_for_scope(&mut self, scope: &[u16], group: &mut Group<'_>) {
        // Interning a scope that is then undone is harmless, but state must equal its replay.
        if !scope.is_empty() && !self.catalog.scopes.contains(scope) {
            self.keep_catalog(group);
        }
    }

    fn scope_of(&self, input: &GrantInput) -> Result<Vec<u16>, Refusal> {
        let Some(keys) = &input.scope else { return Ok(Vec::new()) };
        if keys.is_empty() {
            return Err(Refusal::invalid("scope", "an empty scope pays for nothing; leave it out for all meters"));
        }
        let mut meters = keys
            .iter()
            .map(|key| {
                let reason = || format!("scope names meter '{}', which does not exist", shown(key));
                self.catalog.meter_id(key).ok_or_else(|| Refusal::new(Status::MeterUnknown, "scope", reason()))
            })
            .collect::<Result<Vec<_>, _>>()?;
        meters.sort_unstable();
        meters.dedup();
        Ok(meters)
    }

    /// Debts are paid and crossings raised as the new balance calls for.
    fn after_grants(&mut self, number: u32, credit_type: u16, group: &mut Group<'_>) {
        let now = self.accounts[number as usize].now(self.stamp);
        self.settle_debts(number, credit_type, now, group.journal);
        self.cross(number, credit_type, false, group.journal);
    }

    fn known(&self, number: u32, grant_id: &str, fingerprint: u64) -> Known {
        let account = &self.accounts[number as usize];
        let used = account.extra.as_ref().and_then(|extra| {
            extra.used_grant_ids.iter().find(|(id, _)| id.as_bytes() == grant_id.as_bytes()).map(|(_, f)| *f)
        });
        let stored = account.grant(grant_id).map(|(_, grant)| grant.detail.fingerprint).or(used);
        match stored {
            None => Known::New,
            Some(f) if f == fingerprint => Known::Same,
            Some(_) => Known::Other,
        }
    }

    /// Content as sent, with a number normalised to smallest units so that "1" equals "1.0".
    fn grant_fingerprint(&self, input: &GrantInput, amount: Option<i64>) -> u64 {
        let key = &self.key;
        let mut f = key.fingerprint(4, input.credit_type.as_bytes(), amount.unwrap_or(-1), input.effective_at);
        if let GrantAmount::Formula(formula) = &input.amount {
            f = key.fold_bytes(f, &serde_json::to_vec(formula).expect("a formula is JSON"));
        }
        let optional = |value: Option<i64>| {
            value.map_or([0; 9], |v| [[1].as_slice(), &v.to_le_bytes()].concat().try_into().expect("9 bytes"))
        };
        let numbers: [&[u8]; 5] = [
            &input.priority.to_le_bytes(),
            &optional(input.expires_at),
            &input.cost_minor.to_le_bytes(),
            &[u8::from(input.pending), input.category as u8, input.source as u8, u8::from(input.name.is_some())],
            &[u8::from(input.scope.is_some())],
        ];
        let texts = [input.name.as_deref().unwrap_or(""), &input.source_reference, &input.cost_currency, &input.reason];
        let scope = input.scope.iter().flatten().map(String::as_bytes);
        let metadata = input.metadata.iter().flat_map(|(k, v)| [k.as_bytes(), v.as_bytes()]);
        let parts = numbers.into_iter().chain(texts.map(str::as_bytes)).chain(scope).chain(metadata);
        parts.fold(f, |f, part| key.fold_bytes(f, part))
    }

    pub(crate) fn release_grant(&mut self, c: &ReleaseGrant, group: &mut Group<'_>) -> Result<Done, Refusal> {
        let number = self.touch(&c.account, group)?;
        let (credit_type, grant) = self.grant_named(number, &c.grant_id)?;
        if grant.flags & VOIDED != 0 {
            let reason = format!("grant '{}' is voided and can't be released", shown(&c.grant_id));
            return Err(Refusal::new(Status::Conflict, "grant_id", reason));
        }
        if grant.flags & PENDING == 0 {
            return Ok(Done::duplicate());
        }
        let effective_at = c.effective_at.unwrap_or(grant.effective_at);
        let expires_at = c.expires_at.or((grant.expires_at != NEVER).then_some(grant.expires_at));
        check_dates(effective_at, expires_at)?;
        let entry = GrantReleased {
            account: number,
            credit_type: u32::from(credit_type),
            number: grant.number,
            effective_at,
            expires_at,
        };
        self.emit_in(Control::GrantReleased(entry), group);
        self.after_grants(number, credit_type, group);
        Ok(Done::ok())
    }

    pub(crate) fn void_grant(&mut self, c: &VoidGrant, group: &mut Group<'_>) -> Result<Done, Refusal> {
        let number = self.touch(&c.account, group)?;
        let (credit_type, grant) = self.grant_named(number, &c.grant_id)?;
        if grant.flags & VOIDED != 0 {
            let scale = self.scale_of(credit_type);
            return Ok(Done::duplicate().with("forfeited", 0).with("scale", scale));
        }
        let forfeited = grant.free();
        let grant_number = grant.number;
        self.emit_void(number, credit_type, grant_number, forfeited, 0, &c.reason, group);
        Ok(Done::ok().with("forfeited", forfeited).with("scale", self.scale_of(credit_type)))
    }

    #[expect(clippy::too_many_arguments, reason = "one line of one entry")]
    fn emit_void(
        &mut self,
        number: u32,
        credit_type: u16,
        grant: u32,
        voided: i64,
        moved: i64,
        reason: &str,
        group: &mut Group<'_>,
    ) {
        let before = self.pool(number, credit_type).available;
        let entry = GrantVoided {
            account: number,
            credit_type: u32::from(credit_type),
            number: grant,
            voided,
            moved,
            reason: reason.into(),
        };
        self.emit_in(Control::GrantVoided(entry), group);
        let after = self.pool(number, credit_type).available;
        self.cross(number, credit_type, after < before, group.journal);
    }

    fn grant_named(&self, number: u32, grant_id: &str) -> Result<(u16, &Grant), Refusal> {
        let found = self.accounts[number as usize].grant(grant_id);
        found.map(|(pool, grant)| (pool.credit_type, grant)).ok_or_else(|| {
            let reason = format!("the account has no grant '{}'", shown(grant_id));
            Refusal::new(Status::GrantUnknown, "grant_id", reason)
        })
    }

    pub(crate) fn void_and_replace(&mut self, c: &VoidAndReplace, group: &mut Group<'_>) -> Result<Done, Refusal> {
        let number = self.touch(&c.account, group)?;
        let mut known = 0;
        for input in &c.create {
            match self.known(number, &input.grant_id, self.replacement_fingerprint(input)?) {
                Known::Same => known += 1,
                Known::Other => return Err(grant_conflict(&input.grant_id)),
                Known::New => {}
            }
        }
        if known > 0 && known == c.create.len() {
            return Ok(Done::duplicate());
        }
        if known > 0 {
            let reason = "some of the new ids exist already, others don't: not a repeat of the same command";
            return Err(Refusal::new(Status::Conflict, "create", reason));
        }
        let mut carried: BTreeMap<&str, i64> = BTreeMap::new();
        let mut amounts = Vec::with_capacity(c.create.len());
        for input in &c.create {
            amounts.push(self.replacement_amount(number, c, input, &mut carried)?);
        }
        let forfeited = self.void_all(number, c, &carried, group)?;
        let mut created = Vec::new();
        for (input, (credit_type, amount)) in c.create.iter().zip(amounts) {
            let fingerprint = self.replacement_fingerprint(input)?;
            if amount == 0 && matches!(input.amount, GrantAmount::Formula(_)) {
                self.check_grant(number, input)?;
                let entry = GrantIdUsed { account: number, id: input.grant_id.clone(), fingerprint };
                self.emit_in(Control::GrantIdUsed(entry), group);
            } else {
                self.add_grant(number, credit_type, input, amount, fingerprint, group)?;
            }
            created.push(json!({"grant_id": input.grant_id, "amount": amount, "scale": self.scale_of(credit_type)}));
            if self.accounts[number as usize].pool(credit_type).is_some() {
                self.after_grants(number, credit_type, group);
            }
        }
        Ok(Done::ok().with("forfeited", forfeited).with("created", created))
    }

    fn replacement_fingerprint(&self, input: &GrantInput) -> Result<u64, Refusal> {
        let amount = match &input.amount {
            GrantAmount::Fixed(amount) => {
                let credit_type = self.credit_type_of(&input.credit_type)?;
                Some(self.amount("amount", amount, credit_type)?)
            }
            GrantAmount::Formula(_) => None,
        };
        Ok(self.grant_fingerprint(input, amount))
    }

    /// Credit type and amount of a replacing grant; `carried` sums what formulas take from each.
    fn replacement_amount<'c>(
        &self,
        number: u32,
        c: &'c VoidAndReplace,
        input: &'c GrantInput,
        carried: &mut BTreeMap<&'c str, i64>,
    ) -> Result<(u16, i64), Refusal> {
        let credit_type = self.credit_type_of(&input.credit_type)?;
        let formula = match &input.amount {
            GrantAmount::Fixed(amount) => return Ok((credit_type, self.amount("amount", amount, credit_type)?)),
            GrantAmount::Formula(formula) => formula,
        };
        if !c.void.contains(&formula.of) {
            let reason = format!("the formula is over '{}', which this command does not void", shown(&formula.of));
            return Err(Refusal::invalid("amount", reason));
        }
        let (old_type, old) = self.grant_named(number, &formula.of)?;
        if old_type != credit_type {
            return Err(Refusal::invalid("amount", "a formula carries credits within one credit type"));
        }
        let free = if old.flags & VOIDED != 0 { 0 } else { old.free() };
        let amount = self.formula(formula, free, credit_type)?;
        let taken = carried.entry(formula.of.as_str()).or_insert(0);
        *taken = taken.checked_add(amount).filter(|sum| *sum <= free).ok_or_else(|| {
            Refusal::invalid("amount", format!("the formulas carry more than '{}' has free", shown(&formula.of)))
        })?;
        Ok((credit_type, amount))
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
                let n = self.amount("amount", n, credit_type)?;
                if n < 0 {
                    return Err(Refusal::invalid("amount", "minus can't be negative"));
                }
                Ok((free - n).max(0))
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
            let (voided, grant_number) = (grant.free() - moved, grant.number);
            self.emit_void(number, credit_type, grant_number, voided, moved, "replaced", group);
            forfeited
                .push(json!({"grant_id": id, "amount": voided, "moved": moved, "scale": self.scale_of(credit_type)}));
        }
        Ok(forfeited)
    }
}

fn grant_conflict(id: &str) -> Refusal {
    let reason = format!("grant '{}' exists with other content; grants are not edited: void and replace it", shown(id));
    Refusal::new(Status::Conflict, "grant_id", reason)
}

fn check_dates(effective_at: i64, expires_at: Option<i64>) -> Result<(), Refusal> {
    if expires_at.is_some_and(|end| end <= effective_at || end == NEVER) {
        return Err(Refusal::invalid("expires_at", "expires_at must be after effective_at"));
    }
    Ok(())
}

fn check_texts(input: &GrantInput) -> Result<(), Refusal> {
    let named = [
        ("name", input.name.as_deref().unwrap_or("")),
        ("source_reference", &input.source_reference),
        ("reason", &input.reason),
    ];
    for (field, text) in named {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Refusal::invalid(field, format!("{field} has {} bytes, at most {TEXT_BYTES_MAX}", text.len())));
        }
    }
    let is_currency = |c: &str| c.len() == 3 && c.bytes().all(|b| b.is_ascii_uppercase());
    if input.cost_minor < 0 || (input.cost_minor > 0 && !is_currency(&input.cost_currency)) {
        let reason = "a cost basis is 0 or more minor units of a currency such as 'USD'";
        return Err(Refusal::invalid("cost_minor", reason));
    }
    let too_long = |m: &BTreeMap<String, String>| m.iter().any(|(k, v)| k.len() > 128 || v.len() > TEXT_BYTES_MAX);
    if input.metadata.len() > METADATA_MAX || too_long(&input.metadata) {
        let reason = format!("metadata has at most {METADATA_MAX} keys of 128 bytes with values of {TEXT_BYTES_MAX}");
        return Err(Refusal::invalid("metadata", reason));
    }
    Ok(())
}

/// Absent when everything is default, so that a plain grant costs no memory for it.
fn text_entry(input: &GrantInput) -> Option<GrantTextEntry> {
    let text = GrantTextEntry {
        name: input.name.clone().filter(|name| *name != input.grant_id).unwrap_or_default(),
        source_reference: input.source_reference.clone(),
        cost_minor: input.cost_minor,
        cost_currency: input.cost_currency.clone(),
        reason: input.reason.clone(),
        metadata: input.metadata.iter().map(|(k, v)| Pair { key: k.clone(), value: v.clone() }).collect(),
    };
    (text != GrantTextEntry::default()).then_some(text)
}
