//! Offers that our own initiator would not make.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use super::phase1;
use super::phase2::{self, Spis, Wanted};
use super::{OfferedLifetime, Refusal};
use crate::crypto::{Cipher, Group, HashAlg, Mac};
use crate::pad::{AuthMethod, MainModeProposal, Secret};
use crate::sad::Spi;
use crate::spd::{EspTransform, Lifetime, Offer};
use crate::wire::ikev1::{Attribute, Proposal, ProtocolId, SaPayload, Transform};

const DES_MD5: MainModeProposal =
    MainModeProposal { cipher: Cipher::Des, hash: HashAlg::Md5, group: Group::Modp768 };
const AES: MainModeProposal =
    MainModeProposal { cipher: Cipher::Aes256, hash: HashAlg::Sha1, group: Group::Modp1024 };

fn psk() -> AuthMethod {
    AuthMethod::PreSharedKey(Secret::new(*b"key"))
}

fn esp(cipher: Cipher, mac: Option<Mac>) -> Offer {
    Offer { ah: None, esp: Some(EspTransform { cipher, mac }), lifetime: Lifetime::default() }
}

fn bundle() -> Offer {
    Offer { ah: Some(Mac::HmacSha1_96), ..esp(Cipher::Des, Some(Mac::HmacMd5_96)) }
}

const SPIS: Spis = Spis { esp: Some(Spi(0x1000)), ah: Some(Spi(0x2000)) };

fn wanted(offers: &[Offer]) -> Wanted<'_> {
    Wanted { offers, tunnel: true, pfs: None, nat: None }
}

/// What is refused in an offer of `offers` after `change`, when we want just these.
fn refusals(offers: &[Offer], change: impl FnOnce(&mut Vec<Proposal>)) -> Vec<Refusal> {
    let mut offered = phase2::offer(&wanted(offers), &SPIS);
    change(&mut offered.proposals);
    phase2::choose(&offered, &wanted(offers)).map(|choice| choice.offer).unwrap_err()
}

fn text(refusals: &[Refusal]) -> Vec<alloc::string::String> {
    refusals.iter().map(ToString::to_string).collect()
}

#[test]
fn numbers_on_the_wire_are_those_of_the_registries() {
    // RFC 2409 appendix A: DES 1, MD5 1, group 1, pre-shared key 1; lifetime type 11, duration 12 in four octets.
    let offered = phase1::offer(&[DES_MD5], &[psk()], 28_800);
    let attributes = &offered.proposals[0].transforms[0].attributes;
    let basic = |kind: u16, value: u16| Attribute::basic(kind, value);
    let expected = [
        basic(1, 1),
        basic(2, 1),
        basic(4, 1),
        basic(3, 1),
        basic(11, 1),
        Attribute::variable(12_u16, vec![0, 0, 0x70, 0x80]),
    ];
    assert_eq!(attributes.as_slice(), expected);
    // AES-CBC 7 with key length 14, SHA 2, group 2 (RFC 3602 section 5.2).
    let aes = &phase1::offer(&[AES], &[psk()], 1).proposals[0].transforms[0].attributes;
    assert_eq!(aes[..4], [basic(1, 7), basic(14, 256), basic(2, 2), basic(4, 2)]);
    // RFC 2407 section 4.5: tunnel 1 in attribute 4, HMAC-MD5 1 in attribute 5; ESP_DES 2, AH_SHA 3 with HMAC-SHA 2.
    let offered = phase2::offer(&wanted(&[bundle()]), &SPIS);
    let [ah, esp] = offered.proposals.as_slice() else { panic!() };
    assert_eq!(
        (ah.number, ah.protocol, ah.spi_u32(), ah.transforms[0].id),
        (1, ProtocolId::AH, Some(0x2000), 3)
    );
    assert_eq!(
        (esp.number, esp.protocol, esp.spi_u32(), esp.transforms[0].id),
        (1, ProtocolId::ESP, Some(0x1000), 2)
    );
    assert_eq!(ah.transforms[0].attributes, [basic(4, 1), basic(5, 2)]);
    assert_eq!(esp.transforms[0].attributes, [basic(4, 1), basic(5, 1)]);
}

#[test]
fn a_choice_is_returned_as_it_came() {
    let mut offered = phase1::offer(&[AES, DES_MD5], &[psk()], 600);
    let transform = &mut offered.proposals[0].transforms[1];
    // Another order, another form of the duration, another number: all ours to keep.
    transform.number = 9;
    transform.attributes.reverse();
    transform.attributes.swap(0, 1);
    transform.attributes[1] = Attribute::variable(12_u16, vec![0, 0, 0, 0, 0, 0, 2, 88]);
    let sent = transform.clone();
    let choice = phase1::choose(&offered, &[DES_MD5], &[psk()]).unwrap();
    assert_eq!(choice.reply.proposals[0].transforms, [sent]);
    assert_eq!((choice.agreed, choice.seconds), (DES_MD5, Some(600)));
}

#[test]
fn the_initiator_takes_its_own_transform_unmodified_and_nothing_else() {
    let ours = [AES, DES_MD5];
    let offered = phase1::offer(&ours, &[psk()], 600);
    let reply = phase1::choose(&offered, &[DES_MD5], &[psk()]).unwrap().reply;
    let confirm =
        |reply: &SaPayload| phase1::confirm(&offered, &ours, &[psk()], reply).map(|(proposal, _)| proposal);
    assert_eq!(confirm(&reply), Some(DES_MD5));
    let altered = |change: fn(&mut Proposal)| {
        let mut reply = reply.clone();
        change(&mut reply.proposals[0]);
        confirm(&reply)
    };
    assert_eq!(altered(|p| p.transforms[0].attributes.reverse()), Some(DES_MD5));
    // strongSwan 5.9 writes our 12 (l=4): 600 as 12: 600.
    assert_eq!(altered(|p| p.transforms[0].attributes[5] = Attribute::basic(12_u16, 600_u16)), Some(DES_MD5));
    assert_eq!(altered(|p| p.transforms[0].attributes[5] = Attribute::basic(12_u16, 601_u16)), None);
    assert_eq!(altered(|p| p.number = 2), None);
    assert_eq!(altered(|p| p.transforms[0].number = 1), None);
    assert_eq!(altered(|p| p.transforms[0].attributes[0] = Attribute::basic(1_u16, 5_u16)), None);
    assert_eq!(altered(|p| p.transforms[0].attributes.truncate(4)), None);
    assert_eq!(altered(|p| p.transforms.clear()), None);
    let [first] = reply.proposals.as_slice() else { panic!() };
    assert_eq!(confirm(&SaPayload::new(vec![first.clone(), first.clone()])), None);
}

#[test]
fn an_unknown_attribute_spoils_its_transform_only() {
    let mut offered = phase1::offer(&[DES_MD5, DES_MD5], &[psk()], 600);
    offered.proposals[0].transforms[0].attributes.push(Attribute::basic(13_u16, 1_u16));
    let choice = phase1::choose(&offered, &[DES_MD5], &[psk()]).unwrap();
    assert_eq!(choice.reply.proposals[0].transforms[0].number, 2);
    let refused =
        refusals(&[bundle()], |p| p[1].transforms[0].attributes.push(Attribute::basic(10_u16, 1_u16)));
    assert_eq!(text(&refused), ["proposal 1 transform 1: an unknown attribute is ECN-Tunnel, expected none"]);
}

#[test]
fn aes_needs_its_key_length_and_others_must_have_none() {
    let mut offered = phase1::offer(&[AES], &[psk()], 600);
    offered.proposals[0].transforms[0].attributes.retain(|a| a.kind != 14);
    let refused = phase1::choose(&offered, &[AES], &[psk()]).unwrap_err();
    assert_eq!(text(&refused), ["proposal 1 transform 1: Key-Length is absent, expected 256"]);
    let refused = refusals(&[esp(Cipher::Aes128, None)], |p| {
        p[0].transforms[0].attributes.retain(|a| a.kind != 6);
    });
    assert_eq!(text(&refused), ["proposal 1 transform 1: Key-Length is absent, expected 128"]);
    let refused = refusals(&[esp(Cipher::Des, None)], |p| {
        p[0].transforms[0].attributes.push(Attribute::basic(6_u16, 64_u16));
    });
    assert_eq!(text(&refused), ["proposal 1 transform 1: Key-Length is 64, expected absent"]);
}

#[test]
fn proposals_of_one_number_are_wanted_together() {
    let offers = [bundle()];
    let offered = phase2::offer(&wanted(&offers), &SPIS);
    let choice = phase2::choose(&offered, &wanted(&offers)).unwrap();
    assert_eq!((choice.offer, choice.peer), (bundle(), SPIS));
    let ours = Spis { esp: Some(Spi(0x3000)), ah: Some(Spi(0x4000)) };
    let reply = choice.reply(&ours);
    assert_eq!(reply.proposals.iter().map(|p| p.spi_u32().unwrap()).collect::<Vec<_>>(), [0x4000, 0x3000]);
    let confirmed = phase2::confirm(&offered, &offers, &reply).unwrap();
    assert_eq!((confirmed.offer, confirmed.peer), (bundle(), ours));
    // strongSwan 5.9 adds the lifetime that an offer without one means; another key length would be another suite.
    let added = |attributes: &[Attribute]| {
        let mut reply = reply.clone();
        reply.proposals[1].transforms[0].attributes.extend_from_slice(attributes);
        phase2::confirm(&offered, &offers, &reply).is_some()
    };
    let life = [Attribute::basic(1_u16, 1_u16), Attribute::basic(2_u16, 28_800_u16)];
    assert!(added(&life));
    // The type comes before its duration, and neither alone (RFC 2407 section 4.5).
    assert!(!added(&life[..1]) && !added(&life[1..]));
    assert!(!added(&[Attribute::basic(6_u16, 128_u16)]));
    // Half of a suite is not the suite.
    let half = SaPayload::new(reply.proposals[..1].to_vec());
    assert!(phase2::confirm(&offered, &offers, &half).is_none());
    // With different numbers they are alternatives, and neither is what we want.
    let refused = refusals(&offers, |p| p[1].number = 2);
    assert_eq!(
        text(&refused),
        [
            "proposal 1 transform 1: set of protocols is PROTO_IPSEC_AH, expected PROTO_IPSEC_AH + PROTO_IPSEC_ESP",
            "proposal 2 transform 1: set of protocols is PROTO_IPSEC_ESP, expected PROTO_IPSEC_AH + PROTO_IPSEC_ESP",
        ]
    );
}

#[test]
fn a_suite_with_ipcomp_is_refused_whole_and_the_next_one_taken() {
    let offers = [esp(Cipher::Des, Some(Mac::HmacMd5_96))];
    let mut offered = phase2::offer(&wanted(&offers), &SPIS);
    let mut second = offered.proposals[0].clone();
    second.number = 2;
    let ipcomp = Proposal {
        number: 1,
        protocol: ProtocolId::IPCOMP,
        spi: vec![0, 2],
        transforms: vec![Transform { number: 1, id: 2, attributes: vec![Attribute::basic(4_u16, 1_u16)] }],
    };
    offered.proposals.extend([ipcomp, second]);
    assert_eq!(phase2::choose(&offered, &wanted(&offers)).unwrap().proposals[0].number, 2);
}

#[test]
fn esp_without_integrity_has_no_authentication_attribute() {
    let bare = [esp(Cipher::Des, None)];
    let offered = phase2::offer(&wanted(&bare), &SPIS);
    assert!(offered.proposals[0].transforms[0].attributes.iter().all(|a| a.kind != 5));
    assert!(phase2::choose(&offered, &wanted(&bare)).is_ok());
    let strict = [esp(Cipher::Des, Some(Mac::HmacMd5_96))];
    let refused = phase2::choose(&offered, &wanted(&strict)).unwrap_err();
    assert_eq!(
        text(&refused),
        ["proposal 1 transform 1: Authentication-Algorithm is absent, expected HMAC-MD5"]
    );
}

#[test]
fn reserved_spis_and_udp_encapsulation_are_refused() {
    let offers = [esp(Cipher::Des, None)];
    let refused = refusals(&offers, |p| p[0].spi = vec![0, 0, 0, 255]);
    assert_eq!(refused[0].attribute, "SPI");
    let refused = refusals(&offers, |p| {
        p[0].transforms[0].attributes[0] = Attribute::basic(4_u16, 3_u16);
    });
    assert_eq!(refused[0].offered, "UDP-Encapsulated-Tunnel");
}

/// RFC 3715 section 2.1, case a: even where both ends would have it.
#[test]
fn no_ah_is_accepted_across_a_nat() {
    let version = crate::ike::v1::nat_traversal::Version::Rfc3947;
    for (offers, accepted) in [([bundle()], false), ([esp(Cipher::Des, None)], true)] {
        let wanted = Wanted { nat: Some(version), ..wanted(&offers) };
        let offered = phase2::offer(&wanted, &SPIS);
        assert_eq!(phase2::choose(&offered, &wanted).is_ok(), accepted);
        assert_eq!(phase2::is_ah_everywhere(&offered), !accepted);
    }
}

#[test]
fn lifetimes_come_in_pairs_type_first() {
    let read = |attributes: &[Attribute]| OfferedLifetime::read(attributes, 1, 2);
    let basic = |kind: u16, value: u16| Attribute::basic(kind, value);
    let both = [basic(1, 1), basic(2, 600), basic(1, 2), Attribute::long(2_u16, 100_000)];
    assert_eq!(read(&both), Some(OfferedLifetime { seconds: Some(600), kilobytes: Some(100_000) }));
    assert_eq!(read(&[basic(4, 1)]), Some(OfferedLifetime::default()));
    for broken in [
        vec![basic(2, 600), basic(1, 1)],
        vec![basic(1, 1)],
        vec![basic(1, 1), basic(1, 2), basic(2, 5)],
        vec![basic(1, 3), basic(2, 5)],
        vec![basic(1, 1), basic(2, 0)],
        vec![basic(1, 1), basic(2, 5), basic(1, 1), basic(2, 6)],
        vec![basic(1, 1), Attribute::variable(2_u16, vec![])],
    ] {
        assert_eq!(read(&broken), None, "{broken:?}");
    }
    let huge = [basic(1, 1), Attribute::variable(2_u16, vec![1, 0, 0, 0, 0])];
    assert_eq!(read(&huge), Some(OfferedLifetime { seconds: Some(u32::MAX), kilobytes: None }));
}

#[test]
fn null_needs_an_authentication_algorithm() {
    // RFC2407-4.4.4.11-02, even when our own policy has both missing.
    let refused = refusals(&[esp(Cipher::Null, None)], |_| {});
    assert_eq!(refused[0].attribute, "Authentication-Algorithm");
    let with = [esp(Cipher::Null, Some(Mac::HmacMd5_96))];
    assert!(phase2::choose(&phase2::offer(&wanted(&with), &SPIS), &wanted(&with)).is_ok());
}

/// RFC 2409 appendix A and draft-ietf-ipsec-isakmp-gss-auth: the numbers of the methods.
const NUMBERS: [u16; 3] = [65_001, 3, 1];

fn all_methods() -> [AuthMethod; 3] {
    [AuthMethod::Kerberos, AuthMethod::Certificate { root: "CN=Root".into() }, psk()]
}

/// Attributes 3, 1 and 4 of each transform: method, encryption, group.
fn methods_ciphers_groups(offered: &SaPayload) -> Vec<[u16; 3]> {
    let value = |t: &Transform, kind: u16| {
        t.attributes.iter().find(|a| a.kind == kind).and_then(Attribute::as_basic).unwrap_or_default()
    };
    let transforms = &offered.proposals[0].transforms;
    transforms.iter().map(|t| [3, 1, 4].map(|kind| value(t, kind))).collect()
}

#[test]
fn methods_multiply_proposals_and_stand_outermost() {
    let offered = phase1::offer(&[AES, DES_MD5], &all_methods(), 600);
    let expected: Vec<[u16; 3]> =
        NUMBERS.iter().flat_map(|method| [[*method, 7, 2], [*method, 1, 1]]).collect();
    assert_eq!(methods_ciphers_groups(&offered), expected);
    let numbers: Vec<u8> = offered.proposals[0].transforms.iter().map(|t| t.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    // Certificates of two authorities are one method on the wire.
    let two = ["CN=A", "CN=B"].map(|root| AuthMethod::Certificate { root: root.into() });
    assert_eq!(phase1::offer(&[AES], &two, 600).proposals[0].transforms.len(), 1);
    // A number has one octet.
    assert_eq!(phase1::offer(&[AES; 300], &[psk()], 600).proposals[0].transforms.len(), 255);
}

#[test]
fn the_first_transform_in_the_initiators_order_wins() {
    let offered = phase1::offer(&[AES, DES_MD5], &all_methods(), 600);
    let taken = |proposals: &[MainModeProposal], methods: &[AuthMethod]| {
        let choice = phase1::choose(&offered, proposals, methods).unwrap();
        (choice.reply.proposals[0].transforms[0].number, choice.agreed, choice.method)
    };
    let [kerberos, certificate, psk] = all_methods();
    // Our own order does not count, of methods or of proposals.
    assert_eq!(taken(&[DES_MD5, AES], &[psk.clone(), certificate.clone()]), (3, AES, certificate.clone()));
    assert_eq!(taken(&[DES_MD5], &[psk.clone(), kerberos.clone()]), (2, DES_MD5, kerberos));
    assert_eq!(taken(&[DES_MD5], core::slice::from_ref(&psk)), (6, DES_MD5, psk.clone()));
    // The initiator reads the same out of it.
    let reply = phase1::choose(&offered, &[DES_MD5], core::slice::from_ref(&psk)).unwrap().reply;
    let agreed = phase1::confirm(&offered, &[AES, DES_MD5], &all_methods(), &reply);
    assert_eq!(agreed, Some((DES_MD5, psk)));
}

#[test]
fn no_common_method_is_told_from_no_common_algorithms() {
    let [kerberos, certificate, psk] = all_methods();
    let offered = phase1::offer(&[AES, DES_MD5], &[kerberos, certificate.clone()], 600);
    let no_method = |proposals: &[MainModeProposal], methods: &[AuthMethod]| {
        phase1::choose(&offered, proposals, methods).unwrap_err();
        phase1::no_common_method(&offered, proposals, methods)
            .map(|methods| methods.iter().map(|m| m.0).collect::<Vec<u16>>())
    };
    let only_psk = core::slice::from_ref(&psk);
    assert_eq!(no_method(&[DES_MD5], only_psk), Some(vec![65_001, 3]));
    // Another group, and another cipher: with any method there would be no agreement.
    let other_group = MainModeProposal { group: Group::Modp2048, ..DES_MD5 };
    assert_eq!(no_method(&[other_group], only_psk), None);
    let other_cipher = MainModeProposal { cipher: Cipher::TripleDes, ..DES_MD5 };
    assert_eq!(no_method(&[other_cipher], &[certificate]), None);
}
