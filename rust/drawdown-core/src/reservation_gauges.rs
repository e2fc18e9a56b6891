//! How many reservations are open, and since when the oldest: for metrics. Derived from the accounts.

use crate::account::Account;
use crate::entry::Control;
use std::collections::BTreeMap;

/// Counted as they come and go, so that asking costs nothing.
#[derive(Debug, Default)]
pub struct OpenReservations {
    count: u64,
    /// How many were made at each instant; those of test clocks live in other times and are left out.
    by_creation: BTreeMap<i64, u32>,
}

impl OpenReservations {
    pub fn of(accounts: &[Account]) -> OpenReservations {
        let mut open = OpenReservations::default();
        for account in accounts {
            open.add_all(account);
        }
        open
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// When the oldest open one was made; `None` if there is none.
    pub fn oldest(&self) -> Option<i64> {
        self.by_creation.first_key_value().map(|(at, _)| *at)
    }

    /// `control` is about to be applied to `account`.
    pub fn follow(&mut self, account: &Account, control: &Control) {
        let is_timed = account.test_clock().is_none();
        match control {
            Control::Reserved(e) => self.add(e.created_at, is_timed),
            Control::ReservationSettled(e) => self.remove_named(account, &e.id, is_timed),
            Control::ReservationReleased(e) => self.remove_named(account, &e.id, is_timed),
            _ => {}
        }
    }

    /// An undone account stands as it stood.
    pub fn replace(&mut self, undone: &Account, restored: &Account) {
        let is_timed = undone.test_clock().is_none();
        for reservation in undone.pools().flat_map(|pool| pool.reservations()) {
            self.remove(reservation.created_at, is_timed);
        }
        self.add_all(restored);
    }

    fn add_all(&mut self, account: &Account) {
        let is_timed = account.test_clock().is_none();
        for reservation in account.pools().flat_map(|pool| pool.reservations()) {
            self.add(reservation.created_at, is_timed);
        }
    }

    fn add(&mut self, created_at: i64, is_timed: bool) {
        self.count += 1;
        if is_timed {
            *self.by_creation.entry(created_at).or_default() += 1;
        }
    }

    fn remove_named(&mut self, account: &Account, id: &str, is_timed: bool) {
        if let Some((_, reservation)) = account.reservation(id) {
            self.remove(reservation.created_at, is_timed);
        }
    }

    /// While recovering, one that came with an image may leave before it was counted.
    fn remove(&mut self, created_at: i64, is_timed: bool) {
        self.count = self.count.saturating_sub(1);
        if is_timed && let Some(made) = self.by_creation.get_mut(&created_at) {
            *made -= 1;
            if *made == 0 {
                self.by_creation.remove(&created_at);
            }
        }
    }
}
