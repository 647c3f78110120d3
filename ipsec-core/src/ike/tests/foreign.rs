//! Exchanges that others have: refused by name, without a trace.

use alloc::vec;
use alloc::vec::Vec;

use super::harness::*;
use crate::ike::effect::Datagram;
use crate::ike::failure::{FailureReason, Foreign, IkeError};
use crate::ike::outbox::{Encryption, Outbox, Protection};
use crate::ike::v1::keymat;
use crate::io::Event;
use crate::wire::ikev1::NotifyType;
use crate::wire::isakmp::{Cookie, ExchangeType, Flags, Header, Payload, PayloadType, split};

/// A node with an ISAKMP SA, and its peer's keys.
fn connected() -> Net {
    let mut net = Net::same(&Setup::default());
    net.acquire(0);
    net.run_for(100);
    net
}

/// An Attribute payload: request, identifier 7, and one attribute without value.
fn request(attribute: u16) -> Payload {
    let body = [&[1, 0, 0, 7][..], &attribute.to_be_bytes(), &[0, 0]].concat();
    Payload::Other { payload_type: PayloadType(14), body }
}

/// What node 0 says in this exchange.
fn message(net: &Net, exchange_type: ExchangeType, payloads: Vec<Payload>) -> Datagram {
    let sa = net.nodes[0].ike.sas.values().next().unwrap();
    let phase1 = sa.established().unwrap();
    let message_id = 0x1234_5678;
    let iv = keymat::phase_2_iv(phase1.keys.alg, &phase1.last_block, message_id, phase1.keys.key.cipher());
    let protection = Protection::Phase2 {
        encryption: Encryption { key: &phase1.keys.key, iv: &iv },
        alg: phase1.keys.alg,
        skeyid_a: &phase1.keys.skeyids.skeyid_a,
        ni_b: &[],
    };
    let header = Header::new(sa.names.cky_i, sa.names.cky_r, exchange_type, Flags::NONE, message_id);
    let payload = Outbox::new(&[]).send(header, payloads, protection).datagram;
    Datagram { local: socket(0), peer: socket(1), payload, keepalive: false }
}

fn ignored(node: &Node, what: Foreign) -> usize {
    let is =
        |e: &Event| matches!(e, Event::IkeIgnored { reason: IkeError::NotSupported(w), .. } if *w == what);
    node.count(is)
}

#[test]
fn authentic_foreign_exchanges_are_refused_by_name() {
    let sa = |net: &Net| {
        let (header, body) = split(&net.sent[0].payload).unwrap();
        crate::wire::isakmp::decode_chain(header.next_payload, body).unwrap().0.payloads()[0].clone()
    };
    // INTERNAL_IP4_ADDRESS is attribute 1, XAUTH-TYPE and XAUTH-USER-NAME are 16520 and 16521.
    for (exchange, payload, what, notify) in [
        (33, None, Foreign::NewGroupMode, NotifyType::ATTRIBUTES_NOT_SUPPORTED),
        (6, Some(1), Foreign::ModeConfig, NotifyType::UNSUPPORTED_EXCHANGE_TYPE),
        (6, Some(16_520), Foreign::Xauth, NotifyType::UNSUPPORTED_EXCHANGE_TYPE),
        (6, Some(16_521), Foreign::Xauth, NotifyType::UNSUPPORTED_EXCHANGE_TYPE),
    ] {
        let mut net = connected();
        let payload = payload.map_or_else(|| sa(&net), request);
        let message = message(&net, ExchangeType(exchange), vec![payload]);
        let before = net.nodes[1].ike.sizes();
        net.deliver(&message);
        net.settle();
        assert_eq!(net.nodes[1].failures(), [FailureReason::NotSupported(what)]);
        assert_eq!(
            net.nodes[0].count(|e| matches!(e, Event::Notified { notify: n, .. } if *n == notify.0)),
            1
        );
        // Nothing is kept but the message ID, which does not serve again.
        let after = net.nodes[1].ike.sizes();
        assert_eq!(crate::ike::IkeSizes { message_ids: before.message_ids + 1, ..before }, after);
        assert_eq!(net.nodes[1].receive(net.now, &message), []);
        assert_eq!((net.nodes[1].failures().len(), net.nodes[1].deleted().len()), (1, 0));
    }
}

/// HASH(1) does not cover the exchange type, and quick mode's is the same: whoever alters the type on the way must not use up
/// the message.
#[test]
fn a_quick_mode_that_claims_to_be_another_exchange_is_still_one() {
    let mut net = connected();
    net.acquire(0);
    let honest = net.take().unwrap();
    let before = net.nodes[1].fingerprint();
    for exchange in [33, 6] {
        let mut altered = honest.clone();
        altered.payload[18] = exchange;
        assert_eq!(net.nodes[1].receive(net.now, &altered), []);
    }
    assert_eq!(net.nodes[1].fingerprint(), before);
    assert_eq!(net.nodes[1].receive(net.now, &honest).len(), 1);
}

#[test]
fn forged_foreign_exchanges_change_nothing() {
    for exchange in [33, 6, 243, 244, 245, 246] {
        let mut net = connected();
        let honest = message(&net, ExchangeType(exchange), vec![request(1)]);
        let before = net.nodes[1].fingerprint();
        for bit in 28 * 8..honest.payload.len() * 8 {
            let mut forged = honest.clone();
            forged.payload[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(net.nodes[1].receive(net.now, &forged), []);
        }
        let mut clear = honest.clone();
        clear.payload[19] = 0;
        assert_eq!(net.nodes[1].receive(net.now, &clear), []);
        assert_eq!((net.nodes[1].fingerprint(), net.nodes[1].failures()), (before, vec![]));
    }
}

#[test]
fn first_messages_of_authip_and_others_cost_nothing() {
    let mut net = Net::same(&Setup::default());
    net.acquire(0);
    let first = net.take().unwrap();
    let before = net.nodes[1].fingerprint();
    let cases = [
        (243, Foreign::AuthIp),
        (244, Foreign::AuthIp),
        (245, Foreign::AuthIp),
        (246, Foreign::AuthIp),
        (33, Foreign::NewGroupMode),
        (6, Foreign::ModeConfig),
    ];
    for (exchange, what) in cases {
        for message_id in [0, 9] {
            let mut datagram = first.clone();
            datagram.payload[18] = exchange;
            datagram.payload[23] = message_id;
            let had = ignored(&net.nodes[1], what);
            assert_eq!(net.nodes[1].receive(net.now, &datagram), []);
            assert_eq!(ignored(&net.nodes[1], what), had + 1);
        }
    }
    assert_eq!(net.nodes[1].fingerprint(), before);
    assert!(!first.payload.is_empty() && split(&first.payload).unwrap().0.cky_r == Cookie::ZERO);
}
