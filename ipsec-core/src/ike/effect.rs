//! What IKE wants done: it mutates neither SAD nor SPD, it returns effects, and `ipsec.rs` applies them in order.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::io::{DeleteReason, Event};
use crate::sad::{BundleSpec, IpsecProtocol, PairId, Spi};
use crate::selector::Selector;
use crate::spd::EntryId;
use crate::work::{Work, WorkId};

/// One thing to do. Applied in the order they were returned.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Send a UDP datagram.
    Send(Datagram),
    /// Accept packets on these SAs from now on.
    InstallInbound(BundleSpec),
    /// Send on these SAs from now on; packets held for the entry leave.
    InstallOutbound(BundleSpec),
    /// The new pair takes over from the old one, whose inbound SAs stay until deleted or expired.
    HandOver {
        /// The pair that takes over.
        new: PairId,
        /// The pair that sends no more.
        old: PairId,
        /// Whether the peer is known to accept packets on the new pair. Until it is, the old one still sends.
        proven: bool,
    },
    /// The peer of an encapsulated pair is elsewhere now, by an authenticated IKE message or by what
    /// [`Ike::peer_moved`](super::Ike::peer_moved) was told of another of its pairs. Pairs without encapsulation stay.
    MovePeer {
        /// Which.
        pair: PairId,
        /// Our address and port.
        local: SocketAddr,
        /// The peer's.
        peer: SocketAddr,
    },
    /// Remove both directions of a pair.
    DeleteSa {
        /// Which.
        pair: PairId,
        /// Why.
        why: DeleteReason,
    },
    /// Remove all pairs with this peer but the given one (authenticated INITIAL-CONTACT).
    PurgePeer {
        /// The peer's address.
        peer: IpAddr,
        /// The pairs to keep: made after the notification.
        keep: Vec<PairId>,
    },
    /// The reserved inbound SPIs are not needed any more.
    ReleaseSpi {
        /// ESP or AH.
        protocol: IpsecProtocol,
        /// The SPI reserved with [`Sad::reserve_spi`](crate::sad::Sad::reserve_spi).
        spi: Spi,
    },
    /// The negotiation that packets wait for came to nothing; drop them. With `silent` the peer gave no answer at all
    /// (the condition of fallback to clear).
    AcquireFailed {
        /// The acquire it answers.
        acquire: Acquire,
        /// Whether not one datagram of the peer arrived.
        silent: bool,
    },
    /// Compute this (only in [`WorkMode::Offload`](crate::config::WorkMode::Offload)).
    Work(WorkId, Work),
    /// Tell the driver.
    Event(Event),
}

/// A UDP datagram of IKE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Source address and port.
    pub local: SocketAddr,
    /// Destination address and port.
    pub peer: SocketAddr,
    /// The ISAKMP message, without the non-ESP marker, which is added when `local` has port 4500; or the keepalive.
    pub payload: Vec<u8>,
    /// A NAT keepalive (RFC 3948 section 2.3): no marker, no checksum.
    pub keepalive: bool,
}

/// What the datapath wants negotiated (PF_KEY's ACQUIRE).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Acquire {
    /// The Protect entry.
    pub entry: EntryId,
    /// Our address towards the peer.
    pub local: IpAddr,
    /// The peer.
    pub peer: IpAddr,
    /// The traffic to ask for: the entry's selector, narrowed by its populate flags. Our side local.
    pub selector: Selector,
    /// The pair it is to replace.
    pub replaces: Option<PairId>,
}
