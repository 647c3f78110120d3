//! The policies of KB 816514 and KB 301284, compiled.

use ipsec_core::interface::ConnectionKind;
use ipsec_core::pad::AuthMethod;
use ipsec_core::selector::FlowKey;
use ipsec_core::spd::{Action, Direction, Mode};
use ipsec_policy::compile::compile;
use ipsec_policy::netsh::run_script;

use crate::{computer, listing, store_of};

const LAN: ConnectionKind = ConnectionKind::Lan;
const WIN2003: &[u8] = include_bytes!("../data/kb816514-win2003.netsh");
const THIRD: &[u8] = include_bytes!("../data/kb816514-3rdparty.netsh");

/// "You must build two filters: ... NetA to NetB ... NetB to NetA", the first outbound to 3rdExtIP, the second inbound.
#[test]
fn kb816514_makes_one_entry_a_direction() {
    let (store, output) = store_of("win2003.netsh", WIN2003);
    assert_eq!(output.notes, []);
    insta::assert_snapshot!(listing(&store, &computer(&["10.1.0.1", "192.0.2.1"])));
    insta::assert_snapshot!("nothing_known_about_the_computer", listing(&store, &Default::default()));
    let (other, _) = store_of("3rd.netsh", THIRD);
    insta::assert_snapshot!(listing(&other, &computer(&["10.2.0.1", "198.51.100.1"])));
}

#[test]
fn kb816514_both_rules_authenticate_the_same_peer() {
    let (store, _) = store_of("win2003.netsh", WIN2003);
    let databases = compile(&store, &computer(&["10.1.0.1", "192.0.2.1"])).unwrap();
    let (local, peer) = ("192.0.2.1".parse().unwrap(), "198.51.100.1".parse().unwrap());
    let entry = databases.pad.lookup(local, peer).unwrap();
    let [AuthMethod::PreSharedKey(key)] = entry.methods.as_slice() else { panic!("{entry:?}") };
    assert_eq!(key.expose(), b"used for testing only");
    assert_eq!((entry.lifetime_seconds, entry.quick_modes, entry.proposals.len()), (480 * 60, 0, 4));
    assert!(databases.pad.lookup(local, "198.51.100.2".parse().unwrap()).is_none());
}

/// "Click to clear the Activate the default response rule check box": nothing makes filters from what strangers propose.
#[test]
fn kb816514_makes_no_dynamic_rule() {
    let (store, _) = store_of("win2003.netsh", WIN2003);
    let gateway = computer(&["10.1.0.1", "192.0.2.1"]);
    let databases = compile(&store, &gateway).unwrap();
    assert_eq!(databases.spd.default_response(), None);
    assert!(databases.pad.lookup("192.0.2.1".parse().unwrap(), "192.0.2.9".parse().unwrap()).is_none());
    // With the box left as it comes there is one.
    let text = String::from_utf8(WIN2003.to_vec()).unwrap();
    let active = text.replace("activatedefaultrule=no", "activatedefaultrule=yes");
    assert_ne!(text, active);
    let (store, _) = store_of("win2003.netsh", active.as_bytes());
    assert!(compile(&store, &gateway).unwrap().spd.default_response().is_some());
}

/// "Inbound traffic that matches the filters is discarded because it must be received secured."
#[test]
fn kb816514_quick_modes_are_authorised_by_the_inbound_rule() {
    let (store, _) = store_of("win2003.netsh", WIN2003);
    let spd = compile(&store, &computer(&["10.1.0.1", "192.0.2.1"])).unwrap().spd;
    let (local, peer) = ("192.0.2.1".parse().unwrap(), "198.51.100.1".parse().unwrap());
    let inbound =
        spd.entries().iter().find(|e| e.direction == Direction::Inbound && e.name == "NetB to NetA tunnel");
    let inbound = inbound.unwrap();
    let (entry, protect) = spd.authorise(&inbound.selector, true, local, peer, LAN).unwrap();
    assert_eq!(entry.id, inbound.id);
    assert_eq!(protect.mode, Mode::Tunnel { local: Some(local), remote: peer });
    assert!(!protect.accept_clear_inbound && !protect.fallback);
    assert!(spd.authorise(&inbound.selector, true, local, "198.51.100.2".parse().unwrap(), LAN).is_none());
    assert!(spd.authorise(&inbound.selector, false, local, peer, LAN).is_none());
}

/// The twins of the article: a rule missing, filters mirrored.
#[test]
fn kb816514_twins() {
    let text = String::from_utf8(WIN2003.to_vec()).unwrap();
    let gateway = computer(&["10.1.0.1", "192.0.2.1"]);
    let delete = |rule: &str| {
        let (mut store, _) = store_of("win2003.netsh", WIN2003);
        let line = format!(
            "netsh ipsec static delete rule name=\"{rule}\" policy=\"IPSec Tunnel with non-Microsoft Gateway\""
        );
        run_script(&mut store, "twin.cmd", line.as_bytes()).unwrap();
        listing(&store, &gateway)
    };
    insta::assert_snapshot!("outbound_rule_missing", delete("NetA to NetB tunnel"));
    insta::assert_snapshot!("inbound_rule_missing", delete("NetB to NetA tunnel"));
    let (mirrored, _) = store_of("mirrored.netsh", text.replace("mirrored=no", "mirrored=yes").as_bytes());
    insta::assert_snapshot!("mirrored", listing(&mirrored, &gateway));
}

/// Two mirrored filters, TCP 6667 and 6668; other traffic stays clear; either side may start.
#[test]
fn kb301284_protects_abczz_and_nothing_else() {
    let (alice, output) = store_of("alice.cmd", include_bytes!("../data/kb301284-alice.cmd"));
    assert_eq!(output.notes, []);
    let here = computer(&["172.16.98.231"]);
    insta::assert_snapshot!(listing(&alice, &here));
    let spd = compile(&alice, &here).unwrap().spd;
    let flow = |port| FlowKey {
        local: "172.16.98.231".parse().unwrap(),
        remote: "172.31.67.244".parse().unwrap(),
        protocol: 6,
        local_port: Some(40_000),
        remote_port: Some(port),
    };
    let lan = ipsec_core::interface::ConnectionKind::Lan;
    for port in [6667, 6668] {
        assert!(matches!(spd.outbound(&flow(port), lan).unwrap().action, Action::Protect(_)));
        assert!(matches!(spd.inbound(&flow(port), lan).unwrap().action, Action::Protect(_)));
    }
    assert_eq!(spd.outbound(&flow(6669), lan).unwrap().action, Action::Bypass);
    let dialup = ipsec_core::interface::ConnectionKind::RemoteAccess;
    assert_eq!(spd.outbound(&flow(6667), dialup).unwrap().action, Action::Bypass);
    let (bob, _) = store_of("bob.cmd", include_bytes!("../data/kb301284-bob.cmd"));
    insta::assert_snapshot!(listing(&bob, &computer(&["172.31.67.244"])));
}

/// "Use a different shared key for this rule": Bob's and Eve's addresses get a key each.
#[test]
fn kb301284_alice_has_two_keys() {
    let (mut alice, _) = store_of("alice.cmd", include_bytes!("../data/kb301284-alice.cmd"));
    let more = b"netsh ipsec static add filter filterlist=Eve srcaddr=me dstaddr=172.31.67.250 protocol=tcp dstport=23\n\
        netsh ipsec static add rule name=Eve policy=\"Alice's IPSec\" filterlist=Eve filteraction=\"Encrypt Abczz\" psk=other";
    run_script(&mut alice, "eve.cmd", more).unwrap();
    let pad = compile(&alice, &computer(&["172.16.98.231"])).unwrap().pad;
    let key = |peer: &str| {
        let entry = pad.lookup("172.16.98.231".parse().unwrap(), peer.parse().unwrap())?;
        let [AuthMethod::PreSharedKey(key)] = entry.methods.as_slice() else { panic!("{entry:?}") };
        Some(String::from_utf8(key.expose().to_vec()).unwrap())
    };
    assert_eq!(key("172.31.67.244").unwrap(), "a long string that Alice and Bob remember");
    assert_eq!(key("172.31.67.250").unwrap(), "other");
    assert_eq!(key("172.31.67.251"), None);
}
