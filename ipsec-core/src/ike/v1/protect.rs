//! Encryption of ISAKMP message bodies (RFC 2409 appendix B), as pure functions.
//!
//! A body is everything after the 28 bytes of the ISAKMP header. Both directions of an exchange share one
//! chain of CBC blocks. These functions return the next IV and move nothing: the caller keeps it once the
//! message has been accepted, so a forged message cannot move the chain.

use crate::crypto::{BlockError, CipherKey};
use alloc::vec::Vec;

/// A message body after encryption or decryption, and what the next message starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected {
    /// The ciphertext from [`encrypt`]; the plaintext with its padding from [`decrypt`].
    pub body: Vec<u8>,
    /// The last ciphertext block: the IV of the next message of this exchange, and after phase 1 the
    /// `last_block` of [`phase_2_iv`](super::keymat::phase_2_iv).
    pub next_iv: Vec<u8>,
}

/// Pads `payloads` with zeros to a whole number of blocks, none if it is one already, and encrypts it.
///
/// Fails when `iv` is not one block, or there are no payloads.
pub fn encrypt(key: &CipherKey, iv: &[u8], payloads: &[u8]) -> Result<Protected, BlockError> {
    let block = key.cipher().block_len();
    let mut body = payloads.to_vec();
    body.resize(payloads.len().next_multiple_of(block), 0);
    key.encrypt_cbc_in_place(iv, &mut body)?;
    let next_iv = last_block(&body, key)?;
    Ok(Protected { body, next_iv })
}

/// Decrypts a body. The padding stays: payload lengths end the chain before it.
///
/// Fails when `iv` is not one block, or the ciphertext is empty or not a whole number of blocks. A wrong key
/// or a forged body does not fail here: it yields garbage.
pub fn decrypt(key: &CipherKey, iv: &[u8], ciphertext: &[u8]) -> Result<Protected, BlockError> {
    let next_iv = last_block(ciphertext, key)?;
    let mut body = ciphertext.to_vec();
    key.decrypt_cbc_in_place(iv, &mut body)?;
    Ok(Protected { body, next_iv })
}

fn last_block(ciphertext: &[u8], key: &CipherKey) -> Result<Vec<u8>, BlockError> {
    let cipher = key.cipher();
    match ciphertext.len().checked_sub(cipher.iv_len()) {
        Some(start) if !ciphertext.is_empty() => Ok(ciphertext.get(start..).unwrap_or_default().to_vec()),
        _ => Err(BlockError::Data { len: ciphertext.len(), block: cipher.block_len() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Cipher;
    use alloc::vec;

    fn key() -> CipherKey {
        CipherKey::new(Cipher::Des, b"\x01\x23\x45\x67\x89\xab\xcd\xef").unwrap()
    }

    #[test]
    fn padding_is_zeros_up_to_the_block_and_none_beyond() {
        for (len, padded) in [(1, 8), (7, 8), (8, 8), (9, 16), (16, 16)] {
            let sealed = encrypt(&key(), &[5; 8], &vec![0xaa; len]).unwrap();
            assert_eq!(sealed.body.len(), padded);
            let opened = decrypt(&key(), &[5; 8], &sealed.body).unwrap();
            assert!(opened.body[..len].iter().all(|byte| *byte == 0xaa));
            assert!(opened.body[len..].iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn both_sides_continue_from_the_last_ciphertext_block() {
        let sealed = encrypt(&key(), &[5; 8], &[1; 20]).unwrap();
        assert_eq!(sealed.next_iv, sealed.body[16..]);
        assert_eq!(decrypt(&key(), &[5; 8], &sealed.body).unwrap().next_iv, sealed.next_iv);
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        for len in [0, 1, 7, 9, 15] {
            let error = BlockError::Data { len, block: 8 };
            assert_eq!(decrypt(&key(), &[5; 8], &vec![0; len]), Err(error));
        }
        assert_eq!(encrypt(&key(), &[5; 8], &[]), Err(BlockError::Data { len: 0, block: 8 }));
        assert_eq!(decrypt(&key(), &[5; 7], &[0; 8]), Err(BlockError::Iv { expected: 8, got: 7 }));
        assert_eq!(encrypt(&key(), &[], &[0; 8]), Err(BlockError::Iv { expected: 8, got: 0 }));
    }
}
