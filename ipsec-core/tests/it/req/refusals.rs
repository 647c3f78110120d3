//! RFC 2408 sections 3.1 to 3.6 and 5.1 to 5.6: headers, payloads and offers of phase 1 that are refused.

use super::node::*;
use super::probe::*;
use ipsec_core::crypto::Cipher;
use ipsec_core::pad::MainModeProposal;
use ipsec_core::wire::ikev1::*;
use ipsec_core::wire::isakmp::{Flags, Message, Payload};

/// RFC 2408 sections 3.1, 5.1 and 5.2: each field of the header that can be wrong.
#[test]
fn headers_that_are_refused() {
    let mut probe = Probe::new(&Setup::tunnel(1));
    let offer = probe.clear(vec![Payload::Sa(probe.offer())]);
    let with = |at: usize, value: u8| {
        let mut datagram = offer.clone();
        datagram[at] = value;
        datagram
    };
    let length = |length: u32| {
        let mut datagram = offer.clone();
        datagram[24..28].copy_from_slice(&length.to_be_bytes());
        datagram
    };
    let len = offer.len() as u32;
    let mut wrong = vec![length(0), length(len - 1), length(len + 1), length(u32::MAX), length(27)];
    // Next payload, version, flags: encryption on a first message, authentication only, and undefined ones.
    wrong.extend([60, 2, 3, 13, 127].map(|next| with(16, next)));
    wrong.extend([0x00, 0x11, 0x20, 0xf0].map(|version| with(17, version)));
    wrong.extend([0x01, 0x04, 0x08, 0xf8].map(|flags| with(19, flags)));
    // A zero initiator cookie; an unknown responder cookie.
    wrong.push([&[0; 8][..], &offer[8..]].concat());
    wrong.push([&offer[..8], &[7; 8], &offer[16..]].concat());
    for datagram in wrong {
        assert!(probe.tell(&datagram).is_empty(), "{:02x?}", &datagram[..28]);
    }
    assert_eq!(probe.tell(&offer).len(), 1);
}

/// RFC 2408 sections 3.2 to 3.6 and 5.3 to 5.6, octet by octet of an offer with one transform.
#[test]
fn payloads_that_are_refused() {
    let mut probe = Probe::new(&Setup::tunnel(1));
    let vendor = Payload::VendorId(VendorId { data: vec![1; 4] });
    let offer = probe.clear(vec![Payload::Sa(probe.offer()), vendor.clone()]);
    let with = |changes: &[(usize, u8)]| {
        let mut datagram = offer.clone();
        changes.iter().for_each(|(at, value)| datagram[*at] = *value);
        datagram
    };
    let sa_len = usize::from(offer[31]);
    let mut wrong = vec![
        // The SA's next payload: proposal, transform, unassigned.
        with(&[(28, 2)]),
        with(&[(28, 3)]),
        with(&[(28, 100)]),
        // RESERVED of SA, proposal, transform and vendor ID.
        with(&[(29, 1)]),
        with(&[(41, 1)]),
        with(&[(49, 1)]),
        with(&[(29 + sa_len, 1)]),
        // Lengths below four and beyond the end.
        with(&[(31, 0)]),
        with(&[(31, 3)]),
        with(&[(30, 0xff)]),
        with(&[(42, 0xff)]),
        with(&[(43, 3)]),
        with(&[(50, 0xff)]),
        with(&[(51, 3)]),
        // DOI 2; situations with secrecy and with integrity.
        with(&[(35, 2)]),
        with(&[(39, 3)]),
        with(&[(39, 5)]),
        // The proposal's next payload: transform, nonce, another proposal that is not there; numbers of transforms.
        with(&[(40, 3)]),
        with(&[(40, 10)]),
        with(&[(40, 2)]),
        with(&[(47, 0)]),
        with(&[(47, 2)]),
        // The transform's; and its identifier: reserved, and unassigned.
        with(&[(48, 2)]),
        with(&[(48, 10)]),
        with(&[(48, 3)]),
        // An attribute that runs past the transform.
        with(&[(56, 0x00), (58, 0xff), (59, 0xff)]),
    ];
    // The SA cut before DOI, before situation, before the proposal.
    for len in [4_u8, 8, 12] {
        let mut short = offer[..28 + usize::from(len)].to_vec();
        short.splice(28..32, [0, 0, 0, len]);
        let total = short.len() as u8;
        short[27] = total;
        wrong.push(short);
    }
    // Not first; twice; two proposals; payloads of later messages.
    let sa = || Payload::Sa(probe.offer());
    let mut two = probe.offer();
    two.proposals.push(Proposal { number: 2, ..two.proposals[0].clone() });
    wrong.push(probe.clear(vec![vendor, sa()]));
    wrong.push(probe.clear(vec![sa(), sa()]));
    wrong.push(probe.clear(vec![Payload::Sa(two)]));
    wrong.push(probe.clear([vec![sa()], probe.key_exchange()].concat()));
    wrong.push(probe.clear(vec![sa(), Payload::Identification(Identification::address(outer(2)))]));
    wrong.push(probe.clear(vec![]));
    for (n, datagram) in wrong.iter().enumerate() {
        let answers = probe.tell(datagram);
        let chosen = answers.iter().any(|answer| message(answer).header.exchange_type == MAIN);
        assert!(!chosen, "case {n}: {:02x?}", &datagram[28..]);
    }
    assert_eq!(probe.tell(&offer).len(), 1);
}

/// Attributes of a transform in an offer of its own; whether the node takes it.
fn takes(setup: &Setup, change: impl FnOnce(&mut Transform)) -> Option<Message> {
    let mut probe = Probe::new(setup);
    let mut offer = probe.offer();
    change(&mut offer.proposals[0].transforms[0]);
    let answer = message(&probe.ask(&probe.clear(vec![Payload::Sa(offer.clone())])));
    let chosen = answer.header.exchange_type == MAIN;
    if chosen {
        // As it came, in the form in which it came.
        assert_eq!(answer.payloads[0], Payload::Sa(offer));
    } else {
        assert!(answer.payloads.iter().all(|payload| !matches!(payload, Payload::Sa(_))));
    }
    chosen.then_some(answer)
}

/// RFC 2409 section 4 and appendix A, RFC 2407 section 4.4.2: the attributes of a phase 1 transform.
#[test]
fn transforms_of_phase_1() {
    let setup = Setup::tunnel(1);
    let set = |kind: Phase1Attribute, attribute: Attribute| {
        move |t: &mut Transform| {
            t.attributes.retain(|a| a.kind != kind.0);
            t.attributes.insert(0, attribute);
        }
    };
    let remove = |kind: Phase1Attribute| move |t: &mut Transform| t.attributes.retain(|a| a.kind != kind.0);
    let add = |attribute: Attribute| move |t: &mut Transform| t.attributes.push(attribute);
    assert!(takes(&setup, |_| {}).is_some());
    use Phase1Attribute as A;
    // Each of the four is always negotiated.
    for kind in [A::ENCRYPTION_ALGORITHM, A::HASH_ALGORITHM, A::AUTHENTICATION_METHOD, A::GROUP_DESCRIPTION] {
        assert!(takes(&setup, remove(kind)).is_none());
        let basic = Setup::tunnel(1);
        let value = |t: &Transform| t.attribute(kind).and_then(Attribute::as_basic).unwrap();
        // Basic attributes in variable form; twice.
        assert!(
            takes(&basic, |t| {
                let value = value(t);
                set(kind, Attribute::variable(kind, value.to_be_bytes().to_vec()))(t);
            })
            .is_none()
        );
        assert!(takes(&basic, |t| add(Attribute::basic(kind, value(t) + 1))(t)).is_none());
        assert!(takes(&basic, set(kind, Attribute::basic(kind, 65_400_u16))).is_none());
    }
    // A private group nobody agreed upon; a group by its attributes, alone and beside a description.
    assert!(
        takes(&setup, set(A::GROUP_DESCRIPTION, Attribute::basic(A::GROUP_DESCRIPTION, 40_000_u16)))
            .is_none()
    );
    let prime = || Attribute::variable(A::GROUP_PRIME, vec![0xff; 96]);
    assert!(takes(&setup, add(prime())).is_none());
    assert!(
        takes(&setup, |t| {
            remove(A::GROUP_DESCRIPTION)(t);
            t.attributes.push(prime());
        })
        .is_none()
    );
    // Key length where the cipher has one length; none where it has several; another than ours.
    assert!(takes(&setup, add(Attribute::basic(A::KEY_LENGTH, 192_u16))).is_none());
    let aes = MainModeProposal { cipher: Cipher::Aes256, ..setup.proposals[0] };
    let aes = Setup { proposals: vec![aes], ..Setup::tunnel(1) };
    assert!(takes(&aes, |_| {}).is_some());
    assert!(takes(&aes, remove(A::KEY_LENGTH)).is_none());
    assert!(takes(&aes, set(A::KEY_LENGTH, Attribute::basic(A::KEY_LENGTH, 128_u16))).is_none());
    // Unknown attributes; reserved and unassigned transforms.
    assert!(takes(&setup, add(Attribute::basic(999_u16, 1_u16))).is_none());
    for id in [0, 2, 250] {
        assert!(takes(&setup, |t| t.id = id).is_none());
    }
    // A duration in either form, and one without its type.
    let duration = |t: &mut Transform, attribute| {
        t.attributes.retain(|a| a.kind != A::LIFE_DURATION.0);
        t.attributes.push(attribute);
    };
    assert!(takes(&setup, |t| duration(t, Attribute::basic(A::LIFE_DURATION, 3600_u16))).is_some());
    assert!(takes(&setup, |t| duration(t, Attribute::long(A::LIFE_DURATION, 3600))).is_some());
    assert!(takes(&setup, remove(A::LIFE_TYPE)).is_none());
}

/// RFC 2408 sections 4.2, 5.5 and 5.6: one transform is chosen; unknown ones are passed over without a word.
#[test]
fn one_transform_of_several() {
    let mut probe = Probe::new(&Setup::tunnel(1));
    let mut offer = probe.offer();
    let known = offer.proposals[0].transforms[0].clone();
    let unknown = |number, id| Transform { number, id, ..known.clone() };
    let transforms =
        vec![unknown(1, 250), unknown(2, 0), Transform { number: 3, ..known.clone() }, unknown(4, 1)];
    offer.proposals[0].transforms = transforms;
    // An SPI of any size up to 16 octets says nothing in phase 1.
    offer.proposals[0].spi = vec![0x5a; 16];
    let answers = probe.tell(&probe.clear(vec![Payload::Sa(offer)]));
    assert_eq!(answers.len(), 1);
    let Payload::Sa(chosen) = &message(&answers[0]).payloads[0] else { panic!() };
    assert_eq!(chosen.proposals.len(), 1);
    assert_eq!(chosen.proposals[0].transforms, [Transform { number: 3, ..known }]);
}

/// RFC 2408 sections 3.14 and 5.4, RFC 2409 section 5.7: a refusal in phase 1 is in clear, and says what it must.
#[test]
fn a_refusal_in_clear() {
    let mut probe = Probe::new(&Setup::tunnel(1));
    let mut offer = probe.offer();
    offer.proposals[0].transforms[0].attributes.remove(0);
    let answer = message(&probe.ask(&probe.clear(vec![Payload::Sa(offer)])));
    let header = answer.header;
    assert_eq!((header.exchange_type, header.flags, header.cky_i), (INFORMATIONAL, Flags::NONE, probe.cky_i));
    assert_ne!(header.message_id, 0);
    let [Payload::Notification(notification)] = answer.payloads.as_slice() else { panic!("{answer}") };
    assert_eq!((notification.doi, notification.protocol), (Doi::IPSEC, ProtocolId::ISAKMP));
    assert_eq!((notification.notify_type, notification.spi.len()), (NotifyType::NO_PROPOSAL_CHOSEN, 0));
    // Once.
    probe.node.sent.clear();
    probe.node.wait(100);
    assert!(probe.node.sent.is_empty());
}

/// RFC 2408 section 4.2: a reply that is not one of the offers, unchanged, ends nothing and begins nothing.
#[test]
fn replies_that_were_not_offered() {
    let (mut probe, first) = Probe::responder(&Setup::tunnel(1));
    let Payload::Sa(offered) = message(&first).payloads[0].clone() else { panic!() };
    let alter: [fn(&mut SaPayload); 7] = [
        |sa| sa.proposals[0].transforms[0].attributes[0] = Attribute::basic(1_u16, 1_u16),
        |sa| sa.proposals[0].transforms[0].attributes.push(Attribute::basic(14_u16, 64_u16)),
        |sa| drop(sa.proposals[0].transforms[0].attributes.pop()),
        |sa| {
            let last = sa.proposals[0].transforms[0].attributes.last_mut().unwrap();
            *last = Attribute::long(last.kind, 86_400);
        },
        |sa| sa.proposals[0].transforms[0].number = 7,
        |sa| {
            let again = sa.proposals[0].transforms[0].clone();
            sa.proposals[0].transforms.push(again);
        },
        |sa| {
            let again = sa.proposals[0].clone();
            sa.proposals.push(again);
        },
    ];
    for alter in alter {
        let mut sa = offered.clone();
        alter(&mut sa);
        assert!(probe.tell(&probe.clear(vec![Payload::Sa(sa)])).is_empty());
    }
    assert_eq!(probe.tell(&probe.second(&first)).len(), 1);
}
