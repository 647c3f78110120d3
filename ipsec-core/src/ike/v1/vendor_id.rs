//! Vendor IDs: constants by which implementations know each other (RFC 2408 section 3.16).
//!
//! Which ones a node sends is configuration, because they say which product it pretends to be. Received ones change
//! nothing yet.

use alloc::vec::Vec;

use crate::wire::ikev1::VendorId;
use crate::wire::isakmp::Payload;

/// `MS NT5 ISAKMPOAKLEY`, MD5, followed by a version in four octets.
pub const MS_NT5_ISAKMPOAKLEY: [u8; 16] =
    [0x1e, 0x2b, 0x51, 0x69, 0x05, 0x99, 0x1c, 0x7d, 0x7c, 0x96, 0xfc, 0xbf, 0xb5, 0x87, 0xe4, 0x61];

/// The body of Microsoft's vendor ID: version 2 is Windows 2000, 3 is XP, 4 is Server 2003 and XP SP2.
pub fn microsoft(version: u32) -> Vec<u8> {
    [MS_NT5_ISAKMPOAKLEY.as_slice(), &version.to_be_bytes()].concat()
}

/// The payloads for the first message of each side.
pub(crate) fn payloads(bodies: &[Vec<u8>]) -> impl Iterator<Item = Payload> + '_ {
    bodies.iter().map(|body| Payload::VendorId(VendorId { data: body.clone() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{HashAlg, hash};

    #[test]
    fn microsofts_constant_is_the_md5_of_its_name() {
        assert_eq!(hash(HashAlg::Md5, &[b"MS NT5 ISAKMPOAKLEY"]), MS_NT5_ISAKMPOAKLEY);
        assert_eq!(microsoft(4).get(16..), Some([0, 0, 0, 4].as_slice()));
    }
}
