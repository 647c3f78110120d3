//! Vectors from RFCs and standards about algorithms, as text for [`rsp::cases`](crate::rsp::cases).

/// HMAC-MD5 and HMAC-SHA-1 (RFC 2202): sections `HMAC-MD5`, `HMAC-SHA-1`; fields `Key`, `Data`, `Digest`,
/// `Digest-96`.
pub const RFC2202_HMAC: &str = include_str!("../data/rfc2202/hmac.rsp");

/// NULL encryption (RFC 2410): fields `Data`, `NULL_data`.
pub const RFC2410_NULL: &str = include_str!("../data/rfc2410/null.rsp");

/// AES-128-CBC and ESP packets (RFC 3602): fields `Key`, `IV`, `Plaintext`, `Ciphertext`; cases 5 to 8 also
/// `Packet` and `ESP_Packet`.
pub const RFC3602_AES_CBC: &str = include_str!("../data/rfc3602/aes_cbc.rsp");

/// HMAC with SHA-256, SHA-384 and SHA-512 (RFC 4868): fields `Key`, `Data`, `PRF-HMAC-SHA-256`,
/// `HMAC-SHA-256-128`, ….
pub const RFC4868_HMAC_SHA2: &str = include_str!("../data/rfc4868/hmac_sha2.rsp");

/// AES-CBC (SP 800-38A): sections `CBC-AES128`, `CBC-AES192`, `CBC-AES256`; fields as in [`RFC3602_AES_CBC`].
pub const SP800_38A_AES_CBC: &str = include_str!("../data/sp800-38a/aes_cbc.rsp");

/// DES and 3DES in CBC mode (FIPS 81, OpenSSL): sections `DES-CBC`, `DES-EDE3-CBC`; fields as in
/// [`RFC3602_AES_CBC`].
pub const DES_CBC: &str = include_str!("../data/des-cbc/des_cbc.rsp");
