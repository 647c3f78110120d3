//! Authentication methods: which one is agreed on, and what becomes of those that do not work here.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use super::harness::*;
use crate::ike::failure::FailureReason;
use crate::io::Event;
use crate::pad::{AuthMethod, Secret};
use crate::wire::ikev1::AuthenticationMethod;

const PSK: AuthenticationMethod = AuthenticationMethod::PRE_SHARED_KEY;
const KERBEROS: AuthenticationMethod = AuthenticationMethod::GSS_API;
const RSA: AuthenticationMethod = AuthenticationMethod::RSA_SIGNATURES;

fn psk(key: &str) -> AuthMethod {
    AuthMethod::PreSharedKey(Secret::new(key.as_bytes()))
}

fn certificate() -> AuthMethod {
    AuthMethod::Certificate { root: "CN=Root".into() }
}

/// Two nodes with these methods, after the first one has wanted a pair.
fn between(first: &[AuthMethod], second: &[AuthMethod]) -> Net {
    let setup = |methods: &[AuthMethod]| Setup { methods: Some(methods.to_vec()), ..Setup::default() };
    let mut net = Net::new([&setup(first), &setup(second)]);
    net.acquire(0);
    net.settle();
    net
}

#[test]
fn the_pre_shared_key_is_found_among_methods_that_the_peer_has_not() {
    between(&[AuthMethod::Kerberos, psk("key")], &[psk("key")]).assert_same_pairs(1);
    between(&[psk("key")], &[AuthMethod::Kerberos, psk("key")]).assert_same_pairs(1);
    between(&[AuthMethod::Kerberos, psk("key"), certificate()], &[certificate(), psk("key")])
        .assert_same_pairs(1);
}

#[test]
fn the_first_common_method_counts_even_if_it_is_not_available() {
    let both = [AuthMethod::Kerberos, psk("key")];
    let mut net = between(&both, &both);
    let not_available = FailureReason::MethodNotAvailable(vec![KERBEROS]);
    assert_eq!(net.nodes[1].failures(), [not_available]);
    assert_eq!(
        net.nodes[1].failures()[0].to_string(),
        "authentication with Kerberos (GSS-API) is not available"
    );
    net.run_for(70);
    assert_eq!(net.nodes[0].failures(), [FailureReason::OfferRefused(vec![KERBEROS, PSK])]);
    // With the pre-shared key first it is the one.
    between(&[psk("key"), AuthMethod::Kerberos], &both).assert_same_pairs(1);
}

/// Another implementation, or a forger, may choose what we offered and do not have.
#[test]
fn an_initiator_whose_unavailable_method_is_chosen_waits_for_a_better_answer_and_fails_without() {
    let setup = Setup { methods: Some(vec![AuthMethod::Kerberos, psk("key")]), ..Setup::default() };
    let mut net = Net::same(&setup);
    net.acquire(0);
    let first = net.take().expect("message 1");
    // A responder with the key alone answers transform 2; as if it had chosen transform 1, take method 65001 in its answer.
    let only_key = Setup { methods: Some(vec![psk("key")]), ..Setup::default() };
    net.nodes[1] = Net::same(&only_key).nodes[1].clone();
    net.deliver(&first);
    let honest = net.take().expect("message 2");
    let mut second = honest.clone();
    let (psk_attribute, kerberos) = ([0x80, 3, 0, 1], [0x80, 3, 0xfd, 0xe9]);
    let place = second.payload.windows(4).position(|w| w == psk_attribute).expect("attribute 3");
    second.payload[place..place + 4].copy_from_slice(&kerberos);
    // ISAKMP header 28, SA 12, proposal 8, transform 4: its number.
    assert_eq!(second.payload[52], 2);
    second.payload[52] = 1;
    net.deliver(&second);
    assert_eq!(net.nodes[0].failures(), []);
    let mut forged = net.clone();
    forged.deliver(&honest);
    forged.settle();
    forged.assert_same_pairs(1);
    net.nodes[1] = Net::same(&only_key).nodes[1].clone();
    let until = net.now + crate::time::Duration::from_secs(70);
    net.run(until, &mut |_, _| Fate::Drop);
    assert_eq!(net.nodes[0].failures(), [FailureReason::MethodNotAvailable(vec![KERBEROS])]);
    assert_eq!(net.nodes[0].acquire_failures(), [false]);
}

#[test]
fn no_common_method_is_its_own_failure_and_names_both_sides() {
    let mut net = between(&[AuthMethod::Kerberos, psk("key")], &[certificate()]);
    let reason = FailureReason::NoCommonMethod { offered: vec![KERBEROS, PSK], wanted: vec![RSA] };
    assert_eq!(net.nodes[1].failures(), [reason]);
    assert_eq!(
        net.nodes[1].failures()[0].to_string(),
        "no common authentication method: offered Kerberos (GSS-API) or pre-shared key, wanted RSA signatures"
    );
    // NO-PROPOSAL-CHOSEN came in clear: it explains the time-out, and nothing more.
    assert_eq!(net.nodes[0].failures(), []);
    net.run_for(70);
    assert_eq!(net.nodes[0].failures(), [FailureReason::OfferRefused(vec![KERBEROS, PSK])]);
    assert_eq!(
        net.nodes[0].failures()[0].to_string(),
        "peer chose no proposal (notify 14): offered authentication with Kerberos (GSS-API) or pre-shared key"
    );
}

/// "The two communication endpoints must have at least one common authentication method, or communication fails" ("Windows
/// Server 2003 IPSec Concepts"): each method alone against each. What is not available here is not even offered.
#[test]
fn each_method_with_each_other() {
    let methods = [(AuthMethod::Kerberos, KERBEROS), (certificate(), RSA), (psk("key"), PSK)];
    for (first, offered) in &methods {
        for (second, wanted) in &methods {
            let mut net = between(core::slice::from_ref(first), core::slice::from_ref(second));
            // Each repetition of message 1 is judged anew.
            let judged = net.nodes[1].failures();
            net.run_for(70);
            let failures = [net.nodes[0].failures(), judged];
            let (begins, pairs) = match (*offered, *wanted) {
                (PSK, PSK) => ([vec![], vec![]], 1),
                (PSK, _) => {
                    let none = FailureReason::NoCommonMethod { offered: vec![PSK], wanted: vec![*wanted] };
                    ([vec![FailureReason::OfferRefused(vec![PSK])], vec![none]], 0)
                }
                (unavailable, _) => ([vec![FailureReason::MethodNotAvailable(vec![unavailable])], vec![]], 0),
            };
            net.assert_same_pairs(pairs);
            assert_eq!(failures, begins, "{offered:?} with {wanted:?}");
        }
    }
}

#[test]
fn without_an_available_method_main_mode_does_not_begin() {
    let net = between(&[AuthMethod::Kerberos, certificate()], &[psk("key")]);
    let reason = FailureReason::MethodNotAvailable(vec![KERBEROS, RSA]);
    assert_eq!((net.nodes[0].failures(), net.sent.len()), (vec![reason], 0));
}

/// RFC 4301 section 4.4.3: a changed PAD ends what it would not allow any more, and only that.
#[test]
fn a_policy_that_keeps_the_agreed_method_keeps_the_sa() {
    let live = |net: &Net| {
        net.nodes[0].count(|e| matches!(e, Event::MainModeEstablished(_)))
            - net.nodes[0].count(|e| matches!(e, Event::IsakmpSaDeleted { .. }))
    };
    let kept = |methods: Vec<AuthMethod>| {
        let mut net = between(&[psk("key")], &[psk("key")]);
        net.nodes[0].policy = policy(&Setup { methods: Some(methods), ..Setup::default() }, 0);
        net.call(0, |ike, cx| ike.policy_changed(cx));
        live(&net)
    };
    assert_eq!(kept(vec![AuthMethod::Kerberos, psk("key")]), 1);
    assert_eq!(kept(vec![psk("other")]), 0);
    assert_eq!(kept(vec![AuthMethod::Kerberos]), 0);
}
