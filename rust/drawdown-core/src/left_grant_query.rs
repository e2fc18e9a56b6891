//! Reading grants that have left memory: where their entries stand, and what such an entry says.

use crate::account::Account;
use crate::catalog::Scopes;
use crate::changes::Change;
use crate::engine::Engine;
use crate::entry::GrantsLeft;
use crate::grant::VOIDED;
use crate::grant_cursor::GrantCursor;
use crate::image::grant_with_scope;
use crate::left_grants::{LeftGrant, left_id_hash};
use serde_json::Value;

impl Engine {
    /// Grants of the account that have left memory, of one credit type or of all, in the order in which they
    /// left; where a page of them ended, only those behind.
    pub fn left_grants(&self, account: &str, credit_type: Option<&str>, behind: Option<GrantCursor>) -> Vec<LeftGrant> {
        let Some(number) = self.find_account(account) else { return Vec::new() };
        let mut found = self.left_grants_of(&self.accounts[number as usize], credit_type);
        if let Some(GrantCursor::Left { seq, number }) = behind {
            found.retain(|left| (left.seq, left.number()) > (seq, number));
        }
        found
    }

    /// As `left_grants`, of an account wherever it stands.
    pub(crate) fn left_grants_of(&self, account: &Account, credit_type: Option<&str>) -> Vec<LeftGrant> {
        let wanted = credit_type.map(|name| self.catalog.credit_type_id(name));
        let pools = account.left().iter();
        let pools = pools.filter(|pool| wanted.is_none_or(|wanted| wanted == Some(pool.credit_type)));
        let mut found: Vec<LeftGrant> = pools.flat_map(|pool| pool.grants().iter().copied()).collect();
        found.sort_unstable_by_key(|left| (left.seq, left.number()));
        found
    }

    /// The grant of this id, if it has left memory.
    pub fn left_grant(&self, account: &str, grant_id: &str) -> Option<LeftGrant> {
        let account = &self.accounts[self.find_account(account)? as usize];
        account.left_grant(left_id_hash(&self.key, grant_id.as_bytes())).map(|(_, left)| left)
    }

    /// Account and grant of a change, if the grant has left memory.
    pub fn left_grant_of(&self, change: &Change) -> Option<(u32, LeftGrant)> {
        let (account, number) = change.grant()?;
        let (_, left) = self.accounts.get(account as usize)?.left_number(number)?;
        Some((account, left))
    }

    /// A left grant as `grants` shows it, out of the entry at its `seq`. `None`: it is not in this entry.
    pub fn left_grant_json(&self, left: &LeftGrant, entry: &GrantsLeft, stamp: i64) -> Option<Value> {
        self.left_grant_shown(self.accounts.get(entry.account as usize)?, left, entry, stamp)
    }

    /// As `left_grant_json`, of an account wherever it stands.
    pub(crate) fn left_grant_shown(
        &self,
        account: &Account,
        left: &LeftGrant,
        entry: &GrantsLeft,
        stamp: i64,
    ) -> Option<Value> {
        let image = entry.grants.iter().find(|image| image.number == left.number())?;
        let scope: Vec<u16> = image.scope.iter().map(|meter| *meter as u16).collect();
        // After a recovery only scopes of grants in memory have a number.
        let mut grant = grant_with_scope(image.clone(), Scopes::ALL).ok()?;
        if left.is_voided() {
            grant.flags |= VOIDED;
        }
        let now = account.now(self.stamp.max(stamp));
        Some(self.scoped_grant_json(account, entry.credit_type as u16, &grant, &scope, now))
    }
}
