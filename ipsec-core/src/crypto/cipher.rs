//! CBC encryption in place, weak keys, and initialization vectors.

use super::{BlockError, Cipher, KeyError};
use aes::{Aes128, Aes192, Aes256};
use alloc::boxed::Box;
use cipher::{
    Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit,
};
use core::fmt;
use des::{Des, TdesEde3};
use zeroize::Zeroizing;

/// An expanded cipher key. It is wiped when dropped, and does not print itself.
#[derive(Clone)]
pub struct CipherKey {
    cipher: Cipher,
    pub(super) schedule: Schedule,
}

/// The round keys, boxed: they take up to a kilobyte, and SAs move around.
#[derive(Clone)]
pub(super) enum Schedule {
    Null,
    Des(Box<Des>),
    TripleDes(Box<TdesEde3>),
    Aes128(Box<Aes128>),
    Aes192(Box<Aes192>),
    Aes256(Box<Aes256>),
}

impl CipherKey {
    /// Expands `key`, which must have `cipher.key_len()` bytes and must not be weak (see [`is_weak`]).
    pub fn new(cipher: Cipher, key: &[u8]) -> Result<Self, KeyError> {
        if is_weak(cipher, key) {
            return Err(KeyError::Weak);
        }
        Self::new_unchecked(cipher, key)
    }

    /// Expands a key that may be weak: only for a permutation whose key is chosen at random.
    fn new_unchecked(cipher: Cipher, key: &[u8]) -> Result<Self, KeyError> {
        let wrong = KeyError::Length { expected: cipher.key_len(), got: key.len() };
        let schedule = match cipher {
            Cipher::Null if key.is_empty() => Schedule::Null,
            Cipher::Null => return Err(wrong),
            Cipher::Des => Schedule::Des(expand(key).ok_or(wrong)?),
            Cipher::Des40 => Schedule::Des(expand(&*to_40_bits(key).ok_or(wrong)?).ok_or(wrong)?),
            Cipher::TripleDes => Schedule::TripleDes(expand(key).ok_or(wrong)?),
            Cipher::Aes128 => Schedule::Aes128(expand(key).ok_or(wrong)?),
            Cipher::Aes192 => Schedule::Aes192(expand(key).ok_or(wrong)?),
            Cipher::Aes256 => Schedule::Aes256(expand(key).ok_or(wrong)?),
        };
        Ok(CipherKey { cipher, schedule })
    }

    /// The algorithm.
    pub fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// Encrypts `data` in CBC mode; NULL leaves it alone.
    ///
    /// `iv` has `iv_len()` bytes, and `data` is a whole number of blocks, else nothing is changed.
    pub fn encrypt_cbc_in_place(&self, iv: &[u8], data: &mut [u8]) -> Result<(), BlockError> {
        self.check(iv, data)?;
        match &self.schedule {
            Schedule::Null => {}
            Schedule::Des(k) => encrypt(&**k, iv, data),
            Schedule::TripleDes(k) => encrypt(&**k, iv, data),
            Schedule::Aes128(k) => encrypt(&**k, iv, data),
            Schedule::Aes192(k) => encrypt(&**k, iv, data),
            Schedule::Aes256(k) => encrypt(&**k, iv, data),
        }
        Ok(())
    }

    /// Decrypts `data` in CBC mode; NULL leaves it alone.
    ///
    /// `iv` has `iv_len()` bytes, and `data` is a whole number of blocks, else nothing is changed.
    pub fn decrypt_cbc_in_place(&self, iv: &[u8], data: &mut [u8]) -> Result<(), BlockError> {
        self.check(iv, data)?;
        match &self.schedule {
            Schedule::Null => {}
            Schedule::Des(k) => decrypt(&**k, iv, data),
            Schedule::TripleDes(k) => decrypt(&**k, iv, data),
            Schedule::Aes128(k) => decrypt(&**k, iv, data),
            Schedule::Aes192(k) => decrypt(&**k, iv, data),
            Schedule::Aes256(k) => decrypt(&**k, iv, data),
        }
        Ok(())
    }

    fn check(&self, iv: &[u8], data: &[u8]) -> Result<(), BlockError> {
        let (block, expected) = (self.cipher.block_len(), self.cipher.iv_len());
        if iv.len() != expected {
            return Err(BlockError::Iv { expected, got: iv.len() });
        }
        if !data.len().is_multiple_of(block) {
            return Err(BlockError::Data { len: data.len(), block });
        }
        Ok(())
    }
}

impl fmt::Debug for CipherKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CipherKey({})", self.cipher)
    }
}

fn expand<C: KeyInit>(key: &[u8]) -> Option<Box<C>> {
    C::new_from_slice(key).ok().map(Box::new)
}

fn encrypt<C: BlockCipherEncrypt>(key: &C, iv: &[u8], data: &mut [u8]) {
    // `check` has compared the lengths, so neither the early return nor a remainder can happen.
    let Some(iv) = Array::slice_as_array(iv) else { return };
    let (blocks, _) = Array::slice_as_chunks_mut(data);
    cbc::Encryptor::<&C>::inner_iv_init(key, iv).encrypt_blocks(blocks);
}

fn decrypt<C: BlockCipherDecrypt>(key: &C, iv: &[u8], data: &mut [u8]) {
    let Some(iv) = Array::slice_as_array(iv) else { return };
    let (blocks, _) = Array::slice_as_chunks_mut(data);
    cbc::Decryptor::<&C>::inner_iv_init(key, iv).decrypt_blocks(blocks);
}

/// Forces the first 16 key bits to zero: bytes 0 and 1 hold 14 of them (the lowest bit of each byte is
/// parity), byte 2 the other two.
fn to_40_bits(key: &[u8]) -> Option<Zeroizing<[u8; 8]>> {
    let mut key = Zeroizing::new(<[u8; 8]>::try_from(key).ok()?);
    let [a, b, c, ..] = &mut *key;
    (*a, *b, *c) = (0, 0, *c & 0x3f);
    Some(key)
}

/// The weak and semi-weak keys of DES, parity bits cleared (RFC 2409 appendix A).
///
/// The second and third weak key of that appendix are misprinted; FIPS 74 has them as `1f1f1f1f 0e0e0e0e` and
/// `e0e0e0e0 f1f1f1f1`, and a test below confirms that these are their own inverse.
const WEAK_DES: [u64; 16] = [
    0x0000_0000_0000_0000,
    0x1e1e_1e1e_0e0e_0e0e,
    0xe0e0_e0e0_f0f0_f0f0,
    0xfefe_fefe_fefe_fefe,
    0x00fe_00fe_00fe_00fe,
    0x1ee0_1ee0_0ef0_0ef0,
    0x00e0_00e0_00f0_00f0,
    0x1efe_1efe_0efe_0efe,
    0x001e_001e_000e_000e,
    0xe0fe_e0fe_f0fe_f0fe,
    0xfe00_fe00_fe00_fe00,
    0xe01e_e01e_f00e_f00e,
    0xe000_e000_f000_f000,
    0xfe1e_fe1e_fe0e_fe0e,
    0x1e00_1e00_0e00_0e00,
    0xfee0_fee0_fef0_fef0,
];

/// Whether `key` is one that `cipher` must not use.
///
/// DES: the weak and semi-weak keys (RFC 2409 section 4 and appendix A). 3DES: K1 = K2 or K2 = K3, which make
/// it single DES (RFC 2451 section 2.3, which sees no need to reject weak parts). Parity bits do not count. AES
/// and NULL have no weak keys; 40-bit DES is judged after its reduction. A key of the wrong length is not weak:
/// [`CipherKey::new`] refuses it as such.
pub fn is_weak(cipher: Cipher, key: &[u8]) -> bool {
    match (cipher, key.len()) {
        (Cipher::Des, 8) => is_weak_des(key),
        (Cipher::Des40, 8) => to_40_bits(key).is_some_and(|k| is_weak_des(&*k)),
        (Cipher::TripleDes, 24) => {
            let mut parts = key.chunks_exact(8).map(des_key_bits);
            let (k1, k2, k3) = (parts.next(), parts.next(), parts.next());
            (k1 == k2) | (k2 == k3)
        }
        _ => false,
    }
}

fn is_weak_des(key: &[u8]) -> bool {
    let key = des_key_bits(key);
    WEAK_DES.iter().fold(false, |found, weak| found | (*weak == key))
}

/// The 56 bits of a DES key that count, parity bits cleared.
fn des_key_bits(key: &[u8]) -> u64 {
    key.iter().fold(0, |bits, byte| bits << 8 | u64::from(byte & 0xfe))
}

/// The initialization vectors of one outbound SA: a keyed permutation of the sequence number, unpredictable
/// and never repeated (SP 800-38A appendix C, first method).
///
/// Packet `n` has the same IV whenever it is sealed. The permutation has its own key, and the cipher's block
/// size: 3DES for 64-bit blocks, AES-128 for 128-bit blocks.
#[derive(Clone, Debug)]
pub struct IvGenerator {
    len: usize,
    permutation: CipherKey,
}

impl IvGenerator {
    /// Length of the random key it takes, in bytes.
    pub const KEY_LEN: usize = 24;

    /// The IVs for packets encrypted with `cipher`, from random bytes used for nothing else.
    pub fn new(cipher: Cipher, key: &[u8; Self::KEY_LEN]) -> Self {
        let len = cipher.iv_len();
        let permutation = match len {
            8 => Schedule::TripleDes(Box::new(TdesEde3::new(key.into()))),
            16 => {
                let [key @ .., _, _, _, _, _, _, _, _] = key;
                Schedule::Aes128(Box::new(Aes128::new(key.into())))
            }
            _ => Schedule::Null,
        };
        let cipher = match permutation {
            Schedule::TripleDes(_) => Cipher::TripleDes,
            Schedule::Aes128(_) => Cipher::Aes128,
            _ => Cipher::Null,
        };
        IvGenerator { len, permutation: CipherKey { cipher, schedule: permutation } }
    }

    /// Length of an IV in bytes: 0, 8 or 16.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the cipher takes no IV.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The IV of the packet with this sequence number: its first [`len`](Self::len) bytes, the rest zero.
    pub fn iv(&self, sequence: u64) -> [u8; 16] {
        let mut iv = [0; 16];
        match &self.permutation.schedule {
            Schedule::TripleDes(k) => {
                let mut block = sequence.to_be_bytes().into();
                k.encrypt_block(&mut block);
                iv[..8].copy_from_slice(&block);
            }
            Schedule::Aes128(k) => {
                let mut block = u128::from(sequence).to_be_bytes().into();
                k.encrypt_block(&mut block);
                iv = block.into();
            }
            _ => {}
        }
        iv
    }
}

#[cfg(test)]
mod tests;
