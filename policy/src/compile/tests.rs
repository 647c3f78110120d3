use ipsec_core::interface::ConnectionKind;
use ipsec_core::selector::FlowKey;
use ipsec_core::spd::{Action, Mode, Pfs, SpdEntry};

use super::*;
use crate::netsh::run_script;

const ME: &str = "192.0.2.1";

fn me() -> LocalAddresses {
    LocalAddresses::lan(&[Prefix::new(ME.parse().unwrap(), 24)])
}

/// A policy P with the action A = negotiate, and these lines; assigned.
fn store(lines: &str) -> Store {
    let mut store = Store::new();
    let script =
        format!("add policy P activatedefaultrule=no assign=y\nadd filteraction A action=negotiate\n{lines}");
    run_script(&mut store, "test", script.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
    store
}

fn entries(lines: &str, local: &LocalAddresses) -> Vec<SpdEntry> {
    compile(&store(lines), local).unwrap().spd.entries().to_vec()
}

/// What compiled from rules, exemptions and the last permit left out.
fn of_rules(lines: &str) -> Vec<SpdEntry> {
    let all = entries(lines, &me());
    all.into_iter().filter(|e| !e.name.starts_with("exempt") && e.name != "default permit").collect()
}

fn flow(remote: &str, protocol: u8, local_port: u16, remote_port: u16) -> FlowKey {
    let (local, remote) = (ME.parse().unwrap(), remote.parse().unwrap());
    FlowKey { local, remote, protocol, local_port: Some(local_port), remote_port: Some(remote_port) }
}

fn outbound(databases: &PolicyDatabases, flow: &FlowKey) -> String {
    databases.spd.outbound(flow, ConnectionKind::Lan).unwrap().name.clone()
}

/// "Unassigned policy has no effect": everything passes, as without IPsec.
#[test]
fn without_an_assigned_policy_everything_passes() {
    let databases = compile(&store("set policy P assign=n"), &me()).unwrap();
    assert!(databases.spd.entries().iter().all(|e| e.action == Action::Bypass));
    assert!(databases.pad.entries.is_empty());
    assert_eq!(outbound(&databases, &flow("203.0.113.1", 6, 1, 80)), "default permit");
}

/// TechNet cc756041, values 0 to 3.
#[test]
fn exemptions_by_level() {
    let lines = "add filteraction B action=block\nadd filter L me any\nadd rule R P L B";
    let passes = |level: u8, remote: &str, protocol: u8, ports: (u16, u16)| {
        let local = LocalAddresses { exempt: ExemptLevel::from_number(level).unwrap(), ..me() };
        let databases = compile(&store(lines), &local).unwrap();
        outbound(&databases, &flow(remote, protocol, ports.0, ports.1)).starts_with("exempt")
    };
    for level in 0..4 {
        assert!(
            passes(level, "203.0.113.1", 17, (500, 500)) && passes(level, "203.0.113.1", 17, (4500, 999))
        );
        assert_eq!(passes(level, "224.0.0.5", 17, (1, 1)), level <= 1);
        assert_eq!(passes(level, "192.0.2.255", 17, (137, 137)), level <= 1);
        assert_eq!(passes(level, "255.255.255.255", 17, (68, 67)), level <= 1);
        assert_eq!(passes(level, "203.0.113.1", 46, (0, 0)), level == 0 || level == 2);
        assert_eq!(passes(level, "203.0.113.1", 6, (1, 88)), level == 0 || level == 2);
        // The known hole: any packet from port 88.
        assert_eq!(passes(level, "203.0.113.1", 6, (88, 445)), level == 0 || level == 2);
        assert!(!passes(level, "203.0.113.1", 17, (53, 53)));
    }
    assert_eq!(ExemptLevel::from_number(4), None);
}

#[test]
fn filter_action_settings_reach_the_entry() {
    let lines = "set filteraction A inpass=y soft=y qmpfs=y qmsecmethods=\"AH[SHA1]+ESP[None,MD5]:2000k/600s ESP[DES,None]\"\n\
        add filter L me any\nadd rule R P L A psk=k";
    let [entry] = of_rules(lines).try_into().unwrap();
    let Action::Protect(protect) = entry.action else { panic!("{:?}", entry.action) };
    assert!(protect.accept_clear_inbound && protect.fallback && protect.pfs == Pfs::SameGroup);
    assert_eq!(protect.mode, Mode::Transport);
    // One SA pair for each peer.
    assert!(protect.populate.remote && !protect.populate.local);
    let [first, second] = protect.offers.as_slice() else { panic!("{:?}", protect.offers) };
    assert!(first.ah.is_some() && first.esp.unwrap().mac.is_some());
    assert_eq!((first.lifetime.kilobytes, first.lifetime.seconds), (Some(2000), Some(600)));
    assert!(second.ah.is_none() && second.esp.unwrap().mac.is_none());
    assert_eq!((second.lifetime.kilobytes, second.lifetime.seconds), (None, None));
}

#[test]
fn mirrored_and_not() {
    let rule = "\nadd rule R P L A psk=k";
    let one = |filter: &str| of_rules(&format!("add filter L {filter}{rule}"));
    let shape = |entries: &[SpdEntry]| {
        entries.iter().map(|e| format!("{:?} {}", e.direction, e.selector)).collect::<Vec<_>>()
    };
    assert_eq!(shape(&one("me any")), ["Both 192.0.2.1 -> any"]);
    assert_eq!(shape(&one("any me")), ["Both 192.0.2.1 -> any"]);
    assert_eq!(shape(&one("me any mirrored=no")), ["Outbound 192.0.2.1 -> any"]);
    assert_eq!(shape(&one("any me mirrored=no")), ["Inbound 192.0.2.1 -> any"]);
    assert_eq!(
        shape(&one("any me mirrored=no protocol=tcp dstport=80")),
        ["Inbound 192.0.2.1:80 -> any tcp"]
    );
    assert_eq!(
        shape(&one("me 10.0.0.5 protocol=udp srcport=1 dstport=2")),
        ["Both 192.0.2.1:1 -> 10.0.0.5:2 udp"]
    );
    // Another computer's traffic through a router: either door.
    let through = one("10.1.0.0 srcmask=16 10.2.0.0 dstmask=16 mirrored=no");
    assert_eq!(
        shape(&through),
        ["Outbound 10.1.0.0/16 -> 10.2.0.0/16", "Inbound 10.2.0.0/16 -> 10.1.0.0/16"]
    );
}

/// Permit a port, protect a subnet, block the rest: the order in the policy does not matter.
#[test]
fn most_specific_filter_decides() {
    let lines = "add filteraction B action=block\nadd filteraction O action=permit\nadd filter Rest me any\n\
        add filter Web me any protocol=tcp dstport=80\nadd filter Net me 10.0.0.0 dstmask=8\n\
        add filter Host me 10.0.0.5\nadd rule rest P Rest B\nadd rule web P Web O\nadd rule net P Net A psk=k\nadd rule host P Host O";
    let databases = compile(&store(lines), &me()).unwrap();
    for (remote, port, rule) in [
        ("203.0.113.1", 80, "web"),
        ("203.0.113.1", 81, "rest"),
        ("10.0.0.6", 80, "net"),
        ("10.0.0.5", 80, "host"),
    ] {
        assert_eq!(outbound(&databases, &flow(remote, 6, 4000, port)), rule);
    }
}

#[test]
fn of_equal_filters_the_more_restrictive_wins() {
    let lines = "add filteraction B action=block\nadd filteraction O action=permit\nadd filter L me any\n\
        add rule permit P L O\nadd rule negotiate P L A psk=k\nadd rule block P L B";
    let names: Vec<String> =
        of_rules(lines).iter().filter(|e| e.direction.outbound()).map(|e| e.name.clone()).collect();
    assert_eq!(names, ["block", "negotiate", "permit"]);
}

#[test]
fn inactive_rules_take_no_part() {
    assert_eq!(of_rules("add filter L me any\nadd rule R P L A psk=k activate=no"), []);
}

#[test]
fn keywords_and_names_follow_the_computer() {
    let lines = "add filter L me DNS\nadd filter L me bob\nadd rule R P L A psk=k";
    let error = compile(&store(lines), &me()).unwrap_err();
    assert_eq!(error, CompileError::UnresolvedName { rule: "R".into(), name: "bob".into() });
    let mut local = me();
    local.names.insert("bob".into(), vec!["10.0.0.9".parse().unwrap()]);
    let count = |local: &LocalAddresses| entries(lines, local).iter().filter(|e| e.name == "R").count();
    // No DNS server, no filter.
    assert_eq!(count(&local), 1);
    local.servers.insert(Server::Dns, vec!["10.0.0.53".parse().unwrap(), "10.0.0.54".parse().unwrap()]);
    assert_eq!(count(&local), 2);
}

/// IPv4 `any` leaves IPv6 alone, as Windows Server 2003 does; an IPv6 address on one side makes it IPv6.
#[test]
fn any_is_ipv4_unless_the_other_side_says_otherwise() {
    let local = LocalAddresses::lan(&[
        Prefix::new("2001:db8::1".parse().unwrap(), 64),
        Prefix::new(ME.parse().unwrap(), 24),
    ]);
    let of = |filter: &str| {
        let all = entries(
            &format!("add filteraction B action=block\nadd filter L {filter} mirrored=no\nadd rule R P L B"),
            &local,
        );
        all.iter().filter(|e| e.name == "R").map(|e| e.selector.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(of("any any"), ["any -> any", "any -> any"]);
    assert!(
        entries("add filteraction B action=block\nadd filter L any any\nadd rule R P L B", &local)
            .iter()
            .filter(|e| e.name == "R")
            .all(|e| e.selector.local == [ipsec_core::selector::AddressRange::ANY_V4])
    );
    assert_eq!(of("me 2001:db8:1::/48"), ["2001:db8::1 -> 2001:db8:1::/48"]);
    assert_eq!(of("me 10.0.0.0/8"), ["192.0.2.1 -> 10.0.0.0/8"]);
}

/// Rules that want one pair of addresses to authenticate differently: the one created first counts, alone.
#[test]
fn first_rule_authenticates_a_pair() {
    let lines = "add filter L me 10.0.0.5 protocol=tcp dstport=1\nadd filter M me 10.0.0.5 protocol=tcp dstport=2\n\
        add rule one P L A psk=first\nadd rule two P M A psk=second\nadd filter N me any\nadd rule any P N A kerberos=y";
    let store = store(lines);
    let policy = store.assigned().unwrap();
    let conflicts = main_mode::conflicts(&store, policy, &me()).unwrap();
    assert_eq!(conflicts, [main_mode::AuthConflict { used: "one".into(), ignored: "two".into() }]);
    let pad = compile(&store, &me()).unwrap().pad;
    let name = |peer: &str| pad.lookup(ME.parse().unwrap(), peer.parse().unwrap()).map(|e| e.name.clone());
    assert_eq!((name("10.0.0.5").as_deref(), name("10.0.0.6").as_deref()), (Some("one"), Some("any")));
}

#[test]
fn a_negotiating_rule_needs_an_authentication_method() {
    let lines = "add filter L me any\nadd rule R P L A kerberos=no";
    assert_eq!(
        compile(&store(lines), &me()).unwrap_err(),
        CompileError::NoAuthentication { rule: "R".into() }
    );
    let lines = "add filteraction B action=block\nadd filter L me any\nadd rule R P L B kerberos=no";
    assert!(compile(&store(lines), &me()).is_ok());
}

/// Master-key PFS forces one quick mode for each main mode (TechNet cc739672).
#[test]
fn main_mode_settings_reach_the_pad() {
    let lines = "set policy P mmpfs=y qmpermm=7 mmlifetime=60 mmsecmethods=\"DES-MD5-1 3DES-SHA1-3\"\nadd filter L me any\nadd rule R P L A psk=k";
    let pad = compile(&store(lines), &me()).unwrap().pad;
    let entry = &pad.entries[0];
    assert_eq!((entry.quick_modes, entry.lifetime_seconds), (1, 3600));
    assert_eq!(entry.proposals.iter().map(|p| p.group.id()).collect::<Vec<_>>(), [1, 14]);
}
