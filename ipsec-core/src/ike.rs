//! The Internet Key Exchange: ISAKMP SAs, half-open negotiations, timers. Effects out.

pub mod effect;
pub mod failure;
pub mod proposal;
pub mod v1;

use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::config::{Config, IkeConfig, Limits, PolicyDatabases, WorkMode};
use crate::io::DeleteReason;
use crate::rng::Streams;
use crate::sad::{IpsecProtocol, PairId, Sad, Spi};
use crate::time::Instant;
use crate::work::{WorkId, WorkResult};
use effect::{Acquire, Effect};

/// What IKE may look at and touch while it handles one input.
pub struct IkeContext<'a> {
    /// The time of the input.
    pub now: Instant,
    /// All randomness.
    pub streams: &'a Streams,
    /// SPD and PAD.
    pub policy: &'a PolicyDatabases,
    /// Only to reserve SPIs.
    pub sad: &'a mut Sad,
    /// What is to be done, in order.
    pub effects: &'a mut Vec<Effect>,
}

/// All IKE state of a node.
#[derive(Clone, Debug)]
pub struct Ike {
    config: IkeConfig,
    limits: Limits,
    work: WorkMode,
    key_log: bool,
}

impl Ike {
    /// IKE of a node with this configuration.
    pub fn new(config: &Config) -> Self {
        Ike {
            config: config.ike.clone(),
            limits: config.limits.clone(),
            work: config.work,
            key_log: config.key_log,
        }
    }

    /// A UDP payload arrived on port 500 (or 4500, marker taken off) at `local` from `peer`.
    pub fn handle_datagram(
        &mut self,
        local: SocketAddr,
        peer: SocketAddr,
        payload: &[u8],
        cx: &mut IkeContext<'_>,
    ) {
        let _ = (local, peer, payload, cx);
    }

    /// The datapath wants a pair of SAs. Ignored while the same acquire is being negotiated already.
    pub fn acquire(&mut self, acquire: Acquire, cx: &mut IkeContext<'_>) {
        let _ = (acquire, cx);
    }

    /// Whether this acquire is being negotiated.
    pub fn is_negotiating(&self, acquire: &Acquire) -> bool {
        let _ = acquire;
        false
    }

    /// The datapath removed a pair (expired, deleted by command or policy): tell the peer which of our inbound SPIs are
    /// gone (RFC 2408 section 3.15).
    pub fn pair_deleted(
        &mut self,
        pair: PairId,
        inbound: &[(IpsecProtocol, Spi)],
        why: DeleteReason,
        cx: &mut IkeContext<'_>,
    ) {
        let _ = (pair, inbound, why, cx);
    }

    /// The first valid packet arrived on a new pair: the peer has it, which confirms a lost last message of quick mode.
    pub fn pair_confirmed(&mut self, pair: PairId, cx: &mut IkeContext<'_>) {
        let _ = (pair, cx);
    }

    /// Offloaded work is done.
    pub fn work_done(&mut self, id: WorkId, result: WorkResult, cx: &mut IkeContext<'_>) {
        let _ = (id, result, cx);
    }

    /// The policy databases were swapped: drop ISAKMP SAs and negotiations that the new PAD does not allow.
    pub fn policy_changed(&mut self, cx: &mut IkeContext<'_>) {
        let _ = cx;
    }

    /// Delete all SAs and tell the peers.
    pub fn shutdown(&mut self, cx: &mut IkeContext<'_>) {
        let _ = cx;
    }

    /// Fires the timers that are due at `cx.now`, in (deadline, key) order.
    pub fn handle_timeout(&mut self, cx: &mut IkeContext<'_>) {
        let _ = cx;
    }

    /// When the next timer is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
