//! Whose policy counts, and what a computer does with it.

use ipsec_core::selector::Prefix;
use ipsec_core::spd::Action;
use ipsec_core::{Command, Instant};
use ipsec_policy::netsh::run_script;
use ipsec_policy::profile::WINDOWS_2003;

use super::*;
use crate::computer::{BootTimes, Computer, MachineEvent, Output, PolicySource, Trigger};
use crate::driver_mode::DriverMode;
use crate::network_settings::{Adapter, NetworkSettings};

const NOW: Instant = Instant::from_secs(100);

/// One policy for each container; each blocks the TCP port of its number.
const NAMES: [(&str, u16); 5] =
    [("site", 1001), ("domain", 1002), ("unit", 1003), ("child", 1004), ("local", 1005)];

fn script(policy: &str, port: u16, assign: bool) -> String {
    let lines = format!(
        "add filter filterlist={policy} srcaddr=any dstaddr=me protocol=tcp dstport={port}
        add filteraction name={policy} action=block
        add policy name={policy} activatedefaultrule=no
        add rule name={policy} policy={policy} filterlist={policy} filteraction={policy}
        set policy name={policy} assign={}",
        if assign { "yes" } else { "no" }
    );
    lines.lines().map(|line| format!("netsh ipsec static {}\n", line.trim())).collect()
}

/// A domain with a policy and a Group Policy object for each container, none of them assigned.
fn directory() -> Directory {
    let mut store = Store::of(&WINDOWS_2003);
    for (name, port) in NAMES {
        run_script(&mut store, "directory.cmd", script(name, port, false).as_bytes()).unwrap();
    }
    let mut directory = Directory::new("corp.example", &store);
    directory.add_gpo("child", Container::OrganizationalUnit("Servers/Gateways".into())).unwrap();
    directory.add_gpo("unit", Container::OrganizationalUnit("Servers".into())).unwrap();
    directory.add_gpo("site", Container::Site("Berlin".into())).unwrap();
    directory
}

/// A member, whose local policy is assigned.
fn member() -> Computer {
    let address = Prefix::new("10.0.0.1".parse().unwrap(), 24);
    let adapters = vec![Adapter::lan("Local Area Connection", &[address])];
    let mut computer =
        Computer::new(&WINDOWS_2003, NetworkSettings { adapters, ..NetworkSettings::default() });
    computer.prepare("local.cmd", script("local", 1005, true).as_bytes()).unwrap();
    computer
}

fn gateway() -> Place {
    Place { site: Some("berlin".into()), unit: Some("servers/gateways".into()) }
}

/// Whose port is blocked: the names of the policies in force.
fn in_force(computer: &Computer) -> Vec<&'static str> {
    use ipsec_core::interface::ConnectionKind::Lan;
    let Command::SetPolicy(databases) = computer.driver_command().unwrap() else { panic!("no policy") };
    let (local, remote) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    let blocked = |port: u16| {
        let flow = ipsec_core::selector::FlowKey {
            local,
            remote,
            protocol: 6,
            local_port: Some(port),
            remote_port: Some(1025),
        };
        databases.spd.inbound(&flow, Lan).unwrap().action == Action::Discard
    };
    NAMES.iter().filter(|(_, port)| blocked(*port)).map(|(name, _)| *name).collect()
}

fn events(computer: &mut Computer) -> Vec<MachineEvent> {
    let outputs = std::iter::from_fn(|| computer.poll_output());
    outputs.filter_map(|output| if let Output::Event(event) = output { Some(event) } else { None }).collect()
}

fn applied(source: PolicySource, policy: &str) -> MachineEvent {
    MachineEvent::PolicyApplied { source, policy: policy.to_owned(), trigger: Trigger::GroupPolicy }
}

/// TechNet cc783170: local, site, domain, organizational unit; the child's wins, and nothing is merged. Every combination of
/// containers that assign a policy.
#[test]
fn the_nearest_container_wins() {
    let gpos = [("site", "site"), (DEFAULT_DOMAIN_POLICY, "domain"), ("unit", "unit"), ("child", "child")];
    for assigned in 0..16_u32 {
        let mut directory = directory();
        let mut expected = "local";
        for (n, (gpo, policy)) in gpos.into_iter().enumerate() {
            if assigned & (1 << n) != 0 {
                directory.assign(gpo, Some(policy)).unwrap();
                expected = policy;
            }
        }
        let mut computer = member();
        computer.apply_group_policy(Some(directory.group_policy(&gateway())), NOW);
        assert_eq!(in_force(&computer), [expected], "{assigned:#b}");
        assert_eq!(computer.stores().local.assigned().unwrap().name, "local", "untouched");
    }
}

/// A container is about the computers in it.
#[test]
fn other_containers_say_nothing() {
    let mut directory = directory();
    for policy in ["site", "unit", "child"] {
        directory.assign(policy, Some(policy)).unwrap();
    }
    let place = |site: &str, unit: &str| Place {
        site: (!site.is_empty()).then(|| site.to_owned()),
        unit: (!unit.is_empty()).then(|| unit.to_owned()),
    };
    let rows = [
        (place("", ""), "local"),
        (place("Paris", "Desks"), "local"),
        (place("Berlin", ""), "site"),
        (place("Berlin", "Servers"), "unit"),
        (place("", "Servers/Mail"), "unit"),
        (place("", "Servers2"), "local"),
        (place("", "Gateways"), "local"),
        (place("", "Servers/Gateways/Old"), "child"),
    ];
    for (place, expected) in rows {
        let mut computer = member();
        computer.apply_group_policy(Some(directory.group_policy(&place)), NOW);
        assert_eq!(in_force(&computer), [expected], "{place:?}");
    }
    // Of two at one container the first in the list of links counts.
    directory.add_gpo("second", Container::OrganizationalUnit("Servers".into())).unwrap();
    directory.assign("second", Some("domain")).unwrap();
    assert_eq!(directory.group_policy(&place("", "Servers")).gpo.as_deref(), Some("unit"));
    directory.assign("unit", None).unwrap();
    assert_eq!(directory.group_policy(&place("", "Servers")).gpo.as_deref(), Some("second"));
}

/// "Configuring and Managing IPSec": "Select Default Domain Policy [...] Select IP Security Policies On Active Directory. The details
/// pane displays all available IPSec policies. Right-click the IPSec policy which you want to assign, and then click Assign".
#[test]
fn the_default_domain_policy_assigns_for_every_member() {
    use ipsec_policy::examples::{self, CLIENT, SECURE_SERVER, SERVER};
    let mut directory = Directory::new("corp.example", &examples::store());
    let available: Vec<&str> = directory.policies().policies().iter().map(|p| p.name.as_str()).collect();
    assert_eq!(available, [CLIENT, SERVER, SECURE_SERVER]);
    let in_force = |directory: &Directory, place: &Place| {
        let mut computer = member();
        computer.apply_group_policy(Some(directory.group_policy(place)), NOW);
        let assigned = computer.in_force().effective().assigned().unwrap();
        (assigned.name.clone(), computer.stores().domain.as_ref().unwrap().gpo.clone())
    };
    let everywhere = [Place::default(), gateway()];
    for policy in [SERVER, CLIENT] {
        directory.assign(DEFAULT_DOMAIN_POLICY, Some(policy)).unwrap();
        for place in &everywhere {
            let expected = (policy.to_owned(), Some(DEFAULT_DOMAIN_POLICY.to_owned()));
            assert_eq!(in_force(&directory, place), expected, "{place:?}");
        }
    }
    assert!(directory.policies().assigned().is_none());
}

/// "IPSec policy is a computer configuration Group Policy setting that is only applied to computers": what is linked to the unit
/// of whoever logs on counts where that unit holds the computer, and nowhere else.
#[test]
fn a_unit_of_users_says_nothing_to_their_computers() {
    let mut directory = directory();
    directory.add_gpo("staff", Container::OrganizationalUnit("Staff".into())).unwrap();
    directory.assign("staff", Some("domain")).unwrap();
    let mut computer = member();
    computer.apply_group_policy(Some(directory.group_policy(&gateway())), NOW);
    assert_eq!(in_force(&computer), ["local"]);
    let desk = Place { site: None, unit: Some("Staff".into()) };
    computer.apply_group_policy(Some(directory.group_policy(&desk)), NOW);
    assert_eq!(in_force(&computer), ["domain"]);
}

/// KB 816514: the domain's policy "prevents the Windows Server 2003 gateway from having a local IPSec policy"; an
/// organizational unit with a policy of its own helps. What the logs hear of it, step by step.
#[test]
fn a_gateway_moves_into_a_unit_and_leaves_the_domain() {
    let mut directory = directory();
    directory.assign("Default Domain Policy", Some("domain")).unwrap();
    directory.assign("child", Some("child")).unwrap();
    let mut computer = member();
    computer.apply_group_policy(Some(directory.group_policy(&Place::default())), NOW);
    assert_eq!(events(&mut computer), [applied(PolicySource::Domain, "domain")]);
    assert_eq!(in_force(&computer), ["domain"]);
    // Group Policy is applied again, with nothing new.
    computer.apply_group_policy(Some(directory.group_policy(&Place::default())), NOW);
    assert!(computer.poll_output().is_none());
    // Whoever edits and assigns local policy now changes what is stored, and nothing else.
    computer.enter("netsh ipsec static set policy name=local pollinginterval=20", None, NOW).unwrap();
    assert!(computer.poll_output().is_none());
    let text = computer.enter("netsh ipsec static show gpoassignedpolicy", None, NOW).unwrap();
    let lines: Vec<&str> = text.lines().map(|line| line.split(':').nth(1).unwrap().trim()).collect();
    assert_eq!(lines, ["local", "domain", "Default Domain Policy"], "{text}");
    computer.apply_group_policy(Some(directory.group_policy(&gateway())), NOW);
    assert_eq!(events(&mut computer), [applied(PolicySource::Domain, "child")]);
    assert_eq!(in_force(&computer), ["child"]);
    directory.assign("child", None).unwrap();
    directory.assign(DEFAULT_DOMAIN_POLICY, None).unwrap();
    computer.apply_group_policy(Some(directory.group_policy(&gateway())), NOW);
    let back = [MachineEvent::PolicyUnassigned(PolicySource::Domain), applied(PolicySource::Local, "local")];
    assert_eq!(events(&mut computer), back);
    assert_eq!(in_force(&computer), ["local"]);
    assert_eq!(computer.stores().local.assigned().unwrap().polling_interval_minutes, 20);
    computer.apply_group_policy(None, NOW);
    assert!(events(&mut computer).is_empty() && in_force(&computer) == ["local"]);
}

/// "[Persistent policies] let a local administrator force local settings even when Active Directory policy is assigned" ("Windows
/// Server 2003 IPSec Concepts").
#[test]
fn persistent_policy_stays_under_the_domains() {
    let mut directory = directory();
    directory.assign(DEFAULT_DOMAIN_POLICY, Some("domain")).unwrap();
    let mut computer = member();
    // It permits what the domain's policy blocks, and blocks a port of its own.
    let mut lines =
        format!("netsh ipsec static set store location=persistent\n{}", script("site", 1001, true));
    for line in [
        "add filter filterlist=open srcaddr=any dstaddr=me protocol=tcp dstport=1002",
        "add filteraction name=open action=permit",
        "add rule name=open policy=site filterlist=open filteraction=open",
    ] {
        lines += &format!("netsh ipsec static {line}\n");
    }
    computer.prepare("persistent.cmd", lines.as_bytes()).unwrap();
    computer.apply_group_policy(Some(directory.group_policy(&Place::default())), NOW);
    assert_eq!(in_force(&computer), ["site"], "the union, less what the persistent policy says otherwise");
    let times = BootTimes { service: core::time::Duration::ZERO, policy: core::time::Duration::from_secs(5) };
    computer.boot(times, NOW);
    let expected = [
        MachineEvent::DriverStarts(DriverMode::Stateful),
        MachineEvent::ServiceStarted { source: Some(PolicySource::Domain), member: true },
        MachineEvent::DriverEntered(DriverMode::Secure),
        MachineEvent::PolicyApplied {
            source: PolicySource::Persistent,
            policy: "site".into(),
            trigger: Trigger::Start,
        },
    ];
    let found = events(&mut computer);
    assert_eq!(found[found.len() - 4..], expected);
    computer.handle_timeout(computer.poll_timeout().unwrap());
    let of_domain = MachineEvent::PolicyApplied {
        source: PolicySource::Domain,
        policy: "domain".into(),
        trigger: Trigger::Start,
    };
    assert_eq!(events(&mut computer), [of_domain]);
}

/// A policy that cannot be applied leaves the place to the next: the domain's to the local one (message 14 of Windows 2000's
/// agent).
#[test]
fn a_domain_policy_that_cannot_be_applied_leaves_the_local_one() {
    let mut store = Store::of(&WINDOWS_2003);
    let tunnel = "netsh ipsec static add filter filterlist=far srcaddr=me dstaddr=10.9.9.9 mirrored=no
        netsh ipsec static add filteraction name=far action=negotiate
        netsh ipsec static add policy name=far
        netsh ipsec static add rule name=far policy=far filterlist=far filteraction=far tunnel=nobody.example";
    run_script(&mut store, "directory.cmd", tunnel.as_bytes()).unwrap();
    let mut directory = Directory::new("corp.example", &store);
    directory.assign(DEFAULT_DOMAIN_POLICY, Some("far")).unwrap();
    let mut computer = member();
    computer.apply_group_policy(Some(directory.group_policy(&Place::default())), NOW);
    assert_eq!(in_force(&computer), ["local"]);
    let failed = events(&mut computer);
    assert!(
        matches!(&failed[0], MachineEvent::PolicyFailed { source: PolicySource::Domain, policy, .. } if policy == "far"),
        "{failed:?}"
    );
}

/// The agent polls the store that its policy comes from: edits of the domain's policy are found, and edits of the local one, which does
/// not count, are none.
#[test]
fn the_agent_polls_the_directory_of_its_policy() {
    let mut directory = directory();
    directory.assign(DEFAULT_DOMAIN_POLICY, Some("domain")).unwrap();
    let mut computer = member();
    computer.apply_group_policy(Some(directory.group_policy(&Place::default())), NOW);
    events(&mut computer);
    computer.registry().local.unassign("local").unwrap();
    computer.handle_timeout(computer.poll_timeout().unwrap());
    assert_eq!(events(&mut computer), [MachineEvent::PolledNoChange]);
    let edited = &mut computer.registry().domain.as_mut().unwrap().policies;
    let mut policy = edited.policy("domain").unwrap().clone();
    policy.polling_interval_minutes = 25;
    edited.put_policy(policy).unwrap();
    let due = computer.poll_timeout().unwrap();
    computer.handle_timeout(due);
    let source = PolicySource::Domain;
    let found = MachineEvent::PolicyApplied { source, policy: "domain".into(), trigger: Trigger::Poll };
    assert_eq!(events(&mut computer), [MachineEvent::PolledChanged, found]);
    assert_eq!(computer.poll_timeout(), Some(due + core::time::Duration::from_secs(25 * 60)));
}

/// The service stopped: what Group Policy brings waits, and is in force from its start on.
#[test]
fn group_policy_waits_for_the_service() {
    let mut directory = directory();
    directory.assign(DEFAULT_DOMAIN_POLICY, Some("domain")).unwrap();
    let mut computer = member();
    computer.stop_service();
    events(&mut computer);
    computer.apply_group_policy(Some(directory.group_policy(&Place::default())), NOW);
    assert!(computer.poll_output().is_none());
    computer.start_service(NOW);
    let started = events(&mut computer);
    assert_eq!(started[0], MachineEvent::ServiceStarted { source: Some(PolicySource::Domain), member: true });
    assert_eq!(in_force(&computer), ["domain"]);
}

#[test]
fn errors_name_what_there_is() {
    let mut directory = directory();
    let error = directory.assign("Gateways", Some("unit")).unwrap_err().to_string();
    let expected = "no Group Policy object 'Gateways' in corp.example, expected 'Default Domain Policy' or 'child' or 'unit' or 'site'";
    assert_eq!(error, expected);
    let error = directory.assign("unit", Some("units")).unwrap_err().to_string();
    assert!(error.starts_with("policy 'units' does not exist, expected 'site', 'domain'"), "{error}");
    let error = directory.add_gpo("UNIT", Container::Domain).unwrap_err().to_string();
    assert_eq!(error, "a second Group Policy object 'UNIT'");
}
