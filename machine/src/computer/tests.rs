//! What the service does when, and what the driver is told.

use std::net::IpAddr;

use ipsec_core::interface::ConnectionKind;
use ipsec_core::selector::{FlowKey, Prefix};
use ipsec_core::spd::{Action, Spd};
use ipsec_policy::profile::{WINDOWS_2000, WINDOWS_2003};

use super::*;
use crate::netdiag::{self, Keys};
use crate::network_settings::{Adapter, AdapterKind};

const NOW: Instant = Instant::from_secs(100);
const MINUTE: Duration = Duration::from_secs(60);

/// A policy that blocks a TCP port of this computer, in the store that is selected.
fn blocking(policy: &str, port: u16) -> String {
    format!(
        "add filter filterlist={policy} srcaddr=any dstaddr=me protocol=tcp dstport={port}
        add filteraction name={policy} action=block
        add policy name={policy} activatedefaultrule=no pollinginterval=30
        add rule name={policy} policy={policy} filterlist={policy} filteraction={policy}
        set policy name={policy} assign=yes\n"
    )
}

fn script(lines: &str) -> String {
    lines.lines().map(|line| format!("netsh ipsec static {}\n", line.trim())).collect()
}

const PERSISTENT: &str = "set store location=persistent\n";
const LOCAL: &str = "set store location=local\n";

fn on(release: &'static Profile) -> Computer {
    let address = Prefix::new("10.0.0.1".parse().unwrap(), 24);
    let adapters = vec![Adapter::lan("Local Area Connection", &[address])];
    Computer::new(release, NetworkSettings { adapters, ..NetworkSettings::default() })
}

/// Windows Server 2003 with this script run before.
fn computer(lines: &str) -> Computer {
    let mut computer = on(&WINDOWS_2003);
    computer.prepare("setup.cmd", script(lines).as_bytes()).unwrap();
    computer
}

/// What the driver is told, and what happens.
fn outputs(computer: &mut Computer) -> (Vec<Command>, Vec<MachineEvent>) {
    let (mut commands, mut events) = (Vec::new(), Vec::new());
    while let Some(output) = computer.poll_output() {
        match output {
            Output::Driver(command) => commands.push(command),
            Output::Event(event) => events.push(event),
        }
    }
    (commands, events)
}

fn spd(command: &Command) -> &Spd {
    match command {
        Command::SetPolicy(databases) => &databases.spd,
        Command::StopIke(spd) => spd,
        other => panic!("{other:?}"),
    }
}

/// What becomes of a packet that comes in to this TCP port.
fn fate(spd: &Spd, port: u16) -> &Action {
    fate_from("10.0.0.2", spd, port)
}

fn fate_from<'a>(remote: &str, spd: &'a Spd, port: u16) -> &'a Action {
    let (local, remote) = ("10.0.0.1".parse().unwrap(), remote.parse().unwrap());
    let flow = FlowKey { local, remote, protocol: 6, local_port: Some(port), remote_port: Some(1025) };
    &spd.inbound(&flow, ConnectionKind::Lan).unwrap().action
}

fn applied(source: PolicySource, policy: &str, trigger: Trigger) -> MachineEvent {
    MachineEvent::PolicyApplied { source, policy: policy.to_owned(), trigger }
}

/// W-POL-15: "agent stop: policy removed; start: restored".
#[test]
fn a_service_that_stops_takes_its_policy_along() {
    let mut computer = computer(&blocking("telnet", 23));
    assert_eq!(fate(spd(&computer.driver_command().unwrap()), 23), &Action::Discard);
    computer.stop_service();
    let (commands, events) = outputs(&mut computer);
    assert!(matches!(commands.as_slice(), [Command::StopIke(_)]), "{commands:?}");
    assert_eq!(fate(spd(&commands[0]), 23), &Action::Bypass);
    assert_eq!(events, [MachineEvent::ServiceStopped, MachineEvent::DriverEntered(DriverMode::Permit)]);
    assert!(computer.in_force().local.is_empty() && computer.poll_timeout().is_none());
    computer.start_service(NOW);
    let (commands, events) = outputs(&mut computer);
    assert_eq!(fate(spd(&commands[0]), 23), &Action::Discard);
    assert_eq!(
        events,
        [
            MachineEvent::ServiceStarted { source: Some(PolicySource::Local), member: false },
            MachineEvent::DriverEntered(DriverMode::Secure),
            applied(PolicySource::Local, "telnet", Trigger::Start),
        ]
    );
}

/// TechNet cc739550.
#[test]
fn dynamic_policy_is_lost_with_the_service() {
    let mut computer = computer("");
    let rule = "netsh ipsec dynamic add mmpolicy name=mm
        netsh ipsec dynamic add rule srcaddr=any dstaddr=me mmpolicy=mm protocol=tcp dstport=23 actioninbound=block \
        actionoutbound=block";
    computer.enter(rule, None, NOW).unwrap();
    assert_eq!(fate(spd(&outputs(&mut computer).0[0]), 23), &Action::Discard);
    computer.stop_service();
    computer.start_service(NOW);
    assert_eq!(fate(spd(outputs(&mut computer).0.last().unwrap()), 23), &Action::Bypass);
}

/// W-POL-16: assigned while the service is stopped, a policy waits.
#[test]
fn a_policy_assigned_while_the_service_is_stopped_waits() {
    let mut computer = computer("");
    computer.stop_service();
    outputs(&mut computer);
    computer.enter(&script(&blocking("telnet", 23)), None, NOW).unwrap();
    assert!(outputs(&mut computer).0.is_empty());
    assert_eq!(computer.stores().local.assigned().unwrap().name, "telnet");
    // Dynamic mode has nobody to talk to.
    let error = computer.enter("netsh ipsec dynamic show all", None, NOW).unwrap_err();
    assert_eq!(error.kind, netsh::ErrorKind::ServiceStopped);
    computer.start_service(NOW);
    assert_eq!(fate(spd(&outputs(&mut computer).0[0]), 23), &Action::Discard);
}

#[test]
fn a_disabled_service_does_not_start() {
    for (startup, starts) in [(StartupType::Disabled, false), (StartupType::Manual, true)] {
        let mut computer = on(&WINDOWS_2003).with_startup(startup);
        computer.prepare("setup.cmd", script(&blocking("telnet", 23)).as_bytes()).unwrap();
        assert_eq!(fate(spd(&computer.driver_command().unwrap()), 23), &Action::Bypass, "not by itself");
        computer.start_service(NOW);
        assert_eq!((computer.service_runs(), outputs(&mut computer).0.len()), (starts, usize::from(starts)));
        computer.boot(BootTimes::default(), NOW);
        assert!(!computer.service_runs());
        assert_eq!(outputs(&mut computer).1[0], MachineEvent::DriverStarts(DriverMode::Permit));
    }
}

/// W-BOOT-02: driver, persistent policy, local policy.
#[test]
fn the_phases_of_a_boot() {
    let lines = format!("{PERSISTENT}{}{LOCAL}{}", blocking("always", 23), blocking("usual", 21));
    let mut computer = computer(&lines);
    let times = BootTimes { service: 20 * MINUTE, policy: MINUTE };
    computer.boot(times, NOW);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let (commands, events) = outputs(&mut computer);
        let [command] = commands.as_slice() else { panic!("{commands:?}") };
        let fates = [23, 21, 80].map(|port| fate(spd(command), port).clone());
        seen.push((matches!(command, Command::StopIke(_)), fates, events));
        let due = computer.poll_timeout().unwrap();
        computer.handle_timeout(due - Duration::from_nanos(1));
        assert!(computer.poll_output().is_none(), "nothing before its time");
        computer.handle_timeout(due);
    }
    let [driver, persistent, local] = seen.try_into().unwrap();
    let stateful = [Action::Stateful, Action::Stateful, Action::Stateful];
    assert_eq!(driver, (true, stateful, vec![MachineEvent::DriverStarts(DriverMode::Stateful)]));
    let events = vec![
        MachineEvent::ServiceStarted { source: Some(PolicySource::Local), member: false },
        MachineEvent::DriverEntered(DriverMode::Secure),
        applied(PolicySource::Persistent, "always", Trigger::Start),
    ];
    assert_eq!(persistent, (false, [Action::Discard, Action::Bypass, Action::Bypass], events));
    let events = vec![applied(PolicySource::Local, "usual", Trigger::Start)];
    assert_eq!(local, (false, [Action::Discard, Action::Discard, Action::Bypass], events));
}

/// Without persistent policy there is no moment without either.
#[test]
fn start_up_mode_goes_on_until_the_local_policy_is_read() {
    let mut computer = computer(&blocking("usual", 21));
    computer.boot(BootTimes { service: MINUTE, policy: MINUTE }, NOW);
    outputs(&mut computer);
    computer.handle_timeout(NOW + MINUTE);
    let (commands, events) = outputs(&mut computer);
    assert!(commands.is_empty());
    assert_eq!(events, [MachineEvent::ServiceStarted { source: Some(PolicySource::Local), member: false }]);
    assert_eq!(computer.driver_mode(), DriverMode::Stateful);
    computer.handle_timeout(NOW + 2 * MINUTE);
    assert_eq!(fate(spd(&outputs(&mut computer).0[0]), 21), &Action::Discard);
}

/// KB 818043.
#[test]
fn a_service_that_cannot_start_leaves_the_driver_blocking() {
    for (release, mode) in [(&WINDOWS_2003, DriverMode::Block), (&WINDOWS_2000, DriverMode::Permit)] {
        let mut computer = on(release);
        computer.set_service_fails(true);
        computer.boot(BootTimes { service: MINUTE, policy: MINUTE }, NOW);
        computer.handle_timeout(NOW + MINUTE);
        let (commands, events) = outputs(&mut computer);
        assert!(events.contains(&MachineEvent::ServiceFailed));
        let action = if mode == DriverMode::Block { Action::Discard } else { Action::Bypass };
        assert_eq!((computer.driver_mode(), fate(spd(commands.last().unwrap()), 80)), (mode, &action));
    }
}

/// The interval of the policy, then nothing found; an edit that nobody told of is found by the next poll.
#[test]
fn the_agent_polls_the_local_store() {
    let mut computer = computer(&blocking("telnet", 23));
    let first = computer.poll_timeout().unwrap();
    assert_eq!(first, Instant::EPOCH + 30 * MINUTE);
    computer.handle_timeout(first);
    let (commands, events) = outputs(&mut computer);
    assert!(commands.is_empty());
    assert_eq!(events, [MachineEvent::PolledNoChange]);
    computer.registry().local.unassign("telnet").unwrap();
    assert!(computer.poll_output().is_none());
    computer.handle_timeout(first + 30 * MINUTE);
    let (commands, events) = outputs(&mut computer);
    assert_eq!(fate(spd(&commands[0]), 23), &Action::Bypass);
    assert_eq!(events, [MachineEvent::PolledChanged, MachineEvent::PolicyUnassigned(PolicySource::Local)]);
    // Without a policy, the interval of a new one: 180 minutes.
    assert_eq!(computer.poll_timeout(), Some(first + 210 * MINUTE));
}

/// W-FLT-05: "change the node's DNS server: filter set updates without policy edit".
#[test]
fn server_keywords_follow_the_network_settings() {
    type Set = fn(&mut Adapter, IpAddr);
    let keywords: [(&str, Set); 4] = [
        ("dns", |adapter, server| adapter.dns = vec![server]),
        ("wins", |adapter, server| adapter.wins = vec![server]),
        ("dhcp", |adapter, server| adapter.dhcp = Some(server)),
        ("gateway", |adapter, server| adapter.gateways = vec![server]),
    ];
    for (keyword, set) in keywords {
        let mut computer =
            computer(&blocking("kept", 53).replace("srcaddr=any", &format!("srcaddr={keyword}")));
        assert_eq!(fate(&computer.databases().unwrap().spd, 53), &Action::Bypass, "there is no such server");
        let stored = computer.stores().clone();
        let mut becomes = |address: &str| {
            let mut network = computer.network().clone();
            set(&mut network.adapters[0], address.parse().unwrap());
            computer.set_network(network);
            outputs(&mut computer)
        };
        let (commands, events) = becomes("10.0.0.2");
        assert_eq!(fate(spd(&commands[0]), 53), &Action::Discard, "{keyword}");
        let applied = applied(PolicySource::Local, "kept", Trigger::Network);
        assert_eq!(events, [MachineEvent::NetworkChanged, applied]);
        assert_eq!(fate(spd(&becomes("10.0.0.3").0[0]), 53), &Action::Bypass, "{keyword} is another now");
        assert!(becomes("10.0.0.3").0.is_empty(), "the same again");
        assert_eq!(computer.stores(), &stored, "nobody edited the policy");
    }
}

/// "My IP Address" is about the addresses that the computer has at the moment, of whatever release it is; one that was typed in
/// is not.
#[test]
fn my_address_follows_the_lease() {
    for release in [&WINDOWS_2003, &WINDOWS_2000] {
        for (written, follows) in [("me", true), ("10.0.0.1", false)] {
            let lines = script(&blocking("kept", 53).replace("dstaddr=me", &format!("dstaddr={written}")));
            let mut computer = on(release);
            computer.prepare("setup.cmd", lines.as_bytes()).unwrap();
            let to = |databases: &Spd, local: &str| {
                let (local, remote) = (local.parse().unwrap(), "10.0.0.2".parse().unwrap());
                let flow =
                    FlowKey { local, remote, protocol: 6, local_port: Some(53), remote_port: Some(1025) };
                databases.inbound(&flow, ConnectionKind::Lan).unwrap().action == Action::Discard
            };
            assert!(to(&computer.databases().unwrap().spd, "10.0.0.1"), "{release} {written}");
            let mut network = computer.network().clone();
            network.adapters[0].addresses = vec![Prefix::new("10.0.0.77".parse().unwrap(), 24)];
            computer.set_network(network);
            let (commands, events) = outputs(&mut computer);
            let spd = spd(commands.last().expect("a policy"));
            assert_eq!(
                (to(spd, "10.0.0.77"), to(spd, "10.0.0.1")),
                (follows, !follows),
                "{release} {written}"
            );
            let applied = applied(PolicySource::Local, "kept", Trigger::Network);
            assert_eq!(events, [MachineEvent::NetworkChanged, applied]);
        }
    }
}

/// MS-GPIPSEC 2.2.1.4: such filters are of Windows Server 2003.
#[test]
fn windows_2000_knows_no_server_keywords() {
    let lines = script(&blocking("dns", 53).replace("srcaddr=any", "srcaddr=dns"));
    for (release, action) in [(&WINDOWS_2003, Action::Discard), (&WINDOWS_2000, Action::Bypass)] {
        let mut network = on(release).network().clone();
        network.adapters[0].dns = vec!["10.0.0.2".parse().unwrap()];
        let mut computer = Computer::new(release, network);
        computer.prepare("setup.cmd", lines.as_bytes()).unwrap();
        assert_eq!(fate(&computer.databases().unwrap().spd, 53), &action, "{release}");
    }
}

/// W-FLT-04: "name resolved at creation".
#[test]
fn names_are_looked_up_once() {
    let answers = |addresses: &[&str]| {
        let mut network = on(&WINDOWS_2003).network().clone();
        let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
        network.hosts.insert("bob".to_owned(), addresses);
        network
    };
    let mut computer = Computer::new(&WINDOWS_2003, answers(&["10.0.0.3", "10.0.0.2"]));
    let lines = blocking("bob", 23).replace("srcaddr=any", "srcaddr=Bob");
    computer.enter(&script(&lines), None, NOW).unwrap();
    let (commands, _) = outputs(&mut computer);
    let both = |databases: &PolicyDatabases| {
        ["10.0.0.2", "10.0.0.3"].map(|from| fate_from(from, &databases.spd, 23).clone())
    };
    assert_eq!(fate(spd(&commands[0]), 23), &Action::Discard);
    assert_eq!(both(&computer.databases().unwrap()), [Action::Discard, Action::Discard]);
    let listed = |computer: &Computer| {
        let text = netdiag::test_ipsec(computer.in_force(), &computer.local_addresses(), Keys::Masked);
        let sources = text.lines().filter_map(|line| line.strip_prefix("Src Addr: 10.0.0."));
        let sources = sources.filter_map(|rest| rest.strip_suffix(" Src Mask: 255.255.255.255"));
        sources.map(str::to_owned).collect::<Vec<_>>()
    };
    let before = listed(&computer);
    // One filter an address, and one the other way.
    assert_eq!(before, ["3", "1", "2", "1"]);
    computer.set_network(answers(&["10.0.0.77"]));
    assert!(outputs(&mut computer).0.is_empty());
    assert_eq!(both(&computer.databases().unwrap()), [Action::Discard, Action::Discard]);
    assert_eq!(listed(&computer), before);
}

/// W-POL-18.
#[test]
fn dialled_lines_are_no_lan() {
    let connections = |connection: &str| {
        let lines = blocking("telnet", 23)
            .replace("filteraction=telnet\n", &format!("filteraction=telnet conntype={connection}\n"));
        let computer = computer(&lines);
        let databases = computer.databases().unwrap();
        let blocked = databases.spd.entries().iter().find(|e| e.action == Action::Discard);
        blocked.unwrap().connection
    };
    let of = |kind: AdapterKind| Some(kind.connection());
    assert_eq!(connections("lan"), of(AdapterKind::Lan));
    assert_eq!(connections("dialup"), of(AdapterKind::DialUp));
    assert_eq!(connections("dialup"), of(AdapterKind::RemoteAccess));
    assert_ne!(of(AdapterKind::Lan), of(AdapterKind::DialUp));
    assert_eq!(connections("all"), None);
}

/// TechNet cc739468: persistent policy stays "even if others fail". And where it fails itself, nothing passes.
#[test]
fn policies_that_cannot_be_applied() {
    let broken = |policy: &str| {
        let lines = blocking(policy, 21).replace("srcaddr=any", "srcaddr=nowhere");
        format!(
            "{}add filter filterlist={policy} srcaddr=me dstaddr=nobody.example\n",
            lines.replace("nowhere", "any")
        )
    };
    let mut computer = computer("");
    let lines = format!("{PERSISTENT}{}{LOCAL}{}", blocking("always", 23), broken("usual"));
    computer.enter(&script(&lines), None, NOW).unwrap();
    let (commands, events) = outputs(&mut computer);
    assert!(
        matches!(&events[..], [MachineEvent::PolicyFailed { source: PolicySource::Local, .. }, ..]),
        "{events:?}"
    );
    assert_eq!([23, 21].map(|port| fate(spd(&commands[0]), port).clone()), [Action::Discard, Action::Bypass]);
    let lines = format!("{PERSISTENT}{}", broken("other"));
    computer.enter(&script(&lines), None, NOW).unwrap();
    let (commands, _) = outputs(&mut computer);
    assert_eq!(fate(spd(commands.last().unwrap()), 80), &Action::Discard);
    assert_eq!(computer.driver_mode(), DriverMode::Block);
}

/// W-POL-21, W-POL-02, W-POL-17: what nobody assigned, and what no rule is about, passes.
#[test]
fn unassigned_and_empty_policies_filter_nothing() {
    let mut computer = computer(&blocking("telnet", 23).replace("assign=yes", "assign=no"));
    let none = computer.databases().unwrap();
    assert_eq!(none, on(&WINDOWS_2003).databases().unwrap());
    computer.enter(&script("add policy name=empty activatedefaultrule=no assign=yes"), None, NOW).unwrap();
    assert_eq!(spd(&outputs(&mut computer).0[0]), &*none.spd, "an empty policy has no filters");
    computer.enter(&script("set policy name=telnet assign=yes"), None, NOW).unwrap();
    let (commands, _) = outputs(&mut computer);
    assert_eq!([23, 80].map(|port| fate(spd(&commands[0]), port).clone()), [Action::Discard, Action::Bypass]);
}

/// W-POL-05: "a filter list may be shared by several policies".
#[test]
fn a_filter_list_may_be_shared() {
    let mut computer = computer(&blocking("one", 23));
    let second = "add policy name=two activatedefaultrule=no
        add rule name=two policy=two filterlist=one filteraction=one
        add filter filterlist=one srcaddr=any dstaddr=me protocol=tcp dstport=21";
    computer.enter(&script(second), None, NOW).unwrap();
    for policy in ["one", "two"] {
        computer.enter(&script(&format!("set policy name={policy} assign=yes")), None, NOW).unwrap();
        let databases = computer.databases().unwrap();
        assert_eq!([23, 21].map(|port| fate(&databases.spd, port)), [&Action::Discard; 2], "{policy}");
    }
}

/// W-POL-06: policy is in force before anybody has logged on, and whoever does finds the same.
#[test]
fn policy_is_the_computers_not_its_users() {
    let mut computer = computer(&blocking("telnet", 23));
    let before = computer.databases().unwrap();
    computer.boot(BootTimes::default(), NOW);
    assert_eq!(computer.databases().unwrap(), before);
    assert_eq!(fate(spd(&outputs(&mut computer).0[0]), 23), &Action::Discard);
}

/// W-TUN-20: on a gateway in no domain, assigning flips exactly one flag, and the filters are there.
#[test]
fn assigning_flips_one_flag_and_filters_appear() {
    let lines = format!("{}{}", blocking("one", 23), blocking("two", 21));
    let mut computer = computer(&lines.replace("assign=yes", "assign=no"));
    let assigned = |computer: &Computer| computer.stores().local.assigned().map(|p| p.name.clone());
    assert_eq!(assigned(&computer), None);
    for (policy, fates) in
        [("one", [Action::Discard, Action::Bypass]), ("two", [Action::Bypass, Action::Discard])]
    {
        let before = computer.stores().local.policies().to_vec();
        computer.enter(&script(&format!("set policy name={policy} assign=yes")), None, NOW).unwrap();
        assert_eq!(assigned(&computer).as_deref(), Some(policy));
        assert_eq!(computer.stores().local.policies(), before, "nothing else changed");
        let (commands, _) = outputs(&mut computer);
        assert_eq!([23, 21].map(|port| fate(spd(&commands[0]), port).clone()), fates);
    }
}

/// Dynamic mode shows what is in force: an edit of the registry when the service has found it, one by netsh at once.
#[test]
fn dynamic_mode_shows_what_the_service_has_read() {
    let mut computer = computer("");
    let shown = |computer: &mut Computer, line: &str| {
        let text = computer.enter(&format!("{line}netsh ipsec dynamic show qmfilter"), None, NOW).unwrap();
        (text.contains("[rule 'telnet'"), text.contains("[rule 'web'"))
    };
    computer.enter(&script(&blocking("telnet", 23)), None, NOW).unwrap();
    assert_eq!(shown(&mut computer, ""), (true, false));
    computer.edit_registry(&script(&blocking("web", 80))).unwrap();
    assert_eq!(shown(&mut computer, ""), (true, false));
    assert_eq!(shown(&mut computer, "netsh ipsec dynamic set config ikelogging 1\n"), (true, false));
    assert_eq!(shown(&mut computer, "netsh ipsec dynamic add mmpolicy M\n"), (false, true));
    assert_eq!(shown(&mut computer, ""), (false, true));
}
