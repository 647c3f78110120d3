//! Ciphers, MACs and PRFs against the values of their RFCs.

use ipsec_core::Packet;
use ipsec_core::crypto::{Cipher, CipherKey, HashAlg, Mac, MacKey, prf};
use ipsec_core::esp::Esp;
use ipsec_vectors::{rfc, rsp};

/// Encrypts and decrypts every case of `cases`, and returns how many there were.
fn check_cbc<'a>(cipher: Cipher, cases: impl Iterator<Item = rsp::Case<'a>>) -> usize {
    cases
        .map(|case| {
            let (iv, plaintext) = (case.bytes("IV"), case.bytes("Plaintext"));
            let key = CipherKey::new(cipher, &case.bytes("Key")).unwrap();
            let mut data = plaintext.clone();
            key.encrypt_cbc_in_place(&iv, &mut data).unwrap();
            assert_eq!(data, case.bytes("Ciphertext"), "{case:?}");
            key.decrypt_cbc_in_place(&iv, &mut data).unwrap();
            assert_eq!(data, plaintext, "{case:?}");
        })
        .count()
}

#[test]
fn rfc_3602_aes_128_cbc() {
    assert_eq!(check_cbc(Cipher::Aes128, rsp::cases(rfc::RFC3602_AES_CBC).into_iter()), 8);
}

/// Packets 5 to 8 of RFC 3602: sealed with their IV, whole packets come out equal, IP header and checksum included.
#[test]
fn rfc_3602_esp_packets() {
    let packets = rsp::cases(rfc::RFC3602_AES_CBC).into_iter().filter(|case| case.get("Packet").is_some());
    let sealed = packets.map(|case| {
        let (inner, expected) = (case.bytes("Packet"), case.bytes("ESP_Packet"));
        let is_tunnel = case.bytes("Plaintext").starts_with(&inner);
        let number = |at: usize| u32::from_be_bytes(expected[at..at + 4].try_into().unwrap());
        let datagram = if is_tunnel { ip_in_ip(&expected[..20], &inner) } else { inner };
        let esp = Esp::new(number(20), Cipher::Aes128, &case.bytes("Key"), None, &[]).unwrap();
        let mut packet = Packet::from_slice(0, &datagram);
        esp.seal(&mut packet, u64::from(number(24)), &case.bytes("IV")).unwrap();
        assert_eq!(packet.bytes(), expected, "{case:?}");
        let opened = esp.open(&mut packet).unwrap();
        assert_eq!((opened.sequence, opened.next_header), (number(24), datagram[9]));
        assert_eq!(packet.bytes()[20..], datagram[20..]);
    });
    assert_eq!(sealed.count(), 4);
}

/// A packet behind the outer header of `sealed`, as it was before sealing: its length, and IP-in-IP as protocol.
fn ip_in_ip(sealed: &[u8], inner: &[u8]) -> Vec<u8> {
    let mut outer = sealed.to_vec();
    outer[2..4].copy_from_slice(&u16::try_from(20 + inner.len()).unwrap().to_be_bytes());
    outer[9] = 4;
    outer[10..12].fill(0);
    let checksum = internet_checksum::checksum(&outer);
    outer[10..12].copy_from_slice(&checksum);
    [&outer, inner].concat()
}

#[test]
fn sp_800_38a_aes_cbc() {
    let ciphers =
        [("CBC-AES128", Cipher::Aes128), ("CBC-AES192", Cipher::Aes192), ("CBC-AES256", Cipher::Aes256)];
    for (section, cipher) in ciphers {
        let cases = rsp::cases(rfc::SP800_38A_AES_CBC).into_iter();
        assert_eq!(check_cbc(cipher, cases.filter(|case| case.is_in(section))), 1);
    }
}

#[test]
fn des_and_3des_cbc() {
    for (section, cipher, count) in [("DES-CBC", Cipher::Des, 5), ("DES-EDE3-CBC", Cipher::TripleDes, 4)] {
        let cases = rsp::cases(rfc::DES_CBC).into_iter();
        assert_eq!(check_cbc(cipher, cases.filter(|case| case.is_in(section))), count);
    }
}

#[test]
fn rfc_2410_null() {
    for case in rsp::cases(rfc::RFC2410_NULL) {
        let mut data = case.bytes("Data");
        CipherKey::new(Cipher::Null, &[]).unwrap().encrypt_cbc_in_place(&[], &mut data).unwrap();
        assert_eq!(data, case.bytes("NULL_data"));
    }
}

#[test]
fn rfc_2202_hmac_and_its_truncation() {
    let algorithms =
        [("HMAC-MD5", HashAlg::Md5, Mac::HmacMd5_96), ("HMAC-SHA-1", HashAlg::Sha1, Mac::HmacSha1_96)];
    for (section, hash, mac) in algorithms {
        let (mut digests, mut icvs) = (0, 0);
        for case in rsp::cases(rfc::RFC2202_HMAC).into_iter().filter(|case| case.is_in(section)) {
            let (key, data, digest) = (case.bytes("Key"), case.bytes("Data"), case.bytes("Digest"));
            let (head, tail) = data.split_at(data.len() / 3);
            assert_eq!(*prf(hash, &key, &[head, tail]), *digest, "{case:?}");
            digests += 1;
            // RFC 2403 and RFC 2404 section 3 take keys of the hash's length only.
            if let Ok(key) = MacKey::new(mac, &key) {
                let icv = case.get("Digest-96").map_or(digest[..12].to_vec(), |_| case.bytes("Digest-96"));
                assert_eq!(*key.compute(&[head, tail]), *icv, "{case:?}");
                assert!(key.verify(&[&data], &icv));
                icvs += 1;
            }
        }
        assert_eq!((digests, icvs), (7, 3));
    }
}

#[test]
fn rfc_4868_hmac_sha2() {
    let algorithms = [
        ("PRF-HMAC-SHA-256", HashAlg::Sha256, 10),
        ("PRF-HMAC-SHA-384", HashAlg::Sha384, 10),
        ("PRF-HMAC-SHA-512", HashAlg::Sha512, 10),
    ];
    for (field, hash, count) in algorithms {
        let cases = rsp::cases(rfc::RFC4868_HMAC_SHA2).into_iter().filter(|case| case.get(field).is_some());
        let checked = cases.map(|case| {
            assert_eq!(
                *prf(hash, &case.bytes("Key"), &[&case.bytes("Data")]),
                *case.bytes(field),
                "{case:?}"
            );
        });
        assert_eq!(checked.count(), count, "{field}");
    }
}

#[test]
fn rfc_4868_hmac_sha_256_128() {
    let cases = rsp::cases(rfc::RFC4868_HMAC_SHA2).into_iter();
    let checked = cases.filter(|case| case.get("HMAC-SHA-256-128").is_some()).map(|case| {
        let key = MacKey::new(Mac::HmacSha256_128, &case.bytes("Key")).unwrap();
        assert_eq!(*key.compute(&[&case.bytes("Data")]), *case.bytes("HMAC-SHA-256-128"), "{case:?}");
    });
    assert_eq!(checked.count(), 4);
}
