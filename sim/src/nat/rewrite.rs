//! Octets of packets: what a translator reads in them, and how it changes them.

use std::net::{IpAddr, SocketAddrV4};

use super::{Flow, NatDrop};
use crate::ip::{self, IpView, be16, protocol};

/// Which end of a packet is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Source,
    Destination,
}

/// What of a packet's contents matters to a mapping's life.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traits {
    /// TCP: FIN or RST.
    pub(super) closes: bool,
    /// ICMP: an echo reply.
    pub(super) is_echo_reply: bool,
}

/// Protocol and ends of a whole packet.
///
/// # Errors
/// The protocol, when it has no ends a translator could tell apart.
pub(super) fn flow(bytes: &[u8]) -> Result<Flow, u8> {
    let view = IpView::parse(bytes).ok_or(0)?;
    read(&view).ok_or(view.protocol)
}

/// Protocol and ends of the packet that an ICMP error quotes from `at` on.
///
/// # Errors
/// When the error is damaged (RFC 5508 REQ-3), or quotes nothing that has ends.
pub(super) fn quoted_flow(bytes: &[u8], at: usize) -> Result<Flow, NatDrop> {
    if IpView::parse(bytes).is_none_or(|v| ip::checksum(&[v.payload]) != 0) {
        return Err(NatDrop::Checksum);
    }
    let quote = bytes.get(at..).and_then(IpView::parse_quoted);
    quote.as_ref().and_then(read).ok_or(NatDrop::UnknownQuote)
}

fn read(view: &IpView<'_>) -> Option<Flow> {
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (view.source, view.destination) else { return None };
    let (from, to) = match view.protocol {
        protocol::TCP | protocol::UDP => view.ports()?,
        // The identifier is the inside end's port, whichever way the query goes (RFC 5508 section 3).
        protocol::ICMP if view.offset == 0 => match view.payload.first()? {
            0 | 8 => (be16(view.payload, 4)?, be16(view.payload, 4)?),
            _ => return None,
        },
        protocol::ESP | protocol::AH => (0, 0),
        _ => return None,
    };
    Some(Flow {
        protocol: view.protocol,
        source: SocketAddrV4::new(source, from),
        destination: SocketAddrV4::new(destination, to),
    })
}

pub(super) fn traits(bytes: &[u8]) -> Traits {
    let Some(view) = IpView::parse(bytes) else { return Traits::default() };
    let octet = |at: usize| view.payload.get(at).copied();
    Traits {
        closes: view.protocol == protocol::TCP && octet(13).is_some_and(|flags| flags & 0b101 != 0),
        is_echo_reply: view.protocol == protocol::ICMP && octet(0) == Some(0),
    }
}

/// Where the packet begins that this one, an ICMP error, quotes (RFC 792).
pub(super) fn quoted(bytes: &[u8]) -> Option<usize> {
    let view = IpView::parse(bytes)?;
    let error = view.protocol == protocol::ICMP
        && view.offset == 0
        && matches!(view.payload.first()?, 3 | 4 | 5 | 11 | 12);
    let at = view.header_len + 8;
    (error && at < bytes.len()).then_some(at)
}

/// Changes address and port of one end, and the checksums by the difference. Works on quotes too, which end early.
pub(super) fn rewrite(bytes: &mut [u8], end: End, to: SocketAddrV4) {
    let Some(view) = IpView::parse_quoted(bytes) else { return };
    let (number, header, first) = (view.protocol, view.header_len, view.offset == 0);
    let (address_at, port_at) = match end {
        End::Source => (12, 0),
        End::Destination => (16, 2),
    };
    let old: [u8; 4] = match bytes.get(address_at..address_at + 4).and_then(|b| b.try_into().ok()) {
        Some(old) => old,
        None => return,
    };
    let new = to.ip().octets();
    bytes[address_at..address_at + 4].copy_from_slice(&new);
    adjust(bytes, 10, &old, &new, false);
    if !first {
        return;
    }
    let (port_at, sum_at) = match number {
        protocol::UDP => (header + port_at, header + 6),
        protocol::TCP => (header + port_at, header + 16),
        protocol::ICMP if matches!(bytes.get(header), Some(0 | 8)) => (header + 4, header + 2),
        _ => return,
    };
    let old_port = bytes.get(port_at..port_at + 2).and_then(|b| <[u8; 2]>::try_from(b).ok());
    let Some(old_port) = old_port else { return };
    let new_port = to.port().to_be_bytes();
    bytes[port_at..port_at + 2].copy_from_slice(&new_port);
    let is_udp = number == protocol::UDP;
    // RFC 768: a UDP checksum of zero says that there is none.
    if is_udp && be16(bytes, sum_at) == Some(0) {
        return;
    }
    // ICMP has no pseudo-header.
    if number != protocol::ICMP {
        adjust(bytes, sum_at, &old, &new, is_udp);
    }
    adjust(bytes, sum_at, &old_port, &new_port, is_udp);
}

/// RFC 1624, equation 3: HC' = ~(~HC + ~m + m'), for the checksum at `at` where it is present.
fn adjust(bytes: &mut [u8], at: usize, old: &[u8], new: &[u8], is_udp: bool) {
    let Some(sum) = be16(bytes, at) else { return };
    let words = |b: &[u8]| b.chunks_exact(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).collect();
    let (old, new): (Vec<u32>, Vec<u32>) = (words(old), words(new));
    let mut total = u32::from(!sum) + old.iter().map(|w| 0xffff - w).sum::<u32>() + new.iter().sum::<u32>();
    while total >> 16 != 0 {
        total = (total & 0xffff) + (total >> 16);
    }
    let sum = match !(total as u16) {
        // A computed checksum of zero is sent as all ones (RFC 768).
        0 if is_udp => 0xffff,
        sum => sum,
    };
    bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

/// Writes the checksum of an ICMP message whose contents were changed.
pub(super) fn seal_icmp(bytes: &mut [u8]) {
    let Some(view) = IpView::parse(bytes) else { return };
    let (from, to) = (view.header_len, view.header_len + view.payload.len());
    if to < from + 4 {
        return;
    }
    bytes[from + 2..from + 4].fill(0);
    let sum = ip::checksum(&[&bytes[from..to]]);
    bytes[from + 2..from + 4].copy_from_slice(&sum.to_be_bytes());
}
