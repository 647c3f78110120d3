//! The Security Policy Database (RFC 4301 section 4.4.1): an ordered list of what to do with which traffic.
//!
//! RFC 4301 speaks of SPD-S, SPD-O and SPD-I; here each entry says for which directions it counts. Entries of RFC 4301
//! count for both; a Windows tunnel rule is two one-way entries.

mod default_response;
mod index;

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::crypto::{Cipher, Group, Mac};
use crate::interface::ConnectionKind;
use crate::selector::{FlowKey, Selector};
use index::Index;

/// Number of an entry: its place in its SPD, and its name in events, SAs and traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub u32);

/// For which traffic an entry counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Traffic leaving through the boundary; the entry acquires SAs.
    Outbound,
    /// Traffic coming in; the entry authorises the peer's quick modes and demands protection.
    Inbound,
    /// Both, as in RFC 4301.
    Both,
}

impl Direction {
    /// Whether outgoing traffic is looked up in the entry.
    pub fn outbound(self) -> bool {
        self != Direction::Inbound
    }

    /// Whether incoming traffic is looked up in the entry.
    pub fn inbound(self) -> bool {
        self != Direction::Outbound
    }
}

/// The two doors of the boundary (RFC 4301 section 3.1), seen from the protected side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// Leaving.
    Outbound,
    /// Coming in.
    Inbound,
}

/// What the SPD says about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// The first entry that matches.
    Entry(&'a SpdEntry),
    /// A fragment without ports met this entry, which asks for ports.
    PortsHidden(&'a SpdEntry),
    /// Nothing matches: discard.
    NoMatch,
}

/// One entry of the SPD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpdEntry {
    /// The number events and SAs name it by. Unique in its SPD.
    pub id: EntryId,
    /// A name for people.
    pub name: String,
    /// The traffic it is about, local side first.
    pub selector: Selector,
    /// Outbound, inbound or both.
    pub direction: Direction,
    /// Only on interfaces of this kind; `None` is all.
    pub connection: Option<ConnectionKind>,
    /// What to do.
    pub action: Action,
}

/// RFC 4301 section 4.4.1: BYPASS, DISCARD or PROTECT (Windows: Permit, Block, Negotiate).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Pass without IPsec.
    Bypass,
    /// Drop.
    Discard,
    /// Let out, and in what answers that: a driver before its policy has come (Windows: stateful start-up mode).
    Stateful,
    /// Apply IPsec.
    Protect(Protect),
}

/// How to protect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protect {
    /// Transport or tunnel.
    pub mode: Mode,
    /// Suites in order of preference (Windows: security methods). Never empty.
    pub offers: Vec<Offer>,
    /// Perfect forward secrecy in quick mode: a fresh Diffie-Hellman in this group (RFC 2409 section 5.5).
    pub pfs: Pfs,
    /// Accept clear inbound traffic that matches (Windows: inpass, "accept unsecured communication, but always respond
    /// using IPSec").
    pub accept_clear_inbound: bool,
    /// Send in clear when the peer gives no answer to IKE at all (Windows: soft, "allow unsecured communication").
    pub fallback: bool,
    /// Which selectors of a new SA come from the packet instead of the entry (RFC 4301 section 4.4.1.2, PFP flags).
    pub populate: Populate,
}

/// Perfect forward secrecy of quick mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pfs {
    /// No KE payload; one offered by the peer is refused.
    No,
    /// A KE payload in the group of the main mode SA.
    SameGroup,
    /// A KE payload in this group.
    Group(Group),
}

/// RFC 4301 section 4.1: transport or tunnel mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Between the flow's own addresses.
    Transport,
    /// Between security gateways.
    Tunnel {
        /// Our outer address; `None`: whatever the route to `remote` says.
        local: Option<IpAddr>,
        /// The peer's outer address; unspecified (0.0.0.0, ::) in an inbound entry: anyone's, as a Windows inbound tunnel
        /// rule names only its own end.
        remote: IpAddr,
    },
}

impl Mode {
    /// Whether this is a tunnel to whoever sets it up.
    pub fn is_to_anyone(self) -> bool {
        matches!(self, Mode::Tunnel { remote, .. } if remote.is_unspecified())
    }
}

/// RFC 4301 section 4.4.1.2: populate-from-packet flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Populate {
    /// Local address from the packet.
    pub local: bool,
    /// Remote address from the packet: a me-to-any filter makes one SA pair for each peer.
    pub remote: bool,
    /// Protocol from the packet.
    pub protocol: bool,
    /// Ports from the packet.
    pub ports: bool,
}

/// One acceptable protection (Windows: a security method): AH, ESP, or both with ESP inside AH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// AH with this integrity algorithm.
    pub ah: Option<Mac>,
    /// ESP with this cipher and integrity algorithm.
    pub esp: Option<EspTransform>,
    /// How long an SA of it lives.
    pub lifetime: Lifetime,
}

/// ESP's two algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EspTransform {
    /// Confidentiality; [`Cipher::Null`] for none.
    pub cipher: Cipher,
    /// Integrity; `None` leaves the SA without anti-replay (RFC 4303 section 3.4.3).
    pub mac: Option<Mac>,
}

/// Limits of an SA's life. `None`: nothing is proposed on the wire, and the RFC's 28,800 s count (RFC 2407 section 4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lifetime {
    /// Seconds.
    pub seconds: Option<u32>,
    /// Kilobytes (1,024 octets) sealed or opened.
    pub kilobytes: Option<u32>,
}

/// Whether an entry counts in a direction and on interfaces of this kind.
fn counts_on(entry: &SpdEntry, kind: ConnectionKind, counts: fn(Direction) -> bool) -> bool {
    counts(entry.direction) && entry.connection.is_none_or(|c| c == kind)
}

/// The ordered policy entries: the first that matches decides. What nothing matches is discarded (RFC 4301 section 5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spd {
    entries: Vec<SpdEntry>,
    default_response: Option<SpdEntry>,
    index: Index,
}

impl Spd {
    /// An SPD of these entries, in match order.
    pub fn new(entries: Vec<SpdEntry>) -> Self {
        Spd { index: Index::new(&entries), entries, default_response: None }
    }

    /// All entries in match order.
    pub fn entries(&self) -> &[SpdEntry] {
        &self.entries
    }

    /// The entry with this id.
    pub fn get(&self, id: EntryId) -> Option<&SpdEntry> {
        // An id is usually the place.
        let at_place = usize::try_from(id.0).ok().and_then(|place| self.entries.get(place));
        let elsewhere = || self.entries.iter().chain(&self.default_response).find(|e| e.id == id);
        at_place.filter(|e| e.id == id).or_else(elsewhere)
    }

    /// First entry for a packet leaving through an interface of this kind.
    pub fn outbound(&self, flow: &FlowKey, kind: ConnectionKind) -> Option<&SpdEntry> {
        self.first(flow, kind, Direction::outbound)
    }

    /// First entry for a packet coming in through an interface of this kind.
    pub fn inbound(&self, flow: &FlowKey, kind: ConnectionKind) -> Option<&SpdEntry> {
        self.first(flow, kind, Direction::inbound)
    }

    fn first(
        &self,
        flow: &FlowKey,
        kind: ConnectionKind,
        counts: fn(Direction) -> bool,
    ) -> Option<&SpdEntry> {
        let matches = |e: &SpdEntry| counts_on(e, kind, counts) && e.selector.matches(flow);
        let place = self.index.first(flow, |place| self.entries.get(place).is_some_and(matches));
        place.and_then(|place| self.entries.get(place))
    }

    fn counting(
        &self,
        kind: ConnectionKind,
        counts: fn(Direction) -> bool,
    ) -> impl Iterator<Item = &SpdEntry> {
        self.entries.iter().filter(move |e| counts_on(e, kind, counts))
    }

    /// What decides about a packet of `flow` that may be a fragment without ports (RFC 4301 section 7).
    ///
    /// Such a fragment cannot be told from the traffic of an entry with ports. Letting it fall through to a later entry would
    /// let the fragments of protected traffic out in clear, so it stops there.
    pub fn decide(
        &self,
        door: Door,
        flow: &FlowKey,
        kind: ConnectionKind,
        later_fragment: bool,
    ) -> Decision<'_> {
        let counts = match door {
            Door::Outbound => Direction::outbound,
            Door::Inbound => Direction::inbound,
        };
        if !later_fragment {
            return self.first(flow, kind, counts).map_or(Decision::NoMatch, Decision::Entry);
        }
        for entry in self.counting(kind, counts) {
            if entry.selector.matches(flow) {
                return Decision::Entry(entry);
            }
            if entry.selector.matches_but_ports(flow) {
                return Decision::PortsHidden(entry);
            }
        }
        Decision::NoMatch
    }

    /// The entry that authorises a quick mode proposed by `peer` for `wanted` (our side local): the first inbound Protect
    /// entry that counts on connections of this kind, covers the traffic and names this peer.
    ///
    /// `local` is our address of the IKE exchange. A tunnel entry wants the peer to be its remote endpoint and us its
    /// local one; a transport entry wants both among its addresses.
    pub fn authorise(
        &self,
        wanted: &Selector,
        tunnel: bool,
        local: IpAddr,
        peer: IpAddr,
        kind: ConnectionKind,
    ) -> Option<(&SpdEntry, &Protect)> {
        let rule = self.counting(kind, Direction::inbound).find_map(|e| {
            let Action::Protect(protect) = &e.action else { return None };
            let endpoints = match protect.mode {
                Mode::Transport => !tunnel,
                Mode::Tunnel { local: l, remote } => {
                    // An unspecified remote end is anyone's: a one-way inbound half names only our own address.
                    tunnel && (remote == peer || remote.is_unspecified()) && l.is_none_or(|l| l == local)
                }
            };
            (endpoints && e.selector.covers(wanted)).then_some((e, protect))
        });
        rule.or_else(|| self.respond_by_default(wanted, local, peer, kind).filter(|_| !tunnel))
    }
}
