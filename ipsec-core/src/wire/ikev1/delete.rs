//! The Delete payload (RFC 2408 3.15).
//!
//! ```text
//!                     1                   2                   3
//! 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! Next Payload  !   RESERVED    !         Payload Length        !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !              Domain of Interpretation  (DOI)                  !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !  Protocol-Id  !   SPI Size    !           # of SPIs           !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~               Security Parameter Index(es) (SPI)              ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use alloc::vec::Vec;
use core::fmt;

use super::{Doi, ProtocolId};
use crate::wire::isakmp::Cookie;
use crate::wire::{DecodeError, DecodeErrorKind, Reader, Writer};

/// Tells the peer that the sender has deleted SAs: for AH and ESP, the SPIs are those of the sender's inbound SAs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    /// Domain of interpretation.
    pub doi: Doi,
    /// The protocol of the SAs.
    pub protocol: ProtocolId,
    /// Octets of one SPI: 4 for AH and ESP, 16 for ISAKMP (both cookies).
    pub spi_size: u8,
    /// The SPIs one after the other; [`Delete::spis`] separates them.
    pub spi_bytes: Vec<u8>,
}

impl Delete {
    /// Deletes AH or ESP SAs.
    pub fn ipsec(protocol: ProtocolId, spis: &[u32]) -> Self {
        let spi_bytes = spis.iter().flat_map(|spi| spi.to_be_bytes()).collect();
        Delete { doi: Doi::IPSEC, protocol, spi_size: 4, spi_bytes }
    }

    /// Deletes an ISAKMP SA.
    pub fn isakmp(cky_i: Cookie, cky_r: Cookie) -> Self {
        let spi_bytes = cky_i.0.into_iter().chain(cky_r.0).collect();
        Delete { doi: Doi::IPSEC, protocol: ProtocolId::ISAKMP, spi_size: 16, spi_bytes }
    }

    /// The SPIs.
    pub fn spis(&self) -> impl Iterator<Item = &[u8]> {
        self.spi_bytes.chunks_exact(usize::from(self.spi_size.max(1)))
    }

    /// The SPIs as the numbers AH and ESP use; none when their size is not four octets.
    pub fn spis_u32(&self) -> impl Iterator<Item = u32> + '_ {
        self.spis().filter_map(|spi| <[u8; 4]>::try_from(spi).ok().map(u32::from_be_bytes))
    }

    /// The cookies of the ISAKMP SAs; none when the SPI size is not sixteen octets.
    pub fn cookies(&self) -> impl Iterator<Item = (Cookie, Cookie)> + '_ {
        self.spis().filter_map(|spi| {
            let (cky_i, cky_r) = spi.split_first_chunk::<8>()?;
            Some((Cookie(*cky_i), Cookie(<[u8; 8]>::try_from(cky_r).ok()?)))
        })
    }

    /// Reads the body of the payload; size times number of SPIs must be its length.
    pub fn decode(r: &mut Reader<'_>) -> Result<Delete, DecodeError> {
        let doi = Doi(r.u32("delete.doi")?);
        let protocol = ProtocolId(r.u8("delete.protocol")?);
        let size_at = r.offset();
        let spi_size = r.u8("delete.spi_size")?;
        let count = usize::from(r.u16("delete.spis")?);
        let length = usize::from(spi_size) * count;
        if (spi_size == 0 && count > 0) || length != r.remaining() {
            let kind = DecodeErrorKind::BadLength { length };
            return Err(DecodeError::new("delete.spi_size", size_at, kind));
        }
        Ok(Delete { doi, protocol, spi_size, spi_bytes: r.rest().to_vec() })
    }

    /// Writes the body of the payload.
    pub fn encode(&self, w: &mut Writer) {
        w.u32(self.doi.0);
        w.u8(self.protocol.0);
        w.u8(self.spi_size);
        w.u16(u16::try_from(self.spis().count()).unwrap_or(u16::MAX));
        self.spis().for_each(|spi| w.bytes(spi));
    }
}

impl fmt::Display for Delete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "D {}", self.protocol)?;
        self.spis().try_for_each(|spi| {
            f.write_str(" ")?;
            spi.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
        })
    }
}
