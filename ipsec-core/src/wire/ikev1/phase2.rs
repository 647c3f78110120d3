//! Attributes of phase 2 transforms (RFC 2407 4.5 and the IANA registry that grew from it).

use core::fmt;

use super::{Attribute, AttributeValue, GroupDescription, LifeType};
use crate::wire::number;

number! {
    /// Attribute class of an AH, ESP or IPCOMP transform.
    pub struct Phase2Attribute(u16) {
        LIFE_TYPE = 1 => "Life-Type",
        LIFE_DURATION = 2 => "Life-Duration",
        GROUP_DESCRIPTION = 3 => "Group-Description",
        ENCAPSULATION_MODE = 4 => "Encapsulation-Mode",
        AUTHENTICATION_ALGORITHM = 5 => "Authentication-Algorithm",
        KEY_LENGTH = 6 => "Key-Length",
        KEY_ROUNDS = 7 => "Key-Rounds",
        COMPRESS_DICTIONARY_SIZE = 8 => "Compress-Dictionary-Size",
        COMPRESS_PRIVATE_ALGORITHM = 9 => "Compress-Private-Algorithm",
        ECN_TUNNEL = 10 => "ECN-Tunnel",
        EXTENDED_SEQUENCE_NUMBER = 11 => "Extended-Sequence-Number",
        AUTHENTICATION_KEY_LENGTH = 12 => "Authentication-Key-Length",
        SIGNATURE_ENCODING_ALGORITHM = 13 => "Signature-Encoding-Algorithm",
    }
}

impl Phase2Attribute {
    /// Writes an attribute with the names of phase 2: `Encapsulation-Mode=Tunnel`.
    pub(super) fn fmt_attribute(attribute: &Attribute, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = Phase2Attribute(attribute.kind);
        let AttributeValue::Basic(value) = attribute.value else {
            return write!(f, "{class}={}", attribute.value);
        };
        match class {
            Phase2Attribute::LIFE_TYPE => write!(f, "{class}={}", LifeType(value)),
            Phase2Attribute::GROUP_DESCRIPTION => write!(f, "{class}={}", GroupDescription(value)),
            Phase2Attribute::ENCAPSULATION_MODE => write!(f, "{class}={}", EncapsulationMode(value)),
            Phase2Attribute::AUTHENTICATION_ALGORITHM => {
                write!(f, "{class}={}", AuthenticationAlgorithm(value))
            }
            _ => write!(f, "{class}={value}"),
        }
    }
}

number! {
    /// Encapsulation mode; the UDP ones are of RFC 3947 5.1, the draft ones of its predecessors.
    pub struct EncapsulationMode(u16) {
        TUNNEL = 1 => "Tunnel",
        TRANSPORT = 2 => "Transport",
        UDP_TUNNEL = 3 => "UDP-Encapsulated-Tunnel",
        UDP_TRANSPORT = 4 => "UDP-Encapsulated-Transport",
        UDP_TUNNEL_DRAFT = 61443 => "UDP-Encapsulated-Tunnel-draft",
        UDP_TRANSPORT_DRAFT = 61444 => "UDP-Encapsulated-Transport-draft",
    }
}

number! {
    /// Authentication algorithm of AH and ESP.
    pub struct AuthenticationAlgorithm(u16) {
        NONE = 0 => "NONE",
        HMAC_MD5 = 1 => "HMAC-MD5",
        HMAC_SHA = 2 => "HMAC-SHA",
        DES_MAC = 3 => "DES-MAC",
        KPDK = 4 => "KPDK",
        HMAC_SHA2_256 = 5 => "HMAC-SHA2-256",
        HMAC_SHA2_384 = 6 => "HMAC-SHA2-384",
        HMAC_SHA2_512 = 7 => "HMAC-SHA2-512",
        HMAC_RIPEMD = 8 => "HMAC-RIPEMD",
        AES_XCBC_MAC = 9 => "AES-XCBC-MAC",
        SIG_RSA = 10 => "SIG-RSA",
        AES_128_GMAC = 11 => "AES-128-GMAC",
        AES_192_GMAC = 12 => "AES-192-GMAC",
        AES_256_GMAC = 13 => "AES-256-GMAC",
    }
}
