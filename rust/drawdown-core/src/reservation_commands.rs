//! Reserve, settle, release: deciding (semantics §6).

use crate::apply_reservations::{ended_entries, reserved_entry};
use crate::burn::{AsOf, Refused, at_zero, cover};
use crate::command::{Release, Reserve, Settle};
use crate::engine::Engine;
use crate::entry::Control;
use crate::execute::{Done, Group, Refusal, check_id, shown};
use crate::id::SmallId;
use crate::pricing::{Charge, Unpriced};
use crate::remembered_ids::IdDomain;
use crate::reservation::{Asked, EndedPart, Headroom, HeldPart, Reservation, ended_parts};
use crate::reservation_entry::{HeldPartEntry, ReservationReleased, ReservationSettled};
use crate::reservation_request::Wanted;
use crate::status::Status;
use crate::usage_entry::{Beyond, Draw};

impl Engine {
    pub(crate) fn reserve(&mut self, c: &Reserve, group: &mut Group<'_>) -> Result<Done, Refusal> {
        let wanted = self.wanted(c)?;
        let number = self.touch(&c.account, group)?;
        let priced = self.price_of(number, &wanted);
        if let Some(done) = self.reserved_before(number, c, &wanted, &priced, group)? {
            return Ok(done);
        }
        let account = &self.accounts[number as usize];
        let credit_type = priced.as_ref().map_or_else(|unpriced| unpriced.credit_type, |c| Some(c.credit_type));
        let refused = |refusal| self.shown_on(number, credit_type, refusal);
        if account.flags & crate::account::SUSPENDED != 0 {
            let reason = format!("account '{}' is suspended", shown(&c.account));
            return Err(refused(Refusal::new(Status::AccountSuspended, "account", reason)));
        }
        let charge = priced.map_err(|unpriced| refused(unpriced_refusal(unpriced, c)))?;
        let amount = self.amount_of(&wanted, &charge)?;
        self.check_room(number, group).map_err(refused)?;
        let reservation = self
            .decide_hold(number, c, &wanted, &Charge { amount, ..charge })
            .map_err(|why| refused(refused_use(why, "reserve")))?;
        let entry = reserved_entry(number, charge.credit_type, &reservation);
        self.emit_in(Control::Reserved(entry), group);
        let fell = reservation.held() > 0 || matches!(reservation.headroom, Headroom::Overdraft(_));
        self.cross(number, charge.credit_type, fell, group.journal);
        Ok(self.hold_facts(Done::ok(), number, charge.credit_type, Some(&reservation)))
    }

    /// What is set aside for a charge: grants in burn-down order, then what the policy allows.
    fn decide_hold(&self, number: u32, c: &Reserve, wanted: &Wanted, charge: &Charge) -> Result<Reservation, Refused> {
        let account = &self.accounts[number as usize];
        let now = account.now(self.stamp);
        let pool = account.pool(charge.credit_type);
        let mut draws: Vec<Draw> = Vec::new();
        let covered = pool.map_or(0, |pool| {
            cover(pool, &self.catalog.scopes, charge.meter, charge.amount, self.as_of(now), &mut draws)
        });
        let policy = pool.map_or(&self.catalog.policies[0], |p| &self.catalog.policies[p.policy]);
        let period = self.period_for(policy, account, pool, now);
        let beyond = at_zero(pool, policy, charge.amount, charge.amount - covered, period, false)?;
        let headroom = match beyond {
            Beyond { overdraft: 0, overage: 0, .. } => Headroom::None,
            Beyond { overdraft: 0, overage, .. } => Headroom::Overage(overage),
            Beyond { overdraft, .. } => Headroom::Overdraft(overdraft),
        };
        Ok(Reservation {
            id: SmallId::new(&c.reservation_id),
            fingerprint: wanted.fingerprint,
            meter: charge.meter,
            rate: charge.rate,
            asked: wanted.asked.unwrap_or(Asked::Credits(charge.amount)),
            dimensions: c.dimensions.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            parts: draws.iter().map(|draw| HeldPart { number: draw.number, amount: draw.amount }).collect(),
            headroom,
            uncovered: beyond.uncovered,
            created_at: now,
            expires_at: now.saturating_add(c.ttl_us),
        })
    }

    fn as_of(&self, now: i64) -> AsOf {
        AsOf { time: now, now, late_grace: self.settings.late_grace_us }
    }

    /// The answer to an id that is in use or was; `None` for a new one.
    fn reserved_before(
        &self,
        number: u32,
        c: &Reserve,
        wanted: &Wanted,
        priced: &Result<Charge, Unpriced>,
        group: &Group<'_>,
    ) -> Result<Option<Done>, Refusal> {
        let id = c.reservation_id.as_str();
        let open = self.accounts[number as usize].reservation(id);
        let known = match open {
            Some((_, reservation)) => Some(reservation.fingerprint),
            None => self.known_id(number, IdDomain::Reserve, id, &group.used_ids),
        };
        let is_settled = || self.known_id(number, IdDomain::Settle, id, &group.used_ids).is_some();
        match known {
            Some(fingerprint) if fingerprint == wanted.fingerprint => {
                let credit_type = match (open, priced) {
                    (Some((pool, _)), _) => Some(pool.credit_type),
                    (None, Ok(charge)) => Some(charge.credit_type),
                    (None, Err(unpriced)) => unpriced.credit_type,
                };
                let done = Done::duplicate();
                Ok(Some(match credit_type {
                    Some(credit_type) => {
                        self.hold_facts(done, number, credit_type, open.map(|(_, reservation)| &**reservation))
                    }
                    None => done,
                }))
            }
            None if !is_settled() => Ok(None),
            _ => {
                let reason = format!("reservation '{}' was made with other content", shown(id));
                Err(Refusal::new(Status::Conflict, "reservation_id", reason))
            }
        }
    }

    /// `LIMIT_REACHED` when the account has as many open as it may, or the id can't be remembered.
    fn check_room(&self, number: u32, group: &Group<'_>) -> Result<(), Refusal> {
        if !group.has_room {
            return Err(no_room_for_ids());
        }
        let open: usize = self.accounts[number as usize].pools().map(|pool| pool.reservations().len()).sum();
        let most = self.settings.reservations_max;
        if open >= most as usize {
            let reason = format!("the account has {open} open reservations, at most {most} are allowed: settle some");
            return Err(Refusal::new(Status::LimitReached, "account", reason));
        }
        Ok(())
    }

    /// A refusal that shows the pool it was refused on.
    fn shown_on(&self, number: u32, credit_type: Option<u16>, refusal: Refusal) -> Refusal {
        let Some(credit_type) = credit_type else { return refusal };
        let pool = self.accounts[number as usize].pool(credit_type);
        refusal
            .with("available", pool.map(|pool| pool.available))
            .with("credit_type", self.catalog.credit_types[usize::from(credit_type)].name.as_str())
            .with("scale", self.scale_of(credit_type))
    }

    fn hold_facts(&self, done: Done, number: u32, credit_type: u16, open: Option<&Reservation>) -> Done {
        let pool = self.accounts[number as usize].pool(credit_type);
        done.with("held", open.map_or(0, Reservation::held))
            .with("headroom", open.map_or(0, |r| r.headroom.amount()))
            .with("uncovered", open.map_or(0, |r| r.uncovered))
            .with("expires_at", open.map(|r| r.expires_at))
            .with("available", pool.map(|pool| pool.available))
            .with("credit_type", self.catalog.credit_types[usize::from(credit_type)].name.as_str())
            .with("scale", self.scale_of(credit_type))
    }

    pub(crate) fn settle(&mut self, c: &Settle, group: &mut Group<'_>) -> Result<Done, Refusal> {
        let fingerprint = self.settle_fingerprint(c)?;
        let number = self.touch(&c.account, group)?;
        let Some((pool, open)) = self.accounts[number as usize].reservation(&c.reservation_id) else {
            return self.settled_before(number, &c.reservation_id, fingerprint, group);
        };
        let (credit_type, open) = (pool.credit_type, open.clone());
        let before = pool.available;
        let charge = self.settle_charge(number, credit_type, c, &open)?;
        if !group.has_room {
            return Err(self.shown_on(number, Some(credit_type), no_room_for_ids()));
        }
        let decided = self
            .decide_settle(number, credit_type, &open, &charge, c.refuse_extra)
            .map_err(|why| self.shown_on(number, Some(credit_type), refused_use(why, "settle")))?;
        let is_in_credits = c.credits.is_some();
        let counted = charge.charge.counted;
        let entry = ReservationSettled {
            account: number,
            credit_type: u32::from(credit_type),
            id: c.reservation_id.clone(),
            fingerprint,
            is_in_credits,
            actual: if is_in_credits { charge.charge.amount } else { charge.quantity },
            parts: ended_entries(&decided.parts),
            draws: decided.draws.iter().map(|d| HeldPartEntry { number: d.number, amount: d.amount }).collect(),
            overdraft: decided.overdraft,
            overage: decided.overage,
            uncovered: decided.uncovered,
            period: decided.period,
            counted_match: counted.map(|counted| counted.match_id),
            counted_units: counted.map_or(0, |counted| counted.units),
            at: decided.at,
            counted_period: counted.map(|counted| counted.period).filter(|period| *period != decided.period),
        };
        let charged = entry.charged();
        self.emit_in(Control::ReservationSettled(entry), group);
        let after = self.after_end(number, credit_type, before, group);
        let forfeited: i64 = decided.parts.iter().map(|part| part.forfeited).sum();
        Ok(Done::ok()
            .with("charged", charged)
            .with("returned", decided.returned)
            .with("forfeited", forfeited)
            .with("extra", decided.extra)
            .with("uncovered", decided.uncovered)
            .with("available", after)
            .with("credit_type", self.catalog.credit_types[usize::from(credit_type)].name.as_str())
            .with("scale", self.scale_of(credit_type)))
    }

    /// Debts are paid from what returned, and crossings raised; returns `available`.
    fn after_end(&mut self, number: u32, credit_type: u16, before: i64, group: &mut Group<'_>) -> i64 {
        let now = self.accounts[number as usize].now(self.stamp);
        self.settle_debts(number, credit_type, now, group.journal);
        let fell = self.pool(number, credit_type).available < before;
        self.cross(number, credit_type, fell, group.journal);
        self.pool(number, credit_type).available
    }

    /// The price of the actual use: at the rate of the reserve, counted in the present period.
    fn settle_charge(&self, number: u32, credit_type: u16, c: &Settle, open: &Reservation) -> Result<Settled, Refusal> {
        let account = &self.accounts[number as usize];
        match (&c.quantity, &c.credits, open.meter) {
            (Some(quantity), _, Some(meter)) => {
                let quantity = self.quantity_of("quantity", quantity, meter)?;
                let now = account.now(self.stamp);
                let charge = self
                    .price_at_rate(account, open.rate, quantity, &[], now)
                    .map_err(|unpriced| Refusal::new(unpriced.status, "quantity", "the charge does not fit 64 bits"))?;
                Ok(Settled { charge, quantity })
            }
            (None, Some(credits), meter) if matches!(open.asked, Asked::Credits(_)) => {
                let amount = self.amount("credits", credits, credit_type)?;
                let charge = Charge { credit_type, meter, rate: open.rate, amount, counted: None };
                Ok(Settled { charge, quantity: 0 })
            }
            (Some(_), _, None) => {
                Err(Refusal::invalid("quantity", "the reservation has no meter: settle it by credits"))
            }
            _ => Err(Refusal::invalid("credits", "the reservation was made by quantity: settle it by quantity")),
        }
    }

    /// Who pays: the held parts, then free grants, then the held headroom; the policy decides on what
    /// is left. Under `partial` that is never charged, as in any charge that burns something.
    fn decide_settle(
        &self,
        number: u32,
        credit_type: u16,
        open: &Reservation,
        settled: &Settled,
        refuse_extra: bool,
    ) -> Result<DecidedSettle, Refused> {
        let account = &self.accounts[number as usize];
        let pool = self.pool(number, credit_type);
        let (now, amount) = (account.now(self.stamp), settled.charge.amount);
        let (held, headroom) = (open.held(), open.headroom.amount());
        let extra = (amount - held).max(0).saturating_sub(headroom).max(0);
        // What the hold could not cover, under `partial`, is not more than was asked for.
        if extra > open.uncovered && refuse_extra {
            return Err(Refused { status: Status::Insufficient, shortfall: Some(extra) });
        }
        let own = amount.min(held);
        let mut draws: Vec<Draw> = Vec::new();
        let drawn = cover(pool, &self.catalog.scopes, open.meter, amount - own, self.as_of(now), &mut draws);
        let rest = amount - own - drawn;
        let from_headroom = rest.min(headroom);
        let policy = &self.catalog.policies[pool.policy];
        let period = account.bearing_period(Some(pool), now);
        let beyond = at_zero(Some(pool), policy, amount, rest - from_headroom, period, false)?;
        let (overdraft, overage) = match open.headroom {
            Headroom::None => (0, 0),
            Headroom::Overdraft(_) => (from_headroom, 0),
            Headroom::Overage(_) => (0, from_headroom),
        };
        Ok(DecidedSettle {
            parts: ended_parts(pool, open, own),
            draws,
            overdraft: overdraft + beyond.overdraft,
            overage: overage + beyond.overage,
            uncovered: beyond.uncovered,
            returned: (held - own) + (headroom - from_headroom),
            extra: extra - beyond.uncovered.min(extra),
            period: period.since,
            at: now,
        })
    }

    /// A settle of a reservation that is not open.
    fn settled_before(&self, number: u32, id: &str, fingerprint: u64, group: &Group<'_>) -> Result<Done, Refusal> {
        match self.known_id(number, IdDomain::Settle, id, &group.used_ids) {
            Some(known) if known == fingerprint => Ok(Done::duplicate()),
            Some(_) => {
                let reason = format!("reservation '{}' was settled with another use", shown(id));
                Err(Refusal::new(Status::Conflict, "reservation_id", reason))
            }
            None if self.known_id(number, IdDomain::Reserve, id, &group.used_ids).is_some() => {
                let reason = format!("reservation '{}' was released or has lapsed: record the use", shown(id));
                Err(Refusal::new(Status::Conflict, "reservation_id", reason))
            }
            None => Err(unknown(id)),
        }
    }

    pub(crate) fn release(&mut self, c: &Release, group: &mut Group<'_>) -> Result<Done, Refusal> {
        check_id("reservation_id", &c.reservation_id)?;
        let number = self.touch(&c.account, group)?;
        let id = c.reservation_id.as_str();
        let Some((pool, open)) = self.accounts[number as usize].reservation(id) else {
            return self.released_before(number, id, group);
        };
        let (credit_type, before) = (pool.credit_type, pool.available);
        let entry = ReservationReleased {
            account: number,
            credit_type: u32::from(credit_type),
            id: id.into(),
            lapsed: false,
            parts: ended_entries(&ended_parts(pool, open, 0)),
            at: self.accounts[number as usize].now(self.stamp),
        };
        let returned = open.held() + open.headroom.amount();
        let forfeited: i64 = entry.parts.iter().map(|part| part.forfeited).sum();
        self.emit_in(Control::ReservationReleased(entry), group);
        let available = self.after_end(number, credit_type, before, group);
        Ok(Done::ok()
            .with("returned", returned)
            .with("forfeited", forfeited)
            .with("available", available)
            .with("credit_type", self.catalog.credit_types[usize::from(credit_type)].name.as_str())
            .with("scale", self.scale_of(credit_type)))
    }

    fn released_before(&self, number: u32, id: &str, group: &Group<'_>) -> Result<Done, Refusal> {
        if self.known_id(number, IdDomain::Settle, id, &group.used_ids).is_some() {
            let reason = format!("reservation '{}' was settled", shown(id));
            return Err(Refusal::new(Status::Conflict, "reservation_id", reason));
        }
        match self.known_id(number, IdDomain::Reserve, id, &group.used_ids) {
            Some(_) => Ok(Done::duplicate()),
            None => Err(unknown(id)),
        }
    }
}

/// The actual use, priced.
struct Settled {
    charge: Charge,
    quantity: i64,
}

/// What a settle moves.
struct DecidedSettle {
    parts: Vec<EndedPart>,
    draws: Vec<Draw>,
    overdraft: i64,
    overage: i64,
    uncovered: i64,
    /// Of grants and headroom, held and not used.
    returned: i64,
    /// Charged beyond what was held.
    extra: i64,
    period: i64,
    at: i64,
}

fn unknown(id: &str) -> Refusal {
    let reason = format!("the account has no reservation '{}', or its id is forgotten by now", shown(id));
    Refusal::new(Status::ReservationUnknown, "reservation_id", reason)
}

fn no_room_for_ids() -> Refusal {
    let reason = "no memory for more ids within the guaranteed window (dedupe_budget_bytes): retry later";
    Refusal::new(Status::LimitReached, "reservation_id", reason)
}

fn unpriced_refusal(unpriced: Unpriced, c: &Reserve) -> Refusal {
    let meter = shown(c.meter.as_deref().unwrap_or(""));
    let reason = match unpriced.status {
        Status::MeterUnknown => format!("there is no meter '{meter}'; create it first"),
        Status::NotEntitled => format!("the account's rate table has no rate for '{meter}' now"),
        _ => "the charge does not fit 64 bits".to_string(),
    };
    Refusal::new(unpriced.status, "meter", reason)
}

fn refused_use(refused: Refused, command: &str) -> Refusal {
    let reason = match refused.status {
        Status::LimitReached => format!("this {command} would exceed the pool's limit"),
        Status::Insufficient => format!("the pool has too few credits for this {command}"),
        _ => "a total of the pool would not fit 64 bits".to_string(),
    };
    let refusal = Refusal::new(refused.status, "account", reason);
    match refused.shortfall {
        Some(shortfall) => refusal.with("shortfall", shortfall),
        None => refusal,
    }
}
