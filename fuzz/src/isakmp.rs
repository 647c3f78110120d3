//! The ISAKMP message: header, payload chain, round trip of what decodes, and the chain inside an encrypted body.

use ipsec_core::crypto::{Cipher, CipherKey};
use ipsec_core::ike::v1::protect;
use ipsec_core::wire::isakmp::{
    Chain, GENERIC_HEADER_LEN, HEADER_LEN, MAX_PAYLOADS, Message, PayloadType, Reserved, decode_chain,
    decode_chain_with, decode_raw_chain, encode_chain, encode_raw_chain, split,
};
use ipsec_core::wire::{DecodeError, Reader};

/// `data` is a datagram, and also, its first octet taken as payload type, the bytes of a chain.
pub fn body(data: &[u8]) {
    match Message::decode(data) {
        Ok(message) => {
            let _ = message.to_string();
            let again = message.encode();
            let second = Message::decode(&again).expect("what encodes decodes");
            assert_eq!(second.payloads, message.payloads, "payloads survive a round trip");
            assert_eq!(second.encode(), again, "encoding is stable");
        }
        Err(error) => error_is_inside(&error, data.len()),
    }
    if let Ok((header, after)) = split(data) {
        let _ = (header.to_string(), header.check());
        chains(header.next_payload, after);
        encrypted(header.next_payload, after);
    }
    if let Some((first, after)) = data.split_first() {
        chains(PayloadType(*first), after);
    }
}

/// Typed and raw reading of one chain agree with each other and with the bytes.
fn chains(first: PayloadType, bytes: &[u8]) {
    match decode_raw_chain(first, bytes) {
        Ok((payloads, consumed)) => {
            assert!(payloads.len() <= MAX_PAYLOADS);
            assert_eq!(encode_raw_chain(&payloads), bytes[..consumed], "a raw chain is its bytes");
        }
        Err(error) => error_is_inside(&error, HEADER_LEN + bytes.len()),
    }
    let lenient = decode_chain_with(first, bytes, Reserved::Ignore);
    if let Ok((chain, consumed)) = decode_chain(first, bytes) {
        assert_eq!(lenient.as_ref(), Ok(&(chain.clone(), consumed)), "leniency changes nothing strict");
        let (again, encoded) = encode_chain(chain.payloads());
        assert_eq!(again, first);
        let (second, _) = decode_chain(again, &encoded).expect("what encodes decodes");
        assert_eq!(second.payloads(), chain.payloads());
    }
    match lenient {
        Ok((chain, consumed)) => whole(&chain, &bytes[..consumed]),
        Err(error) => error_is_inside(&error, HEADER_LEN + bytes.len()),
    }
}

/// A chain keeps the bytes as received; its pieces put together are the whole.
fn whole(chain: &Chain, received: &[u8]) {
    let _ = chain.to_string();
    assert_eq!(chain.bytes(), received);
    assert!(chain.len() <= MAX_PAYLOADS);
    let pieces: Vec<u8> = (0..chain.len()).flat_map(|i| chain.raw(i)).copied().collect();
    assert_eq!(pieces, received, "payloads are neighbours");
    for (i, payload) in chain.payloads().iter().enumerate() {
        let _ = payload.to_string();
        assert_eq!(chain.raw(i).len(), chain.body(i).len() + GENERIC_HEADER_LEN);
    }
    assert!(chain.raw(chain.len()).is_empty() && chain.body(chain.len()).is_empty());
}

/// A body encrypted and decrypted is the body and its padding; bytes taken as ciphertext give garbage, not a panic.
fn encrypted(first: PayloadType, bytes: &[u8]) {
    for cipher in [Cipher::Des, Cipher::TripleDes, Cipher::Aes128] {
        let octets: Vec<u8> = (1..).take(cipher.key_len()).collect();
        let key = CipherKey::new(cipher, &octets).expect("a key of the right length");
        let iv = vec![0x5a; cipher.iv_len()];
        if let Ok(garbage) = protect::decrypt(&key, &iv, bytes) {
            assert_eq!(garbage.body.len(), bytes.len());
            let _ = decode_chain(first, &garbage.body);
        }
        let Ok(sealed) = protect::encrypt(&key, &iv, bytes) else {
            assert!(bytes.is_empty(), "only an empty body cannot be encrypted");
            continue;
        };
        let opened = protect::decrypt(&key, &iv, &sealed.body).expect("whole blocks");
        assert_eq!(opened.next_iv, sealed.next_iv, "both ends move the chain alike");
        assert_eq!(opened.body[..bytes.len()], *bytes);
        assert!(opened.body.len() < bytes.len() + cipher.block_len());
        if let Ok((chain, consumed)) = decode_chain(first, bytes) {
            assert_eq!(decode_chain(first, &opened.body), Ok((chain, consumed)), "padding ends no chain");
        }
    }
}

/// An error names a byte of the message, or the place right after it.
fn error_is_inside(error: &DecodeError, len: usize) {
    let _ = (error.to_string(), Reader::new(&[]));
    assert!(error.offset <= len, "{error} lies outside {len} octets");
}
