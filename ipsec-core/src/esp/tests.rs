use super::*;
use crate::config::DfPolicy;
use crate::ip::NewHeader;
use crate::tunnel::{Outer, decapsulate, encapsulate};
use alloc::vec;
use alloc::vec::Vec;
use ipsec_vectors::{recorded, rfc, rsp};
use proptest::prelude::*;

/// A datagram with `payload` between two fixed addresses.
fn datagram(v4: bool, proto: u8, payload: &[u8]) -> Packet {
    let (source, destination) = if v4 { ("10.0.0.1", "10.0.0.2") } else { ("fd00::1", "fd00::2") };
    let header = NewHeader {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        protocol: proto,
        traffic_class: 0,
        ttl: 64,
        dont_fragment: true,
        ident: 77,
    };
    let mut bytes = vec![0; header.len()];
    bytes.extend_from_slice(payload);
    assert!(header.write(&mut bytes));
    Packet::from_slice(5, &bytes)
}

fn suites() -> Vec<Esp> {
    let mut all = Vec::new();
    for cipher in Cipher::ALL {
        for mac in [None, Some(Mac::HmacMd5_96), Some(Mac::HmacSha1_96), Some(Mac::HmacSha256_128)] {
            let key: Vec<u8> = (1..=cipher.key_len() as u8).collect();
            all.push(Esp::new(0x1000, cipher, &key, mac, &vec![9; mac.map_or(0, Mac::key_len)]).unwrap());
        }
    }
    all
}

#[test]
fn rfc_3602_packets() {
    // Section 4, cases 5 and 6 in transport mode, 7 and 8 in tunnel mode, whole packets with their IP headers.
    let mut seen = 0;
    for case in rsp::cases(rfc::RFC3602_AES_CBC) {
        if case.get("ESP_Packet").is_none() {
            continue;
        }
        let (original, expected) = (case.bytes("Packet"), case.bytes("ESP_Packet"));
        let (spi, sequence) = header(&expected, 20).unwrap();
        let esp = Esp::new(spi, Cipher::Aes128, &case.bytes("Key"), None, &[]).unwrap();
        let mut packet = Packet::from_slice(1, &original);
        let tunnelled = seen >= 2;
        if tunnelled {
            let info = IpInfo::parse(&original).unwrap();
            let ident = u16::from_be_bytes([expected[4], expected[5]]);
            let (local, remote) = (info.source, info.destination);
            encapsulate(&mut packet, &Outer { local, remote, ttl: 64, df: DfPolicy::Copy, ident }).unwrap();
        }
        esp.seal(&mut packet, sequence.into(), &case.bytes("IV")).unwrap();
        assert_eq!(packet.bytes(), expected);
        let opened = esp.open(&mut packet).unwrap();
        assert_eq!(opened.next_header, if tunnelled { 4 } else { 1 });
        if tunnelled {
            decapsulate(&mut packet).unwrap();
        }
        assert_eq!(packet.bytes(), original);
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn recorded_packets_open_and_reseal_identically() {
    for recording in recorded::ALL {
        let (cipher, mac) = match recording.name {
            "kb816514-3des-md5-modp1024-des-md5" => (Cipher::Des, Mac::HmacMd5_96),
            _ => (Cipher::TripleDes, Mac::HmacSha1_96),
        };
        let secrets = recording.initiator();
        let sides = ["initiator", "responder"];
        let keys: Vec<_> = sides
            .iter()
            .flat_map(|side| {
                let of = |what: &str| secrets[&alloc::format!("{what} {side} key")].clone();
                of("encryption").into_iter().zip(of("integrity"))
            })
            .collect();
        let mut count = 0;
        for d in recording.datagrams() {
            // ESP in UDP: port 4500 and no non-ESP marker.
            if d.destination.1 != 4500 || d.payload.len() < 8 || d.payload[..4] == [0; 4] {
                continue;
            }
            let header = NewHeader {
                source: d.source.0.into(),
                destination: d.destination.0.into(),
                protocol: protocol::ESP,
                traffic_class: 0,
                ttl: 64,
                dont_fragment: false,
                ident: 0,
            };
            let mut bytes = vec![0; 20];
            bytes.extend_from_slice(&d.payload);
            assert!(header.write(&mut bytes));
            let (spi, sequence) = super::header(&bytes, 20).unwrap();
            let opened: Vec<_> = keys
                .iter()
                .filter_map(|(ck, mk)| {
                    let esp = Esp::new(spi, cipher, ck, Some(mac), mk).unwrap();
                    let mut packet = Packet::from_slice(1, &bytes);
                    esp.open(&mut packet).ok().map(|_| (esp, packet))
                })
                .collect();
            let [(esp, packet)] = opened.as_slice() else { panic!("{} keys fit", opened.len()) };
            let mut again = packet.clone();
            esp.seal(&mut again, sequence.into(), &bytes[28..28 + esp.iv_len()]).unwrap();
            assert_eq!(again.bytes(), bytes);
            let mut inner = packet.clone();
            decapsulate(&mut inner).expect("tunnel mode");
            assert_eq!(inner.bytes()[9], protocol::ICMP);
            count += 1;
        }
        assert!(count >= 10, "{}: {count}", recording.name);
    }
}

#[test]
fn lengths_follow_the_rfc() {
    // RFC 4303 section 2.4: (payload + padding + 2) fills blocks, and 4 octets with NULL.
    for esp in suites() {
        for v4 in [true, false] {
            for len in 0..40 {
                let mut packet = datagram(v4, 17, &vec![3; len]);
                let before = packet.clone();
                esp.seal(&mut packet, 7, &[1; 16][..esp.iv_len()]).unwrap();
                assert_eq!(packet.len(), before.len() + esp.overhead(len));
                let block = esp.cipher.cipher().block_len().max(4);
                let at = if v4 { 20 } else { 40 };
                assert!((packet.len() - at - 8 - esp.iv_len() - esp.icv_len()).is_multiple_of(block));
                assert_eq!(esp.open(&mut packet).unwrap(), Opened { sequence: 7, next_header: 17 });
                assert_eq!(packet.bytes(), before.bytes());
            }
        }
    }
}

#[test]
fn ethernet_padding_is_not_sealed() {
    let esp = &suites()[1];
    let mut packet = datagram(true, 17, &[1; 4]);
    let clean = packet.clone();
    packet.push_back(22);
    esp.seal(&mut packet, 1, &[]).unwrap();
    packet.push_back(9);
    esp.open(&mut packet).unwrap();
    assert_eq!(packet.bytes(), clean.bytes());
}

/// A NULL-encrypted packet with this trailer, sealed correctly otherwise.
fn with_plaintext(plaintext: &[u8]) -> (Esp, Packet) {
    let esp = Esp::new(256, Cipher::Null, &[], Some(Mac::HmacSha1_96), &[1; 20]).unwrap();
    let mut body = vec![0, 0, 1, 0, 0, 0, 0, 1];
    body.extend_from_slice(plaintext);
    let icv = MacKey::new(Mac::HmacSha1_96, &[1; 20]).unwrap().compute(&[&body]);
    body.extend_from_slice(&icv);
    (esp, datagram(true, protocol::ESP, &body))
}

#[test]
fn trailers_are_judged_after_the_icv() {
    let open = |plaintext: &[u8]| {
        let (esp, mut packet) = with_plaintext(plaintext);
        esp.open(&mut packet).map(|_| packet.bytes()[20..].to_vec())
    };
    assert_eq!(open(&[8, 8, 1, 2, 3, 4, 4, 17]), Ok(vec![8, 8]));
    assert_eq!(open(&[8, 8, 1, 2, 3, 4, 4, 17, 1, 2, 2, 17]), Ok(vec![8, 8, 1, 2, 3, 4, 4, 17]));
    assert_eq!(open(&[8, 8, 1, 2, 1, 3, 2, 17]), Err(OpenError::Padding));
    // More padding than there is room for.
    assert_eq!(open(&[8, 8, 9, 17]), Err(OpenError::Padding));
    // RFC 4303 section 2.6: a dummy packet.
    assert_eq!(open(&[8, 8, 0, 59]), Err(OpenError::Dummy));
    assert_eq!(open(&[8, 8, 0]), Err(OpenError::Length));
    assert_eq!(open(&[]), Err(OpenError::Length));
}

#[test]
fn refusals() {
    let esp = Esp::new(256, Cipher::Aes128, &[1; 16], Some(Mac::HmacSha1_96), &[2; 20]).unwrap();
    let mut packet = datagram(true, 17, &[0; 8]);
    let before = packet.clone();
    assert_eq!(esp.seal(&mut packet, 1, &[0; 8]), Err(SealError::Iv));
    assert_eq!(esp.seal(&mut packet, 0, &[0; 16]), Err(SealError::SequenceExhausted));
    assert_eq!(esp.seal(&mut packet, 1 << 32, &[0; 16]), Err(SealError::SequenceExhausted));
    assert_eq!(packet, before);
    let mut fragment = before.clone();
    fragment.bytes_mut()[6] = 0x20;
    assert_eq!(esp.seal(&mut fragment, 1, &[0; 16]), Err(SealError::Fragment));
    let mut huge = datagram(true, 17, &vec![0; 65_500]);
    assert_eq!(esp.seal(&mut huge, 1, &[0; 16]), Err(SealError::TooLong));
    esp.seal(&mut packet, 1, &[0; 16]).unwrap();
    let other = Esp::new(257, Cipher::Aes128, &[1; 16], Some(Mac::HmacSha1_96), &[2; 20]).unwrap();
    assert_eq!(other.open(&mut packet), Err(OpenError::Spi));
}

#[test]
fn extended_numbers_authenticate_their_high_half() {
    let esp = Esp::new(256, Cipher::Aes128, &[1; 16], Some(Mac::HmacSha1_96), &[2; 20]).unwrap().with_esn();
    let mut packet = datagram(false, 17, &[0; 8]);
    esp.seal(&mut packet, (5 << 32) + 3, &[0; 16]).unwrap();
    assert_eq!(esp.open_numbered(&mut packet, Some((4 << 32) + 3)), Err(OpenError::Integrity));
    assert_eq!(esp.open_numbered(&mut packet, Some((5 << 32) + 3)).unwrap().sequence, 3);
}

proptest! {
    /// RFC 4303 section 3.3.2: the ICV covers all of ESP, so no octet of it can change unnoticed.
    #[test]
    fn any_octet_of_esp_flipped_is_noticed(
        which in 0usize..28, v4: bool, payload in prop::collection::vec(any::<u8>(), 0..80), at: usize, bit in 0u8..8,
    ) {
        let esp = &suites()[which];
        prop_assume!(esp.has_integrity());
        let mut packet = datagram(v4, 17, &payload);
        esp.seal(&mut packet, 9, &[7; 16][..esp.iv_len()]).unwrap();
        let front = if v4 { 20 } else { 40 };
        let at = front + at % (packet.len() - front);
        packet.bytes_mut()[at] ^= 1 << bit;
        prop_assert!(esp.open(&mut packet).is_err());
    }

    #[test]
    fn arbitrary_packets_do_not_panic(which in 0usize..28, v4: bool, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let esp = &suites()[which];
        let _ = esp.open(&mut Packet::from_slice(0, &bytes));
        let _ = esp.open(&mut datagram(v4, protocol::ESP, &bytes));
        let _ = esp.seal(&mut Packet::from_slice(0, &bytes), 1, &[7; 16][..esp.iv_len()]);
    }
}
