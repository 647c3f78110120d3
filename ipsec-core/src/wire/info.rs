//! What a packet is, in one look and without allocating: the fields that selectors and filters compare.

use core::fmt;
use core::net::IpAddr;

use super::ipv4::Ipv4;
use super::ipv6::{HEADER_LEN as IPV6_HEADER_LEN, Ipv6};
use super::{DecodeError, DecodeErrorKind, IpProtocol};

/// A packet's addresses, protocol and ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketInfo {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Upper-layer protocol, after the extension headers of IPv6; AH and ESP count as upper layers.
    pub protocol: IpProtocol,
    /// Ports or ICMP type, as far as this packet shows them.
    pub upper: Upper,
    /// Where the upper layer starts, in octets from the start of the packet.
    pub upper_at: usize,
    /// Octets of the packet as its header says.
    pub len: usize,
    /// Present when the packet is a part of a datagram.
    pub fragment: Option<FragmentInfo>,
}

/// What the first octets of the upper layer say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upper {
    /// TCP or UDP.
    Ports {
        /// Source port.
        src: u16,
        /// Destination port.
        dst: u16,
    },
    /// ICMP or ICMPv6.
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
    },
    /// A protocol without ports; or a non-first fragment or truncated header, which do not show them (RFC 4301 7).
    Opaque,
}

/// A part of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentInfo {
    /// Common to the parts: 16 bits in IPv4, 32 in IPv6.
    pub identification: u32,
    /// Where this part lies, in octets.
    pub offset: u16,
    /// True when others follow.
    pub more: bool,
}

impl PacketInfo {
    /// Looks at an IPv4 or IPv6 packet.
    pub fn of(packet: &[u8]) -> Result<PacketInfo, DecodeError> {
        PacketInfo::look(packet, false)
    }

    /// Looks at a packet that an ICMP error quotes, which may be cut short.
    pub fn of_quoted(packet: &[u8]) -> Result<PacketInfo, DecodeError> {
        PacketInfo::look(packet, true)
    }

    fn look(packet: &[u8], quoted: bool) -> Result<PacketInfo, DecodeError> {
        match packet.first().map(|octet| octet >> 4) {
            Some(4) => {
                Ok(Self::of_ipv4(if quoted { Ipv4::decode_quoted(packet)? } else { Ipv4::decode(packet)? }))
            }
            Some(6) => {
                Self::of_ipv6(if quoted { Ipv6::decode_quoted(packet)? } else { Ipv6::decode(packet)? })
            }
            Some(version) => {
                let kind = DecodeErrorKind::BadValue { value: version.into() };
                Err(DecodeError::new("ip.version", 0, kind))
            }
            None => {
                let kind = DecodeErrorKind::Truncated { needed: 1, available: 0 };
                Err(DecodeError::new("ip.version", 0, kind))
            }
        }
    }

    fn of_ipv4(packet: Ipv4<'_>) -> PacketInfo {
        let fragment = packet.is_fragment().then(|| FragmentInfo {
            identification: packet.identification().into(),
            offset: packet.fragment_offset(),
            more: packet.more_fragments(),
        });
        PacketInfo {
            src: packet.src().into(),
            dst: packet.dst().into(),
            protocol: packet.protocol(),
            upper: Upper::of(packet.protocol(), packet.payload(), fragment),
            upper_at: packet.header_len(),
            len: packet.total_len(),
            fragment,
        }
    }

    fn of_ipv6(packet: Ipv6<'_>) -> Result<PacketInfo, DecodeError> {
        let upper = packet.upper_layer()?;
        let fragment = upper.fragment.map(|header| FragmentInfo {
            identification: header.identification,
            offset: header.offset,
            more: header.more,
        });
        Ok(PacketInfo {
            src: packet.src().into(),
            dst: packet.dst().into(),
            protocol: upper.protocol,
            upper: Upper::of(upper.protocol, upper.payload, fragment),
            upper_at: upper.offset,
            len: IPV6_HEADER_LEN + packet.payload_len(),
            fragment,
        })
    }

    /// Source port; for ICMP type and code as one number (RFC 4301 4.4.1.1).
    pub fn src_port(&self) -> Option<u16> {
        match self.upper {
            Upper::Ports { src, .. } => Some(src),
            Upper::Icmp { kind, code } => Some(u16::from_be_bytes([kind, code])),
            Upper::Opaque => None,
        }
    }

    /// Destination port; ICMP has none.
    pub fn dst_port(&self) -> Option<u16> {
        match self.upper {
            Upper::Ports { dst, .. } => Some(dst),
            Upper::Icmp { .. } | Upper::Opaque => None,
        }
    }

    /// True for a fragment that is not the first.
    pub fn is_later_fragment(&self) -> bool {
        self.fragment.is_some_and(|fragment| fragment.offset != 0)
    }
}

impl Upper {
    fn of(protocol: IpProtocol, payload: &[u8], fragment: Option<FragmentInfo>) -> Upper {
        if fragment.is_some_and(|fragment| fragment.offset != 0) {
            return Upper::Opaque;
        }
        match payload {
            [a, b, c, d, ..] if protocol.has_ports() => {
                Upper::Ports { src: u16::from_be_bytes([*a, *b]), dst: u16::from_be_bytes([*c, *d]) }
            }
            [kind, code, ..] if protocol.is_icmp() => Upper::Icmp { kind: *kind, code: *code },
            _ => Upper::Opaque,
        }
    }
}

/// `10.1.0.10.1034 > 10.2.0.10.53: UDP`, or without ports `10.1.0.10 > 10.2.0.10: ICMP`.
impl fmt::Display for PacketInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.upper {
            Upper::Ports { src, dst } => write!(f, "{}.{src} > {}.{dst}: ", self.src, self.dst)?,
            Upper::Icmp { .. } | Upper::Opaque => write!(f, "{} > {}: ", self.src, self.dst)?,
        }
        write!(f, "{}", self.protocol)
    }
}
