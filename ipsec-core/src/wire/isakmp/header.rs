//! The ISAKMP header (RFC 2408 3.1).
//!
//! ```text
//!                     1                   2                   3
//! 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !                          Initiator                            !
//! !                            Cookie                             !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !                          Responder                            !
//! !                            Cookie                             !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !  Next Payload ! MjVer ! MnVer ! Exchange Type !     Flags     !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !                          Message ID                           !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !                            Length                             !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use alloc::vec::Vec;
use core::fmt;
use core::ops::{BitOr, BitOrAssign};

use crate::wire::{DecodeError, DecodeErrorKind, Reader, Slot32, Writer, number};

/// Octets of the ISAKMP header.
pub const HEADER_LEN: usize = 28;

/// A cookie: with the other side's, it names an ISAKMP SA (IKEv2 calls the same octets the IKE SPI).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cookie(pub [u8; 8]);

impl Cookie {
    /// The responder's cookie in the first message, before it has one.
    pub const ZERO: Cookie = Cookie([0; 8]);

    /// True for the responder's cookie in the first message.
    pub fn is_zero(&self) -> bool {
        *self == Cookie::ZERO
    }
}

impl fmt::Display for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cookie({self})")
    }
}

number! {
    /// The type of a payload: the "Next Payload" number space (RFC 2408 3.1, RFC 3947 6, IANA registry).
    pub struct PayloadType(u8) {
        NONE = 0 => "NONE",
        SA = 1 => "SA",
        PROPOSAL = 2 => "P",
        TRANSFORM = 3 => "T",
        KEY_EXCHANGE = 4 => "KE",
        IDENTIFICATION = 5 => "ID",
        CERTIFICATE = 6 => "CERT",
        CERTIFICATE_REQUEST = 7 => "CR",
        HASH = 8 => "HASH",
        SIGNATURE = 9 => "SIG",
        NONCE = 10 => "NONCE",
        NOTIFICATION = 11 => "N",
        DELETE = 12 => "D",
        VENDOR_ID = 13 => "VID",
        NAT_D = 20 => "NAT-D",
        NAT_OA = 21 => "NAT-OA",
        /// Kerberos tokens (draft-ietf-ipsec-isakmp-gss-auth, as Windows numbers it).
        GSS_TOKEN = 129 => "GSS",
        /// NAT detection before RFC 3947 (draft-ietf-ipsec-nat-t-ike-02 and -03).
        NAT_D_DRAFT = 130 => "NAT-D-draft",
        /// NAT original address before RFC 3947.
        NAT_OA_DRAFT = 131 => "NAT-OA-draft",
        /// IKE fragment (MS-IKEE 2.2.3.1).
        FRAGMENT = 132 => "FRAG",
    }
}

impl PayloadType {
    /// True for the private range, 128 to 255 (RFC 2408 3.1).
    pub const fn is_private(self) -> bool {
        self.0 >= 128
    }
}

number! {
    /// The exchange that a message belongs to (RFC 2408 3.1, RFC 2409 5.5 and 5.6).
    pub struct ExchangeType(u8) {
        NONE = 0 => "none",
        BASE = 1 => "base",
        IDENTITY_PROTECTION = 2 => "main mode",
        AUTHENTICATION_ONLY = 3 => "authentication only",
        AGGRESSIVE = 4 => "aggressive mode",
        INFORMATIONAL = 5 => "informational",
        TRANSACTION = 6 => "transaction",
        QUICK_MODE = 32 => "quick mode",
        NEW_GROUP_MODE = 33 => "new group mode",
        IKE_SA_INIT = 34 => "IKE_SA_INIT",
        IKE_AUTH = 35 => "IKE_AUTH",
        CREATE_CHILD_SA = 36 => "CREATE_CHILD_SA",
        INFORMATIONAL_V2 = 37 => "INFORMATIONAL",
        /// Of AuthIP (MS-AIPS), as are the next three.
        AUTHIP_MAIN_MODE = 243 => "AuthIP main mode",
        AUTHIP_QUICK_MODE = 244 => "AuthIP quick mode",
        AUTHIP_EXTENDED_MODE = 245 => "AuthIP extended mode",
        AUTHIP_NOTIFY = 246 => "AuthIP notify",
    }
}

impl ExchangeType {
    /// RFC 2409's name for the identity protection exchange.
    pub const MAIN_MODE: ExchangeType = ExchangeType::IDENTITY_PROTECTION;
}

/// Major version in the high, minor version in the low half octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u8);

impl Version {
    /// 1.0: RFC 2408.
    pub const V1: Version = Version(0x10);
    /// 2.0: RFC 7296.
    pub const V2: Version = Version(0x20);

    /// The major version.
    pub const fn major(self) -> u8 {
        self.0 >> 4
    }

    /// The minor version.
    pub const fn minor(self) -> u8 {
        self.0 & 0x0f
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major(), self.minor())
    }
}

/// The flag bits of the header.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// No flag.
    pub const NONE: Flags = Flags(0);
    /// E: the payloads are encrypted.
    pub const ENCRYPTION: Flags = Flags(1);
    /// C: key exchange synchronisation; the other side must wait for CONNECTED.
    pub const COMMIT: Flags = Flags(2);
    /// A: an Informational exchange that is authenticated but not encrypted.
    pub const AUTHENTICATION_ONLY: Flags = Flags(4);

    /// True when every bit of `flags` is set.
    pub const fn contains(self, flags: Flags) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// True when the payloads are encrypted.
    pub const fn is_encrypted(self) -> bool {
        self.contains(Flags::ENCRYPTION)
    }
}

impl BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Flags) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags({self})")
    }
}

/// The letters of RFC 2408 (`E`, `C`, `A`); other bits as a hexadecimal number.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (flag, letter) in [(1, "E"), (2, "C"), (4, "A")] {
            if self.0 & flag != 0 {
                f.write_str(letter)?;
            }
        }
        if self.0 & !7 != 0 {
            write!(f, "+{:02x}", self.0 & !7)?;
        }
        Ok(())
    }
}

/// The ISAKMP header; its values are as written, whether allowed or not ([`Header::check`] judges them).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Initiator cookie.
    pub cky_i: Cookie,
    /// Responder cookie; zero in the first message.
    pub cky_r: Cookie,
    /// Type of the first payload; computed when encoding.
    pub next_payload: PayloadType,
    /// Protocol version.
    pub version: Version,
    /// The exchange that the message belongs to.
    pub exchange_type: ExchangeType,
    /// Flag bits.
    pub flags: Flags,
    /// Zero in phase 1, random for each phase 2 or informational exchange.
    pub message_id: u32,
    /// Octets of the whole message, header included; computed when encoding.
    pub length: u32,
}

impl Header {
    /// A version 1.0 header; next payload and length come with the payloads.
    pub const fn new(
        cky_i: Cookie,
        cky_r: Cookie,
        exchange_type: ExchangeType,
        flags: Flags,
        message_id: u32,
    ) -> Self {
        Header {
            cky_i,
            cky_r,
            next_payload: PayloadType::NONE,
            version: Version::V1,
            exchange_type,
            flags,
            message_id,
            length: HEADER_LEN as u32,
        }
    }

    /// Reads the 28 octets. Fails only when they are not there.
    pub fn decode(r: &mut Reader<'_>) -> Result<Header, DecodeError> {
        Ok(Header {
            cky_i: Cookie(r.array("isakmp.cky_i")?),
            cky_r: Cookie(r.array("isakmp.cky_r")?),
            next_payload: PayloadType(r.u8("isakmp.next_payload")?),
            version: Version(r.u8("isakmp.version")?),
            exchange_type: ExchangeType(r.u8("isakmp.exchange_type")?),
            flags: Flags(r.u8("isakmp.flags")?),
            message_id: r.u32("isakmp.message_id")?,
            length: r.u32("isakmp.length")?,
        })
    }

    /// Writes the header as it is, next payload and length included.
    pub fn encode(&self, w: &mut Writer) {
        self.write(w, self.next_payload);
        w.u32(self.length);
    }

    /// Header and `body` as a datagram: `first` becomes the next payload, the length is computed.
    ///
    /// For an encrypted message `body` is the ciphertext and `first` the type of the first payload inside it.
    pub fn encode_with(&self, first: PayloadType, body: &[u8]) -> Vec<u8> {
        let mut w = Writer::append_to(Vec::with_capacity(HEADER_LEN + body.len()));
        let length = self.write_open(&mut w, first);
        w.bytes(body);
        w.fill_length32(length, 0);
        w.into_bytes()
    }

    /// The checks of RFC 2408 5.2 that need no state: version 1.0, an exchange type, no unknown flags.
    pub fn check(&self) -> Result<(), DecodeError> {
        let bad = |field, offset, value: u8| {
            Err(DecodeError::new(field, offset, DecodeErrorKind::BadValue { value: value.into() }))
        };
        if self.version != Version::V1 {
            return bad("isakmp.version", 17, self.version.0);
        }
        if self.exchange_type == ExchangeType::NONE {
            return bad("isakmp.exchange_type", 18, self.exchange_type.0);
        }
        if self.flags.0 & !7 != 0 {
            return bad("isakmp.flags", 19, self.flags.0);
        }
        Ok(())
    }

    fn write_open(&self, w: &mut Writer, first: PayloadType) -> Slot32 {
        self.write(w, first);
        w.slot32()
    }

    fn write(&self, w: &mut Writer, first: PayloadType) {
        w.bytes(&self.cky_i.0);
        w.bytes(&self.cky_r.0);
        w.u8(first.0);
        w.u8(self.version.0);
        w.u8(self.exchange_type.0);
        w.u8(self.flags.0);
        w.u32(self.message_id);
    }
}

/// `isakmp main mode I cookie 5b..->00..`: `I` marks a first message, whose responder cookie is zero.
impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "isakmp {}", self.exchange_type)?;
        if self.cky_r.is_zero() {
            f.write_str(" I")?;
        }
        write!(f, " cookie {}->{}", self.cky_i, self.cky_r)?;
        if self.message_id != 0 {
            write!(f, " id {:08x}", self.message_id)?;
        }
        if self.flags != Flags::NONE {
            write!(f, " {}", self.flags)?;
        }
        Ok(())
    }
}

/// Header and body of a datagram, whose size must be the header's length (RFC 2408 5.1).
pub fn split(datagram: &[u8]) -> Result<(Header, &[u8]), DecodeError> {
    let mut r = Reader::new(datagram);
    let header = Header::decode(&mut r)?;
    if usize::try_from(header.length) != Ok(datagram.len()) {
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        return Err(DecodeError::new("isakmp.length", 24, DecodeErrorKind::BadLength { length }));
    }
    Ok((header, r.rest()))
}
