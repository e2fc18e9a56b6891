//! Entries of reservations → state: the part of `apply` that sets credits aside and ends it.

use crate::account::{Account, Pool};
use crate::apply::{self, Misfit, pairs_from};
use crate::apply_counters::count_units;
use crate::catalog::Catalog;
use crate::id::SmallId;
use crate::reservation::{Asked, EndedPart, Headroom, HeldPart, Reservation};
use crate::reservation_entry::{EndedPartEntry, HeldPartEntry, ReservationReleased, ReservationSettled, Reserved};
use std::collections::BTreeMap;
use std::sync::Arc;

pub fn apply_reserved(account: &mut Account, catalog: &Catalog, e: &Reserved) -> Result<(), Misfit> {
    let reservation = reservation_of(e)?;
    let pool = apply::pool_of_known(account, catalog, e.credit_type)?;
    for part in &reservation.parts {
        set_aside(pool, part)?;
    }
    pool.skip_spent();
    hold_headroom(pool, reservation.headroom)?;
    pool.next_at = pool.next_at.min(reservation.expires_at);
    insert_open(pool, reservation);
    Ok(())
}

/// Into the pool's list, without taking anything: its grants have the parts set aside already.
pub fn insert_open(pool: &mut Pool, reservation: Reservation) {
    let open = &mut pool.extra_mut().reservations;
    let at = open.partition_point(|other| other.expires_at <= reservation.expires_at);
    open.insert(at, Arc::new(reservation));
}

fn set_aside(pool: &mut Pool, part: &HeldPart) -> Result<(), Misfit> {
    let at = pool.position(part.number, 0).ok_or_else(|| format!("grant {} is not in the pool", part.number))?;
    let grant = &mut pool.grants[at];
    if part.amount <= 0 || part.amount > grant.free() {
        return Err(format!("a hold of {} on grant {}, which has {} free", part.amount, part.number, grant.free()));
    }
    grant.held += part.amount;
    if grant.is_counted() {
        pool.available -= part.amount;
    }
    Ok(())
}

fn hold_headroom(pool: &mut Pool, headroom: Headroom) -> Result<(), Misfit> {
    let sum = |held: i64, amount| held.checked_add(amount).ok_or("held headroom would overflow");
    match headroom {
        Headroom::None => {}
        Headroom::Overdraft(amount) => {
            let extra = pool.extra_mut();
            extra.headroom_held = sum(extra.headroom_held, amount)?;
            pool.available = pool.available.checked_sub(amount).ok_or("available would overflow")?;
        }
        Headroom::Overage(amount) => {
            let extra = pool.extra_mut();
            extra.overage_headroom_held = sum(extra.overage_headroom_held, amount)?;
        }
    }
    Ok(())
}

/// What was held by `hold_headroom` before.
fn let_go_headroom(pool: &mut Pool, headroom: Headroom) {
    match headroom {
        Headroom::None => {}
        Headroom::Overdraft(amount) => {
            pool.extra_mut().headroom_held -= amount;
            pool.available += amount;
        }
        Headroom::Overage(amount) => pool.extra_mut().overage_headroom_held -= amount,
    }
}

/// What the loaded reservations hold must be what the loaded pool has set aside.
///
/// # Errors
/// Names what differs.
pub fn check_held(pool: &Pool) -> Result<(), Misfit> {
    let mut held: BTreeMap<u32, i128> = BTreeMap::new();
    let (mut overdraft, mut overage) = (0i128, 0i128);
    for reservation in pool.reservations() {
        if reservation.parts.iter().any(|part| part.amount <= 0) {
            return Err("a reservation with a part of 0 or less".into());
        }
        for part in &reservation.parts {
            *held.entry(part.number).or_default() += i128::from(part.amount);
        }
        match reservation.headroom {
            Headroom::None => {}
            Headroom::Overdraft(amount) => overdraft += i128::from(amount),
            Headroom::Overage(amount) => overage += i128::from(amount),
        }
    }
    for grant in &pool.grants {
        let by_reservations = held.remove(&grant.number).unwrap_or(0);
        if i128::from(grant.held) != by_reservations {
            let id = grant.detail.id.as_str();
            return Err(format!("grant '{id}' holds {}, its reservations {by_reservations}", grant.held));
        }
    }
    let is_same_headroom =
        overdraft == i128::from(pool.headroom_held()) && overage == i128::from(pool.overage_headroom_held());
    if !held.is_empty() || !is_same_headroom {
        return Err("reservations hold what the pool does not have set aside".into());
    }
    Ok(())
}

/// End a reservation: its parts are burned, returned or forfeited, its headroom is let go.
pub fn end_reservation(pool: &mut Pool, id: &[u8], parts: &[EndedPart]) -> Result<Arc<Reservation>, Misfit> {
    let open = pool.extra.as_mut().map(|extra| &mut extra.reservations).ok_or("the pool has no reservation")?;
    let at = open.iter().position(|r| r.id.as_bytes() == id).ok_or("a reservation that is not open ended")?;
    let ended = open.remove(at);
    let is_whole = ended.parts.len() == parts.len()
        && ended.parts.iter().zip(parts).all(|(held, part)| {
            let sum = i128::from(part.burned) + i128::from(part.returned) + i128::from(part.forfeited);
            part.number == held.number
                && part.burned.min(part.returned).min(part.forfeited) >= 0
                && sum == i128::from(held.amount)
        });
    if !is_whole {
        return Err("a reservation ended with other parts than it held".into());
    }
    for part in parts {
        end_part(pool, part)?;
    }
    let_go_headroom(pool, ended.headroom);
    // What returned may lie before the first grant that had anything left.
    pool.first_free = 0;
    pool.skip_spent();
    Ok(ended)
}

fn end_part(pool: &mut Pool, part: &EndedPart) -> Result<(), Misfit> {
    let at = pool.position(part.number, 0).ok_or_else(|| format!("grant {} is not in the pool", part.number))?;
    let grant = &mut pool.grants[at];
    let amount = part.burned + part.returned + part.forfeited;
    if amount > grant.held {
        return Err(format!("grant {} holds {}, less than {amount}", part.number, grant.held));
    }
    grant.held -= amount;
    grant.remaining -= part.burned + part.forfeited;
    grant.burned += part.burned;
    if part.forfeited > 0 {
        grant.ended_mut().voided += part.forfeited;
    }
    if grant.is_counted() {
        pool.available += part.returned;
    }
    Ok(())
}

/// `floor`: counters of periods closed below it are dropped here.
pub fn apply_settled(account: &mut Account, e: &ReservationSettled, floor: i64) -> Result<(), Misfit> {
    let parts: Vec<EndedPart> = e.parts.iter().map(ended_part_of).collect();
    let pool = apply::pool_of(account, e.credit_type)?;
    let ended = end_reservation(pool, e.id.as_bytes(), &parts)?;
    for draw in &e.draws {
        apply::draw_from(pool, draw.number, 0, draw.amount)?;
    }
    if e.overdraft != 0 {
        apply::open_debt(pool, ended.meter, e.overdraft)?;
    }
    if e.overage != 0 {
        crate::overage::add_overage(pool, e.period, e.overage)?;
    }
    pool.skip_spent();
    pool.charged = pool.charged.wrapping_add(e.charged());
    if let (Some(match_id), Some(meter)) = (e.counted_match, ended.meter) {
        count_units(account, meter, match_id, e.counter_period(), e.counted_units, floor)?;
    }
    Ok(())
}

pub fn apply_released(account: &mut Account, e: &ReservationReleased) -> Result<(), Misfit> {
    let parts: Vec<EndedPart> = e.parts.iter().map(ended_part_of).collect();
    end_reservation(apply::pool_of(account, e.credit_type)?, e.id.as_bytes(), &parts)?;
    Ok(())
}

/// # Errors
/// Says what no reservation can have.
pub fn reservation_of(e: &Reserved) -> Result<Reservation, Misfit> {
    let headroom = match (e.headroom, e.is_overage) {
        (0, _) => Headroom::None,
        (amount, _) if amount < 0 => return Err("a reservation with headroom below 0".into()),
        (amount, true) => Headroom::Overage(amount),
        (amount, false) => Headroom::Overdraft(amount),
    };
    Ok(Reservation {
        id: SmallId::new(&e.id),
        fingerprint: e.fingerprint,
        meter: e.meter_plus_one.checked_sub(1).map(|m| m as u16),
        rate: e.rate,
        asked: if e.is_in_credits { Asked::Credits(e.asked) } else { Asked::Quantity(e.asked) },
        dimensions: pairs_from(&e.dimensions),
        parts: e.parts.iter().map(|part| HeldPart { number: part.number, amount: part.amount }).collect(),
        headroom,
        uncovered: e.uncovered,
        created_at: e.created_at,
        expires_at: e.expires_at,
    })
}

/// The entry that made `reservation`; `account` and `credit_type` say where it is.
pub fn reserved_entry(account: u32, credit_type: u16, reservation: &Reservation) -> Reserved {
    let (is_in_credits, asked) = match reservation.asked {
        Asked::Credits(credits) => (true, credits),
        Asked::Quantity(quantity) => (false, quantity),
    };
    let dimensions = reservation.dimensions.iter();
    let parts = reservation.parts.iter();
    Reserved {
        account,
        credit_type: u32::from(credit_type),
        id: reservation.id.as_str().into(),
        fingerprint: reservation.fingerprint,
        meter_plus_one: reservation.meter.map_or(0, |m| u32::from(m) + 1),
        rate: reservation.rate,
        is_in_credits,
        asked,
        dimensions: dimensions.map(|(k, v)| crate::entry::Pair { key: k.clone(), value: v.clone() }).collect(),
        parts: parts.map(|part| HeldPartEntry { number: part.number, amount: part.amount }).collect(),
        headroom: reservation.headroom.amount(),
        is_overage: matches!(reservation.headroom, Headroom::Overage(_)),
        uncovered: reservation.uncovered,
        created_at: reservation.created_at,
        expires_at: reservation.expires_at,
    }
}

fn ended_part_of(e: &EndedPartEntry) -> EndedPart {
    EndedPart { number: e.number, burned: e.burned, returned: e.returned, forfeited: e.forfeited }
}

pub fn ended_entries(parts: &[EndedPart]) -> Vec<EndedPartEntry> {
    let entry = |p: &EndedPart| EndedPartEntry {
        number: p.number,
        burned: p.burned,
        returned: p.returned,
        forfeited: p.forfeited,
    };
    parts.iter().map(entry).collect()
}
