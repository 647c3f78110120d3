//! The numbers of the IPsec domain of interpretation (RFC 2407 4.2 and 4.4, and the IANA registry that grew from it).

use crate::wire::number;

number! {
    /// Domain of interpretation (RFC 2407 4.1).
    pub struct Doi(u32) {
        ISAKMP = 0 => "ISAKMP",
        IPSEC = 1 => "IPSEC",
    }
}

number! {
    /// Situation bitmap (RFC 2407 4.2); the labelled domains of the other bits are not implemented.
    pub struct Situation(u32) {
        IDENTITY_ONLY = 1 => "SIT_IDENTITY_ONLY",
        SECRECY = 2 => "SIT_SECRECY",
        INTEGRITY = 4 => "SIT_INTEGRITY",
    }
}

number! {
    /// Security protocol identifier (RFC 2407 4.4.1).
    pub struct ProtocolId(u8) {
        RESERVED = 0 => "RESERVED",
        ISAKMP = 1 => "PROTO_ISAKMP",
        AH = 2 => "PROTO_IPSEC_AH",
        ESP = 3 => "PROTO_IPSEC_ESP",
        IPCOMP = 4 => "PROTO_IPCOMP",
    }
}

impl ProtocolId {
    /// Octets of this protocol's SPI, when it has a fixed size (RFC 2407 4.6.1, RFC 2408 3.5).
    pub const fn spi_size(self) -> Option<usize> {
        match self {
            ProtocolId::AH | ProtocolId::ESP => Some(4),
            _ => None,
        }
    }
}

number! {
    /// Transform of PROTO_ISAKMP (RFC 2407 4.4.2).
    pub struct IsakmpTransform(u8) {
        KEY_IKE = 1 => "KEY_IKE",
    }
}

number! {
    /// Transform of PROTO_IPSEC_AH (RFC 2407 4.4.3, RFC 4868 and others in the registry).
    pub struct AhTransform(u8) {
        MD5 = 2 => "AH_MD5",
        SHA = 3 => "AH_SHA",
        DES = 4 => "AH_DES",
        SHA2_256 = 5 => "AH_SHA2-256",
        SHA2_384 = 6 => "AH_SHA2-384",
        SHA2_512 = 7 => "AH_SHA2-512",
        RIPEMD = 8 => "AH_RIPEMD",
        AES_XCBC_MAC = 9 => "AH_AES-XCBC-MAC",
        RSA = 10 => "AH_RSA",
        AES_128_GMAC = 11 => "AH_AES-128-GMAC",
        AES_192_GMAC = 12 => "AH_AES-192-GMAC",
        AES_256_GMAC = 13 => "AH_AES-256-GMAC",
    }
}

number! {
    /// Transform of PROTO_IPSEC_ESP (RFC 2407 4.4.4, RFC 3602, 3686, 4106, 4543 and others in the registry).
    pub struct EspTransform(u8) {
        DES_IV64 = 1 => "ESP_DES_IV64",
        DES = 2 => "ESP_DES",
        TRIPLE_DES = 3 => "ESP_3DES",
        RC5 = 4 => "ESP_RC5",
        IDEA = 5 => "ESP_IDEA",
        CAST = 6 => "ESP_CAST",
        BLOWFISH = 7 => "ESP_BLOWFISH",
        TRIPLE_IDEA = 8 => "ESP_3IDEA",
        DES_IV32 = 9 => "ESP_DES_IV32",
        RC4 = 10 => "ESP_RC4",
        NULL = 11 => "ESP_NULL",
        AES_CBC = 12 => "ESP_AES-CBC",
        AES_CTR = 13 => "ESP_AES-CTR",
        AES_CCM_8 = 14 => "ESP_AES-CCM_8",
        AES_CCM_12 = 15 => "ESP_AES-CCM_12",
        AES_CCM_16 = 16 => "ESP_AES-CCM_16",
        AES_GCM_8 = 18 => "ESP_AES-GCM_8",
        AES_GCM_12 = 19 => "ESP_AES-GCM_12",
        AES_GCM_16 = 20 => "ESP_AES-GCM_16",
        SEED_CBC = 21 => "ESP_SEED_CBC",
        CAMELLIA = 22 => "ESP_CAMELLIA",
        NULL_AUTH_AES_GMAC = 23 => "ESP_NULL_AUTH_AES-GMAC",
    }
}

number! {
    /// Transform of PROTO_IPCOMP (RFC 2407 4.4.5).
    pub struct IpcompTransform(u8) {
        OUI = 1 => "IPCOMP_OUI",
        DEFLATE = 2 => "IPCOMP_DEFLATE",
        LZS = 3 => "IPCOMP_LZS",
        LZJH = 4 => "IPCOMP_LZJH",
    }
}
