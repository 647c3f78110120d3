//! The IPv4 header (RFC 791 3.1): a view, a writer, and changes in place.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |Version|  IHL  |Type of Service|          Total Length         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |         Identification        |Flags|      Fragment Offset    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Time to Live |    Protocol   |         Header Checksum       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                       Source Address                          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                    Destination Address                        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                    Options                    |    Padding    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv4Addr;

use super::checksum::checksum;
use super::{DecodeError, DecodeErrorKind, IpProtocol};

/// Octets of a header without options.
pub const HEADER_LEN: usize = 20;
/// Octets of the largest header.
pub const MAX_HEADER_LEN: usize = 60;

const DF: u16 = 0x4000;
const MF: u16 = 0x2000;

/// A view of an IPv4 packet whose lengths have been checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ipv4<'a> {
    fixed: &'a [u8; HEADER_LEN],
    header: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Ipv4<'a> {
    /// Checks version, header length and total length. Octets beyond the total length are link padding and left
    /// out; the checksum is not judged ([`Ipv4::checksum_ok`] does).
    pub fn decode(packet: &'a [u8]) -> Result<Ipv4<'a>, DecodeError> {
        Ipv4::view(packet, false)
    }

    /// A packet that an ICMP error quotes: it may be cut short after its header.
    pub fn decode_quoted(packet: &'a [u8]) -> Result<Ipv4<'a>, DecodeError> {
        Ipv4::view(packet, true)
    }

    fn view(packet: &'a [u8], quoted: bool) -> Result<Ipv4<'a>, DecodeError> {
        let available = packet.len();
        let short =
            |needed| DecodeError::new("ipv4.header", 0, DecodeErrorKind::Truncated { needed, available });
        let fixed = packet.first_chunk::<HEADER_LEN>().ok_or(short(HEADER_LEN))?;
        if fixed[0] >> 4 != 4 {
            let value = (fixed[0] >> 4).into();
            return Err(DecodeError::new("ipv4.version", 0, DecodeErrorKind::BadValue { value }));
        }
        let header_len = usize::from(fixed[0] & 0x0f) * 4;
        if header_len < HEADER_LEN {
            return Err(DecodeError::new("ipv4.ihl", 0, DecodeErrorKind::BadLength { length: header_len }));
        }
        let header = packet.get(..header_len).ok_or(short(header_len))?;
        let total = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        let end = if quoted { total.min(available) } else { total };
        let payload = packet.get(header_len..end).ok_or(DecodeError::new(
            "ipv4.total_length",
            2,
            DecodeErrorKind::BadLength { length: total },
        ))?;
        Ok(Ipv4 { fixed, header, payload })
    }

    /// Octets of the header, options included.
    pub fn header_len(&self) -> usize {
        self.header.len()
    }

    /// The Total Length field, in octets.
    pub fn total_len(&self) -> usize {
        u16::from_be_bytes([self.fixed[2], self.fixed[3]]).into()
    }

    /// Type of service: DSCP and ECN (RFC 2474, RFC 3168).
    pub fn tos(&self) -> u8 {
        self.fixed[1]
    }

    /// Identification, common to the fragments of a datagram.
    pub fn identification(&self) -> u16 {
        u16::from_be_bytes([self.fixed[4], self.fixed[5]])
    }

    /// Don't Fragment.
    pub fn dont_fragment(&self) -> bool {
        self.flags_and_offset() & DF != 0
    }

    /// More Fragments.
    pub fn more_fragments(&self) -> bool {
        self.flags_and_offset() & MF != 0
    }

    /// Where this fragment's payload lies in the datagram's, in octets.
    pub fn fragment_offset(&self) -> u16 {
        self.flags_and_offset() << 3
    }

    /// True for a part of a datagram.
    pub fn is_fragment(&self) -> bool {
        self.more_fragments() || self.fragment_offset() != 0
    }

    /// Time to live.
    pub fn ttl(&self) -> u8 {
        self.fixed[8]
    }

    /// What the payload is.
    pub fn protocol(&self) -> IpProtocol {
        IpProtocol(self.fixed[9])
    }

    /// The Header Checksum field.
    pub fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.fixed[10], self.fixed[11]])
    }

    /// True when the header sums up.
    pub fn checksum_ok(&self) -> bool {
        checksum(self.header) == 0
    }

    /// Source address.
    pub fn src(&self) -> Ipv4Addr {
        let [.., a, b, c, d, _, _, _, _] = *self.fixed;
        Ipv4Addr::new(a, b, c, d)
    }

    /// Destination address.
    pub fn dst(&self) -> Ipv4Addr {
        let [.., a, b, c, d] = *self.fixed;
        Ipv4Addr::new(a, b, c, d)
    }

    /// The header, options included.
    pub fn header(&self) -> &'a [u8] {
        self.header
    }

    /// The options with their padding.
    pub fn options(&self) -> &'a [u8] {
        self.header.get(HEADER_LEN..).unwrap_or_default()
    }

    /// The payload, without what lies beyond the total length.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    fn flags_and_offset(&self) -> u16 {
        u16::from_be_bytes([self.fixed[6], self.fixed[7]])
    }
}

impl fmt::Debug for Ipv4<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ipv4({self})")
    }
}

/// `10.1.0.10 > 10.2.0.10: ICMP ttl 128 id 7 len 84`, with ` offset 1480+` for a fragment that has followers.
impl fmt::Display for Ipv4<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}: {} ttl {}", self.src(), self.dst(), self.protocol(), self.ttl())?;
        write!(f, " id {} len {}", self.identification(), self.total_len())?;
        if self.dont_fragment() {
            f.write_str(" DF")?;
        }
        if self.is_fragment() {
            let more = if self.more_fragments() { "+" } else { "" };
            write!(f, " offset {}{more}", self.fragment_offset())?;
        }
        Ok(())
    }
}

/// The fields of a header to write; total length and checksum are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Header<'a> {
    /// Type of service.
    pub tos: u8,
    /// Identification.
    pub identification: u16,
    /// Don't Fragment.
    pub dont_fragment: bool,
    /// More Fragments.
    pub more_fragments: bool,
    /// Offset of the fragment in octets, a multiple of eight (its low bits are dropped).
    pub fragment_offset: u16,
    /// Time to live.
    pub ttl: u8,
    /// What the payload is.
    pub protocol: IpProtocol,
    /// Source address.
    pub src: Ipv4Addr,
    /// Destination address.
    pub dst: Ipv4Addr,
    /// Options, padded to a multiple of four octets; at most 40.
    pub options: &'a [u8],
}

impl<'a> Ipv4Header<'a> {
    /// A header with TTL 64 for a whole datagram that may be fragmented.
    pub const fn new(src: Ipv4Addr, dst: Ipv4Addr, protocol: IpProtocol) -> Self {
        Ipv4Header {
            tos: 0,
            identification: 0,
            dont_fragment: false,
            more_fragments: false,
            fragment_offset: 0,
            ttl: 64,
            protocol,
            src,
            dst,
            options: &[],
        }
    }

    /// The header fields of a packet, to write them again with changes.
    pub fn of(packet: &Ipv4<'a>) -> Self {
        Ipv4Header {
            tos: packet.tos(),
            identification: packet.identification(),
            dont_fragment: packet.dont_fragment(),
            more_fragments: packet.more_fragments(),
            fragment_offset: packet.fragment_offset(),
            ttl: packet.ttl(),
            protocol: packet.protocol(),
            src: packet.src(),
            dst: packet.dst(),
            options: packet.options(),
        }
    }

    /// Octets of the header, options included.
    pub const fn len(&self) -> usize {
        HEADER_LEN + self.options.len()
    }

    /// Never: a header has at least 20 octets.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Writes the header of a packet with `payload_len` octets of payload over the start of `buffer`.
    ///
    /// Fails when the buffer is too short, the options are over-long or unpadded, or the packet exceeds 65535 octets.
    pub fn write(&self, buffer: &mut [u8], payload_len: usize) -> Result<(), DecodeError> {
        let bad = |field, length| DecodeError::new(field, 0, DecodeErrorKind::BadLength { length });
        let len = self.len();
        if len > MAX_HEADER_LEN || !len.is_multiple_of(4) {
            return Err(bad("ipv4.options", self.options.len()));
        }
        let total = len.saturating_add(payload_len);
        let total_len = u16::try_from(total).map_err(|_| bad("ipv4.total_length", total))?;
        let available = buffer.len();
        let header = buffer.get_mut(..len).ok_or(DecodeError::new(
            "ipv4.header",
            0,
            DecodeErrorKind::Truncated { needed: len, available },
        ))?;
        let mut flags = self.fragment_offset >> 3;
        flags |= if self.dont_fragment { DF } else { 0 };
        flags |= if self.more_fragments { MF } else { 0 };
        if let Some((fixed, options)) = header.split_first_chunk_mut::<HEADER_LEN>() {
            fixed[0] = 0x40 | (len / 4) as u8;
            fixed[1] = self.tos;
            [fixed[2], fixed[3]] = total_len.to_be_bytes();
            [fixed[4], fixed[5]] = self.identification.to_be_bytes();
            [fixed[6], fixed[7]] = flags.to_be_bytes();
            fixed[8] = self.ttl;
            fixed[9] = self.protocol.0;
            [fixed[10], fixed[11]] = [0, 0];
            [fixed[12], fixed[13], fixed[14], fixed[15]] = self.src.octets();
            [fixed[16], fixed[17], fixed[18], fixed[19]] = self.dst.octets();
            options.copy_from_slice(self.options);
        }
        fill_checksum(header);
        Ok(())
    }

    /// The whole packet.
    pub fn packet(&self, payload: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut packet = vec![0; self.len()];
        self.write(&mut packet, payload.len())?;
        packet.extend_from_slice(payload);
        Ok(packet)
    }
}

/// Changes to a header in place. The checksum follows with [`Ipv4Mut::fill_checksum`].
#[derive(Debug)]
pub struct Ipv4Mut<'a> {
    packet: &'a mut [u8],
}

impl<'a> Ipv4Mut<'a> {
    /// Checks `packet` as [`Ipv4::decode`] does.
    pub fn new(packet: &'a mut [u8]) -> Result<Ipv4Mut<'a>, DecodeError> {
        Ipv4::decode(packet)?;
        Ok(Ipv4Mut { packet })
    }

    fn set<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        if let Some(field) = self.packet.get_mut(at..at + N) {
            field.copy_from_slice(&value);
        }
    }

    /// Sets the type of service.
    pub fn set_tos(&mut self, tos: u8) {
        self.set(1, [tos]);
    }

    /// Sets the total length, in octets.
    pub fn set_total_len(&mut self, total_len: u16) {
        self.set(2, total_len.to_be_bytes());
    }

    /// Sets the identification.
    pub fn set_identification(&mut self, identification: u16) {
        self.set(4, identification.to_be_bytes());
    }

    /// Sets flags and offset; `offset` is in octets, its low three bits are dropped.
    pub fn set_fragment(&mut self, dont_fragment: bool, more_fragments: bool, offset: u16) {
        let df = if dont_fragment { DF } else { 0 };
        let mf = if more_fragments { MF } else { 0 };
        self.set(6, (df | mf | offset >> 3).to_be_bytes());
    }

    /// Sets the time to live.
    pub fn set_ttl(&mut self, ttl: u8) {
        self.set(8, [ttl]);
    }

    /// Sets the protocol.
    pub fn set_protocol(&mut self, protocol: IpProtocol) {
        self.set(9, [protocol.0]);
    }

    /// Sets the source address.
    pub fn set_src(&mut self, src: Ipv4Addr) {
        self.set(12, src.octets());
    }

    /// Sets the destination address.
    pub fn set_dst(&mut self, dst: Ipv4Addr) {
        self.set(16, dst.octets());
    }

    /// Computes the header checksum anew.
    pub fn fill_checksum(&mut self) {
        let header_len = usize::from(self.packet.first().map_or(0, |octet| octet & 0x0f)) * 4;
        if let Some(header) = self.packet.get_mut(..header_len) {
            fill_checksum(header);
        }
    }
}

fn fill_checksum(header: &mut [u8]) {
    if let Some(field) = header.get_mut(10..12) {
        field.fill(0);
    }
    let sum = checksum(header).to_be_bytes();
    if let Some(field) = header.get_mut(10..12) {
        field.copy_from_slice(&sum);
    }
}

/// One option of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Option<'a> {
    /// The type octet: copied flag, class and number.
    pub kind: u8,
    /// Where the type octet is, in octets from the start of the options.
    pub offset: usize,
    /// The whole option, type and length octets included.
    pub bytes: &'a [u8],
}

impl Ipv4Option<'_> {
    /// True when every fragment carries the option (RFC 791 3.1).
    pub const fn is_copied(&self) -> bool {
        self.kind & 0x80 != 0
    }
}

/// The options of a header in order, without End of List and No Operation; ends at the first malformed one, which
/// it gives as an error.
pub fn options(options: &[u8]) -> impl Iterator<Item = Result<Ipv4Option<'_>, DecodeError>> {
    let mut at = 0;
    core::iter::from_fn(move || {
        loop {
            let offset = at;
            let rest = options.get(offset..)?;
            match rest {
                [] | [0, ..] => return None,
                [1, ..] => at += 1,
                [kind, length, ..] if *length >= 2 && usize::from(*length) <= rest.len() => {
                    at += usize::from(*length);
                    let bytes = rest.get(..usize::from(*length))?;
                    return Some(Ok(Ipv4Option { kind: *kind, offset, bytes }));
                }
                _ => {
                    at = options.len();
                    let length = rest.get(1).copied().unwrap_or(0).into();
                    let kind = DecodeErrorKind::BadLength { length };
                    return Some(Err(DecodeError::new("ipv4.options", HEADER_LEN + offset, kind)));
                }
            }
        }
    })
}

#[cfg(test)]
mod tests;
