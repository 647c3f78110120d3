//! Vendor IDs: constants by which implementations know each other (RFC 2408 section 3.16).
//!
//! Which ones a node sends is configuration, because they say which product it pretends to be. What a node announces it
//! also does: an extension is in force for an ISAKMP SA when both ends announced it ([`Capabilities`]).

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::config::{VendorIdRole, VendorIdRule, VendorIdWhen};
use crate::wire::ikev1::VendorId;
use crate::wire::isakmp::{Chain, Payload};

/// `MS NT5 ISAKMPOAKLEY`, MD5, followed by a version in four octets.
pub const MS_NT5_ISAKMPOAKLEY: [u8; 16] =
    [0x1e, 0x2b, 0x51, 0x69, 0x05, 0x99, 0x1c, 0x7d, 0x7c, 0x96, 0xfc, 0xbf, 0xb5, 0x87, 0xe4, 0x61];
/// `FRAGMENTATION`, MD5 (MS-IKEE section 3.3); some vendors append four octets.
pub const FRAGMENTATION: [u8; 16] =
    [0x40, 0x48, 0xb7, 0xd5, 0x6e, 0xbc, 0xe8, 0x85, 0x25, 0xe7, 0xde, 0x7f, 0x00, 0xd6, 0xc2, 0xd3];
/// `Vid-Initial-Contact`, MD5 (MS-IKEE section 3.5): informs a cluster, authenticates nothing.
pub const VID_INITIAL_CONTACT: [u8; 16] =
    [0x26, 0x24, 0x4d, 0x38, 0xed, 0xdb, 0x61, 0xb3, 0x17, 0x2a, 0x36, 0xe3, 0xd0, 0xcf, 0xb8, 0x19];
/// `NLBS_PRESENT`, MD5 (MS-IKEE section 3.6): the peer is one of a cluster.
pub const NLBS_PRESENT: [u8; 16] =
    [0x72, 0x87, 0x2b, 0x95, 0xfc, 0xda, 0x2e, 0xb7, 0x08, 0xef, 0xe3, 0x22, 0x11, 0x9b, 0x49, 0x71];
/// `GSSAPI`, MD5.
pub const GSSAPI: [u8; 16] =
    [0x62, 0x1b, 0x04, 0xbb, 0x09, 0x88, 0x2a, 0xc1, 0xe1, 0x59, 0x35, 0xfe, 0xfa, 0x24, 0xae, 0xee];
/// `draft-ietf-ipsec-nat-t-ike-02` and a newline, MD5: the one Microsoft sends (MS-IKEE section 3.2.4.1).
pub const NAT_T_DRAFT_02_NEWLINE: [u8; 16] =
    [0x90, 0xcb, 0x80, 0x91, 0x3e, 0xbb, 0x69, 0x6e, 0x08, 0x63, 0x81, 0xb5, 0xec, 0x42, 0x7b, 0x1f];
/// `draft-ietf-ipsec-nat-t-ike-02`, MD5.
pub const NAT_T_DRAFT_02: [u8; 16] =
    [0xcd, 0x60, 0x46, 0x43, 0x35, 0xdf, 0x21, 0xf8, 0x7c, 0xfd, 0xb2, 0xfc, 0x68, 0xb6, 0xa4, 0x48];
/// `RFC 3947`, MD5 (RFC 3947 section 3.1).
pub const RFC_3947: [u8; 16] =
    [0x4a, 0x13, 0x1c, 0x81, 0x07, 0x03, 0x58, 0x45, 0x5c, 0x57, 0x28, 0xf2, 0x0e, 0x95, 0x45, 0x2f];
/// Dead peer detection, version 1.0 (RFC 3706 section 5.1).
pub const DEAD_PEER_DETECTION: [u8; 16] =
    [0xaf, 0xca, 0xd7, 0x13, 0x68, 0xa1, 0xf1, 0xc9, 0x6b, 0x86, 0x96, 0xfc, 0x77, 0x57, 0x01, 0x00];

/// The body of Microsoft's vendor ID: version 2 is Windows 2000, 3 is XP, 4 is Server 2003 and XP SP2.
pub fn microsoft(version: u32) -> Vec<u8> {
    [MS_NT5_ISAKMPOAKLEY.as_slice(), &version.to_be_bytes()].concat()
}

/// What one end announced in its first message of phase 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Microsoft's implementation, and its version.
    pub microsoft: Option<u32>,
    /// NAT traversal of RFC 3947.
    pub nat_t_rfc3947: bool,
    /// NAT traversal of draft-ietf-ipsec-nat-t-ike-02, with or without the newline in its name.
    pub nat_t_draft_02: bool,
    /// Microsoft's fragmentation of IKE messages.
    pub fragmentation: bool,
    /// Dead peer detection.
    pub dead_peer_detection: bool,
    /// Microsoft's `Vid-Initial-Contact`.
    pub vid_initial_contact: bool,
    /// A member of a cluster (`NLBS_PRESENT`).
    pub nlbs_present: bool,
}

impl Capabilities {
    /// What the vendor IDs of a received message announce. Unknown ones say nothing (RFC 2408 section 3.16).
    pub fn of(chain: &Chain) -> Self {
        Self::announced(chain.vendor_ids().map(|id| id.data.as_slice()))
    }

    /// What these bodies announce.
    pub fn announced<'a>(bodies: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut found = Capabilities::default();
        for body in bodies {
            let Some((name, rest)) = body.split_first_chunk::<16>() else { continue };
            match *name {
                MS_NT5_ISAKMPOAKLEY => found.microsoft = rest.try_into().ok().map(u32::from_be_bytes),
                FRAGMENTATION => found.fragmentation = true,
                _ if !rest.is_empty() => {}
                RFC_3947 => found.nat_t_rfc3947 = true,
                NAT_T_DRAFT_02 | NAT_T_DRAFT_02_NEWLINE => found.nat_t_draft_02 = true,
                DEAD_PEER_DETECTION => found.dead_peer_detection = true,
                VID_INITIAL_CONTACT => found.vid_initial_contact = true,
                NLBS_PRESENT => found.nlbs_present = true,
                _ => {}
            }
        }
        found
    }
}

/// Under which circumstances a first message is sent, as far as vendor IDs depend on them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Occasion<'a> {
    /// The peer.
    pub(crate) peer: IpAddr,
    /// Whether no ISAKMP SA with the peer is established.
    pub(crate) alone: bool,
    /// What the initiator sent, when we answer.
    pub(crate) answered: Option<&'a Chain>,
}

/// The bodies that these rules send on this occasion, in order.
pub(crate) fn bodies<'a>(
    rules: &'a [VendorIdRule],
    occasion: Occasion<'a>,
) -> impl Iterator<Item = &'a [u8]> {
    rules.iter().filter(move |rule| applies(rule, occasion)).map(|rule| rule.body.as_slice())
}

fn applies(rule: &VendorIdRule, occasion: Occasion<'_>) -> bool {
    let role = match (rule.role, occasion.answered) {
        (VendorIdRole::Both, _) | (VendorIdRole::Initiator | VendorIdRole::Echo, None) => true,
        (VendorIdRole::Responder, answered) => answered.is_some(),
        (VendorIdRole::Initiator, Some(_)) => false,
        (VendorIdRole::Echo, Some(chain)) => chain.vendor_ids().any(|id| id.data == rule.body),
    };
    role && match rule.when {
        VendorIdWhen::Always => true,
        VendorIdWhen::Ipv4 => occasion.peer.is_ipv4(),
        VendorIdWhen::NoIsakmpSa => occasion.alone,
    }
}

/// The payloads of these rules on this occasion, and what they announce.
pub(crate) fn payloads(rules: &[VendorIdRule], occasion: Occasion<'_>) -> (Vec<Payload>, Capabilities) {
    let ours = Capabilities::announced(bodies(rules, occasion));
    let payload = |body: &[u8]| Payload::VendorId(VendorId { data: body.to_vec() });
    (bodies(rules, occasion).map(payload).collect(), ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{HashAlg, hash};
    use crate::wire::isakmp::{decode_chain, encode_chain};

    /// MS-IKEE appendix A <6>: each constant is the MD5 of its name. Dead peer detection's is not the hash of a name.
    #[test]
    fn constants_are_the_md5_of_their_names() {
        let named = [
            ("MS NT5 ISAKMPOAKLEY", MS_NT5_ISAKMPOAKLEY),
            ("FRAGMENTATION", FRAGMENTATION),
            ("Vid-Initial-Contact", VID_INITIAL_CONTACT),
            ("NLBS_PRESENT", NLBS_PRESENT),
            ("GSSAPI", GSSAPI),
            ("draft-ietf-ipsec-nat-t-ike-02\n", NAT_T_DRAFT_02_NEWLINE),
            ("draft-ietf-ipsec-nat-t-ike-02", NAT_T_DRAFT_02),
            ("RFC 3947", RFC_3947),
        ];
        for (name, constant) in named {
            assert_eq!(hash(HashAlg::Md5, &[name.as_bytes()]), constant, "{name}");
        }
        assert_eq!(microsoft(4).get(16..), Some([0, 0, 0, 4].as_slice()));
    }

    #[test]
    fn unknown_and_lengthened_vendor_ids_announce_nothing() {
        let longer = [RFC_3947.as_slice(), &[0]].concat();
        let found = Capabilities::announced([&longer[..], &[1; 16], &[], &NAT_T_DRAFT_02, &microsoft(3)]);
        let expected = Capabilities { microsoft: Some(3), nat_t_draft_02: true, ..Capabilities::default() };
        assert_eq!(found, expected);
        // ike-scan's list has FRAGMENTATION with four octets of flags.
        let flagged = [FRAGMENTATION.as_slice(), &[0xc0, 0, 0, 0]].concat();
        assert!(Capabilities::announced([&flagged[..]]).fragmentation);
    }

    #[test]
    fn each_rule_is_sent_on_its_occasion() {
        let rule = |body: u8, role, when| VendorIdRule { body: alloc::vec![body], role, when };
        let rules = [
            rule(0, VendorIdRole::Both, VendorIdWhen::Always),
            rule(1, VendorIdRole::Initiator, VendorIdWhen::Always),
            rule(2, VendorIdRole::Responder, VendorIdWhen::Always),
            rule(3, VendorIdRole::Echo, VendorIdWhen::Always),
            rule(4, VendorIdRole::Echo, VendorIdWhen::Always),
            rule(5, VendorIdRole::Both, VendorIdWhen::Ipv4),
            rule(6, VendorIdRole::Both, VendorIdWhen::NoIsakmpSa),
        ];
        let (first, bytes) = encode_chain(&[Payload::VendorId(VendorId { data: alloc::vec![4] })]);
        let (chain, _) = decode_chain(first, &bytes).unwrap();
        let sent = |peer: &str, alone, answered| -> Vec<u8> {
            let occasion = Occasion { peer: peer.parse().unwrap(), alone, answered };
            bodies(&rules, occasion).map(|body| body[0]).collect()
        };
        assert_eq!(sent("192.0.2.1", true, None), [0, 1, 3, 4, 5, 6]);
        assert_eq!(sent("192.0.2.1", false, None), [0, 1, 3, 4, 5]);
        assert_eq!(sent("2001:db8::1", true, None), [0, 1, 3, 4, 6]);
        assert_eq!(sent("192.0.2.1", true, Some(&chain)), [0, 2, 4, 5, 6]);
    }
}
