//! What both daemons logged, and what of it has been reproduced.

use ipsec_vectors::recorded::{Recording, Secrets};
use std::collections::BTreeSet;

/// The two logs.
pub(super) struct Log {
    sides: [Secrets; 2],
    reproduced: [BTreeSet<(String, Vec<u8>)>; 2],
}

impl Log {
    pub(super) fn new(recording: &Recording) -> Self {
        Log { sides: [recording.initiator(), recording.responder()], reproduced: Default::default() }
    }

    /// All values of this name.
    pub(super) fn all(&self, name: &str) -> BTreeSet<&[u8]> {
        self.sides.iter().filter_map(|side| side.get(name)).flatten().map(Vec::as_slice).collect()
    }

    /// One of the daemons logged this value: its own exchanges, in its own order.
    ///
    /// # Panics
    ///
    /// When none did.
    pub(super) fn expect(&mut self, name: &str, value: &[u8]) {
        assert!(self.met(name, value), "{name}: computed {value:02x?}, which neither end logged");
    }

    /// Whether one of the daemons logged this value.
    pub(super) fn met(&mut self, name: &str, value: &[u8]) -> bool {
        let mut found = false;
        for (side, reproduced) in self.sides.iter().zip(&mut self.reproduced) {
            if side.get(name).is_some_and(|values| values.iter().any(|logged| logged == value)) {
                reproduced.insert((name.into(), value.to_vec()));
                found = true;
            }
        }
        found
    }

    /// The values of these names that nothing reproduced.
    pub(super) fn left_over(&self) -> Vec<String> {
        // The seeds and the secrets are given; the data behind the hashes is covered by them.
        let given = |name: &str| {
            name.ends_with(" data") || name.ends_with(" seed") || name.starts_with("natd_") || name == SHARED
        };
        let mut left = Vec::new();
        for (side, reproduced) in
            ["initiator", "responder"].iter().zip(self.sides.iter().zip(&self.reproduced))
        {
            let (logged, reproduced) = reproduced;
            for (name, values) in logged.iter().filter(|(name, _)| !given(name)) {
                let missed =
                    values.iter().filter(|v| !reproduced.contains(&(name.clone(), v.to_vec()))).count();
                if missed != 0 {
                    left.push(format!("{missed} values of {name} in the log of the {side} were not met"));
                }
            }
        }
        left
    }
}

/// What the logs call g^xy.
pub(super) const SHARED: &str = "shared Diffie Hellman secret";
