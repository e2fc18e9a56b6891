//! Commands: validate, decide, emit. A group is one atomic step: all of it or nothing.

use crate::account::Account;
use crate::apply;
use crate::catalog::Catalog;
use crate::command::Command;
use crate::engine::Engine;
use crate::entry::Control;
use crate::event_history::{EventHistories, HistoryOutdated};
use crate::id::is_valid_id;
use crate::remembered_ids::{UsedId, used_id};
use crate::status::Status;
use crate::usage::Rights;
use serde_json::{Map, Value};

/// What became of one command.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandOutcome {
    /// `None`: not applied, because another command of the group was refused.
    pub status: Option<Status>,
    /// The command's facts, or `reason` and `field` of a refusal.
    pub facts: Map<String, Value>,
}

/// Why a command was refused: status, the field to look at, and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: Status,
    pub field: &'static str,
    pub reason: String,
    /// What else the answer carries.
    pub facts: Map<String, Value>,
}

impl Refusal {
    pub(crate) fn invalid(field: &'static str, reason: impl Into<String>) -> Refusal {
        Refusal::new(Status::Invalid, field, reason)
    }

    pub(crate) fn new(status: Status, field: &'static str, reason: impl Into<String>) -> Refusal {
        Refusal { status, field, reason: reason.into(), facts: Map::new() }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Refusal {
        self.facts.insert(name.into(), value.into());
        self
    }
}

/// A command applied (`Ok`) or found applied before (`Duplicate`), with its facts.
pub(crate) struct Done {
    pub status: Status,
    pub facts: Map<String, Value>,
}

impl Done {
    pub fn ok() -> Done {
        Done { status: Status::Ok, facts: Map::new() }
    }

    pub fn duplicate() -> Done {
        Done { status: Status::Duplicate, facts: Map::new() }
    }

    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Done {
        self.facts.insert(name.into(), value.into());
        self
    }
}

/// A group under way: where its entries go, and what it takes to undo it.
pub(crate) struct Group<'a> {
    pub journal: &'a mut Vec<u8>,
    rights: Rights<'a>,
    journal_mark: usize,
    seq_mark: u64,
    accounts_mark: u32,
    policies_mark: usize,
    touched: Vec<(u32, Account)>,
    catalog: Option<Box<Catalog>>,
    /// Ids the group uses up; remembered when all of it stands.
    pub used_ids: Vec<UsedId>,
    /// Whether `used_ids` have room to be remembered.
    pub has_room: bool,
}

impl Group<'_> {
    /// Whether the account or customer of this id lies within the caller's prefix, existing or not.
    pub(crate) fn sees(&self, id: &str) -> bool {
        id.starts_with(self.rights.account_prefix)
    }
}

impl Engine {
    /// Apply a group of commands at `stamp_us`, all or nothing. One outcome per command, in
    /// order; after a refusal the others have no status and nothing was applied.
    pub fn execute(
        &mut self,
        commands: &[Command],
        stamp_us: i64,
        rights: &Rights<'_>,
        journal: &mut Vec<u8>,
    ) -> Vec<CommandOutcome> {
        self.execute_group(commands, &mut EventHistories::new(), stamp_us, rights, journal)
    }

    /// `execute` of a group that corrects events, whose histories the caller has read; an event
    /// without one is unknown.
    ///
    /// # Errors
    /// A history is not the whole story any more: nothing was done, read again.
    pub fn execute_on(
        &mut self,
        commands: &[Command],
        histories: &mut EventHistories,
        stamp_us: i64,
        rights: &Rights<'_>,
        journal: &mut Vec<u8>,
    ) -> Result<Vec<CommandOutcome>, HistoryOutdated> {
        if histories.iter().any(|((account, _), history)| self.is_outdated(account, history)) {
            return Err(HistoryOutdated);
        }
        Ok(self.execute_group(commands, histories, stamp_us, rights, journal))
    }

    fn execute_group(
        &mut self,
        commands: &[Command],
        histories: &mut EventHistories,
        stamp_us: i64,
        rights: &Rights<'_>,
        journal: &mut Vec<u8>,
    ) -> Vec<CommandOutcome> {
        self.begin(stamp_us, journal);
        let ids = commands
            .iter()
            .filter(|c| matches!(c, Command::Reserve(_) | Command::Settle(_) | Command::Correct(_)))
            .count();
        let has_room = ids == 0 || self.make_room(ids, journal).is_ok();
        let mut group = Group {
            journal_mark: journal.len(),
            journal,
            rights: *rights,
            seq_mark: self.next_seq,
            accounts_mark: self.accounts.len() as u32,
            policies_mark: self.catalog.policies.len(),
            touched: Vec::new(),
            catalog: None,
            used_ids: Vec::new(),
            has_room,
        };
        let mut outcomes = Vec::with_capacity(commands.len());
        for (at, command) in commands.iter().enumerate() {
            match self.step(command, histories, &mut group) {
                Ok(done) => outcomes.push(CommandOutcome { status: Some(done.status), facts: done.facts }),
                Err(refusal) => {
                    self.undo(group);
                    return refused(commands.len(), at, refusal);
                }
            }
        }
        for used in &group.used_ids {
            self.remember_id(used).expect("room was made for it");
        }
        outcomes
    }

    fn step(
        &mut self,
        command: &Command,
        histories: &mut EventHistories,
        group: &mut Group<'_>,
    ) -> Result<Done, Refusal> {
        match command {
            Command::CreateCreditType(c) => self.create_credit_type(c, group),
            Command::CreateMeter(c) => self.create_meter(c, group),
            Command::SetRate(c) => self.set_rate(c, group),
            Command::CreateAccount(c) => self.create_account(c, group),
            Command::AssignRateTable(c) => self.assign_rate_table(c, group),
            Command::SetPeriodEdge(c) => self.set_period_edge(c, group),
            Command::AdvanceClock(c) => self.advance_clock(c, group),
            Command::SuspendAccount(c) => self.set_suspension(&c.account, true, group),
            Command::ResumeAccount(c) => self.set_suspension(&c.account, false, group),
            Command::SetPolicy(c) => self.set_policy(c, group),
            Command::SetThresholds(c) => self.set_thresholds(c, group),
            Command::CreateGrant(c) => self.create_grant(c, group),
            Command::ReleaseGrant(c) => self.release_grant(c, group),
            Command::VoidGrant(c) => self.void_grant(c, group),
            Command::VoidAndReplace(c) => self.void_and_replace(c, group),
            Command::Reserve(c) => self.reserve(c, group),
            Command::Settle(c) => self.settle(c, group),
            Command::Release(c) => self.release(c, group),
            Command::Correct(c) => self.correct(c, histories, group),
        }
    }

    /// The account of a command, lived up to now and kept for undo.
    pub(crate) fn touch(&mut self, id: &str, group: &mut Group<'_>) -> Result<u32, Refusal> {
        let is_visible = group.sees(id);
        let number = self.find_account(id).filter(|_| is_visible).ok_or_else(|| absent_account(id))?;
        if number < group.accounts_mark && !group.touched.iter().any(|(n, _)| *n == number) {
            group.touched.push((number, self.accounts[number as usize].clone()));
        }
        self.live(number, group.journal);
        Ok(number)
    }

    /// Keep the catalog for undo before the group first changes it; policies only grow, and are cut back.
    pub(crate) fn keep_catalog(&mut self, group: &mut Group<'_>) {
        if group.catalog.is_none() {
            group.catalog = Some(Box::new(self.catalog.clone()));
        }
    }

    pub(crate) fn emit_in(&mut self, control: Control, group: &mut Group<'_>) {
        group.used_ids.extend(used_id(&control, &self.key));
        self.emit(control, group.journal);
    }

    fn undo(&mut self, group: Group<'_>) {
        group.journal.truncate(group.journal_mark);
        self.next_seq = group.seq_mark;
        while self.changes.back().is_some_and(|each| each.seq >= group.seq_mark) {
            self.changes.pop_back();
        }
        let before = self.accounts.len();
        for number in (group.accounts_mark..self.accounts.len() as u32).rev() {
            let account = self.accounts.pop().expect("counted");
            self.index.remove(self.key.account_hash(account.id.as_bytes()), number);
            self.open_reservations.replace(number, &account, &Account::new(""));
        }
        if self.accounts.len() < before {
            self.passes.forget_from(group.accounts_mark);
            self.test_clocks.retain(|number| *number < group.accounts_mark);
        }
        for (number, mut account) in group.touched {
            // Its lists keep it: an image too many costs little, one too few would lose a change.
            account.dirty = self.accounts[number as usize].dirty;
            self.open_reservations.replace(number, &self.accounts[number as usize], &account);
            self.accounts[number as usize] = account;
        }
        if let Some(catalog) = group.catalog {
            self.catalog = *catalog;
        }
        self.catalog.policies.truncate(group.policies_mark);
    }

    fn set_suspension(&mut self, id: &str, suspended: bool, group: &mut Group<'_>) -> Result<Done, Refusal> {
        let number = self.touch(id, group)?;
        let is_suspended = self.accounts[number as usize].flags & crate::account::SUSPENDED != 0;
        if is_suspended != suspended {
            let entry = crate::entry::SuspensionSet { account: number, suspended };
            self.emit_in(Control::SuspensionSet(entry), group);
        }
        Ok(Done::ok())
    }
}

fn refused(n: usize, at: usize, refusal: Refusal) -> Vec<CommandOutcome> {
    let mut outcomes = vec![CommandOutcome { status: None, facts: Map::new() }; n];
    let mut facts = refusal.facts;
    facts.insert("reason".into(), Value::String(refusal.reason));
    facts.insert("field".into(), Value::String(refusal.field.into()));
    outcomes[at] = CommandOutcome { status: Some(refusal.status), facts };
    outcomes
}

/// An account that is not there, or not for this caller.
pub(crate) fn absent_account(id: &str) -> Refusal {
    let reason = format!("there is no account '{}'; create it first", shown(id));
    Refusal::new(Status::AccountUnknown, "account", reason)
}

/// A customer that is not for this caller, be it described or not.
pub(crate) fn absent_customer(id: &str) -> Refusal {
    let reason = format!("there is no customer '{}'; name one within the prefix of your key", shown(id));
    Refusal::new(Status::AccountUnknown, "customer", reason)
}

/// Caller text for a message: printable and short.
pub(crate) fn shown(text: &str) -> String {
    text.chars().filter(|c| crate::id::is_printable(*c)).take(64).collect()
}

/// # Errors
/// `INVALID` naming `field` unless the id is 1–128 bytes of printable UTF-8.
pub(crate) fn check_id(field: &'static str, id: &str) -> Result<(), Refusal> {
    if is_valid_id(id) {
        return Ok(());
    }
    let why = if id.is_empty() {
        "is empty".to_string()
    } else if id.len() > 128 {
        format!("has {} bytes, at most 128 are allowed", id.len())
    } else {
        "contains control characters".to_string()
    };
    Err(Refusal::invalid(field, format!("{field} {why}")))
}

/// A policy kind's number in its entry.
pub(crate) fn position_in<T: PartialEq + Copy, E>(value: T, of: impl Fn(u32) -> Result<T, E>) -> u32 {
    (0u32..).find(|n| of(*n).is_ok_and(|v| v == value)).unwrap_or(0)
}

pub(crate) fn aggregation_number(a: crate::command::Aggregation) -> u32 {
    position_in(a, apply::aggregation_of)
}

pub(crate) fn policy_number(p: crate::command::PolicyKind) -> u32 {
    position_in(p, apply::policy_of)
}

pub(crate) fn source_number(s: crate::command::Source) -> u32 {
    position_in(s, apply::source_of)
}
