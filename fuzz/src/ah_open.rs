//! AH: any bytes into `open`, and an honest packet altered on its way.

use ipsec_core::Packet;
use ipsec_core::ah::Ah;
use ipsec_core::crypto::Mac;
use ipsec_core::esp::OpenError;
use ipsec_core::ip::IpInfo;

use crate::alter::{Alteration, normalised, octets, whole};
use crate::bytes::Bytes;

/// The SPI of every SA here.
pub const SPI: u32 = 0x2002;

/// Algorithm, key and alteration from the first octets, a datagram from the rest.
pub fn body(data: &[u8]) {
    let mut b = Bytes::new(data);
    let mac = *b.pick(&[Mac::HmacMd5_96, Mac::HmacSha1_96, Mac::HmacSha256_128]);
    let ah = Ah::new(SPI, mac, &octets(b.u8(), mac.key_len())).expect("a key of the right length");
    let alteration = Alteration::choose(&mut b);
    let sequence = u64::from(b.u32());
    let datagram = b.rest();

    let mut packet = Packet::from_slice(1, datagram);
    match ah.open(&mut packet) {
        Ok(_) => assert!(IpInfo::parse(packet.bytes()).is_some(), "what opens is a datagram"),
        Err(OpenError::Integrity) => {
            assert!(whole(datagram).starts_with(packet.bytes()), "a failure changes nothing")
        }
        Err(_) => {}
    }
    sealed_and_altered(&ah, datagram, sequence, &alteration);
}

fn sealed_and_altered(ah: &Ah, datagram: &[u8], sequence: u64, alteration: &Alteration) {
    let mut packet = Packet::from_slice(1, datagram);
    if ah.seal(&mut packet, sequence).is_err() {
        return;
    }
    let datagram = &whole(datagram);
    let original = IpInfo::parse(datagram).expect("only a datagram can be sealed");
    let sealed = packet.bytes().to_vec();
    let opened = ah.open(&mut packet).expect("what was sealed opens");
    assert_eq!(u64::from(opened.sequence), sequence);
    assert_eq!(normalised(packet.bytes()), normalised(&datagram[..original.total_len]));

    let Some((altered, place)) = alteration.apply(&sealed) else { return };
    let mut packet = Packet::from_slice(1, &altered);
    if ah.open(&mut packet).is_ok() {
        assert!(matches!(alteration, Alteration::Flip { .. }), "another length was accepted");
        assert!(may_change(&sealed, place), "accepted with octet {place} altered");
    }
}

/// Whether routers may change this octet (RFC 4302 sections 3.3.3.1.1 and 3.3.3.1.2). Options and extension headers have
/// octets of both kinds, and are not judged here.
fn may_change(sealed: &[u8], place: usize) -> bool {
    let info = IpInfo::parse(sealed).expect("a sealed packet is a datagram");
    let extended = info.upper.offset > if info.is_v4() { 20 } else { 40 };
    match (info.is_v4(), place) {
        // On a source route with hops to come, the destination counts as it will be at the end (RFC 4302 appendix A).
        (true, 16..20) | (false, 24..40) if extended => true,
        // Type of service, flags and offset, time to live, checksum; for IPv6 class, flow label and hop limit.
        (true, 0..20) => matches!(place, 1 | 6 | 7 | 8 | 10 | 11),
        (false, 0..40) => matches!(place, 0..=3 | 7),
        (_, place) => place < info.upper.offset,
    }
}
