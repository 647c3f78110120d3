//! RFC 2407 sections 4.4 and 4.5, RFC 2408 section 4.2: what a quick mode may offer.

use super::node::*;
use super::probe::*;
use super::quick_mode::{offer, pairs, refusal};
use ipsec_core::crypto::{Cipher, Mac};
use ipsec_core::ike::proposal::phase2::{self, Spis, Wanted};
use ipsec_core::sad::Spi;
use ipsec_core::spd::{Lifetime, Offer};
use ipsec_core::wire::ikev1::*;
use ipsec_core::wire::isakmp::{Chain, Payload, split};

/// One of our offers, changed; what becomes of it.
fn changed(
    setup: &Setup,
    offers: &[Offer],
    change: impl FnOnce(&mut SaPayload),
) -> Result<Chain, Notification> {
    let mut probe = Probe::established(setup);
    let mut quick = probe.begin();
    let mut payloads = probe.request(&quick, offers, None);
    let Payload::Sa(sa) = &mut payloads[0] else { panic!() };
    change(sa);
    let first = probe.say(QUICK, &mut quick.clone(), &[], &payloads);
    let second = probe.ask(&first);
    if split(&second).unwrap().0.exchange_type == QUICK {
        let mut quick = Quick { iv: first[first.len() - 8..].to_vec(), ..quick };
        let ni_b = quick.ni_b.clone();
        return Ok(probe.hear(&mut quick, &ni_b, &second));
    }
    // The same message is answered with the same refusal.
    assert_eq!((probe.ask(&first), pairs(&probe)), (second, 0));
    Err(refusal(&mut Probe::established(setup), &mut quick, &payloads))
}

pub(super) fn attributes(sa: &mut SaPayload) -> &mut Vec<Attribute> {
    &mut sa.proposals[0].transforms[0].attributes
}

/// RFC 2407 sections 4.4 and 4.5, RFC 2408 sections 4.2, 5.5 and 5.6: offers of which nothing is taken.
#[test]
fn offers_that_are_refused() {
    use Phase2Attribute as A;
    let setup = Setup::tunnel(1);
    let refused = |change: &dyn Fn(&mut SaPayload)| changed(&setup, &[offer()], change).unwrap_err();
    let drop_kind = |kind: A| move |sa: &mut SaPayload| attributes(sa).retain(|a| a.kind != kind.0);
    let push =
        |kind: A, value: u16| move |sa: &mut SaPayload| attributes(sa).push(Attribute::basic(kind, value));
    let set = |kind: A, value: u16| {
        move |sa: &mut SaPayload| {
            attributes(sa).retain(|a| a.kind != kind.0);
            attributes(sa).push(Attribute::basic(kind, value));
        }
    };
    assert!(changed(&setup, &[offer()], |_| {}).is_ok());
    let changes: [&dyn Fn(&mut SaPayload); 22] = [
        &drop_kind(A::AUTHENTICATION_ALGORITHM),
        &drop_kind(A::KEY_LENGTH),
        &set(A::KEY_LENGTH, 64),
        // DES-MAC and KPDK: defined, and not supported; an undefined one.
        &set(A::AUTHENTICATION_ALGORITHM, 3),
        &set(A::AUTHENTICATION_ALGORITHM, 4),
        &set(A::AUTHENTICATION_ALGORITHM, 200),
        &set(A::ENCAPSULATION_MODE, 0),
        &set(A::ENCAPSULATION_MODE, 3),
        &set(A::ENCAPSULATION_MODE, 2),
        // Two modes, two algorithms, a group that nobody asked for, an unknown attribute.
        &push(A::ENCAPSULATION_MODE, 2),
        &push(A::AUTHENTICATION_ALGORITHM, 1),
        &push(A::GROUP_DESCRIPTION, 2),
        &push(A(999), 1),
        // A duration without a type, a type without a duration, two in a row, none at all.
        &push(A::LIFE_DURATION, 600),
        &push(A::LIFE_TYPE, 1),
        &|sa| {
            push(A::LIFE_TYPE, 1)(sa);
            push(A::LIFE_TYPE, 2)(sa);
            push(A::LIFE_DURATION, 600)(sa);
        },
        &|sa| {
            push(A::LIFE_TYPE, 1)(sa);
            push(A::LIFE_DURATION, 0)(sa);
        },
        // A basic attribute in the variable form.
        &|sa| {
            attributes(sa).retain(|a| a.kind != A::ENCAPSULATION_MODE.0);
            attributes(sa).push(Attribute::variable(A::ENCAPSULATION_MODE, vec![0, 1]));
        },
        // Unknown and reserved transforms and protocols.
        &|sa| sa.proposals[0].transforms[0].id = 0,
        &|sa| sa.proposals[0].transforms[0].id = 250,
        &|sa| sa.proposals[0].protocol = ProtocolId(9),
        &|sa| sa.proposals[0].protocol = ProtocolId::AH,
    ];
    for (n, change) in changes.iter().enumerate() {
        let notify = refused(*change).notify_type;
        let expected = [NotifyType::NO_PROPOSAL_CHOSEN, NotifyType::INVALID_ID_INFORMATION];
        assert!(expected.contains(&notify), "{n}: {notify}");
    }
    // SPIs that are none.
    for spi in [vec![], vec![0; 4], vec![0, 0, 0, 255], vec![1; 3], vec![1; 8]] {
        let notification = refused(&move |sa: &mut SaPayload| sa.proposals[0].spi = spi.clone());
        assert_eq!(notification.notify_type, NotifyType::NO_PROPOSAL_CHOSEN);
    }
    // A refusal names the protocol and the SPI of what it refuses.
    let notification = refused(&set(A::AUTHENTICATION_ALGORITHM, 4));
    assert_eq!((notification.protocol, notification.spi), (ProtocolId::ESP, OUR_SPI.to_be_bytes().to_vec()));
    // Key length where the cipher has one length only.
    let des = esp_offer(Cipher::TripleDes, Some(Mac::HmacMd5_96));
    let des_setup = Setup::tunnel(1).offers(vec![des]);
    assert!(changed(&des_setup, &[des], |_| {}).is_ok());
    assert!(changed(&des_setup, &[des], push(A::KEY_LENGTH, 192)).is_err());
    // ESP_NULL without authentication, even if a policy says so.
    let nothing = esp_offer(Cipher::Null, None);
    assert!(changed(&Setup::tunnel(1).offers(vec![nothing]), &[nothing], |_| {}).is_err());
}

/// RFC 2408 sections 4.2 and 5.5: the order of proposals, and suites as a whole.
#[test]
fn suites_and_their_order() {
    let setup = Setup::tunnel(1);
    let number = |sa: &mut SaPayload, numbers: [u8; 3]| {
        sa.proposals = numbers.map(|number| Proposal { number, ..sa.proposals[0].clone() }).to_vec();
        sa.proposals[1].transforms[0].id = 250;
    };
    for numbers in [[1, 2, 1], [3, 2, 1], [1, 3, 2]] {
        let refused = changed(&setup, &[offer()], |sa| number(sa, numbers)).unwrap_err();
        assert_eq!(refused.notify_type, NotifyType::PAYLOAD_MALFORMED);
    }
    // Alternatives in order: the first that fits. Of an unknown protocol first.
    let chain = changed(&setup, &[offer()], |sa| {
        number(sa, [1, 2, 3]);
        sa.proposals[0].protocol = ProtocolId(9);
    });
    assert_eq!(chain.unwrap().sa().unwrap().proposals[0].number, 3);
    // AH and ESP under one number is one suite: ESP alone is no answer to it, and it is none to ESP alone.
    let both = Offer { ah: Some(Mac::HmacSha1_96), ..offer() };
    assert!(changed(&setup, &[both], |_| {}).is_err());
    let both_setup = Setup::tunnel(1).offers(vec![both]);
    assert!(changed(&both_setup, &[offer()], |_| {}).is_err());
    assert!(changed(&both_setup, &[both], |sa| sa.proposals[0].transforms[0].id = 250).is_err());
    let chain = changed(&both_setup, &[both], |sa| {
        // Two transforms for ESP, the first of them unknown: one for each protocol comes back.
        let transforms = &mut sa.proposals[1].transforms;
        transforms.insert(0, Transform { id: 250, ..transforms[0].clone() });
        transforms[1].number = 2;
    });
    let chain = chain.unwrap();
    let proposals = &chain.sa().unwrap().proposals;
    let shape: Vec<_> = proposals.iter().map(|p| (p.number, p.protocol, p.transforms.len())).collect();
    assert_eq!(shape, [(1, ProtocolId::AH, 1), (1, ProtocolId::ESP, 1)]);
    assert_eq!(proposals[1].transforms[0].number, 2);
    assert!(proposals.iter().all(|p| p.spi_u32().is_some_and(|spi| spi > 255)));
}

/// RFC 2407 section 4.4.3: AH with the algorithm of its transform, and with no other.
#[test]
fn suites_of_ah() {
    let spis = Spis { esp: None, ah: Some(Spi(0x5000)) };
    for (mac, id, algorithm) in
        [(Mac::HmacMd5_96, 2, 1), (Mac::HmacSha1_96, 3, 2), (Mac::HmacSha256_128, 5, 5)]
    {
        let offers = [Offer { ah: Some(mac), esp: None, lifetime: Lifetime::default() }];
        let wanted = Wanted { offers: &offers, tunnel: true, pfs: None, nat: None };
        let offered = phase2::offer(&wanted, &spis);
        let transform = &offered.proposals[0].transforms[0];
        let kind = Phase2Attribute::AUTHENTICATION_ALGORITHM;
        assert_eq!((transform.id, transform.attribute(kind).unwrap().as_basic()), (id, Some(algorithm)));
        assert!(phase2::choose(&offered, &wanted).is_ok());
        for other in [None, Some(1_u16), Some(2), Some(3), Some(4), Some(5)] {
            let mut offered = offered.clone();
            let attributes = &mut offered.proposals[0].transforms[0].attributes;
            attributes.retain(|a| a.kind != kind.0);
            attributes.extend(other.map(|value| Attribute::basic(kind, value)));
            assert_eq!(phase2::choose(&offered, &wanted).is_ok(), other == Some(algorithm));
        }
    }
}

/// RFC 2407 section 4.5: the attribute says which integrity there is; without it there is none.
#[test]
fn integrity_of_esp_is_said_or_there_is_none() {
    let spis = Spis { esp: Some(Spi(OUR_SPI)), ah: None };
    let kind = Phase2Attribute::AUTHENTICATION_ALGORITHM;
    for (cipher, mac, expected) in [
        (Cipher::Aes128, None, None),
        (Cipher::Aes128, Some(Mac::HmacMd5_96), Some(1)),
        (Cipher::Null, Some(Mac::HmacSha1_96), Some(2)),
    ] {
        let offers = [esp_offer(cipher, mac)];
        let offered = phase2::offer(&Wanted { offers: &offers, tunnel: true, pfs: None, nat: None }, &spis);
        let transform = &offered.proposals[0].transforms[0];
        assert_eq!(transform.attribute(kind).and_then(Attribute::as_basic), expected);
        assert_eq!(transform.id == EspTransform::NULL.0, cipher == Cipher::Null);
    }
}
