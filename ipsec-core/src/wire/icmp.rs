//! ICMP (RFC 792, RFC 1191) and ICMPv6 (RFC 4443).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     Type      |     Code      |          Checksum             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |       Identifier, sequence number; or unused, next-hop MTU    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     Data; in errors the packet they are about, cut short      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv6Addr};

use super::checksum::{Checksum, checksum};
use super::{DecodeError, IpProtocol, Reader};

/// Octets of the header.
pub const HEADER_LEN: usize = 8;

/// What an ICMP message says, of either family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpMessage {
    /// Echo request: v4 type 8, v6 type 128.
    EchoRequest {
        /// Identifier.
        id: u16,
        /// Sequence number.
        seq: u16,
    },
    /// Echo reply: v4 type 0, v6 type 129.
    EchoReply {
        /// Identifier.
        id: u16,
        /// Sequence number.
        seq: u16,
    },
    /// Destination unreachable: v4 type 3, v6 type 1, without the one that carries an MTU.
    Unreachable {
        /// Why; the numbers differ between the families.
        code: u8,
    },
    /// The packet did not fit: v4 type 3 code 4 (RFC 1191), v6 type 2.
    TooBig {
        /// MTU of the next hop, in octets; zero from v4 routers older than RFC 1191.
        mtu: u32,
    },
    /// Time exceeded: v4 type 11, v6 type 3.
    TimeExceeded {
        /// 0 in transit, 1 in reassembly.
        code: u8,
    },
    /// Any other.
    Other {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// The second word.
        word: u32,
    },
}

impl IcmpMessage {
    /// Type, code and second word in IPv4.
    pub const fn to_v4(self) -> (u8, u8, u32) {
        match self {
            IcmpMessage::EchoRequest { id, seq } => (8, 0, echo(id, seq)),
            IcmpMessage::EchoReply { id, seq } => (0, 0, echo(id, seq)),
            IcmpMessage::Unreachable { code } => (3, code, 0),
            IcmpMessage::TooBig { mtu } => (3, 4, mtu & 0xffff),
            IcmpMessage::TimeExceeded { code } => (11, code, 0),
            IcmpMessage::Other { kind, code, word } => (kind, code, word),
        }
    }

    /// Type, code and second word in IPv6.
    pub const fn to_v6(self) -> (u8, u8, u32) {
        match self {
            IcmpMessage::EchoRequest { id, seq } => (128, 0, echo(id, seq)),
            IcmpMessage::EchoReply { id, seq } => (129, 0, echo(id, seq)),
            IcmpMessage::Unreachable { code } => (1, code, 0),
            IcmpMessage::TooBig { mtu } => (2, 0, mtu),
            IcmpMessage::TimeExceeded { code } => (3, code, 0),
            IcmpMessage::Other { kind, code, word } => (kind, code, word),
        }
    }

    const fn of_v4(kind: u8, code: u8, word: u32) -> Self {
        let (id, seq) = ((word >> 16) as u16, word as u16);
        match (kind, code) {
            (8, 0) => IcmpMessage::EchoRequest { id, seq },
            (0, 0) => IcmpMessage::EchoReply { id, seq },
            (3, 4) => IcmpMessage::TooBig { mtu: word & 0xffff },
            (3, code) => IcmpMessage::Unreachable { code },
            (11, code) => IcmpMessage::TimeExceeded { code },
            _ => IcmpMessage::Other { kind, code, word },
        }
    }

    const fn of_v6(kind: u8, code: u8, word: u32) -> Self {
        let (id, seq) = ((word >> 16) as u16, word as u16);
        match (kind, code) {
            (128, 0) => IcmpMessage::EchoRequest { id, seq },
            (129, 0) => IcmpMessage::EchoReply { id, seq },
            (1, code) => IcmpMessage::Unreachable { code },
            (2, _) => IcmpMessage::TooBig { mtu: word },
            (3, code) => IcmpMessage::TimeExceeded { code },
            _ => IcmpMessage::Other { kind, code, word },
        }
    }
}

const fn echo(id: u16, seq: u16) -> u32 {
    (id as u32) << 16 | seq as u32
}

/// A view of an ICMP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp<'a> {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// What it says.
    pub message: IcmpMessage,
    /// What follows the eight octets of header.
    pub payload: &'a [u8],
    protocol: IpProtocol,
    bytes: &'a [u8],
}

impl<'a> Icmp<'a> {
    /// Reads the payload of an IPv4 packet of protocol 1.
    pub fn decode_v4(bytes: &'a [u8]) -> Result<Icmp<'a>, DecodeError> {
        Icmp::view(IpProtocol::ICMP, bytes)
    }

    /// Reads the payload of an IPv6 packet of protocol 58.
    pub fn decode_v6(bytes: &'a [u8]) -> Result<Icmp<'a>, DecodeError> {
        Icmp::view(IpProtocol::ICMPV6, bytes)
    }

    fn view(protocol: IpProtocol, bytes: &'a [u8]) -> Result<Icmp<'a>, DecodeError> {
        let mut r = Reader::new(bytes);
        let kind = r.u8("icmp.type")?;
        let code = r.u8("icmp.code")?;
        r.u16("icmp.checksum")?;
        let word = r.u32("icmp.header")?;
        let message = match protocol {
            IpProtocol::ICMPV6 => IcmpMessage::of_v6(kind, code, word),
            _ => IcmpMessage::of_v4(kind, code, word),
        };
        Ok(Icmp { kind, code, message, payload: r.rest(), protocol, bytes })
    }

    /// True for errors, which quote a packet and are never sent about each other (RFC 1122 3.2.2, RFC 4443 2.1).
    pub fn is_error(&self) -> bool {
        match self.protocol {
            IpProtocol::ICMPV6 => self.kind < 128,
            // Unreachable, source quench, redirect, time exceeded, parameter problem.
            _ => matches!(self.kind, 3 | 4 | 5 | 11 | 12),
        }
    }

    /// The packet that an error is about, as much of it as was quoted: read it with `decode_quoted`.
    pub fn quoted(&self) -> Option<&'a [u8]> {
        self.is_error().then_some(self.payload)
    }

    /// True when the checksum is right; the addresses count in IPv6 only.
    pub fn checksum_ok(&self, src: IpAddr, dst: IpAddr) -> bool {
        let sum = match self.protocol {
            IpProtocol::ICMPV6 => {
                Checksum::new().pseudo_header(src, dst, IpProtocol::ICMPV6, self.bytes.len())
            }
            _ => Checksum::new(),
        };
        sum.bytes(self.bytes).finish() == 0
    }
}

/// An ICMP message for the payload of an IPv4 packet.
pub fn encode_v4(message: IcmpMessage, payload: &[u8]) -> Vec<u8> {
    let mut bytes = assemble(message.to_v4(), payload);
    let sum = checksum(&bytes);
    fill(&mut bytes, sum);
    bytes
}

/// An ICMPv6 message for the payload of an IPv6 packet between these addresses.
pub fn encode_v6(src: Ipv6Addr, dst: Ipv6Addr, message: IcmpMessage, payload: &[u8]) -> Vec<u8> {
    let mut bytes = assemble(message.to_v6(), payload);
    let sum = Checksum::new().pseudo_header(src.into(), dst.into(), IpProtocol::ICMPV6, bytes.len());
    let sum = sum.bytes(&bytes).finish();
    fill(&mut bytes, sum);
    bytes
}

fn assemble((kind, code, word): (u8, u8, u32), payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_LEN + payload.len());
    bytes.extend_from_slice(&[kind, code, 0, 0]);
    bytes.extend_from_slice(&word.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

fn fill(bytes: &mut [u8], sum: u16) {
    if let Some(field) = bytes.get_mut(2..4) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
}

/// `ICMP echo request id 1 seq 3 len 64`; the length includes the header, as ping counts.
impl fmt::Display for Icmp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.protocol)?;
        match self.message {
            IcmpMessage::EchoRequest { id, seq } => write!(f, "echo request id {id} seq {seq}"),
            IcmpMessage::EchoReply { id, seq } => write!(f, "echo reply id {id} seq {seq}"),
            IcmpMessage::Unreachable { code } => write!(f, "destination unreachable code {code}"),
            IcmpMessage::TooBig { mtu } => write!(f, "packet too big mtu {mtu}"),
            IcmpMessage::TimeExceeded { code } => write!(f, "time exceeded code {code}"),
            IcmpMessage::Other { kind, code, .. } => write!(f, "type {kind} code {code}"),
        }?;
        write!(f, " len {}", self.bytes.len())
    }
}

#[cfg(test)]
mod tests;
