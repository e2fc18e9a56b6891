//! Commands about grants: create, release, void (semantics §4).

use crate::command::{Category, CreateGrant, GrantAmount, GrantInput, ReleaseGrant, VoidGrant};
use crate::engine::Engine;
use crate::entry::{Control, GrantCreated, GrantReleased, GrantTextEntry, GrantVoided, Pair};
use crate::execute::{Done, Group, Refusal, check_id, shown, source_number};
use crate::grant::{Grant, NEVER, PENDING, VOIDED};
use crate::instant::check_date;
use crate::left_grants::{LeftGrant, left_id_hash};
use crate::status::Status;
use std::collections::{BTreeMap, BTreeSet};

const TEXT_BYTES_MAX: usize = 1_024;
const METADATA_MAX: usize = 32;
const GRANTS_PER_ACCOUNT_MAX: u32 = 1_000_000;

/// How an id stands towards a grant that is to be created.
pub(crate) enum Known {
    New,
    Same,
    Other,
}

/// A grant judged by itself.
pub(crate) struct PreparedGrant {
    pub credit_type: u16,
    /// `None`: a formula.
    pub amount: Option<i64>,
    pub fingerprint: u64,
}

/// What commands need of a grant that is there already, in memory or not.
#[derive(Clone, Copy)]
pub(crate) struct NamedGrant {
    pub number: u32,
    pub flags: u8,
    pub free: i64,
    pub effective_at: i64,
    pub expires_at: i64,
}

impl NamedGrant {
    fn of(grant: &Grant) -> NamedGrant {
        let Grant { number, flags, effective_at, expires_at, .. } = *grant;
        NamedGrant { number, flags, free: grant.free(), effective_at, expires_at }
    }

    /// It has nothing left, and its dates matter no more.
    fn of_left(left: &LeftGrant) -> NamedGrant {
        let flags = if left.is_voided() { VOIDED } else { 0 };
        NamedGrant { number: left.number(), flags, free: 0, effective_at: i64::MIN, expires_at: NEVER }
    }
}

impl Engine {
    pub(crate) fn create_grant(&mut self, c: &CreateGrant, group: &mut Group<'_>) -> Result<Done, Refusal> {
        let prepared = self.prepare_grant(&c.grant)?;
        let Some(amount) = prepared.amount else {
            return Err(Refusal::invalid("amount", "a formula needs void_and_replace, with the grant it is over"));
        };
        let number = self.touch(&c.account, group)?;
        match self.known(number, &c.grant.grant_id, prepared.fingerprint) {
            Known::Same => return Ok(Done::duplicate().with("grant_id", c.grant.grant_id.clone())),
            Known::Other => return Err(grant_conflict(&c.grant.grant_id)),
            Known::New => {}
        }
        self.add_grant(number, &prepared, &c.grant, amount, group)?;
        self.after_grants(number, prepared.credit_type, false, group);
        Ok(Done::ok().with("grant_id", c.grant.grant_id.clone()))
    }

    /// What can be judged of a grant without its account: `INVALID` stands before every other status.
    pub(crate) fn prepare_grant(&self, input: &GrantInput) -> Result<PreparedGrant, Refusal> {
        check_id("grant_id", &input.grant_id)?;
        check_texts(input)?;
        if !(1..=100).contains(&input.priority) {
            let reason = format!("priority is {}; it goes from 1 (burns first) to 100", input.priority);
            return Err(Refusal::invalid("priority", reason));
        }
        if input.scope.as_ref().is_some_and(Vec::is_empty) {
            return Err(Refusal::invalid("scope", "an empty scope pays for nothing; leave it out for all meters"));
        }
        check_date("effective_at", input.effective_at)?;
        check_date("expires_at", input.expires_at)?;
        if let Some(effective_at) = input.effective_at {
            check_dates(effective_at, input.expires_at)?;
        }
        let credit_type = self.credit_type_of(&input.credit_type)?;
        let amount = match &input.amount {
            GrantAmount::Fixed(amount) => Some(self.amount("amount", amount, credit_type)?),
            GrantAmount::Formula(_) => None,
        };
        if amount.is_some_and(|amount| amount <= 0) {
            return Err(Refusal::invalid("amount", "the amount of a grant must be above 0"));
        }
        Ok(PreparedGrant { credit_type, amount, fingerprint: self.grant_fingerprint(input, amount) })
    }

    /// Emit one grant of a new id.
    pub(crate) fn add_grant(
        &mut self,
        number: u32,
        prepared: &PreparedGrant,
        input: &GrantInput,
        amount: i64,
        group: &mut Group<'_>,
    ) -> Result<(), Refusal> {
        let (scope, effective_at) = self.check_on_account(number, input)?;
        let account = &self.accounts[number as usize];
        if account.next_grant >= GRANTS_PER_ACCOUNT_MAX {
            return Err(Refusal::invalid("grant_id", "the account has as many grants as fit"));
        }
        let pool = account.pool(prepared.credit_type);
        let total = pool.map_or(0, |pool| pool.remaining_total()) + i128::from(amount);
        if total > i128::from(i64::MAX) && !cfg!(feature = "planted-wrapping-add") {
            let reason = "the pool's total of remaining credits would not fit 64 bits";
            return Err(Refusal::new(Status::Overflow, "amount", reason));
        }
        let entry = GrantCreated {
            account: number,
            credit_type: u32::from(prepared.credit_type),
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
            fingerprint: prepared.fingerprint,
            text: text_entry(input),
        };
        self.keep_catalog_for_scope(&scope, group);
        self.emit_in(Control::GrantCreated(entry), group);
        Ok(())
    }

    /// What needs the catalog's meters and the account's time: the scope and the start.
    pub(crate) fn check_on_account(&self, number: u32, input: &GrantInput) -> Result<(Vec<u16>, i64), Refusal> {
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
    pub(crate) fn after_grants(&mut self, number: u32, credit_type: u16, fell: bool, group: &mut Group<'_>) {
        let now = self.accounts[number as usize].now(self.stamp);
        self.settle_debts(number, credit_type, now, group.journal);
        self.cross(number, credit_type, fell, group.journal);
    }

    pub(crate) fn known(&self, number: u32, grant_id: &str, fingerprint: u64) -> Known {
        let account = &self.accounts[number as usize];
        let used = account.extra.as_ref().and_then(|extra| {
            extra.used_grant_ids.iter().find(|(id, _)| id.as_bytes() == grant_id.as_bytes()).map(|(_, f)| *f)
        });
        let stored = account.grant(grant_id).map(|(_, grant)| grant.detail.fingerprint).or(used);
        let left = || account.left_grant(left_id_hash(&self.key, grant_id.as_bytes()));
        match stored.map(|stored| stored == fingerprint).or_else(|| left().map(|(_, left)| left.is_same(fingerprint))) {
            None => Known::New,
            Some(true) => Known::Same,
            Some(false) => Known::Other,
        }
    }

    /// Content as sent, with a number normalised to smallest units so that "1" equals "1.0", and a scope as the
    /// set that it is.
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
        let scope: BTreeSet<&[u8]> = input.scope.iter().flatten().map(String::as_bytes).collect();
        // No id has such bytes: where the keys of the scope end, those of the metadata begin.
        let keys = (scope.len() as u32).to_le_bytes();
        let between = (!scope.is_empty() && !input.metadata.is_empty()).then_some(keys.as_slice());
        let metadata = input.metadata.iter().flat_map(|(k, v)| [k.as_bytes(), v.as_bytes()]);
        let parts = numbers.into_iter().chain(texts.map(str::as_bytes)).chain(scope).chain(between).chain(metadata);
        parts.fold(f, |f, part| key.fold_bytes(f, part))
    }

    pub(crate) fn release_grant(&mut self, c: &ReleaseGrant, group: &mut Group<'_>) -> Result<Done, Refusal> {
        check_date("effective_at", c.effective_at)?;
        check_date("expires_at", c.expires_at)?;
        if let Some(effective_at) = c.effective_at {
            check_dates(effective_at, c.expires_at)?;
        }
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
        self.after_grants(number, credit_type, false, group);
        Ok(Done::ok())
    }

    pub(crate) fn void_grant(&mut self, c: &VoidGrant, group: &mut Group<'_>) -> Result<Done, Refusal> {
        let number = self.touch(&c.account, group)?;
        let (credit_type, grant) = self.grant_named(number, &c.grant_id)?;
        if grant.flags & VOIDED != 0 {
            let scale = self.scale_of(credit_type);
            return Ok(Done::duplicate().with("forfeited", 0).with("scale", scale));
        }
        let forfeited = grant.free;
        let before = self.pool(number, credit_type).available;
        self.emit_void(number, credit_type, grant.number, forfeited, 0, &c.reason, group);
        let after = self.pool(number, credit_type).available;
        self.cross(number, credit_type, after < before, group.journal);
        Ok(Done::ok().with("forfeited", forfeited).with("scale", self.scale_of(credit_type)))
    }

    /// Write that the grant is voided. The caller crosses levels, once its step is done.
    #[expect(clippy::too_many_arguments, reason = "one line of one entry")]
    pub(crate) fn emit_void(
        &mut self,
        number: u32,
        credit_type: u16,
        grant: u32,
        voided: i64,
        moved: i64,
        reason: &str,
        group: &mut Group<'_>,
    ) {
        let entry = GrantVoided {
            account: number,
            credit_type: u32::from(credit_type),
            number: grant,
            voided,
            moved,
            reason: reason.into(),
        };
        self.emit_in(Control::GrantVoided(entry), group);
    }

    pub(crate) fn grant_named(&self, number: u32, grant_id: &str) -> Result<(u16, NamedGrant), Refusal> {
        let account = &self.accounts[number as usize];
        let found = account.grant(grant_id).map(|(pool, grant)| (pool.credit_type, NamedGrant::of(grant)));
        let left = || account.left_grant(left_id_hash(&self.key, grant_id.as_bytes()));
        found.or_else(|| left().map(|(credit_type, left)| (credit_type, NamedGrant::of_left(&left)))).ok_or_else(|| {
            let reason = format!("the account has no grant '{}'", shown(grant_id));
            Refusal::new(Status::GrantUnknown, "grant_id", reason)
        })
    }
}

pub(crate) fn grant_conflict(id: &str) -> Refusal {
    let reason = format!("grant '{}' exists with other content; grants are not edited: void and replace it", shown(id));
    Refusal::new(Status::Conflict, "grant_id", reason)
}

fn check_dates(effective_at: i64, expires_at: Option<i64>) -> Result<(), Refusal> {
    if expires_at.is_some_and(|end| end <= effective_at) {
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
