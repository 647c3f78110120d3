//! From a frame of a link to the IP datagram in it.

use crate::ip::be16 as number;

/// EtherTypes (IEEE).
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];
const PPPOE_SESSION: u16 = 0x8864;
/// Protocol numbers of PPP (RFC 1332, RFC 5072).
const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;

/// What is in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside<'a> {
    /// An IP datagram.
    Ip(&'a [u8]),
    /// Something else, such as ARP.
    Other,
    /// The link type is not known here.
    UnknownLink,
}

/// Takes a frame's header off. Link types are the numbers of www.tcpdump.org/linktypes.html.
pub(super) fn unwrap(link_type: u32, frame: &[u8]) -> Inside<'_> {
    let inside = match link_type {
        // BSD loopback: the protocol family, in the byte order of whoever captured, or the network's.
        0 | 108 => loopback(frame),
        1 => number(frame, 12).and_then(|kind| ethernet(kind, frame.get(14..)?)),
        9 => ppp(frame),
        // Raw IP, in three generations, and the two that say which.
        12 | 14 | 101 | 228 | 229 => Some(frame),
        // Linux cooked: the EtherType is in the last two octets of 16, or in the first two of 20.
        113 => number(frame, 14).and_then(|kind| ethernet(kind, frame.get(16..)?)),
        276 => number(frame, 0).and_then(|kind| ethernet(kind, frame.get(20..)?)),
        _ => return Inside::UnknownLink,
    };
    match inside {
        Some(datagram) => Inside::Ip(datagram),
        None => Inside::Other,
    }
}

/// What follows an EtherType, behind any number of VLAN tags. A number up to 1500 is a length (IEEE 802.3).
fn ethernet(mut kind: u16, mut rest: &[u8]) -> Option<&[u8]> {
    while VLAN.contains(&kind) {
        (kind, rest) = (number(rest, 2)?, rest.get(4..)?);
    }
    match kind {
        IPV4 | IPV6 => Some(rest),
        PPPOE_SESSION => ppp(rest.get(6..)?),
        // LLC with SNAP (RFC 1042): aa aa 03 00 00 00, and an EtherType.
        0..=1500 if rest.starts_with(&[0xaa, 0xaa, 3, 0, 0, 0]) => {
            let kind = number(rest, 6)?;
            matches!(kind, IPV4 | IPV6).then(|| rest.get(8..))?
        }
        _ => None,
    }
}

fn ppp(frame: &[u8]) -> Option<&[u8]> {
    let frame = frame.strip_prefix(&[0xff, 3]).unwrap_or(frame);
    matches!(number(frame, 0)?, PPP_IPV4 | PPP_IPV6).then(|| frame.get(2..))?
}

fn loopback(frame: &[u8]) -> Option<&[u8]> {
    let family: [u8; 4] = frame.get(..4)?.try_into().ok()?;
    let family = u32::from_be_bytes(family).min(u32::from_le_bytes(family));
    // AF_INET, and AF_INET6 of NetBSD and Linux, FreeBSD, macOS.
    matches!(family, 2 | 10 | 24 | 28 | 30).then(|| frame.get(4..))?
}
