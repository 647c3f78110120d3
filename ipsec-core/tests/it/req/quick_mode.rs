//! RFC 2407 and RFC 2409 section 5.5: quick mode, as it leaves the node and as a liar sends it.

use super::node::*;
use super::offers::attributes;
use super::probe::*;
use ipsec_core::Event;
use ipsec_core::crypto::{Cipher, Group, Mac};
use ipsec_core::ike::proposal::phase2::{self, Spis, Wanted};
use ipsec_core::sad::Spi;
use ipsec_core::selector::{AddressRange, Selector};
use ipsec_core::spd::{Lifetime, Offer, Pfs, Populate};
use ipsec_core::wire::ikev1::*;
use ipsec_core::wire::isakmp::{Chain, Flags, Payload, PayloadType, encode_chain, split};
use std::collections::BTreeSet;

pub(super) fn offer() -> Offer {
    esp_offer(Cipher::Aes128, Some(Mac::HmacSha1_96))
}

/// Sends our message 1; the node's answers.
fn request(probe: &mut Probe, quick: &mut Quick, payloads: &[Payload]) -> Vec<Vec<u8>> {
    let first = probe.say(QUICK, quick, &[], payloads);
    probe.tell(&first)
}

/// Sends our message 1 and takes message 2.
fn answered(probe: &mut Probe, quick: &mut Quick, payloads: &[Payload]) -> Chain {
    let answers = request(probe, quick, payloads);
    assert_eq!(answers.len(), 1);
    let ni_b = quick.ni_b.clone();
    let chain = probe.hear(quick, &ni_b, &answers[0]);
    quick.nr_b = chain.body_of(PayloadType::NONCE).unwrap().to_vec();
    chain
}

pub(super) fn pairs(probe: &Probe) -> usize {
    probe.node.ipsec.status().pairs().count()
}

fn spi_of(chain: &Chain) -> u32 {
    chain.sa().unwrap().proposals[0].spi_u32().unwrap()
}

/// Our message 1 is refused: no SA, one notification, which it returns.
pub(super) fn refusal(probe: &mut Probe, quick: &mut Quick, payloads: &[Payload]) -> Notification {
    let before = pairs(probe);
    let answers = request(probe, quick, payloads);
    assert_eq!((answers.len(), pairs(probe)), (1, before));
    // Encrypted, with a HASH, under a message ID of its own (RFC 2409 section 5.7).
    let header = split(&answers[0]).unwrap().0;
    assert_eq!((header.exchange_type, header.flags), (INFORMATIONAL, Flags::ENCRYPTION));
    assert!(header.message_id != quick.message_id && header.message_id != 0);
    let chain = probe.informed(&answers[0]);
    assert!(chain.sa().is_none());
    let notification = chain.notification().unwrap().clone();
    assert!((1..=30).contains(&notification.notify_type.0));
    assert_eq!(notification.doi, Doi::IPSEC);
    notification
}

/// RFC 2409 section 5.5: both sides' messages, the SAs they make, and that the SAs carry traffic.
#[test]
fn what_a_responder_sends() {
    let mut probe = Probe::established(&Setup::tunnel(1));
    let mut quick = probe.begin();
    let payloads = probe.request(&quick, &[offer()], None);
    let chain = answered(&mut probe, &mut quick, &payloads);
    let types: Vec<_> = chain.payloads().iter().map(Payload::payload_type).collect();
    use PayloadType as P;
    assert_eq!(types, [P::HASH, P::SA, P::NONCE, P::IDENTIFICATION, P::IDENTIFICATION]);
    // What was offered, with the responder's own SPI in place of ours.
    let Payload::Sa(mut expected) = payloads[0].clone() else { panic!() };
    let spi = spi_of(&chain);
    assert!(spi > 255 && spi != OUR_SPI);
    expected.proposals[0].spi = spi.to_be_bytes().to_vec();
    assert_eq!(chain.sa(), Some(&expected));
    assert!((8..=256).contains(&quick.nr_b.len()));
    assert!(chain.identifications().eq(payloads.iter().filter_map(|payload| match payload {
        Payload::Identification(id) => Some(id),
        _ => None,
    })));
    let mut child = probe.child(&quick, &offer(), spi, OUR_SPI, None);
    // Until message 3 the node sends nothing on it.
    assert!(!probe.hears(&child));
    let third = probe.third(&mut quick);
    probe.tell(&third);
    assert!(probe.hears(&child) && probe.reaches(&mut child));
    // Keys that go the wrong way fit nothing.
    let mut crossed = probe.child(&quick, &offer(), OUR_SPI, spi, None);
    assert!(!probe.hears(&crossed) && !probe.reaches(&mut crossed));
    // The same message 3 once more changes nothing.
    assert!(probe.tell(&third).is_empty());
    assert_eq!(pairs(&probe), 1);
}

#[test]
fn what_an_initiator_sends() {
    let offers = [offer(), esp_offer(Cipher::TripleDes, Some(Mac::HmacMd5_96))];
    let both = Offer { ah: Some(Mac::HmacSha1_96), ..offers[1] };
    let setup = Setup::tunnel(1).offers([&offers[..], &[both]].concat());
    let (mut probe, first) = Probe::responder(&setup);
    let (sixth, fifth) = probe.until_sixth(&first);
    assert!(fifth.identification().is_some());
    let answers = probe.tell(&sixth);
    let quick_mode = |datagram: &&Vec<u8>| split(datagram).unwrap().0.exchange_type == QUICK;
    let first = answers.iter().find(quick_mode).unwrap();
    let header = split(first).unwrap().0;
    assert_eq!(header.flags, Flags::ENCRYPTION);
    assert_ne!(header.message_id, 0);
    let mut quick = probe.exchange(header.message_id);
    let chain = probe.hear(&mut quick, &[], first);
    use PayloadType as P;
    let types: Vec<_> = chain.payloads().iter().map(Payload::payload_type).collect();
    assert_eq!(types, [P::HASH, P::SA, P::NONCE, P::IDENTIFICATION, P::IDENTIFICATION]);
    // The initiator's net first.
    let ids: Vec<_> = chain.identifications().map(|id| id.to_subnet().unwrap().0).collect();
    assert_eq!(ids, [ip("10.1.0.0"), ip("10.2.0.0")]);
    // In the order of preference, numbers rising; a suite is proposals of one number; SPIs of four octets, of its own.
    let sa = chain.sa().unwrap();
    let shape: Vec<_> = sa.proposals.iter().map(|p| (p.number, p.protocol, p.transforms[0].id)).collect();
    let (esp, ah) = (ProtocolId::ESP, ProtocolId::AH);
    assert_eq!(shape, [(1, esp, 12), (2, esp, 3), (3, ah, 3), (3, esp, 3)]);
    assert_eq!((sa.doi, sa.situation), (Doi::IPSEC, Situation::IDENTITY_ONLY));
    for proposal in &sa.proposals {
        assert!(proposal.spi.len() == 4 && proposal.spi_u32().unwrap() > 255);
        let transform = &proposal.transforms[0];
        assert_eq!((proposal.transforms.len(), transform.number), (1, 1));
        assert!(transform.attribute(Phase2Attribute::AUTHENTICATION_ALGORITHM).is_some());
        let has_length = transform.attribute(Phase2Attribute::KEY_LENGTH).is_some();
        assert_eq!(has_length, transform.id == EspTransform::AES_CBC.0);
        // A duration follows its type, and all but durations are basic.
        for (at, attribute) in transform.attributes.iter().enumerate() {
            let is_duration = attribute.kind == Phase2Attribute::LIFE_DURATION.0;
            assert!(is_duration || attribute.as_basic().is_some());
            assert!(!is_duration || transform.attributes[at - 1].kind == Phase2Attribute::LIFE_TYPE.0);
        }
    }
    // We choose the second, and the node confirms with HASH(3).
    quick.ni_b = chain.body_of(P::NONCE).unwrap().to_vec();
    let spi = sa.proposals[1].spi_u32().unwrap();
    let (second, id_ci, id_cr) = (sa.proposals[1].clone(), chain.get(3), chain.get(4));
    let chosen = SaPayload::new(vec![Proposal { spi: OUR_SPI.to_be_bytes().to_vec(), ..second }]);
    let nonce = Payload::Nonce(Nonce { data: quick.nr_b.clone() });
    let reply = [Payload::Sa(chosen), nonce, id_ci.unwrap().clone(), id_cr.unwrap().clone()];
    let ni_b = quick.ni_b.clone();
    let reply = probe.say(QUICK, &mut quick, &ni_b, &reply);
    let third = probe.ask(&reply);
    let expected = probe.third(&mut quick.clone());
    assert_eq!(third, expected);
    let mut child = probe.child(&quick, &offers[1], spi, OUR_SPI, None);
    assert!(probe.hears(&child) && probe.reaches(&mut child));
}

/// RFC 2409 section 4: the original responder begins, and the cookies keep their places.
#[test]
fn either_end_may_begin_and_cookies_keep_their_order() {
    // We answered main mode, and begin a quick mode of our own beside the node's.
    let (mut probe, first) = Probe::responder(&Setup::tunnel(1));
    let (sixth, _) = probe.until_sixth(&first);
    probe.tell(&sixth);
    let mut quick = probe.begin();
    let payloads = probe.request(&quick, &[offer()], None);
    let swapped = {
        let (cky_i, cky_r) = (probe.cky_i, probe.cky_r);
        (probe.cky_i, probe.cky_r) = (cky_r, cky_i);
        let datagram = probe.say(QUICK, &mut quick.clone(), &[], &payloads);
        (probe.cky_i, probe.cky_r) = (cky_i, cky_r);
        datagram
    };
    assert!(probe.tell(&swapped).is_empty());
    let chain = answered(&mut probe, &mut quick, &payloads);
    let third = probe.third(&mut quick);
    probe.tell(&third);
    let mut child = probe.child(&quick, &offer(), spi_of(&chain), OUR_SPI, None);
    assert!(probe.reaches(&mut child));
    // We began main mode, and the node begins a quick mode.
    let mut probe = Probe::established(&Setup::tunnel(1));
    let sent = ike(&probe.node.outbound(&super::node::request(8)));
    let header = split(&sent[0]).unwrap().0;
    assert_eq!((header.exchange_type, header.cky_i, header.cky_r), (QUICK, probe.cky_i, probe.cky_r));
    probe.hear(&mut probe.exchange(header.message_id), &[], &sent[0]);
}

/// RFC 2409 sections 5.5 and appendix B: two quick modes and a notification at once, each with its own IV.
#[test]
fn exchanges_interleave() {
    let mut probe = Probe::established(&Setup::tunnel(1));
    let mut quicks = [probe.begin(), probe.begin()];
    let mut children = vec![];
    let mut spis = vec![];
    for quick in &mut quicks {
        let payloads = probe.request(quick, &[offer()], None);
        spis.push(spi_of(&answered(&mut probe, quick, &payloads)));
        let status = Notification::new(ProtocolId::ISAKMP, vec![], NotifyType(31_000));
        let note = probe.inform(&[Payload::Notification(status)]);
        assert!(probe.tell(&note).is_empty());
    }
    for (quick, spi) in quicks.iter_mut().zip(spis) {
        let third = probe.third(quick);
        probe.tell(&third);
        children.push(probe.child(quick, &offer(), spi, OUR_SPI, None));
    }
    let notified = probe.node.events.iter().filter(|e| matches!(e, Event::Notified { notify: 31_000, .. }));
    assert_eq!(notified.count(), 2);
    assert!(children.iter_mut().all(|child| probe.reaches(child)));
}

/// RFC 2409 section 5.5: with a group there is KE on both sides, it enters the keys, and SKEYIDs stay what they are.
#[test]
fn perfect_forward_secrecy() {
    let mut setup = Setup::tunnel(1);
    setup.protect().pfs = Pfs::Group(Group::Modp768);
    let mut probe = Probe::established(&setup);
    for _ in 0..2 {
        let mut quick = probe.begin();
        let payloads = probe.request(&quick, &[offer()], Some(Group::Modp768));
        let chain = answered(&mut probe, &mut quick, &payloads);
        let theirs = chain.body_of(PayloadType::KEY_EXCHANGE).unwrap();
        let g_xy = probe.secret.shared(theirs).unwrap();
        let third = probe.third(&mut quick);
        probe.tell(&third);
        let spi = spi_of(&chain);
        let mut child = probe.child(&quick, &offer(), spi, OUR_SPI, Some(&g_xy));
        assert!(probe.reaches(&mut child));
        let mut without = probe.child(&quick, &offer(), spi, OUR_SPI, None);
        assert!(!probe.reaches(&mut without));
    }
    // KE missing though the group was named; KE without a group; a group in one transform of two.
    let mut quick = probe.begin();
    let mut payloads = probe.request(&quick, &[offer()], Some(Group::Modp768));
    payloads.remove(2);
    refusal(&mut probe, &mut quick, &payloads);
    let mut quick = probe.begin();
    let mut payloads = probe.request(&quick, &[offer()], None);
    payloads.insert(2, Payload::KeyExchange(KeyExchange { data: probe.secret.public() }));
    refusal(&mut probe, &mut quick, &payloads);
    let mut quick = probe.begin();
    let mut payloads = probe.request(&quick, &[offer(), offer()], Some(Group::Modp768));
    let Payload::Sa(sa) = &mut payloads[0] else { panic!() };
    let group = Phase2Attribute::GROUP_DESCRIPTION.0;
    sa.proposals[1].transforms[0].attributes.retain(|attribute| attribute.kind != group);
    refusal(&mut probe, &mut quick, &payloads);
}

/// RFC 2407 section 4.4.4 and RFC 4303 section 5: suites of ESP, from offer to traffic.
#[test]
fn each_suite_of_esp() {
    for cipher in Cipher::ALL {
        for mac in [Mac::HmacMd5_96, Mac::HmacSha1_96, Mac::HmacSha256_128] {
            let offer = esp_offer(cipher, Some(mac));
            let mut probe = Probe::established(&Setup::tunnel(1).offers(vec![offer]));
            let mut child = probe.quick_mode(offer);
            assert!(probe.reaches(&mut child) && probe.hears(&child), "{cipher} {mac}");
        }
    }
}

/// RFC 2409 sections 5.5 and 4.2 of RFC 2408: hashes, order and clear text.
#[test]
fn requests_that_are_not_authentic() {
    let mut probe = Probe::established(&Setup::tunnel(1));
    let mut quick = probe.begin();
    let payloads = probe.request(&quick, &[offer()], None);
    let (rest, header) = (encode_chain(&payloads).1, probe.header(QUICK, quick.message_id));
    let hash = |data: Vec<u8>| Payload::Hash(Hash { data });
    let right = probe.phase_2_hash(quick.message_id, &[], &rest);
    let mut flipped = right.clone();
    flipped[7] ^= 2;
    // Of another exchange, of none, over the padding as well.
    let other = probe.phase_2_hash(quick.message_id ^ 1, &[], &rest);
    let padded = probe.phase_2_hash(quick.message_id, &[], &[&rest[..], &[0; 4]].concat());
    for data in [flipped, other, padded, vec![0; 20], right[..19].to_vec()] {
        let payloads = [&[hash(data)], &payloads[..]].concat();
        let first = probe.encrypt(header, &quick.iv, &payloads).0;
        assert!(probe.tell(&first).is_empty());
    }
    let without = probe.encrypt(header, &quick.iv, &payloads).0;
    assert!(probe.tell(&without).is_empty());
    // HASH not in front.
    let behind = [&payloads[..1], &[hash(right.clone())], &payloads[1..]].concat();
    let behind = probe.encrypt(header, &quick.iv, &behind).0;
    assert!(probe.tell(&behind).is_empty());
    // In clear, with a right HASH.
    let clear = [&[hash(right)], &payloads[..]].concat();
    let clear = ipsec_core::wire::isakmp::Message { header, payloads: clear }.encode();
    assert!(probe.tell(&clear).is_empty());
    // Authentication only.
    let mut flagged = probe.say(QUICK, &mut quick.clone(), &[], &payloads);
    flagged[19] |= 4;
    assert!(probe.tell(&flagged).is_empty());
    assert_eq!(pairs(&probe), 0);
    answered(&mut probe, &mut quick, &payloads);
}

/// RFC 2409 section 5.5: what is authentic and still no quick mode.
#[test]
fn requests_that_are_malformed() {
    let mut probe = Probe::established(&Setup::tunnel(1));
    let quick = probe.begin();
    let right = probe.request(&quick, &[offer()], None);
    let [sa, nonce, ci, cr] = right.as_slice() else { panic!() };
    let cases = [
        // Nonce before SA, one identity, three, no nonce, no SA, two SAs.
        vec![nonce, sa, ci, cr],
        vec![sa, nonce, ci],
        vec![sa, nonce, ci, cr, cr],
        vec![sa, ci, cr],
        vec![nonce, ci, cr],
        vec![sa, sa, nonce, ci, cr],
        vec![sa, nonce, nonce, ci, cr],
    ];
    for case in cases {
        let payloads: Vec<_> = case.into_iter().cloned().collect();
        let mut quick = probe.begin();
        refusal(&mut probe, &mut quick, &payloads);
    }
}

/// RFC 2409 sections 5.5 and 7.2: without message 3, and with another's, the node sends nothing; message 1 replayed makes
/// no usable SA.
#[test]
fn message_3_is_waited_for() {
    let mut probe = Probe::established(&Setup::tunnel(1));
    let mut quick = probe.begin();
    let payloads = probe.request(&quick, &[offer()], None);
    let first = probe.say(QUICK, &mut quick.clone(), &[], &payloads);
    let chain = answered(&mut probe, &mut quick, &payloads);
    let child = probe.child(&quick, &offer(), spi_of(&chain), OUR_SPI, None);
    assert!(!probe.hears(&child));
    // HASH(3) with other nonces; HASH(1) in its place.
    let wrong = Quick { nr_b: vec![1; 16], ..quick.clone() };
    let third = probe.third(&mut wrong.clone());
    probe.tell(&third);
    assert!(!probe.hears(&child));
    let third = probe.say(QUICK, &mut quick.clone(), &[], &[]);
    probe.tell(&third);
    assert!(!probe.hears(&child));
    let third = probe.third(&mut quick);
    probe.tell(&third);
    assert!(probe.hears(&child));
    // Long after, message 1 and message 3 once more.
    let before = pairs(&probe);
    probe.node.wait(200);
    assert!(probe.tell(&first).is_empty() && probe.tell(&third).is_empty());
    assert_eq!(pairs(&probe), before);
}

/// RFC 2408 section 4.2 and RFC 2409 section 5.5: replies that an initiator does not take.
#[test]
fn replies_that_are_refused() {
    let pfs = Pfs::Group(Group::Modp768);
    for case in 0..9 {
        let mut setup = Setup::tunnel(1);
        setup.protect().pfs = pfs;
        let (mut probe, first) = Probe::responder(&setup);
        let (sixth, _) = probe.until_sixth(&first);
        let answers = probe.tell(&sixth);
        let first = answers.iter().find(|d| split(d).unwrap().0.exchange_type == QUICK).unwrap();
        let mut quick = probe.exchange(split(first).unwrap().0.message_id);
        let chain = probe.hear(&mut quick, &[], first);
        let ni_b = chain.body_of(PayloadType::NONCE).unwrap().to_vec();
        let mut sa = chain.sa().unwrap().clone();
        sa.proposals[0].spi = OUR_SPI.to_be_bytes().to_vec();
        let transform = &mut sa.proposals[0].transforms[0];
        match case {
            1 => transform.id = 3,
            2 => transform.attributes.push(Attribute::basic(6_u16, 128_u16)),
            3 => drop(transform.attributes.remove(0)),
            4 => sa.proposals[0].spi = vec![0; 4],
            5 => {
                let again = transform.clone();
                sa.proposals[0].transforms.push(again);
            }
            _ => {}
        }
        let (ids, ke) = (chain.identifications().cloned().collect::<Vec<_>>(), probe.secret.public());
        let mut reply = vec![
            Payload::Sa(sa),
            Payload::Nonce(Nonce { data: quick.nr_b.clone() }),
            Payload::KeyExchange(KeyExchange { data: ke }),
            Payload::Identification(ids[0].clone()),
            Payload::Identification(ids[1].clone()),
        ];
        match case {
            6 => drop(reply.remove(2)),
            7 => reply[4] = Payload::Identification(Identification::subnet(ip("10.0.0.0"), 8)),
            // Without Ni_b in HASH(2) it is not authentic at all.
            8 => {
                let second = probe.say(QUICK, &mut quick.clone(), &[], &reply);
                assert!(probe.tell(&second).is_empty());
                continue;
            }
            _ => {}
        }
        let second = probe.say(QUICK, &mut quick, &ni_b, &reply);
        let answers = probe.tell(&second);
        let confirmed = answers.iter().any(|d| split(d).unwrap().0.exchange_type == QUICK);
        assert_eq!((confirmed, pairs(&probe)), (case == 0, usize::from(case == 0)), "{case}");
    }
}

/// RFC 4301 section 4.4.3.3 and RFC 2409 section 5.5: what policy does not allow this peer is not negotiated.
#[test]
fn identities_beyond_policy() {
    let mut probe = Probe::established(&Setup::tunnel(1));
    let net = |text: &str, len| Identification::subnet(ip(text), len);
    let (ours, theirs) = (net("10.2.0.0", 16), net("10.1.0.0", 16));
    let range = |a: &str, b: &str| Identification::range(ip(a), ip(b)).unwrap();
    let holes = Identification::new(IdType::IPV4_ADDR_SUBNET, vec![10, 1, 0, 0, 255, 0, 255, 0]);
    for (ci, cr) in [
        (net("0.0.0.0", 0), theirs.clone()),
        (ours.clone(), net("0.0.0.0", 0)),
        (net("10.2.0.0", 15), theirs.clone()),
        // The addresses of another peer, names, backwards ranges, masks with holes.
        (net("10.3.0.0", 16), theirs.clone()),
        (Identification::fqdn("a.example"), theirs.clone()),
        (range("10.2.0.9", "10.2.0.5"), theirs.clone()),
        (ours.clone(), holes),
        (ours.clone().with_protocol(6, 0), theirs.clone().with_protocol(17, 0)),
    ] {
        let mut quick = probe.begin();
        let mut payloads = probe.request(&quick, &[offer()], None);
        payloads.truncate(2);
        payloads.extend([ci, cr].map(Payload::Identification));
        let notification = refusal(&mut probe, &mut quick, &payloads);
        assert_eq!(notification.notify_type, NotifyType::INVALID_ID_INFORMATION);
    }
    // Transit traffic in transport mode.
    let mut quick = probe.begin();
    let mut payloads = probe.request(&quick, &[offer()], None);
    let Payload::Sa(sa) = &mut payloads[0] else { panic!() };
    for attribute in attributes(sa) {
        if attribute.kind == Phase2Attribute::ENCAPSULATION_MODE.0 {
            *attribute = Attribute::basic(attribute.kind, 2_u16);
        }
    }
    refusal(&mut probe, &mut quick, &payloads);
}

/// Source, destination, protocol and destination port of an inner packet, and whether it may pass.
type Inner = (&'static str, &'static str, u8, u16, bool);

/// RFC 2407 section 4.6.2: zero means any, ranges count at their ends.
#[test]
fn identities_as_selectors() {
    let mut setup = Setup::tunnel(1);
    setup.entries[0].selector = Selector::any();
    let range = |a: &str, b: &str| Identification::range(ip(a), ip(b)).unwrap();
    let v6 = |text: &str| Identification::subnet(ip(text), 32);
    let cases: [(Identification, Identification, &[Inner]); 4] = [
        (
            range("10.2.0.5", "10.2.0.6"),
            Identification::subnet(ip("10.1.0.0"), 16),
            &[
                ("10.2.0.5", "10.1.0.1", 17, 9, true),
                ("10.2.0.6", "10.1.0.1", 6, 80, true),
                ("10.2.0.4", "10.1.0.1", 17, 9, false),
                ("10.2.0.7", "10.1.0.1", 17, 9, false),
            ],
        ),
        (
            Identification::address(ip("10.2.0.5")).with_protocol(17, 0),
            Identification::address(ip("10.1.0.1")).with_protocol(17, 80),
            &[
                ("10.2.0.5", "10.1.0.1", 17, 80, true),
                ("10.2.0.5", "10.1.0.1", 17, 81, false),
                ("10.2.0.5", "10.1.0.1", 6, 80, false),
                ("10.2.0.6", "10.1.0.1", 17, 80, false),
            ],
        ),
        (
            v6("fd00:2::"),
            v6("fd00:1::"),
            &[("fd00:2::9", "fd00:1::9", 17, 9, true), ("fd00:3::9", "fd00:1::9", 17, 9, false)],
        ),
        (
            range("fd00:2::5", "fd00:2::6"),
            Identification::address(ip("fd00:1::9")),
            &[
                ("fd00:2::5", "fd00:1::9", 17, 9, true),
                ("fd00:2::6", "fd00:1::9", 17, 9, true),
                ("fd00:2::4", "fd00:1::9", 17, 9, false),
                ("fd00:2::7", "fd00:1::9", 17, 9, false),
                ("fd00:2::5", "fd00:1::a", 17, 9, false),
            ],
        ),
    ];
    for (ci, cr, packets) in cases {
        let mut probe = Probe::established(&setup);
        let mut quick = probe.begin();
        let mut payloads = probe.request(&quick, &[offer()], None);
        payloads.truncate(2);
        payloads.extend([ci, cr].map(Payload::Identification));
        let chain = answered(&mut probe, &mut quick, &payloads);
        let third = probe.third(&mut quick);
        probe.tell(&third);
        let mut child = probe.child(&quick, &offer(), spi_of(&chain), OUR_SPI, None);
        for (from, to, protocol, port, expected) in packets {
            let mut inner = udp(ip(from), ip(to), (4000, *port), 20);
            let at = if inner[0] >> 4 == 4 { 9 } else { 6 };
            inner[at] = *protocol;
            let inner = fix(inner);
            assert_eq!(probe.carries(&mut child, &inner), *expected, "{from} {to} {protocol} {port}");
        }
    }
}

/// RFC 2409 section 5.5: without identities, it is about the two ends, any protocol and port.
#[test]
fn without_identities_the_ends_are_meant() {
    let mut probe = Probe::established(&Setup::transport(1));
    let mut quick = probe.begin();
    let spis = Spis { esp: Some(Spi(OUR_SPI)), ah: None };
    let wanted = Wanted { offers: &[offer()], tunnel: false, pfs: None, nat: None };
    let sa = Payload::Sa(phase2::offer(&wanted, &spis));
    let payloads = [sa, Payload::Nonce(Nonce { data: quick.ni_b.clone() })];
    let chain = answered(&mut probe, &mut quick, &payloads);
    assert_eq!(chain.identifications().count(), 0);
    let third = probe.third(&mut quick);
    probe.tell(&third);
    let all = |event: &Event| match event {
        Event::QuickModeEstablished(info) => Some(info.selector.clone()),
        _ => None,
    };
    let single = |n| AddressRange::single(outer(n));
    let expected = Selector::between(single(1), single(2));
    assert_eq!(probe.node.events.iter().find_map(all), Some(expected));
    // In a tunnel policy there is no entry for it.
    let mut probe = Probe::established(&Setup::tunnel(1));
    let mut quick = probe.begin();
    let mut payloads = probe.request(&quick, &[offer()], None);
    payloads.truncate(2);
    refusal(&mut probe, &mut quick, &payloads);
}

/// RFC 2407 section 4.6.3.1: a shorter lifetime of ours is said in message 2, of the node's own SA.
#[test]
fn the_responders_lifetime() {
    let short = Lifetime { seconds: Some(600), kilobytes: Some(50) };
    let setup = Setup::tunnel(1).offers(vec![Offer { lifetime: short, ..offer() }]);
    let long = Offer { lifetime: Lifetime { seconds: Some(3600), kilobytes: Some(1000) }, ..offer() };
    let mut probe = Probe::established(&setup);
    let mut quick = probe.begin();
    let payloads = probe.request(&quick, &[long], None);
    let chain = answered(&mut probe, &mut quick, &payloads);
    let notification = chain.notification().unwrap();
    assert_eq!((notification.doi, notification.protocol), (Doi::IPSEC, ProtocolId::ESP));
    assert_eq!(notification.notify_type, NotifyType::RESPONDER_LIFETIME);
    assert_eq!(notification.notify_type.0, 24_576);
    assert_eq!(notification.spi, spi_of(&chain).to_be_bytes());
    let mut r = ipsec_core::wire::Reader::new(&notification.data);
    let lifetime = phase2::read_lifetime(&Attribute::decode_all(&mut r).unwrap()).unwrap();
    assert_eq!((lifetime.seconds, lifetime.kilobytes), (Some(600), Some(50)));
    // The offer itself comes back unchanged; both limits of it were understood together.
    let Payload::Sa(offered) = &payloads[0] else { panic!() };
    let chosen = &chain.sa().unwrap().proposals[0].transforms[0];
    assert_eq!(chosen.attributes, offered.proposals[0].transforms[0].attributes);
}

/// RFC 2401 section 4.4.1: with a populate flag the identities are the packet's, without they are the policy's.
#[test]
fn identities_from_packet_or_policy() {
    for populate in [false, true] {
        let mut setup = Setup::tunnel(1);
        let all = Populate { local: true, remote: true, protocol: true, ports: true };
        setup.protect().populate = if populate { all } else { Populate::default() };
        let (mut probe, first) = Probe::responder(&setup);
        let (sixth, _) = probe.until_sixth(&first);
        let answers = probe.tell(&sixth);
        let first = answers.iter().find(|d| split(d).unwrap().0.exchange_type == QUICK).unwrap();
        let mut quick = probe.exchange(split(first).unwrap().0.message_id);
        let chain = probe.hear(&mut quick, &[], first);
        let ids: Vec<_> = chain.identifications().cloned().collect();
        let expected = match populate {
            false => [1, 2].map(|n| Identification::subnet([10, n, 0, 0].into(), 16)).to_vec(),
            true => vec![
                Identification::address(host(1)).with_protocol(17, 4000),
                Identification::address(host(2)).with_protocol(17, 7),
            ],
        };
        assert_eq!(ids, expected);
    }
}

/// RFC 2408 sections 3.1 and 5.5, RFC 2409 section 5.7: message IDs and SPIs of many exchanges are random and unique.
#[test]
fn message_ids_and_spis_are_fresh() {
    let mut probe = Probe::established(&Setup::tunnel(1));
    let (mut ids, mut spis) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..20 {
        let mut quick = probe.begin();
        let payloads = probe.request(&quick, &[offer()], None);
        let chain = answered(&mut probe, &mut quick, &payloads);
        assert!(spis.insert(spi_of(&chain)));
        let mut quick = probe.begin();
        let answers = request(&mut probe, &mut quick, &payloads[..2]);
        assert!(ids.insert(split(&answers[0]).unwrap().0.message_id));
    }
    for set in [&ids, &spis] {
        let list: Vec<_> = set.iter().collect();
        assert!(list.windows(2).all(|pair| pair[1] - pair[0] > 1) && *list[0] > 255);
    }
}
