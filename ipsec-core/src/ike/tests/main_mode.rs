//! Main mode from end to end.

use alloc::vec;
use alloc::vec::Vec;

use super::harness::*;
use crate::crypto::{Cipher, Group, HashAlg};
use crate::ike::effect::Datagram;
use crate::ike::failure::{FailureReason, IkeError};
use crate::ike::outbox::{Lie, Outbox};
use crate::io::{DeleteReason, Event};
use crate::pad::MainModeProposal;
use crate::wire::isakmp::{ExchangeType, PayloadType, decode_chain, split};

const AES_FIRST: MainModeProposal =
    MainModeProposal { cipher: Cipher::Aes256, hash: HashAlg::Sha1, group: Group::Modp1024 };

fn established(node: &Node) -> usize {
    node.count(|e| matches!(e, Event::MainModeEstablished(_)))
}

#[test]
fn main_mode_and_quick_mode_make_a_pair_with_the_same_keys_at_both_ends() {
    let mut net = Net::same(&Setup::default());
    net.acquire(0);
    assert!(net.nodes[0].ike.is_negotiating(&net.wanted(0)));
    net.acquire(0);
    net.settle();
    assert!(!net.nodes[0].ike.is_negotiating(&net.wanted(0)));
    let exchanges: Vec<ExchangeType> =
        net.sent.iter().map(|d| split(&d.payload).unwrap().0.exchange_type).collect();
    let count = |wanted| exchanges.iter().filter(|e| **e == wanted).count();
    // Both ends also say INITIAL-CONTACT.
    assert_eq!(
        [ExchangeType::MAIN_MODE, ExchangeType::QUICK_MODE, ExchangeType::INFORMATIONAL].map(count),
        [6, 3, 2]
    );
    net.assert_same_pairs(1);
    for node in &net.nodes {
        assert_eq!((established(node), node.isakmp_keys().len()), (1, 1));
        assert_eq!(node.count(|e| matches!(e, Event::QuickModeEstablished(_))), 1);
        assert_eq!(node.count(|e| matches!(e, Event::IkeIgnored { .. })), 0, "{:?}", node.events);
    }
}

#[test]
fn every_algorithm_works() {
    for (cipher, hash, group) in [
        // The four defaults of Windows 2000 to Server 2003.
        (Cipher::TripleDes, HashAlg::Sha1, Group::Modp1024),
        (Cipher::TripleDes, HashAlg::Md5, Group::Modp1024),
        (Cipher::Des, HashAlg::Sha1, Group::Modp768),
        (Cipher::Des, HashAlg::Md5, Group::Modp768),
        (Cipher::Des40, HashAlg::Md5, Group::Modp768),
        (Cipher::Aes128, HashAlg::Sha256, Group::Modp1536),
        (Cipher::Aes192, HashAlg::Sha384, Group::Modp768),
        (Cipher::Aes256, HashAlg::Sha512, Group::Modp2048),
    ] {
        let proposals = vec![proposal(cipher, hash, group)];
        let mut net = Net::same(&Setup { proposals, ..Setup::default() });
        net.acquire(0);
        net.settle();
        net.assert_same_pairs(1);
    }
}

#[test]
fn the_first_proposal_of_the_initiator_that_fits_is_taken() {
    let des = proposal(Cipher::Des, HashAlg::Md5, Group::Modp768);
    let strong = proposal(Cipher::Aes256, HashAlg::Sha256, Group::Modp1024);
    let weak = proposal(Cipher::TripleDes, HashAlg::Sha1, Group::Modp768);
    let initiator = Setup { proposals: vec![strong, weak, des], ..Setup::default() };
    let responder = Setup { proposals: vec![des, weak], ..Setup::default() };
    let mut net = Net::new([&initiator, &responder]);
    net.acquire(0);
    net.settle();
    for node in &net.nodes {
        assert_eq!(node.count(|e| matches!(e, Event::MainModeEstablished(i) if i.proposal == weak)), 1);
    }
}

#[test]
fn a_refused_offer_is_explained_and_the_initiator_learns_of_it_when_its_schedule_ends() {
    let aes = Setup {
        proposals: vec![proposal(Cipher::Aes128, HashAlg::Sha1, Group::Modp768)],
        ..Setup::default()
    };
    let mut net = Net::new([&aes, &Setup::default()]);
    net.acquire(0);
    net.settle();
    let reasons = net.nodes[1].failures();
    let [FailureReason::NoProposalChosen(refusals)] = reasons.as_slice() else { panic!("{reasons:?}") };
    assert_eq!(
        alloc::format!("{}", refusals[0]),
        "proposal 1 transform 1: Encryption-Algorithm is AES-CBC, expected DES-CBC"
    );
    // Unauthenticated: recorded, not acted upon.
    assert_eq!(net.nodes[0].failures(), []);
    net.run_for(70);
    let psk = crate::wire::ikev1::AuthenticationMethod::PRE_SHARED_KEY;
    assert_eq!(net.nodes[0].failures(), [FailureReason::OfferRefused(vec![psk])]);
    assert_eq!(net.nodes[0].acquire_failures(), [false]);
}

#[test]
fn different_keys_end_by_time_out_at_both_ends() {
    let other = Setup { psk: "other", ..Setup::default() };
    let mut net = Net::new([&Setup::default(), &other]);
    net.acquire(0);
    net.run_for(200);
    assert_eq!(net.nodes[0].failures(), [FailureReason::TimedOut("waiting for main mode message 6")]);
    assert_eq!(net.nodes[1].failures(), [FailureReason::TimedOut("waiting for main mode message 5")]);
    assert_eq!(net.nodes[0].acquire_failures(), [false]);
    // The keys are logged all the same, so that a capture shows the garbage.
    assert_eq!(net.nodes.each_ref().map(|n| n.isakmp_keys().len()), [1, 1]);
    assert_eq!(net.nodes.each_ref().map(|n| n.ike.poll_timeout()), [None, None]);
}

#[test]
fn silence_is_told_from_a_broken_conversation() {
    let mut net = Net::same(&Setup::default());
    net.acquire(0);
    let end = net.now + crate::time::Duration::from_secs(100);
    net.run(end, &mut |_, _| Fate::Drop);
    assert_eq!(net.nodes[0].failures(), [FailureReason::NoResponse]);
    assert_eq!(net.nodes[0].acquire_failures(), [true]);
    // Sent at 0, 1, 3, 7, 15, 31 and 63 s.
    assert_eq!(net.sent.len(), 7);
    assert!(net.sent.iter().all(|d| *d == net.sent[0]));
}

#[test]
fn both_ends_may_begin_at_once() {
    let mut net = Net::same(&Setup::default());
    net.acquire(0);
    net.acquire(1);
    net.settle();
    net.assert_same_pairs(2);
    assert_eq!(net.nodes.each_ref().map(established), [2, 2]);
    // Nothing is purged or deleted by the two INITIAL-CONTACTs.
    net.run_for(100);
    assert_eq!(net.nodes.each_ref().map(|n| n.count(|e| matches!(e, Event::IsakmpSaDeleted { .. }))), [0, 0]);
}

#[test]
fn the_isakmp_sa_expires_with_a_notice_and_is_made_anew() {
    let mut net = Net::same(&Setup { lifetime_seconds: 600, ..Setup::default() });
    net.acquire(0);
    net.run_for(700);
    let gone =
        |node: &Node, why| node.count(|e| matches!(e, Event::IsakmpSaDeleted { why: w, .. } if *w == why));
    let expired =
        net.nodes.each_ref().map(|n| gone(n, DeleteReason::Expired) + gone(n, DeleteReason::PeerDeleted));
    assert_eq!(expired, [1, 1]);
    // The IPsec SAs live on.
    assert!(net.nodes.iter().all(|n| n.deleted().is_empty()));
    net.acquire(0);
    net.settle();
    net.assert_same_pairs(2);
    assert_eq!(net.nodes.each_ref().map(established), [2, 2]);
}

#[test]
fn master_key_pfs_makes_a_main_mode_for_each_quick_mode() {
    let mut net = Net::same(&Setup { quick_modes: 1, ..Setup::default() });
    for _ in 0..3 {
        net.acquire(0);
        net.settle();
    }
    net.assert_same_pairs(3);
    assert_eq!(net.nodes.each_ref().map(established), [3, 3]);
    // Spent ISAKMP SAs do not stay.
    net.run_for(200);
    assert_eq!(net.nodes.each_ref().map(|n| n.count(|e| matches!(e, Event::IsakmpSaDeleted { .. }))), [3, 3]);
    assert_eq!(net.nodes[0].failures(), []);
}

/// strongSwan 5.9.8 answered the recorded first messages with the same SA payloads that we do.
#[test]
fn another_implementations_offer_is_answered_as_its_own_responder_did() {
    use ipsec_vectors::recorded;
    for (recording, cipher, hash, group) in [
        (recorded::KB816514, Cipher::TripleDes, HashAlg::Md5, Group::Modp1024),
        (recorded::PFS, Cipher::TripleDes, HashAlg::Sha1, Group::Modp2048),
    ] {
        let datagrams = recording.datagrams();
        let proposals = vec![AES_FIRST, proposal(cipher, hash, group)];
        let mut net = Net::same(&Setup { proposals, ..Setup::default() });
        let payload = datagrams[0].payload.clone();
        net.deliver(&Datagram { local: socket(0), peer: socket(1), payload, keepalive: false });
        let ours = net.take().unwrap();
        let sa = |datagram: &[u8]| {
            let (header, body) = split(datagram).unwrap();
            decode_chain(header.next_payload, body).unwrap().0.body_of(PayloadType::SA).unwrap().to_vec()
        };
        assert_eq!(sa(&ours.payload), sa(&datagrams[1].payload), "{}", recording.name);
    }
}

#[test]
fn a_reflected_first_message_is_refused() {
    let mut net = Net::same(&Setup::default());
    net.acquire(0);
    let first = net.take().unwrap();
    let reflected = Datagram { local: first.peer, peer: first.local, ..first };
    net.deliver(&reflected);
    let ignored = |e: &Event| {
        matches!(e, Event::IkeIgnored { reason: IkeError::Unexpected("our own cookie, reflected"), .. })
    };
    assert_eq!((net.nodes[0].count(ignored), net.sent.len()), (1, 1));
}

#[test]
fn an_identity_must_be_the_peers_address() {
    // The body of ID: type, protocol, port in two octets, address (RFC 2407 section 4.6.2).
    let wrong = |at| Lie::Body { payload: 0, at, bits: 1 };
    for (lie, made) in [(Lie::None, 1), (wrong(1), 0), (wrong(2), 0), (wrong(7), 0)] {
        let mut net = Net::same(&Setup::default());
        net.nodes[0].ike.node.outbox = Outbox::new(&[Lie::None, Lie::None, lie]);
        net.acquire(0);
        net.settle();
        assert_eq!((established(&net.nodes[1]), net.nodes[1].failures().len()), (made, 1 - made));
    }
}
