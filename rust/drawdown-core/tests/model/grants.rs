//! A grant of the reference ledger (§4).

#[derive(Clone, Debug)]
pub struct Grant {
    pub id: String,
    pub credit_type: &'static str,
    pub promotional: bool,
    pub priority: i64,
    pub effective_at: i64,
    pub expires_at: i64,
    /// Empty: all.
    pub scope: Vec<&'static str>,
    pub pending: bool,
    pub is_voided: bool,
    pub amount: i128,
    pub remaining: i128,
    pub held: i128,
    /// When a reservation last gave something back.
    pub returned_at: i64,
    pub burned: i128,
    pub expired: i128,
    pub voided: i128,
    pub moved: i128,
    pub created: usize,
}

impl Grant {
    pub fn is_valid_at(&self, t: i64) -> bool {
        !self.pending && !self.is_voided && self.effective_at <= t && t < self.expires_at
    }

    pub fn free(&self) -> i128 {
        self.remaining - self.held
    }

    pub fn can_pay(&self, meter: Option<&str>) -> bool {
        self.scope.is_empty() || meter.is_some_and(|m| self.scope.contains(&m))
    }

    /// §4.3.
    pub fn burns_at(&self) -> (i64, i64, bool, usize, i64, usize) {
        let width = if self.scope.is_empty() { usize::MAX } else { self.scope.len() };
        (self.priority, self.expires_at, !self.promotional, width, self.effective_at, self.created)
    }

    /// §4.5.
    pub fn state(&self, now: i64) -> &'static str {
        match () {
            () if self.is_voided => "voided",
            () if self.pending => "pending",
            () if now >= self.expires_at => "expired",
            () if now < self.effective_at => "scheduled",
            () if self.remaining == 0 => "exhausted",
            () => "active",
        }
    }
}
