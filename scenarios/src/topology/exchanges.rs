//! Exchanges that no Windows has: aggressive mode and dead peer detection.

use ipsec_core::config::{DeadPeerDetection, IkeConfig, PolicyDatabases, VendorIdRule};
use ipsec_core::ike::v1::vendor_id;
use ipsec_core::pad::Phase1Exchange;
use serde::Deserialize;
use std::sync::Arc;

use crate::value::Span;

/// What a node does with aggressive mode.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Aggressive {
    /// It begins by it.
    Begins,
    /// It answers it.
    Accepts,
}

impl Aggressive {
    pub(crate) fn apply(self, policy: &mut PolicyDatabases) {
        for entry in &mut Arc::make_mut(&mut policy.pad).entries {
            match self {
                Aggressive::Begins => entry.exchange = Phase1Exchange::AggressiveMode,
                Aggressive::Accepts => entry.accept_aggressive = true,
            }
        }
    }
}

/// Dead peer detection: it is announced, peers are answered, and asked if there is a time.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct DeadPeer {
    /// How long a peer to which traffic is sent may prove nothing.
    pub asks_after: Option<Span>,
}

impl DeadPeer {
    pub(crate) fn apply(self, ike: &mut IkeConfig) {
        ike.vendor_ids.push(VendorIdRule::always(vendor_id::DEAD_PEER_DETECTION));
        ike.dead_peer_detection = self.asks_after.map(|idle| DeadPeerDetection::after(idle.0));
    }
}
