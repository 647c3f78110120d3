//! Attributes of phase 1 transforms (RFC 2409 Appendix A and the IANA registry that grew from it).

use core::fmt;

use super::{Attribute, AttributeValue};
use crate::wire::number;

number! {
    /// Attribute class of a KEY_IKE transform.
    pub struct Phase1Attribute(u16) {
        ENCRYPTION_ALGORITHM = 1 => "Encryption-Algorithm",
        HASH_ALGORITHM = 2 => "Hash-Algorithm",
        AUTHENTICATION_METHOD = 3 => "Authentication-Method",
        GROUP_DESCRIPTION = 4 => "Group-Description",
        GROUP_TYPE = 5 => "Group-Type",
        GROUP_PRIME = 6 => "Group-Prime",
        GROUP_GENERATOR_ONE = 7 => "Group-Generator-One",
        GROUP_GENERATOR_TWO = 8 => "Group-Generator-Two",
        GROUP_CURVE_A = 9 => "Group-Curve-A",
        GROUP_CURVE_B = 10 => "Group-Curve-B",
        LIFE_TYPE = 11 => "Life-Type",
        LIFE_DURATION = 12 => "Life-Duration",
        PRF = 13 => "PRF",
        KEY_LENGTH = 14 => "Key-Length",
        FIELD_SIZE = 15 => "Field-Size",
        GROUP_ORDER = 16 => "Group-Order",
        /// Kerberos: the sender's service name (MS-IKEE 2.2.4, draft-ietf-ipsec-isakmp-gss-auth).
        GSS_IDENTITY_NAME = 16384 => "GSS-Identity-Name",
    }
}

impl Phase1Attribute {
    /// Writes an attribute with the names of phase 1: `Hash-Algorithm=MD5`.
    pub(super) fn fmt_attribute(attribute: &Attribute, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = Phase1Attribute(attribute.kind);
        let AttributeValue::Basic(value) = attribute.value else {
            return write!(f, "{class}={}", attribute.value);
        };
        match class {
            Phase1Attribute::ENCRYPTION_ALGORITHM => write!(f, "{class}={}", EncryptionAlgorithm(value)),
            Phase1Attribute::HASH_ALGORITHM => write!(f, "{class}={}", HashAlgorithm(value)),
            Phase1Attribute::AUTHENTICATION_METHOD => write!(f, "{class}={}", AuthenticationMethod(value)),
            Phase1Attribute::GROUP_DESCRIPTION => write!(f, "{class}={}", GroupDescription(value)),
            Phase1Attribute::GROUP_TYPE => write!(f, "{class}={}", GroupType(value)),
            Phase1Attribute::LIFE_TYPE => write!(f, "{class}={}", LifeType(value)),
            _ => write!(f, "{class}={value}"),
        }
    }
}

number! {
    /// Encryption algorithm of the ISAKMP SA.
    pub struct EncryptionAlgorithm(u16) {
        DES_CBC = 1 => "DES-CBC",
        IDEA_CBC = 2 => "IDEA-CBC",
        BLOWFISH_CBC = 3 => "Blowfish-CBC",
        RC5_R16_B64_CBC = 4 => "RC5-R16-B64-CBC",
        TRIPLE_DES_CBC = 5 => "3DES-CBC",
        CAST_CBC = 6 => "CAST-CBC",
        AES_CBC = 7 => "AES-CBC",
        CAMELLIA_CBC = 8 => "CAMELLIA-CBC",
    }
}

number! {
    /// Hash algorithm of the ISAKMP SA; its HMAC is the PRF unless one is negotiated.
    pub struct HashAlgorithm(u16) {
        MD5 = 1 => "MD5",
        SHA = 2 => "SHA",
        TIGER = 3 => "Tiger",
        SHA2_256 = 4 => "SHA2-256",
        SHA2_384 = 5 => "SHA2-384",
        SHA2_512 = 6 => "SHA2-512",
    }
}

number! {
    /// Authentication method of phase 1.
    pub struct AuthenticationMethod(u16) {
        PRE_SHARED_KEY = 1 => "pre-shared key",
        DSS_SIGNATURES = 2 => "DSS signatures",
        RSA_SIGNATURES = 3 => "RSA signatures",
        RSA_ENCRYPTION = 4 => "encryption with RSA",
        REVISED_RSA_ENCRYPTION = 5 => "revised encryption with RSA",
        ECDSA_P256 = 9 => "ECDSA with SHA-256 on P-256",
        ECDSA_P384 = 10 => "ECDSA with SHA-384 on P-384",
        ECDSA_P521 = 11 => "ECDSA with SHA-512 on P-521",
        /// Kerberos through GSS-API (draft-ietf-ipsec-isakmp-gss-auth, MS-IKEE 2.2.4).
        GSS_API = 65001 => "Kerberos (GSS-API)",
    }
}

number! {
    /// Diffie-Hellman group, in phase 1 and for perfect forward secrecy in phase 2.
    pub struct GroupDescription(u16) {
        MODP_768 = 1 => "MODP-768",
        MODP_1024 = 2 => "MODP-1024",
        EC2N_155 = 3 => "EC2N-155",
        EC2N_185 = 4 => "EC2N-185",
        MODP_1536 = 5 => "MODP-1536",
        MODP_2048 = 14 => "MODP-2048",
        MODP_3072 = 15 => "MODP-3072",
        MODP_4096 = 16 => "MODP-4096",
        MODP_6144 = 17 => "MODP-6144",
        MODP_8192 = 18 => "MODP-8192",
        ECP_256 = 19 => "ECP-256",
        ECP_384 = 20 => "ECP-384",
        ECP_521 = 21 => "ECP-521",
        MODP_1024_160 = 22 => "MODP-1024-160",
        MODP_2048_224 = 23 => "MODP-2048-224",
        MODP_2048_256 = 24 => "MODP-2048-256",
    }
}

number! {
    /// Kind of a group that is described by its numbers.
    pub struct GroupType(u16) {
        MODP = 1 => "MODP",
        ECP = 2 => "ECP",
        EC2N = 3 => "EC2N",
    }
}

number! {
    /// Unit of a lifetime: the same numbers in phase 1 (RFC 2409 App. A) and phase 2 (RFC 2407 4.5).
    pub struct LifeType(u16) {
        SECONDS = 1 => "seconds",
        KILOBYTES = 2 => "kilobytes",
    }
}
