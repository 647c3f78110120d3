//! The Certificate and Certificate Request payloads (RFC 2408 3.9 and 3.10).
//!
//! ```text
//!                     1                   2                   3
//! 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! Next Payload  !   RESERVED    !         Payload Length        !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !  Cert. Type   !                                               !
//! +-+-+-+-+-+-+-+-+     Certificate Data / Certificate Authority  ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use alloc::vec::Vec;
use core::fmt;

use crate::wire::{DecodeError, Reader, Writer, number};

number! {
    /// Type of a certificate.
    pub struct CertificateEncoding(u8) {
        NONE = 0 => "NONE",
        PKCS7 = 1 => "PKCS #7 wrapped X.509",
        PGP = 2 => "PGP",
        DNS_SIGNED_KEY = 3 => "DNS signed key",
        X509_SIGNATURE = 4 => "X.509 signature",
        X509_KEY_EXCHANGE = 5 => "X.509 key exchange",
        KERBEROS_TOKENS = 6 => "Kerberos tokens",
        CRL = 7 => "CRL",
        ARL = 8 => "ARL",
        SPKI = 9 => "SPKI",
        X509_ATTRIBUTE = 10 => "X.509 attribute",
    }
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// How `data` is encoded.
    pub encoding: CertificateEncoding,
    /// The certificate.
    pub data: Vec<u8>,
}

/// A request for a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest {
    /// The type wanted.
    pub encoding: CertificateEncoding,
    /// The authority wanted, a DER distinguished name for X.509; empty for any.
    pub authority: Vec<u8>,
}

impl Certificate {
    /// Reads the body of the payload.
    pub fn decode(r: &mut Reader<'_>) -> Result<Certificate, DecodeError> {
        let encoding = CertificateEncoding(r.u8("certificate.encoding")?);
        Ok(Certificate { encoding, data: r.rest().to_vec() })
    }

    /// Writes the body of the payload.
    pub fn encode(&self, w: &mut Writer) {
        w.u8(self.encoding.0);
        w.bytes(&self.data);
    }
}

impl CertificateRequest {
    /// Reads the body of the payload.
    pub fn decode(r: &mut Reader<'_>) -> Result<CertificateRequest, DecodeError> {
        let encoding = CertificateEncoding(r.u8("certificate_request.encoding")?);
        Ok(CertificateRequest { encoding, authority: r.rest().to_vec() })
    }

    /// Writes the body of the payload.
    pub fn encode(&self, w: &mut Writer) {
        w.u8(self.encoding.0);
        w.bytes(&self.authority);
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CERT {} len {}", self.encoding, self.data.len())
    }
}

impl fmt::Display for CertificateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CR {} len {}", self.encoding, self.authority.len())
    }
}
