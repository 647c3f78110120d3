//! Live nodes against real peers, in network namespaces that each case makes for itself. Needs root, iproute2, nftables,
//! strongSwan with charon-systemd and swanctl, ike-scan, scapy and tshark; without them, every case is skipped and says why, unless
//! `IPSECLAB_REQUIRE_INTEROP=1`.
//!
//! The program runs itself in namespaces: `--node FILE` is `ipseclab live`, `--serve` and `--fetch` are a TCP server and its
//! client.

mod cases;
mod lab;
mod node;
mod strongswan;
mod topology;
mod traffic;
mod wire;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::RwLock;

use ipsec_adapters::live::Live;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--node", file] => return live(file),
        ["--serve", port, octets] => return traffic::serve(port, octets),
        ["--fetch", address, octets] => return traffic::fetch(address, octets),
        _ => {}
    }
    let mut arguments = Arguments::from_args();
    // Each case has namespaces of its own, and mostly waits for timers.
    arguments.test_threads.get_or_insert(3);
    let missing = missing();
    let required = std::env::var("IPSECLAB_REQUIRE_INTEROP").is_ok_and(|v| v == "1");
    let libreswan = cases::with_libreswan::missing();
    let lacks =
        |name: &str| missing.as_ref().or(libreswan.as_ref().filter(|_| name.starts_with("libreswan_")));
    let trials = cases::all().into_iter().map(|(name, case)| match lacks(&name) {
        Some(why) if required => {
            let why = why.clone();
            Trial::test(name, move || Err(Failed::from(why)))
        }
        Some(_) => Trial::test(name, || Ok(())).with_ignored_flag(true),
        None => {
            let counts_packets = name.contains("loses_nothing");
            Trial::test(name, move || quietly(counts_packets, || case().map_err(Failed::from)))
        }
    });
    match (&missing, &libreswan) {
        (Some(why), _) if !required => println!("skipping every case: {why}"),
        (None, Some(why)) if !required => println!("skipping the cases with libreswan: {why}"),
        _ => {}
    }
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Runs a case; one that demands every single packet, with no other beside it.
fn quietly<T>(alone: bool, case: impl FnOnce() -> T) -> T {
    static CASES: RwLock<()> = RwLock::new(());
    let (_beside, _alone);
    match alone {
        true => _alone = CASES.write(),
        false => _beside = CASES.read(),
    }
    case()
}

/// What this computer lacks.
fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("network namespaces need root".to_owned());
    }
    let programs = [
        "ip",
        "nft",
        "unshare",
        "nsenter",
        "ping",
        "dumpcap",
        "tshark",
        "swanctl",
        "charon-systemd",
        "timeout",
        "ike-scan",
        "setpriv",
    ];
    for program in programs {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
        if !found.is_ok_and(|output| output.status.success()) {
            return Some(format!("program `{program}` is not installed"));
        }
    }
    if !Command::new("/usr/bin/python3")
        .args(["-c", "import scapy, cryptography"])
        .output()
        .is_ok_and(|o| o.status.success())
    {
        return Some("python3-scapy is not installed".to_owned());
    }
    let tun = Path::new("/dev/net/tun").exists();
    (!tun).then(|| "there is no /dev/net/tun".to_owned())
}

fn live(file: &str) -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter("debug")
        .with_ansi(false)
        .with_target(false)
        .with_writer(std::io::stderr)
        .init();
    let recorded = |mut live: Live| {
        // A file of this name asks for a recording.
        if Path::new(file).with_extension("record").exists() {
            let path = |extension| Path::new(file).with_extension(extension);
            live.file_mut().machine.record = Some((path("rec"), Some(path("secrets"))));
        }
        if Path::new(file).with_extension("log-keys").exists() {
            live.file_mut().machine.keys = Some(Path::new(file).with_extension("keys"));
        }
        live.run()
    };
    match Live::read(Path::new(file)).and_then(recorded) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(3)
        }
    }
}
