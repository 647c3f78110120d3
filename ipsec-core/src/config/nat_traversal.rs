//! Habits of NAT traversal. Whether and how it is negotiated follows from the vendor IDs that a node sends.

use crate::time::Duration;

/// What nodes with NAT traversal do differently from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatTraversal {
    /// How long a node behind a NAT sends nothing to a peer before it sends a keepalive (RFC 3948 section 4; Windows: 20 s,
    /// MS-IKEE appendix A <14>). `None`: no keepalives.
    pub keepalive: Option<Duration>,
    /// Whether we, as the initiator, accept a responder behind a NAT.
    pub responder_behind_nat: ResponderBehindNat,
    /// When NAT-OA is sent in quick mode.
    pub original_addresses: NatOaHabit,
    /// Whether we say that we are behind a NAT, so that ESP travels in UDP wherever both ends speak NAT traversal: through
    /// firewalls that know no ESP, and in large batches. Other implementations do the same when told to.
    pub pretend: bool,
}

impl Default for NatTraversal {
    fn default() -> Self {
        NatTraversal {
            keepalive: Some(Duration::from_secs(20)),
            responder_behind_nat: ResponderBehindNat::Allowed,
            original_addresses: NatOaHabit::InTransportMode,
            pretend: false,
        }
    }
}

/// Whether an initiator accepts a responder behind a NAT (Windows: AssumeUDPEncapsulationContextOnSendRule, KB 885407).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponderBehindNat {
    /// 0, the default of Windows XP SP2: no SA with such a responder.
    Never,
    /// 1: unless we are behind a NAT as well.
    UnlessBoth,
    /// 2, and what RFC 3947 allows.
    #[default]
    Allowed,
}

/// When NAT-OA is sent in quick mode, for transport mode across a NAT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NatOaHabit {
    /// Always (RFC 3947 section 5.2).
    #[default]
    InTransportMode,
    /// Only by an end that is itself behind a NAT: Windows (MS-IKEE section 3.1.5).
    BehindNat,
}
