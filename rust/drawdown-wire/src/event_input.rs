//! An event as a client hands it over, and the shape rules that the server will hold it to.

use crate::error::FieldError;
use crate::limits::{DIMENSIONS_MAX, ID_BYTES_MAX};
use crate::printable::printable;
use drawdown_core::{StoreKey, Subject, UsageEvent};

/// One event to be sent.
#[derive(Clone, Copy, Debug)]
pub struct EventInput<'a> {
    pub event_id: &'a str,
    pub account_id: &'a str,
    pub subject: Subject<'a>,
    /// Quantity or credits, 0 or more.
    pub quantity: i64,
    pub time_us: Option<i64>,
    /// In any order, keys unique.
    pub dimensions: &'a [(&'a str, &'a str)],
    pub force: bool,
}

impl EventInput<'_> {
    /// The name of the subject's field and its text.
    pub(crate) fn subject_field(&self) -> (&'static str, &str) {
        match self.subject {
            Subject::Meter(meter) => ("meter", meter),
            Subject::CreditType(credit_type) => ("credit_type", credit_type),
        }
    }

    /// Whether a server would take the event's shape: what it calls malformed is refused here, by
    /// field.
    ///
    /// # Errors
    /// The first field that cannot be sent.
    pub fn check(&self) -> Result<(), FieldError> {
        check_id("event_id", self.event_id)?;
        check_id("account_id", self.account_id)?;
        let (field, subject) = self.subject_field();
        check_id(field, subject)?;
        if self.quantity < 0 {
            let field = if field == "meter" { "quantity" } else { "credits" };
            return Err(FieldError::new(field, format!("{} is negative", self.quantity)));
        }
        self.check_dimensions()
    }

    /// Hand `take` the event as a decoder would have made it of these fields: dimensions sorted,
    /// hashes filled, `malformed` where `check` finds fault.
    pub fn sealed_with<R>(&self, key: &StoreKey, take: impl FnOnce(&UsageEvent<'_>) -> R) -> R {
        let malformed = self.check().is_err();
        let mut sorted: Vec<(&str, &str)> = Vec::new();
        if !malformed {
            sorted.extend_from_slice(self.dimensions);
            sorted.sort_unstable();
        }
        let event = UsageEvent {
            event_id: self.event_id,
            account_id: self.account_id,
            subject: self.subject,
            quantity: self.quantity,
            time_us: self.time_us,
            dimensions: &sorted,
            force: self.force,
            malformed,
            account_hash: 0,
            event_hash: 0,
            fingerprint: 0,
        };
        take(&event.seal(key))
    }

    fn check_dimensions(&self) -> Result<(), FieldError> {
        let count = self.dimensions.len();
        if count > DIMENSIONS_MAX {
            let message = format!("{count} dimensions, at most {DIMENSIONS_MAX} are accepted");
            return Err(FieldError::new("dimensions", message));
        }
        for (index, (name, value)) in self.dimensions.iter().enumerate() {
            check_dimension_text("key", name)?;
            check_dimension_text("value", value)?;
            if self.dimensions[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(FieldError::new("dimensions", format!("key {name:?} comes twice")));
            }
        }
        Ok(())
    }
}

fn check_id(field: &'static str, text: &str) -> Result<(), FieldError> {
    if text.is_empty() {
        return Err(FieldError::new(field, "is empty; 1 to 128 bytes of printable text are needed"));
    }
    if text.len() > ID_BYTES_MAX {
        let message = format!("is {} bytes long, at most {ID_BYTES_MAX} are accepted", text.len());
        return Err(FieldError::new(field, message));
    }
    if printable(text.as_bytes()).is_none() {
        return Err(FieldError::new(field, format!("{text:?} holds control characters")));
    }
    Ok(())
}

fn check_dimension_text(part: &str, text: &str) -> Result<(), FieldError> {
    if text.len() > ID_BYTES_MAX {
        let message = format!("a {part} is {} bytes long, at most {ID_BYTES_MAX} are accepted", text.len());
        return Err(FieldError::new("dimensions", message));
    }
    if printable(text.as_bytes()).is_none() {
        return Err(FieldError::new("dimensions", format!("{part} {text:?} holds control characters")));
    }
    Ok(())
}
