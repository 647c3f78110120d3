//! Matching, written out again: addresses as numbers, one field after the other.

use std::net::IpAddr;

use ipsec_core::interface::ConnectionKind;
use ipsec_core::selector::{AddressRange, PortRange, Prefix, Selector};
use ipsec_core::spd::{Direction, Mode, Protect, SpdEntry};

use super::{Association, Flow};

/// An address as family and number.
fn number(address: IpAddr) -> (u8, u128) {
    match address {
        IpAddr::V4(a) => (4, u128::from(u32::from(a))),
        IpAddr::V6(a) => (6, u128::from(a)),
    }
}

pub(super) fn prefix_contains(prefix: Prefix, address: IpAddr) -> bool {
    let ((family, net), (other, host)) = (number(prefix.address), number(address));
    let width = if family == 4 { 32 } else { 128 };
    let free = width - u32::from(prefix.len);
    family == other && net.checked_shr(free).unwrap_or(0) == host.checked_shr(free).unwrap_or(0)
}

/// Whether one of the ranges has the address in it.
pub(super) fn within(ranges: &[AddressRange], address: IpAddr) -> bool {
    let (family, host) = number(address);
    ranges.iter().any(|range| {
        let ((first_family, first), (_, last)) = (number(range.start), number(range.end));
        first_family == family && (first..=last).contains(&host)
    })
}

fn port_within(range: PortRange, port: Option<u16>) -> bool {
    match (range.start, range.end, port) {
        (0, u16::MAX, _) => true,
        (first, last, Some(port)) => first <= port && port <= last,
        (_, _, None) => false,
    }
}

/// A packet as one side sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    near: (IpAddr, Option<u16>),
    far: (IpAddr, Option<u16>),
    protocol: u8,
}

impl Seen {
    /// On its way out: its source is near.
    pub(super) fn leaving(flow: Flow) -> Seen {
        let (from, to) = flow.ports.unzip();
        Seen { near: (flow.source, from), far: (flow.destination, to), protocol: flow.protocol }
    }

    /// On its way in: its destination is near.
    pub(super) fn arriving(flow: Flow) -> Seen {
        Seen::leaving(flow.reply())
    }

    /// Whether a selector means it.
    pub(super) fn is_of(&self, selector: &Selector) -> bool {
        within(&selector.local, self.near.0)
            && within(&selector.remote, self.far.0)
            && selector.protocol.is_none_or(|p| p == self.protocol)
            && port_within(selector.local_ports, self.near.1)
            && port_within(selector.remote_ports, self.far.1)
    }
}

fn is_for(entry: &SpdEntry, kind: ConnectionKind) -> bool {
    entry.connection.is_none_or(|c| c == kind)
}

/// Whether the entry counts for packets that leave through a connection of this kind.
pub(super) fn sends(entry: &SpdEntry, kind: ConnectionKind) -> bool {
    is_for(entry, kind) && matches!(entry.direction, Direction::Outbound | Direction::Both)
}

/// Whether the entry counts for packets that arrive through a connection of this kind.
pub(super) fn admits(entry: &SpdEntry, kind: ConnectionKind) -> bool {
    is_for(entry, kind) && matches!(entry.direction, Direction::Inbound | Direction::Both)
}

/// Whether everything that `inner` means is meant by `outer` too.
pub(super) fn contains(outer: &Selector, inner: &Selector) -> bool {
    let both_ends = |ranges: &[AddressRange], range: &AddressRange| {
        ranges.iter().any(|r| within(&[*r], range.start) && within(&[*r], range.end))
    };
    let ports = |outer: PortRange, inner: PortRange| outer.start <= inner.start && inner.end <= outer.end;
    inner.local.iter().all(|range| both_ends(&outer.local, range))
        && inner.remote.iter().all(|range| both_ends(&outer.remote, range))
        && (outer.protocol.is_none() || outer.protocol == inner.protocol)
        && ports(outer.local_ports, inner.local_ports)
        && ports(outer.remote_ports, inner.remote_ports)
}

/// The same traffic, seen from the other side.
pub(super) fn turned(selector: &Selector) -> Selector {
    Selector {
        local: selector.remote.clone(),
        remote: selector.local.clone(),
        protocol: selector.protocol,
        local_ports: selector.remote_ports,
        remote_ports: selector.local_ports,
    }
}

/// Whether `address` may be an end that an entry names; one that names none (0.0.0.0) takes any.
pub(super) fn is_end(named: IpAddr, address: IpAddr) -> bool {
    named == address || number(named).1 == 0
}

/// Whether the association is what an entry of this side asks for: mode, ends, and one of the suites.
pub(super) fn is_asked_for(association: &Association, side: usize, protect: &Protect) -> bool {
    let protection = &association.protection;
    let mode = match protect.mode {
        Mode::Transport => !protection.tunnel,
        Mode::Tunnel { local, remote } => {
            protection.tunnel
                && local.is_none_or(|l| l == association.ends[side])
                && is_end(remote, association.ends[1 - side])
        }
    };
    mode && protect.offers.iter().any(|o| (o.ah, o.esp) == (protection.ah, protection.esp))
}

pub(super) fn protocol_name(protocol: u8) -> String {
    match protocol {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        other => format!("protocol {other}"),
    }
}
