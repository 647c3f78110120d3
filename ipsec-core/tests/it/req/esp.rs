//! RFC 2406 and RFC 4303: the Encapsulating Security Payload.

use super::ah::{below, window};
use super::node::*;
use ipsec_core::crypto::{Cipher, CipherKey, Mac, MacKey};
use ipsec_core::esp::{Esp, OpenError};
use ipsec_core::ip::IpInfo;
use ipsec_core::sad::IpsecProtocol;
use ipsec_core::spd::EspTransform;
use ipsec_core::{Command, DropReason, Event, Packet};

const NULL_SHA1: EspTransform = EspTransform { cipher: Cipher::Null, mac: Some(Mac::HmacSha1_96) };

fn manual(esp: EspTransform) -> Manual {
    Manual { esp, ..Manual::tunnel(&[IpsecProtocol::Esp]) }
}

/// An ESP packet from gateway 1 to gateway 2 with NULL encryption and this plaintext, sealed by hand.
fn by_hand(number: u32, plaintext: &[u8]) -> Vec<u8> {
    let mut body = 0x1001_u32.to_be_bytes().to_vec();
    body.extend(number.to_be_bytes());
    body.extend(plaintext);
    let key = MacKey::new(Mac::HmacSha1_96, &Manual::mac_key(Mac::HmacSha1_96, 1)).unwrap();
    body.extend(key.compute(&[&body]).to_vec());
    datagram(header(outer(1), outer(2), ESP), &body)
}

/// An inner packet, `padding` octets 1, 2, 3, …, pad length, next header.
fn trailed(inner: &[u8], padding: u8, next: u8) -> Vec<u8> {
    [inner, &(1..=padding).collect::<Vec<_>>(), &[padding, next]].concat()
}

/// Section 2 field by field, decrypted and verified apart from the product's ESP.
#[test]
fn every_field_of_a_sent_packet() {
    for (tunnel, next) in [(true, 4), (false, UDP)] {
        let manual = Manual { tunnel, ..manual(AES_SHA1) };
        let manual = if tunnel { manual } else { Manual { selector: ends(1), ..manual } };
        let (mut a, mut b) = manual.pair();
        let cipher = CipherKey::new(Cipher::Aes128, &manual.esp_key(1)).unwrap();
        let mac = MacKey::new(Mac::HmacSha1_96, &Manual::mac_key(Mac::HmacSha1_96, 1)).unwrap();
        for number in 1..=20_u8 {
            let len = usize::from(number);
            let original = if tunnel { request(len) } else { udp(outer(1), outer(2), (4000, 7), len) };
            let packet = a.seal(&original);
            assert_eq!((packet[0], packet[9]), (0x45, ESP));
            let esp = &packet[20..];
            assert_eq!(esp[..8], [0, 0, 0x10, 0x01, 0, 0, 0, number]);
            let (covered, icv) = esp.split_at(esp.len() - 12);
            assert_eq!(*mac.compute(&[covered]), *icv);
            let (iv, ciphertext) = covered[8..].split_at(16);
            assert_eq!((ciphertext.len() % 16, esp.len() % 4), (0, 0));
            // Neither addresses nor ports nor data can be seen.
            assert!(!packet[20..].windows(8).any(|w| original.windows(8).any(|o| o == w)));
            let mut plain = ciphertext.to_vec();
            cipher.decrypt_cbc_in_place(iv, &mut plain).unwrap();
            let [.., pad_len, next_header] = plain[..] else { unreachable!() };
            let (inner, padding) = plain[..plain.len() - 2].split_at(plain.len() - 2 - usize::from(pad_len));
            assert_eq!((inner, next_header), (&original[if tunnel { 0 } else { 20 }..], next));
            assert!(padding.iter().copied().eq(1..=pad_len) && pad_len < 16);
            assert_eq!(b.inbound(&packet), [original]);
        }
    }
}

/// Section 2.3: what is inside begins on a boundary of 8 octets, which serves IPv4 and IPv6.
#[test]
fn the_inner_header_is_aligned() {
    for cipher in Cipher::ALL {
        assert_eq!((8 + cipher.iv_len()) % 8, 0, "{cipher}");
    }
}

#[test]
fn packets_of_another_format_are_dropped() {
    for esp in [AES_SHA1, NULL_SHA1] {
        let (mut a, mut b) = manual(esp).pair();
        let packet = a.seal(&request(40));
        // Truncated everywhere: within the SPI, within the header, without an ICV, unaligned.
        for len in 20..packet.len() {
            let mut short = packet[..len].to_vec();
            short[2..4].copy_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
            b.refused(&fix(short));
        }
        for spi in [0_u32, 0x2001] {
            let mut other = packet.clone();
            other[20..24].copy_from_slice(&spi.to_be_bytes());
            assert_eq!(b.refused(&other), DropReason::UnknownSpi(spi));
        }
        // To another address of ours; and as AH with the SPI of the ESP SA.
        let mut elsewhere = packet.clone();
        elsewhere[19] = 102;
        assert_eq!(b.refused(&fix(elsewhere)), DropReason::UnknownSpi(0x1001));
        let mut ah = packet.clone();
        ah[9] = AH;
        ah[24..28].copy_from_slice(&0x1001_u32.to_be_bytes());
        assert_eq!(b.refused(&fix(ah)), DropReason::UnknownSpi(0x1001));
        assert_eq!(b.inbound(&packet).len(), 1);
    }
    // A ciphertext that is no whole number of words or blocks, under a right ICV.
    let (_, mut b) = manual(NULL_SHA1).pair();
    let inner = request(4);
    for extra in [1, 2, 3] {
        let plaintext = trailed(&[&inner[..], &vec![0; extra]].concat(), 2, 4);
        assert!(matches!(b.refused(&by_hand(1, &plaintext)), DropReason::BadLength(_)));
    }
}

#[test]
fn each_octet_of_padding_is_taken() {
    let (_, mut b) = manual(NULL_SHA1).pair();
    let mut number = 0;
    for len in 0..4 {
        let inner = request(len);
        for padding in 0..=255_u8 {
            if !(inner.len() + usize::from(padding) + 2).is_multiple_of(4) {
                continue;
            }
            number += 1;
            assert_eq!(
                b.inbound(&by_hand(number, &trailed(&inner, padding, 4))),
                std::slice::from_ref(&inner)
            );
        }
    }
    assert_eq!(number, 4 * 64);
    // More padding than there is payload, and padding that does not count from one.
    let inner = request(4);
    let mut wrong = trailed(&inner, 6, 4);
    let at = wrong.len() - 2;
    wrong[at] = 255;
    assert!(matches!(b.refused(&by_hand(1000, &wrong)), DropReason::BadPadding(_)));
    wrong[at] = 6;
    wrong[at - 1] ^= 1;
    assert!(matches!(b.refused(&by_hand(1001, &wrong)), DropReason::BadPadding(_)));
}

/// Section 2.6: next header 59 is dropped, and its number is spent.
#[test]
fn dummy_packets_are_dropped_in_silence() {
    let (_, mut b) = manual(NULL_SHA1).pair();
    let dummy = by_hand(5, &trailed(&[0x5a; 40], 2, 59));
    assert!(matches!(b.refused(&dummy), DropReason::Dummy(_)));
    assert!(matches!(b.refused(&dummy), DropReason::Replayed(_)));
    assert_eq!(b.inbound(&by_hand(6, &trailed(&request(4), 2, 4))).len(), 1);
}

/// Section 2.7: what follows the inner datagram inside the tunnel is not delivered.
#[test]
fn traffic_flow_confidentiality_padding_is_cut() {
    let (_, mut b) = manual(NULL_SHA1).pair();
    let inner = request(4);
    let padded = [&inner[..], &[0x77; 64]].concat();
    assert_eq!(b.inbound(&by_hand(1, &trailed(&padded, 2, 4))), [inner]);
}

/// Section 2.7: this sender adds none, so no length inside is changed by it.
#[test]
fn nothing_is_added_to_the_inner_packet() {
    for len in 0..64 {
        let (mut a, _) = manual(NULL_SHA1).pair();
        let original = request(len);
        let packet = a.seal(&original);
        assert_eq!(packet[28..28 + original.len()], original);
        assert!(packet.len() - 28 - original.len() <= 3 + 2 + 12);
    }
}

/// Section 3.2.1: no packet needs another one to be opened.
#[test]
fn lost_and_reordered_packets() {
    let (mut a, mut b) = manual(AES_SHA1).pair();
    let originals: Vec<_> = (0..12).map(request).collect();
    let packets: Vec<_> = originals.iter().map(|packet| a.seal(packet)).collect();
    for n in [11, 3, 7, 0, 9] {
        assert_eq!(b.inbound(&packets[n]), [originals[n].clone()]);
    }
}

#[test]
fn the_window_of_esp() {
    window(IpsecProtocol::Esp);
}

#[test]
fn fragmentation_is_below_esp() {
    below(IpsecProtocol::Esp);
}

/// Section 3.3.4: a fragment passes inside the tunnel as any packet does.
#[test]
fn inner_fragments_pass_the_tunnel() {
    let (mut a, mut b) = manual(AES_SHA1).pair();
    let whole = Packet::from_slice(1, &request(1400));
    let fragments = ipsec_core::fragment::fragment(whole, 576, 0).unwrap();
    assert_eq!(fragments.len(), 3);
    for fragment in fragments {
        let packet = a.seal(fragment.bytes());
        assert!(IpInfo::parse(&packet).unwrap().fragment.is_none());
        assert_eq!(b.inbound(&packet), [fragment.bytes()]);
    }
}

/// Section 3.3.4 and RFC 4301 section 4.1: transport mode takes whole datagrams only.
#[test]
fn transport_mode_never_covers_a_fragment() {
    for protocol in [IpsecProtocol::Esp, IpsecProtocol::Ah] {
        let (mut a, _) = Manual::transport(&[protocol]).pair();
        let whole = Packet::from_slice(1, &udp(outer(1), outer(2), (4000, 7), 1000));
        for fragment in ipsec_core::fragment::fragment(whole, 576, 0).unwrap() {
            assert_eq!(a.outbound(fragment.bytes()), Vec::<Vec<u8>>::new());
        }
    }
}

/// Section 3.4.4.1: with a bad ICV nothing of what is inside has any effect, readable as it is.
#[test]
fn nothing_reacts_to_what_is_not_authentic() {
    let (mut a, mut b) = manual(NULL_SHA1).pair();
    let packet = a.seal(&request(40));
    for at in 20..packet.len() {
        // `refused` also says that no packet leaves in answer.
        b.refused(&flipped(&packet, at, 0x10));
    }
    assert_eq!(b.inbound(&packet).len(), 1);
}

/// Section 3.2: encryption and integrity are not both left out.
#[test]
fn null_without_integrity_makes_no_sa() {
    let none = EspTransform { cipher: Cipher::Null, mac: None };
    let mut node = Setup::tunnel(1).offers(vec![esp_offer(Cipher::Null, None)]).node();
    node.command(Command::Install(manual(none).bundle(1, 1)));
    assert!(matches!(node.events[..], [Event::InstallFailed { .. }]));
}

/// Section 3.4.3: without integrity, a forged high number hinders nobody.
#[test]
fn without_integrity_no_number_is_refused() {
    let esp = EspTransform { cipher: Cipher::Aes128, mac: None };
    let (mut a, mut b) = manual(esp).pair();
    let packets: Vec<_> = (0..3).map(|_| a.seal(&request(8))).collect();
    let mut forged = packets[0].clone();
    forged[24..28].copy_from_slice(&0xffff_0000_u32.to_be_bytes());
    b.inbound(&forged);
    for packet in &packets {
        assert_eq!(b.inbound(packet).len(), 1);
    }
    assert_eq!(b.inbound(&packets[1]).len(), 1);
}

/// Section 2.2.1: without extended sequence numbers nothing but the 32 bits on the wire enters the ICV; with them the high
/// half does, and is not sent.
#[test]
fn the_high_half_is_authenticated_and_not_sent() {
    let esp = |esn: bool| {
        let esp = Esp::new(0x1001, Cipher::Null, &[], Some(Mac::HmacSha1_96), &[1; 20]).unwrap();
        if esn { esp.with_esn() } else { esp }
    };
    let mut packet = Packet::from_slice(1, &request(8));
    esp(true).seal(&mut packet, (7 << 32) + 5, &[]).unwrap();
    let bytes = packet.bytes().to_vec();
    assert_eq!(bytes[24..28], [0, 0, 0, 5]);
    let key = MacKey::new(Mac::HmacSha1_96, &[1; 20]).unwrap();
    let (covered, icv) = bytes[20..].split_at(bytes.len() - 20 - 12);
    assert_eq!(*key.compute(&[covered, &[0, 0, 0, 7]]), *icv);
    assert_eq!(esp(false).open(&mut packet.clone()), Err(OpenError::Integrity));
    assert!(esp(true).open_numbered(&mut packet, Some((7 << 32) + 5)).is_ok());
}
