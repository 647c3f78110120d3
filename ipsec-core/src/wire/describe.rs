//! One line about a packet, in the manner of tcpdump.

use core::fmt;

use super::ah::Ah;
use super::esp::{EspHeader, HEADER_LEN as ESP_HEADER_LEN};
use super::icmp::Icmp;
use super::info::{PacketInfo, Upper};
use super::isakmp::{Header, decode_chain, split};
use super::udp::Udp;
use super::{IpProtocol, Reader};

/// How deep packets inside packets are followed.
const DEPTH: u8 = 4;
const IKE_PORT: u16 = 500;
const NAT_T_PORT: u16 = 4500;

/// What to say about an IPv4 or IPv6 packet: `10.1.0.10 > 10.2.0.10: ICMP echo request id 1 seq 3 len 64`.
///
/// Whatever cannot be read is said to be so; this never fails.
pub fn describe(packet: &[u8]) -> impl fmt::Display + '_ {
    Description { packet, quoted: false, depth: DEPTH }
}

struct Description<'a> {
    packet: &'a [u8],
    quoted: bool,
    depth: u8,
}

impl fmt::Display for Description<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = if self.quoted { PacketInfo::of_quoted(self.packet) } else { PacketInfo::of(self.packet) };
        let info = match info {
            Ok(info) => info,
            Err(error) => return write!(f, "malformed ({error}) len {}", self.packet.len()),
        };
        match info.upper {
            Upper::Ports { src, dst } => write!(f, "{}.{src} > {}.{dst}: ", info.src, info.dst)?,
            Upper::Icmp { .. } | Upper::Opaque => write!(f, "{} > {}: ", info.src, info.dst)?,
        }
        let upper = self.packet.get(info.upper_at..info.len.min(self.packet.len())).unwrap_or_default();
        match info.fragment {
            Some(fragment) => {
                let more = if fragment.more { "+" } else { "" };
                write!(f, "{} fragment id {}", info.protocol, fragment.identification)?;
                write!(f, " offset {}{more} len {}", fragment.offset, upper.len())
            }
            None if self.quoted => write!(f, "{}", info.protocol),
            None => fmt_upper(info.protocol, upper, self.depth, f),
        }
    }
}

fn fmt_upper(protocol: IpProtocol, bytes: &[u8], depth: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let shown = match protocol {
        IpProtocol::UDP => Udp::decode(bytes).map(|udp| fmt_udp(&udp, f)),
        IpProtocol::TCP => return fmt_tcp(bytes, f),
        IpProtocol::ICMP => Icmp::decode_v4(bytes).map(|icmp| fmt_icmp(&icmp, depth, f)),
        IpProtocol::ICMPV6 => Icmp::decode_v6(bytes).map(|icmp| fmt_icmp(&icmp, depth, f)),
        IpProtocol::ESP => return fmt_esp(bytes, f),
        IpProtocol::AH => Ah::decode(bytes).map(|ah| {
            write!(f, "{ah}: ")?;
            if depth == 0 { Ok(()) } else { fmt_upper(ah.next_header, ah.payload, depth - 1, f) }
        }),
        IpProtocol::IPV4 | IpProtocol::IPV6 if depth > 0 => {
            return write!(f, "({})", Description { packet: bytes, quoted: false, depth: depth - 1 });
        }
        _ => return write!(f, "{protocol} len {}", bytes.len()),
    };
    shown.unwrap_or_else(|error| write!(f, "malformed ({error}) len {}", bytes.len()))
}

fn fmt_icmp(icmp: &Icmp<'_>, depth: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{icmp}")?;
    match icmp.quoted() {
        Some(packet) if depth > 0 => {
            write!(f, " ({})", Description { packet, quoted: true, depth: depth - 1 })
        }
        _ => Ok(()),
    }
}

/// Port 500 carries ISAKMP; port 4500 ISAKMP after four zero octets, else ESP, or a lone 0xff (RFC 3948 2).
fn fmt_udp(udp: &Udp<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let either = |port| udp.src_port == port || udp.dst_port == port;
    match udp.payload {
        payload if either(IKE_PORT) => fmt_isakmp(payload, f),
        [0xff] if either(NAT_T_PORT) => f.write_str("NAT-keepalive"),
        [0, 0, 0, 0, payload @ ..] if either(NAT_T_PORT) => fmt_isakmp(payload, f),
        payload if either(NAT_T_PORT) => fmt_esp(payload, f),
        payload => write!(f, "UDP len {}", payload.len()),
    }
}

fn fmt_isakmp(datagram: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let header = match Header::decode(&mut Reader::new(datagram)) {
        Ok(header) => header,
        Err(error) => return write!(f, "isakmp malformed ({error}) len {}", datagram.len()),
    };
    write!(f, "{header} ")?;
    if header.flags.is_encrypted() {
        return write!(f, "[{}...] len {}", header.next_payload, datagram.len());
    }
    match split(datagram).and_then(|(header, body)| decode_chain(header.next_payload, body)) {
        Ok((chain, _)) => write!(f, "{chain}"),
        Err(error) => write!(f, "malformed ({error}) len {}", datagram.len()),
    }
}

fn fmt_esp(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match EspHeader::decode(&mut Reader::new(bytes)) {
        Ok(header) => write!(f, "{header} len {}", bytes.len() - ESP_HEADER_LEN),
        Err(error) => write!(f, "malformed ({error}) len {}", bytes.len()),
    }
}

/// Ports were printed with the addresses; flags are those of octet 13 (RFC 9293 3.1).
fn fmt_tcp(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("TCP ")?;
    if let (Some(offset), Some(flags)) = (bytes.get(12), bytes.get(13)) {
        f.write_str("[")?;
        for (bit, letter) in [(0x02, "S"), (0x01, "F"), (0x04, "R"), (0x08, "P"), (0x10, ".")] {
            if flags & bit != 0 {
                f.write_str(letter)?;
            }
        }
        let header_len = usize::from(offset >> 4) * 4;
        return write!(f, "] len {}", bytes.len().saturating_sub(header_len));
    }
    write!(f, "len {}", bytes.len())
}

#[cfg(test)]
mod tests;
