//! The Identification payload (RFC 2408 3.8, RFC 2407 4.6.2).
//!
//! ```text
//!                     1                   2                   3
//! 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! Next Payload  !   RESERVED    !         Payload Length        !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !   ID Type     !  Protocol ID  !             Port              !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                   Identification Data                         ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::wire::{DecodeError, DecodeErrorKind, Reader, Writer, number};

number! {
    /// Type of an identity (RFC 2407 4.6.2.1).
    pub struct IdType(u8) {
        RESERVED = 0 => "RESERVED",
        IPV4_ADDR = 1 => "ID_IPV4_ADDR",
        FQDN = 2 => "ID_FQDN",
        USER_FQDN = 3 => "ID_USER_FQDN",
        IPV4_ADDR_SUBNET = 4 => "ID_IPV4_ADDR_SUBNET",
        IPV6_ADDR = 5 => "ID_IPV6_ADDR",
        IPV6_ADDR_SUBNET = 6 => "ID_IPV6_ADDR_SUBNET",
        IPV4_ADDR_RANGE = 7 => "ID_IPV4_ADDR_RANGE",
        IPV6_ADDR_RANGE = 8 => "ID_IPV6_ADDR_RANGE",
        DER_ASN1_DN = 9 => "ID_DER_ASN1_DN",
        DER_ASN1_GN = 10 => "ID_DER_ASN1_GN",
        KEY_ID = 11 => "ID_KEY_ID",
    }
}

impl IdType {
    /// Octets of the identification data, for types that fix them.
    pub const fn data_len(self) -> Option<usize> {
        match self {
            IdType::IPV4_ADDR => Some(4),
            IdType::IPV4_ADDR_SUBNET | IdType::IPV4_ADDR_RANGE => Some(8),
            IdType::IPV6_ADDR => Some(16),
            IdType::IPV6_ADDR_SUBNET | IdType::IPV6_ADDR_RANGE => Some(32),
            _ => None,
        }
    }
}

/// Who the sender is (phase 1), or what traffic an SA is for (phase 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identification {
    /// Type of the identity.
    pub id_type: IdType,
    /// IP protocol; zero for any.
    pub protocol: u8,
    /// Port; zero for any.
    pub port: u16,
    /// The identity.
    pub data: Vec<u8>,
}

impl Identification {
    /// A single address, any protocol and port.
    pub fn address(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Identification::new(IdType::IPV4_ADDR, address.octets().to_vec()),
            IpAddr::V6(address) => Identification::new(IdType::IPV6_ADDR, address.octets().to_vec()),
        }
    }

    /// The subnet of `address` with a mask of `prefix` ones, any protocol and port. Host bits are cleared; a
    /// prefix beyond the address's length counts as its length.
    pub fn subnet(address: IpAddr, prefix: u8) -> Self {
        match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
                let network = address.to_bits() & mask;
                Identification::pair(IdType::IPV4_ADDR_SUBNET, &network.to_be_bytes(), &mask.to_be_bytes())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
                let network = address.to_bits() & mask;
                Identification::pair(IdType::IPV6_ADDR_SUBNET, &network.to_be_bytes(), &mask.to_be_bytes())
            }
        }
    }

    /// The addresses from `first` to `last`, both included; `None` when they are of different families.
    pub fn range(first: IpAddr, last: IpAddr) -> Option<Self> {
        match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                Some(Identification::pair(IdType::IPV4_ADDR_RANGE, &first.octets(), &last.octets()))
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                Some(Identification::pair(IdType::IPV6_ADDR_RANGE, &first.octets(), &last.octets()))
            }
            _ => None,
        }
    }

    /// A host name.
    pub fn fqdn(name: &str) -> Self {
        Identification::new(IdType::FQDN, name.as_bytes().to_vec())
    }

    /// A user name, `user@host`.
    pub fn user_fqdn(name: &str) -> Self {
        Identification::new(IdType::USER_FQDN, name.as_bytes().to_vec())
    }

    /// An identity of any type, any protocol and port.
    pub fn new(id_type: IdType, data: Vec<u8>) -> Self {
        Identification { id_type, protocol: 0, port: 0, data }
    }

    /// The same identity for one protocol and port.
    pub fn with_protocol(self, protocol: u8, port: u16) -> Self {
        Identification { protocol, port, ..self }
    }

    fn pair(id_type: IdType, first: &[u8], second: &[u8]) -> Self {
        Identification::new(id_type, [first, second].concat())
    }

    /// The address of a single-address identity.
    pub fn to_address(&self) -> Option<IpAddr> {
        match self.id_type {
            IdType::IPV4_ADDR => <[u8; 4]>::try_from(self.data.as_slice()).ok().map(IpAddr::from),
            IdType::IPV6_ADDR => <[u8; 16]>::try_from(self.data.as_slice()).ok().map(IpAddr::from),
            _ => None,
        }
    }

    /// The network and prefix length of an address or subnet: an address is a subnet with a full mask. `None`
    /// for other types and for masks with holes.
    pub fn to_subnet(&self) -> Option<(IpAddr, u8)> {
        match (self.id_type, self.to_pair()) {
            (IdType::IPV4_ADDR_SUBNET, Some((IpAddr::V4(network), IpAddr::V4(mask)))) => {
                let (network, mask) = (network.to_bits(), mask.to_bits());
                let prefix = mask.leading_ones();
                let whole = mask.count_ones() == prefix;
                whole.then_some((IpAddr::V4(Ipv4Addr::from_bits(network & mask)), prefix as u8))
            }
            (IdType::IPV6_ADDR_SUBNET, Some((IpAddr::V6(network), IpAddr::V6(mask)))) => {
                let (network, mask) = (network.to_bits(), mask.to_bits());
                let prefix = mask.leading_ones();
                let whole = mask.count_ones() == prefix;
                whole.then_some((IpAddr::V6(Ipv6Addr::from_bits(network & mask)), prefix as u8))
            }
            _ => match self.to_address()? {
                address @ IpAddr::V4(_) => Some((address, 32)),
                address @ IpAddr::V6(_) => Some((address, 128)),
            },
        }
    }

    /// First and last address of an address, subnet or range; `None` for names, for masks with holes and for
    /// ranges that run backwards.
    pub fn to_range(&self) -> Option<(IpAddr, IpAddr)> {
        if matches!(self.id_type, IdType::IPV4_ADDR_RANGE | IdType::IPV6_ADDR_RANGE) {
            return self.to_pair().filter(|(first, last)| first <= last);
        }
        match self.to_subnet()? {
            (IpAddr::V4(network), prefix) => {
                let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
                Some((network.into(), Ipv4Addr::from_bits(network.to_bits() | host).into()))
            }
            (IpAddr::V6(network), prefix) => {
                let host = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
                Some((network.into(), Ipv6Addr::from_bits(network.to_bits() | host).into()))
            }
        }
    }

    /// The two addresses of a subnet (network, mask) or range (first, last).
    fn to_pair(&self) -> Option<(IpAddr, IpAddr)> {
        match self.id_type {
            IdType::IPV4_ADDR_SUBNET | IdType::IPV4_ADDR_RANGE => {
                let (first, second) = self.data.split_first_chunk::<4>()?;
                Some((IpAddr::from(*first), IpAddr::from(<[u8; 4]>::try_from(second).ok()?)))
            }
            IdType::IPV6_ADDR_SUBNET | IdType::IPV6_ADDR_RANGE => {
                let (first, second) = self.data.split_first_chunk::<16>()?;
                Some((IpAddr::from(*first), IpAddr::from(<[u8; 16]>::try_from(second).ok()?)))
            }
            _ => None,
        }
    }

    /// Reads the body of the payload; the data's length must suit the type.
    pub fn decode(r: &mut Reader<'_>) -> Result<Identification, DecodeError> {
        let id_type = IdType(r.u8("identification.type")?);
        let protocol = r.u8("identification.protocol")?;
        let port = r.u16("identification.port")?;
        let length = r.remaining();
        if id_type.data_len().is_some_and(|expected| expected != length) {
            return Err(r.error("identification.data", DecodeErrorKind::BadLength { length }));
        }
        Ok(Identification { id_type, protocol, port, data: r.rest().to_vec() })
    }

    /// Writes the body of the payload.
    pub fn encode(&self, w: &mut Writer) {
        w.u8(self.id_type.0);
        w.u8(self.protocol);
        w.u16(self.port);
        w.bytes(&self.data);
    }
}

/// `ID 10.1.0.0/16`, `ID ID_FQDN alice.example`, with ` proto 6 port 5001` when they are set.
impl fmt::Display for Identification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ID ")?;
        match (self.id_type, self.to_address(), self.to_subnet(), self.to_range()) {
            (_, Some(address), ..) => write!(f, "{address}")?,
            (_, _, Some((network, prefix)), _) => write!(f, "{network}/{prefix}")?,
            (.., Some((first, last))) => write!(f, "{first}-{last}")?,
            (IdType::FQDN | IdType::USER_FQDN, ..) => {
                write!(f, "{} {}", self.id_type, self.data.escape_ascii())?;
            }
            (id_type, ..) => write!(f, "{id_type} len {}", self.data.len())?,
        }
        if self.protocol != 0 || self.port != 0 {
            write!(f, " proto {} port {}", self.protocol, self.port)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use hex_literal::hex;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn decode(bytes: &[u8]) -> Result<Identification, DecodeError> {
        Identification::decode(&mut Reader::new(bytes))
    }

    fn range_of(id: &Identification) -> Option<(String, String)> {
        id.to_range().map(|(first, last)| (first.to_string(), last.to_string()))
    }

    #[test]
    fn decodes_captured() {
        // Quick mode between strongSwan daemons: 10.1.0.0/16.
        let id = decode(&hex!("040000000a010000ffff0000")).unwrap();
        assert_eq!(id, Identification::subnet(ip("10.1.0.0"), 16));
        assert_eq!(id.to_subnet(), Some((ip("10.1.0.0"), 16)));
        assert_eq!(range_of(&id), Some(("10.1.0.0".into(), "10.1.255.255".into())));
        assert_eq!(id.to_address(), None);
    }

    #[test]
    fn an_address_is_a_full_subnet_and_a_range_of_one() {
        for (text, width) in [("203.0.113.1", 32), ("2001:db8::1", 128)] {
            let id = Identification::address(ip(text)).with_protocol(17, 500);
            assert_eq!(id.to_subnet(), Some((ip(text), width)));
            assert_eq!(id.to_range(), Some((ip(text), ip(text))));
            assert_eq!(Identification::subnet(ip(text), width).to_range(), id.to_range());
            assert_eq!(id.to_string(), alloc::format!("ID {text} proto 17 port 500"));
        }
    }

    #[test]
    fn everything_is_a_subnet_without_a_mask() {
        let all = Identification::subnet(ip("10.9.8.7"), 0);
        assert_eq!(all.data, [0; 8]);
        assert_eq!(range_of(&all), Some(("0.0.0.0".into(), "255.255.255.255".into())));
        assert_eq!(Identification::subnet(ip("2001:db8::1"), 0).to_string(), "ID ::/0");
    }

    #[test]
    fn ranges_run_forward() {
        let range = Identification::range(ip("10.0.0.5"), ip("10.0.0.9")).unwrap();
        assert_eq!(range.to_range(), Some((ip("10.0.0.5"), ip("10.0.0.9"))));
        assert_eq!(range.to_string(), "ID 10.0.0.5-10.0.0.9");
        assert_eq!(Identification::range(ip("10.0.0.9"), ip("10.0.0.5")).unwrap().to_range(), None);
        assert_eq!(Identification::range(ip("10.0.0.9"), ip("::1")), None);
    }

    #[test]
    fn a_mask_with_holes_is_no_subnet() {
        let id = decode(&hex!("040000000a010000ff00ff00")).unwrap();
        assert_eq!((id.to_subnet(), id.to_range()), (None, None));
    }

    #[test]
    fn rejects_bad_length() {
        for (id_type, length) in [(1, 3), (1, 5), (4, 4), (5, 4), (6, 16), (7, 9), (8, 31)] {
            let body = [alloc::vec![id_type, 0, 0, 0], alloc::vec![0; length]].concat();
            let error = decode(&body).unwrap_err();
            assert_eq!((error.field, error.offset), ("identification.data", 4));
        }
    }

    #[test]
    fn keeps_unknown() {
        let id = decode(&hex!("63110200616263")).unwrap();
        assert_eq!(
            (id.id_type, id.protocol, id.port, id.data.as_slice()),
            (IdType(99), 17, 512, &b"abc"[..])
        );
        let name = Identification::fqdn("alice.example\n");
        assert_eq!(name.to_string(), "ID ID_FQDN alice.example\\n");
        assert_eq!(range_of(&name), None);
    }
}
