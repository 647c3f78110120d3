//! Tunnel mode's outer header (RFC 4301 section 5.1.2, RFC 6040): built on the way out, judged on the way in.
//!
//! ESP and AH in tunnel mode are their transport form behind this header, so it is put in front before sealing and taken
//! off after opening. The inner TTL is not touched: whoever forwarded the packet has decremented it (section 5.1.2.1).

use core::net::IpAddr;

use crate::config::DfPolicy;
use crate::ip::{IpInfo, NewHeader, protocol, refresh_checksum, write};
use crate::packet::Packet;

/// What the outer header of a packet gets from the SA and the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer {
    /// Outer source, our address.
    pub local: IpAddr,
    /// Outer destination, the peer.
    pub remote: IpAddr,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// How DF is set, when both headers are IPv4 (section 8.1).
    pub df: DfPolicy,
    /// IPv4 identification: the outer datagram's own.
    pub ident: u16,
}

/// Octets of an outer header between addresses of `local`'s family.
pub fn header_len(local: IpAddr) -> usize {
    if local.is_ipv4() { 20 } else { 40 }
}

/// Whether the outer header of a packet with this inner header will forbid fragmentation.
pub fn outer_df(policy: DfPolicy, inner: &IpInfo) -> bool {
    match policy {
        // An IPv6 inner packet has no DF to copy; its outer datagram may be fragmented, its source is told by section 8.
        DfPolicy::Copy => inner.is_v4() && inner.dont_fragment,
        DfPolicy::Set => true,
        DfPolicy::Clear => false,
    }
}

/// Puts the outer header in front. `None` (and the packet unchanged) when the inner datagram is malformed, the two outer
/// addresses are of different families, or the result is too long.
///
/// DSCP and ECN are copied (RFC 6040 section 4.1, normal mode).
pub fn encapsulate(packet: &mut Packet, outer: &Outer) -> Option<()> {
    let inner = IpInfo::parse(packet.bytes())?;
    let header = NewHeader {
        source: outer.local,
        destination: outer.remote,
        protocol: if inner.is_v4() { protocol::IPV4 } else { protocol::IPV6 },
        traffic_class: inner.traffic_class,
        ttl: outer.ttl,
        dont_fragment: outer_df(outer.df, &inner),
        ident: outer.ident,
    };
    if outer.local.is_ipv4() != outer.remote.is_ipv4()
        || inner.total_len + header.len() > usize::from(u16::MAX)
    {
        return None;
    }
    packet.truncate(inner.total_len);
    packet.push_front(header.len());
    header.write(packet.bytes_mut()).then_some(())
}

/// Takes the outer header off and lets congestion experienced on the way show in the inner one.
///
/// `None`: no IP in IP, or a combination that RFC 6040 section 4.2 drops (a mark on a packet whose transport cannot see it).
/// The packet may then be changed; it is to be dropped.
pub fn decapsulate(packet: &mut Packet) -> Option<IpInfo> {
    let outer = IpInfo::parse(packet.bytes())?;
    let wanted = match outer.upper.protocol {
        protocol::IPV4 => 4,
        protocol::IPV6 => 6,
        _ => return None,
    };
    packet.truncate(outer.total_len);
    packet.trim_front(outer.upper.offset);
    let inner =
        IpInfo::parse(packet.bytes()).filter(|_| packet.bytes().first().is_some_and(|b| b >> 4 == wanted))?;
    packet.truncate(inner.total_len);
    let ecn = decapsulated_ecn(inner.traffic_class & 3, outer.traffic_class & 3)?;
    if ecn != inner.traffic_class & 3 {
        set_ecn(packet.bytes_mut(), ecn);
    }
    Some(IpInfo { traffic_class: inner.traffic_class & !3 | ecn, ..inner })
}

/// RFC 6040 figure 4: the ECN field of the forwarded packet, from the arriving inner and outer ones. `None` is a drop.
fn decapsulated_ecn(inner: u8, outer: u8) -> Option<u8> {
    const NOT_ECT: u8 = 0;
    const ECT_1: u8 = 1;
    const CE: u8 = 3;
    match (inner, outer) {
        (NOT_ECT, CE) => None,
        (NOT_ECT, _) => Some(NOT_ECT),
        (CE, _) | (_, CE) => Some(CE),
        (_, ECT_1) => Some(ECT_1),
        _ => Some(inner),
    }
}

fn set_ecn(bytes: &mut [u8], ecn: u8) {
    if bytes.first().is_some_and(|b| b >> 4 == 4) {
        let tos = bytes.get(1).copied().unwrap_or(0);
        write(bytes, 1, &[tos & !3 | ecn]);
        refresh_checksum(bytes);
    } else if let Some(octet) = bytes.get_mut(1) {
        *octet = *octet & !0x30 | ecn << 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(tos: u8, df: bool) -> Packet {
        let header = NewHeader {
            source: "10.1.0.1".parse().unwrap(),
            destination: "10.2.0.1".parse().unwrap(),
            protocol: 17,
            traffic_class: tos,
            ttl: 63,
            dont_fragment: df,
            ident: 7,
        };
        let mut p = Packet::from_slice(1, &[0; 28]);
        assert!(header.write(p.bytes_mut()));
        p
    }

    fn outer(local: &str, remote: &str, df: DfPolicy) -> Outer {
        Outer { local: local.parse().unwrap(), remote: remote.parse().unwrap(), ttl: 64, df, ident: 99 }
    }

    #[test]
    fn each_family_in_each() {
        for (local, remote, len) in [("192.0.2.1", "192.0.2.2", 20), ("2001:db8::1", "2001:db8::2", 40)] {
            let mut p = v4(0xb8 | 2, true);
            let before = p.clone();
            encapsulate(&mut p, &outer(local, remote, DfPolicy::Copy)).unwrap();
            let info = IpInfo::parse(p.bytes()).unwrap();
            assert_eq!((info.header_len, info.total_len, info.traffic_class), (len, 28 + len, 0xba));
            assert_eq!((info.upper.protocol, info.ttl, info.dont_fragment), (4, 64, true));
            decapsulate(&mut p).unwrap();
            assert_eq!(p.bytes(), before.bytes());
        }
    }

    #[test]
    fn df_as_configured() {
        for (policy, inner, expected) in [
            (DfPolicy::Copy, false, false),
            (DfPolicy::Copy, true, true),
            (DfPolicy::Set, false, true),
            (DfPolicy::Clear, true, false),
        ] {
            let mut p = v4(0, inner);
            encapsulate(&mut p, &outer("192.0.2.1", "192.0.2.2", policy)).unwrap();
            assert_eq!(IpInfo::parse(p.bytes()).unwrap().dont_fragment, expected);
        }
    }

    #[test]
    fn ecn_table_of_rfc_6040() {
        // Figure 4, rows inner Not-ECT, ECT(0), ECT(1), CE; columns outer in the same order.
        let (not, zero, one, ce) = (0, 2, 1, 3);
        let rows = [
            (not, [Some(not), Some(not), Some(not), None]),
            (zero, [Some(zero), Some(zero), Some(one), Some(ce)]),
            (one, [Some(one), Some(one), Some(one), Some(ce)]),
            (ce, [Some(ce), Some(ce), Some(ce), Some(ce)]),
        ];
        for (inner, row) in rows {
            for (outer, expected) in [not, zero, one, ce].into_iter().zip(row) {
                assert_eq!(decapsulated_ecn(inner, outer), expected);
            }
        }
        let mut p = v4(2, false);
        encapsulate(&mut p, &outer("2001:db8::1", "2001:db8::2", DfPolicy::Copy)).unwrap();
        set_ecn(p.bytes_mut(), 3);
        assert_eq!(decapsulate(&mut p).unwrap().traffic_class, 3);
        assert_eq!(crate::wire::checksum::checksum(&p.bytes()[..20]), 0);
    }
}
