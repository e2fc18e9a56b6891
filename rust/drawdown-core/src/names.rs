//! What numbers of entries stand for, for readers of the journal.

use crate::engine::Engine;

impl Engine {
    /// The id of the account of this number.
    pub fn account_id(&self, number: u32) -> Option<&str> {
        self.accounts.get(number as usize).map(|account| account.id.as_str())
    }

    /// Whether any account lives on a clock of its own.
    pub fn has_test_clocks(&self) -> bool {
        !self.test_clocks.is_empty()
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
