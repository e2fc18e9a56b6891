//! The reference ledger's commands: grants, voids, replacements, the sweep (§4).

use crate::ledger::{Account, FOREVER, Grant, Ledger, MAX};
use crate::prices::divide_half_even;
use serde_json::{Value, json};

/// The amount of a grant as sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Sent {
    Units(i64),
    /// min(n, free) of a voided grant.
    Min(String, i64),
    /// Hundredths of free.
    Fraction(String, i64),
    /// max(0, free − n).
    Minus(String, i64),
}

#[derive(Clone, Debug, PartialEq)]
pub struct GrantSent {
    pub id: String,
    pub credit_type: &'static str,
    pub amount: Sent,
    pub promotional: bool,
    pub priority: i64,
    pub effective_at: Option<i64>,
    pub expires_at: Option<i64>,
    pub scope: Vec<&'static str>,
    pub pending: bool,
}

impl GrantSent {
    pub fn json(&self) -> Value {
        let amount = match &self.amount {
            Sent::Units(units) => json!(units),
            Sent::Min(of, n) => json!({"of": of, "min": n}),
            Sent::Fraction(of, n) => json!({"of": of, "fraction": format!("{}.{:02}", n / 100, n % 100)}),
            Sent::Minus(of, n) => json!({"of": of, "minus": n}),
        };
        let mut sent = json!({
            "grant_id": self.id, "credit_type": self.credit_type, "amount": amount, "priority": self.priority,
            "category": if self.promotional { "promotional" } else { "paid" }, "pending": self.pending,
            "effective_at": self.effective_at, "expires_at": self.expires_at,
        });
        if !self.scope.is_empty() {
            sent["scope"] = json!(self.scope);
        }
        sent
    }

    fn is_sound(&self) -> bool {
        let dates = !matches!((self.effective_at, self.expires_at), (Some(from), Some(to)) if to <= from);
        let amount = !matches!(self.amount, Sent::Units(units) if units <= 0);
        dates && amount && (1..=100).contains(&self.priority)
    }
}

impl Ledger {
    /// Commands remember what was sent, so that a repetition can be told from another content.
    pub fn create_grant(&mut self, account: &str, sent: &GrantSent) -> &'static str {
        if !sent.is_sound() {
            return "INVALID";
        }
        let Some(known) = self.accounts.get(account) else { return "ACCOUNT_UNKNOWN" };
        if let Some(first) = self.sent.iter().find(|(a, first)| a == account && first.id == sent.id) {
            return if first.1 == *sent { "DUPLICATE" } else { "CONFLICT" };
        }
        if sent.expires_at.is_some_and(|to| to <= sent.effective_at.unwrap_or_else(|| self.now_of(account))) {
            return "INVALID";
        }
        let Sent::Units(units) = sent.amount else { panic!("formulas are sent in replacements") };
        if known.remaining(sent.credit_type) + i128::from(units) > MAX {
            return "OVERFLOW";
        }
        self.add_grant(account, sent, units.into());
        self.settle(account);
        "OK"
    }

    fn settle(&mut self, account: &str) {
        let now = self.now_of(account);
        self.account(account).settle(now);
    }

    fn account(&mut self, account: &str) -> &mut Account {
        self.accounts.get_mut(account).expect("was found")
    }

    fn add_grant(&mut self, account: &str, sent: &GrantSent, amount: i128) {
        self.sent.push((account.into(), sent.clone()));
        if amount == 0 {
            return;
        }
        self.grants_made += 1;
        let grant = Grant {
            id: sent.id.clone(),
            credit_type: sent.credit_type,
            promotional: sent.promotional,
            priority: sent.priority,
            effective_at: sent.effective_at.unwrap_or_else(|| self.now_of(account)),
            expires_at: sent.expires_at.unwrap_or(FOREVER),
            scope: sent.scope.clone(),
            pending: sent.pending,
            is_voided: false,
            amount,
            remaining: amount,
            held: 0,
            returned_at: i64::MIN,
            burned: 0,
            expired: 0,
            voided: 0,
            moved: 0,
            created: self.grants_made,
        };
        self.account(account).pool(sent.credit_type);
        self.account(account).grants.push(grant);
    }

    pub fn void(&mut self, account: &str, id: &str) -> &'static str {
        let Some(known) = self.accounts.get_mut(account) else { return "ACCOUNT_UNKNOWN" };
        let Some(grant) = known.grants.iter_mut().find(|g| g.id == id) else { return "GRANT_UNKNOWN" };
        if grant.is_voided {
            return "NO_CHANGE";
        }
        forfeit(grant, 0);
        "OK"
    }

    /// Only a pending grant is released; anything else changes nothing. Its dates stay but for those given.
    pub fn release(&mut self, account: &str, id: &str, dates: (Option<i64>, Option<i64>)) -> &'static str {
        if matches!(dates, (Some(from), Some(to)) if to <= from) {
            return "INVALID";
        }
        let Some(known) = self.accounts.get_mut(account) else { return "ACCOUNT_UNKNOWN" };
        let Some(grant) = known.grants.iter_mut().find(|g| g.id == id) else { return "GRANT_UNKNOWN" };
        if !grant.pending || grant.is_voided {
            return "NO_CHANGE";
        }
        let (from, to) = (dates.0.unwrap_or(grant.effective_at), dates.1.unwrap_or(grant.expires_at));
        if to <= from {
            return "INVALID";
        }
        (grant.effective_at, grant.expires_at) = (from, to);
        grant.pending = false;
        self.settle(account);
        "OK"
    }

    /// §4.10. Ids of `create` are either all new or all of one earlier replacement; what is in `moves` leaves for
    /// another account.
    pub fn replace(
        &mut self,
        account: &str,
        void: &[String],
        create: &[GrantSent],
        moves: &[(String, i64)],
    ) -> &'static str {
        if !create.iter().all(GrantSent::is_sound) {
            return "INVALID";
        }
        let Some(known) = self.accounts.get(account) else { return "ACCOUNT_UNKNOWN" };
        let find = |id: &str| known.grants.iter().find(|g| g.id == id);
        if void.iter().any(|id| find(id).is_none()) {
            return "GRANT_UNKNOWN";
        }
        let free = |id: &str| find(id).map_or(0, |g| if g.is_voided { 0 } else { g.free() });
        let amounts: Vec<i128> = create
            .iter()
            .map(|sent| match &sent.amount {
                Sent::Units(units) => i128::from(*units),
                Sent::Min(of, n) => free(of).min((*n).into()),
                Sent::Fraction(of, hundredths) => divide_half_even(free(of) * i128::from(*hundredths), 100),
                Sent::Minus(of, n) => (free(of) - i128::from(*n)).max(0),
            })
            .collect();
        for (of, amount) in moves {
            let carried = carried_from(of, create, &amounts);
            match () {
                () if *amount <= 0 => return "INVALID",
                () if carried + i128::from(*amount) > free(of) => return "INSUFFICIENT",
                () => {}
            }
        }
        for credit_type in ["credits", "usd"] {
            let made: i128 =
                create.iter().zip(&amounts).filter(|(c, _)| c.credit_type == credit_type).map(|c| c.1).sum();
            let gone: i128 = known
                .grants
                .iter()
                .filter(|g| g.credit_type == credit_type && !g.is_voided && void.contains(&g.id))
                .map(Grant::free)
                .sum();
            if known.remaining(credit_type) - gone + made > MAX {
                return "OVERFLOW";
            }
        }
        for grant in self.account(account).grants.iter_mut().filter(|g| !g.is_voided && void.contains(&g.id)) {
            let moved = moves.iter().filter(|(of, _)| *of == grant.id).map(|(_, amount)| i128::from(*amount));
            forfeit(grant, carried_from(&grant.id, create, &amounts) + moved.sum::<i128>());
        }
        for (sent, amount) in create.iter().zip(amounts) {
            self.add_grant(account, sent, amount);
        }
        self.settle(account);
        "OK"
    }

    /// Book breakage due for at least a second; of what fell due in the last one the engine says.
    pub fn sweep(&mut self, is_booked: impl Fn(&str, &str) -> bool) {
        let (present, grace) = (self.now, self.grace);
        for (id, account) in &mut self.accounts {
            let now = account.clock.unwrap_or(present);
            for grant in account.grants.iter_mut().filter(|g| !g.pending && !g.is_voided && g.expires_at != FOREVER) {
                let late = now - grant.expires_at.saturating_add(grace).max(grant.returned_at);
                if late >= 1_000_000 || late >= 0 && is_booked(id, &grant.id) {
                    grant.expired += grant.free();
                    grant.remaining = grant.held;
                }
            }
        }
    }
}

/// What goes on of a grant in those that replace it.
fn carried_from(id: &str, create: &[GrantSent], amounts: &[i128]) -> i128 {
    let is_of_it = |sent: &GrantSent| match &sent.amount {
        Sent::Units(_) => false,
        Sent::Min(of, _) | Sent::Fraction(of, _) | Sent::Minus(of, _) => of == id,
    };
    create.iter().zip(amounts).filter(|(sent, _)| is_of_it(sent)).map(|(_, amount)| amount).sum()
}

fn forfeit(grant: &mut Grant, carried: i128) {
    grant.moved += carried;
    grant.voided += grant.free() - carried;
    grant.remaining = grant.held;
    grant.is_voided = true;
}
