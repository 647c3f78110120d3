//! Encryption of ISAKMP message bodies (RFC 2409 appendix B), as pure functions.
//!
//! A body is everything after the 28 bytes of the ISAKMP header. Both directions of an exchange share one chain of CBC
//! blocks. These functions return the next IV and move nothing: the caller keeps it once the message has been accepted,
//! so a forged message cannot move the chain.

use crate::crypto::{BlockError, CipherKey};
use alloc::vec::Vec;

/// A message body after encryption or decryption, and what the next message starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected {
    /// The ciphertext from [`encrypt`]; the plaintext with its padding from [`decrypt`].
    pub body: Vec<u8>,
    /// The last ciphertext block: the IV of the next message of this exchange, and after phase 1 the `last_block` of
    /// [`phase_2_iv`](super::keymat::phase_2_iv).
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
/// Fails when `iv` is not one block, or the ciphertext is empty or not a whole number of blocks. A wrong key or a forged
/// body does not fail here: it yields garbage.
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
