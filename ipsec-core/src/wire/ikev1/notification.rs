//! The Notification payload (RFC 2408 3.14, RFC 2407 4.6.3).
//!
//! ```text
//!                     1                   2                   3
//! 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! Next Payload  !   RESERVED    !         Payload Length        !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !              Domain of Interpretation  (DOI)                  !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !  Protocol-ID  !   SPI Size    !      Notify Message Type      !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                Security Parameter Index (SPI)                 ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                       Notification Data                       ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use alloc::vec::Vec;
use core::fmt;

use super::{Doi, ProtocolId};
use crate::wire::{DecodeError, DecodeErrorKind, Reader, Writer, number};

number! {
    /// What a notification says (RFC 2408 3.14.1, RFC 2407 4.6.3, RFC 3706 5).
    pub struct NotifyType(u16) {
        INVALID_PAYLOAD_TYPE = 1 => "INVALID-PAYLOAD-TYPE",
        DOI_NOT_SUPPORTED = 2 => "DOI-NOT-SUPPORTED",
        SITUATION_NOT_SUPPORTED = 3 => "SITUATION-NOT-SUPPORTED",
        INVALID_COOKIE = 4 => "INVALID-COOKIE",
        INVALID_MAJOR_VERSION = 5 => "INVALID-MAJOR-VERSION",
        INVALID_MINOR_VERSION = 6 => "INVALID-MINOR-VERSION",
        INVALID_EXCHANGE_TYPE = 7 => "INVALID-EXCHANGE-TYPE",
        INVALID_FLAGS = 8 => "INVALID-FLAGS",
        INVALID_MESSAGE_ID = 9 => "INVALID-MESSAGE-ID",
        INVALID_PROTOCOL_ID = 10 => "INVALID-PROTOCOL-ID",
        INVALID_SPI = 11 => "INVALID-SPI",
        INVALID_TRANSFORM_ID = 12 => "INVALID-TRANSFORM-ID",
        ATTRIBUTES_NOT_SUPPORTED = 13 => "ATTRIBUTES-NOT-SUPPORTED",
        NO_PROPOSAL_CHOSEN = 14 => "NO-PROPOSAL-CHOSEN",
        BAD_PROPOSAL_SYNTAX = 15 => "BAD-PROPOSAL-SYNTAX",
        PAYLOAD_MALFORMED = 16 => "PAYLOAD-MALFORMED",
        INVALID_KEY_INFORMATION = 17 => "INVALID-KEY-INFORMATION",
        INVALID_ID_INFORMATION = 18 => "INVALID-ID-INFORMATION",
        INVALID_CERT_ENCODING = 19 => "INVALID-CERT-ENCODING",
        INVALID_CERTIFICATE = 20 => "INVALID-CERTIFICATE",
        CERT_TYPE_UNSUPPORTED = 21 => "CERT-TYPE-UNSUPPORTED",
        INVALID_CERT_AUTHORITY = 22 => "INVALID-CERT-AUTHORITY",
        INVALID_HASH_INFORMATION = 23 => "INVALID-HASH-INFORMATION",
        AUTHENTICATION_FAILED = 24 => "AUTHENTICATION-FAILED",
        INVALID_SIGNATURE = 25 => "INVALID-SIGNATURE",
        ADDRESS_NOTIFICATION = 26 => "ADDRESS-NOTIFICATION",
        NOTIFY_SA_LIFETIME = 27 => "NOTIFY-SA-LIFETIME",
        CERTIFICATE_UNAVAILABLE = 28 => "CERTIFICATE-UNAVAILABLE",
        UNSUPPORTED_EXCHANGE_TYPE = 29 => "UNSUPPORTED-EXCHANGE-TYPE",
        UNEQUAL_PAYLOAD_LENGTHS = 30 => "UNEQUAL-PAYLOAD-LENGTHS",
        CONNECTED = 16384 => "CONNECTED",
        RESPONDER_LIFETIME = 24576 => "RESPONDER-LIFETIME",
        REPLAY_STATUS = 24577 => "REPLAY-STATUS",
        INITIAL_CONTACT = 24578 => "INITIAL-CONTACT",
        R_U_THERE = 36136 => "R-U-THERE",
        R_U_THERE_ACK = 36137 => "R-U-THERE-ACK",
        DOS_COOKIE = 40004 => "NOTIFY_DOS_COOKIE",
    }
}

impl NotifyType {
    /// True for error types, 1 to 16383; the others are status types.
    pub const fn is_error(self) -> bool {
        self.0 < 16384
    }
}

/// Tells the peer of an error or a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Domain of interpretation of the message type.
    pub doi: Doi,
    /// The protocol that the notification is about.
    pub protocol: ProtocolId,
    /// The SPI that the notification is about: both cookies for ISAKMP (RFC 2407 4.6.3), or empty.
    pub spi: Vec<u8>,
    /// What it says.
    pub notify_type: NotifyType,
    /// Data whose meaning depends on the type.
    pub data: Vec<u8>,
}

impl Notification {
    /// A notification of the IPsec DOI without data.
    pub fn new(protocol: ProtocolId, spi: Vec<u8>, notify_type: NotifyType) -> Self {
        Notification { doi: Doi::IPSEC, protocol, spi, notify_type, data: Vec::new() }
    }

    /// Reads the body of the payload.
    pub fn decode(r: &mut Reader<'_>) -> Result<Notification, DecodeError> {
        let doi = Doi(r.u32("notification.doi")?);
        let protocol = ProtocolId(r.u8("notification.protocol")?);
        let spi_size = r.u8("notification.spi_size")?.into();
        let notify_type = NotifyType(r.u16("notification.type")?);
        let spi = r.bytes("notification.spi", spi_size)?.to_vec();
        Ok(Notification { doi, protocol, spi, notify_type, data: r.rest().to_vec() })
    }

    /// Writes the body of the payload.
    pub fn encode(&self, w: &mut Writer) {
        w.u32(self.doi.0);
        w.u8(self.protocol.0);
        w.u8(u8::try_from(self.spi.len()).unwrap_or(u8::MAX));
        w.u16(self.notify_type.0);
        w.bytes(&self.spi);
        w.bytes(&self.data);
    }
}

impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "N {} {}", self.protocol, self.notify_type)
    }
}

impl DecodeError {
    /// The notification that tells an ISAKMP peer about this error (RFC 2408 5.1 to 5.15).
    pub fn notify(&self) -> NotifyType {
        let (format, field) = self.field.split_once('.').unwrap_or((self.field, ""));
        match (format, field) {
            ("isakmp", "version") => match self.kind {
                DecodeErrorKind::BadValue { value } if value >> 4 == 1 => NotifyType::INVALID_MINOR_VERSION,
                _ => NotifyType::INVALID_MAJOR_VERSION,
            },
            ("isakmp", "exchange_type") => NotifyType::INVALID_EXCHANGE_TYPE,
            ("isakmp", "flags") => NotifyType::INVALID_FLAGS,
            ("isakmp", "length") => NotifyType::UNEQUAL_PAYLOAD_LENGTHS,
            ("isakmp" | "payload", "next_payload" | "next") => NotifyType::INVALID_PAYLOAD_TYPE,
            ("sa", "doi") => NotifyType::DOI_NOT_SUPPORTED,
            ("sa", "situation") => NotifyType::SITUATION_NOT_SUPPORTED,
            ("proposal", "spi" | "spi_size") => NotifyType::INVALID_SPI,
            ("proposal" | "transform" | "attribute", _) => NotifyType::BAD_PROPOSAL_SYNTAX,
            ("identification", _) => NotifyType::INVALID_ID_INFORMATION,
            ("key_exchange", _) => NotifyType::INVALID_KEY_INFORMATION,
            ("hash", _) => NotifyType::INVALID_HASH_INFORMATION,
            ("signature", _) => NotifyType::INVALID_SIGNATURE,
            ("certificate", _) => NotifyType::INVALID_CERT_ENCODING,
            _ => NotifyType::PAYLOAD_MALFORMED,
        }
    }
}
