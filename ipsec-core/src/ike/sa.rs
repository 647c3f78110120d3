//! The ISAKMP SA (RFC 2408 section 2.1): a phase 1, and what runs under it once it is established.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::effect::Acquire;
use super::failure::FailureReason;
use super::retransmit::Exchange;
use super::v1::dead_peer::Liveness;
use super::v1::fragment::Fragments;
use super::v1::nat_traversal::Nat;
use super::v1::phase1::{Established, Phase1};
use super::v1::quick_mode::QuickMode;
use super::v1::vendor_id::Capabilities;
use crate::pad::{Identity, Pad, PadEntry, PadEntryId, Phase1Exchange};
use crate::time::Instant;
use crate::wire::isakmp::{Cookie, ExchangeType, Flags, Header};

/// Number of an ISAKMP SA on its node, in the order in which they began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SaId(pub(crate) u64);

/// Message IDs an ISAKMP SA remembers, so that an old exchange cannot be replayed.
const USED_MESSAGE_IDS: usize = 256;
/// Quick modes that run, or are kept for repetitions, under one ISAKMP SA.
pub(crate) const QUICK_MODES: usize = 64;
/// Acquires that wait for one ISAKMP SA.
pub(crate) const WAITING_ACQUIRES: usize = 256;

/// What names an ISAKMP SA and its ends.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) id: SaId,
    /// Our address and port. Changed, like the peer's, by authenticated messages only.
    pub(crate) local: SocketAddr,
    pub(crate) peer: SocketAddr,
    /// Whether we sent the first message.
    pub(crate) initiator: bool,
    pub(crate) cky_i: Cookie,
    /// Zero until the responder has answered.
    pub(crate) cky_r: Cookie,
    pub(crate) pad_entry: PadEntryId,
    /// Main mode or aggressive mode.
    pub(crate) exchange: Phase1Exchange,
    /// What we call ourselves, where it is not our address.
    pub(crate) identity: Option<Identity>,
    /// What the peer may call itself, where it is not its address.
    pub(crate) peer_identities: Vec<Identity>,
    /// The identity by which the peer's PAD entry was found; main mode finds it by address.
    pub(crate) found_by: Option<Identity>,
    /// When its first message was sent or received.
    pub(crate) started: Instant,
    /// Whether no other ISAKMP SA with the peer was established then.
    pub(crate) alone: bool,
    /// What our first message announced.
    pub(crate) we_can: Capabilities,
    /// What the peer's first message announced.
    pub(crate) peer_can: Capabilities,
    /// Whether messages leave in fragments where they can.
    pub(crate) fragmenting: bool,
    /// Whether we say that we are behind a NAT.
    pub(crate) pretend: bool,
    /// What NAT discovery found, once it has taken place.
    pub(crate) nat: Option<Nat>,
    /// Whether that made us, the initiator, change ports.
    pub(crate) floated: bool,
    /// What the peer calls itself, once it has proved itself.
    pub(crate) peer_id: Option<Identity>,
    /// The first ISAKMP SA with the same peer across a NAT. It stands for that peer, which may share its address.
    pub(crate) client: SaId,
}

impl Names {
    /// Whether both ends announced an extension.
    pub(crate) fn both(&self, can: impl Fn(&Capabilities) -> bool) -> bool {
        can(&self.we_can) && can(&self.peer_can)
    }

    /// The PAD entry that a policy has for this peer at these addresses.
    pub(crate) fn entry_in<'p>(&self, pad: &'p Pad, local: IpAddr, peer: IpAddr) -> Option<&'p PadEntry> {
        match &self.found_by {
            None => pad.lookup(local, peer),
            Some(claimed) => pad.lookup_identified(local, peer, claimed).filter(|e| e.accept_aggressive),
        }
    }

    /// The exchange type of phase 1.
    pub(crate) fn phase1_type(&self) -> ExchangeType {
        match self.exchange {
            Phase1Exchange::MainMode => ExchangeType::MAIN_MODE,
            Phase1Exchange::AggressiveMode => ExchangeType::AGGRESSIVE,
        }
    }

    /// The header of a message of phase 1 (message ID 0) or quick mode.
    pub(crate) fn header(&self, message_id: u32) -> Header {
        let exchange = if message_id == 0 { self.phase1_type() } else { ExchangeType::QUICK_MODE };
        Header::new(self.cky_i, self.cky_r, exchange, Flags::NONE, message_id)
    }
}

/// A quick mode with what it may have to send again.
#[derive(Clone, Debug)]
pub(crate) struct QuickModeExchange {
    pub(crate) state: QuickMode,
    pub(crate) exchange: Exchange,
}

/// One ISAKMP SA.
#[derive(Clone, Debug)]
pub(crate) struct IsakmpSa {
    pub(crate) names: Names,
    pub(crate) phase1: Phase1,
    /// Of phase 1.
    pub(crate) exchange: Exchange,
    /// What is to be negotiated under it.
    pub(crate) acquires: VecDeque<Acquire>,
    /// The ISAKMP SA that it is to succeed.
    pub(crate) renews: Option<SaId>,
    /// By message ID.
    pub(crate) quick_modes: BTreeMap<u32, QuickModeExchange>,
    used_message_ids: VecDeque<u32>,
    /// Parts of messages to come.
    pub(crate) fragments: Fragments,
    /// Quick modes begun under it, by either end.
    pub(crate) quick_modes_begun: u32,
    /// Whether a datagram of the peer arrived.
    pub(crate) heard: bool,
    /// What unauthenticated messages of main mode say of why it may come to nothing: worth reporting, never acted upon.
    pub(crate) noted: Option<FailureReason>,
    /// Cookies of denial-of-service protection that were answered.
    pub(crate) dos_cookies: u32,
    /// Main mode has just been completed.
    pub(crate) fresh: bool,
    /// The peer says that it knows no older SA with us.
    pub(crate) purge: bool,
    /// ISAKMP SAs that the peer, authenticated by this one, has deleted.
    pub(crate) deleted_by_peer: Vec<(Cookie, Cookie)>,
    /// When the last authenticated message under it arrived.
    pub(crate) last_authentic: Option<Instant>,
    /// Its last quick mode has begun; it lives on only to repeat answers.
    pub(crate) spent: bool,
    /// What is known of the peer's life.
    pub(crate) liveness: Liveness,
    /// The peer does not answer under it any more.
    pub(crate) dead: bool,
    /// The peer does not say that it lives: all SAs with it are to go.
    pub(crate) unreachable: bool,
    /// Either end has deleted it; it stays to take the deletes of what was made under it (MS-IKEE appendix A <26>).
    pub(crate) deleted: bool,
    /// It has failed, and is to be removed.
    pub(crate) closed: bool,
}

impl IsakmpSa {
    pub(crate) fn new(names: Names, phase1: Phase1) -> Self {
        IsakmpSa {
            names,
            phase1,
            exchange: Exchange::default(),
            acquires: VecDeque::new(),
            renews: None,
            quick_modes: BTreeMap::new(),
            used_message_ids: VecDeque::new(),
            fragments: Fragments::default(),
            quick_modes_begun: 0,
            heard: false,
            noted: None,
            dos_cookies: 0,
            fresh: false,
            purge: false,
            deleted_by_peer: Vec::new(),
            last_authentic: None,
            spent: false,
            liveness: Liveness::default(),
            dead: false,
            unreachable: false,
            deleted: false,
            closed: false,
        }
    }

    /// Whether it is of a peer that has proved nothing yet, and began by this exchange.
    pub(crate) fn is_unproven(&self, exchange: Phase1Exchange) -> bool {
        !self.names.initiator && self.names.exchange == exchange && self.established().is_none()
    }

    /// The established state.
    pub(crate) fn established(&self) -> Option<&Established> {
        match &self.phase1 {
            Phase1::Established(established) => Some(established),
            _ => None,
        }
    }

    /// Whether an exchange with this message ID took place lately.
    pub(crate) fn is_used(&self, message_id: u32) -> bool {
        self.used_message_ids.contains(&message_id)
    }

    /// How many message IDs are remembered.
    pub(crate) fn used_message_ids(&self) -> usize {
        self.used_message_ids.len()
    }

    /// Remembers the message ID of an authenticated exchange.
    pub(crate) fn mark_used(&mut self, message_id: u32) {
        if self.used_message_ids.len() >= USED_MESSAGE_IDS {
            self.used_message_ids.pop_front();
        }
        self.used_message_ids.push_back(message_id);
    }
}
