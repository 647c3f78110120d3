//! HMACs of many packets at once, one in each lane of the processor's widest vectors (AVX-512: 16 lanes of 32 bits).
//!
//! The operations are `pulp`'s, which asks the processor what it can do. On others, and in builds without the `simd`
//! feature, packets go one by one. The rounds are written from RFC 1321 and RFC 3174 (FIPS 180-4).

use pulp::{Arch, Simd, WithSimd};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Lanes of the widest vector.
const WIDEST: usize = 16;
/// Octets that a compression takes.
const BLOCK: usize = 64;
/// Words of the longest state.
const STATE: usize = 5;

/// A hash function of 64-octet blocks and 32-bit words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LaneHash {
    Md5,
    Sha1,
}

/// The inner and outer state of HMAC (RFC 2104 section 4): those behind the padded key.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct LaneKey {
    #[zeroize(skip)]
    hash: LaneHash,
    inner: [u32; STATE],
    outer: [u32; STATE],
}

/// The first octets of an HMAC.
pub(super) type Tag = [u8; 16];

impl LaneKey {
    /// The states of `key`, which is at most a block long.
    pub(super) fn new(hash: LaneHash, key: &[u8]) -> LaneKey {
        let state = |pad: u8| {
            let mut block = zeroize::Zeroizing::new([pad; BLOCK]);
            block.iter_mut().zip(key).for_each(|(place, octet)| *place ^= octet);
            let mut state = INITIAL;
            let mut words: [u32; 16] = core::array::from_fn(|t| word(hash, &block[..], t));
            compress(hash, pulp::Scalar, &mut state, &mut words);
            words.zeroize();
            state
        };
        LaneKey { hash, inner: state(0x36), outer: state(0x5c) }
    }

    /// Computes the tags of all messages, if the processor has wide vectors and the messages fill enough of them.
    pub(super) fn compute(&self, messages: &[&[u8]], tags: &mut [Tag]) -> bool {
        match Arch::new() {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Arch::V4(simd) if messages.len() >= self.least() => {
                Simd::vectorize(simd, Hmacs { key: self, messages, tags });
                true
            }
            _ => false,
        }
    }

    /// With fewer messages one by one is faster: SHA-1 has instructions of its own on processors with AVX-512.
    fn least(&self) -> usize {
        match self.hash {
            LaneHash::Md5 => 2,
            LaneHash::Sha1 => 6,
        }
    }
}

struct Hmacs<'a, 'b> {
    key: &'a LaneKey,
    messages: &'a [&'b [u8]],
    tags: &'a mut [Tag],
}

impl WithSimd for Hmacs<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = S::U32_LANES.clamp(1, WIDEST);
        for (messages, tags) in self.messages.chunks(width).zip(self.tags.chunks_mut(width)) {
            hmacs(simd, self.key, messages, tags);
        }
    }
}

/// The end of a message: what is left of it, the one bit, zeros, and its length in bits with the padded key.
struct End {
    octets: [u8; 2 * BLOCK],
    /// Whole blocks in front of it.
    full: usize,
    /// All blocks.
    blocks: usize,
}

impl End {
    #[inline(always)]
    fn new(hash: LaneHash, message: &[u8]) -> End {
        let (full, rest) = (message.len() / BLOCK, message.len() % BLOCK);
        let mut octets = [0; 2 * BLOCK];
        let left = message.get(full * BLOCK..).unwrap_or_default();
        octets.iter_mut().zip(left.iter().chain(&[0x80])).for_each(|(place, octet)| *place = *octet);
        let blocks = if rest + 9 > BLOCK { 2 } else { 1 };
        let bits = ((message.len() + BLOCK) as u64) * 8;
        let bits = match hash {
            LaneHash::Md5 => bits.to_le_bytes(),
            LaneHash::Sha1 => bits.to_be_bytes(),
        };
        if let Some(place) = octets.get_mut(blocks * BLOCK - 8..blocks * BLOCK) {
            place.copy_from_slice(&bits);
        }
        End { octets, full, blocks: full + blocks }
    }

    /// A block of the padded message.
    #[inline(always)]
    fn block<'a>(&'a self, message: &'a [u8], number: usize) -> &'a [u8] {
        let (from, at) = match number.checked_sub(self.full) {
            None => (message, number * BLOCK),
            Some(behind) => (&self.octets[..], behind * BLOCK),
        };
        from.get(at..at + BLOCK).unwrap_or(&[0; BLOCK])
    }
}

/// At most as many messages as there are lanes.
#[inline(always)]
fn hmacs<S: Simd>(simd: S, key: &LaneKey, messages: &[&[u8]], tags: &mut [Tag]) {
    let ends: [End; WIDEST] =
        core::array::from_fn(|lane| End::new(key.hash, messages.get(lane).copied().unwrap_or_default()));
    let message = |lane: usize| messages.get(lane).copied().unwrap_or_default();
    let lanes = ends.iter().take(messages.len());
    let (least, most) = (lanes.clone().map(|e| e.blocks).min(), lanes.map(|e| e.blocks).max());
    let (least, most) = (least.unwrap_or(0), most.unwrap_or(0));
    let mut state = key.inner.map(|word| simd.splat_u32s(word));
    let mut finished = [[0u32; WIDEST]; STATE];
    for number in 0..most {
        let mut words = [[0u32; WIDEST]; 16];
        for (lane, end) in ends.iter().enumerate().take(messages.len()) {
            let block = end.block(message(lane), number);
            for (t, row) in words.iter_mut().enumerate() {
                if let Some(place) = row.get_mut(lane) {
                    *place = word(key.hash, block, t);
                }
            }
        }
        let mut words = words.map(|row| load(simd, &row));
        compress(key.hash, simd, &mut state, &mut words);
        // Messages end at different blocks; a state is taken when its message does.
        if number + 1 >= least {
            for (state, finished) in state.iter().zip(&mut finished) {
                let rows = store::<S>(*state);
                let places = finished.iter_mut().zip(rows).zip(&ends);
                places.filter(|(_, end)| end.blocks == number + 1).for_each(|((to, from), _)| *to = from);
            }
        }
    }
    // RFC 2104: the outer hash, over the padded key and the inner digest.
    let len = key.hash.digest_words();
    let bits = (BLOCK + 4 * len) as u32 * 8;
    let mut words = [simd.splat_u32s(0); 16];
    for (place, row) in words.iter_mut().zip(&finished).take(len) {
        *place = load(simd, row);
    }
    let (end_bit, bits_at) = match key.hash {
        LaneHash::Md5 => (0x80, 14),
        LaneHash::Sha1 => (0x8000_0000, 15),
    };
    words.iter_mut().skip(len).take(1).for_each(|place| *place = simd.splat_u32s(end_bit));
    words.iter_mut().skip(bits_at).take(1).for_each(|place| *place = simd.splat_u32s(bits));
    let mut state = key.outer.map(|word| simd.splat_u32s(word));
    compress(key.hash, simd, &mut state, &mut words);
    for (number, row) in state.iter().take(4).enumerate() {
        for (tag, word) in tags.iter_mut().zip(store::<S>(*row)) {
            let octets = match key.hash {
                LaneHash::Md5 => word.to_le_bytes(),
                LaneHash::Sha1 => word.to_be_bytes(),
            };
            tag.iter_mut().skip(4 * number).zip(octets).for_each(|(place, octet)| *place = octet);
        }
    }
}

impl LaneHash {
    fn digest_words(self) -> usize {
        match self {
            LaneHash::Md5 => 4,
            LaneHash::Sha1 => 5,
        }
    }
}

#[inline(always)]
fn load<S: Simd>(simd: S, row: &[u32; WIDEST]) -> S::u32s {
    S::as_simd_u32s(row).0.first().copied().unwrap_or(simd.splat_u32s(0))
}

#[inline(always)]
fn store<S: Simd>(vector: S::u32s) -> [u32; WIDEST] {
    let mut row = [0; WIDEST];
    if let Some(place) = S::as_mut_simd_u32s(&mut row).0.first_mut() {
        *place = vector;
    }
    row
}

/// Word `t` of a block.
#[inline(always)]
fn word(hash: LaneHash, block: &[u8], t: usize) -> u32 {
    let octets = block.get(4 * t..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
    match hash {
        LaneHash::Md5 => u32::from_le_bytes(octets),
        LaneHash::Sha1 => u32::from_be_bytes(octets),
    }
}

/// Where both begin; MD5 has the first four words (RFC 1321 section 3.3, RFC 3174 section 6.1).
const INITIAL: [u32; STATE] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

#[inline(always)]
fn compress<S: Simd>(hash: LaneHash, simd: S, state: &mut [S::u32s; STATE], words: &mut [S::u32s; 16]) {
    match hash {
        LaneHash::Md5 => md5(simd, state, words),
        LaneHash::Sha1 => sha1(simd, state, words),
    }
}

#[inline(always)]
fn rotate<S: Simd>(simd: S, x: S::u32s, by: u32) -> S::u32s {
    let high = simd.wrapping_dyn_shl_u32s(x, simd.splat_u32s(by));
    simd.or_u32s(high, simd.wrapping_dyn_shr_u32s(x, simd.splat_u32s(32 - by)))
}

/// RFC 3174 section 6.1, with the schedule of 16 words of its section 6.2.
#[inline(always)]
fn sha1<S: Simd>(simd: S, state: &mut [S::u32s; STATE], words: &mut [S::u32s; 16]) {
    let (add, xor, and, or) = (
        |a, b| simd.add_u32s(a, b),
        |a, b| simd.xor_u32s(a, b),
        |a, b| simd.and_u32s(a, b),
        |a, b| simd.or_u32s(a, b),
    );
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    macro_rules! rounds {
        ($range:expr, $k:expr, $f:expr) => {
            for t in $range {
                if t >= 16 {
                    let [w3, w8, w14, w16] = [t + 13, t + 8, t + 2, t].map(|i| words[i & 15]);
                    words[t & 15] = rotate(simd, xor(xor(w3, w8), xor(w14, w16)), 1);
                }
                let mixed = add(add(e, simd.splat_u32s($k)), add($f(b, c, d), words[t & 15]));
                let next = add(rotate(simd, a, 5), mixed);
                (e, d, c, b, a) = (d, c, rotate(simd, b, 30), a, next);
            }
        };
    }
    rounds!(0..20, 0x5a82_7999, |b, c, d| xor(d, and(b, xor(c, d))));
    rounds!(20..40, 0x6ed9_eba1, |b, c, d| xor(xor(b, c), d));
    rounds!(40..60, 0x8f1b_bcdc, |b, c, d| or(and(b, c), and(d, or(b, c))));
    rounds!(60..80, 0xca62_c1d6, |b, c, d| xor(xor(b, c), d));
    for (word, more) in state.iter_mut().zip([a, b, c, d, e]) {
        *word = add(*word, more);
    }
}

/// RFC 1321 section 3.4: the integer part of 2^32 times the sine of 1 to 64.
const SINES: [u32; 64] = [
    0xd76a_a478,
    0xe8c7_b756,
    0x2420_70db,
    0xc1bd_ceee,
    0xf57c_0faf,
    0x4787_c62a,
    0xa830_4613,
    0xfd46_9501,
    0x6980_98d8,
    0x8b44_f7af,
    0xffff_5bb1,
    0x895c_d7be,
    0x6b90_1122,
    0xfd98_7193,
    0xa679_438e,
    0x49b4_0821,
    0xf61e_2562,
    0xc040_b340,
    0x265e_5a51,
    0xe9b6_c7aa,
    0xd62f_105d,
    0x0244_1453,
    0xd8a1_e681,
    0xe7d3_fbc8,
    0x21e1_cde6,
    0xc337_07d6,
    0xf4d5_0d87,
    0x455a_14ed,
    0xa9e3_e905,
    0xfcef_a3f8,
    0x676f_02d9,
    0x8d2a_4c8a,
    0xfffa_3942,
    0x8771_f681,
    0x6d9d_6122,
    0xfde5_380c,
    0xa4be_ea44,
    0x4bde_cfa9,
    0xf6bb_4b60,
    0xbebf_bc70,
    0x289b_7ec6,
    0xeaa1_27fa,
    0xd4ef_3085,
    0x0488_1d05,
    0xd9d4_d039,
    0xe6db_99e5,
    0x1fa2_7cf8,
    0xc4ac_5665,
    0xf429_2244,
    0x432a_ff97,
    0xab94_23a7,
    0xfc93_a039,
    0x655b_59c3,
    0x8f0c_cc92,
    0xffef_f47d,
    0x8584_5dd1,
    0x6fa8_7e4f,
    0xfe2c_e6e0,
    0xa301_4314,
    0x4e08_11a1,
    0xf753_7e82,
    0xbd3a_f235,
    0x2ad7_d2bb,
    0xeb86_d391,
];

/// RFC 1321 section 3.4.
#[inline(always)]
fn md5<S: Simd>(simd: S, state: &mut [S::u32s; STATE], words: &mut [S::u32s; 16]) {
    let (add, xor, and, or) = (
        |a, b| simd.add_u32s(a, b),
        |a, b| simd.xor_u32s(a, b),
        |a, b| simd.and_u32s(a, b),
        |a, b| simd.or_u32s(a, b),
    );
    let [mut a, mut b, mut c, mut d, _] = *state;
    macro_rules! rounds {
        ($range:expr, $by:expr, $word:expr, $f:expr) => {
            for t in $range {
                let word: usize = $word(t);
                let sum = add(add(a, $f(b, c, d)), add(words[word & 15], simd.splat_u32s(SINES[t])));
                let next = add(b, rotate(simd, sum, $by[t & 3]));
                (a, d, c, b) = (d, c, b, next);
            }
        };
    }
    rounds!(0..16, [7, 12, 17, 22], |t| t, |b, c, d| xor(d, and(b, xor(c, d))));
    rounds!(16..32, [5, 9, 14, 20], |t| 5 * t + 1, |b, c, d| xor(c, and(d, xor(b, c))));
    rounds!(32..48, [4, 11, 16, 23], |t| 3 * t + 5, |b, c, d| xor(xor(b, c), d));
    rounds!(48..64, [6, 10, 15, 21], |t| 7 * t, |b, c, d| xor(c, or(b, simd.not_u32s(d))));
    for (word, more) in state.iter_mut().zip([a, b, c, d]) {
        *word = add(*word, more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use hmac::{Hmac, KeyInit, Mac};

    fn expected(hash: LaneHash, key: &[u8], message: &[u8]) -> Tag {
        fn tag<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Tag {
            let mac = <M as KeyInit>::new_from_slice(key).unwrap().chain_update(message);
            mac.finalize().into_bytes()[..16].try_into().unwrap()
        }
        match hash {
            LaneHash::Md5 => tag::<Hmac<md5::Md5>>(key, message),
            LaneHash::Sha1 => tag::<Hmac<sha1::Sha1>>(key, message),
        }
    }

    /// Another implementation says what is right: messages of all lengths around the ends of blocks, on this processor's
    /// vectors and on none.
    #[test]
    fn each_lane_is_an_hmac() {
        for (hash, key) in [(LaneHash::Md5, &[7u8; 16][..]), (LaneHash::Sha1, &[9u8; 20][..])] {
            let lanes = LaneKey::new(hash, key);
            for start in [0usize, 55, 119, 1350] {
                let texts: Vec<Vec<u8>> =
                    (0..40).map(|n| (0..start + n * 37 % 70).map(|i| (i * 11 + n) as u8).collect()).collect();
                let messages: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
                for count in [1, 2, 6, 15, 16, 17, 40] {
                    let wanted: Vec<Tag> = messages[..count].iter().map(|m| expected(hash, key, m)).collect();
                    let mut tags = [Tag::default(); 40];
                    Hmacs { key: &lanes, messages: &messages[..count], tags: &mut tags[..count] }
                        .with_simd(pulp::Scalar);
                    assert_eq!(tags[..count], wanted, "{hash:?} {start} {count}");
                    let mut tags = [Tag::default(); 40];
                    if lanes.compute(&messages[..count], &mut tags[..count]) {
                        assert_eq!(tags[..count], wanted, "{hash:?} {start} {count}, vectors");
                    }
                }
            }
        }
    }
}
