//! Authentication Header (RFC 4302): keys and bytes in, bytes out. No policy, no state.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Next Header   |  Payload Len  |          RESERVED             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                 Security Parameters Index (SPI)               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                    Sequence Number Field                      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                Integrity Check Value-ICV (variable)           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! The ICV also covers the IP header in front, with the fields that routers change set to zero ([`immutable`]).

use alloc::vec::Vec;
use core::fmt;

use crate::crypto::{Icv, KeyError, Mac, MacKey, Suite};
use crate::esp::{OpenError, Opened, SealError};
use crate::ip::{IpInfo, protocol, read_u32, refresh_length, write};
use crate::packet::Packet;
use crate::wire::IpProtocol;

/// Octets in front of the ICV.
pub const FIXED_LEN: usize = 12;

/// Headers up to this length are copied to the stack while the ICV is computed, longer IPv6 chains to the heap.
const STACK: usize = 256;

/// Key and algorithm of one AH security association.
#[derive(Clone)]
pub struct Ah {
    spi: u32,
    mac: MacKey,
}

impl Ah {
    /// An SA with this key, which must have the length the algorithm takes.
    pub fn new(spi: u32, mac: Mac, mac_key: &[u8]) -> Result<Ah, KeyError> {
        Ok(Ah { spi, mac: MacKey::new(mac, mac_key)? })
    }

    /// The SPI it seals with.
    pub fn spi(&self) -> u32 {
        self.spi
    }

    /// The integrity algorithm.
    pub fn suite(&self) -> Suite {
        Suite::IntegrityOnly(self.mac.mac())
    }

    /// Octets of the whole header: a multiple of 4 over IPv4, of 8 over IPv6 (RFC 4302 section 3.3.3.2.1).
    pub fn header_len(&self, v4: bool) -> usize {
        (FIXED_LEN + self.mac.mac().icv_len()).next_multiple_of(if v4 { 4 } else { 8 })
    }

    /// Inserts an AH behind the IP header (and the IPv6 extension headers that belong in front), in place.
    ///
    /// `sequence` counts from 1. On an error the packet is unchanged.
    pub fn seal(&self, packet: &mut Packet, sequence: u64) -> Result<(), SealError> {
        let info = without_atomic_fragment(packet).ok_or(SealError::Malformed)?;
        if info.fragment.is_some() {
            // RFC4302-3.3.4-01: only whole datagrams.
            return Err(SealError::Fragment);
        }
        let Some(number) = u32::try_from(sequence).ok().filter(|n| *n > 0) else {
            return Err(SealError::SequenceExhausted);
        };
        let len = self.header_len(info.is_v4());
        if info.total_len + len > usize::from(u16::MAX) {
            return Err(SealError::TooLong);
        }
        packet.truncate(info.total_len);
        let at = info.transport.offset;
        let header = packet.splice_front(at, 0, len).ok_or(SealError::Malformed)?;
        // RFC4302-2.2-01: length in 32-bit words, minus 2 (also over IPv6).
        write(header, 0, &[info.transport.protocol, (len / 4 - 2) as u8]);
        write(header, 4, &self.spi.to_be_bytes());
        write(header, 8, &number.to_be_bytes());
        write(packet.bytes_mut(), info.transport.number_at, &[protocol::AH]);
        if !refresh_length(packet.bytes_mut()) {
            return Err(SealError::TooLong);
        }
        let icv = self.icv(packet.bytes(), at).ok_or(SealError::Malformed)?;
        write(packet.bytes_mut(), at + FIXED_LEN, &icv);
        Ok(())
    }

    /// Checks the ICV and takes the AH out, in place. The replay window is the caller's. On a failure the packet is
    /// unchanged.
    pub fn open(&self, packet: &mut Packet) -> Result<Opened, OpenError> {
        let info = without_atomic_fragment(packet).ok_or(OpenError::Malformed)?;
        if info.fragment.is_some() || info.upper.protocol != protocol::AH {
            return Err(OpenError::Malformed);
        }
        packet.truncate(info.total_len);
        let at = info.upper.offset;
        let bytes = packet.bytes();
        let (spi, sequence) = header(bytes, at).ok_or(OpenError::Length)?;
        if spi != self.spi {
            return Err(OpenError::Spi);
        }
        // The algorithm and the family fix the length; another one would shift what the ICV covers.
        let len = self.header_len(info.is_v4());
        let claimed = bytes.get(at + 1).map_or(0, |n| (usize::from(*n) + 2) * 4);
        if claimed != len || info.total_len < at + len {
            return Err(OpenError::Length);
        }
        let next_header = *bytes.get(at).ok_or(OpenError::Length)?;
        let computed = self.icv(bytes, at).ok_or(OpenError::Malformed)?;
        let received = bytes.get(at + FIXED_LEN..at + FIXED_LEN + computed.len()).ok_or(OpenError::Length)?;
        if !crate::crypto::equal(&computed, received) {
            return Err(OpenError::Integrity);
        }
        packet.splice_front(at, len, 0).ok_or(OpenError::Length)?;
        write(packet.bytes_mut(), info.upper.number_at, &[next_header]);
        if refresh_length(packet.bytes_mut()) {
            Ok(Opened { sequence, next_header })
        } else {
            Err(OpenError::Length)
        }
    }

    /// The ICV of the datagram `bytes` whose AH begins at `at` (RFC 4302 section 3.3.3): the headers in front with mutable
    /// fields zeroed, the AH with a zero ICV, its explicit padding, and everything behind.
    fn icv(&self, bytes: &[u8], at: usize) -> Option<Icv> {
        let (front, rest) = bytes.split_at_checked(at)?;
        let (fixed, rest) = rest.split_at_checked(FIXED_LEN)?;
        let icv_len = self.mac.mac().icv_len();
        let behind = rest.get(icv_len..)?;
        let zeros = [0u8; Icv::MAX];
        let mut stack = [0u8; STACK];
        let mut heap = Vec::new();
        let copy = match stack.get_mut(..front.len()) {
            Some(room) => room,
            None => {
                heap.resize(front.len(), 0);
                heap.as_mut_slice()
            }
        };
        copy.copy_from_slice(front);
        immutable(copy)?;
        Some(self.mac.compute(&[copy, fixed, zeros.get(..icv_len)?, behind]))
    }
}

impl fmt::Debug for Ah {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ah({:#010x} {})", self.spi, self.suite())
    }
}

/// SPI and sequence number of the AH at `at`.
pub fn header(bytes: &[u8], at: usize) -> Option<(u32, u32)> {
    Some((read_u32(bytes, at + 4)?, read_u32(bytes, at + 8)?))
}

/// Reads the IP header, after taking out fragment headers that say "first and last": the ICV is that of the datagram
/// without it, and the Next Header before it follows (RFC4302-A-04, RFC4302-A-05).
fn without_atomic_fragment(packet: &mut Packet) -> Option<IpInfo> {
    loop {
        let info = IpInfo::parse(packet.bytes())?;
        let Some(atomic) = info.atomic else { return Some(info) };
        packet.splice_front(atomic.offset, 8, 0)?;
        write(packet.bytes_mut(), atomic.number_at, &[atomic.protocol]);
        packet.truncate(info.total_len.checked_sub(8)?);
        if !refresh_length(packet.bytes_mut()) {
            return None;
        }
    }
}

/// Turns the headers in front of an AH into what the ICV covers: mutable fields are zero, predictable ones as they will be
/// on arrival (RFC 4302 section 3.3.3.1 and appendix A). `None` when they are malformed.
pub fn immutable(headers: &mut [u8]) -> Option<()> {
    match headers.first()? >> 4 {
        4 => immutable_v4(headers),
        6 => immutable_v6(headers),
        _ => None,
    }
}

fn immutable_v4(headers: &mut [u8]) -> Option<()> {
    // RFC4302-3.3.3.1.1.1-02: TOS, flags, fragment offset, TTL and checksum.
    for mutable in [1, 6, 7, 8, 10, 11] {
        *headers.get_mut(mutable)? = 0;
    }
    let mut at = 20;
    while let Some(kind) = headers.get(at).copied() {
        let len = match kind {
            // End of options: what follows is padding.
            0 => break,
            1 => {
                at += 1;
                continue;
            }
            _ => usize::from(*headers.get(at + 1)?),
        };
        let option = headers.get(at..at.checked_add(len)?).filter(|o| o.len() >= 2)?;
        // Loose (131) and strict (137) source routes: the destination on arrival is the last one.
        if matches!(kind, 131 | 137) {
            let pending = option.get(2).is_some_and(|pointer| usize::from(*pointer) <= len);
            let last = option.get(3..)?.last_chunk::<4>().copied();
            if let (true, Some(last)) = (pending, last) {
                write(headers, 16, &last);
            }
        }
        // Appendix A1: immutable are security, extended and commercial security, router alert, multi-destination.
        if !matches!(kind, 130 | 133 | 134 | 148 | 149) {
            headers.get_mut(at..at + len)?.fill(0);
        }
        at += len;
    }
    Some(())
}

/// IPv6 extension headers with parts that change on the way.
const HOP_BY_HOP: u8 = IpProtocol::HOP_BY_HOP.0;
const ROUTING: u8 = IpProtocol::ROUTING.0;
const DESTINATION: u8 = IpProtocol::DESTINATION_OPTIONS.0;

fn immutable_v6(headers: &mut [u8]) -> Option<()> {
    // RFC4302-3.3.3.1.2.1-01: class, flow label and hop limit.
    write(headers, 0, &[0x60, 0, 0, 0]);
    *headers.get_mut(7)? = 0;
    let mut next = *headers.get(6)?;
    let mut at = 40;
    while at < headers.len() {
        let len = match next {
            protocol::FRAGMENT => 8,
            _ => 8 + 8 * usize::from(*headers.get(at + 1)?),
        };
        headers.get(at..at + len)?;
        match next {
            HOP_BY_HOP | DESTINATION => zero_mutable_options(headers.get_mut(at..at + len)?)?,
            ROUTING => arrive(headers, at, len)?,
            // Something unknown: covered as it is.
            _ => {}
        }
        next = *headers.get(at)?;
        at += len;
    }
    Some(())
}

/// RFC4302-3.3.3.1.2.2-01: the data of options whose type has the "may change" bit (0x20) counts as zero.
fn zero_mutable_options(header: &mut [u8]) -> Option<()> {
    let mut at = 2;
    while let Some(kind) = header.get(at).copied() {
        if kind == 0 {
            at += 1;
            continue;
        }
        let len = usize::from(*header.get(at + 1)?);
        let data = header.get_mut(at + 2..at + 2 + len)?;
        if kind & 0x20 != 0 {
            data.fill(0);
        }
        at += 2 + len;
    }
    Some(())
}

/// A type 0 routing header as it will be on arrival: each remaining hop swaps destination and address (RFC 8200's
/// predecessor RFC 2460 section 4.4; RFC 4302 section 3.3.3.1.2.3).
fn arrive(headers: &mut [u8], at: usize, len: usize) -> Option<()> {
    let (kind, left) = (*headers.get(at + 2)?, usize::from(*headers.get(at + 3)?));
    if kind != 0 {
        return Some(());
    }
    let count = (len - 8) / 16;
    for hop in count.checked_sub(left)?..count {
        let slot = at + 8 + 16 * hop;
        let address: [u8; 16] = *headers.get(slot..)?.first_chunk()?;
        let destination: [u8; 16] = *headers.get(24..)?.first_chunk()?;
        write(headers, 24, &address);
        write(headers, slot, &destination);
    }
    headers.get_mut(at + 3).map(|left| *left = 0)
}

#[cfg(test)]
mod tests;
