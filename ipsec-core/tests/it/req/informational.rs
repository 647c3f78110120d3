//! RFC 2408 sections 3.14, 3.15, 5.14 and 5.15, RFC 2409 section 5.7: notifications and deletes.

use super::node::*;
use super::probe::*;
use ipsec_core::crypto::Cipher;
use ipsec_core::sad::{IpsecProtocol, PairId};
use ipsec_core::spd::{Lifetime, Offer};
use ipsec_core::wire::ikev1::*;
use ipsec_core::wire::isakmp::{Flags, Message, Payload, PayloadType, split};
use ipsec_core::{Command, Event};

fn offer() -> Offer {
    esp_offer(Cipher::Aes128, AES_SHA1.mac)
}

/// An ISAKMP SA and a pair that works.
fn working() -> (Probe, Child) {
    let mut probe = Probe::established(&Setup::tunnel(1));
    let child = probe.quick_mode(offer());
    (probe, child)
}

fn works(probe: &mut Probe, child: &mut Child) -> bool {
    probe.hears(child) && probe.reaches(child)
}

fn notification(protocol: ProtocolId, spi: Vec<u8>, notify_type: u16) -> Payload {
    Payload::Notification(Notification::new(protocol, spi, NotifyType(notify_type)))
}

/// RFC 2408 section 3.15: what the node says when a pair ends, and when everything does; once, and without waiting.
#[test]
fn deletes_that_are_sent() {
    let (mut probe, child) = working();
    let pair = probe.node.ipsec.status().pairs().next().unwrap().id;
    probe.node.sent.clear();
    probe.node.command(Command::DeletePair(pair));
    let sent = ike(&probe.node.sent);
    assert_eq!(sent.len(), 1);
    let header = split(&sent[0]).unwrap().0;
    assert_eq!((header.cky_i, header.cky_r), (probe.cky_i, probe.cky_r));
    let chain = probe.informed(&sent[0]);
    let delete = chain.delete().unwrap();
    assert_eq!((delete.doi, delete.protocol, delete.spi_size), (Doi::IPSEC, ProtocolId::ESP, 4));
    assert!(delete.spis_u32().eq([child.send.spi()]));
    assert_eq!(chain.len(), 2);
    probe.node.sent.clear();
    probe.node.wait(100);
    assert_eq!(ike(&probe.node.sent), Vec::<Vec<u8>>::new());
    // A new pair in its place, though nobody confirmed the delete.
    let mut again = probe.quick_mode(offer());
    assert!(works(&mut probe, &mut again));

    probe.node.sent.clear();
    probe.node.command(Command::Shutdown);
    let sent = ike(&probe.node.sent);
    let deletes: Vec<_> = sent.iter().map(|d| probe.informed(d).delete().unwrap().clone()).collect();
    let last = deletes.last().unwrap();
    assert_eq!((last.doi, last.protocol, last.spi_size), (Doi::IPSEC, ProtocolId::ISAKMP, 16));
    assert_eq!(last.cookies().collect::<Vec<_>>(), [(probe.cky_i, probe.cky_r)]);
    let numbers: std::collections::BTreeSet<_> =
        sent.iter().map(|d| split(d).unwrap().0.message_id).collect();
    assert_eq!(numbers.len(), sent.len());
}

/// RFC 2408 section 3.15: AH and ESP of one suite are deleted by one payload each.
#[test]
fn protocols_are_not_mixed() {
    let both = Offer { ah: Some(ipsec_core::crypto::Mac::HmacSha1_96), ..offer() };
    let mut probe = Probe::established(&Setup::tunnel(1).offers(vec![both]));
    let mut quick = probe.begin();
    let payloads = probe.request(&quick, &[both], None);
    let first = probe.say(QUICK, &mut quick, &[], &payloads);
    let second = probe.ask(&first);
    let ni_b = quick.ni_b.clone();
    quick.nr_b = probe.hear(&mut quick, &ni_b, &second).nonce().unwrap().data.clone();
    let third = probe.third(&mut quick);
    probe.tell(&third);
    let pair = probe.node.ipsec.status().pairs().next().unwrap().id;
    probe.node.sent.clear();
    probe.node.command(Command::DeletePair(pair));
    let chain = probe.informed(&ike(&probe.node.sent)[0]);
    let deletes: Vec<_> = chain.deletes().map(|d| (d.protocol, d.spis().count())).collect();
    assert_eq!(deletes, [(ProtocolId::AH, 1), (ProtocolId::ESP, 1)]);
}

/// RFC 2408 section 5.15: one known SPI among unknown ones goes; the next packet negotiates and does not use it.
#[test]
fn a_delete_is_obeyed() {
    let (mut probe, child) = working();
    let delete = Payload::Delete(Delete::ipsec(ProtocolId::ESP, &[0x7777, OUR_SPI, 0x8888]));
    let message = probe.inform(&[delete]);
    probe.tell(&message);
    assert_eq!(probe.node.ipsec.status().pairs().count(), 0);
    let sent = probe.node.outbound(&request(8));
    assert!(sent.iter().all(|packet| packet[9] == UDP));
    assert_eq!(split(&ike(&sent)[0]).unwrap().0.exchange_type, QUICK);
    assert!(!probe.hears(&child));
    // The ISAKMP SA too, by its cookies.
    let cookies = Payload::Delete(Delete::isakmp(probe.cky_i, probe.cky_r));
    let message = probe.inform(&[cookies]);
    probe.tell(&message);
    let gone = |event: &Event| matches!(event, Event::IsakmpSaDeleted { .. });
    assert!(probe.node.events.iter().any(gone));
}

/// Nothing of this ends an SA: deletes and notifications that are not authentic, not ours, or not theirs to say.
#[test]
fn nothing_else_ends_an_sa() {
    let (mut probe, mut child) = working();
    // A pair with another peer, whose outbound SPI the liar knows.
    let other = Manual { spi: 0x6000, selector: ends(1), ..Manual::tunnel(&[IpsecProtocol::Esp]) };
    for from in [1, 2] {
        let mut spec = other.bundle(1, from);
        (spec.peer, spec.pair) = (outer(3), PairId(1 << 33));
        probe.node.command(Command::Install(spec));
    }
    let (cky_i, cky_r) = (probe.cky_i, probe.cky_r);
    let ours = Delete::ipsec(ProtocolId::ESP, &[OUR_SPI]);
    let isakmp = Delete::isakmp(cky_i, cky_r);
    let cookies = [cky_i.0, cky_r.0].concat();
    let contact = |doi| {
        let spi = cookies.clone();
        let contact = Notification::new(ProtocolId::ISAKMP, spi, NotifyType::INITIAL_CONTACT);
        Payload::Notification(Notification { doi, ..contact })
    };
    let d = |delete: &Delete| Payload::Delete(delete.clone());
    let mut messages = vec![];
    let all = [d(&ours), d(&isakmp), contact(Doi::IPSEC), notification(ProtocolId::ISAKMP, vec![], 24)];
    for payload in &all {
        // In clear, with and without a message ID, and with the flag that says "authenticated only".
        for (flags, id) in [(Flags::NONE, 0), (Flags::NONE, 77), (Flags::AUTHENTICATION_ONLY, 78)] {
            let mut header = probe.header(INFORMATIONAL, id);
            header.flags = flags;
            let hash = Payload::Hash(Hash { data: vec![9; 20] });
            messages.push(Message { header, payloads: vec![payload.clone()] }.encode());
            messages.push(Message { header, payloads: vec![hash, payload.clone()] }.encode());
        }
        // Encrypted, with a wrong HASH, or none.
        let quick = probe.begin();
        let header = probe.header(INFORMATIONAL, quick.message_id);
        let hash = Payload::Hash(Hash { data: vec![9; 20] });
        messages.push(probe.encrypt(header, &quick.iv, &[hash, payload.clone()]).0);
        messages.push(probe.encrypt(header, &quick.iv, std::slice::from_ref(payload)).0);
    }
    // Authentic: other DOIs, protocols, SPI sizes, unknown SPIs and cookies, the SPIs of another peer's SAs.
    let size = |spi_size, spi_bytes| Payload::Delete(Delete { spi_size, spi_bytes, ..ours.clone() });
    let authentic = [
        d(&Delete { doi: Doi(77), ..ours.clone() }),
        d(&Delete { doi: Doi::ISAKMP, ..ours.clone() }),
        d(&Delete { doi: Doi(77), ..isakmp.clone() }),
        d(&Delete { protocol: ProtocolId(99), ..ours.clone() }),
        d(&Delete { protocol: ProtocolId::AH, ..ours.clone() }),
        d(&Delete::ipsec(ProtocolId::ESP, &[0x7777, 0, child.send.spi(), 0x6001, 0x6002])),
        size(2, OUR_SPI.to_be_bytes().to_vec()),
        size(8, [OUR_SPI.to_be_bytes(), OUR_SPI.to_be_bytes()].concat()),
        d(&Delete::isakmp(cky_r, cky_i)),
        contact(Doi(77)),
        notification(ProtocolId(99), cookies.clone(), 24_578),
    ];
    messages.extend(authentic.map(|payload| probe.inform(&[payload])));
    for kind in [0, 1, 4, 11, 14, 24, 31, 8192, 16_383, 16_384, 16_385, 24_576, 24_577, 40_960, 65_535] {
        for spi in [vec![], vec![1; 8], cookies.clone(), OUR_SPI.to_be_bytes().to_vec(), vec![0x77; 4]] {
            for protocol in [ProtocolId::ISAKMP, ProtocolId::ESP] {
                messages.push(probe.inform(&[notification(protocol, spi.clone(), kind)]));
            }
        }
    }
    for (n, message) in messages.iter().enumerate() {
        let answers = probe.tell(message);
        assert_eq!((n, answers.len()), (n, 0));
        assert_eq!((n, probe.node.ipsec.status().pairs().count()), (n, 2));
    }
    // A count beyond the payload.
    let mut quick = probe.begin();
    let mut body = vec![0, 0, 0, 16, 0, 0, 0, 1, 3, 4, 0xff, 0xff];
    body.extend(OUR_SPI.to_be_bytes());
    let hash = probe.phase_2_hash(quick.message_id, &[], &body);
    let body = [&[12, 0, 0, 24][..], &hash, &body].concat();
    let header = probe.header(INFORMATIONAL, quick.message_id);
    let (message, iv) = probe.encrypt_bytes(header, &quick.iv, PayloadType::HASH, &body);
    quick.iv = iv;
    assert!(probe.tell(&message).is_empty());
    assert_eq!(probe.node.ipsec.status().pairs().count(), 2);
    assert!(works(&mut probe, &mut child));
}

/// RFC 2407 section 4.6.3.3: INITIAL-CONTACT is about the authenticated peer's own SAs.
#[test]
fn initial_contact_is_about_the_sender() {
    let (mut probe, _) = working();
    let other = Manual { spi: 0x6000, selector: ends(1), ..Manual::tunnel(&[IpsecProtocol::Esp]) };
    let mut spec = other.bundle(1, 1);
    (spec.peer, spec.pair) = (outer(3), PairId(1 << 33));
    probe.node.command(Command::Install(spec));
    // A second phase 1, as of a peer that has lost everything.
    (probe.cky_i, probe.cky_r) = (ipsec_core::wire::isakmp::Cookie([0xa9; 8]), Default::default());
    probe.node.wait(5);
    probe.exchange_keys();
    probe.authenticate_any();
    let cookies = [probe.cky_i.0, probe.cky_r.0].concat();
    let contact = probe.inform(&[notification(ProtocolId::ISAKMP, cookies, 24_578)]);
    probe.tell(&contact);
    let left: Vec<_> = probe.node.ipsec.status().pairs().map(|pair| pair.peer).collect();
    assert_eq!(left, [outer(3)]);
    // The same datagram after a new pair has been made: nothing.
    let mut child = probe.quick_mode(offer());
    assert!(probe.tell(&contact).is_empty());
    assert!(works(&mut probe, &mut child));
}

/// RFC 2407 section 4.6.3: what INITIAL-CONTACT looks like, and that it comes with the first SA only.
#[test]
fn initial_contact_is_said_once_and_protected() {
    let setup = Setup { isakmp_seconds: 600, ..Setup::tunnel(1) };
    let (mut probe, first) = Probe::responder(&setup);
    let mut contacts = vec![];
    let mut first = Some(first);
    while let Some(message_1) = first.take() {
        let (sixth, fifth) = probe.until_sixth(&message_1);
        contacts.extend(fifth.notifications().cloned());
        for datagram in probe.tell(&sixth) {
            let header = split(&datagram).unwrap().0;
            assert_eq!(header.flags, Flags::ENCRYPTION);
            if header.exchange_type == INFORMATIONAL {
                contacts.extend(probe.informed(&datagram).notifications().cloned());
            }
        }
        if contacts.len() > 1 || probe.node.now > ipsec_core::Instant::from_secs(1000) {
            break;
        }
        // After the ISAKMP SA has expired, traffic makes another one.
        probe.node.wait(1_200);
        let again = ike(&probe.node.outbound(&request(8)));
        first = again.first().cloned();
        let message_1 = first.as_ref().unwrap();
        let header = split(message_1).unwrap().0;
        (probe.cky_i, probe.cky_r) = (header.cky_i, ipsec_core::wire::isakmp::Cookie([0xb3; 8]));
        probe.ni_b = vec![];
    }
    let [contact] = contacts.as_slice() else { panic!("{contacts:?}") };
    assert_eq!((contact.doi, contact.protocol), (Doi::IPSEC, ProtocolId::ISAKMP));
    assert_eq!((contact.notify_type.0, contact.spi.len(), contact.data.len()), (24_578, 16, 0));
}

/// RFC 4301 section 4.4.2.1: kilobytes end a pair, and a successor is asked for under the same ISAKMP SA.
#[test]
fn an_sa_is_replaced_before_its_end() {
    let lifetime = Lifetime { seconds: Some(3_600), kilobytes: Some(10) };
    let short = Offer { lifetime, ..offer() };
    let mut probe = Probe::established(&Setup::tunnel(1).offers(vec![short]));
    let child = probe.quick_mode(short);
    let mut asked = false;
    for _ in 0..12 {
        let sent = probe.node.outbound(&request(1000));
        asked |= ike(&sent).iter().any(|d| split(d).unwrap().0.exchange_type == QUICK);
        let esp = sent.iter().filter(|packet| packet[9] == ESP).count();
        assert!(esp <= 1);
    }
    assert!(asked);
    // 12 kB: nothing leaves on the old SPI any more.
    assert!(!probe.hears(&child));
}
