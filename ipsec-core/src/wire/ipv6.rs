//! The IPv6 header (RFC 8200 3) and its chain of extension headers (RFC 8200 4).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |Version| Traffic Class |           Flow Label                  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |         Payload Length        |  Next Header  |   Hop Limit   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                                                               |
//! +                         Source Address (128 bits)             +
//! |                                                               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                                                               |
//! +                      Destination Address (128 bits)           +
//! |                                                               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!
//! Fragment header (RFC 8200 4.5):
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Next Header  |   Reserved    |      Fragment Offset    |Res|M|
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                         Identification                        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv6Addr;

use super::{DecodeError, DecodeErrorKind, IpProtocol};

/// Octets of the fixed header.
pub const HEADER_LEN: usize = 40;
/// Octets of a fragment header.
pub const FRAGMENT_HEADER_LEN: usize = 8;
/// The most extension headers a packet may have.
pub const MAX_EXTENSIONS: usize = 32;

/// A view of an IPv6 packet whose payload length has been checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ipv6<'a> {
    fixed: &'a [u8; HEADER_LEN],
    payload: &'a [u8],
}

impl<'a> Ipv6<'a> {
    /// Checks version and payload length. Octets beyond it are link padding and left out. Jumbograms (RFC 2675)
    /// are not supported: their payload counts as empty.
    pub fn decode(packet: &'a [u8]) -> Result<Ipv6<'a>, DecodeError> {
        Ipv6::view(packet, false)
    }

    /// A packet that an ICMPv6 error quotes: it may be cut short after its header.
    pub fn decode_quoted(packet: &'a [u8]) -> Result<Ipv6<'a>, DecodeError> {
        Ipv6::view(packet, true)
    }

    fn view(packet: &'a [u8], quoted: bool) -> Result<Ipv6<'a>, DecodeError> {
        let truncated = DecodeErrorKind::Truncated { needed: HEADER_LEN, available: packet.len() };
        let (fixed, rest) =
            packet.split_first_chunk().ok_or(DecodeError::new("ipv6.header", 0, truncated))?;
        if fixed[0] >> 4 != 6 {
            let value = (fixed[0] >> 4).into();
            return Err(DecodeError::new("ipv6.version", 0, DecodeErrorKind::BadValue { value }));
        }
        let length = usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
        let end = if quoted { length.min(rest.len()) } else { length };
        let kind = DecodeErrorKind::BadLength { length };
        let payload = rest.get(..end).ok_or(DecodeError::new("ipv6.payload_length", 4, kind))?;
        Ok(Ipv6 { fixed, payload })
    }

    /// Traffic class: DSCP and ECN.
    pub fn traffic_class(&self) -> u8 {
        self.fixed[0] << 4 | self.fixed[1] >> 4
    }

    /// Flow label, 20 bits.
    pub fn flow_label(&self) -> u32 {
        u32::from_be_bytes([0, self.fixed[1] & 0x0f, self.fixed[2], self.fixed[3]])
    }

    /// The Payload Length field, in octets; extension headers count.
    pub fn payload_len(&self) -> usize {
        u16::from_be_bytes([self.fixed[4], self.fixed[5]]).into()
    }

    /// What follows the fixed header.
    pub fn next_header(&self) -> IpProtocol {
        IpProtocol(self.fixed[6])
    }

    /// Hop limit.
    pub fn hop_limit(&self) -> u8 {
        self.fixed[7]
    }

    /// Source address.
    pub fn src(&self) -> Ipv6Addr {
        self.address(8)
    }

    /// Destination address.
    pub fn dst(&self) -> Ipv6Addr {
        self.address(24)
    }

    fn address(&self, at: usize) -> Ipv6Addr {
        let octets = self.fixed.get(at..).and_then(|rest| rest.first_chunk::<16>());
        octets.map_or(Ipv6Addr::UNSPECIFIED, |octets| Ipv6Addr::from(*octets))
    }

    /// What follows the fixed header, extension headers included.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The extension headers in order, AH among them; ends before the upper layer, before the payload of a non-first
    /// fragment, or with an error.
    pub fn extensions(&self) -> Extensions<'a> {
        Extensions {
            next: self.next_header(),
            next_field: 6,
            at: 0,
            payload: self.payload,
            count: 0,
            done: false,
        }
    }

    /// What the packet carries. AH and ESP count as upper layers here: they are IPsec's business, and for a flow
    /// on the outside they are the protocol.
    pub fn upper_layer(&self) -> Result<UpperLayer<'a>, DecodeError> {
        let mut walk = self.extensions();
        let mut fragment = None;
        while walk.next != IpProtocol::AH {
            match walk.next() {
                None => break,
                Some(extension) => {
                    let extension = extension?;
                    fragment = extension.fragment().or(fragment);
                }
            }
        }
        Ok(UpperLayer {
            protocol: walk.next,
            next_header_at: walk.next_field,
            offset: HEADER_LEN + walk.at,
            payload: self.payload.get(walk.at..).unwrap_or_default(),
            fragment,
        })
    }
}

impl fmt::Debug for Ipv6<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ipv6({self})")
    }
}

/// `2001:db8::1 > 2001:db8::2: UDP hlim 64 len 72`.
impl fmt::Display for Ipv6<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}: {} hlim {}", self.src(), self.dst(), self.next_header(), self.hop_limit())?;
        write!(f, " len {}", self.payload_len())
    }
}

/// What lies after the extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpperLayer<'a> {
    /// What it is.
    pub protocol: IpProtocol,
    /// Where the field is that says so, in octets from the start of the packet.
    pub next_header_at: usize,
    /// Where it starts, in octets from the start of the packet.
    pub offset: usize,
    /// Its octets; for a fragment, its part of them.
    pub payload: &'a [u8],
    /// The fragment header before it, if there is one.
    pub fragment: Option<FragmentHeader>,
}

/// The contents of a fragment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentHeader {
    /// What the first fragment's payload is.
    pub next_header: IpProtocol,
    /// Where this fragment lies, in octets.
    pub offset: u16,
    /// True when others follow.
    pub more: bool,
    /// Common to the fragments of a packet.
    pub identification: u32,
}

impl FragmentHeader {
    /// The eight octets.
    pub fn to_bytes(&self) -> [u8; FRAGMENT_HEADER_LEN] {
        let [a, b] = (self.offset & !7 | u16::from(self.more)).to_be_bytes();
        let [c, d, e, f] = self.identification.to_be_bytes();
        [self.next_header.0, 0, a, b, c, d, e, f]
    }
}

/// One extension header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Which one.
    pub kind: IpProtocol,
    /// What follows it.
    pub next_header: IpProtocol,
    /// Where it starts, in octets from the start of the packet.
    pub offset: usize,
    /// Its octets.
    pub bytes: &'a [u8],
}

impl Extension<'_> {
    /// The contents, when this is a fragment header.
    pub fn fragment(&self) -> Option<FragmentHeader> {
        match (self.kind, self.bytes) {
            (IpProtocol::FRAGMENT, [next, _, a, b, c, d, e, f]) => {
                let word = u16::from_be_bytes([*a, *b]);
                Some(FragmentHeader {
                    next_header: IpProtocol(*next),
                    offset: word & !7,
                    more: word & 1 != 0,
                    identification: u32::from_be_bytes([*c, *d, *e, *f]),
                })
            }
            _ => None,
        }
    }
}

/// The walk along the extension headers.
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    next: IpProtocol,
    next_field: usize,
    at: usize,
    payload: &'a [u8],
    count: usize,
    done: bool,
}

impl<'a> Extensions<'a> {
    fn step(&mut self) -> Result<Option<Extension<'a>>, DecodeError> {
        let kind = self.next;
        let offset = HEADER_LEN + self.at;
        let rest = self.payload.get(self.at..).unwrap_or_default();
        let units = rest.get(1).map_or(0, |octet| usize::from(*octet));
        let length = match kind {
            IpProtocol::HOP_BY_HOP | IpProtocol::ROUTING | IpProtocol::DESTINATION_OPTIONS => (units + 1) * 8,
            IpProtocol::FRAGMENT => FRAGMENT_HEADER_LEN,
            // The one extension header that counts in four-octet units (RFC 4302 2.2).
            IpProtocol::AH => (units + 2) * 4,
            _ => return Ok(None),
        };
        if self.count == MAX_EXTENSIONS {
            let kind = DecodeErrorKind::TooMany { limit: MAX_EXTENSIONS };
            return Err(DecodeError::new("ipv6.extensions", offset, kind));
        }
        let truncated = DecodeErrorKind::Truncated { needed: length, available: rest.len() };
        let bytes = rest.get(..length).ok_or(DecodeError::new("ipv6.extension", offset, truncated))?;
        let next_header = bytes.first().map_or(IpProtocol::NO_NEXT_HEADER, |octet| IpProtocol(*octet));
        let extension = Extension { kind, next_header, offset, bytes };
        self.next = next_header;
        self.next_field = offset;
        self.at += length;
        self.count += 1;
        // What follows in a non-first fragment is the middle of something.
        self.done = extension.fragment().is_some_and(|fragment| fragment.offset != 0);
        Ok(Some(extension))
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = Result<Extension<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step();
        self.done |= !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}

/// The fields of a fixed header to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Header {
    /// Traffic class.
    pub traffic_class: u8,
    /// Flow label; its low 20 bits.
    pub flow_label: u32,
    /// What follows.
    pub next_header: IpProtocol,
    /// Hop limit.
    pub hop_limit: u8,
    /// Source address.
    pub src: Ipv6Addr,
    /// Destination address.
    pub dst: Ipv6Addr,
}

impl Ipv6Header {
    /// A header with hop limit 64.
    pub const fn new(src: Ipv6Addr, dst: Ipv6Addr, next_header: IpProtocol) -> Self {
        Ipv6Header { traffic_class: 0, flow_label: 0, next_header, hop_limit: 64, src, dst }
    }

    /// The header fields of a packet, to write them again with changes.
    pub fn of(packet: &Ipv6<'_>) -> Self {
        Ipv6Header {
            traffic_class: packet.traffic_class(),
            flow_label: packet.flow_label(),
            next_header: packet.next_header(),
            hop_limit: packet.hop_limit(),
            src: packet.src(),
            dst: packet.dst(),
        }
    }

    /// Writes the header of a packet with `payload_len` octets of payload over the start of `buffer`.
    ///
    /// Fails when the buffer is too short or the payload exceeds 65535 octets.
    pub fn write(&self, buffer: &mut [u8], payload_len: usize) -> Result<(), DecodeError> {
        let too_long = DecodeErrorKind::BadLength { length: payload_len };
        let length =
            u16::try_from(payload_len).map_err(|_| DecodeError::new("ipv6.payload_length", 4, too_long))?;
        let truncated = DecodeErrorKind::Truncated { needed: HEADER_LEN, available: buffer.len() };
        let fixed =
            buffer.first_chunk_mut::<HEADER_LEN>().ok_or(DecodeError::new("ipv6.header", 0, truncated))?;
        let word = 6 << 28 | u32::from(self.traffic_class) << 20 | self.flow_label & 0x000f_ffff;
        [fixed[0], fixed[1], fixed[2], fixed[3]] = word.to_be_bytes();
        [fixed[4], fixed[5]] = length.to_be_bytes();
        fixed[6] = self.next_header.0;
        fixed[7] = self.hop_limit;
        let addresses = self.src.octets().into_iter().chain(self.dst.octets());
        fixed.iter_mut().skip(8).zip(addresses).for_each(|(place, octet)| *place = octet);
        Ok(())
    }

    /// The whole packet.
    pub fn packet(&self, payload: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut packet = vec![0; HEADER_LEN];
        self.write(&mut packet, payload.len())?;
        packet.extend_from_slice(payload);
        Ok(packet)
    }
}

/// Changes to a fixed header in place.
#[derive(Debug)]
pub struct Ipv6Mut<'a> {
    packet: &'a mut [u8],
}

impl<'a> Ipv6Mut<'a> {
    /// Checks `packet` as [`Ipv6::decode`] does.
    pub fn new(packet: &'a mut [u8]) -> Result<Ipv6Mut<'a>, DecodeError> {
        Ipv6::decode(packet)?;
        Ok(Ipv6Mut { packet })
    }

    fn set<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        if let Some(field) = self.packet.get_mut(at..at.saturating_add(N)) {
            field.copy_from_slice(&value);
        }
    }

    /// Sets the traffic class.
    pub fn set_traffic_class(&mut self, class: u8) {
        let low = self.packet.get(1).map_or(0, |octet| octet & 0x0f);
        self.set(0, [0x60 | class >> 4, class << 4 | low]);
    }

    /// Sets the payload length, in octets.
    pub fn set_payload_len(&mut self, payload_len: u16) {
        self.set(4, payload_len.to_be_bytes());
    }

    /// Sets what follows the fixed header.
    pub fn set_next_header(&mut self, next_header: IpProtocol) {
        self.set(6, [next_header.0]);
    }

    /// Sets the next header field `at` octets from the start, as [`UpperLayer::next_header_at`] gives it.
    pub fn set_next_header_at(&mut self, at: usize, next_header: IpProtocol) {
        self.set(at, [next_header.0]);
    }

    /// Sets the hop limit.
    pub fn set_hop_limit(&mut self, hop_limit: u8) {
        self.set(7, [hop_limit]);
    }

    /// Sets the source address.
    pub fn set_src(&mut self, src: Ipv6Addr) {
        self.set(8, src.octets());
    }

    /// Sets the destination address.
    pub fn set_dst(&mut self, dst: Ipv6Addr) {
        self.set(24, dst.octets());
    }
}

#[cfg(test)]
mod tests;
