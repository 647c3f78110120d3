use ipsec_core::selector::Prefix;
use ipsec_policy::profile::{ALL, WINDOWS_2000, WINDOWS_2003, WINDOWS_XP};
use ipsec_policy::{Profile, profile};

use super::*;
use crate::network_settings::{Adapter, NetworkSettings};

/// The sample of KB 816514, to the blank at the end of a line.
const ARTICLE: &str = include_str!("kb816514.txt");

/// The article's policy, as its section "Configure a Rule for a NetA-to-NetB Tunnel" and the ones around it make it, with
/// addresses for its placeholders.
const SCRIPT: &str = r#"
netsh ipsec static add policy name="IPSec tunnel with {tunnel endpoint}" activatedefaultrule=no
netsh ipsec static add filterlist name="From NetA to NetB"
netsh ipsec static add filter filterlist="From NetA to NetB" srcaddr=10.1.0.0 srcmask=255.255.0.0 dstaddr=10.2.0.0 dstmask=255.255.0.0 description="From NetA to NetB" protocol=ANY mirrored=no
netsh ipsec static add filterlist name="From NetB to NetA"
netsh ipsec static add filter filterlist="From NetB to NetA" srcaddr=10.2.0.0 srcmask=255.255.0.0 dstaddr=10.1.0.0 dstmask=255.255.0.0 description="From NetB to NetA" protocol=ANY mirrored=no
netsh ipsec static add filteraction name="IPSec tunnel: ESP DES/MD5" qmpfs=no inpass=no soft=no action=negotiate qmsecmethods="ESP[DES,MD5]"
netsh ipsec static add rule name="to NetB" policy="IPSec tunnel with {tunnel endpoint}" filterlist="From NetA to NetB" filteraction="IPSec tunnel: ESP DES/MD5" tunnel=203.0.113.2 kerberos=no psk="-actual key-"
netsh ipsec static add rule name="to NetA" policy="IPSec tunnel with {tunnel endpoint}" filterlist="From NetB to NetA" filteraction="IPSec tunnel: ESP DES/MD5" tunnel=203.0.113.1 kerberos=no psk="-actual key-"
netsh ipsec static set policy name="IPSec tunnel with {tunnel endpoint}" assign=y
"#;

fn computer(release: &'static Profile, script: &str) -> Computer {
    let net = |text: &str, len| Prefix { address: text.parse().unwrap(), len };
    let adapters = vec![
        Adapter::lan("WIN2003intIP", &[net("10.1.0.1", 16)]),
        Adapter::lan("WIN2003extIP", &[net("203.0.113.1", 24)]),
    ];
    let mut computer = Computer::new(release, NetworkSettings { adapters, ..NetworkSettings::default() });
    computer.prepare("policy.cmd", script.as_bytes()).unwrap();
    computer
}

/// Puts the article's placeholders in the place of addresses, masks and ids.
fn with_placeholders(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut line = line.to_owned();
        if let Some(begin) = line.find("{0000") {
            // The article writes the first one in one word.
            let long_number = if line.contains("ipsecPolicy") { "{-longnumber-}" } else { "{-long number-}" };
            line.replace_range(begin..begin + 38, long_number);
        }
        for (own, placeholder) in [
            ("10.1.0.0", "NetA"),
            ("10.2.0.0", "NetB"),
            ("255.255.0.0", "-subnet mask-"),
            ("203.0.113.2", "3rdExtIP"),
            ("203.0.113.1", "W2KextIP"),
        ] {
            line = line.replace(own, placeholder);
        }
        out += &line;
        out.push('\n');
    }
    out
}

const COMMAND: &str = "netdiag /test:ipsec /debug";
const FAITHFUL: Options = Options { keys: Keys::InClear, kb816514_compat: true };

/// "The tunnel filters look similar to the following example": line by line, byte by byte.
#[test]
fn the_articles_policy_prints_the_articles_text() {
    for release in [&WINDOWS_2000, &WINDOWS_2003] {
        let answer = command(&computer(release, SCRIPT), COMMAND, FAITHFUL).unwrap();
        let (found, wanted) = (with_placeholders(&answer.text), ARTICLE);
        for (n, (found, wanted)) in found.lines().zip(wanted.lines()).enumerate() {
            assert_eq!(found, wanted, "line {}", n + 1);
        }
        assert_eq!(found, wanted);
    }
}

/// "Each rule specifies a tunnel endpoint": the two filters differ in addresses, endpoint, direction, and nothing else.
#[test]
fn the_two_filters_differ_in_addresses_endpoint_and_direction() {
    let text = command(&computer(&WINDOWS_2003, SCRIPT), COMMAND, FAITHFUL).unwrap().text;
    let lines: Vec<&str> = text.lines().skip(4).collect();
    let (first, second) = lines.split_at(lines.len() / 2);
    assert_eq!((first.len(), second.len()), (17, 17));
    let differ: Vec<&str> =
        first.iter().zip(second).filter(|(a, b)| a != b).map(|(a, _)| a.split(':').next().unwrap()).collect();
    let wanted = ["From NetA to NetB", "Filter ID", "Src Addr", "Dest Addr", "Tunnel Addr", "Flags "];
    assert_eq!(differ, wanted);
}

#[test]
fn the_key_is_printed_only_on_request() {
    let computer = computer(&WINDOWS_2003, SCRIPT);
    let with = |keys| command(&computer, COMMAND, Options { keys, ..FAITHFUL }).unwrap().text;
    assert_eq!(with(Keys::InClear).matches("Method = Preshared key: -actual key-\n").count(), 2);
    let masked = with(Keys::Masked);
    assert!(!masked.contains("actual"), "{masked}");
    assert_eq!(masked.matches("Method = Preshared key: ********\n").count(), 2);
    assert_eq!(Options::default().keys, Keys::Masked);
}

/// Deployment guide: Windows Server 2003's netdiag "no longer includes IPSec functionality"; KB 816514 runs it there.
#[test]
fn windows_server_2003_sends_to_netsh_unless_it_is_the_articles() {
    let refused = command(&computer(&WINDOWS_2003, SCRIPT), COMMAND, Options::default()).unwrap_err();
    let text = refused.to_string();
    assert!(text.starts_with("not available: ") && text.contains("netsh ipsec"), "{text}");
    for release in ALL.into_iter().filter(|release| release.name != WINDOWS_2003.name) {
        command(&computer(release, SCRIPT), COMMAND, Options::default()).unwrap();
    }
    // The text itself can be had for every release.
    let there = computer(&WINDOWS_2003, SCRIPT);
    assert!(test_ipsec(there.in_force(), &there.local_addresses(), Keys::Masked).contains("Offer #0:"));
}

/// "You can optionally redirect the output of this command to a text file."
#[test]
fn the_command_line_is_the_articles() {
    let computer = computer(&WINDOWS_XP, SCRIPT);
    let run = |line: &str| command(&computer, line, Options::default());
    assert_eq!(
        run("netdiag /test:ipsec /debug > filename.txt").unwrap().file.as_deref(),
        Some("filename.txt")
    );
    assert_eq!(run(r"C:\Tools\NetDiag.exe /debug /TEST:IPSEC").unwrap().file, None);
    let short = run("netdiag /test:ipsec").unwrap().text;
    assert!(short.lines().count() == 2 && short.starts_with("Local IPSec Policy Active: "), "{short}");
    for wrong in ["netdiag", "netdiag /test:dns", "netdiag /test:ipsec >", "netsh ipsec", ""] {
        assert!(matches!(run(wrong), Err(CommandError::Usage(_))), "{wrong}");
    }
}

#[test]
fn other_policies_are_told_in_the_same_form() {
    let script = r#"
netsh ipsec static add policy name=P activatedefaultrule=no
netsh ipsec static add filter filterlist=L srcaddr=me dstaddr=192.0.2.7 protocol=TCP dstport=80
netsh ipsec static add filteraction name=A action=negotiate qmsecmethods="AH[SHA1]+ESP[3DES,None]:50000k/900s ESP[None,MD5]"
netsh ipsec static add rule name=R policy=P filterlist=L filteraction=A
netsh ipsec static add filter filterlist=B srcaddr=any dstaddr=me protocol=17 dstport=1434 mirrored=no
netsh ipsec static add filteraction name=block action=block
netsh ipsec static add rule name=S policy=P filterlist=B filteraction=block
netsh ipsec static set policy name=P assign=y
"#;
    let text = command(&computer(&WINDOWS_XP, script), COMMAND, Options::default()).unwrap().text;
    // Two own addresses: the mirrored filter makes four, the other one two.
    for wanted in [
        "There are six filters\nL\n",
        "PHASE 2 OFFERS Count = 2\nOffer #0:\nAH[ SHA1 HMAC] ESP[ 3DES NO HMAC] \nRekey: 900 seconds / 51200000 bytes. \n",
        "Offer #1:\nESP[ NULL MD5 HMAC] \nRekey: 0 seconds / 0 bytes. \n",
        "Src Addr: 10.1.0.1 Src Mask: 255.255.255.255\nDest Addr: 192.0.2.7 Dest Mask: 255.255.255.255\nTunnel Addr: 0.0.0.0 Src Port: 0 Dest Port: 80\nProtocol: 6 TunnelFilter: No\nFlags : Outbound\n",
        "Src Addr: 192.0.2.7 Src Mask: 255.255.255.255\nDest Addr: 10.1.0.1 Dest Mask: 255.255.255.255\nTunnel Addr: 0.0.0.0 Src Port: 80 Dest Port: 0\nProtocol: 6 TunnelFilter: No\nFlags: Inbound\n",
        "Action: BLOCK\nAUTHENTICATION INFO Count = 0\nSrc Addr: 0.0.0.0 Src Mask: 0.0.0.0\n",
        "Method = Kerberos\n",
    ] {
        assert!(text.contains(wanted), "{wanted}\nnot in\n{text}");
    }
    let nothing = command(&computer(&profile::RFC, ""), COMMAND, Options::default()).unwrap().text;
    assert_eq!(nothing, "No IPSec policy is active.\n");
}

/// MS-GPIPSEC section 2.2.1: a domain's policies lie in CN=IP Security,CN=System. The local one is not active then.
#[test]
fn a_policy_of_the_domain_is_shown_with_its_place_in_the_directory() {
    use crate::directory::{DEFAULT_DOMAIN_POLICY, Directory, Place};
    let mut member = computer(&WINDOWS_XP, SCRIPT);
    let mut store = ipsec_policy::Store::new();
    let line = b"netsh ipsec static add policy name=Members activatedefaultrule=no";
    ipsec_policy::netsh::run_script(&mut store, "directory.cmd", line).unwrap();
    let mut directory = Directory::new("corp.example", &store);
    directory.assign(DEFAULT_DOMAIN_POLICY, Some("Members")).unwrap();
    member.apply_group_policy(Some(directory.group_policy(&Place::default())), ipsec_core::Instant::EPOCH);
    let text = command(&member, "netdiag /test:ipsec", Options::default()).unwrap().text;
    let expected = "Domain IPSec Policy Active: 'Members' IP Security Policy Path:\n\
        CN=ipsecPolicy{00000000-0000-0000-0000-000000000001},CN=IP Security,CN=System,DC=corp,DC=example \n";
    assert_eq!(text, expected);
}

/// A range is the networks that make it up: 5, 6 and 7, 8 to 11, and 12.
#[test]
fn a_range_is_printed_as_networks() {
    let script = r#"
netsh ipsec static add policy name=P activatedefaultrule=no
netsh ipsec static add filter filterlist=L srcaddr=192.0.2.5-192.0.2.12 dstaddr=any mirrored=no
netsh ipsec static add filteraction name=block action=block
netsh ipsec static add rule name=R policy=P filterlist=L filteraction=block
netsh ipsec static set policy name=P assign=y
"#;
    // The releases of Windows have no ranges.
    let text = command(&computer(&profile::RFC, script), COMMAND, Options::default()).unwrap().text;
    let sources: Vec<&str> = text.lines().filter(|line| line.starts_with("Src Addr: ")).collect();
    let wanted = [("192.0.2.5", 255), ("192.0.2.6", 254), ("192.0.2.8", 252), ("192.0.2.12", 255)];
    let wanted = wanted.map(|(address, last)| format!("Src Addr: {address} Src Mask: 255.255.255.{last}"));
    assert_eq!(sources, wanted);
    assert!(text.contains("There are four filters\n"), "{text}");
}

/// Rules that are not active, and policies that are not assigned, are none of it.
#[test]
fn only_what_is_active_is_printed() {
    let with = |old: &str, new: &str| {
        assert!(SCRIPT.contains(old));
        command(&computer(&WINDOWS_2000, &SCRIPT.replace(old, new)), COMMAND, Options::default())
            .unwrap()
            .text
    };
    let text = with("tunnel=203.0.113.1 kerberos=no", "tunnel=203.0.113.1 activate=no kerberos=no");
    assert!(text.contains("There is one filter\nFrom NetA to NetB\n") && !text.contains("Inbound"), "{text}");
    assert_eq!(with("assign=y", "assign=n"), "No IPSec policy is active.\n");
}

/// What goes from one own address to another is sent here first.
#[test]
fn between_own_addresses_filters_are_outbound() {
    let script = r#"
netsh ipsec static add policy name=P activatedefaultrule=no
netsh ipsec static add filter filterlist=L srcaddr=10.1.0.1 dstaddr=203.0.113.1 mirrored=no
netsh ipsec static add filteraction name=block action=block
netsh ipsec static add rule name=R policy=P filterlist=L filteraction=block
netsh ipsec static set policy name=P assign=y
"#;
    let text = command(&computer(&WINDOWS_XP, script), COMMAND, Options::default()).unwrap().text;
    assert!(text.contains("Flags : Outbound\n") && !text.contains("Inbound"), "{text}");
}

/// A filter goes by its description, and without one by its list; methods that were given to an action which does not negotiate
/// are none; addresses are those of the network, and of the servers that the keywords stand for.
#[test]
fn names_methods_and_addresses_are_those_in_force() {
    let script = r#"
netsh ipsec static add policy name=P activatedefaultrule=no
netsh ipsec static add filter filterlist=L srcaddr=10.1.2.3 srcmask=255.255.0.0 dstaddr=192.0.2.9 description="To a server" mirrored=no
netsh ipsec static add filter filterlist=L srcaddr=me dstaddr=dns mirrored=no
netsh ipsec static add filter filterlist=L srcaddr=me dstaddr=bob.example mirrored=no
netsh ipsec static add filteraction name=A action=negotiate qmsecmethods="ESP[3DES,MD5]"
netsh ipsec static set filteraction name=A action=permit
netsh ipsec static add rule name=R policy=P filterlist=L filteraction=A
netsh ipsec static set policy name=P assign=y
"#;
    let mut settings = computer(&WINDOWS_2003, "").network().clone();
    settings.hosts.insert("bob.example".to_owned(), vec!["192.0.2.7".parse().unwrap()]);
    settings.adapters[0].dns = vec!["10.1.0.53".parse().unwrap()];
    let mut computer = Computer::new(&WINDOWS_2003, settings);
    computer.prepare("policy.cmd", script.as_bytes()).unwrap();
    let text = command(&computer, COMMAND, FAITHFUL).unwrap().text;
    let wanted =
        "Src Addr: 10.1.0.0 Src Mask: 255.255.0.0\nDest Addr: 192.0.2.9 Dest Mask: 255.255.255.255\n";
    assert!(text.contains("There are five filters\nTo a server\n") && text.contains(wanted), "{text}");
    assert_eq!(text.matches("\nL\nFilter ID").count(), 4, "{text}");
    assert_eq!(text.matches("Dest Addr: 10.1.0.53 Dest Mask: 255.255.255.255\n").count(), 2, "{text}");
    assert_eq!(text.matches("Dest Addr: 192.0.2.7 Dest Mask: 255.255.255.255\n").count(), 2, "{text}");
    assert_eq!(text.matches("PHASE 2 OFFERS Count = 0\nAction: PERMIT\n").count(), 5, "{text}");
}

/// A persistent policy stands beside the local one, each with its filters.
#[test]
fn every_active_policy_has_its_heading() {
    let script = format!("{SCRIPT}\nnetsh ipsec static set store location=persistent\n{SCRIPT}");
    let text = command(&computer(&WINDOWS_2003, &script), COMMAND, FAITHFUL).unwrap().text;
    let headings: Vec<&str> = text.lines().filter(|line| line.contains("IPSec Policy Active")).collect();
    assert_eq!(headings.len(), 2, "{text}");
    assert!(headings[0].starts_with("Local ") && headings[1].starts_with("Persistent "));
    assert_eq!(text.matches("There are two filters\n").count(), 2);
}
