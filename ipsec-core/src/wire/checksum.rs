//! The Internet checksum (RFC 1071), its pseudo-headers and its incremental update (RFC 1624).

use core::net::IpAddr;

use super::IpProtocol;

/// A running one's complement sum of 16-bit words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum {
    sum: u64,
}

impl Checksum {
    /// The sum of nothing.
    pub const fn new() -> Self {
        Checksum { sum: 0 }
    }

    /// Adds `bytes`; an odd last octet counts as the high half of a word, so only the last part may be odd.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        let (words, odd) = bytes.as_chunks::<4>();
        // The sum does not depend on the order of octets but for its own (RFC 1071 section 2 (B)); in the computer's it is fast.
        let mut native: u64 = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum();
        while native > 0xffff {
            native = (native & 0xffff) + (native >> 16);
        }
        self.sum += u64::from(u16::from_be(native as u16));
        let mut last = [0; 4];
        for (place, octet) in last.iter_mut().zip(odd) {
            *place = *octet;
        }
        self.sum += u64::from(u32::from_be_bytes(last));
        self
    }

    /// Adds one word.
    #[must_use]
    pub fn word(mut self, word: u16) -> Self {
        self.sum += u64::from(word);
        self
    }

    /// Adds the pseudo-header of an upper-layer packet of `length` octets (RFC 768, RFC 8200 8.1).
    #[must_use]
    pub fn pseudo_header(self, src: IpAddr, dst: IpAddr, protocol: IpProtocol, length: usize) -> Self {
        let mut sum = self.address(src).address(dst).word(protocol.0.into());
        sum.sum += length as u64;
        sum
    }

    fn address(self, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => self.bytes(&address.octets()),
            IpAddr::V6(address) => self.bytes(&address.octets()),
        }
    }

    /// The checksum: the complement of the folded sum. Over bytes that contain a correct checksum it is zero.
    pub const fn finish(self) -> u16 {
        let mut sum = self.sum;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }
}

/// The checksum of `bytes`.
pub fn checksum(bytes: &[u8]) -> u16 {
    Checksum::new().bytes(bytes).finish()
}

/// The checksum after `old` octets, an even number at an even offset, became `new` (RFC 1624 equation 3).
pub fn update(checksum: u16, old: &[u8], new: &[u8]) -> u16 {
    let mut sum = Checksum::new().word(!checksum).bytes(new);
    let (words, _) = old.as_chunks::<2>();
    for word in words {
        sum = sum.word(!u16::from_be_bytes(*word));
    }
    sum.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_rfc_1071() {
        // RFC 1071 section 3: the words sum to ddf2.
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    #[test]
    fn the_example_of_rfc_1624() {
        // RFC 1624 section 4: checksum 0xDD2F, field 0x5555 becomes 0x3285, the new checksum is 0x0000.
        assert_eq!(update(0xdd2f, &0x5555_u16.to_be_bytes(), &0x3285_u16.to_be_bytes()), 0x0000);
    }

    proptest! {
        #[test]
        fn equals_the_internet_checksum_crate(bytes: Vec<u8>) {
            prop_assert_eq!(checksum(&bytes).to_be_bytes(), internet_checksum::checksum(&bytes));
        }

        #[test]
        fn updating_equals_summing_again(
            mut bytes in prop::collection::vec(any::<u8>(), 8..64), at in 0_usize..3, new: [u8; 2],
        ) {
            prop_assume!(bytes.iter().any(|byte| *byte != 0) && new != [0, 0]);
            let before = checksum(&bytes);
            let old = [bytes[2 * at], bytes[2 * at + 1]];
            bytes[2 * at..][..2].copy_from_slice(&new);
            prop_assert_eq!(update(before, &old, &new), checksum(&bytes));
        }
    }
}
