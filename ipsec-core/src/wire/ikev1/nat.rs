//! NAT traversal payloads: NAT discovery and NAT original address (RFC 3947 3.2 and 5.2).
//!
//! ```text
//!                     1                   2                   3
//! 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+---------------+---------------+
//! ! Next Payload  !   RESERVED    !         Payload length        !
//! +---------------+---------------+---------------+---------------+
//! !    ID Type    !   RESERVED    !            RESERVED           !   (NAT-OA only)
//! +---------------+---------------+---------------+---------------+
//! ~          HASH of the address and port, or the address         ~
//! +---------------+---------------+---------------+---------------+
//! ```

use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use super::IdType;
use crate::wire::isakmp::PayloadType;
use crate::wire::{DecodeError, DecodeErrorKind, Reader, Writer};

/// Which numbers the payloads go by: it follows from the vendor IDs exchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NatNumbering {
    /// 20 and 21 (RFC 3947).
    #[default]
    Rfc3947,
    /// 130 and 131 (draft-ietf-ipsec-nat-t-ike-02 and -03).
    Draft,
}

/// A hash of cookies, address and port: the peer compares it with what it sees (RFC 3947 3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatD {
    /// Which number the payload goes by.
    pub numbering: NatNumbering,
    /// HASH(CKY-I | CKY-R | IP | Port).
    pub hash: Vec<u8>,
}

/// An address as the sender sees it, before any NAT (RFC 3947 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatOa {
    /// Which number the payload goes by.
    pub numbering: NatNumbering,
    /// The address.
    pub address: IpAddr,
}

impl NatD {
    /// The number that announces this payload.
    pub const fn payload_type(&self) -> PayloadType {
        match self.numbering {
            NatNumbering::Rfc3947 => PayloadType::NAT_D,
            NatNumbering::Draft => PayloadType::NAT_D_DRAFT,
        }
    }

    /// Reads the body of the payload announced as `payload_type`.
    pub fn decode(payload_type: PayloadType, r: &mut Reader<'_>) -> Result<NatD, DecodeError> {
        Ok(NatD { numbering: numbering(payload_type), hash: r.rest().to_vec() })
    }

    /// Writes the body of the payload.
    pub fn encode(&self, w: &mut Writer) {
        w.bytes(&self.hash);
    }
}

impl NatOa {
    /// The number that announces this payload.
    pub const fn payload_type(&self) -> PayloadType {
        match self.numbering {
            NatNumbering::Rfc3947 => PayloadType::NAT_OA,
            NatNumbering::Draft => PayloadType::NAT_OA_DRAFT,
        }
    }

    /// Reads the body of the payload announced as `payload_type`: an IPv4 or IPv6 address.
    pub fn decode(payload_type: PayloadType, r: &mut Reader<'_>) -> Result<NatOa, DecodeError> {
        let at = r.offset();
        let id_type = IdType(r.u8("nat_oa.id_type")?);
        r.bytes("nat_oa.reserved", 3)?;
        let address = match id_type {
            IdType::IPV4_ADDR => IpAddr::from(r.array::<4>("nat_oa.address")?),
            IdType::IPV6_ADDR => IpAddr::from(r.array::<16>("nat_oa.address")?),
            IdType(value) => {
                let kind = DecodeErrorKind::BadValue { value: value.into() };
                return Err(DecodeError::new("nat_oa.id_type", at, kind));
            }
        };
        Ok(NatOa { numbering: numbering(payload_type), address })
    }

    /// Writes the body of the payload.
    pub fn encode(&self, w: &mut Writer) {
        w.u8(match self.address {
            IpAddr::V4(_) => IdType::IPV4_ADDR.0,
            IpAddr::V6(_) => IdType::IPV6_ADDR.0,
        });
        w.bytes(&[0; 3]);
        match self.address {
            IpAddr::V4(address) => w.bytes(&address.octets()),
            IpAddr::V6(address) => w.bytes(&address.octets()),
        }
    }
}

const fn numbering(payload_type: PayloadType) -> NatNumbering {
    if payload_type.is_private() { NatNumbering::Draft } else { NatNumbering::Rfc3947 }
}

impl fmt::Display for NatD {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} len {}", self.payload_type(), self.hash.len())
    }
}

impl fmt::Display for NatOa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.payload_type(), self.address)
    }
}
