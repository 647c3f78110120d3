//! The whole surface: what goes into [`Ipsec`](crate::Ipsec) and what comes out of it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use crate::config::PolicyDatabases;
use crate::ike::failure::Failure;
use crate::ike::v1::nat_traversal::Nat;
use crate::ike::v1::vendor_id::Capabilities;
use crate::interface::{Interface, InterfaceId};
use crate::packet::{Packet, PacketId};
use crate::pad::{PadEntryId, Phase1Exchange, Secret};
use crate::route::RouteTable;
use crate::sad::{BundleSpec, InstallError, PairId, UdpEncapsulation};
use crate::selector::{FlowKey, Selector};
use crate::spd::{EntryId, Spd};
use crate::time::Instant;
use crate::wire::isakmp::Cookie;
use crate::work::{Work, WorkId, WorkResult};

/// What a driver hands in.
#[derive(Clone, Debug)]
pub enum Input {
    /// An IP datagram of ours, or one to forward, on its way out through this interface.
    Outbound(InterfaceId, Packet),
    /// An IP datagram that arrived on this interface.
    Inbound(InterfaceId, Packet),
    /// Something the operator wants.
    Command(Command),
    /// A piece of work is done.
    WorkDone(WorkId, WorkResult),
    /// [`poll_timeout`](crate::Ipsec::poll_timeout) has come.
    Timeout,
}

/// What a driver carries out.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send this IP datagram through this interface.
    Transmit(InterfaceId, Packet),
    /// This packet passed the inbound door on this interface: hand it to the host's stack, or forward it.
    Deliver(InterfaceId, Packet),
    /// Something happened.
    Event(Event),
    /// Compute this and hand the result in.
    Work(WorkId, Work),
}

/// What an operator can ask for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Swap policy databases; SAs that no entry allows any more are deleted, the others stay.
    SetPolicy(PolicyDatabases),
    /// These routes from now on. SAs keep their addresses.
    SetRoutes(RouteTable),
    /// These interfaces and routes from now on, in place of those there were. SAs from an address that is no longer ours are
    /// gone ([`DeleteReason::AddressGone`]), and with them what was being negotiated from it. A policy that is about "my"
    /// addresses comes after it, as [`Command::SetPolicy`].
    SetInterfaces(Vec<Interface>, RouteTable),
    /// Negotiate for this entry now, as if `flow` were a packet of it.
    Initiate(EntryId, FlowKey),
    /// Manual keying (RFC 4301 section 4.5.1): install one direction of a pair. A failure is
    /// [`Event::InstallFailed`]. Pair numbers are the operator's choice; IKE counts from 0, so take numbers from 2^32.
    Install(BundleSpec),
    /// Negotiate a successor of this pair now, as at the soft end of its life.
    RekeyPair(PairId),
    /// Begin a new phase 1 with the peer of the ISAKMP SA with this initiator cookie, which ends when that is established.
    RenewIsakmpSa(Cookie),
    /// Delete this pair of SAs and tell the peer.
    DeletePair(PairId),
    /// Delete everything and tell the peers, as a service that stops does.
    Shutdown,
    /// [`Command::Shutdown`], and IKE is gone until the next [`Command::SetPolicy`]: packets meet these entries alone, and
    /// datagrams of IKE, ESP and AH are packets like any other. So works a driver whose service has not started yet, or has
    /// stopped.
    StopIke(Arc<Spd>),
}

/// What happened. Small, typed, without keys except in [`Event::Keys`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A packet went no further.
    Dropped {
        /// Whose packet.
        packet: PacketId,
        /// The interface it was leaving through or arrived on.
        interface: InterfaceId,
        /// Whether it was on its way in.
        inbound: bool,
        /// Why; names the RFC step.
        reason: DropReason,
        /// Its flow, as far as it could be read.
        flow: Option<FlowKey>,
    },
    /// A packet waits for IKE (ping says `Negotiating IP Security.`).
    Held {
        /// Whose packet.
        packet: PacketId,
        /// The entry that wants protection.
        entry: EntryId,
    },
    /// A packet was sealed and left.
    Protected {
        /// Whose packet.
        packet: PacketId,
        /// The pair whose outbound SAs carried it.
        pair: PairId,
    },
    /// A packet left or arrived in clear because an entry says so.
    Bypassed {
        /// Whose packet.
        packet: PacketId,
        /// The entry.
        entry: EntryId,
    },
    /// A packet was opened, checked and delivered.
    Opened {
        /// Whose packet.
        packet: PacketId,
        /// The pair whose inbound SAs it came in on.
        pair: PairId,
    },
    /// A main mode, or an aggressive mode, began.
    MainModeStarted {
        /// Our end and the peer's.
        local: SocketAddr,
        /// The peer.
        peer: SocketAddr,
        /// Which of the two.
        exchange: Phase1Exchange,
        /// Whether we sent the first message.
        initiator: bool,
        /// Initiator cookie.
        cky_i: Cookie,
    },
    /// A main mode SA is established.
    MainModeEstablished(MainModeInfo),
    /// A quick mode made a pair of SAs.
    QuickModeEstablished(QuickModeInfo),
    /// A negotiation ended without an SA.
    Failed(Failure),
    /// One of our IKE messages was sent again.
    Retransmitted {
        /// The peer.
        peer: SocketAddr,
        /// Initiator cookie of the SA.
        cky_i: Cookie,
        /// 0 in phase 1.
        message_id: u32,
        /// 1 for the first repetition.
        attempt: u32,
    },
    /// An IKE datagram changed nothing.
    IkeIgnored {
        /// Where it came from.
        peer: SocketAddr,
        /// Why.
        reason: crate::ike::failure::IkeError,
    },
    /// An authenticated notification arrived.
    Notified {
        /// The peer.
        peer: SocketAddr,
        /// Notify message type (RFC 2408 section 3.14.1).
        notify: u16,
    },
    /// SAs could not be installed.
    InstallFailed {
        /// The pair.
        pair: PairId,
        /// Why.
        why: InstallError,
    },
    /// A peer gave no answer to IKE, and the entry allows clear traffic with it for a while (Windows: soft association).
    SoftAssociation {
        /// The entry.
        entry: EntryId,
        /// The peer.
        peer: IpAddr,
    },
    /// A soft association is over: its time, SAs with the peer, or a new policy ended it.
    SoftAssociationEnded {
        /// The entry.
        entry: EntryId,
        /// The peer.
        peer: IpAddr,
    },
    /// A router told the path MTU of a pair's outer path (RFC 4301 section 8.2).
    PathMtu {
        /// The pair.
        pair: PairId,
        /// Octets of outer datagram.
        mtu: u16,
    },
    /// The peer of an encapsulated pair is elsewhere now, by an authenticated packet (RFC 3947 section 7). Section 8 wants
    /// each such change on record.
    PeerMoved {
        /// The pair.
        pair: PairId,
        /// Where its packets went.
        from: SocketAddr,
        /// Where they go now.
        to: SocketAddr,
    },
    /// The peer of an ISAKMP SA across a NAT is elsewhere now, by an authenticated message (RFC 3947 sections 7 and 8).
    IsakmpPeerMoved {
        /// Initiator cookie of the ISAKMP SA.
        cky_i: Cookie,
        /// Where its messages went.
        from: SocketAddr,
        /// Where they go now.
        to: SocketAddr,
    },
    /// The peer has answered a delete of ours (MS-IKEE section 3.8).
    DeleteAnswered {
        /// The peer.
        peer: SocketAddr,
        /// Initiator cookie of the ISAKMP SA it was sent under.
        cky_i: Cookie,
        /// Message ID of the delete.
        message_id: u32,
    },
    /// Dead peer detection took a step (RFC 3706).
    DeadPeerDetection {
        /// The peer.
        peer: SocketAddr,
        /// Initiator cookie of the SA.
        cky_i: Cookie,
        /// Which.
        step: DpdStep,
    },
    /// A quick mode that waited for CONNECTED goes on (RFC 2408 section 3.1).
    QuickModeConnected {
        /// The pair.
        pair: PairId,
    },
    /// Cookies are asked for from now on before first messages are remembered, or no longer (MS-IKEE section 3.9).
    DosProtection {
        /// Begins, or ends.
        active: bool,
    },
    /// A pair of SAs is gone.
    PairDeleted {
        /// Which.
        pair: PairId,
        /// Why.
        why: DeleteReason,
    },
    /// An ISAKMP SA is gone.
    IsakmpSaDeleted {
        /// Initiator cookie.
        cky_i: Cookie,
        /// Responder cookie.
        cky_r: Cookie,
        /// Why.
        why: DeleteReason,
    },
    /// Keys of a new SA, only with [`Config::key_log`](crate::config::Config::key_log).
    Keys(Keys),
}

/// Facts of an established ISAKMP SA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MainModeInfo {
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's.
    pub peer: SocketAddr,
    /// Main mode or aggressive mode.
    pub exchange: Phase1Exchange,
    /// Whether we sent the first message.
    pub initiator: bool,
    /// Initiator cookie.
    pub cky_i: Cookie,
    /// Responder cookie.
    pub cky_r: Cookie,
    /// The PAD entry it came from.
    pub pad_entry: PadEntryId,
    /// What NAT discovery found, where both ends speak NAT traversal.
    pub nat: Option<Nat>,
    /// What was agreed.
    pub proposal: crate::pad::MainModeProposal,
    /// How both ends authenticated themselves.
    pub method: crate::wire::ikev1::AuthenticationMethod,
    /// When its first message was sent or received.
    pub started: Instant,
    /// Lifetime in seconds.
    pub lifetime_seconds: u32,
    /// What our vendor IDs announced.
    pub we_can: Capabilities,
    /// What the peer's announced.
    pub peer_can: Capabilities,
}

/// Facts of an established pair of IPsec SAs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuickModeInfo {
    /// The pair.
    pub pair: PairId,
    /// Cookie of the ISAKMP SA that made it.
    pub cky_i: Cookie,
    /// Message ID of the quick mode.
    pub message_id: u32,
    /// Whether we sent the first message.
    pub initiator: bool,
    /// The SPD entry.
    pub entry: EntryId,
    /// When its first message was sent or received.
    pub started: Instant,
    /// Our address towards the peer.
    pub local: IpAddr,
    /// The peer's address.
    pub peer: IpAddr,
    /// The UDP ports and original addresses, if ESP travels in UDP.
    pub udp: Option<Box<UdpEncapsulation>>,
    /// What the SAs cover, our side local.
    pub selector: Selector,
    /// What was agreed.
    pub offer: crate::spd::Offer,
    /// Transport or tunnel.
    pub mode: crate::spd::Mode,
    /// The Oakley group of perfect forward secrecy, if any.
    pub pfs: Option<crate::crypto::Group>,
    /// SPIs of our inbound SAs, inner protocol first.
    pub inbound_spis: Vec<crate::sad::Spi>,
    /// SPIs of our outbound SAs, inner protocol first.
    pub outbound_spis: Vec<crate::sad::Spi>,
    /// The pair it replaces.
    pub replaces: Option<PairId>,
}

/// Key material for captures, invariants and probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Of an ISAKMP SA.
    Isakmp {
        /// Initiator cookie.
        cky_i: Cookie,
        /// Responder cookie.
        cky_r: Cookie,
        /// Agreed cipher.
        cipher: crate::crypto::Cipher,
        /// The derived cipher key (RFC 2409 appendix B), not SKEYID_e.
        key: Secret,
    },
    /// Of one direction of a pair.
    Ipsec(BundleSpec),
}

/// A step of dead peer detection, of the end that asks (RFC 3706 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DpdStep {
    /// The peer was asked whether it lives.
    Asked {
        /// The number of the question.
        sequence: u32,
        /// 0 for the first time, 1 for the first repetition.
        attempt: u32,
    },
    /// It acknowledged.
    Alive {
        /// The number of the question.
        sequence: u32,
    },
    /// It did not, and is held dead.
    Dead,
}

/// Why SAs were deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeleteReason {
    /// The seconds or kilobytes are used up.
    Expired,
    /// The sequence number reached its end (RFC 4303 section 3.3.3).
    SequenceExhausted,
    /// A newer pair took over.
    Replaced,
    /// The peer said so, authenticated.
    PeerDeleted,
    /// The peer lost its state: authenticated INITIAL-CONTACT.
    InitialContact,
    /// A new policy does not allow it.
    Policy,
    /// An operator said so.
    Command,
    /// Its exchange was never finished.
    Abandoned,
    /// The peer does not say that it lives (RFC 3706 section 5.4).
    DeadPeer,
    /// It carried nothing for too long (MS-IKEE section 3.5.6.1).
    Idle,
    /// Our end of it is no longer an address of ours, so the peer could not be told.
    AddressGone,
}

/// Why a packet went no further. Every variant names the step of the RFC that drops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropReason {
    /// Not a well-formed IP datagram (RFC 791, RFC 8200).
    Malformed,
    /// No route, or no such interface.
    NoRoute,
    /// An SPD entry says DISCARD (RFC 4301 5.1 step 3a, 5.2 step 3b).
    PolicyDiscard(EntryId),
    /// A stateful entry, and it answers nothing that this node has started (Windows, start-up mode).
    Unsolicited(EntryId),
    /// No SPD entry matches (RFC 4301 section 5: discard).
    NoPolicy,
    /// Clear text that an entry wants protected (RFC 4301 5.2 step 3b; RFC 2401 5.2.1 step 3).
    ClearTextRefused(EntryId),
    /// An ICMP error that would leave in clear quotes traffic that this entry protects (RFC 4301 section 6.2).
    QuotesProtected(EntryId),
    /// The packets waiting for this negotiation are too many.
    PendingFull,
    /// The negotiation the packet waited for failed.
    NegotiationFailed(EntryId),
    /// No SA has this SPI, destination and protocol (RFC 4303 3.4.2).
    UnknownSpi(u32),
    /// The outer source is not the SA's peer (a faithful Windows check).
    WrongOuterSource(PairId),
    /// ESP came bare on an SA negotiated for UDP, or in UDP on one that was not (RFC 3947 5.1).
    WrongEncapsulation(PairId),
    /// A datagram on port 4500 that is no IKE, no ESP and no keepalive (RFC 3948 2).
    BadEncapsulation,
    /// It came on this pair, but its flow is that of another client behind a NAT, to whom the answers go; or it is to go to
    /// one of several such clients, and nothing tells to which (RFC 3948 5.1, 5.2).
    OverlappingFlow(PairId),
    /// Seen before, as the anti-replay window remembers (RFC 4303 3.4.3).
    Replayed(PairId),
    /// Below the anti-replay window: too old to tell whether it was seen (RFC 4303 3.4.3).
    TooOld(PairId),
    /// The integrity check failed (RFC 4303 3.4.4).
    IntegrityFailed(PairId),
    /// Padding, pad length or next header make no sense after decryption (RFC 4303 3.4.4.1).
    BadPadding(PairId),
    /// ESP or AH itself is cut short or not aligned.
    BadLength(PairId),
    /// A dummy packet, next header 59 (RFC 4303 2.6).
    Dummy(PairId),
    /// Inner addresses, protocol or ports are not the SA's (RFC 4301 5.2 step 4).
    SelectorMismatch(PairId),
    /// Protected, but not as the policy entry asks (RFC 2401 5.2.1 step 4).
    BundleMismatch(PairId),
    /// ESP arrived bare where AH around it is asked for (RFC 2401 5.2.1 step 4).
    EspWithoutAh(PairId),
    /// AH arrived with no ESP inside where both are asked for (RFC 2401 5.2.1 step 4).
    AhWithoutEsp(PairId),
    /// The SAs of a bundle arrived in another order, or one of them twice (RFC 2401 5.2.1 step 4).
    BundleOrder(PairId),
    /// The SA's sequence numbers are used up; it must not wrap (RFC 4303 3.3.3).
    SequenceExhausted(PairId),
    /// The SA has lived its life (RFC 4301 4.4.2.1).
    LifetimeExpired(PairId),
    /// Larger than the path MTU with DF set; the sender was told (RFC 4301 8.2.1).
    TooBig {
        /// The MTU told, in octets.
        mtu: u16,
    },
    /// Fragments that overlap, contradict each other or exceed the bound (RFC 4301 section 7, RFC 791).
    BadFragment,
    /// Reassembly did not complete in time, or made room.
    ReassemblyTimeout,
    /// A non-first fragment met a selector with ports (RFC 4301 section 7).
    FragmentWithoutPorts,
    /// TTL or hop limit used up by forwarding.
    TtlExceeded,
    /// Nobody wants it: UDP 500 that is no ISAKMP, protocol 50 or 51 while no IPsec is configured.
    NotForUs,
}

impl DropReason {
    /// A short name, the same for all packets dropped for this reason: the key of counters.
    pub fn name(&self) -> &'static str {
        match self {
            DropReason::Malformed => "malformed",
            DropReason::NoRoute => "no-route",
            DropReason::PolicyDiscard(_) => "policy-discard",
            DropReason::Unsolicited(_) => "unsolicited",
            DropReason::NoPolicy => "no-policy",
            DropReason::ClearTextRefused(_) => "clear-text-refused",
            DropReason::QuotesProtected(_) => "quotes-protected",
            DropReason::PendingFull => "pending-full",
            DropReason::NegotiationFailed(_) => "negotiation-failed",
            DropReason::UnknownSpi(_) => "unknown-spi",
            DropReason::WrongOuterSource(_) => "wrong-outer-source",
            DropReason::WrongEncapsulation(_) => "wrong-encapsulation",
            DropReason::BadEncapsulation => "bad-encapsulation",
            DropReason::OverlappingFlow(_) => "overlapping-flow",
            DropReason::Replayed(_) => "replayed",
            DropReason::TooOld(_) => "too-old",
            DropReason::IntegrityFailed(_) => "integrity-failed",
            DropReason::BadPadding(_) => "bad-padding",
            DropReason::BadLength(_) => "bad-length",
            DropReason::Dummy(_) => "dummy",
            DropReason::SelectorMismatch(_) => "selector-mismatch",
            DropReason::BundleMismatch(_) => "bundle-mismatch",
            DropReason::EspWithoutAh(_) => "esp-without-ah",
            DropReason::AhWithoutEsp(_) => "ah-without-esp",
            DropReason::BundleOrder(_) => "bundle-order",
            DropReason::SequenceExhausted(_) => "sequence-exhausted",
            DropReason::LifetimeExpired(_) => "lifetime-expired",
            DropReason::TooBig { .. } => "too-big",
            DropReason::BadFragment => "bad-fragment",
            DropReason::ReassemblyTimeout => "reassembly-timeout",
            DropReason::FragmentWithoutPorts => "fragment-without-ports",
            DropReason::TtlExceeded => "ttl-exceeded",
            DropReason::NotForUs => "not-for-us",
        }
    }

    /// The step of an RFC that drops the packet.
    pub fn rfc(&self) -> &'static str {
        match self {
            DropReason::Malformed => "RFC 791 3.1 / RFC 8200 3",
            DropReason::NoRoute => "RFC 1812 5.2.4",
            DropReason::PolicyDiscard(_) | DropReason::Unsolicited(_) => "RFC 4301 5.1 step 3a, 5.2 step 3b",
            DropReason::NoPolicy => "RFC 4301 5: no match, discard",
            DropReason::ClearTextRefused(_) => "RFC 4301 5.2 step 3b",
            DropReason::QuotesProtected(_) => "RFC 4301 6.2",
            DropReason::PendingFull | DropReason::NegotiationFailed(_) => "RFC 4301 5.1 step 3b",
            DropReason::UnknownSpi(_) => "RFC 4303 3.4.2",
            DropReason::WrongOuterSource(_) => "RFC 4301 5.2 step 3a",
            DropReason::WrongEncapsulation(_) => "RFC 3947 5.1",
            DropReason::BadEncapsulation => "RFC 3948 2",
            DropReason::OverlappingFlow(_) => "RFC 3948 5.2",
            DropReason::Replayed(_) | DropReason::TooOld(_) => "RFC 4303 3.4.3",
            DropReason::IntegrityFailed(_) => "RFC 4303 3.4.4",
            DropReason::BadPadding(_) => "RFC 4303 3.4.4.1",
            DropReason::BadLength(_) => "RFC 4303 2",
            DropReason::Dummy(_) => "RFC 4303 2.6",
            DropReason::SelectorMismatch(_) => "RFC 4301 5.2 step 4",
            DropReason::BundleMismatch(_)
            | DropReason::EspWithoutAh(_)
            | DropReason::AhWithoutEsp(_)
            | DropReason::BundleOrder(_) => "RFC 2401 5.2.1 step 4",
            DropReason::SequenceExhausted(_) => "RFC 4303 3.3.3",
            DropReason::LifetimeExpired(_) => "RFC 4301 4.4.2.1",
            DropReason::TooBig { .. } => "RFC 4301 8.2.1",
            DropReason::BadFragment | DropReason::ReassemblyTimeout => "RFC 791 3.2",
            DropReason::FragmentWithoutPorts => "RFC 4301 7",
            DropReason::TtlExceeded => "RFC 1812 5.3.1",
            DropReason::NotForUs => "RFC 4301 5.2 step 1",
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DropReason::Malformed => f.write_str("malformed IP datagram"),
            DropReason::NoRoute => f.write_str("no route to the destination"),
            DropReason::PolicyDiscard(e) => write!(f, "policy entry {} blocks it", e.0),
            DropReason::Unsolicited(e) => {
                write!(f, "nobody asked for it, and policy entry {} lets only answers in", e.0)
            }
            DropReason::NoPolicy => f.write_str("no policy entry matches"),
            DropReason::ClearTextRefused(e) => {
                write!(f, "clear text, but policy entry {} wants protection", e.0)
            }
            DropReason::QuotesProtected(e) => {
                write!(f, "a clear ICMP error that quotes what policy entry {} protects", e.0)
            }
            DropReason::PendingFull => f.write_str("too many packets wait for the negotiation"),
            DropReason::NegotiationFailed(e) => write!(f, "the negotiation for policy entry {} failed", e.0),
            DropReason::UnknownSpi(spi) => write!(f, "no SA with SPI {spi:#010x}"),
            DropReason::WrongOuterSource(p) => write!(f, "outer source is not the peer of pair {}", p.0),
            DropReason::WrongEncapsulation(p) => {
                write!(f, "ESP in UDP or not, other than agreed for pair {}", p.0)
            }
            DropReason::BadEncapsulation => f.write_str("neither IKE nor ESP nor a keepalive on port 4500"),
            DropReason::OverlappingFlow(p) => {
                write!(f, "another client behind a NAT has this flow, not that of pair {}", p.0)
            }
            DropReason::Replayed(p) => write!(f, "replayed on pair {}", p.0),
            DropReason::TooOld(p) => write!(f, "below the anti-replay window of pair {}", p.0),
            DropReason::IntegrityFailed(p) => write!(f, "integrity check failed on pair {}", p.0),
            DropReason::BadPadding(p) => write!(f, "bad padding on pair {}", p.0),
            DropReason::BadLength(p) => write!(f, "bad length on pair {}", p.0),
            DropReason::Dummy(p) => write!(f, "dummy packet on pair {}", p.0),
            DropReason::SelectorMismatch(p) => write!(f, "not the traffic of pair {}", p.0),
            DropReason::BundleMismatch(p) => {
                write!(f, "pair {} does not protect as the policy asks", p.0)
            }
            DropReason::EspWithoutAh(p) => write!(f, "ESP without the AH of pair {}", p.0),
            DropReason::AhWithoutEsp(p) => write!(f, "AH without the ESP of pair {}", p.0),
            DropReason::BundleOrder(p) => write!(f, "the SAs of pair {} in another order", p.0),
            DropReason::SequenceExhausted(p) => write!(f, "sequence numbers of pair {} are used up", p.0),
            DropReason::LifetimeExpired(p) => write!(f, "pair {} has expired", p.0),
            DropReason::TooBig { mtu } => write!(f, "larger than the path MTU {mtu} with DF set"),
            DropReason::BadFragment => f.write_str("fragments overlap or contradict each other"),
            DropReason::ReassemblyTimeout => f.write_str("fragments missing"),
            DropReason::FragmentWithoutPorts => {
                f.write_str("non-first fragment, but the policy asks for ports")
            }
            DropReason::TtlExceeded => f.write_str("time to live exceeded"),
            DropReason::NotForUs => f.write_str("nobody here wants it"),
        }
    }
}
