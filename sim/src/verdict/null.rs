//! ESP without encryption (the NULL cipher, RFC 2410): nothing in the packet says so, but what is inside gives it away
//! (RFC 5879, "Heuristics for Detecting ESP-NULL Packets").
//!
//! The trailer must be in clear for one of the usual lengths of the ICV, and what it says is inside must have a checksum, or
//! lengths, that hold: ciphertext passes by chance in less than one of ten million packets. What does not pass may still be
//! readable: fragments, packets cut by the capture, and transport mode behind a NAT, whose checksums are not those of the
//! addresses seen.

use std::net::IpAddr;

use super::{Flow, IPV4_IN, IPV6_IN};
use crate::ip::{IpView, be16, checksum, header_intact, protocol, transport_checksum};

/// Octets of the ICV: 96 bits of HMAC with MD5 or SHA-1 first, then those of RFC 4868, and GMAC's; none last.
const ICV: [usize; 5] = [12, 16, 24, 32, 0];

/// What can be read in an ESP packet, from its SPI on; `None` when it seems encrypted.
pub(super) fn readable(view: &IpView<'_>, esp: &[u8]) -> Option<Flow> {
    let sealed = esp.get(8..)?;
    ICV.into_iter().find_map(|icv| {
        let protected = sealed.get(..sealed.len().checked_sub(icv)?)?;
        let (rest, trailer) = protected.split_last_chunk::<2>()?;
        let [pad, next] = *trailer;
        let (payload, padding) = rest.split_at(rest.len().checked_sub(usize::from(pad))?);
        // RFC 4303 section 2.4: 1, 2, 3, and so on.
        let counts = padding.iter().zip(1u8..).all(|(octet, n)| *octet == n);
        if counts { inside(view, next, payload) } else { None }
    })
}

fn inside(view: &IpView<'_>, next: u8, payload: &[u8]) -> Option<Flow> {
    if matches!(next, IPV4_IN | IPV6_IN) {
        let inner = IpView::parse(payload)?;
        let version = if next == IPV4_IN { 4 } else { 6 };
        let whole = inner.header_len + inner.payload.len() == payload.len();
        let is_version = payload.first().is_some_and(|first| first >> 4 == version);
        return (is_version && whole && header_intact(payload)).then(|| Flow::of(&inner));
    }
    let holds = |from: IpAddr, to: IpAddr| transport_checksum(from, to, next, payload) == 0;
    let holds = match next {
        protocol::ICMP => payload.len() >= 8 && checksum(&[payload]) == 0,
        // RFC 768: the length is that of the datagram, and a checksum of zero means that there is none.
        protocol::UDP => {
            be16(payload, 4).map(usize::from) == Some(payload.len())
                && (be16(payload, 6) == Some(0) || holds(view.source, view.destination))
        }
        protocol::TCP => payload.len() >= 20 && holds(view.source, view.destination),
        protocol::ICMPV6 => payload.len() >= 4 && holds(view.source, view.destination),
        _ => false,
    };
    holds.then(|| Flow::of(&IpView { protocol: next, payload, ..*view }))
}
