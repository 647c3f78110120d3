//! Encapsulating Security Payload (RFC 4303): keys and bytes in, bytes out. No policy, no state.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------------------------------------------------------+ ----
//! |               Security Parameters Index (SPI)                 | ^Int.
//! +---------------------------------------------------------------+ |Cov-
//! |                      Sequence Number                          | |ered
//! +---------------------------------------------------------------+ | ----
//! |                    IV, then Payload Data                      | |   ^
//! +               +-----------------------------------------------+ |   |Conf.
//! |               |     Padding (0-255 bytes)                     | |   |Cov-
//! +---------------+               +---------------+---------------+ |   |ered
//! |                               |  Pad Length   | Next Header   | v   v
//! +---------------------------------------------------------------+ ------
//! |         Integrity Check Value-ICV   (variable)                |
//! +---------------------------------------------------------------+
//! ```
//!
//! Tunnel mode is the same transformation behind an outer header that [`tunnel`](crate::tunnel) has put in front: the
//! next header is then 4 or 41.
//!
//! ```
//! use ipsec_core::crypto::{Cipher, Mac};
//! use ipsec_core::{Packet, esp::Esp};
//!
//! let esp = Esp::new(0x1234, Cipher::Aes128, &[7; 16], Some(Mac::HmacSha1_96), &[9; 20]).unwrap();
//! let datagram = [0x45, 0, 0, 22, 0, 1, 0, 0, 64, 17, 0x66, 0xd4, 10, 0, 0, 1, 10, 0, 0, 2, 0xaa, 0xbb];
//! let mut packet = Packet::from_slice(1, &datagram);
//! esp.seal(&mut packet, 1, &[5; 16]).unwrap();
//! assert_eq!(packet.bytes()[9], 50);
//! assert_eq!(esp.open(&mut packet).unwrap().sequence, 1);
//! assert_eq!(packet.bytes()[20..], [0xaa, 0xbb]);
//! ```

use core::{array, fmt};

use crate::crypto::{CbcLane, Cipher, CipherKey, KeyError, LANES, Mac, MacKey, Suite, equal};
use crate::ip::{IpInfo, protocol, read_u32, refresh_length, write};
use crate::packet::Packet;
use crate::wire::IpProtocol;
use crate::wire::esp::EspTrailer;
pub use crate::wire::esp::HEADER_LEN;

/// Why a packet could not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum SealError {
    /// Not a well-formed IP datagram.
    #[error("malformed IP datagram")]
    Malformed,
    /// IPsec headers cover whole datagrams, never fragments (RFC 4303 section 3.3.4, RFC 4302 section 3.3.4).
    #[error("a fragment")]
    Fragment,
    /// The IV has not the length the cipher takes.
    #[error("an IV of the wrong length")]
    Iv,
    /// The result would exceed 65,535 octets.
    #[error("too long for an IP datagram")]
    TooLong,
    /// Sequence numbers are used up: 2^32 - 1 packets, or 0 (RFC 4303 section 3.3.3).
    #[error("sequence numbers are used up")]
    SequenceExhausted,
}

/// Why a packet was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum OpenError {
    /// Not a well-formed IP datagram, or a fragment.
    #[error("malformed IP datagram")]
    Malformed,
    /// Too short for its own fields, or not a whole number of cipher blocks (RFC 4303 section 2).
    #[error("impossible length")]
    Length,
    /// The integrity check value is another (RFC 4303 section 3.4.4, RFC 4302 section 3.4.4).
    #[error("integrity check failed")]
    Integrity,
    /// The padding is not 1, 2, 3, … (RFC 4303 section 2.4), or longer than the payload.
    #[error("bad padding")]
    Padding,
    /// Next header 59: a dummy packet, to be discarded without protest (RFC 4303 section 2.6).
    #[error("dummy packet")]
    Dummy,
    /// Another SPI than the SA's.
    #[error("another SPI")]
    Spi,
}

/// What an opened packet said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The 32 bits of sequence number on the wire.
    pub sequence: u32,
    /// The protocol that is now behind the IP header; 4 or 41 for a tunnel.
    pub next_header: u8,
}

/// Keys and algorithms of one ESP security association.
#[derive(Clone)]
pub struct Esp {
    spi: u32,
    cipher: CipherKey,
    mac: Option<MacKey>,
    esn: bool,
}

impl Esp {
    /// An SA of these algorithms. Keys must have the lengths the algorithms take; weak keys are refused.
    pub fn new(
        spi: u32,
        cipher: Cipher,
        cipher_key: &[u8],
        mac: Option<Mac>,
        mac_key: &[u8],
    ) -> Result<Esp, KeyError> {
        let cipher = CipherKey::new(cipher, cipher_key)?;
        let mac = mac.map(|m| MacKey::new(m, mac_key)).transpose()?;
        Ok(Esp { spi, cipher, mac, esn: false })
    }

    /// With 64-bit extended sequence numbers, of which the wire carries the low half (RFC 4303 section 2.2.1).
    pub fn with_esn(self) -> Esp {
        Esp { esn: true, ..self }
    }

    /// The SPI it seals with.
    pub fn spi(&self) -> u32 {
        self.spi
    }

    /// Cipher and integrity algorithm.
    pub fn suite(&self) -> Suite {
        Suite::EncryptThenMac { cipher: self.cipher.cipher(), mac: self.mac.as_ref().map(MacKey::mac) }
    }

    /// Octets of IV in each packet.
    pub fn iv_len(&self) -> usize {
        self.cipher.cipher().iv_len()
    }

    /// Whether sequence numbers have 64 bits.
    pub fn esn(&self) -> bool {
        self.esn
    }

    /// Whether packets are authenticated; without, there is no anti-replay either (RFC 4303 section 3.4.3).
    pub fn has_integrity(&self) -> bool {
        self.mac.is_some()
    }

    fn icv_len(&self) -> usize {
        self.suite().icv_len()
    }

    /// Padding up to the cipher's block, and at least to 4 octets (RFC4303-2.4-03, RFC4303-2.4-04).
    fn trailer(&self, payload: usize, next_header: u8) -> EspTrailer {
        EspTrailer::for_payload(payload, self.cipher.cipher().block_len(), IpProtocol(next_header))
    }

    /// Octets that sealing adds to a datagram with `payload` octets behind the place of the ESP header.
    pub fn overhead(&self, payload: usize) -> usize {
        HEADER_LEN + self.iv_len() + self.trailer(payload, 0).len() + self.icv_len()
    }

    /// Seals everything behind the IP header (and behind the IPv6 extension headers that belong in front), in place.
    ///
    /// `sequence` is the packet's full number, from 1; `iv` has [`iv_len`](Self::iv_len) octets and must be unpredictable
    /// (RFC 3602 section 3). Allocates nothing while head- and tailroom suffice. On an error the packet is unchanged.
    pub fn seal(&self, packet: &mut Packet, sequence: u64, iv: &[u8]) -> Result<(), SealError> {
        let len = self.prepare(packet, sequence, iv)?;
        self.finish(tail(packet, len), sequence).ok_or(SealError::Malformed)
    }

    /// The first half of [`seal`](Self::seal): everything but encryption and ICV, for which there is room. Returns how many
    /// octets at the packet's end [`finish`](Self::finish) is about: from the SPI on.
    pub(crate) fn prepare(&self, packet: &mut Packet, sequence: u64, iv: &[u8]) -> Result<usize, SealError> {
        let info = IpInfo::parse(packet.bytes()).ok_or(SealError::Malformed)?;
        if info.fragment.is_some() {
            return Err(SealError::Fragment);
        }
        if iv.len() != self.iv_len() {
            return Err(SealError::Iv);
        }
        if sequence == 0 || (!self.esn && sequence > u64::from(u32::MAX)) {
            return Err(SealError::SequenceExhausted);
        }
        let at = info.transport.offset;
        let payload = info.total_len - at;
        let overhead = self.overhead(payload);
        if info.total_len + overhead > usize::from(u16::MAX) {
            return Err(SealError::TooLong);
        }
        // Octets behind the datagram (Ethernet padding) are not part of it.
        packet.truncate(info.total_len);
        let trailer = self.trailer(payload, info.transport.protocol);
        trailer.write(packet.push_back(trailer.len()));
        packet.push_back(self.icv_len());
        let header = packet.splice_front(at, 0, HEADER_LEN + iv.len()).ok_or(SealError::Malformed)?;
        write(header, 0, &self.spi.to_be_bytes());
        write(header, 4, &(sequence as u32).to_be_bytes());
        write(header, HEADER_LEN, iv);
        write(packet.bytes_mut(), info.transport.number_at, &[protocol::ESP]);
        if refresh_length(packet.bytes_mut()) { Ok(payload + overhead) } else { Err(SealError::TooLong) }
    }

    /// The second half: encrypts, and writes the ICV. `esp` is what [`prepare`](Self::prepare) has counted.
    pub(crate) fn finish(&self, esp: &mut [u8], sequence: u64) -> Option<()> {
        let (covered, icv) = esp.split_at_mut_checked(esp.len().checked_sub(self.icv_len())?)?;
        let (iv, data) = covered.get_mut(HEADER_LEN..)?.split_at_mut_checked(self.iv_len())?;
        self.cipher.encrypt_cbc_in_place(iv, data).ok()?;
        if let Some(mac) = &self.mac {
            icv.copy_from_slice(&mac.compute(&[covered, self.high(sequence).as_ref()]));
        }
        Some(())
    }

    /// [`finish`](Self::finish) for up to [`LANES`] packets side by side. Not for extended sequence numbers.
    pub(crate) fn finish_many(&self, packets: &mut [&mut [u8]]) -> Option<()> {
        let (iv_len, icv_len, count) = (self.iv_len(), self.icv_len(), packets.len());
        let mut lanes: [CbcLane<'_>; LANES] = array::from_fn(|_| CbcLane { iv: [0; 16], data: &mut [] });
        for (lane, esp) in lanes.iter_mut().zip(packets.iter_mut()) {
            let end = esp.len().checked_sub(icv_len)?;
            let (iv, data) = esp.get_mut(HEADER_LEN..end)?.split_at_mut_checked(iv_len)?;
            write(&mut lane.iv, 0, iv);
            lane.data = data;
        }
        self.cipher.encrypt_cbc_many(lanes.get_mut(..count)?).ok()?;
        let Some(mac) = &self.mac else { return Some(()) };
        let mut covered: [&[u8]; LANES] = [&[]; LANES];
        for (covered, esp) in covered.iter_mut().zip(packets.iter()) {
            *covered = esp.get(..esp.len() - icv_len)?;
        }
        let mut icvs = [None; LANES];
        mac.compute_many(covered.get(..count)?, |n, icv| {
            icvs.iter_mut().skip(n).take(1).for_each(|place| *place = Some(icv));
        });
        for (esp, icv) in packets.iter_mut().zip(icvs) {
            let at = esp.len() - icv_len;
            esp.get_mut(at..)?.copy_from_slice(&icv?);
        }
        Some(())
    }

    /// Whether the ICVs of these packets are right, side by side; `packets` begin with the SPI. Not for extended sequence
    /// numbers. A packet without room for an ICV has none that is right.
    pub(crate) fn verify_many(&self, packets: &[&[u8]], mut each: impl FnMut(usize, bool)) {
        let Some(mac) = &self.mac else { return };
        for (first, packets) in (0..).step_by(LANES).zip(packets.chunks(LANES)) {
            let mut covered: [&[u8]; LANES] = [&[]; LANES];
            let split = |esp: &'_ [u8]| esp.len().saturating_sub(self.icv_len());
            for (covered, esp) in covered.iter_mut().zip(packets) {
                *covered = esp.get(..split(esp)).unwrap_or_default();
            }
            mac.compute_many(covered.get(..packets.len()).unwrap_or_default(), |n, icv| {
                let found = packets.get(n).and_then(|esp| esp.get(split(esp)..)).unwrap_or_default();
                each(first + n, equal(&icv, found));
            });
        }
    }

    /// Opens a packet in place: integrity first, then decryption, then padding. The replay window is the caller's.
    ///
    /// After an integrity failure the packet is unchanged.
    pub fn open(&self, packet: &mut Packet) -> Result<Opened, OpenError> {
        self.open_numbered(packet, None)
    }

    /// As [`open`](Self::open), with the full sequence number that the receiver has inferred for an SA with extended
    /// sequence numbers (RFC 4303 appendix A2).
    pub fn open_numbered(&self, packet: &mut Packet, inferred: Option<u64>) -> Result<Opened, OpenError> {
        self.open_verified(packet, inferred, None)
    }

    /// As [`open_numbered`](Self::open_numbered), where it may be known already whether the ICV is right.
    pub(crate) fn open_verified(
        &self,
        packet: &mut Packet,
        inferred: Option<u64>,
        known: Option<bool>,
    ) -> Result<Opened, OpenError> {
        let info = IpInfo::parse(packet.bytes()).ok_or(OpenError::Malformed)?;
        if info.fragment.is_some() || info.upper.protocol != protocol::ESP {
            return Err(OpenError::Malformed);
        }
        let (at, iv_len, icv_len) = (info.upper.offset, self.iv_len(), self.icv_len());
        let body = info.total_len - at;
        let encrypted = body.checked_sub(HEADER_LEN + iv_len + icv_len).ok_or(OpenError::Length)?;
        let align = self.cipher.cipher().block_len().max(4);
        // RFC4303-2.4-03, RFC4303-2.4-04: cipher blocks, and a 4-octet boundary for the ICV.
        if encrypted < 2 || !encrypted.is_multiple_of(align) {
            return Err(OpenError::Length);
        }
        packet.truncate(info.total_len);
        let (spi, sequence) = header(packet.bytes(), at).ok_or(OpenError::Length)?;
        if spi != self.spi {
            return Err(OpenError::Spi);
        }
        let full = inferred.unwrap_or(u64::from(sequence));
        if let Some(mac) = &self.mac {
            // RFC4303-3.3.2.1-03, RFC4303-3.4.4.1-01: the ICV covers everything from the SPI to the next header.
            let (covered, icv) = packet
                .bytes()
                .get(at..)
                .and_then(|b| b.split_at_checked(body - icv_len))
                .ok_or(OpenError::Length)?;
            let wrong = || !mac.verify(&[covered, self.high(full).as_ref()], icv);
            if known.map_or_else(wrong, |right| !right) {
                return Err(OpenError::Integrity);
            }
        }
        packet.truncate(info.total_len - icv_len);
        let (iv, data) = packet
            .bytes_mut()
            .get_mut(at + HEADER_LEN..)
            .and_then(|b| b.split_at_mut_checked(iv_len))
            .ok_or(OpenError::Length)?;
        self.cipher.decrypt_cbc_in_place(iv, data).map_err(|_| OpenError::Length)?;
        // One reaction, whatever is wrong with the padding.
        let (_, trailer) = EspTrailer::decode(data).map_err(|_| OpenError::Padding)?;
        let next_header = trailer.next_header.0;
        if next_header == protocol::NONE {
            return Err(OpenError::Dummy);
        }
        packet.truncate(packet.len() - trailer.len());
        packet.splice_front(at, HEADER_LEN + iv_len, 0).ok_or(OpenError::Length)?;
        write(packet.bytes_mut(), info.upper.number_at, &[next_header]);
        if refresh_length(packet.bytes_mut()) {
            Ok(Opened { sequence, next_header })
        } else {
            Err(OpenError::Length)
        }
    }

    /// The high half of the number, which an SA with extended sequence numbers authenticates without sending it.
    fn high(&self, sequence: u64) -> High {
        High { octets: ((sequence >> 32) as u32).to_be_bytes(), present: self.esn }
    }
}

impl fmt::Debug for Esp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Esp({:#010x} {})", self.spi, self.suite())
    }
}

/// The last `len` octets of a packet.
pub(crate) fn tail(packet: &mut Packet, len: usize) -> &mut [u8] {
    let at = packet.len().saturating_sub(len);
    packet.bytes_mut().get_mut(at..).unwrap_or_default()
}

struct High {
    octets: [u8; 4],
    present: bool,
}

impl AsRef<[u8]> for High {
    fn as_ref(&self) -> &[u8] {
        if self.present { &self.octets } else { &[] }
    }
}

/// SPI and sequence number of the ESP header at `at`.
pub fn header(bytes: &[u8], at: usize) -> Option<(u32, u32)> {
    Some((read_u32(bytes, at)?, read_u32(bytes, at + 4)?))
}

#[cfg(test)]
mod tests;
