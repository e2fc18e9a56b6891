//! Commands out of JSON, in one pass.
//!
//! serde's own tagged and untagged enums keep every field in memory before they look at any; a
//! bulk import of grants spends most of its time there. Here the `type` is read first and the
//! rest goes straight into the command, which is how every encoder of ours writes it.

use crate::command::{Amount, Command, Formula, GrantAmount};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// Decode one group.
///
/// # Errors
/// A sentence naming what could not be read and where.
pub fn group_from_json(bytes: &[u8]) -> Result<Vec<Command>, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("the commands can't be read: {error}"))
}

struct CommandVisitor;

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Command, D::Error> {
        deserializer.deserialize_map(CommandVisitor)
    }
}

impl<'de> Visitor<'de> for CommandVisitor {
    type Value = Command;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a command: an object whose first field is 'type'")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Command, A::Error> {
        match map.next_key::<String>()? {
            Some(key) if key == "type" => {
                let name: String = map.next_value()?;
                of_type(&name, map)
            }
            Some(key) => {
                // Written by hand: the type stands elsewhere.
                let mut fields = serde_json::Map::new();
                fields.insert(key, map.next_value()?);
                while let Some((key, value)) = map.next_entry()? {
                    fields.insert(key, value);
                }
                let name = match fields.remove("type") {
                    Some(serde_json::Value::String(name)) => name,
                    _ => return Err(A::Error::missing_field("type")),
                };
                let deserializer = fields.into_deserializer();
                deserializer.deserialize_map(TypedVisitor { name }).map_err(A::Error::custom)
            }
            None => Err(A::Error::missing_field("type")),
        }
    }
}

struct TypedVisitor {
    name: String,
}

impl<'de> Visitor<'de> for TypedVisitor {
    type Value = Command;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the fields of {}", self.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Command, A::Error> {
        of_type(&self.name, map)
    }
}

const TYPES: &[&str] = &[
    "create_credit_type",
    "create_meter",
    "set_rate",
    "create_account",
    "assign_rate_table",
    "set_period_edge",
    "advance_clock",
    "suspend_account",
    "resume_account",
    "set_policy",
    "set_thresholds",
    "create_grant",
    "release_grant",
    "void_grant",
    "void_and_replace",
    "reserve",
    "settle",
    "release",
    "correct",
];

fn of_type<'de, A: MapAccess<'de>>(name: &str, map: A) -> Result<Command, A::Error> {
    let fields = MapAccessDeserializer::new(map);
    Ok(match name {
        "create_credit_type" => Command::CreateCreditType(Deserialize::deserialize(fields)?),
        "create_meter" => Command::CreateMeter(Deserialize::deserialize(fields)?),
        "set_rate" => Command::SetRate(Deserialize::deserialize(fields)?),
        "create_account" => Command::CreateAccount(Deserialize::deserialize(fields)?),
        "assign_rate_table" => Command::AssignRateTable(Deserialize::deserialize(fields)?),
        "set_period_edge" => Command::SetPeriodEdge(Deserialize::deserialize(fields)?),
        "advance_clock" => Command::AdvanceClock(Deserialize::deserialize(fields)?),
        "suspend_account" => Command::SuspendAccount(Deserialize::deserialize(fields)?),
        "resume_account" => Command::ResumeAccount(Deserialize::deserialize(fields)?),
        "set_policy" => Command::SetPolicy(Deserialize::deserialize(fields)?),
        "set_thresholds" => Command::SetThresholds(Deserialize::deserialize(fields)?),
        "create_grant" => Command::CreateGrant(Deserialize::deserialize(fields)?),
        "release_grant" => Command::ReleaseGrant(Deserialize::deserialize(fields)?),
        "void_grant" => Command::VoidGrant(Deserialize::deserialize(fields)?),
        "void_and_replace" => Command::VoidAndReplace(Deserialize::deserialize(fields)?),
        "reserve" => Command::Reserve(Deserialize::deserialize(fields)?),
        "settle" => Command::Settle(Deserialize::deserialize(fields)?),
        "correct" => Command::Correct(Deserialize::deserialize(fields)?),
        "release" => Command::Release(Deserialize::deserialize(fields)?),
        other => return Err(A::Error::unknown_variant(other, TYPES)),
    })
}

struct GrantAmountVisitor;

impl<'de> Visitor<'de> for GrantAmountVisitor {
    type Value = GrantAmount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount: a decimal text, an integer of smallest units, or a formula")
    }

    fn visit_i64<E: Error>(self, units: i64) -> Result<GrantAmount, E> {
        Ok(GrantAmount::Fixed(Amount::Units(units)))
    }

    fn visit_u64<E: Error>(self, units: u64) -> Result<GrantAmount, E> {
        // Past 64 signed bits: as text, so that it is refused as an overflow and not as unreadable.
        let units = i64::try_from(units).map_or_else(|_| Amount::Decimal(units.to_string()), Amount::Units);
        Ok(GrantAmount::Fixed(units))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<GrantAmount, E> {
        Ok(GrantAmount::Fixed(Amount::Decimal(text.into())))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<GrantAmount, A::Error> {
        Formula::deserialize(MapAccessDeserializer::new(map)).map(GrantAmount::Formula)
    }
}

impl<'de> Deserialize<'de> for GrantAmount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<GrantAmount, D::Error> {
        deserializer.deserialize_any(GrantAmountVisitor)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
        match GrantAmount::deserialize(deserializer)? {
            GrantAmount::Fixed(amount) => Ok(amount),
            GrantAmount::Formula(_) => Err(D::Error::custom("an amount is a decimal text or an integer here")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_reads_back_what_it_writes_wherever_its_type_stands() {
        let texts = [
            r#"{"type":"create_credit_type","name":"c","scale":3}"#,
            r#"{"type":"set_policy","account":"a","credit_type":"c","kind":"overdraft","limit":"5"}"#,
            r#"{"type":"create_grant","account":"a","grant":{"grant_id":"g","credit_type":"c","amount":7}}"#,
            r#"{"type":"void_and_replace","account":"a","void":["x"],"create":[
                {"grant_id":"g","credit_type":"c","amount":{"of":"x","min":"3"}}]}"#,
            r#"{"type":"void_and_replace","account":"a","void":["x"],"move_out":[{"of":"x","amount":"2.5"}],
                "create":[{"grant_id":"g","credit_type":"c","amount":{"of":"x","minus":"2.5"}}]}"#,
        ];
        for text in texts {
            let first: Command = serde_json::from_str(text).expect("reads");
            let written = serde_json::to_string(&first).expect("writes");
            assert_eq!(serde_json::from_str::<Command>(&written).expect("reads"), first);
            let mut value: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).expect("reads");
            let name = value.remove("type").expect("typed");
            value.insert("zz".into(), serde_json::Value::Null);
            value.remove("zz");
            value.insert("type".into(), name);
            let moved = serde_json::to_string(&value).expect("writes");
            assert_eq!(serde_json::from_str::<Command>(&moved).expect("reads"), first, "{moved}");
        }
    }

    #[test]
    fn what_is_unknown_is_named() {
        let error = |text: &str| group_from_json(text.as_bytes()).expect_err("refused");
        assert!(error(r#"[{"type":"mint"}]"#).contains("mint"));
        assert!(error(r#"[{"account":"a"}]"#).contains("type"));
        assert!(error(r#"[{"type":"suspend_account","account":"a","colour":1}]"#).contains("colour"));
        assert!(
            error(r#"[{"type":"create_grant","account":"a","grant":{"grant_id":"g","credit_type":"c","amount":1.5}}]"#)
                .contains("amount")
        );
    }
}
