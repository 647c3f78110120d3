//! Fragments: a later part of a datagram is what its first part was, whichever comes first in the capture.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Pair, Sight};
use crate::ip::IpView;

/// Datagrams that are remembered: more than one capture has under way.
const DATAGRAMS: usize = 65_536;

/// Source, destination, protocol and identification: whose parts belong together (RFC 791 section 2.3).
type Key = (IpAddr, IpAddr, u8, u32);

/// Datagrams of which parts were seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Fragments {
    /// What the first part showed.
    firsts: BTreeMap<Key, Sight>,
    /// How many parts wait for it, where it may be anything.
    waiting: BTreeMap<Key, u64>,
}

impl Fragments {
    /// What a part shows, in the light of the others; and what parts that came before it and were taken for nothing were
    /// really: how many, each the same as `seen`.
    pub(super) fn judge(&mut self, view: &IpView<'_>, seen: Sight) -> (Sight, u64) {
        let key = (view.source, view.destination, view.protocol, view.ident);
        if view.offset == 0 {
            if self.firsts.len() < DATAGRAMS {
                self.firsts.insert(key, seen);
            }
            return (seen, self.waiting.remove(&key).unwrap_or(0));
        }
        match self.firsts.get(&key) {
            Some(first) => (*first, 0),
            None => {
                if seen == Sight::Part && self.waiting.len() < DATAGRAMS {
                    *self.waiting.entry(key).or_default() += 1;
                }
                (seen, 0)
            }
        }
    }
}

/// The addresses of a datagram, the lower one first.
pub(super) fn pair(view: &IpView<'_>) -> Pair {
    (view.source.min(view.destination), view.source.max(view.destination))
}
