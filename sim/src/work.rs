//! Offloaded work: computed at once, but ready only after a virtual cost.

use std::collections::BTreeMap;

use ipsec_core::Duration;
use ipsec_core::crypto::Group;
use ipsec_core::work::{Work, WorkResult};

/// What work costs in virtual time, and which results are known already.
///
/// Results are pure functions of the work, so a workshop may be carried from run to run: a replayed exchange then skips
/// its Diffie-Hellman, and the runs stay the same.
#[derive(Clone, Debug)]
pub struct Workshop {
    costs: BTreeMap<Group, Duration>,
    memo: Option<BTreeMap<Work, WorkResult>>,
}

impl Default for Workshop {
    /// A few milliseconds for one exponentiation, growing with the cube of the modulus.
    fn default() -> Self {
        let costs = [
            (Group::Modp768, 500),
            (Group::Modp1024, 1_200),
            (Group::Modp1536, 4_000),
            (Group::Modp2048, 9_500),
        ];
        let costs = costs.into_iter().map(|(g, us)| (g, Duration::from_micros(us))).collect();
        Workshop { costs, memo: None }
    }
}

impl Workshop {
    /// Work that is done inside the call, at no cost.
    pub fn free() -> Self {
        Workshop { costs: BTreeMap::new(), memo: None }
    }

    /// The same, with one exponentiation in `group` costing this much.
    pub fn cost(mut self, group: Group, cost: Duration) -> Self {
        self.costs.insert(group, cost);
        self
    }

    /// The same, remembering results.
    pub fn remembering(self) -> Self {
        Workshop { memo: Some(self.memo.unwrap_or_default()), ..self }
    }

    /// Whether work is done inside the call.
    pub(crate) fn is_free(&self) -> bool {
        self.costs.is_empty()
    }

    /// How long a piece of work takes.
    pub(crate) fn duration(&self, work: &Work) -> Duration {
        let (Work::DhPublic { group, .. } | Work::DhShared { group, .. }) = work;
        self.costs.get(group).copied().unwrap_or(Duration::ZERO)
    }

    /// The result of a piece of work.
    pub(crate) fn run(&mut self, work: Work) -> WorkResult {
        let Some(memo) = &mut self.memo else { return work.run() };
        if let Some(known) = memo.get(&work) {
            return known.clone();
        }
        let result = work.run();
        memo.insert(work, result.clone());
        result
    }
}
