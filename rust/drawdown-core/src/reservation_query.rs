//! Open reservations as JSON, a page at a time.

use crate::account::Account;
use crate::check::pool_at;
use crate::engine::Engine;
use crate::reservation::{Asked, Reservation};
use crate::status::Status;
use serde_json::{Value, json};

impl Engine {
    /// `{"type": "reservations", "account"?, "after"?: {"account", "reservation_id"}, "limit"?}`: ordered by
    /// account as they were created, then by id; those whose time is over are left out.
    ///
    /// # Errors
    /// `after` names no account, or another than `account`, or has no `reservation_id`.
    pub(crate) fn query_reservations(&self, request: &Value, stamp: i64) -> Result<Value, String> {
        let limit = request["limit"].as_u64().unwrap_or(1_000).clamp(1, 100_000) as usize;
        let accounts = match request["account"].as_str().map(|id| self.find_account(id)) {
            Some(None) => return Ok(json!({"status": Status::AccountUnknown.name()})),
            Some(Some(number)) => number..number + 1,
            None => 0..self.account_count(),
        };
        let after = match &request["after"] {
            Value::Null => None,
            after => Some(self.position_after(after, request["account"].as_str())?),
        };
        let from = after.map_or(accounts.start, |(number, _)| number.max(accounts.start));
        let mut page: Vec<Value> = Vec::new();
        for number in self.open_reservations.accounts_from(from).take_while(|number| *number < accounts.end) {
            let account = &self.accounts[number as usize];
            let mut open = self.open_at(account, account.now(stamp));
            open.retain(|(id, _)| after.is_none_or(|(last, last_id)| number > last || id.as_str() > last_id));
            open.sort_by(|a, b| a.0.cmp(&b.0));
            let room = limit - page.len();
            if open.len() > room {
                page.extend(open.into_iter().take(room).map(|(_, json)| json));
                return Ok(json!({"reservations": page, "more": true}));
            }
            page.extend(open.into_iter().map(|(_, json)| json));
        }
        Ok(json!({"reservations": page, "more": false}))
    }

    fn position_after<'a>(&self, after: &'a Value, listed: Option<&str>) -> Result<(u32, &'a str), String> {
        let account = after["account"].as_str();
        // Before it is looked up: whoever lists one account learns nothing of others.
        if listed.is_some() && account != listed {
            return Err("'after' needs the 'account' that is listed".into());
        }
        let number = account.and_then(|id| self.find_account(id));
        let number = number.ok_or("'after' needs a known 'account'")?;
        let id = after["reservation_id"].as_str().ok_or("'after' needs a 'reservation_id'")?;
        Ok((number, id))
    }

    fn open_at(&self, account: &Account, now: i64) -> Vec<(String, Value)> {
        let is_empty = |credit_type| account.pool(credit_type).is_none_or(|pool| pool.reservations().is_empty());
        let pools = account.pools().map(|pool| pool.credit_type).filter(|credit_type| !is_empty(*credit_type));
        let open = pools.flat_map(|credit_type| {
            let pool = pool_at(self, account, credit_type, now).expect("its own pool");
            let open = pool.reservations().iter();
            open.map(|r| (r.id.as_str().to_string(), self.reservation_json(account, credit_type, r)))
                .collect::<Vec<_>>()
        });
        open.collect()
    }

    fn reservation_json(&self, account: &Account, credit_type: u16, reservation: &Reservation) -> Value {
        let pool = account.pool(credit_type).expect("its own pool");
        let grant_id = |number| pool.position(number, 0).map(|at| pool.grants[at].detail.id.as_str().to_string());
        let parts =
            reservation.parts.iter().map(|part| json!({"grant_id": grant_id(part.number), "amount": part.amount}));
        let dimensions: serde_json::Map<String, Value> =
            reservation.dimensions.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))).collect();
        json!({
            "account": account.id.as_str(),
            "reservation_id": reservation.id.as_str(),
            "credit_type": self.catalog.credit_types[usize::from(credit_type)].name,
            "scale": self.scale_of(credit_type),
            "meter": reservation.meter.map(|m| self.catalog.meters[usize::from(m)].key.as_str()),
            "quantity": match reservation.asked { Asked::Quantity(quantity) => Some(quantity), Asked::Credits(_) => None },
            "credits": match reservation.asked { Asked::Credits(credits) => Some(credits), Asked::Quantity(_) => None },
            "held": reservation.held(),
            "headroom": reservation.headroom.amount(),
            "headroom_kind": reservation.headroom.name(),
            "uncovered": reservation.uncovered,
            "dimensions": dimensions,
            "created_at": reservation.created_at,
            "expires_at": reservation.expires_at,
            "parts": parts.collect::<Vec<_>>(),
        })
    }
}
