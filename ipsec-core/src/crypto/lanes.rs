//! Many packets in lockstep. One CBC chain, and one run of a hash, waits for its last step at every step; the processor
//! could do dozens at a time. So packets of one SA are encrypted block by block side by side.

use aes::cipher::consts::U16;
use cipher::typenum::Unsigned;
use cipher::{Array, Block, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser};

use super::BlockError;
use super::cipher::{CipherKey, Schedule};

/// As many packets go side by side at most.
pub(crate) const LANES: usize = 64;

/// Data to be encrypted: whole blocks behind an IV.
pub(crate) struct CbcLane<'a> {
    pub(crate) iv: [u8; 16],
    pub(crate) data: &'a mut [u8],
}

impl CipherKey {
    /// Encrypts many at once, each in CBC mode with its own IV, of which the first [`iv_len`](super::Cipher::iv_len)
    /// octets count. Stops at data that is not a whole number of blocks, which callers have excluded.
    pub(crate) fn encrypt_cbc_many(&self, lanes: &mut [CbcLane<'_>]) -> Result<(), BlockError> {
        match &self.schedule {
            Schedule::Aes128(key) => lockstep(&**key, lanes),
            Schedule::Aes192(key) => lockstep(&**key, lanes),
            Schedule::Aes256(key) => lockstep(&**key, lanes),
            _ => {
                for CbcLane { iv, data } in lanes {
                    let iv = iv.get(..self.cipher().iv_len()).unwrap_or_default();
                    self.encrypt_cbc_in_place(iv, data)?;
                }
            }
        }
        Ok(())
    }
}

fn lockstep<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>>(key: &C, lanes: &mut [CbcLane<'_>]) {
    for lanes in lanes.chunks_mut(LANES) {
        // The longest first: then those that still have blocks are always in front.
        lanes.sort_unstable_by_key(|lane| core::cmp::Reverse(lane.data.len()));
        key.encrypt_with_backend(Lockstep { lanes });
    }
}

struct Lockstep<'a, 'b> {
    lanes: &'a mut [CbcLane<'b>],
}

impl BlockSizeUser for Lockstep<'_, '_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Lockstep<'_, '_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let mut chain: [Block<Self>; LANES] = core::array::from_fn(|_| Array::default());
        for (block, lane) in chain.iter_mut().zip(self.lanes.iter()) {
            *block = lane.iv.into();
        }
        let mut active = self.lanes.len().min(LANES);
        for step in 0.. {
            let at = step * 16;
            while active > 0 && self.lanes.get(active - 1).is_none_or(|lane| lane.data.len() < at + 16) {
                active -= 1;
            }
            if active == 0 {
                return;
            }
            for (block, lane) in chain.iter_mut().zip(self.lanes.iter()).take(active) {
                if let Some(clear) = lane.data.get(at..).and_then(<[u8]>::first_chunk::<16>) {
                    let mixed = u128::from_ne_bytes((*block).into()) ^ u128::from_ne_bytes(*clear);
                    *block = mixed.to_ne_bytes().into();
                }
            }
            encrypt(backend, &mut chain, active);
            for (block, lane) in chain.iter().zip(self.lanes.iter_mut()).take(active) {
                if let Some(sealed) = lane.data.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<16>) {
                    *sealed = (*block).into();
                }
            }
        }
    }
}

/// Encrypts the first `active` blocks, and perhaps more that do not count: a vector of the processor that is half empty
/// takes less time than the same blocks one by one.
#[inline(always)]
fn encrypt<B: BlockCipherEncBackend<BlockSize = U16>>(
    backend: &B,
    chain: &mut [Block<Lockstep<'_, '_>>; LANES],
    active: usize,
) {
    let width = <B::ParBlocksSize as Unsigned>::USIZE;
    let (full, rest) = (active / width, active % width);
    let full = if rest * 4 >= width { full + 1 } else { full };
    let (vectors, _) = Array::<_, B::ParBlocksSize>::slice_as_chunks_mut(&mut chain[..]);
    let vectors_done = full.min(vectors.len());
    for vector in vectors.iter_mut().take(vectors_done) {
        backend.encrypt_par_blocks(vector.into());
    }
    for block in chain.iter_mut().take(active).skip(vectors_done * width) {
        backend.encrypt_block(block.into());
    }
}

#[cfg(test)]
mod tests {
    use super::super::Cipher;
    use super::*;
    use alloc::vec::Vec;

    /// The other way, one packet after the other, is checked against the vectors of NIST.
    #[test]
    fn side_by_side_is_as_one_by_one() {
        for cipher in Cipher::ALL {
            let octets: Vec<u8> = (0..32).map(|i: u8| i.wrapping_mul(29).wrapping_add(3)).collect();
            let key = CipherKey::new(cipher, &octets[..cipher.key_len()]).unwrap();
            for count in [0, 1, 2, 7, 8, 9, 15, 16, 17, 46, 63, 64, 65, 130] {
                // Lengths fall, rise and repeat.
                let clear =
                    |n: usize| -> Vec<u8> { (0..(n * 5 % 11) * 16).map(|i| (i * 7 + n) as u8).collect() };
                let iv = |n: usize| -> [u8; 16] { core::array::from_fn(|i| (i * 31 + n) as u8) };
                let mut many: Vec<Vec<u8>> = (0..count).map(clear).collect();
                let mut lanes: Vec<CbcLane<'_>> =
                    many.iter_mut().enumerate().map(|(n, data)| CbcLane { iv: iv(n), data }).collect();
                key.encrypt_cbc_many(&mut lanes).unwrap();
                for (n, sealed) in many.iter().enumerate() {
                    let mut one = clear(n);
                    key.encrypt_cbc_in_place(&iv(n)[..cipher.iv_len()], &mut one).unwrap();
                    assert_eq!(&one, sealed, "{cipher}, packet {n} of {count}");
                }
            }
        }
    }
}
