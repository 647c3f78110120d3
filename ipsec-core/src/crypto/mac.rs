//! Truncated HMACs with the key's two compression states computed once.

#[cfg(feature = "simd")]
mod lanes;

use super::{KeyError, LANES, Mac, equal};
use core::{fmt, ops::Deref};
use hmac::{Hmac, KeyInit};
use md5::Md5;
use sha1::Sha1;
use sha2::Sha256;

/// An integrity key with its inner and outer HMAC states. It is wiped when dropped, and does not print
/// itself.
#[derive(Clone)]
pub struct MacKey {
    state: State,
    #[cfg(feature = "simd")]
    lanes: Option<lanes::LaneKey>,
}

#[derive(Clone)]
enum State {
    Md5(Hmac<Md5>),
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
}

impl MacKey {
    /// Takes a key of exactly `mac.key_len()` bytes.
    pub fn new(mac: Mac, key: &[u8]) -> Result<Self, KeyError> {
        let wrong = KeyError::Length { expected: mac.key_len(), got: key.len() };
        if key.len() != mac.key_len() {
            return Err(wrong);
        }
        let state = match mac {
            Mac::HmacMd5_96 => State::Md5(Hmac::new_from_slice(key).map_err(|_| wrong)?),
            Mac::HmacSha1_96 => State::Sha1(Hmac::new_from_slice(key).map_err(|_| wrong)?),
            Mac::HmacSha256_128 => State::Sha256(Hmac::new_from_slice(key).map_err(|_| wrong)?),
        };
        #[cfg(feature = "simd")]
        let lanes = match mac {
            Mac::HmacMd5_96 => Some(lanes::LaneKey::new(lanes::LaneHash::Md5, key)),
            Mac::HmacSha1_96 => Some(lanes::LaneKey::new(lanes::LaneHash::Sha1, key)),
            Mac::HmacSha256_128 => None,
        };
        Ok(MacKey {
            state,
            #[cfg(feature = "simd")]
            lanes,
        })
    }

    /// The algorithm.
    pub fn mac(&self) -> Mac {
        match self.state {
            State::Md5(_) => Mac::HmacMd5_96,
            State::Sha1(_) => Mac::HmacSha1_96,
            State::Sha256(_) => Mac::HmacSha256_128,
        }
    }

    /// The integrity check value over the concatenation of `parts`, already truncated.
    pub fn compute(&self, parts: &[&[u8]]) -> Icv {
        let mut icv = Icv { bytes: [0; Icv::MAX], len: self.mac().icv_len() };
        match &self.state {
            State::Md5(h) => finish(h, parts, icv.as_mut()),
            State::Sha1(h) => finish(h, parts, icv.as_mut()),
            State::Sha256(h) => finish(h, parts, icv.as_mut()),
        }
        icv
    }

    /// The integrity check values of many messages, in their order: side by side where the processor can do that.
    pub(crate) fn compute_many(&self, messages: &[&[u8]], mut each: impl FnMut(usize, Icv)) {
        for (first, messages) in (0..).step_by(LANES).zip(messages.chunks(LANES)) {
            let mut tags = [[0; Icv::MAX]; LANES];
            if self.side_by_side(messages, &mut tags) {
                let len = self.mac().icv_len();
                let icvs = tags.iter().map(|tag| Icv { bytes: *tag, len });
                (first..).zip(icvs).take(messages.len()).for_each(|(n, icv)| each(n, icv));
            } else {
                (first..).zip(messages).for_each(|(n, message)| each(n, self.compute(&[message])));
            }
        }
    }

    #[cfg(feature = "simd")]
    fn side_by_side(&self, messages: &[&[u8]], tags: &mut [[u8; Icv::MAX]; LANES]) -> bool {
        // Vectors that nobody has optimised are slower than none.
        let Some(lanes) = self.lanes.as_ref().filter(|_| !cfg!(debug_assertions)) else { return false };
        // Those of a vector take as long as the longest of them: neighbours have about one length.
        let mut order: [usize; LANES] = core::array::from_fn(|n| n);
        let Some(order) = order.get_mut(..messages.len()) else { return false };
        let message = |n: usize| messages.get(n).copied().unwrap_or_default();
        order.sort_by_key(|n| message(*n).len());
        let mut sorted: [&[u8]; LANES] = [&[]; LANES];
        sorted.iter_mut().zip(order.iter()).for_each(|(place, n)| *place = message(*n));
        let mut found = [[0; Icv::MAX]; LANES];
        let count = order.len();
        let (Some(sorted), Some(room)) = (sorted.get(..count), found.get_mut(..count)) else { return false };
        let done = lanes.compute(sorted, room);
        for (n, tag) in order.iter().zip(found) {
            if let Some(place) = tags.get_mut(*n) {
                *place = tag;
            }
        }
        done
    }

    #[cfg(not(feature = "simd"))]
    fn side_by_side(&self, _: &[&[u8]], _: &mut [[u8; Icv::MAX]; LANES]) -> bool {
        false
    }

    /// Whether `icv` is the value over the concatenation of `parts`, compared in constant time. A value of
    /// another length is not.
    #[must_use]
    pub fn verify(&self, parts: &[&[u8]], icv: &[u8]) -> bool {
        equal(&self.compute(parts), icv)
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MacKey({})", self.mac())
    }
}

fn finish<H: hmac::Mac + Clone>(state: &H, parts: &[&[u8]], icv: &mut [u8]) {
    let mut state = state.clone();
    for part in parts {
        state.update(part);
    }
    for (to, from) in icv.iter_mut().zip(state.finalize().into_bytes()) {
        *to = from;
    }
}

/// An integrity check value: it dereferences to its `icv_len()` bytes.
#[derive(Clone, Copy, Debug)]
pub struct Icv {
    bytes: [u8; Icv::MAX],
    len: usize,
}

impl Icv {
    /// The longest value of any algorithm, in bytes.
    pub const MAX: usize = 16;

    fn as_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.len).unwrap_or_default()
    }
}

impl Deref for Icv {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_one_length() {
        for mac in Mac::ALL {
            assert!(MacKey::new(mac, &[1; 64][..mac.key_len()]).is_ok());
            for got in [0, mac.key_len() - 1, mac.key_len() + 1, 64] {
                let expected = mac.key_len();
                assert_eq!(
                    MacKey::new(mac, &[1; 64][..got]).unwrap_err(),
                    KeyError::Length { expected, got }
                );
            }
        }
    }

    #[test]
    fn many_are_as_each_alone() {
        let text: [u8; 300] = core::array::from_fn(|i| (i * 13) as u8);
        for mac in Mac::ALL {
            let key = MacKey::new(mac, &[9; 64][..mac.key_len()]).unwrap();
            for count in [0, 1, 5, 6, 16, 46, 64, 65, 140] {
                let messages: alloc::vec::Vec<&[u8]> =
                    (0..count).map(|n| &text[n..n + n * 71 % 160]).collect();
                let mut seen = 0;
                key.compute_many(&messages, |n, icv| {
                    assert_eq!((n, &*icv), (seen, &*key.compute(&[messages[n]])), "{mac}, {count}");
                    seen += 1;
                });
                assert_eq!(seen, count);
            }
        }
    }

    #[test]
    fn verify_accepts_the_whole_value_only() {
        for mac in Mac::ALL {
            let key = MacKey::new(mac, &[9; 64][..mac.key_len()]).unwrap();
            let icv = key.compute(&[b"packet"]);
            assert_eq!(icv.len(), mac.icv_len());
            assert!(key.verify(&[b"pack", b"", b"et"], &icv));
            assert!(!key.verify(&[b"Packet"], &icv));
            assert!(!key.verify(&[b"packet"], &icv[..icv.len() - 1]));
            assert!(!key.verify(&[b"packet"], &[]));
            for bit in 0..icv.len() * 8 {
                let mut forged = icv.to_vec();
                forged[bit / 8] ^= 1 << (bit % 8);
                assert!(!key.verify(&[b"packet"], &forged));
            }
        }
    }
}
