//! What happens in a network, as records that leave it: trace, capture, statistics and digest are sinks outside the world.

use std::fmt;
use std::net::IpAddr;

use ipsec_core::interface::InterfaceId;
use ipsec_core::spd::Door;
use ipsec_core::{DropReason, Duration, Event, Instant, Packet};

use crate::app::Action;
use crate::invariant::Violation;
use crate::nat::{Mapped, NatDrop};
use crate::topology::{AppId, LinkId, NodeId};

/// One thing that happened.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// When.
    pub time: Instant,
    /// Where; [`NodeId::ADVERSARY`] for what an adversary injects.
    pub node: NodeId,
    /// The transmission whose arrival is being handled; 0 when something else (a timer, an application) caused it.
    pub cause: u64,
    /// What.
    pub effect: Effect<'a>,
}

/// What can happen.
#[derive(Clone, Copy, Debug)]
pub enum Effect<'a> {
    /// A scheduled action begins.
    Action(AppId, &'a Action),
    /// An application or the node itself made a packet.
    Originated(&'a Packet),
    /// A packet was put on a link.
    Sent {
        /// The link.
        link: LinkId,
        /// The sending interface.
        interface: InterfaceId,
        /// To whom on the link.
        next_hop: IpAddr,
        /// Number of this transmission, from 1; arrivals and what they cause name it.
        transmission: u64,
        /// The octets as sent, before any corruption.
        packet: &'a Packet,
        /// What link and adversary do to it.
        fate: Fate,
    },
    /// A packet came in from a link.
    Arrived(InterfaceId, &'a Packet),
    /// A router passes a packet on.
    Forwarded {
        /// Interface it came in on.
        from: InterfaceId,
        /// Interface it leaves through.
        to: InterfaceId,
        /// The packet, TTL already decremented.
        packet: &'a Packet,
    },
    /// A packet passed a layer around IPsec, which reports for itself ([`Event::Protected`], [`Event::Opened`],
    /// [`Event::Bypassed`]). No part of the digest: it follows from the rest.
    Passed {
        /// The layer.
        layer: Layer,
        /// On its way out, or in.
        door: Door,
        /// The interface.
        interface: InterfaceId,
        /// The packet as it was there.
        packet: &'a Packet,
    },
    /// A translator made a mapping for a packet that goes out.
    Mapped(Mapped),
    /// A whole packet reached the stack of the node it is addressed to.
    Delivered {
        /// The packet.
        packet: &'a Packet,
        /// Whether it came in on an SA.
        protected: bool,
    },
    /// The network layer drops a packet. IPsec's own drops are [`Effect::Ipsec`].
    Dropped(&'a Packet, DropCause),
    /// IPsec reports.
    Ipsec(&'a Event),
    /// Offloaded work begins; its result is there after the given time.
    Work(Duration),
    /// An application prints a line.
    Line(AppId, &'a str),
    /// An invariant does not hold.
    Violation(&'a Violation),
}

/// Layers of a node's network layer around IPsec, as KB 816514 draws them: the packet filter above, fragmentation below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// "IP Packet Filter (where NAT/Routing and Remote Access filtering is done)".
    PacketFilter,
    /// "Fragmentation/Reassembly": the packet is a fragment of one that was cut here, or one for this node.
    Fragmentation,
}

/// What becomes of a packet on a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// Lost by the link.
    pub lost: bool,
    /// Removed by the adversary.
    pub removed: bool,
    /// Nobody on the link has the next hop's address.
    pub unclaimed: bool,
    /// Copies beyond the first that arrive, or are replayed later.
    pub copies: u8,
    /// The receiver gets other octets than were sent.
    pub altered: bool,
    /// Held back, so that later packets may pass it.
    pub held_back: bool,
    /// This transmission is itself a copy the adversary plays back.
    pub replay: bool,
}

impl Fate {
    /// Whether a first copy arrives.
    pub fn arrives(&self) -> bool {
        !self.lost && !self.removed && !self.unclaimed
    }
}

impl fmt::Display for Fate {
    /// Empty when the packet simply arrives; else words such as `lost` or `altered, duplicated`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (self.replay, "replayed"),
            (self.lost, "lost"),
            (self.removed, "removed by the adversary"),
            (self.unclaimed, "nobody has the next hop's address"),
            (self.altered, "altered"),
            (self.held_back, "held back"),
            (self.copies > 0, "duplicated"),
        ];
        let mut first = true;
        for (_, word) in words.iter().filter(|(is, _)| *is) {
            write!(f, "{}{word}", if first { "" } else { ", " })?;
            first = false;
        }
        Ok(())
    }
}

/// Why the network layer drops a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropCause {
    /// The input filter of this interface (KB 816514, "Drop all packets except those that meet the criteria below").
    InputFilter(InterfaceId),
    /// The output filter of this interface.
    OutputFilter(InterfaceId),
    /// A rule that IPsec would name too: no route, TTL, size, malformed, reassembly, not for us.
    Rule(DropReason),
    /// An ICMP error about a packet that came in protected would leave in clear.
    WouldLeak,
    /// The packet exceeds the link's MTU: it was not fragmented.
    LinkMtu(u16),
    /// No application or socket wants it.
    NoListener,
    /// A transport checksum does not hold.
    Checksum,
    /// A network address translator cannot or may not pass it on.
    Nat(NatDrop),
}

impl fmt::Display for DropCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DropCause::InputFilter(i) => write!(f, "input filter of interface {}", i.0),
            DropCause::OutputFilter(i) => write!(f, "output filter of interface {}", i.0),
            DropCause::Rule(reason) => write!(f, "{reason}"),
            DropCause::WouldLeak => f.write_str("an ICMP error would carry protected octets in clear"),
            DropCause::LinkMtu(mtu) => write!(f, "larger than the link's MTU {mtu}"),
            DropCause::NoListener => f.write_str("no application listens"),
            DropCause::Checksum => f.write_str("transport checksum does not hold"),
            DropCause::Nat(reason) => write!(f, "{reason}"),
        }
    }
}

/// Something that watches a network from outside.
pub trait Sink {
    /// Takes note of one record.
    fn record(&mut self, record: &Record<'_>);
}

impl Sink for () {
    fn record(&mut self, _: &Record<'_>) {}
}

impl<S: Sink + ?Sized> Sink for &mut S {
    fn record(&mut self, record: &Record<'_>) {
        (**self).record(record);
    }
}

impl<S: Sink> Sink for Option<S> {
    fn record(&mut self, record: &Record<'_>) {
        if let Some(sink) = self {
            sink.record(record);
        }
    }
}

macro_rules! sink_for_tuple {
    ($($name:ident),+) => {
        impl<$($name: Sink),+> Sink for ($($name,)+) {
            fn record(&mut self, record: &Record<'_>) {
                #[allow(non_snake_case)]
                let ($($name,)+) = self;
                $($name.record(record);)+
            }
        }
    };
}

sink_for_tuple!(A);
sink_for_tuple!(A, B);
sink_for_tuple!(A, B, C);
sink_for_tuple!(A, B, C, D);
sink_for_tuple!(A, B, C, D, E);
