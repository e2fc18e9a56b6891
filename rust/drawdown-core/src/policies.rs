//! The policies that pools have, each kept once. Where every account has a limit of its own there are as many
//! as accounts, so one more must not cost more than the first; and a copy of the catalog shares them.

use crate::catalog::Policy;
use std::collections::BTreeMap;
use std::ops::Index;
use std::sync::Arc;

/// Policy 0 is `hard`.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    all: Arc<Numbered>,
}

#[derive(Clone, Debug)]
struct Numbered {
    by_number: Vec<Policy>,
    numbers: BTreeMap<Policy, u32>,
}

impl Default for Numbered {
    fn default() -> Numbered {
        let hard = Policy::default();
        Numbered { by_number: vec![hard.clone()], numbers: BTreeMap::from([(hard, 0)]) }
    }
}

impl Policies {
    pub fn len(&self) -> usize {
        self.all.by_number.len()
    }

    /// The number of this policy, new or not.
    pub fn intern(&mut self, policy: Policy) -> u32 {
        if let Some(number) = self.all.numbers.get(&policy) {
            return *number;
        }
        let all = Arc::make_mut(&mut self.all);
        let number = all.by_number.len() as u32;
        all.by_number.push(policy.clone());
        all.numbers.insert(policy, number);
        number
    }

    /// Forget those after the first `len`: what a group interned that is undone.
    pub fn truncate(&mut self, len: usize) {
        if self.len() > len {
            let Numbered { by_number, numbers } = Arc::make_mut(&mut self.all);
            for gone in by_number.drain(len..) {
                numbers.remove(&gone);
            }
        }
    }
}

impl Index<u32> for Policies {
    type Output = Policy;

    #[inline]
    fn index(&self, number: u32) -> &Policy {
        &self.all.by_number[number as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::PolicyKind;

    fn overdraft(limit: i64) -> Policy {
        Policy { kind: PolicyKind::Overdraft, limit, price: String::new() }
    }

    #[test]
    fn each_is_kept_once_and_what_is_undone_is_forgotten() {
        let mut policies = Policies::default();
        assert_eq!(0, policies.intern(Policy::default()));
        assert_eq!([1, 2, 1], [5, 7, 5].map(|limit| policies.intern(overdraft(limit))));
        let before = policies.clone();
        policies.truncate(2);
        assert_eq!([2, 3], [8, 7].map(|limit| policies.intern(overdraft(limit))));
        assert_eq!([&overdraft(7), &overdraft(8)], [&before[2], &policies[2]]);
    }
}
