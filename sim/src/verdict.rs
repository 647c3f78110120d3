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
//! | clear packets beside protected ones | partly clear |
//! | IKE and nothing else | IKE only |
//!
//! What a capture cannot tell: whether ESP encrypts (with the NULL cipher it does not), and whether the keys are good.
//! UDP 500 and 4500 are believed to be IKE only where an ISAKMP header is there: what else is sent there can be read.

mod file;
mod framing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

pub use file::{CaptureError, read};

use crate::ip::{IpView, NATT_PORT, be32, protocol};

/// IP within IP (RFC 2003, RFC 2473): the next header of AH in tunnel mode.
const IPV4_IN: u8 = 4;
const IPV6_IN: u8 = 41;
/// Fragments remembered by their first: more than one pair of addresses can have under way.
const FRAGMENTS: usize = 65_536;

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
    },
    /// AH around something that can be read.
    Ah {
        /// Security Parameters Index.
        spi: Option<u32>,
        /// What can be read.
        inner: Flow,
    },
    /// Neither.
    Clear(Flow),
    /// A part of a UDP datagram whose first part is not known: it may be anything.
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
    let whole = view.offset == 0;
    match view.protocol {
        protocol::ESP => {
            let spi = if whole { be32(view.payload, 0) } else { None };
            Sight::Esp { spi, in_udp: false, in_ah: false }
        }
        protocol::AH if whole => ah(view),
        // A later part: its first part was AH, and this one can be read.
        protocol::AH => Sight::Ah { spi: None, inner: Flow::of(view) },
        protocol::UDP if !whole => Sight::Part,
        protocol::UDP => udp(view),
        _ => Sight::Clear(Flow::of(view)),
    }
}

/// RFC 4302 section 2: next header, length in words of four octets less two, and from octet 4 the SPI.
fn ah(view: &IpView<'_>) -> Sight {
    let spi = be32(view.payload, 4);
    let header = view.payload.first().zip(view.payload.get(1));
    let Some((&next, &words)) = header else { return Sight::Ah { spi, inner: Flow::of(view) } };
    let rest = view.payload.get((usize::from(words) + 2) * 4..).unwrap_or(&[]);
    if next == protocol::ESP {
        return Sight::Esp { spi: be32(rest, 0), in_udp: false, in_ah: true };
    }
    let inside = match next {
        IPV4_IN | IPV6_IN => IpView::parse_quoted(rest),
        _ => Some(IpView { protocol: next, payload: rest, ..*view }),
    };
    match inside.map(|inside| (sight(&inside), Flow::of(&inside))) {
        Some((Sight::Esp { spi, in_udp, .. }, _)) => Sight::Esp { spi, in_udp, in_ah: true },
        Some((_, inner)) => Sight::Ah { spi, inner },
        None => Sight::Ah { spi, inner: Flow { protocol: next, ..Flow::of(view) } },
    }
}

fn udp(view: &IpView<'_>) -> Sight {
    let clear = Sight::Clear(Flow::of(view));
    if let Some(message) = view.isakmp() {
        return if is_isakmp(message) { Sight::Ike } else { clear };
    }
    if view.is_keepalive() {
        return Sight::Keepalive;
    }
    let floated = view.ports().is_some_and(|(from, to)| from == NATT_PORT || to == NATT_PORT);
    let data = view.payload.get(8..).unwrap_or(&[]);
    match (floated, be32(data, 0)) {
        // RFC 4303 section 2.1: SPIs up to 255 are reserved. SPI, sequence number and at least a block.
        (true, Some(spi)) if spi > 255 && data.len() >= 16 => {
            Sight::Esp { spi: Some(spi), in_udp: true, in_ah: false }
        }
        _ => clear,
    }
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
    /// IKE, and nothing that it could have been for.
    IkeOnly,
    /// Clear packets beside protected ones.
    PartlyClear,
    /// Clear packets.
    Clear,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Nothing,
        Self::ProtectedByEsp,
        Self::ProtectedByAh,
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
            Self::IkeOnly => "ike-only",
            Self::PartlyClear => "partly-clear",
            Self::Clear => "clear",
        }
    }

    /// Whether there was traffic, and all of it was protected.
    #[must_use]
    pub const fn is_protected(self) -> bool {
        matches!(self, Self::ProtectedByEsp | Self::ProtectedByAh)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing to judge",
            Self::ProtectedByEsp => "protected by ESP",
            Self::ProtectedByAh => "protected by AH, and readable",
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
    /// Parts of datagrams that may be anything, for their first part is missing.
    pub parts: u64,
    /// SPIs seen in ESP and AH.
    pub spis: BTreeSet<u32>,
    /// What could be read under AH; how many packets.
    pub readable: BTreeMap<Flow, u64>,
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
            Sight::Esp { spi, in_udp, .. } => {
                self.esp += 1;
                self.esp_in_udp += u64::from(in_udp);
                self.spis.extend(spi);
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
    /// Pairs of addresses.
    pub pairs: BTreeMap<Pair, Between>,
    /// What is odd about the capture, in words.
    pub notes: Vec<String>,
    /// What the first part of a datagram showed, for its other parts.
    firsts: BTreeMap<(IpAddr, IpAddr, u8, u32), Sight>,
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
        if view.is_fragment() {
            let key = (view.source, view.destination, view.protocol, view.ident);
            if view.offset != 0 {
                seen = self.firsts.get(&key).copied().unwrap_or(seen);
            } else if self.firsts.len() < FRAGMENTS {
                self.firsts.insert(key, seen);
            }
        }
        let pair = (view.source.min(view.destination), view.source.max(view.destination));
        self.pairs.entry(pair).or_default().add(seen);
        true
    }

    /// The same of the pairs that `wanted` chooses.
    #[must_use]
    pub fn only(mut self, wanted: impl Fn(&Pair) -> bool) -> Self {
        self.pairs.retain(|pair, _| wanted(pair));
        self
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
