//! What somebody on the way could read: a verdict on packets, ours or a capture's from anywhere.
//!
//! KB 816514 tells the test by Network Monitor: ICMP packets with the addresses of the two computers mean that "IPSec is not
//! protecting the traffic"; ISAKMP and ESP packets and no ICMP mean that it is; "if you are using only the Authentication
//! Header (AH) IPSec protocol, you will see the ISAKMP traffic followed by the ICMP packets".
//!
//! | on the wire between two addresses | verdict |
//! |---|---|
//! | anything without ESP or AH that is not IKE | clear |
//! | ESP, bare or in UDP (RFC 3948), or inside AH | protected by ESP |
//! | AH alone | protected by AH and readable |
//! | ESP whose inside can be read (`null.rs`) | ESP without encryption |
//! | clear packets beside protected ones | partly clear |
//! | IKE and nothing else | IKE only |
//!
//! What a capture cannot tell: whether the keys are good, and whether ESP that shows nothing has a cipher worth its name.
//! UDP 500 and 4500 are believed to be IKE only where an ISAKMP header is there: what else is sent there can be read.
//! Neighbour discovery is to IPv6 what ARP is to IPv4, and no traffic to protect.

mod file;
mod fragments;
mod framing;
mod null;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

pub use file::{CaptureError, read};
use fragments::Fragments;

use crate::ip::{IKE_PORT, IpView, NATT_PORT, be16, be32, protocol};

/// IP within IP (RFC 2003, RFC 2473): the next header of AH in tunnel mode.
const IPV4_IN: u8 = 4;
const IPV6_IN: u8 = 41;
/// Octets of an ISAKMP header.
const ISAKMP_HEADER: usize = 28;
/// How many headers are looked through: AH within AH and so on, more than anybody sends.
const DEPTH: u8 = 8;

/// What one packet shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
    /// An ISAKMP message, of IKE in any version.
    Ike,
    /// A NAT keepalive (RFC 3948 section 2.3).
    Keepalive,
    /// ESP, with its SPI where this fragment has it.
    Esp {
        /// Security Parameters Index.
        spi: Option<u32>,
        /// Whether it travels in UDP.
        in_udp: bool,
        /// Whether AH is around it.
        in_ah: bool,
        /// What can be read in it nevertheless, for it is not encrypted.
        readable: Option<Flow>,
    },
    /// AH around something that can be read.
    Ah {
        /// Security Parameters Index.
        spi: Option<u32>,
        /// What can be read.
        inner: Flow,
    },
    /// Neighbour discovery (RFC 4861), by hop limit 255 from the same link.
    Neighbour,
    /// Neither.
    Clear(Flow),
    /// A part of a UDP datagram whose first part is not known, or that the capture has cut too short: it may be anything.
    Part,
}

/// Traffic as the innermost readable headers name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// From whom.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
    /// IP protocol.
    pub protocol: u8,
    /// Source and destination port, where they can be read.
    pub ports: Option<(u16, u16)>,
}

impl Flow {
    fn of(view: &IpView<'_>) -> Self {
        let IpView { source, destination, protocol, .. } = *view;
        Self { source, destination, protocol, ports: view.ports() }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.protocol {
            protocol::ICMP => "ICMP".to_string(),
            protocol::TCP => "TCP".to_string(),
            protocol::UDP => "UDP".to_string(),
            protocol::ICMPV6 => "ICMPv6".to_string(),
            n => format!("protocol {n}"),
        };
        match self.ports {
            Some((from, to)) => write!(f, "{name} {}:{from} -> {}:{to}", self.source, self.destination),
            None => write!(f, "{name} {} -> {}", self.source, self.destination),
        }
    }
}

/// What a datagram, or a fragment on its own, shows to whoever sees it pass.
#[must_use]
pub fn sight(view: &IpView<'_>) -> Sight {
    look(view, DEPTH)
}

fn look(view: &IpView<'_>, depth: u8) -> Sight {
    let whole = view.offset == 0;
    match view.protocol {
        protocol::ESP if whole => esp(view, view.payload, false),
        protocol::ESP => Sight::Esp { spi: None, in_udp: false, in_ah: false, readable: None },
        protocol::AH if whole => ah(view, depth),
        // A later part: its first part was AH, and this one can be read.
        protocol::AH => Sight::Ah { spi: None, inner: Flow::of(view) },
        protocol::UDP if !whole => Sight::Part,
        protocol::UDP => udp(view),
        protocol::ICMPV6 if is_neighbour_discovery(view) => Sight::Neighbour,
        _ => Sight::Clear(Flow::of(view)),
    }
}

fn esp(view: &IpView<'_>, bytes: &[u8], in_udp: bool) -> Sight {
    let readable = null::readable(view, bytes);
    Sight::Esp { spi: be32(bytes, 0), in_udp, in_ah: false, readable }
}

/// RFC 4861 section 4: router and neighbour solicitation and advertisement, and redirect. A router would have lowered the
/// hop limit.
fn is_neighbour_discovery(view: &IpView<'_>) -> bool {
    view.ttl == 255 && matches!(view.payload, [133..=137, 0, ..])
}

/// RFC 4302 section 2: next header, length in words of four octets less two, and from octet 4 the SPI.
fn ah(view: &IpView<'_>, depth: u8) -> Sight {
    let spi = be32(view.payload, 4);
    let header = view.payload.first().zip(view.payload.get(1));
    let Some((&next, &words)) = header else { return Sight::Ah { spi, inner: Flow::of(view) } };
    let rest = view.payload.get((usize::from(words) + 2) * 4..).unwrap_or(&[]);
    let inside = match next {
        _ if depth == 0 => None,
        IPV4_IN | IPV6_IN => IpView::parse_quoted(rest),
        _ => Some(IpView { protocol: next, payload: rest, ..*view }),
    };
    match inside.map(|inside| (look(&inside, depth.saturating_sub(1)), Flow::of(&inside))) {
        Some((Sight::Esp { spi, in_udp, readable, .. }, _)) => {
            Sight::Esp { spi, in_udp, in_ah: true, readable }
        }
        Some((Sight::Ah { inner, .. }, _)) => Sight::Ah { spi, inner },
        Some((_, inner)) => Sight::Ah { spi, inner },
        None => Sight::Ah { spi, inner: Flow { protocol: next, ..Flow::of(view) } },
    }
}

fn udp(view: &IpView<'_>) -> Sight {
    let clear = Sight::Clear(Flow::of(view));
    let uses = |port| view.ports().is_none_or(|(from, to)| from == port || to == port);
    if !uses(IKE_PORT) && !uses(NATT_PORT) {
        return clear;
    }
    let data = view.payload.get(8..).unwrap_or(&[]);
    // What was sent, of which the capture may have less: then what cannot be told may be anything.
    let sent = be16(view.payload, 4).map_or(usize::MAX, |n| usize::from(n).saturating_sub(8));
    let otherwise = if data.len() < sent { Sight::Part } else { clear };
    if let Some(message) = view.isakmp() {
        return match message.len() {
            _ if is_isakmp(message) => Sight::Ike,
            0..ISAKMP_HEADER => otherwise,
            _ => clear,
        };
    }
    if view.is_keepalive() {
        return Sight::Keepalive;
    }
    match be32(data, 0) {
        None => otherwise,
        // RFC 4303 section 2.1: SPIs up to 255 are reserved. SPI, sequence number and at least a block.
        Some(spi) if spi > 255 && sent >= 16 && !is_text(data) => esp(view, data, true),
        Some(_) => clear,
    }
}

/// Whether somebody writes lines: ciphertext of sixteen octets is text in one of ten million packets.
fn is_text(data: &[u8]) -> bool {
    data.iter().all(|octet| octet.is_ascii_graphic() || octet.is_ascii_whitespace())
}

/// RFC 2408 section 3.1, RFC 7296 section 3.1: an initiator cookie, version 1.0 or 2.0, a length that the header fits in
/// and a datagram has. The message may be cut short.
fn is_isakmp(message: &[u8]) -> bool {
    let cookie = message.get(..8).is_some_and(|c| c.iter().any(|octet| *octet != 0));
    let version = matches!(message.get(17), Some(0x10 | 0x20));
    cookie && version && be32(message, 24).is_some_and(|length| (28..=65_535).contains(&length))
}

/// What is to be said of the traffic between two addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing to judge.
    Nothing,
    /// ESP, and nothing in clear.
    ProtectedByEsp,
    /// AH, perhaps beside ESP, and nothing in clear: it can be read.
    ProtectedByAh,
    /// ESP that does not encrypt, and nothing in clear: it can be read.
    NullEsp,
    /// IKE, and nothing that it could have been for.
    IkeOnly,
    /// Clear packets beside protected ones.
    PartlyClear,
    /// Clear packets.
    Clear,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Nothing,
        Self::ProtectedByEsp,
        Self::ProtectedByAh,
        Self::NullEsp,
        Self::IkeOnly,
        Self::PartlyClear,
        Self::Clear,
    ];

    /// Its name in JSON and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::ProtectedByEsp => "esp",
            Self::ProtectedByAh => "ah",
            Self::NullEsp => "esp-null",
            Self::IkeOnly => "ike-only",
            Self::PartlyClear => "partly-clear",
            Self::Clear => "clear",
        }
    }

    /// Whether there was traffic, and all of it was protected, at least from being altered.
    #[must_use]
    pub const fn is_protected(self) -> bool {
        matches!(self, Self::ProtectedByEsp | Self::ProtectedByAh | Self::NullEsp)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing to judge",
            Self::ProtectedByEsp => "protected by ESP",
            Self::ProtectedByAh => "protected by AH, and readable",
            Self::NullEsp => "ESP without encryption: protected, and readable",
            Self::IkeOnly => "IKE only: no traffic to protect",
            Self::PartlyClear => "partly clear: some protected, some readable without protection",
            Self::Clear => "clear",
        })
    }
}

/// What was seen between two addresses, both directions together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Between {
    /// ISAKMP messages.
    pub ike: u64,
    /// NAT keepalives.
    pub keepalives: u64,
    /// ESP packets, those in UDP and inside AH included.
    pub esp: u64,
    /// Of these, the ones in UDP.
    pub esp_in_udp: u64,
    /// Packets with AH alone.
    pub ah: u64,
    /// Packets with neither.
    pub clear: u64,
    /// Parts of datagrams that may be anything, for what would tell is missing.
    pub parts: u64,
    /// Packets of neighbour discovery.
    pub neighbours: u64,
    /// SPIs seen in ESP and AH.
    pub spis: BTreeSet<u32>,
    /// What could be read under AH; how many packets.
    pub readable: BTreeMap<Flow, u64>,
    /// What could be read in ESP that does not encrypt; how many packets.
    pub unencrypted: BTreeMap<Flow, u64>,
    /// What went in clear; how many packets.
    pub in_clear: BTreeMap<Flow, u64>,
}

impl Between {
    /// What is to be said of it.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (self.clear, self.esp, self.ah, self.ike) {
            (0, 0, 0, 0) => Verdict::Nothing,
            (0, 0, 0, _) => Verdict::IkeOnly,
            (0, ..) if !self.unencrypted.is_empty() => Verdict::NullEsp,
            (0, _, 0, _) => Verdict::ProtectedByEsp,
            (0, ..) => Verdict::ProtectedByAh,
            (_, 0, 0, _) => Verdict::Clear,
            _ => Verdict::PartlyClear,
        }
    }

    fn add(&mut self, sight: Sight) {
        match sight {
            Sight::Ike => self.ike += 1,
            Sight::Keepalive => self.keepalives += 1,
            Sight::Esp { spi, in_udp, readable, .. } => {
                self.esp += 1;
                self.esp_in_udp += u64::from(in_udp);
                self.spis.extend(spi);
                if let Some(flow) = readable {
                    *self.unencrypted.entry(flow).or_default() += 1;
                }
            }
            Sight::Ah { spi, inner } => {
                self.ah += 1;
                self.spis.extend(spi);
                *self.readable.entry(inner).or_default() += 1;
            }
            Sight::Clear(flow) => {
                self.clear += 1;
                *self.in_clear.entry(flow).or_default() += 1;
            }
            Sight::Part => self.parts += 1,
            Sight::Neighbour => self.neighbours += 1,
        }
    }
}

/// Two addresses, the lower one first.
pub type Pair = (IpAddr, IpAddr);

/// What was seen, pair by pair. Feed it packets with [`add`](Findings::add), or read a whole file with [`read`].
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Frames looked at.
    pub frames: u64,
    /// Of these, the ones that are not IP, such as ARP.
    pub not_ip: u64,
    /// Of these, the ones that claim to be IP and are not well-formed.
    pub malformed: u64,
    /// Of these, the ones of links that are not known here: they may be anything.
    pub not_understood: u64,
    /// The octet of the file where it could be read no further.
    pub damaged_at: Option<u64>,
    /// Pairs of addresses.
    pub pairs: BTreeMap<Pair, Between>,
    /// What is odd about the capture, in words.
    pub notes: Vec<String>,
    fragments: Fragments,
}

impl Findings {
    /// Takes note of an IP datagram; `true` when it is one. It may be cut short, as captures do.
    pub fn add(&mut self, datagram: &[u8]) -> bool {
        self.frames += 1;
        self.note(datagram)
    }

    fn note(&mut self, datagram: &[u8]) -> bool {
        // A total length of 0 stands in captures of segments that a network adapter will cut.
        let Some(view) = IpView::parse(datagram).or_else(|| IpView::parse_quoted(datagram)) else {
            self.malformed += 1;
            return false;
        };
        let mut seen = sight(&view);
        let between = self.pairs.entry(fragments::pair(&view)).or_default();
        if view.is_fragment() {
            let earlier;
            (seen, earlier) = self.fragments.judge(&view, seen);
            between.parts -= earlier;
            (0..earlier).for_each(|_| between.add(seen));
        }
        between.add(seen);
        true
    }

    /// No more packets will come.
    fn forget_fragments(&mut self) {
        self.fragments = Fragments::default();
    }

    /// The same of the pairs that `wanted` chooses.
    #[must_use]
    pub fn only(mut self, wanted: impl Fn(&Pair) -> bool) -> Self {
        self.pairs.retain(|pair, _| wanted(pair));
        self
    }

    /// Frames and parts of datagrams that could not be judged. They may be anything.
    #[must_use]
    pub fn not_judged(&self) -> u64 {
        let parts: u64 = self.pairs.values().map(|between| between.parts).sum();
        self.malformed + self.not_understood + parts
    }

    /// Whether everything was judged, to the end of the capture.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.not_judged() == 0 && self.damaged_at.is_none()
    }

    /// What is to be said of everything together: the least comforting verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.pairs.values().map(Between::verdict).max().unwrap_or(Verdict::Nothing)
    }

    /// What is to be said of the traffic between two addresses.
    #[must_use]
    pub fn between(&self, a: IpAddr, b: IpAddr) -> Verdict {
        self.pairs.get(&(a.min(b), a.max(b))).map_or(Verdict::Nothing, Between::verdict)
    }
}
