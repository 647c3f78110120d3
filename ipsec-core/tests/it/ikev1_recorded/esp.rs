//! ESP packets: verified, opened and sealed again, with the HMAC and the ciphers alone, and as a whole where we have the suite.

use super::message::{Proposal, aes};
use ipsec_core::Packet;
use ipsec_core::crypto::{Cipher, CipherKey, HashAlg, Mac, Secret, prf};
use ipsec_core::esp::{Esp, OpenError};
use std::fmt;
use std::net::Ipv4Addr;

/// What a quick mode agreed on for ESP (RFC 2407 sections 4.4.4 and 4.5).
#[derive(Clone, Copy, Debug)]
pub(super) struct EspSuite {
    pub(super) cipher: Cipher,
    /// With the length of the ICV.
    pub(super) mac: Option<(HashAlg, usize)>,
    pub(super) tunnel: bool,
}

impl EspSuite {
    /// `None` when we have no such cipher or MAC.
    pub(super) fn read(chosen: &Proposal) -> Option<Self> {
        let value = |kind| chosen.attributes.get(&kind).copied();
        let cipher = match chosen.transform_id {
            2 => Cipher::Des,
            3 => Cipher::TripleDes,
            11 => Cipher::Null,
            12 => aes(value(6)),
            _ => return None,
        };
        let mac = match value(5) {
            None => None,
            Some(1) => Some((HashAlg::Md5, 12)),
            Some(2) => Some((HashAlg::Sha1, 12)),
            // RFC 4868 section 2.3: half of the output.
            Some(5) => Some((HashAlg::Sha256, 16)),
            Some(6) => Some((HashAlg::Sha384, 24)),
            Some(7) => Some((HashAlg::Sha512, 32)),
            Some(_) => return None,
        };
        // Encapsulation modes: 1 and 2, and in UDP 3 and 4 (RFC 3947 section 5.1), 61443 and 61444 (the draft).
        let tunnel = !matches!(value(4), Some(2 | 4 | 61_444));
        Some(EspSuite { cipher, mac, tunnel })
    }

    pub(super) fn encryption_len(self) -> usize {
        self.cipher.key_len()
    }

    /// The key of an HMAC is as long as its output (RFC 2403, RFC 2404, RFC 4868).
    pub(super) fn integrity_len(self) -> usize {
        self.mac.map_or(0, |(hash, _)| hash.output_len())
    }

    /// The MAC, where the product has it.
    fn product_mac(self) -> Option<Option<Mac>> {
        match self.mac {
            None => Some(None),
            Some((hash, _)) => Mac::ALL.into_iter().find(|mac| mac.hash() == hash).map(Some),
        }
    }
}

impl fmt::Display for EspSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ESP {}", self.cipher)?;
        if let Some((hash, _)) = self.mac {
            write!(f, " HMAC-{hash}")?;
        }
        f.write_str(if self.tunnel { " tunnel" } else { " transport" })
    }
}

/// One direction.
#[derive(Clone, Debug)]
pub(super) struct EspSa {
    pub(super) suite: EspSuite,
    pub(super) encryption: Secret,
    pub(super) integrity: Secret,
}

impl EspSa {
    /// Opens a packet and seals it again, in both ways.
    pub(super) fn replay(&self, packet: &[u8], source: Ipv4Addr, destination: Ipv4Addr) {
        let (next_header, inner) = self.by_hand(packet);
        let Some(mac) = self.suite.product_mac() else { return };
        let spi = u32::from_be_bytes(packet[..4].try_into().unwrap());
        let esp = Esp::new(spi, self.suite.cipher, &self.encryption, mac, &self.integrity).unwrap();
        let mut datagram = Packet::from_slice(0, &ipv4(source, destination, packet));
        let opened = esp.open(&mut datagram).unwrap();
        assert_eq!((opened.next_header, &datagram.bytes()[20..]), (next_header, inner.as_slice()));
        let iv = &packet[8..8 + self.suite.cipher.iv_len()];
        esp.seal(&mut datagram, u64::from(opened.sequence), iv).unwrap();
        assert_eq!(&datagram.bytes()[20..], packet);
        if mac.is_some() {
            let mut forged = ipv4(source, destination, packet);
            *forged.last_mut().unwrap() ^= 1;
            assert_eq!(esp.open(&mut Packet::from_slice(0, &forged)), Err(OpenError::Integrity));
        }
    }

    /// SPI, sequence number, IV, ciphertext, ICV (RFC 4303 section 2): verified, decrypted, and sealed again. Returns
    /// the next header and what is inside.
    fn by_hand(&self, packet: &[u8]) -> (u8, Vec<u8>) {
        let icv_len = self.suite.mac.map_or(0, |(_, len)| len);
        let (covered, icv) = packet.split_at(packet.len() - icv_len);
        if let Some((hash, _)) = self.suite.mac {
            assert_eq!(prf(hash, &self.integrity, &[covered])[..icv_len], *icv, "the ICV of an ESP packet");
        }
        let key = CipherKey::new(self.suite.cipher, &self.encryption).unwrap();
        let (header, ciphertext) = covered.split_at(8 + self.suite.cipher.iv_len());
        let mut data = ciphertext.to_vec();
        key.decrypt_cbc_in_place(&header[8..], &mut data).unwrap();
        let [.., pad_len, next_header] = data[..] else { panic!("too short") };
        let (inner, padding) = data[..data.len() - 2].split_at(data.len() - 2 - usize::from(pad_len));
        assert!(padding.iter().copied().eq(1..=pad_len), "padding counts 1, 2, 3, …");
        if self.suite.tunnel {
            assert_eq!((next_header, inner[0] >> 4), (4, 4), "an IPv4 packet in a tunnel");
            assert_eq!(usize::from(u16::from_be_bytes([inner[2], inner[3]])), inner.len());
        }
        let inner = inner.to_vec();
        key.encrypt_cbc_in_place(&header[8..], &mut data).unwrap();
        assert_eq!([header, &data].concat(), covered);
        (next_header, inner)
    }
}

/// An ESP packet behind an IPv4 header of its own.
fn ipv4(source: Ipv4Addr, destination: Ipv4Addr, esp: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(20 + esp.len()).unwrap().to_be_bytes();
    let mut header = vec![0x45, 0, high, low, 0, 0, 0, 0, 64, 50, 0, 0];
    header.extend([source.octets(), destination.octets()].concat());
    let checksum = internet_checksum::checksum(&header);
    header[10..12].copy_from_slice(&checksum);
    [&header, esp].concat()
}
