//! The articles' cases: one domain, two domains, no domain; controllers that a computer reaches, and that it does not.

use ipsec_core::interface::InterfaceId;
use ipsec_core::route::Route;
use ipsec_core::selector::Prefix;
use ipsec_policy::Profile;
use ipsec_policy::profile::{WINDOWS_2000, WINDOWS_2003, WINDOWS_XP};

use super::*;
use crate::network_settings::{Adapter, NetworkSettings};

const EAST: &str = "10.2.0.5";
const WEST: &str = "10.1.0.5";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn realm(name: &str, controllers: &[&str], trusts: &[&str]) -> Realm {
    let controller = |address: &&str| Controller { name: format!("dc-{name}"), address: ip(address) };
    Realm {
        name: name.to_owned(),
        controllers: controllers.iter().map(controller).collect(),
        trusts: trusts.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn end<'a>(name: &'a str, realm: &'a str) -> End<'a> {
    End { name, realm: (!realm.is_empty()).then_some(realm), reaches: &|_| Ok(()) }
}

/// Sentences about what is in the way.
fn told(realms: &Realms, initiator: &End<'_>, responder: &End<'_>) -> Vec<String> {
    realms.obstacles(initiator, responder).iter().map(ToString::to_string).collect()
}

/// KB 301284: "can work only if both endpoints (computers) are in the same Windows 2000 domain [...] If the computers are in
/// different domains, or at least one of them is not in a domain, you must use either certificates or preshared keys."
#[test]
fn one_domain_is_the_trivial_case() {
    let realms = Realms(vec![realm("corp", &[WEST], &[]), realm("partner", &[EAST], &[])]);
    let alice = end("alice", "corp");
    assert_eq!(told(&realms, &alice, &end("bob", "CORP")), [""; 0]);
    let apart = "partner (of bob) does not trust corp (of alice)";
    assert_eq!(told(&realms, &alice, &end("bob", "partner")), [apart]);
    assert_eq!(told(&realms, &alice, &end("bob", "")), ["bob is in no domain"]);
    assert_eq!(told(&realms, &end("bob", ""), &alice), ["bob is in no domain"]);
    let neither = ["alice is in no domain", "bob is in no domain"];
    assert_eq!(told(&realms, &end("alice", ""), &end("bob", "")), neither);
}

/// KB 816514: "if both ends of the tunnel are in trusted domains". Who trusts is who answers.
#[test]
fn trust_has_a_direction() {
    let one_way = Realms(vec![realm("west", &[WEST], &[]), realm("east", &[EAST], &["west"])]);
    let (a, b) = (end("gwa", "west"), end("gwb", "east"));
    assert_eq!(told(&one_way, &a, &b), [""; 0]);
    let back = "west (of gwa) does not trust east (of gwb), only the other way round";
    assert_eq!(told(&one_way, &b, &a), [back]);
    let both = Realms(vec![realm("west", &[WEST], &["east"]), realm("east", &[EAST], &["west"])]);
    assert!(told(&both, &a, &b).is_empty() && told(&both, &b, &a).is_empty());
    // Through a third realm, whose controller is asked on the way; in a circle of trusts the search ends.
    let chain = |controllers: &[&str]| {
        Realms(vec![
            realm("west", &[WEST], &["root"]),
            realm("root", controllers, &["west"]),
            realm("east", &[EAST], &["east", "root"]),
        ])
    };
    assert_eq!(told(&chain(&["10.3.0.5"]), &a, &b), [""; 0]);
    assert_eq!(told(&chain(&[]), &a, &b), ["root has no domain controller"]);
    assert_eq!(told(&chain(&["10.3.0.5"]), &b, &a).len(), 1, "nobody trusts east");
}

/// "each trusted domain's IP address [...] is reachable on the network by both ends of the tunnel".
#[test]
fn each_end_needs_a_controller_of_each_domain() {
    let realms =
        Realms(vec![realm("west", &[WEST, "10.1.0.6"], &["east"]), realm("east", &[EAST], &["west"])]);
    let only = |reached: &'static [&'static str]| {
        move |asked: IpAddr| {
            if reached.iter().any(|a| ip(a) == asked) { Ok(()) } else { Err(Unreachable::NoRoute) }
        }
    };
    let rows: [(&[&str], &[&str], &[&str]); 4] = [
        (&[WEST, EAST], &["10.1.0.6", EAST], &[]),
        (
            &[WEST],
            &[WEST, EAST],
            &["gwa does not reach dc-east (10.2.0.5), domain controller of east: no route"],
        ),
        (
            &[WEST, EAST],
            &[WEST],
            &["gwb does not reach dc-east (10.2.0.5), domain controller of east: no route"],
        ),
        (
            &[WEST, EAST],
            &[EAST],
            &[
                "gwb does not reach dc-west (10.1.0.5), domain controller of west: no route",
                "gwb does not reach dc-west (10.1.0.6), domain controller of west: no route",
            ],
        ),
    ];
    for (a, b, expected) in rows {
        let (from_a, from_b) = (only(a), only(b));
        let gwa = End { name: "gwa", realm: Some("west"), reaches: &from_a };
        let gwb = End { name: "gwb", realm: Some("east"), reaches: &from_b };
        assert_eq!(told(&realms, &gwa, &gwb), expected, "{a:?} {b:?}");
    }
}

/// A gateway: 10.1.0.1 inside, 203.0.113.1 outside, and 10.2.0.0/16 behind 203.0.113.2.
fn gateway(release: &'static Profile, lines: &str) -> (Computer, RouteTable) {
    let lan = |name: &str, own: &str, len| Adapter::lan(name, &[Prefix::new(ip(own), len)]);
    let adapters = vec![lan("inside", "10.1.0.1", 16), lan("outside", "203.0.113.1", 24)];
    let mut computer = Computer::new(release, NetworkSettings { adapters, ..NetworkSettings::default() });
    let script: String = lines.lines().map(|line| format!("netsh ipsec {}\n", line.trim())).collect();
    computer.prepare("setup.cmd", script.as_bytes()).unwrap();
    let mut routes = RouteTable::new();
    routes.add(Route {
        destination: Prefix::new(ip("10.2.0.0"), 16),
        next_hop: Some(ip("203.0.113.2")),
        interface: InterfaceId(1),
        source: None,
    });
    (computer, routes)
}

fn reaches(release: &'static Profile, lines: &str, controller: &str) -> Result<(), Unreachable> {
    let (computer, routes) = gateway(release, lines);
    computer.reaches_in_clear(ip(controller), &routes)
}

const SECURE: &str = "static restorepolicyexamples release=win2003
    static set policy name=\"Secure Server (Require Security)\" assign=yes";

/// "The Kerberos protocol is no longer a default exemption; if you want to enable Kerberos authentication, you must create filters in
/// the IPSec policy that explicitly allow all traffic to each domain controller IP address" ("Windows Server 2003 IPSec
/// Concepts"); Windows 2000 and XP exempt it.
#[test]
fn windows_server_2003_needs_permit_filters_for_controllers() {
    let secured = Err(Unreachable::Secured("All IP Traffic".into()));
    assert_eq!(reaches(&WINDOWS_2000, SECURE, WEST), Ok(()));
    assert_eq!(reaches(&WINDOWS_XP, SECURE, WEST), Ok(()));
    assert_eq!(reaches(&WINDOWS_2003, SECURE, WEST), secured);
    let exempt = format!("{SECURE}\ndynamic set config property=ipsecexempt value=0");
    assert_eq!(reaches(&WINDOWS_2003, &exempt, WEST), Ok(()));
    // KB 811832: NoDefaultExempt 1 on Windows 2000 ends the exemption there too.
    let (mut old, routes) = gateway(&WINDOWS_2000, SECURE);
    old.registry().config.exempt = ipsec_policy::exempt::ExemptLevel::NoKerberosRsvp;
    old.boot(crate::computer::BootTimes::default(), ipsec_core::Instant::from_secs(1));
    assert_eq!(old.reaches_in_clear(ip(WEST), &routes), secured);
    let permit = |controller: &str| {
        format!(
            "{SECURE}
            static add filter filterlist=Controllers srcaddr=me dstaddr={controller}
            static add rule name=Controllers policy=\"Secure Server (Require Security)\" filterlist=Controllers filteraction=Permit"
        )
    };
    assert_eq!(reaches(&WINDOWS_2003, &permit(WEST), WEST), Ok(()));
    assert_eq!(reaches(&WINDOWS_2003, &permit(EAST), WEST), secured, "a filter for another controller");
    // Server (Request Security) gets there after its fallback.
    let request = SECURE.replace("Secure Server (Require Security)", "Server (Request Security)");
    assert_eq!(reaches(&WINDOWS_2003, &request, WEST), Ok(()));
}

const TUNNEL: &str = "static add filteraction name=esp action=negotiate inpass=no soft=no
    static add policy name=tunnel activatedefaultrule=no
    static add filter filterlist=out srcaddr={from} dstaddr=10.2.0.0 dstmask=16 mirrored=no
    static add rule name=out policy=tunnel filterlist=out filteraction=esp tunnel=203.0.113.2
    static add filter filterlist=in srcaddr=10.2.0.0 srcmask=16 dstaddr={to} mirrored=no
    static add rule name=in policy=tunnel filterlist=in filteraction=esp tunnel=203.0.113.1
    static set policy name=tunnel assign=yes";

/// From NetA or anywhere to NetB, and back.
fn tunnel(from: &str, to: &str) -> String {
    TUNNEL.replace("{from}", from).replace("{to}", to)
}

/// KB 816514: the tunnel's own far side is no place for the controller that it needs.
#[test]
fn a_controller_behind_the_tunnel_is_not_there_before_it() {
    let in_tunnel = Unreachable::InTunnel { rule: "out".into(), endpoint: ip("203.0.113.2") };
    let everything = tunnel("any", "any");
    assert_eq!(reaches(&WINDOWS_2003, &everything, EAST), Err(in_tunnel.clone()));
    assert_eq!(reaches(&WINDOWS_2000, &everything, EAST), Ok(()), "exempt, so it goes beside the tunnel");
    assert_eq!(reaches(&WINDOWS_2003, &everything, WEST), Ok(()), "on this side");
    // The article's filters are about NetA; the gateway's own packets leave from its outside address.
    assert_eq!(reaches(&WINDOWS_2003, &tunnel("10.1.0.0 srcmask=16", "10.1.0.0 dstmask=16"), EAST), Ok(()));
    let answers = tunnel("10.1.0.0 srcmask=16", "203.0.113.0 dstmask=24");
    assert_eq!(reaches(&WINDOWS_2003, &answers, EAST), Err(Unreachable::AnswerRefused("in".into())));
    assert_eq!(reaches(&WINDOWS_2003, &everything, "10.9.0.5"), Err(Unreachable::NoRoute));
    assert_eq!(
        in_tunnel.to_string(),
        "its rule 'out' wants Kerberos in the tunnel to 203.0.113.2, which is not there before IKE has negotiated it"
    );
}

#[test]
fn what_is_blocked_is_not_reached_and_what_is_own_is() {
    let block = "static add filter filterlist=kerberos srcaddr=me dstaddr=any protocol=udp dstport=88
        static add filteraction name=block action=block
        static add policy name=no activatedefaultrule=no
        static add rule name=kerberos policy=no filterlist=kerberos filteraction=block
        static set policy name=no assign=yes";
    assert_eq!(reaches(&WINDOWS_2003, block, WEST), Err(Unreachable::Blocked("kerberos".into())));
    assert_eq!(reaches(&WINDOWS_2003, block, "10.1.0.1"), Ok(()), "it is a controller itself");
    assert_eq!(reaches(&WINDOWS_2003, "", WEST), Ok(()));
}

#[test]
fn verdicts_are_sentences() {
    let (initiator, responder) = ("gwa".to_owned(), "gwb".to_owned());
    let mut verdict = Verdict { initiator, responder, obstacles: Vec::new() };
    assert_eq!(verdict.to_string(), "the realms would let Kerberos authenticate gwa to gwb");
    for computer in ["gwa", "gwb"] {
        verdict.obstacles.push(Obstacle::NotAMember { computer: computer.into() });
    }
    let expected =
        "nor would the realms let Kerberos authenticate gwa to gwb: gwa is in no domain; gwb is in no domain";
    assert_eq!(verdict.to_string(), expected);
}
