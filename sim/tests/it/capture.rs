//! Captures, judged by tshark where there is one.

use std::path::PathBuf;
use std::process::Command;

use ipsec_core::Instant;
use ipsec_sim::capture::Capture;
use ipsec_sim::{Faults, LinkId};

use crate::topologies::{chain, to_bob};

/// A folder of this test's own, emptied.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

/// What tshark prints; `None`, with the reason said, when there is none and nobody insists on it.
pub(crate) fn tshark(folder: &std::path::Path, file: &str, arguments: &[&str]) -> Option<Vec<String>> {
    let mut command = Command::new("tshark");
    command
        .env("WIRESHARK_CONFIG_DIR", folder.join("wireshark"))
        .arg("-r")
        .arg(folder.join(file))
        .args(arguments);
    match command.output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(String::from_utf8_lossy(&output.stdout).lines().map(str::to_string).collect())
        }
        Err(error) => {
            let insists = std::env::var_os("IPSECLAB_REQUIRE_INTEROP").is_some_and(|v| v == "1");
            assert!(!insists, "tshark is required: {error}");
            eprintln!("skipped: tshark does not run: {error}");
            None
        }
    }
}

#[test]
fn tshark_reads_every_packet_its_time_and_its_comment() {
    let mut chain = chain(1, 576, Faults::NONE, Instant::NEVER);
    chain.ping(to_bob().size(1000).count(1));
    let mut network = chain.builder.build().unwrap();
    let mut capture = Capture::new(network.names());
    network.run_until(Instant::from_secs(10), &mut capture);
    let folder = folder("capture");
    assert_eq!(capture.write(&folder).unwrap().len(), 4);
    let fields = [
        "-T",
        "fields",
        "-e",
        "frame.time_epoch",
        "-e",
        "ip.len",
        "-e",
        "frame.comment",
        "-e",
        "frame.interface_name",
    ];
    let Some(lines) = tshark(&folder, "link1.pcapng", &fields) else { return };
    // Request and reply of 1,028 octets, each cut in two: 20 + 552 and 20 + 456.
    let expected = [
        "0.001000000\t572\tr1: sent\tlink1",
        "0.001000000\t476\tr1: sent\tlink1",
        "0.017000000\t572\tr2: sent\tlink1",
        "0.017000000\t476\tr2: sent\tlink1",
    ];
    assert_eq!(lines, expected);
    let Some(last) = tshark(&folder, "link3.pcapng", &["-T", "fields", "-e", "frame.comment"]) else {
        return;
    };
    assert_eq!(last[1], "r3: sent; bob: delivered");
    let wrong = tshark(&folder, "link0.pcapng", &["-Y", "_ws.malformed || ip.checksum.status == 0"]);
    assert_eq!(wrong, Some(vec![]));
}

#[test]
fn copies_are_in_one_capture_and_not_in_the_other() {
    let faults = Faults { duplication: 1_000_000, ..Faults::NONE };
    let mut chain = chain(1, 1500, faults, Instant::NEVER);
    chain.ping(to_bob().count(1));
    let mut network = chain.builder.build().unwrap();
    let mut capture = Capture::new(network.names());
    network.run_until(Instant::from_secs(10), &mut capture);
    let count = |with_copies| {
        let mut bytes = Vec::new();
        capture.write_link(LinkId(0), with_copies, &mut bytes).unwrap();
        let mut reader = pcap_file::pcapng::PcapNgReader::new(&bytes[..]).unwrap();
        let mut packets = 0;
        while let Some(block) = reader.next_block() {
            packets += u32::from(block.unwrap().into_enhanced_packet().is_some());
        }
        packets
    };
    assert_eq!(count(true), 2 * count(false));
}
