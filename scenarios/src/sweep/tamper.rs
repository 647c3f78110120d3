//! Altered and shortened datagrams, and what each octet of one is.

use ipsec_sim::ip::mend_checksums;

use super::watch::{Datagram, Message};

/// Octets of an IPv4 header without options: the simulator sends no others.
const IP: usize = 20;
/// Octets of a UDP header.
const UDP: usize = 8;
/// Octets of an ISAKMP header (RFC 2408 section 3.1).
const ISAKMP: usize = 28;
/// Where the ISAKMP header's flags are, and two of them.
const FLAGS: usize = IP + UDP + 19;
const COMMIT: u8 = 2;
const AUTHENTICATION_ONLY: u8 = 4;

/// What an octet of a datagram belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// A part of the outer IPv4 header that routers may change, and that no integrity check covers: type of service,
    /// reserved flag and Don't Fragment, time to live (RFC 2402 section 3.3.3.1.1.1).
    Mutable,
    /// A time to live that the next router, if there is one, finds used up.
    Spent,
    /// The outer IPv4 header's identification, which means nothing in a datagram that is whole; only AH covers it.
    Ident,
    /// The outer IPv4 header's source, by which SAs are not found (RFC 4301 section 4.1); a receiver may ask for it, and AH covers it.
    Source,
    /// The rest of the outer IPv4 header, and UDP's: without it the datagram is another one, or none.
    Header,
    /// What an IKE datagram says that IKEv1 authenticates nowhere and that makes no difference here: vendor IDs in the
    /// first two messages, the hashes of NAT discovery, the header's flags Commit and Authentication Only (RFC 2408 section 3.1),
    /// and what a fragment repeats of the header of its message, which comes whole in its data (MS-IKEE section 3.3.6.1).
    Unsigned,
    /// The ISAKMP header.
    Isakmp,
    /// Everything else.
    Body,
}

/// What the octet at `at` is, of which the bits `xor` are altered.
pub fn field(datagram: &Datagram, at: usize, xor: u8) -> Field {
    let in_udp = datagram.message == Message::EspInUdp;
    // Behind a non-ESP marker everything is as without one (RFC 3948 section 2.2).
    let marker = marker(datagram);
    let at = match at.checked_sub(IP + UDP) {
        Some(behind) if behind < marker => IP + UDP - 1,
        Some(_) => at - marker,
        None => at,
    };
    let ike = matches!(datagram.message, Message::Ike { .. });
    match at {
        8 if datagram.bytes.get(at).is_some_and(|ttl| ttl ^ xor <= 1) => Field::Spent,
        1 | 8 => Field::Mutable,
        6 if xor & 0x3f == 0 => Field::Mutable,
        4 | 5 => Field::Ident,
        12..16 => Field::Source,
        0..IP => Field::Header,
        _ if (ike || in_udp) && at < IP + UDP => Field::Header,
        _ if !ike => Field::Body,
        FLAGS if xor & !(COMMIT | AUTHENTICATION_ONLY) == 0 => Field::Unsigned,
        _ if is_of_fragment(datagram.bytes.get(marker..).unwrap_or(&[]), at, xor) => Field::Unsigned,
        _ if at < IP + UDP + ISAKMP => Field::Isakmp,
        _ if is_unsigned(datagram.bytes.get(marker..).unwrap_or(&[]), at) => Field::Unsigned,
        _ => Field::Body,
    }
}

/// Octets of the non-ESP marker in front of an ISAKMP message.
fn marker(datagram: &Datagram) -> usize {
    const PORT: [u8; 2] = 4_500_u16.to_be_bytes();
    let port = |at: usize| datagram.bytes.get(at..at + 2) == Some(&PORT);
    let ike = matches!(datagram.message, Message::Ike { .. });
    if ike && (port(IP) || port(IP + 2)) { 4 } else { 0 }
}

/// Whether the octet at `at` is the exchange type or message ID in front of a fragment, or an alteration of its flags that
/// leaves the only known one as it is (MS-IKEE section 2.2.3.1).
fn is_of_fragment(bytes: &[u8], at: usize, xor: u8) -> bool {
    const FRAGMENT: u8 = 132;
    const LAST: u8 = 1;
    bytes.get(IP + UDP + 16) == Some(&FRAGMENT)
        && match at.checked_sub(IP + UDP) {
            Some(18 | 20..24) => true,
            Some(35) => xor & LAST == 0,
            _ => false,
        }
}

/// Whether the octet at `at` is in the body of a payload of a message in clear that nothing covers, or announces one: vendor
/// IDs (RFC 2408 section 3.16), and the hashes of NAT discovery in RFC 3947 and in its draft.
fn is_unsigned(bytes: &[u8], at: usize) -> bool {
    const ENCRYPTED: u8 = 1;
    const UNSIGNED: [u8; 3] = [13, 20, 130];
    let isakmp = bytes.get(IP + UDP..).unwrap_or(&[]);
    let (Some(mut next), Some(flags)) = (isakmp.get(16).copied(), isakmp.get(19)) else { return false };
    let (mut payload, mut announced) = (ISAKMP, 16);
    while flags & ENCRYPTED == 0 && next != 0 {
        let Some(&[following, _, high, low]) = isakmp.get(payload..payload + 4) else { return false };
        let len = usize::from(u16::from_be_bytes([high, low]));
        let body = IP + UDP + payload + 4..IP + UDP + payload + len;
        if UNSIGNED.contains(&next) && (body.contains(&at) || at == IP + UDP + announced) {
            return true;
        }
        (announced, next, payload) = (payload, following, payload + len.max(4));
    }
    false
}

/// The datagram with `xor` on the octet at `at`. Checksums are right again, as an adversary's would be, except one that
/// is itself altered.
pub fn altered(datagram: &Datagram, at: usize, xor: u8) -> Vec<u8> {
    let mut bytes = datagram.bytes.clone();
    if let Some(octet) = bytes.get_mut(at) {
        *octet ^= xor;
    }
    let ike = matches!(datagram.message, Message::Ike { .. } | Message::EspInUdp);
    let checksum = (10..12).contains(&at) || ike && (IP + 6..IP + 8).contains(&at);
    if !checksum {
        mend_checksums(&mut bytes);
    }
    bytes
}

/// The first `len` octets of the datagram: lengths of IP and UDP and, if `isakmp`, of the ISAKMP message say so too.
pub fn cut(datagram: &Datagram, len: usize, isakmp: bool) -> Vec<u8> {
    let mut bytes = datagram.bytes.clone();
    bytes.truncate(len);
    let mut write = |at: usize, field: &[u8]| {
        if let Some(octets) = bytes.get_mut(at..at + field.len()) {
            octets.copy_from_slice(field);
        }
    };
    write(2, &(len as u16).to_be_bytes());
    if matches!(datagram.message, Message::Ike { .. } | Message::EspInUdp) {
        write(IP + 4, &(len.saturating_sub(IP) as u16).to_be_bytes());
        if isakmp {
            let isakmp = IP + UDP + marker(datagram);
            write(isakmp + 24, &(len.saturating_sub(isakmp) as u32).to_be_bytes());
        }
    }
    mend_checksums(&mut bytes);
    bytes
}
