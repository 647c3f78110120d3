//! NAT traversal of a node, where it differs from its profile's.

use ipsec_core::config::{IkeConfig, ResponderBehindNat, VendorIdRule};
use ipsec_core::ike::v1::nat_traversal::Version;
use ipsec_core::ike::v1::vendor_id;
use serde::Deserialize;

use crate::value::Span;

/// A revision of NAT traversal for IKE.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum Revision {
    /// draft-ietf-ipsec-nat-t-ike-02, as Windows announces it: with the newline.
    #[serde(rename = "draft-02")]
    Draft02,
    /// RFC 3947.
    #[serde(rename = "rfc3947")]
    Rfc3947,
}

/// Whether an initiator accepts a responder behind a NAT: the values of `AssumeUDPEncapsulationContextOnSendRule` in the
/// registry of Windows XP with Service Pack 2 (KB 885407).
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "u8")]
pub struct EncapsulationRule(ResponderBehindNat);

impl TryFrom<u8> for EncapsulationRule {
    type Error = String;

    fn try_from(value: u8) -> Result<Self, String> {
        Ok(EncapsulationRule(match value {
            0 => ResponderBehindNat::Never,
            1 => ResponderBehindNat::UnlessBoth,
            2 => ResponderBehindNat::Allowed,
            _ => {
                return Err(format!(
                    "`{value}` is no such rule: 0 is never, 1 unless both are behind one, 2 always"
                ));
            }
        }))
    }
}

impl EncapsulationRule {
    pub(crate) fn apply(self, ike: &mut IkeConfig) {
        ike.nat_traversal.responder_behind_nat = self.0;
    }
}

/// How often an end behind a NAT sends keepalives: a time, or `off`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct Keepalive(Option<Span>);

impl TryFrom<String> for Keepalive {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "off" { Ok(Keepalive(None)) } else { text.parse().map(|span| Keepalive(Some(span))) }
    }
}

impl Keepalive {
    pub(crate) fn apply(self, ike: &mut IkeConfig) {
        ike.nat_traversal.keepalive = self.0.map(|span| span.0);
    }
}

impl Revision {
    /// Whether NAT discovery was by this revision.
    pub(crate) fn is(self, version: Version) -> bool {
        match self {
            Revision::Draft02 => version == Version::Draft02,
            Revision::Rfc3947 => version == Version::Rfc3947,
        }
    }

    fn vendor_id(self) -> [u8; 16] {
        match self {
            Revision::Draft02 => vendor_id::NAT_T_DRAFT_02_NEWLINE,
            Revision::Rfc3947 => vendor_id::RFC_3947,
        }
    }
}

/// Announces these revisions and no others.
pub(crate) fn announce(revisions: &[Revision], ike: &mut IkeConfig) {
    let known = [vendor_id::NAT_T_DRAFT_02_NEWLINE, vendor_id::NAT_T_DRAFT_02, vendor_id::RFC_3947];
    ike.vendor_ids.retain(|rule| !known.iter().any(|id| rule.body == id[..]));
    ike.vendor_ids.extend(revisions.iter().map(|r| VendorIdRule::always(r.vendor_id())));
}
