use super::*;
use alloc::{format, vec, vec::Vec};
use hex_literal::hex;
use proptest::prelude::*;

#[test]
fn weak_and_semi_weak_des_keys_are_refused() {
    // FIPS 74 with odd parity, as it is printed everywhere.
    let keys = [
        hex!("0101010101010101"),
        hex!("1f1f1f1f0e0e0e0e"),
        hex!("e0e0e0e0f1f1f1f1"),
        hex!("fefefefefefefefe"),
        hex!("01fe01fe01fe01fe"),
        hex!("1fe01fe00ef10ef1"),
        hex!("01e001e001f101f1"),
        hex!("1ffe1ffe0efe0efe"),
        hex!("011f011f010e010e"),
        hex!("e0fee0fef1fef1fe"),
        hex!("fe01fe01fe01fe01"),
        hex!("e01fe01ff10ef10e"),
        hex!("e001e001f101f101"),
        hex!("fe1ffe1ffe0efe0e"),
        hex!("1f011f010e010e01"),
        hex!("fee0fee0fef1fef1"),
    ];
    for key in keys {
        assert!(is_weak(Cipher::Des, &key));
        assert!(is_weak(Cipher::Des, &key.map(|byte| byte ^ 1)), "parity does not count");
        assert!(!is_weak(Cipher::Des, &key.map(|byte| byte ^ 2)));
        assert_eq!(CipherKey::new(Cipher::Des, &key).unwrap_err(), KeyError::Weak);
    }
}

/// What makes a weak key weak: encrypting twice is the identity.
#[test]
fn weak_keys_are_their_own_inverse() {
    for weak in WEAK_DES.iter().take(4) {
        let key = CipherKey::new_unchecked(Cipher::Des, &weak.to_be_bytes()).unwrap();
        let mut block = *b"8 bytes.";
        key.encrypt_cbc_in_place(&[0; 8], &mut block).unwrap();
        key.encrypt_cbc_in_place(&[0; 8], &mut block).unwrap();
        assert_eq!(block, *b"8 bytes.");
    }
}

/// What makes a pair semi-weak: one key of the pair decrypts what the other encrypts.
#[test]
fn semi_weak_keys_undo_each_other() {
    for key in WEAK_DES.iter().skip(4) {
        let undone = WEAK_DES.iter().skip(4).filter(|other| {
            let mut block = *b"8 bytes.";
            for k in [key, other] {
                let key = CipherKey::new_unchecked(Cipher::Des, &k.to_be_bytes()).unwrap();
                key.encrypt_cbc_in_place(&[0; 8], &mut block).unwrap();
            }
            block == *b"8 bytes."
        });
        assert_eq!(undone.count(), 1);
    }
}

#[test]
fn triple_des_that_is_single_des_is_refused() {
    let (a, b, c) = (hex!("0123456789abcdef"), hex!("23456789abcdef01"), hex!("456789abcdef0123"));
    let weak = |k: [[u8; 8]; 3]| is_weak(Cipher::TripleDes, &k.concat());
    assert!(!weak([a, b, c]));
    assert!(!weak([a, b, a]), "two-key 3DES is not named by RFC 2451 section 2.3");
    assert!(weak([a, a, c]) && weak([a, b, b]) && weak([a, a, a]));
    assert!(weak([a, a.map(|byte| byte ^ 1), c]), "parity does not count");
    assert!(!weak([a, b, [1; 8]]), "RFC 2451 section 2.3 sees no need to reject weak parts");
}

#[test]
fn forty_bit_des_uses_forty_bits() {
    let encrypt = |key: &[u8]| {
        let mut block = [7; 8];
        CipherKey::new(Cipher::Des40, key).unwrap().encrypt_cbc_in_place(&[0; 8], &mut block).unwrap();
        block
    };
    let key = hex!("0123456789abcdef");
    let mut reduced = [7; 8];
    let des = CipherKey::new(Cipher::Des, &hex!("0000056789abcdef")).unwrap();
    des.encrypt_cbc_in_place(&[0; 8], &mut reduced).unwrap();
    assert_eq!(encrypt(&key), reduced);
    let matters = (0..64).filter(|bit| {
        let mut other = key;
        other[bit / 8] ^= 1 << (bit % 8);
        encrypt(&other) != encrypt(&key)
    });
    assert_eq!(matters.count(), 40);
}

#[test]
fn wrong_lengths_are_refused_and_change_nothing() {
    for cipher in Cipher::ALL {
        let long = vec![0x5a; cipher.key_len() + 1];
        let error = KeyError::Length { expected: cipher.key_len(), got: long.len() };
        assert_eq!(CipherKey::new(cipher, &long).unwrap_err(), error);
    }
    let key = CipherKey::new(Cipher::Aes128, &[3; 16]).unwrap();
    let mut data = [9; 17];
    assert_eq!(key.encrypt_cbc_in_place(&[0; 16], &mut data), Err(BlockError::Data { len: 17, block: 16 }));
    assert_eq!(key.decrypt_cbc_in_place(&[0; 8], &mut data), Err(BlockError::Iv { expected: 16, got: 8 }));
    assert_eq!(data, [9; 17]);
}

#[test]
fn debug_names_the_cipher_only() {
    let key = CipherKey::new(Cipher::Aes256, &[0x77; 32]).unwrap();
    assert_eq!(format!("{key:?}"), "CipherKey(AES-256-CBC)");
}

#[test]
fn ivs_are_a_permutation_of_the_sequence_number() {
    for cipher in Cipher::ALL {
        let ivs = IvGenerator::new(cipher, &[0x42; 24]);
        assert_eq!(ivs.len(), cipher.iv_len());
        let mut seen: Vec<_> = (0..1000).map(|n| ivs.iv(n)).collect();
        assert!(seen.iter().all(|iv| iv[cipher.iv_len()..].iter().all(|byte| *byte == 0)));
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), if cipher == Cipher::Null { 1 } else { 1000 });
    }
}

/// AES-128 of the zero block under the zero key, as OpenSSL computes it.
#[test]
fn an_aes_iv_is_one_encrypted_block() {
    let ivs = IvGenerator::new(Cipher::Aes256, &[0; 24]);
    assert_eq!(ivs.iv(0), hex!("66e94bd4ef8a2c3b884cfa59ca342b2e"));
}

proptest! {
    #[test]
    fn decryption_undoes_encryption(
        cipher in prop::sample::select(&Cipher::ALL[..]),
        key in prop::array::uniform32(1u8..),
        iv in prop::array::uniform16(any::<u8>()),
        blocks in 0usize..9,
        seed in any::<u8>(),
    ) {
        let (key, iv) = (&key[..cipher.key_len()], &iv[..cipher.iv_len()]);
        prop_assume!(!is_weak(cipher, key));
        let key = CipherKey::new(cipher, key).unwrap();
        let plaintext: Vec<u8> = (0..blocks * cipher.block_len()).map(|i| seed.wrapping_add(i as u8)).collect();
        let mut data = plaintext.clone();
        key.encrypt_cbc_in_place(iv, &mut data).unwrap();
        prop_assert!(data != plaintext || cipher == Cipher::Null || blocks == 0);
        key.decrypt_cbc_in_place(iv, &mut data).unwrap();
        prop_assert_eq!(data, plaintext);
    }
}
