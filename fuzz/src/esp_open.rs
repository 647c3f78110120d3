//! ESP: any bytes into `open`, and an honest packet altered on its way.

use ipsec_core::Packet;
use ipsec_core::crypto::{Cipher, Mac};
use ipsec_core::esp::{Esp, OpenError};
use ipsec_core::ip::{IpInfo, protocol};

use crate::alter::{Alteration, normalised, octets};
use crate::bytes::Bytes;

/// The SPI of every SA here.
pub const SPI: u32 = 0x1001;

/// Suite, key and alteration from the first octets, a datagram from the rest.
pub fn body(data: &[u8]) {
    let mut b = Bytes::new(data);
    let cipher = *b.pick(&Cipher::ALL);
    let mac = *b.pick(&[None, Some(Mac::HmacMd5_96), Some(Mac::HmacSha1_96), Some(Mac::HmacSha256_128)]);
    let seed = b.u8();
    let mac_key = octets(seed, mac.map_or(0, Mac::key_len));
    let Ok(esp) = Esp::new(SPI, cipher, &octets(seed, cipher.key_len()), mac, &mac_key) else {
        return;
    };
    let alteration = Alteration::choose(&mut b);
    let sequence = u64::from(b.u32());
    let datagram = b.rest();

    let mut packet = Packet::from_slice(1, datagram);
    match esp.open(&mut packet) {
        // Without integrity the next header may be whatever garbage decrypts to; the inbound walk reads it again.
        Ok(_) => assert!(!esp.has_integrity() || IpInfo::parse(packet.bytes()).is_some(), "no datagram"),
        Err(OpenError::Integrity) => {
            assert!(datagram.starts_with(packet.bytes()), "a failure changes nothing")
        }
        Err(_) => {}
    }
    sealed_and_altered(&esp, datagram, sequence, &alteration);
}

fn sealed_and_altered(esp: &Esp, datagram: &[u8], sequence: u64, alteration: &Alteration) {
    let mut packet = Packet::from_slice(1, datagram);
    let iv = octets(0x33, esp.iv_len());
    if esp.seal(&mut packet, sequence, &iv).is_err() {
        assert_eq!(packet.bytes(), datagram, "what cannot be sealed stays as it is");
        return;
    }
    let original = IpInfo::parse(datagram).expect("only a datagram can be sealed");
    let sealed = packet.bytes().to_vec();
    let at = IpInfo::parse(&sealed).expect("a sealed packet is a datagram").upper.offset;
    let opened = esp.open(&mut packet);
    if original.transport.protocol == protocol::NONE {
        assert_eq!(opened, Err(OpenError::Dummy));
        return;
    }
    let opened = opened.expect("what was sealed opens");
    assert_eq!(u64::from(opened.sequence), sequence);
    assert_eq!(normalised(packet.bytes()), normalised(&datagram[..original.total_len]));

    let Some((altered, place)) = alteration.apply(&sealed) else { return };
    let mut packet = Packet::from_slice(1, &altered);
    let accepted = esp.open(&mut packet).is_ok();
    if accepted && esp.has_integrity() {
        // The IP header in front is not covered (RFC 4303 section 3.3.4); everything else is.
        assert!(place < at, "accepted with octet {place} altered, ESP begins at {at}");
        // An altered header length or extension moves what counts as payload, never what was covered.
        let covered = &datagram[original.transport.offset..original.total_len];
        assert!(packet.bytes().ends_with(covered), "an altered outer header altered the payload");
    }
}
