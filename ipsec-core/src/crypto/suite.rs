//! The algorithms by name: what a policy asks for and a negotiation agrees on.
//!
//! `Display` prints the name the RFCs use; `microsoft_name` prints the one of Windows' netsh and property
//! pages.

use core::fmt;

/// An encryption algorithm, always in CBC mode (RFC 2405, RFC 2451, RFC 3602), or NULL (RFC 2410).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cipher {
    /// No encryption.
    Null,
    /// Export-grade DES: the 40-bit value of Windows 2000 policies. Its key is the 8 bytes of a DES key, of
    /// which the first 16 key bits (the first two bytes and two more bits) are forced to zero, which leaves
    /// 40 of the 56 effective bits. No RFC gives it a wire number and no interoperation is claimed: a policy
    /// can name it, and two peers of ours can use it.
    Des40,
    /// DES.
    Des,
    /// Triple DES with three keys.
    TripleDes,
    /// AES with a 128-bit key.
    Aes128,
    /// AES with a 192-bit key.
    Aes192,
    /// AES with a 256-bit key.
    Aes256,
}

impl Cipher {
    /// Every cipher, weakest first.
    pub const ALL: [Cipher; 7] = [
        Cipher::Null,
        Cipher::Des40,
        Cipher::Des,
        Cipher::TripleDes,
        Cipher::Aes128,
        Cipher::Aes192,
        Cipher::Aes256,
    ];

    /// Length of the key in bytes, DES parity bits included.
    pub const fn key_len(self) -> usize {
        match self {
            Cipher::Null => 0,
            Cipher::Des40 | Cipher::Des => 8,
            Cipher::TripleDes => 24,
            Cipher::Aes128 => 16,
            Cipher::Aes192 => 24,
            Cipher::Aes256 => 32,
        }
    }

    /// Length of a block in bytes; 1 for NULL (RFC 2410 section 2.2).
    pub const fn block_len(self) -> usize {
        match self {
            Cipher::Null => 1,
            Cipher::Des40 | Cipher::Des | Cipher::TripleDes => 8,
            Cipher::Aes128 | Cipher::Aes192 | Cipher::Aes256 => 16,
        }
    }

    /// Length of the IV that each ESP packet carries, in bytes: one block, and nothing for NULL.
    pub const fn iv_len(self) -> usize {
        match self {
            Cipher::Null => 0,
            other => other.block_len(),
        }
    }

    /// Effective strength of the key in bits, as its name states it.
    pub const fn key_bits(self) -> u16 {
        match self {
            Cipher::Null => 0,
            Cipher::Des40 => 40,
            Cipher::Des => 56,
            Cipher::TripleDes => 168,
            Cipher::Aes128 => 128,
            Cipher::Aes192 => 192,
            Cipher::Aes256 => 256,
        }
    }

    /// The name in Windows' netsh and property pages.
    pub const fn microsoft_name(self) -> &'static str {
        match self {
            Cipher::Null => "None",
            Cipher::Des40 => "40-bit DES",
            Cipher::Des => "DES",
            Cipher::TripleDes => "3DES",
            Cipher::Aes128 => "AES-128",
            Cipher::Aes192 => "AES-192",
            Cipher::Aes256 => "AES-256",
        }
    }
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Cipher::Null => "NULL",
            Cipher::Des40 => "DES-40-CBC",
            Cipher::Des => "DES-CBC",
            Cipher::TripleDes => "3DES-CBC",
            Cipher::Aes128 => "AES-128-CBC",
            Cipher::Aes192 => "AES-192-CBC",
            Cipher::Aes256 => "AES-256-CBC",
        })
    }
}

/// An integrity algorithm of ESP and AH: an HMAC, truncated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mac {
    /// RFC 2403.
    HmacMd5_96,
    /// RFC 2404.
    HmacSha1_96,
    /// RFC 4868 section 2.6.
    HmacSha256_128,
}

impl Mac {
    /// Every integrity algorithm, weakest first.
    pub const ALL: [Mac; 3] = [Mac::HmacMd5_96, Mac::HmacSha1_96, Mac::HmacSha256_128];

    /// Length of the key in bytes: fixed, the output length of the hash (RFC 2403 and RFC 2404 section 3, RFC
    /// 4868 section 2.1.1).
    pub const fn key_len(self) -> usize {
        self.hash().output_len()
    }

    /// Length of the integrity check value in a packet, in bytes.
    pub const fn icv_len(self) -> usize {
        match self {
            Mac::HmacMd5_96 | Mac::HmacSha1_96 => 12,
            Mac::HmacSha256_128 => 16,
        }
    }

    /// The hash below the HMAC.
    pub const fn hash(self) -> HashAlg {
        match self {
            Mac::HmacMd5_96 => HashAlg::Md5,
            Mac::HmacSha1_96 => HashAlg::Sha1,
            Mac::HmacSha256_128 => HashAlg::Sha256,
        }
    }

    /// The name in Windows' netsh and property pages.
    pub const fn microsoft_name(self) -> &'static str {
        self.hash().microsoft_name()
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Mac::HmacMd5_96 => "HMAC-MD5-96",
            Mac::HmacSha1_96 => "HMAC-SHA1-96",
            Mac::HmacSha256_128 => "HMAC-SHA-256-128",
        })
    }
}

/// A hash function; IKE's PRF is the HMAC of the negotiated one (RFC 2409 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashAlg {
    /// MD5 (RFC 1321).
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashAlg {
    /// Every hash, weakest first.
    pub const ALL: [HashAlg; 5] =
        [HashAlg::Md5, HashAlg::Sha1, HashAlg::Sha256, HashAlg::Sha384, HashAlg::Sha512];

    /// Length of the digest in bytes.
    pub const fn output_len(self) -> usize {
        match self {
            HashAlg::Md5 => 16,
            HashAlg::Sha1 => 20,
            HashAlg::Sha256 => 32,
            HashAlg::Sha384 => 48,
            HashAlg::Sha512 => 64,
        }
    }

    /// The name in Windows' netsh and property pages.
    pub const fn microsoft_name(self) -> &'static str {
        match self {
            HashAlg::Md5 => "MD5",
            HashAlg::Sha1 => "SHA1",
            HashAlg::Sha256 => "SHA256",
            HashAlg::Sha384 => "SHA384",
            HashAlg::Sha512 => "SHA512",
        }
    }
}

impl fmt::Display for HashAlg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            HashAlg::Md5 => "MD5",
            HashAlg::Sha1 => "SHA-1",
            HashAlg::Sha256 => "SHA-256",
            HashAlg::Sha384 => "SHA-384",
            HashAlg::Sha512 => "SHA-512",
        })
    }
}

/// A Diffie-Hellman group: a safe prime and the generator 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Group 1, RFC 2409 section 6.1.
    Modp768,
    /// Group 2, RFC 2409 section 6.2.
    Modp1024,
    /// Group 5, RFC 3526 section 2.
    Modp1536,
    /// Group 14, RFC 3526 section 3.
    Modp2048,
}

impl Group {
    /// Every group, weakest first.
    pub const ALL: [Group; 4] = [Group::Modp768, Group::Modp1024, Group::Modp1536, Group::Modp2048];

    /// The Group Description value on the wire.
    pub const fn id(self) -> u16 {
        match self {
            Group::Modp768 => 1,
            Group::Modp1024 => 2,
            Group::Modp1536 => 5,
            Group::Modp2048 => 14,
        }
    }

    /// The group with this Group Description, if it is one of ours.
    pub const fn from_id(id: u16) -> Option<Group> {
        match id {
            1 => Some(Group::Modp768),
            2 => Some(Group::Modp1024),
            5 => Some(Group::Modp1536),
            14 => Some(Group::Modp2048),
            _ => None,
        }
    }

    /// Length of the prime, of a public value and of g^xy, in bytes.
    pub const fn byte_len(self) -> usize {
        match self {
            Group::Modp768 => 96,
            Group::Modp1024 => 128,
            Group::Modp1536 => 192,
            Group::Modp2048 => 256,
        }
    }

    /// Length of a fresh secret exponent in bytes: 256 bits, and 320 for group 14.
    ///
    /// RFC 3526 section 8 asks for 180 to 240 bits with group 5 and 220 to 320 with group 14, twice the
    /// estimated strength of the group; RFC 2412 section 2.3.1.1 wants at least 180 everywhere.
    pub const fn exponent_len(self) -> usize {
        match self {
            Group::Modp768 | Group::Modp1024 | Group::Modp1536 => 32,
            Group::Modp2048 => 40,
        }
    }

    /// The name in Windows' property pages, where group 5 does not exist.
    pub const fn microsoft_name(self) -> &'static str {
        match self {
            Group::Modp768 => "Low (1)",
            Group::Modp1024 => "Medium (2)",
            Group::Modp1536 => "Group 5",
            Group::Modp2048 => "High (2048)",
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Group::Modp768 => "MODP-768",
            Group::Modp1024 => "MODP-1024",
            Group::Modp1536 => "MODP-1536",
            Group::Modp2048 => "MODP-2048",
        })
    }
}

/// The algorithms of one IPsec SA. Suites that authenticate and encrypt in one (AEADs) will be further
/// variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Suite {
    /// ESP: encrypt, then authenticate the ciphertext (RFC 4303 section 3.3.2.1). Without `mac` there is no
    /// integrity.
    EncryptThenMac {
        /// The cipher; [`Cipher::Null`] for integrity alone.
        cipher: Cipher,
        /// The integrity algorithm.
        mac: Option<Mac>,
    },
    /// AH (RFC 4302).
    IntegrityOnly(Mac),
}

impl Suite {
    /// The cipher; NULL for AH.
    pub const fn cipher(self) -> Cipher {
        match self {
            Suite::EncryptThenMac { cipher, .. } => cipher,
            Suite::IntegrityOnly(_) => Cipher::Null,
        }
    }

    /// The integrity algorithm, if there is one.
    pub const fn mac(self) -> Option<Mac> {
        match self {
            Suite::EncryptThenMac { mac, .. } => mac,
            Suite::IntegrityOnly(mac) => Some(mac),
        }
    }

    /// Length of the integrity check value in a packet, in bytes; 0 without integrity.
    pub const fn icv_len(self) -> usize {
        match self.mac() {
            Some(mac) => mac.icv_len(),
            None => 0,
        }
    }

    /// Length of the KEYMAT that one direction of the SA takes, in bytes: encryption key, then integrity key
    /// (RFC 4301 section 4.5.2).
    pub const fn keymat_len(self) -> usize {
        let mac = match self.mac() {
            Some(mac) => mac.key_len(),
            None => 0,
        };
        self.cipher().key_len() + mac
    }
}

impl fmt::Display for Suite {
    /// `ESP DES-CBC HMAC-MD5-96`, `AH HMAC-SHA1-96`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Suite::EncryptThenMac { cipher, mac: Some(mac) } => write!(f, "ESP {cipher} {mac}"),
            Suite::EncryptThenMac { cipher, mac: None } => write!(f, "ESP {cipher}"),
            Suite::IntegrityOnly(mac) => write!(f, "AH {mac}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn lengths_are_those_of_the_rfcs() {
        // RFC 2405 and RFC 2451 sections 2 and 3; RFC 3602 sections 2.2 and 2.4; RFC 2410 section 2.2.
        let ciphers = [
            (Cipher::Null, 0, 1, 0),
            (Cipher::Des, 8, 8, 8),
            (Cipher::TripleDes, 24, 8, 8),
            (Cipher::Aes128, 16, 16, 16),
            (Cipher::Aes192, 24, 16, 16),
            (Cipher::Aes256, 32, 16, 16),
        ];
        for (cipher, key, block, iv) in ciphers {
            assert_eq!((cipher.key_len(), cipher.block_len(), cipher.iv_len()), (key, block, iv), "{cipher}");
        }
        // RFC 2403, RFC 2404 and RFC 4868 section 2.6.
        for (mac, key, icv) in
            [(Mac::HmacMd5_96, 16, 12), (Mac::HmacSha1_96, 20, 12), (Mac::HmacSha256_128, 32, 16)]
        {
            assert_eq!((mac.key_len(), mac.icv_len()), (key, icv), "{mac}");
        }
    }

    #[test]
    fn suites_add_up() {
        let esp = Suite::EncryptThenMac { cipher: Cipher::TripleDes, mac: Some(Mac::HmacSha1_96) };
        assert_eq!((esp.keymat_len(), esp.icv_len()), (44, 12));
        assert_eq!(esp.to_string(), "ESP 3DES-CBC HMAC-SHA1-96");
        let no_integrity = Suite::EncryptThenMac { cipher: Cipher::Des, mac: None };
        assert_eq!((no_integrity.keymat_len(), no_integrity.icv_len()), (8, 0));
        let ah = Suite::IntegrityOnly(Mac::HmacMd5_96);
        assert_eq!((ah.keymat_len(), ah.icv_len(), ah.cipher()), (16, 12, Cipher::Null));
        assert_eq!(ah.to_string(), "AH HMAC-MD5-96");
    }

    #[test]
    fn group_numbers_go_both_ways() {
        for group in Group::ALL {
            assert_eq!(Group::from_id(group.id()), Some(group));
        }
        assert_eq!(Group::from_id(3), None);
    }
}
