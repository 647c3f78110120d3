//! What an attacker on the path does to one packet.

use ipsec_core::ip::IpInfo;

use crate::bytes::Bytes;

/// One change to a packet.
#[derive(Clone, Debug)]
pub enum Alteration {
    /// Bits of one octet turn over.
    Flip {
        /// Which octet, modulo the packet's length.
        at: usize,
        /// Which bits; never none.
        bits: u8,
    },
    /// The last octets are cut off, and the IP length with them.
    Truncate {
        /// How many, at least one.
        octets: usize,
    },
    /// Octets are added, and the IP length with them.
    Extend {
        /// How many, at least one.
        octets: usize,
    },
}

impl Alteration {
    /// Four octets of choice.
    pub fn choose(b: &mut Bytes<'_>) -> Self {
        let (kind, at, bits) = (b.u8(), usize::from(b.u16()), b.u8());
        match kind % 4 {
            0 | 1 => Alteration::Flip { at, bits: bits.max(1) },
            2 => Alteration::Truncate { octets: at % 64 + 1 },
            _ => Alteration::Extend { octets: at % 64 + 1 },
        }
    }

    /// The altered IP datagram, and the first octet behind the IP length field that differs or is missing. `None` when
    /// there is not enough packet.
    pub fn apply(&self, packet: &[u8]) -> Option<(Vec<u8>, usize)> {
        let mut altered = packet.to_vec();
        let place = match *self {
            Alteration::Flip { at, bits } => {
                let at = at % packet.len().max(1);
                *altered.get_mut(at)? ^= bits;
                return Some((altered, at));
            }
            Alteration::Truncate { octets } => packet.len().checked_sub(octets)?,
            Alteration::Extend { .. } => packet.len(),
        };
        match *self {
            Alteration::Extend { octets } => altered.resize(packet.len() + octets, 0),
            _ => altered.truncate(place),
        }
        let v4 = altered.first()? >> 4 == 4;
        let (at, length) = if v4 { (2, altered.len()) } else { (4, altered.len().checked_sub(40)?) };
        let length = u16::try_from(length).ok()?;
        altered.get_mut(at..at + 2)?.copy_from_slice(&length.to_be_bytes());
        Some((altered, place))
    }
}

/// `len` octets of key or IV that depend on `seed`.
pub fn octets(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i as u8).wrapping_mul(37).wrapping_add(seed)).collect()
}

/// A datagram without the IPv6 fragment headers that say "first and last": AH takes them out (RFC 6946).
pub fn whole(datagram: &[u8]) -> Vec<u8> {
    let mut whole = datagram.to_vec();
    while let Some(IpInfo { atomic: Some(place), total_len, .. }) = IpInfo::parse(&whole) {
        whole.truncate(total_len);
        whole[place.number_at] = whole[place.offset];
        whole.drain(place.offset..place.offset + 8);
        let payload = (whole.len() - 40) as u16;
        whole[4..6].copy_from_slice(&payload.to_be_bytes());
    }
    whole
}

/// A datagram without its IPv4 header checksum, which the datapath computes anew.
pub fn normalised(datagram: &[u8]) -> Vec<u8> {
    let mut copy = datagram.to_vec();
    if copy.first().is_some_and(|b| b >> 4 == 4) {
        copy[10..12].fill(0);
    }
    copy
}
