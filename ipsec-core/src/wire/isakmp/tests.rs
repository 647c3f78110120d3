//! Against recorded messages, and against everything else.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use hmac::{Hmac, KeyInit, Mac};
use ipsec_vectors::recorded;
use proptest::prelude::*;

use super::*;
use crate::wire::ikev1::*;
use crate::wire::samples::*;
use crate::wire::{DecodeError, DecodeErrorKind, Writer};

mod broken;
mod properties;

/// The ISAKMP message inside an IPv4 packet without options.
fn message(packet: &[u8]) -> &[u8] {
    &packet[28..]
}

/// The chain of a decrypted sample.
fn chain(first: PayloadType, plaintext: &[u8]) -> Chain {
    decode_chain(first, plaintext).unwrap().0
}

#[test]
fn decodes_captured_main_mode() {
    let first = Message::decode(message(MAIN_MODE_1)).unwrap();
    assert_eq!(first.header.cky_i.to_string(), "e739e922038760b8");
    assert!(first.header.cky_r.is_zero());
    assert_eq!(first.header.exchange_type, ExchangeType::MAIN_MODE);
    assert_eq!((first.header.flags, first.header.message_id, first.header.length), (Flags::NONE, 0, 176));
    assert_eq!(
        first.to_string(),
        "isakmp main mode I cookie e739e922038760b8->0000000000000000 [SA VID VID VID VID VID]"
    );
    assert_eq!(
        first.payloads[0].to_string(),
        "SA #1 PROTO_ISAKMP (#1 KEY_IKE Encryption-Algorithm=3DES-CBC Hash-Algorithm=MD5 \
         Group-Description=MODP-1024 Authentication-Method=pre-shared key Life-Type=seconds Life-Duration=15840)"
    );

    let fourth = Message::decode(message(MAIN_MODE_4)).unwrap();
    let [Payload::KeyExchange(ke), Payload::Nonce(nonce), Payload::CertificateRequest(request), ..] =
        fourth.payloads.as_slice()
    else {
        panic!("{fourth}");
    };
    assert_eq!((ke.data.len(), nonce.data.len()), (128, 32));
    assert_eq!(request.encoding, CertificateEncoding::X509_SIGNATURE);
    // A DER name: SEQUENCE of SET of commonName "Test Root CA".
    assert!(request.authority.starts_with(&[0x30, 0x17]) && request.authority.ends_with(b"Test Root CA"));
    assert!(fourth.to_string().ends_with("[KE NONCE CR NAT-D NAT-D]"));
}

#[test]
fn every_recorded_clear_message_encodes_to_its_bytes() {
    let mut count = 0;
    for recording in recorded::ALL {
        for datagram in recording.datagrams() {
            let bytes = match (datagram.source.1, datagram.payload.as_slice()) {
                (500, bytes) | (_, [0, 0, 0, 0, bytes @ ..]) => bytes,
                _ => continue,
            };
            let (header, body) = split(bytes).unwrap();
            header.check().unwrap();
            if !header.flags.is_encrypted() {
                assert_eq!(Message::decode(bytes).unwrap().encode(), bytes, "{}", recording.name);
                count += 1;
            }
            let mut w = Writer::new();
            header.encode(&mut w);
            w.bytes(body);
            assert_eq!(w.as_bytes(), bytes);
        }
    }
    // Two phase 1 exchanges each: four clear messages in main mode, two or three in aggressive mode.
    assert!(count >= 28, "{count}");
}

#[test]
fn decodes_captured_quick_mode() {
    let (chain, consumed) = decode_chain(PayloadType::HASH, QUICK_MODE_1).unwrap();
    assert_eq!(consumed, 136);
    assert_eq!(QUICK_MODE_1[consumed..], [0; 8]);
    assert_eq!(chain.to_string(), "[HASH SA NONCE ID ID]");
    assert_eq!(
        chain.sa().unwrap().to_string(),
        "SA #1 PROTO_IPSEC_ESP spi b93f68b9 (#1 ESP_DES Authentication-Algorithm=HMAC-MD5 \
         Encapsulation-Mode=UDP-Encapsulated-Tunnel Life-Type=seconds Life-Duration=3960)"
    );
    let ids: Vec<_> = chain.identifications().map(ToString::to_string).collect();
    assert_eq!(ids, ["ID 10.1.0.0/16", "ID 10.2.0.0/16"]);
    assert_eq!(encode_chain(chain.payloads()), (PayloadType::HASH, QUICK_MODE_1[..consumed].to_vec()));
}

/// HASH(1) = prf(SKEYID_a, M-ID | SA | Ni | IDci | IDcr), with the key that the daemon logged (RFC 2409 5.5).
#[test]
fn received_bytes_are_those_that_the_hash_covers() {
    let chain = chain(PayloadType::HASH, QUICK_MODE_1);
    let skeyid_a = &recorded::KB816514.initiator()["SKEYID_a"][0];
    let mut prf = Hmac::<md5::Md5>::new_from_slice(skeyid_a).unwrap();
    prf.update(&0x8530_36dc_u32.to_be_bytes());
    prf.update(chain.from(1));
    assert_eq!(prf.finalize().into_bytes().as_slice(), chain.hash().unwrap().data);
    // And SAi_b is the body of the SA payload: HASH_I covers it as its log shows.
    let (header, body) = split(message(MAIN_MODE_1)).unwrap();
    let first = decode_chain(header.next_payload, body).unwrap().0;
    let hash_i_data = &recorded::KB816514.initiator()["HASH_I data"][0];
    let sa = first.body_of(PayloadType::SA).unwrap();
    assert!(hash_i_data.windows(sa.len()).any(|window| window == sa));
}

#[test]
fn chains_keep_their_bytes() {
    for (first, plaintext, length) in CHAINS {
        let (chain, consumed) = decode_chain(PayloadType(first), plaintext).unwrap();
        assert_eq!(consumed, length);
        assert_eq!(chain.bytes(), &plaintext[..length]);
        let joined: Vec<u8> = (0..chain.len()).flat_map(|index| chain.raw(index).to_vec()).collect();
        assert_eq!(joined, chain.bytes());
        for index in 0..chain.len() {
            assert_eq!(chain.body(index), chain.get(index).unwrap().to_body());
        }
        assert_eq!(
            (chain.from(chain.len()), chain.body(99), chain.raw(usize::MAX)),
            (&[][..], &[][..], &[][..])
        );
    }
}

#[test]
fn decodes_captured_informational() {
    let chain_of = |plaintext| chain(PayloadType::HASH, plaintext);
    let there = chain_of(R_U_THERE);
    let notification = there.notification().unwrap();
    assert_eq!(notification.notify_type, NotifyType::R_U_THERE);
    assert_eq!(notification.protocol, ProtocolId::ISAKMP);
    assert_eq!(notification.spi.len(), 16);
    assert_eq!(notification.data, 0x079b_371e_u32.to_be_bytes());

    let esp = chain_of(DELETE_ESP);
    assert_eq!(*esp.delete().unwrap(), Delete::ipsec(ProtocolId::ESP, &[0xb93f_68b9]));
    assert_eq!(esp.delete().unwrap().spis_u32().collect::<Vec<_>>(), [0xb93f_68b9]);

    let isakmp = chain_of(DELETE_ISAKMP);
    let (cky_i, cky_r) = isakmp.delete().unwrap().cookies().next().unwrap();
    assert_eq!(
        (cky_i.to_string().as_str(), cky_r.to_string().as_str()),
        ("e739e922038760b8", "9dedf56536afa625")
    );
    assert_eq!(*isakmp.delete().unwrap(), Delete::isakmp(cky_i, cky_r));
}

#[test]
fn keeps_unknown() {
    let payloads: Vec<Payload> = [129_u8, 132, 17, 200]
        .map(|number| Payload::Other { payload_type: PayloadType(number), body: vec![number; 5] })
        .to_vec();
    let header = Header::new(Cookie([1; 8]), Cookie([2; 8]), ExchangeType(99), Flags::COMMIT, 7);
    let bytes = Message { header, payloads: payloads.clone() }.encode();
    let again = Message::decode(&bytes).unwrap();
    assert_eq!(again.payloads, payloads);
    assert_eq!(again.header.exchange_type, ExchangeType(99));
    assert_eq!(
        again.to_string(),
        "isakmp 99 cookie 0101010101010101->0202020202020202 id 00000007 C [GSS FRAG 17 200]"
    );
}

#[test]
fn raw_payloads_write_what_they_are_told() {
    let mut raw = RawPayload::chain(chain(PayloadType::HASH, QUICK_MODE_1).payloads());
    assert_eq!(encode_raw_chain(&raw), QUICK_MODE_1[..136]);
    assert_eq!(decode_raw_chain(PayloadType::HASH, QUICK_MODE_1), Ok((raw.clone(), 136)));
    raw[1].reserved = 0x55;
    raw[2].length = 3;
    let bytes = encode_raw_chain(&raw);
    assert_eq!((bytes[21], &bytes[70..72]), (0x55, [0, 3].as_slice()));
    assert!(decode_raw_chain(PayloadType::HASH, &bytes).is_err());
}
