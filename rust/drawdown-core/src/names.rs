//! What numbers of entries stand for, for readers of the journal.

use crate::engine::Engine;
use serde_json::{Value, json};

impl Engine {
    /// The id of the account of this number.
    pub fn account_id(&self, number: u32) -> Option<&str> {
        self.accounts.get(number as usize).map(|account| account.id.as_str())
    }

    /// Whether any account lives on a clock of its own.
    pub fn has_test_clocks(&self) -> bool {
        !self.test_clocks.is_empty()
    }

    /// Accounts of this prefix that live on clocks of their own, and where those stand.
    pub(crate) fn test_clocks_json(&self, prefix: &str) -> Value {
        let accounts = self.test_clocks.iter().filter_map(|number| self.accounts.get(*number as usize));
        let wanted = accounts.filter(|account| account.id.as_str().starts_with(prefix));
        let shown = wanted.filter_map(|account| Some(json!([account.id.as_str(), account.test_clock()?.now])));
        json!({"status": "OK", "clocks": shown.collect::<Vec<_>>()})
    }

    /// The credit type of each rate, by rate id.
    pub fn credit_types_of_rates(&self) -> Vec<u16> {
        self.catalog.rates.iter().map(|rate| rate.credit_type).collect()
    }

    /// Key and quantity scale of a meter.
    pub fn meter_facts(&self, meter: u16) -> (&str, u8) {
        self.catalog.meters.get(usize::from(meter)).map_or(("", 0), |meter| (&meter.key, meter.quantity_scale))
    }

    /// Name and scale of a credit type.
    pub fn credit_type_facts(&self, credit_type: u16) -> (&str, u8) {
        let found = self.catalog.credit_types.get(usize::from(credit_type));
        found.map_or(("", 0), |credit_type| (&credit_type.name, credit_type.scale))
    }
}
