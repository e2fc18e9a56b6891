//! Accounts of the reference ledger: whose clock one lives by (§14), which rate table (§5.7) and which usage
//! periods (§3) are its own, and credits that move to another (§15).

use crate::commands::GrantSent;
use crate::ledger::{Account, Ledger};
use crate::prices::month_of;

const MINUTE: i64 = 60_000_000;

impl Account {
    /// Start of the usage period: the calendar month before the first edge, from then on an edge.
    pub fn period_of(&self, time: i64) -> i64 {
        self.edges.iter().copied().filter(|edge| *edge <= time).max().unwrap_or_else(|| month_of(time))
    }

    /// The newest assignment in force; of one instant, the latest made.
    pub fn table_at(&self, time: i64) -> &'static str {
        let in_force = self.tables.iter().filter(|(from, _)| *from <= time);
        in_force.max_by_key(|(from, _)| *from).map_or("default", |(_, table)| table)
    }

    /// What happens between the two instants, each at its own, lapses first.
    pub fn live(&mut self, from: i64, to: i64) {
        let grants = self.grants.iter().map(|g| g.effective_at);
        let holds = self.holds.iter().map(|hold| hold.expires_at);
        let mut instants: Vec<i64> = grants.chain(holds).filter(|at| from < *at && *at <= to).collect();
        instants.sort_unstable();
        for at in instants {
            self.lapse(at);
            self.settle(at);
        }
    }
}

impl Ledger {
    /// `received_at` of the account: its own clock, if it has one.
    pub fn now_of(&self, account: &str) -> i64 {
        self.accounts.get(account).and_then(|account| account.clock).unwrap_or(self.now)
    }

    /// Time goes on for all that have no clock of their own.
    pub fn advance(&mut self, to: i64) {
        let from = self.now;
        self.now = self.now.max(to);
        for account in self.accounts.values_mut().filter(|account| account.clock.is_none()) {
            account.live(from, to);
        }
    }

    pub fn create_account(&mut self, id: &str, clock: Option<i64>) -> &'static str {
        match self.accounts.get(id) {
            Some(known) if known.clock_began == clock => "DUPLICATE",
            Some(_) => "CONFLICT",
            None => {
                self.accounts.insert(id.into(), Account { clock, clock_began: clock, ..Account::default() });
                "OK"
            }
        }
    }

    /// Renewals are the control plane's; here: what time brings, and the breakage it leaves, at once.
    pub fn advance_clock(&mut self, id: &str, to: i64) -> &'static str {
        let grace = self.grace;
        let Some(account) = self.accounts.get_mut(id) else { return "ACCOUNT_UNKNOWN" };
        let Some(clock) = account.clock.filter(|clock| *clock <= to) else { return "INVALID" };
        account.live(clock, to);
        account.clock = Some(to);
        let is_due = |expires_at: i64| expires_at.saturating_add(grace) <= to;
        for grant in account.grants.iter_mut().filter(|g| !g.pending && !g.is_voided && is_due(g.expires_at)) {
            grant.expired += grant.free();
            grant.remaining = grant.held;
        }
        "OK"
    }

    /// Said again of the newest it changes nothing, and the engine says so.
    pub fn assign_table(&mut self, id: &str, table: &'static str, from: Option<i64>) -> &'static str {
        let from = from.unwrap_or_else(|| self.now_of(id));
        let Some(account) = self.accounts.get_mut(id) else { return "ACCOUNT_UNKNOWN" };
        account.tables.push((from, table));
        "NO_CHANGE"
    }

    /// The first comes with the start of the month that is open.
    pub fn set_edge(&mut self, id: &str, at: i64, withdrawn: bool) -> &'static str {
        let earliest = self.now_of(id) + 5 * MINUTE;
        let Some(account) = self.accounts.get_mut(id) else { return "ACCOUNT_UNKNOWN" };
        if account.edges.contains(&at) != withdrawn {
            return "DUPLICATE";
        }
        if at <= earliest {
            return "INVALID";
        }
        if withdrawn {
            account.edges.retain(|edge| *edge != at);
        } else {
            if account.edges.is_empty() {
                account.edges.push(month_of(earliest));
            }
            account.edges.push(at);
        }
        "OK"
    }

    /// One group: `amount` leaves the grant `of` for `to`, what is left of it goes on in `rest`. What each of the
    /// two commands is answered; nothing where the other one was refused.
    pub fn transfer(
        &mut self,
        from: &str,
        (of, amount): (&str, i64),
        rest: &GrantSent,
        to: &str,
        given: &GrantSent,
    ) -> [&'static str; 2] {
        let before = self.clone();
        let first = self.replace(from, &[of.into()], std::slice::from_ref(rest), &[(of.into(), amount)]);
        if first != "OK" {
            *self = before;
            return [first, ""];
        }
        let second = self.create_grant(to, given);
        if second != "OK" {
            *self = before;
            return ["", second];
        }
        [first, second]
    }
}
