//! Making the index of a closed segment.
//!
//! One pass collects where every record stands; a second one, over the same segment, brings
//! accounts with many records up to its end and keeps an image of each, so that no replay of an
//! account is ever long.

use crate::account_past::{Reached, Until, misfit, replay_until};
use crate::error::NodeError;
use crate::frame::FrameKind;
use crate::ledger_index::{END, IndexHeader, Posting, Sections, triple};
use crate::ledger_reader::{LedgerReader, event_hash32};
use crate::node::Shared;
use crate::paged::{PAGE_BYTES, put_section, seal_page};
use crate::segment::SegmentName;
use crate::segment_reader::SegmentReader;
use drawdown_core::usage_entry::peek_usage;
use drawdown_core::{AccountReplay, CorruptRecord, RawRecord, Records, SetAside, StoreKey};
use std::collections::BTreeMap;

/// Accounts with more usage than this in a segment get an order by event.
const BUSY_USAGES: usize = 64;
/// Accounts with so many records in a segment get an image at its end.
const IMAGE_RECORDS: usize = 4_096;
/// Accounts with so many get one at the end of every `IMAGE_SEGMENTS`th segment.
const SOME_RECORDS: usize = 64;
const IMAGE_SEGMENTS: u64 = 64;

struct Placed {
    account: u32,
    posting: Posting,
    /// Of the event id; 0 for controls.
    hash: u32,
}

#[derive(Default)]
struct Collected {
    stamps: Vec<(u32, i64)>,
    controls: Vec<Placed>,
    usages: Vec<Placed>,
    last_seq: u64,
}

/// The bytes of the index of segment `at` of the reader's; `replay` is an engine to replay with.
pub(crate) fn build(
    shared: &Shared,
    reader: &LedgerReader<'_>,
    at: usize,
    name: &SegmentName,
    replay: &mut AccountReplay,
) -> Result<Vec<u8>, NodeError> {
    let mut collected = collect(shared, name)?;
    collected.controls.sort_by_key(|placed| placed.account);
    collected.usages.sort_by_key(|placed| placed.account);
    let images = images(shared, reader, at, name, &collected, replay)?;
    Ok(encode(shared, name, &collected, &images))
}

/// Go through a segment record by record.
fn each_record(
    shared: &Shared,
    name: &SegmentName,
    mut visit: impl FnMut(RawRecord<'_>, u64) -> Result<(), CorruptRecord>,
) -> Result<(), NodeError> {
    let mut reader = SegmentReader::open(&*shared.environment.disk, shared.meta.store_id, name.first_seq)?;
    while let Some(frame) = reader.next(u64::MAX)? {
        if frame.header.kind != FrameKind::Records {
            continue;
        }
        let damaged = |corrupt: CorruptRecord| {
            NodeError::corrupt(&name.path(), frame.body_offset + corrupt.offset as u64, corrupt.what)
        };
        let mut records = Records::of(frame.body, frame.header.first_seq);
        while let Some(record) = records.next().map_err(damaged)? {
            visit(record, frame.body_offset + record.offset as u64).map_err(damaged)?;
        }
    }
    Ok(())
}

fn collect(shared: &Shared, name: &SegmentName) -> Result<Collected, NodeError> {
    let key = StoreKey::new(shared.meta.store_key);
    let mut found = Collected::default();
    let mut is_too_large = false;
    each_record(shared, name, |record, offset| {
        let (Ok(offset), Ok(seq)) = (u32::try_from(offset), u32::try_from(record.seq - name.first_seq)) else {
            is_too_large = true;
            return Ok(());
        };
        found.last_seq = record.seq;
        if found.stamps.last().is_none_or(|(_, stamp)| *stamp != record.stamp) {
            found.stamps.push((offset, record.stamp));
        }
        let posting = Posting { seq, offset, check: crc32c::crc32c(record.payload) };
        if let Some((account, id)) = peek_usage(record.payload) {
            let hash = id.with_text(|text| event_hash32(&key, text));
            found.usages.push(Placed { account, posting, hash });
        } else if let Some(account) = record.account()? {
            found.controls.push(Placed { account, posting, hash: 0 });
        }
        Ok(())
    })?;
    if is_too_large {
        return Err(NodeError::Refused(format!("{} is too large for an index", name.path())));
    }
    Ok(found)
}

/// One account's share of a list ordered by account.
fn groups(placed: &[Placed]) -> impl Iterator<Item = (u32, usize, usize)> {
    let mut from = 0;
    placed.chunk_by(|a, b| a.account == b.account).map(move |group| {
        let start = from;
        from += group.len();
        (group[0].account, start, group.len())
    })
}

/// Accounts that get an image at the end of this segment.
fn imaged_accounts(collected: &Collected, segment: usize) -> Vec<u32> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for (account, _, count) in groups(&collected.controls).chain(groups(&collected.usages)) {
        if count >= SOME_RECORDS / 2 {
            *counts.entry(account).or_default() += count;
        }
    }
    let is_its_turn = |account: u32| (segment as u64 + u64::from(account)).is_multiple_of(IMAGE_SEGMENTS);
    let wanted = counts
        .into_iter()
        .filter(|(account, count)| *count >= IMAGE_RECORDS || (*count >= SOME_RECORDS && is_its_turn(*account)));
    wanted.map(|(account, _)| account).collect()
}

/// Account, seq of its newest record, image.
type Image = (u32, u64, Vec<u8>);

fn images(
    shared: &Shared,
    reader: &LedgerReader<'_>,
    at: usize,
    name: &SegmentName,
    collected: &Collected,
    replay: &mut AccountReplay,
) -> Result<Vec<Image>, NodeError> {
    let mut accounts: BTreeMap<u32, (SetAside, u64)> = BTreeMap::new();
    for account in imaged_accounts(collected, at) {
        replay.exchange(account, &mut SetAside::default());
        if replay_until(reader, replay, Until::Seq(name.first_seq), false)? != Reached::Beyond {
            let mut here = SetAside::default();
            replay.exchange(account, &mut here);
            accounts.insert(account, (here, 0));
        }
    }
    if accounts.is_empty() {
        return Ok(Vec::new());
    }
    let mut failed = None;
    each_record(shared, name, |record, _| {
        let Some(account) = record.account()? else { return Ok(()) };
        let Some((aside, seq)) = accounts.get_mut(&account).filter(|_| failed.is_none()) else { return Ok(()) };
        replay.exchange(account, aside);
        failed = replay.apply(&record.decode()?).err();
        replay.exchange(account, aside);
        *seq = record.seq;
        Ok(())
    })?;
    if let Some(what) = failed {
        return Err(misfit(what));
    }
    let mut found = Vec::with_capacity(accounts.len());
    for (account, (mut aside, seq)) in accounts {
        replay.exchange(account, &mut aside);
        found.extend(replay.image(seq).map(|image| (account, seq, image)));
        replay.exchange(account, &mut aside);
    }
    Ok(found)
}

fn encode(shared: &Shared, name: &SegmentName, collected: &Collected, images: &[Image]) -> Vec<u8> {
    // The header comes last, over the page left free for it.
    let mut out = vec![0; PAGE_BYTES];
    let stamps = collected.stamps.iter().map(|(offset, stamp)| {
        let mut item = [0; 12];
        item[..4].copy_from_slice(&offset.to_le_bytes());
        item[4..].copy_from_slice(&stamp.to_le_bytes());
        item
    });
    let (busy, by_event) = by_event(&collected.usages);
    let sections = Sections {
        stamps: put_section(&mut out, stamps),
        accounts: put_section(&mut out, account_items(collected).into_iter()),
        controls: put_section(&mut out, collected.controls.iter().map(|placed| placed.posting.encode())),
        usages: put_section(&mut out, collected.usages.iter().map(|placed| placed.posting.encode())),
        busy: put_section(&mut out, busy.into_iter().map(pair)),
        by_event: put_section(&mut out, by_event.into_iter().map(pair)),
        images: put_section(&mut out, image_items(images).into_iter()),
        bytes: put_section(&mut out, images.iter().flat_map(|(_, _, image)| image.iter().map(|byte| [*byte]))),
    };
    let header = IndexHeader {
        store_id: shared.meta.store_id.0,
        first_seq: name.first_seq,
        last_seq: collected.last_seq,
        first_stamp: collected.stamps.first().map_or(0, |(_, stamp)| *stamp),
        last_stamp: collected.stamps.last().map_or(0, |(_, stamp)| *stamp),
        sections,
    };
    let mut page = header.encode();
    seal_page(&mut page);
    out[..PAGE_BYTES].copy_from_slice(&page);
    out
}

type Pairs = Vec<(u32, u32)>;

fn pair((a, b): (u32, u32)) -> [u8; 8] {
    let mut item = [0; 8];
    item[..4].copy_from_slice(&a.to_le_bytes());
    item[4..].copy_from_slice(&b.to_le_bytes());
    item
}

fn account_items(collected: &Collected) -> Vec<[u8; 12]> {
    let (controls, usages) = (&collected.controls, &collected.usages);
    let mut items = Vec::new();
    let (mut control, mut usage) = (0, 0);
    while control < controls.len() || usage < usages.len() {
        let of = |placed: &[Placed], at: usize| placed.get(at).map_or(END, |placed| placed.account);
        let account = of(controls, control).min(of(usages, usage));
        items.push(triple(account, control as u32, usage as u32));
        control += controls[control..].iter().take_while(|placed| placed.account == account).count();
        usage += usages[usage..].iter().take_while(|placed| placed.account == account).count();
    }
    items.push(triple(END, controls.len() as u32, usages.len() as u32));
    items
}

/// The list of busy accounts, and their usages by hash of the event id.
fn by_event(usages: &[Placed]) -> (Pairs, Pairs) {
    let (mut busy, mut ordered) = (Vec::new(), Vec::new());
    for (account, start, count) in groups(usages) {
        if count <= BUSY_USAGES {
            continue;
        }
        busy.push((account, ordered.len() as u32));
        let first = ordered.len();
        ordered.extend((start..start + count).map(|at| (usages[at].hash, at as u32)));
        ordered[first..].sort_unstable();
    }
    busy.push((END, ordered.len() as u32));
    (busy, ordered)
}

fn image_items(images: &[Image]) -> Vec<[u8; 24]> {
    let mut first = 0u64;
    let items = images.iter().map(|(account, seq, image)| {
        let mut item = [0; 24];
        item[..4].copy_from_slice(&account.to_le_bytes());
        item[4..8].copy_from_slice(&(image.len() as u32).to_le_bytes());
        item[8..16].copy_from_slice(&first.to_le_bytes());
        item[16..].copy_from_slice(&seq.to_le_bytes());
        first += image.len() as u64;
        item
    });
    items.collect()
}

#[cfg(test)]
mod tests;
