//! NAT traversal of a node, where it differs from its profile's.

use ipsec_core::config::{IkeConfig, VendorIdRule};
use ipsec_core::ike::v1::vendor_id;
use serde::Deserialize;

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

impl Revision {
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
