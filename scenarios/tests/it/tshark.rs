//! Wireshark as an independent judge: with nothing but the configuration folder it must decrypt and authenticate every
//! packet of every link.
//!
//! Skipped where there is no tshark, unless `IPSECLAB_REQUIRE_INTEROP=1`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::stories::played;

/// In the family `nat`.
const STRANGER: &str = "198.51.100.66";

/// One captured packet as tshark reads it.
#[derive(Debug)]
struct Frame {
    number: String,
    /// `raw:ip:esp:ip:icmp:data`
    protocols: String,
    /// Whether ISAKMP's encryption bit is set.
    encrypted: bool,
    /// ISAKMP payload types; those of an encrypted message are read only after decryption.
    payloads: String,
    /// Whether the ESP ICV is good.
    icv_good: String,
    icmp_type: String,
    /// Addresses of all IP headers, outermost first.
    sources: String,
    malformed: String,
}

pub(crate) fn has_tshark() -> bool {
    let found = Command::new("tshark").arg("--version").output().is_ok_and(|o| o.status.success());
    let required = std::env::var_os("IPSECLAB_REQUIRE_INTEROP").is_some_and(|v| v == "1");
    assert!(found || !required, "IPSECLAB_REQUIRE_INTEROP=1, but there is no tshark");
    if !found {
        eprintln!("skipped: there is no tshark to judge the captures");
    }
    found
}

fn frames(folder: &Path, link: &str, options: &[&str]) -> Vec<Frame> {
    let fields = [
        "frame.number",
        "frame.protocols",
        "isakmp.flag_e",
        "isakmp.typepayload",
        "esp.icv_good",
        "icmp.type",
        "ip.src",
        "_ws.malformed",
    ];
    let mut command = Command::new("tshark");
    command.env("WIRESHARK_CONFIG_DIR", folder.join("wireshark"));
    command.args(options).arg("-r").arg(folder.join(format!("{link}.pcapng"))).args([
        "-T",
        "fields",
        "-E",
        "separator=|",
    ]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let frame = |line: &str| {
        let mut fields = line.split('|').map(str::to_string);
        let mut next = || fields.next().unwrap_or_default();
        Frame {
            number: next(),
            protocols: next(),
            encrypted: ["1", "True"].contains(&next().as_str()),
            payloads: next(),
            icv_good: next(),
            icmp_type: next(),
            sources: next(),
            malformed: next(),
        }
    };
    text.lines().map(frame).collect()
}

/// Runs a scenario, and has every link of it judged. Returns the frames of each link.
fn judged(name: &str, seed: u64) -> Vec<(String, Vec<Frame>)> {
    let outcomes = played(name, seed);
    let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tshark-{name}-{seed}"));
    let _ = std::fs::remove_dir_all(&folder);
    let captures = outcomes.recordings[0].capture.write(&folder).expect("captures are written");
    assert!(!captures.is_empty());
    let mut links = Vec::new();
    for link in &outcomes.report.runs[0].links {
        let frames = frames(&folder, link, &[]);
        let sent = outcomes.recordings[0]
            .trace
            .lines()
            .iter()
            .filter(|l| l.ends_with(&format!("  on {link}")) || l.contains(&format!("  on {link}  [")))
            .count();
        assert_eq!(frames.len(), sent, "{link}: every packet is in the capture");
        for frame in &frames {
            let at = format!("{name} {link} frame {}: {frame:?}", frame.number);
            assert_eq!(frame.malformed, "", "{at}");
            if frame.encrypted {
                assert!(!frame.payloads.is_empty(), "not decrypted: {at}");
            }
            // A stranger's datagram to port 4500 only looks like ESP.
            if frame.protocols.contains(":esp") && frame.sources != STRANGER {
                assert_eq!(frame.icv_good.replace("True", "1"), "1", "ICV: {at}");
                assert!(!frame.protocols.ends_with(":esp"), "not decrypted: {at}");
            }
        }
        links.push((link.clone(), frames));
    }
    links
}

#[test]
fn kb816514_is_read_whole() {
    if !has_tshark() {
        return;
    }
    for seed in [1, 2] {
        for (link, frames) in judged("kb816514-neta-netb-tunnel", seed) {
            let pings = frames.iter().filter(|f| !f.icmp_type.is_empty()).count();
            // Twelve from NetA, eight from NetB, and the replies.
            assert_eq!(pings, 40, "{link}");
            if link != "outside" {
                continue;
            }
            // At least two of main mode and three of quick mode.
            assert!(frames.iter().filter(|f| f.encrypted).count() >= 5);
            for frame in frames.iter().filter(|f| !f.icmp_type.is_empty()) {
                assert_eq!(frame.protocols, "raw:ip:esp:ip:icmp:data", "a ping outside is inside ESP");
                let inner = frame.sources.split(',').nth(1).unwrap_or_default();
                assert!(["10.1.0.10", "10.2.0.10"].contains(&inner), "{frame:?}");
            }
        }
    }
}

#[test]
fn kb301284_is_read_whole() {
    if !has_tshark() {
        return;
    }
    for (link, frames) in judged("kb301284-alice-bob-transport", 1) {
        let abczz: Vec<_> = frames.iter().filter(|f| f.protocols.contains(":tcp")).collect();
        assert!(abczz.len() > 10, "{link}");
        for frame in abczz {
            assert!(frame.protocols.starts_with("raw:ip:esp:tcp"), "{frame:?}");
        }
        // At least two of main mode, three of each quick mode.
        assert!(frames.iter().filter(|f| f.encrypted).count() >= 8, "{link}");
    }
}

/// Behind a NAT the same packets have other addresses on each link, and travel in UDP.
#[test]
fn nat_scenarios_are_read_whole() {
    if !has_tshark() {
        return;
    }
    for name in [
        "nat-ei-ei-rfc3947-tunnel-initiator",
        "nat-ei-apd-rfc3947-transport-responder",
        "nat-apd-ad-draft02-transport-both",
        "nat-ad-apd-draft02-tunnel-responder",
        "nat-rebinding-rfc3947-transport-initiator",
        "nat-releases-windows-xp-sp2-and-windows-2003",
        "nat-hairpinning-on-draft02-tunnel",
        "nat-two-clients-rfc3947-transport",
        "nat-windows-2000-ah-udp-pass-through",
        "nat-windows-2000-esp-icmp-pass-through",
    ] {
        let mut encapsulated = 0;
        for (link, frames) in judged(name, 1) {
            let esp = frames.iter().filter(|f| f.protocols.contains("udpencap:esp:"));
            encapsulated += esp.count();
            if ["home", "internet"].contains(&link.as_str()) {
                let clear = |f: &&Frame| {
                    f.protocols.starts_with("raw:ip:tcp") || f.protocols.starts_with("raw:ip:icmp")
                };
                assert_eq!(frames.iter().filter(clear).count(), 0, "{name} {link}");
            }
        }
        assert_eq!(encapsulated > 10, !name.contains("windows-2000-"), "{name}: {encapsulated}");
    }
}

/// Aggressive mode's third message, the questions and answers of dead peer detection, and INITIAL-CONTACT.
#[test]
fn peers_are_read_whole() {
    if !has_tshark() {
        return;
    }
    for (name, encrypted) in
        [("aggressive-psk", 4), ("dpd-one-sided", 7), ("dpd-dead-peer", 14), ("initial-contact", 10)]
    {
        for (link, frames) in judged(name, 1) {
            let count = frames.iter().filter(|f| f.encrypted).count();
            assert!(link != "outside" || count >= encrypted, "{name}: {count} encrypted ISAKMP messages");
        }
    }
}

/// CONNECTED, deletes with nonces and their answers, cookies before main mode.
#[test]
fn microsofts_exchanges_are_read_whole() {
    if !has_tshark() {
        return;
    }
    // Main mode's last two, quick mode's four, INITIAL-CONTACT of both; the deletes with their answers; a cookie is clear.
    for (name, encrypted) in [("commit-bit", 8), ("reliable-delete", 10), ("dos-protection", 8)] {
        for (link, frames) in judged(name, 1) {
            let count = frames.iter().filter(|f| f.encrypted).count();
            assert!(link != "outside" || count >= encrypted, "{name}: {count} encrypted ISAKMP messages");
        }
    }
}

/// Messages 5 and 6 of main mode in Microsoft's fragments. The same message 5 came before them in fragments of IP; Wireshark
/// would decrypt what it reads again with the IV of the next message, so here it does not put those together.
#[test]
fn fragments_are_put_together_and_decrypted() {
    if !has_tshark() {
        return;
    }
    let outcomes = played("fragmented-main-mode", 1);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tshark-fragmented");
    let _ = std::fs::remove_dir_all(&folder);
    outcomes.recordings[0].capture.write(&folder).expect("captures are written");
    let frames = frames(&folder, "outside", &["-o", "ip.defragment:FALSE"]);
    let count = |payloads| {
        let such = frames.iter().filter(|f| f.payloads == payloads);
        such.inspect(|f| assert_eq!(f.malformed, "", "{f:?}")).count()
    };
    // Each is three fragments: in the last one Wireshark finds the whole, with identity and hash.
    assert_eq!((count("132"), count("132,5,8")), (4, 2), "{frames:?}");
}

/// Each release with itself, and so each one's vendor IDs, NAT discovery, commit bit and deletes.
#[test]
fn releases_of_windows_are_read_whole() {
    if !has_tshark() {
        return;
    }
    for release in ipsec_policy::profile::ALL {
        for (link, frames) in judged(&format!("profile-{release}-{release}"), 1) {
            let pings = frames.iter().filter(|f| !f.icmp_type.is_empty()).count();
            assert_eq!(pings, 8, "{release} {link}: four, and the replies");
            // Two of main mode, three or four of quick mode.
            assert!(frames.iter().filter(|f| f.encrypted).count() >= 5, "{release} {link}");
        }
    }
}
