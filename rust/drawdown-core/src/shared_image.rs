//! What all accounts share, as bytes: catalog, floor, and hints to recovery.

use crate::catalog::{Catalog, Rate};
use crate::engine::Engine;
use crate::entry::{Control, CreditTypeCreated, MeterCreated, Pair, RateSet, TierEntry};
use crate::execute::aggregation_number;
use crate::image::{CorruptImage, SEQ_END};
use crate::image_messages::GlobalImage;
use crate::instant::is_instant;
use crate::rate::Price;
use prost::Message;

impl Engine {
    /// Everything shared, at the newest seq. Loaded before any account image.
    pub fn global_image(&self) -> Vec<u8> {
        let catalog = &self.catalog;
        let meters = catalog.meters.iter().map(|m| MeterCreated {
            key: m.key.clone(),
            unit: m.unit.clone(),
            quantity_scale: u32::from(m.quantity_scale),
            aggregation: aggregation_number(m.aggregation),
            dimensions: m.dimensions.clone(),
            unique_of: m.unique_of.clone(),
        });
        let credit_types = catalog.credit_types.iter();
        GlobalImage {
            seq: self.next_seq - 1,
            stamp: self.stamp,
            floor: self.floor,
            credit_types: credit_types
                .map(|c| CreditTypeCreated { name: c.name.clone(), scale: u32::from(c.scale) })
                .collect(),
            meters: meters.collect(),
            tables: catalog.tables.clone(),
            rates: catalog.rates.iter().map(|rate| rate_entry(catalog, rate)).collect(),
            accounts: self.accounts.len() as u32,
            live_keys: self.keys.len() as u64,
            test_clocks: self.test_clocks.clone(),
            ahead_us: self.ahead_us,
        }
        .encode_to_vec()
    }

    /// Load what is shared into a new engine.
    ///
    /// # Errors
    /// The bytes are no such image; the engine must be dropped.
    pub fn load_global(&mut self, image: &[u8]) -> Result<(), CorruptImage> {
        let image = GlobalImage::decode(image)?;
        if image.seq >= SEQ_END || !is_instant(image.stamp) || !(0..=image.stamp).contains(&image.floor) {
            return Err(CorruptImage("the shared image's seq, stamp or floor is out of range".into()));
        }
        for name in &image.tables {
            self.catalog.intern_table(name);
        }
        let entries = image.credit_types.into_iter().map(Control::CreditTypeCreated);
        let entries = entries.chain(image.meters.into_iter().map(Control::MeterCreated));
        for entry in entries.chain(image.rates.into_iter().map(Control::RateSet)) {
            crate::apply::apply_catalog(&mut self.catalog, &entry)?;
        }
        self.global_seq = image.seq;
        self.next_seq = self.next_seq.max(image.seq + 1);
        // Not yet the engine's stamp: entries before the image are replayed at their own stamps,
        // which their times are written relative to.
        self.global_stamp = image.stamp;
        self.expected_keys = image.live_keys;
        self.ahead_us = self.ahead_us.max(image.ahead_us);
        image.test_clocks.iter().for_each(|number| self.note_test_clock(*number));
        self.set_floor(image.floor);
        Ok(())
    }
}

fn rate_entry(catalog: &Catalog, rate: &Rate) -> RateSet {
    let matches = &catalog.matches[rate.match_id as usize];
    let mut entry = RateSet {
        table: catalog.tables[rate.table as usize].clone(),
        meter: u32::from(rate.meter),
        credit_type: u32::from(rate.credit_type),
        matches: matches.iter().map(|(k, v)| Pair { key: k.clone(), value: v.clone() }).collect(),
        valid_from: rate.valid_from,
        sent: rate.sent.clone(),
        ..RateSet::default()
    };
    match &rate.price {
        Price::Flat { num, den } => (entry.form, entry.num, entry.den) = (0, *num, *den),
        Price::Tiered { tiers, den } => {
            (entry.form, entry.den) = (1, *den);
            entry.tiers = tiers.iter().map(|t| TierEntry { up_to: t.up_to, num: t.num }).collect();
        }
        Price::Package { size, num, den } => {
            (entry.form, entry.size, entry.num, entry.den) = (2, *size, *num, *den);
        }
    }
    entry
}
