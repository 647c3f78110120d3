//! Responders as ike-scan sees them: it sends message 1 of main mode, answers nothing, and compares vendor IDs and the times
//! of the responder's message 2 with its list of known implementations.
//!
//! What ike-scan 1.9.5 knows of Windows stands here as literal values; where it is installed, its own files are read too.

use std::net::IpAddr;

use ipsec_core::config::PolicyDatabases;
use ipsec_core::selector::Prefix;
use ipsec_core::{Duration, Instant};
use ipsec_policy::compile::{LocalAddresses, compile};
use ipsec_policy::profile::{self, Profile};
use ipsec_policy::{Store, netsh};
use ipsec_sim::adversary::Injection;
use ipsec_sim::ip::{self, Header, IpView, protocol};
use ipsec_sim::{
    Builder, Effect, InterfaceConfig, IpsecConfig, LinkConfig, NodeConfig, NodeId, Record, Sink,
};

const SCANNER: &str = "10.0.0.9";
const TARGET: &str = "10.0.0.1";
const SCRIPT: &str = "ipsec static
add policy name=P
add filterlist name=L
add filter filterlist=L srcaddr=me dstaddr=any
add filteraction name=A action=negotiate
add rule name=R policy=P filterlist=L filteraction=A kerberos=no psk=key
set policy name=P assign=y
";

fn policy(release: &'static Profile) -> PolicyDatabases {
    let mut store = Store::of(release);
    netsh::run_script(&mut store, "s", SCRIPT.as_bytes()).unwrap();
    let address = Prefix::new(TARGET.parse().unwrap(), 24);
    compile(&store, &LocalAddresses::lan(&[address]).with_release(release)).unwrap()
}

/// Message 1 as ike-scan makes it without options (its manual, `--trans`): eight transforms of DES and 3DES, MD5 and SHA1,
/// groups 1 and 2, a pre-shared key and 28,800 s each, and no vendor ID.
fn message_1() -> Vec<u8> {
    let mut transforms = Vec::new();
    let mut number = 0_u8;
    for cipher in [5, 1] {
        for hash in [2, 1] {
            for group in [2, 1] {
                number += 1;
                let next = if number == 8 { 0 } else { 3 };
                transforms.extend([next, 0, 0, 36, number, 1, 0, 0]);
                transforms.extend([0x80, 1, 0, cipher, 0x80, 2, 0, hash, 0x80, 3, 0, 1, 0x80, 4, 0, group]);
                transforms.extend([0x80, 11, 0, 1, 0, 12, 0, 4, 0, 0, 0x70, 0x80]);
            }
        }
    }
    let proposal = 8 + transforms.len() as u16;
    let sa = 12 + proposal;
    let mut message = b"scanning".to_vec();
    message.extend([0; 8]);
    message.extend([1, 0x10, 2, 0, 0, 0, 0, 0]);
    message.extend((28 + u32::from(sa)).to_be_bytes());
    message.extend([0, 0]);
    message.extend(sa.to_be_bytes());
    message.extend([0, 0, 0, 1, 0, 0, 0, 1, 0, 0]);
    message.extend(proposal.to_be_bytes());
    message.extend([1, 1, 0, 8]);
    message.extend(transforms);
    message
}

/// What the scanner's interface sees of the target's port 500.
#[derive(Default)]
struct Scan(Vec<(Instant, Vec<u8>)>);

impl Sink for Scan {
    fn record(&mut self, record: &Record<'_>) {
        let Effect::Sent { packet, .. } = record.effect else { return };
        let Some(view) = IpView::parse(packet.bytes()) else { return };
        let from: IpAddr = TARGET.parse().unwrap();
        if record.node != NodeId::ADVERSARY && view.source == from && view.protocol == protocol::UDP {
            self.0.push((record.time, view.payload[8..].to_vec()));
        }
    }
}

/// Scans a computer with this release, and listens for ten minutes.
fn scan(release: &'static Profile) -> Vec<(Instant, Vec<u8>)> {
    let mut builder = Builder::new(1);
    let link = builder.link(LinkConfig::new("lan").latency(Duration::from_millis(1)));
    let ipsec = IpsecConfig { ike: release.ike(), ..IpsecConfig::new(policy(release)) };
    let node = NodeConfig::host("target").interface(InterfaceConfig::new("lan", link, "10.0.0.1/24"));
    builder.node(node.ipsec(ipsec));
    builder.node(NodeConfig::host("scanner").interface(InterfaceConfig::new("lan", link, "10.0.0.9/24")));
    let message = message_1();
    let mut udp = [500_u16, 500, 8 + message.len() as u16, 0].map(u16::to_be_bytes).concat();
    udp.extend(message);
    let header = Header {
        source: SCANNER.parse().unwrap(),
        destination: TARGET.parse().unwrap(),
        protocol: protocol::UDP,
        ttl: 64,
        ident: 1,
        dont_fragment: false,
    };
    let (at, next_hop) = (Instant::from_secs(5), header.destination);
    builder.inject(Injection { at, link, next_hop, bytes: ip::datagram(header, &udp) });
    let mut network = builder.build().unwrap();
    let mut scan = Scan::default();
    network.run_until(Instant::from_secs(600), &mut scan);
    scan.0
}

/// Milliseconds between the answers, and from the first one 0: ike-scan's back-off.
fn backoff(answers: &[(Instant, Vec<u8>)]) -> Vec<u64> {
    let times: Vec<u64> = answers.iter().map(|(at, _)| at.as_millis()).collect();
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    std::iter::once(0).chain(gaps).collect()
}

/// The bodies of a message's vendor IDs, in hexadecimal, read by the lengths of the generic headers alone.
fn vendor_ids(message: &[u8]) -> Vec<String> {
    let (mut kind, mut rest, mut found) = (message[16], &message[28..], Vec::new());
    while kind != 0 {
        let (next, len) = (rest[0], usize::from(u16::from_be_bytes([rest[2], rest[3]])));
        if kind == 13 {
            found.push(rest[4..len].iter().map(|octet| format!("{octet:02x}")).collect());
        }
        (kind, rest) = (next, &rest[len..]);
    }
    found
}

/// ike-scan, ike-vendor-ids ("The observed version numbers are: 2 Windows 2000, 3 Windows XP SP1, 4 Windows 2003 and Windows
/// XP SP2"); MS-IKEE appendix A <2>, <6> for the others.
const MS: &str = "1e2b516905991c7d7c96fcbfb587e461";
const FRAGMENTATION: &str = "4048b7d56ebce88525e7de7f00d6c2d3";
const DRAFT_02: &str = "90cb80913ebb696e086381b5ec427b1f";
const INITIAL_CONTACT: &str = "26244d38eddb61b3172a36e3d0cfb819";

#[test]
fn message_2_has_the_vendor_ids_of_each_release() {
    let expected: [(&str, &str, &[&str]); 5] = [
        ("windows-2000", "00000002", &[]),
        ("windows-2000-sp4-rollup", "00000002", &[FRAGMENTATION, DRAFT_02]),
        ("windows-xp", "00000003", &[]),
        ("windows-xp-sp2", "00000004", &[FRAGMENTATION, DRAFT_02, INITIAL_CONTACT]),
        ("windows-2003", "00000004", &[FRAGMENTATION, DRAFT_02, INITIAL_CONTACT]),
    ];
    for (name, version, others) in expected {
        let answers = scan(Profile::find(name).unwrap());
        let found = vendor_ids(&answers[0].1);
        let wanted: Vec<String> =
            std::iter::once(format!("{MS}{version}")).chain(others.iter().map(|s| s.to_string())).collect();
        assert_eq!(found, wanted, "{name}");
        // ike-scan's pattern of Server 2003, as older versions had it: `...00000004 0d000014`, the header of another
        // vendor ID of 16 octets behind the first.
        if version == "00000004" {
            let text: String = answers[0].1.iter().map(|octet| format!("{octet:02x}")).collect();
            assert!(text.contains(&format!("{MS}000000040d000014")), "{name}");
        }
    }
    assert_eq!(vendor_ids(&scan(&profile::RFC)[0].1), [""; 0]);
}

/// ike-scan, ike-backoff-patterns: "Windows 2000, 2003 or XP: 0, 1, 2, 4, 8, 16, 32".
#[test]
fn message_2_comes_seven_times_with_the_back_off_of_windows() {
    for release in profile::ALL.iter().filter(|p| p.name != "rfc") {
        let answers = scan(release);
        assert_eq!(backoff(&answers), [0, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000], "{release}");
        assert!(answers.iter().all(|(_, message)| *message == answers[0].1), "{release}: the same octets");
    }
    assert_eq!(backoff(&scan(&profile::RFC)), [0], "a strict responder only answers");
}

/// One of ike-scan's data files, or `None` with the reason printed. It is required where interoperability is.
fn data(file: &str) -> Option<String> {
    let path = format!("/usr/share/ike-scan/{file}");
    // The file has names with letters of older encodings.
    let found = std::fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let required = std::env::var_os("IPSECLAB_REQUIRE_INTEROP").is_some_and(|v| v == "1");
    assert!(found.is_ok() || !required, "IPSECLAB_REQUIRE_INTEROP=1, but there is no {path}");
    if found.is_err() {
        eprintln!("skipped: ike-scan is not installed, there is no {path}");
    }
    found.ok()
}

/// The entries of a file of ike-scan: name, one or more tabs, pattern.
fn entries(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('\t')).map(|(name, pattern)| (name, pattern.trim()))
}

/// Whether a back-off fits a pattern such as `0, 1/600, 2`: seconds, and how many milliseconds they may differ by, 100
/// without a number (ike-scan's manual, `--fuzz`).
fn fits(backoff: &[u64], pattern: &str) -> bool {
    let parts: Vec<(f64, f64)> = pattern
        .split(',')
        .filter_map(|part| {
            let (seconds, fuzz) = part.trim().split_once('/').unwrap_or((part.trim(), "100"));
            Some((seconds.parse().ok()?, fuzz.parse().ok()?))
        })
        .collect();
    let near =
        |(found, (seconds, fuzz)): (&u64, &(f64, f64))| (*found as f64 - seconds * 1000.0).abs() <= *fuzz;
    parts.len() == backoff.len() && backoff.iter().zip(&parts).all(near)
}

#[test]
fn ike_scan_names_the_release_by_back_off() {
    let Some(patterns) = data("ike-backoff-patterns") else { return };
    for release in profile::ALL.iter().filter(|p| p.name != "rfc") {
        let found = backoff(&scan(release));
        let names: Vec<&str> =
            entries(&patterns).filter(|(_, p)| fits(&found, p)).map(|(name, _)| name).collect();
        // The entry of Server 2003 differs by how much the first gap may vary.
        assert_eq!(names, ["Windows 2000, 2003 or XP", "Windows-2003"], "{release}");
    }
}

#[test]
fn ike_scan_names_the_release_by_vendor_ids() {
    let Some(patterns) = data("ike-vendor-ids") else { return };
    let expected = [
        ("windows-2000", "Windows-2000"),
        ("windows-2000-sp4-rollup", "Windows-2000"),
        ("windows-xp", "Windows-XP-SP1"),
        ("windows-xp-sp2", "Windows-2003-or-XP-SP2"),
        ("windows-2003", "Windows-2003-or-XP-SP2"),
    ];
    let known = |id: &String| {
        let begins = |pattern: &str| pattern.strip_prefix('^').is_some_and(|p| id.starts_with(p));
        entries(&patterns).find(|(_, pattern)| begins(pattern)).map(|(name, _)| name.to_string())
    };
    for (name, wanted) in expected {
        let ids = vendor_ids(&scan(Profile::find(name).unwrap())[0].1);
        let named: Vec<Option<String>> = ids.iter().map(known).collect();
        assert_eq!(named[0].as_deref(), Some(wanted), "{name}");
        assert!(named.iter().all(Option::is_some), "{name} sends what ike-scan does not know: {ids:?}");
    }
}
