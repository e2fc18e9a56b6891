//! Images: the state of one account, and of everything shared, as bytes at one seq.
//!
//! An image is a protobuf message (`AccountImage`, `GlobalImage`), so a newer version can add
//! fields and an older reader skips them. Its frame (length, CRC) belongs to whoever stores it.
//! Derived fields are left out and computed again on load. Changes the cost of recovery, never
//! the meaning. Format 1: raise `IMAGE_FORMAT` when an older reader would misread, not only skip.

use crate::account::{Account, AccountExtra, Debt, NO_CREDIT_TYPE, Pool, PoolExtra, TestClock};
use crate::apply::source_of;
use crate::apply_correction::mark_settling;
use crate::apply_grants::text_of;
use crate::apply_reservations::{check_held, insert_open, reservation_of, reserved_entry};
use crate::catalog::{Catalog, Policy};
use crate::correction_image::{corrected_from, corrected_image, settled_from, settled_image};
use crate::counter_image::{counter_from, counter_image};
use crate::engine::Engine;
use crate::entry::{GrantTextEntry, Pair};
use crate::execute::{policy_number, source_number};
use crate::grant::{DERIVED, EXHAUSTED, Ended, Grant, GrantDetail, VOIDED};
use crate::id::SmallId;
use crate::image_messages::{
    AccountImage, ClockImage, DatedTable, DebtImage, ExtraImage, GrantImage, PeriodCredits, PoolImage, UsedId,
};
use crate::left_grants::{left_grants_from, left_image};
use crate::prefetch::prefetch_whole;
use crate::reservation_gauges::OpenReservations;
use crate::threshold::{absolute_of, percents_of, thresholds_of};
use prost::Message;
use std::sync::Arc;

pub const IMAGE_FORMAT: u32 = 1;

/// Seqs and account numbers of real stores stay below these; damaged ones need not.
pub(crate) const SEQ_END: u64 = 1 << 62;
const ACCOUNTS_END: usize = 1 << 31;

/// Bytes that are no image of this format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorruptImage(pub String);

impl From<prost::DecodeError> for CorruptImage {
    fn from(error: prost::DecodeError) -> CorruptImage {
        CorruptImage(error.to_string())
    }
}

impl From<String> for CorruptImage {
    fn from(what: String) -> CorruptImage {
        CorruptImage(what)
    }
}

impl Engine {
    /// Accounts that changed since the slot's last complete pass.
    pub fn dirty_count(&self, slot: usize) -> u32 {
        self.passes.dirty_count(slot)
    }

    /// Start a pass over the dirty accounts of a slot, or over all of them.
    pub fn begin_pass(&mut self, slot: usize, full: bool) {
        self.passes.begin(slot, full, self.accounts.len() as u32);
    }

    /// Images of the next accounts of the pass, as of now. False when it is done.
    pub fn next_images(&mut self, slot: usize, max_accounts: u32, out: &mut Vec<(u32, Vec<u8>)>) -> bool {
        for _ in 0..max_accounts {
            self.ask_for_images(slot);
            let Some(number) = self.passes.next(slot) else { return false };
            let Some(account) = self.accounts.get_mut(number as usize) else { continue };
            account.dirty &= !(1 << slot);
            out.push((number, self.account_image(number)));
        }
        !self.passes.is_done(slot)
    }

    /// Ask memory for what the images after this one are made of: an account, then its grants, then
    /// what stands behind them.
    fn ask_for_images(&self, slot: usize) {
        const STAGE: usize = 4;
        let [near, middle, far] = [1, 2, 3].map(|stage| {
            let number = self.passes.peek(slot, stage * STAGE)?;
            self.accounts.get(number as usize)
        });
        if let Some(account) = far {
            prefetch_whole(account);
        }
        const GRANTS: usize = 8;
        if let Some(account) = middle {
            account.pool.grants.iter().take(GRANTS).for_each(prefetch_whole);
        }
        if let Some(account) = near {
            account.pool.grants.iter().take(GRANTS).for_each(|grant| prefetch_whole(&*grant.detail));
        }
    }

    /// Close the pass; unless complete, its accounts count as dirty again.
    pub fn end_pass(&mut self, slot: usize, complete: bool) {
        self.passes.end(slot, complete, &mut self.accounts);
    }

    /// The account as bytes, at the newest seq.
    pub fn account_image(&self, number: u32) -> Vec<u8> {
        let account = &self.accounts[number as usize];
        let seq = self.next_seq - 1 + u64::from(cfg!(feature = "planted-image-seq-off-by-one"));
        image_of(account, &self.catalog, number, seq).encode_to_vec()
    }

    /// Load an account image; a newer one of the same account replaces it, an older is ignored.
    ///
    /// # Errors
    /// The bytes are no such image; the engine must be dropped.
    pub fn load_account(&mut self, image: &[u8]) -> Result<(), CorruptImage> {
        let image = AccountImage::decode(image)?;
        let (at, seq) = (image.number as usize, image.seq);
        // Every account took a seq of its own when it was created.
        if seq >= SEQ_END || at as u64 >= seq || at >= ACCOUNTS_END {
            return Err(CorruptImage(format!("account number {at} with seq {seq} is out of range")));
        }
        while self.accounts.len() <= at {
            // Filled by its own image, or by the journal after it.
            self.accounts.push(Account::new(""));
        }
        if self.image_seqs.len() <= at {
            self.image_seqs.resize(at + 1, 0);
        }
        if self.image_seqs[at] > seq {
            return Ok(());
        }
        let is_new = self.accounts[at].id.as_bytes().is_empty();
        let account = account_from(image, &mut self.catalog)?;
        if account.test_clock().is_some() {
            self.note_test_clock(at as u32);
        }
        if is_new {
            self.index.insert(self.key.account_hash(account.id.as_bytes()), at as u32);
        }
        self.image_seqs[at] = seq;
        self.last_image_seq = self.last_image_seq.max(seq);
        self.next_seq = self.next_seq.max(seq + 1);
        self.accounts[at] = account;
        Ok(())
    }

    /// End of recovery: rebuild what is derived from all accounts, and accept live traffic.
    ///
    /// # Errors
    /// An account number without an account: an image or an entry is missing.
    pub fn finish_recovery(&mut self) -> Result<(), CorruptImage> {
        // What is forgotten may reach past the newest stamp; no floor does.
        self.stamp = self.stamp.max(self.global_stamp).max(self.forgotten_below);
        self.date_ended_grants();
        self.open_reservations = OpenReservations::of(self.accounts.iter());
        for (number, account) in self.accounts.iter().enumerate() {
            if account.id.as_bytes().is_empty() {
                return Err(CorruptImage(format!("account number {number} has neither image nor entry")));
            }
            let types = self.catalog.credit_types.len();
            let known = account.pools().all(|p| usize::from(p.credit_type) < types)
                && account.pools().flat_map(Pool::reservations).all(|r| self.catalog.has_price_of(r));
            if !known || account.rate_table as usize >= self.catalog.tables.len() {
                return Err(CorruptImage(format!("account number {number} names what the catalog does not have")));
            }
            let due = account.due_at(&self.reach(account));
            match account.test_clock() {
                None => self.calendar.add(due, number as u32),
                Some(clock) if due <= clock.now => self.calendar.add(0, number as u32),
                Some(_) => {}
            }
        }
        self.image_seqs = Vec::new();
        // Replay met only those of accounts whose image was older: the journal has them all.
        self.changes.clear();
        self.changes_from = self.next_seq - 1;
        self.last_image_seq = 0;
        self.global_seq = 0;
        self.global_stamp = 0;
        Ok(())
    }
}

impl Engine {
    /// Images of an earlier version do not say when a grant was voided or used up: not after now.
    fn date_ended_grants(&mut self) {
        let Engine { accounts, passes, stamp, .. } = self;
        for (number, account) in accounts.iter_mut().enumerate() {
            let now = account.now(*stamp);
            let mut is_dated = false;
            for grant in account.pools_mut().flat_map(|pool| &mut pool.grants) {
                if grant.flags & (VOIDED | EXHAUSTED) != 0 && grant.ended().at == 0 {
                    grant.ended_mut().at = now;
                    is_dated = true;
                }
            }
            if is_dated {
                passes.mark(account, number as u32);
            }
        }
    }
}

pub(crate) fn image_of(account: &Account, catalog: &Catalog, number: u32, seq: u64) -> AccountImage {
    AccountImage {
        number,
        seq,
        id: account.id.as_str().into(),
        flags: u32::from(account.flags),
        next_grant: account.next_grant,
        rate_table: account.rate_table,
        rate_table_from: account.rate_table_from(),
        pools: account.pools().map(|pool| pool_image(number, pool, catalog)).collect(),
        extra: account.extra.as_deref().map(extra_image),
    }
}

fn extra_image(extra: &AccountExtra) -> ExtraImage {
    ExtraImage {
        customer: extra.customer.clone(),
        fingerprint: extra.fingerprint,
        test_clock: extra.test_clock.as_ref().map(|clock| ClockImage {
            now: clock.now,
            floor: clock.floor,
            keys: clock
                .keys
                .iter()
                .flat_map(|(key, (fingerprint, time))| {
                    [&key.to_le_bytes()[..], &fingerprint.to_le_bytes()[..], &time.to_le_bytes()[..]].concat()
                })
                .collect(),
        }),
        older_tables: extra
            .older_tables
            .iter()
            .map(|(from, table)| DatedTable { from: *from, table: *table })
            .collect(),
        period_edges: extra.period_edges.clone(),
        corrected: extra.corrected.iter().map(corrected_image).collect(),
        counters: extra.counters.iter().map(counter_image).collect(),
        left: extra.left.iter().flat_map(|pools| pools.iter()).map(left_image).collect(),
        used_grant_ids: extra
            .used_grant_ids
            .iter()
            .map(|(id, fingerprint)| UsedId { id: id.as_str().into(), fingerprint: *fingerprint })
            .collect(),
    }
}

fn pool_image(account: u32, pool: &Pool, catalog: &Catalog) -> PoolImage {
    let policy = &catalog.policies[pool.policy];
    let extra = pool.extra.as_deref().cloned().unwrap_or_default();
    PoolImage {
        credit_type: u32::from(pool.credit_type),
        flags: u32::from(pool.flags),
        policy_kind: policy_number(policy.kind),
        policy_limit: policy.limit,
        policy_price: policy.price.clone(),
        next_at: pool.next_at,
        charged: pool.charged,
        debts: extra
            .debts
            .iter()
            .map(|d| DebtImage { meter_plus_one: d.meter.map_or(0, |m| u32::from(m) + 1), amount: d.amount })
            .collect(),
        headroom_held: extra.headroom_held,
        overage_headroom_held: extra.overage_headroom_held,
        settled: extra.settled.iter().map(settled_image).collect(),
        reservations: extra.reservations.iter().map(|r| reserved_entry(account, pool.credit_type, r)).collect(),
        overage: extra
            .overage
            .iter()
            .map(|(period, credits)| PeriodCredits { period: *period, credits: *credits })
            .collect(),
        thresholds: absolute_of(&extra.thresholds),
        percents: percents_of(&extra.thresholds),
        fired: extra.fired,
        grants: pool.grants.iter().map(|grant| grant_image(grant, catalog)).collect(),
    }
}

pub(crate) fn grant_image(grant: &Grant, catalog: &Catalog) -> GrantImage {
    let ended = grant.ended();
    GrantImage {
        number: grant.number,
        id: grant.detail.id.as_str().into(),
        amount: grant.detail.amount,
        remaining: grant.remaining,
        held: grant.held,
        burned: grant.burned,
        expired: ended.expired,
        voided: ended.voided,
        moved: ended.moved,
        effective_at: grant.effective_at,
        expires_at: grant.expires_at,
        scope: catalog.scopes.meters(grant.scope).iter().map(|m| u32::from(*m)).collect(),
        flags: u32::from(grant.flags & !DERIVED),
        priority: u32::from(grant.priority),
        source: source_number(grant.source),
        fingerprint: grant.detail.fingerprint,
        text: grant.detail.text.as_deref().map(|text| GrantTextEntry {
            name: text.name.clone(),
            source_reference: text.source_reference.clone(),
            cost_minor: text.cost_minor,
            cost_currency: text.cost_currency.clone(),
            reason: text.reason.clone(),
            metadata: text.metadata.iter().map(|(k, v)| Pair { key: k.clone(), value: v.clone() }).collect(),
        }),
        ended_at: ended.at,
    }
}

pub(crate) fn account_from(image: AccountImage, catalog: &mut Catalog) -> Result<Account, CorruptImage> {
    let mut account = Account::new(&image.id);
    account.flags = image.flags as u8;
    account.next_grant = image.next_grant;
    account.rate_table = image.rate_table;
    account.extra = image.extra.map(|extra| extra_from(extra).map(Box::new)).transpose()?;
    if image.rate_table_from != i64::MIN {
        account.extra_mut().rate_table_from = image.rate_table_from;
    }
    for image in image.pools {
        if image.credit_type >= u32::from(NO_CREDIT_TYPE) {
            return Err(CorruptImage(format!("credit type {} is out of range", image.credit_type)));
        }
        let slot = account.pool_or_new(image.credit_type as u16);
        *slot = pool_from(image, catalog)?;
    }
    Ok(account)
}

fn extra_from(image: ExtraImage) -> Result<AccountExtra, CorruptImage> {
    Ok(AccountExtra {
        customer: image.customer,
        fingerprint: image.fingerprint,
        test_clock: image.test_clock.map(clock_from).transpose()?,
        rate_table_from: i64::MIN,
        older_tables: image.older_tables.iter().map(|t| (t.from, t.table)).collect(),
        period_edges: image.period_edges,
        corrected: Arc::new(image.corrected.iter().map(corrected_from).collect::<Result<_, _>>()?),
        counters: image.counters.iter().map(counter_from).collect::<Result<_, _>>()?,
        more_pools: Vec::new(),
        left: left_grants_from(&image.left)?,
        used_grant_ids: image.used_grant_ids.iter().map(|u| (SmallId::new(&u.id), u.fingerprint)).collect(),
    })
}

fn clock_from(image: ClockImage) -> Result<TestClock, CorruptImage> {
    const KEY_BYTES: usize = 32;
    if !image.keys.len().is_multiple_of(KEY_BYTES) {
        return Err(CorruptImage("test clock keys are cut short".into()));
    }
    let keys = image.keys.chunks_exact(KEY_BYTES).map(|k| {
        let word = |from: usize| u64::from_le_bytes(k[from..from + 8].try_into().expect("8 bytes"));
        let key = u128::from(word(0)) | u128::from(word(8)) << 64;
        (key, (word(16), word(24) as i64))
    });
    Ok(TestClock { now: image.now, floor: image.floor, keys: keys.collect() })
}

fn pool_from(image: PoolImage, catalog: &mut Catalog) -> Result<Pool, CorruptImage> {
    crate::image_checks::check_pool(&image)?;
    let mut pool = Pool::new(image.credit_type as u16);
    pool.flags = image.flags as u8;
    let kind = crate::apply::policy_of(image.policy_kind)?;
    pool.policy = catalog.policies.intern(Policy { kind, limit: image.policy_limit, price: image.policy_price });
    pool.charged = image.charged;
    let extra = PoolExtra {
        overdraft: image.debts.iter().map(|d| d.amount).sum(),
        debts: image
            .debts
            .iter()
            .map(|d| Debt { meter: d.meter_plus_one.checked_sub(1).map(|m| m as u16), amount: d.amount })
            .collect(),
        headroom_held: image.headroom_held,
        overage_headroom_held: image.overage_headroom_held,
        reservations: Vec::new(),
        settled: image.settled.iter().map(settled_from).collect(),
        overage: image.overage.iter().map(|o| (o.period, o.credits)).collect(),
        thresholds: thresholds_of(&image.thresholds, &image.percents),
        fired: image.fired,
    };
    if extra != PoolExtra::default() {
        pool.extra = Some(Box::new(extra));
    }
    for image in image.grants {
        let grant = grant_from(image, catalog)?;
        pool.insert_grant(grant, catalog);
    }
    for reserved in &image.reservations {
        insert_open(&mut pool, reservation_of(reserved)?);
    }
    check_held(&pool)?;
    mark_settling(&mut pool);
    pool.recount(image.next_at.saturating_sub(1));
    pool.rearm();
    Ok(pool)
}

fn grant_from(image: GrantImage, catalog: &mut Catalog) -> Result<Grant, CorruptImage> {
    let scope: Vec<u16> = image.scope.iter().map(|m| *m as u16).collect();
    grant_with_scope(image, catalog.scopes.intern(&scope))
}

pub(crate) fn grant_with_scope(image: GrantImage, scope: u32) -> Result<Grant, CorruptImage> {
    let ended = Ended { expired: image.expired, voided: image.voided, moved: image.moved, at: image.ended_at };
    let grant = Grant {
        remaining: image.remaining,
        held: image.held,
        effective_at: image.effective_at,
        expires_at: image.expires_at,
        burned: image.burned,
        number: image.number,
        scope,
        flags: image.flags as u8 & !DERIVED,
        priority: image.priority as u8,
        source: source_of(image.source)?,
        detail: Box::new(GrantDetail {
            id: SmallId::new(&image.id),
            amount: image.amount,
            fingerprint: image.fingerprint,
            ended: (ended != Ended::default()).then(|| Box::new(ended)),
            text: image.text.as_ref().map(|text| Box::new(text_of(text))),
        }),
    };
    if !grant.is_conserved() {
        return Err(CorruptImage(format!("grant '{}' is not conserved", image.id)));
    }
    Ok(grant)
}
