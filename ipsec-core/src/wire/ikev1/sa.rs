//! The Security Association payload (RFC 2408 3.4, RFC 2407 4.6.1).
//!
//! ```text
//!                     1                   2                   3
//! 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! Next Payload  !   RESERVED    !         Payload Length        !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !              Domain of Interpretation  (DOI)                  !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                           Situation                           ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use alloc::vec::Vec;
use core::fmt;

use super::proposal::{List, encode_list};
use super::{Doi, MAX_PROPOSALS, Proposal, Situation};
use crate::wire::isakmp::{PayloadType, Reserved};
use crate::wire::{DecodeError, DecodeErrorKind, Reader, Writer};

/// What the initiator offers, or what the responder chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaPayload {
    /// Domain of interpretation.
    pub doi: Doi,
    /// Situation.
    pub situation: Situation,
    /// The proposals, most wanted first.
    pub proposals: Vec<Proposal>,
}

impl SaPayload {
    /// Proposals in the IPsec DOI, identity only.
    pub fn new(proposals: Vec<Proposal>) -> Self {
        SaPayload { doi: Doi::IPSEC, situation: Situation::IDENTITY_ONLY, proposals }
    }

    /// Reads the body of the payload; RESERVED octets inside must be zero.
    pub fn decode(r: &mut Reader<'_>) -> Result<SaPayload, DecodeError> {
        SaPayload::decode_with(r, Reserved::MustBeZero)
    }

    /// Reads the body of the payload.
    ///
    /// Another DOI, or a situation other than identity only, has a format unknown here and is refused (RFC 2408
    /// 5.4, RFC 2407 4.2).
    pub fn decode_with(r: &mut Reader<'_>, reserved: Reserved) -> Result<SaPayload, DecodeError> {
        let at = r.offset();
        let doi = Doi(r.u32("sa.doi")?);
        if doi != Doi::IPSEC {
            return Err(DecodeError::new("sa.doi", at, DecodeErrorKind::BadValue { value: doi.0.into() }));
        }
        let at = r.offset();
        let situation = Situation(r.u32("sa.situation")?);
        if situation != Situation::IDENTITY_ONLY {
            let kind = DecodeErrorKind::BadValue { value: situation.0.into() };
            return Err(DecodeError::new("sa.situation", at, kind));
        }
        let mut proposals = Vec::new();
        let list =
            List { item: PayloadType::PROPOSAL, field: "proposal.next", limit: MAX_PROPOSALS, reserved };
        list.decode(r, |body| {
            proposals.push(Proposal::decode_with(body, reserved)?);
            Ok(())
        })?;
        Ok(SaPayload { doi, situation, proposals })
    }

    /// Writes the body of the payload.
    pub fn encode(&self, w: &mut Writer) {
        w.u32(self.doi.0);
        w.u32(self.situation.0);
        encode_list(w, PayloadType::PROPOSAL, &self.proposals, Proposal::encode);
    }
}

impl fmt::Display for SaPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SA")?;
        self.proposals.iter().try_for_each(|proposal| write!(f, " {proposal}"))
    }
}
