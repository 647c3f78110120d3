//! Exchanges recorded between real daemons, replayed through the pure functions of `ike::v1`: every message
//! decrypts, and every key, IV, hash, KEYMAT and ESP packet is reproduced.
//!
//! Algorithms, groups, identities and modes are read from the messages, so any recording of the same form can be replayed:
//!
//! ```text
//! IPSECLAB_RECORDINGS=directory cargo test -p ipsec-core --test it ikev1_recorded -- --nocapture
//! ```
//!
//! `Recording::read` says what such a directory holds. The messages are taken apart by a few lines of these files, not by
//! the product's decoders, so that a mistake there cannot hide one here.

mod esp;
mod log;
mod message;
mod replay;

use ipsec_core::crypto::{DhError, DhSecret, Group, HashAlg, Secret, hash};
use ipsec_vectors::recorded::{self, Recording};
use message::{KE, Message, payloads};
use replay::{Replay, Report};
use std::collections::BTreeMap;
use std::path::Path;

/// Replays a recording of ours: all that was logged is reproduced, and nothing is left over.
fn replay(recording: Recording) -> Report {
    let report = Replay::run(recording);
    assert_eq!(report.notes, Vec::<String>::new(), "{}", recording.name);
    report
}

#[test]
fn kb816514() {
    let report = replay(recorded::KB816514);
    assert_eq!(report.algorithms, ["main mode PSK 3DES-CBC MD5 group 2", "ESP DES-CBC HMAC-MD5 tunnel"]);
    let counts = [("HASH_I", 2), ("HASH_R", 2), ("Hash(1)", 3), ("ESP packet", 16), ("informational", 19)];
    assert!(counts.iter().all(|(what, count)| report.counts[what] == *count), "{:?}", report.counts);
}

#[test]
fn main_mode_with_pfs() {
    let report = replay(recorded::PFS);
    let quick = "ESP 3DES-CBC HMAC-SHA-1 tunnel PFS in 1024 bits";
    assert_eq!(report.algorithms, ["main mode PSK 3DES-CBC SHA-1 group 14", quick]);
}

#[test]
fn rsa_signatures() {
    let report = replay(recorded::RSA);
    assert_eq!(
        report.algorithms,
        ["main mode signatures 3DES-CBC SHA-1 group 2", "ESP 3DES-CBC HMAC-SHA-1 tunnel"]
    );
}

#[test]
fn aggressive_mode() {
    let report = replay(recorded::AGGRESSIVE);
    assert_eq!(
        report.algorithms,
        ["aggressive mode PSK 3DES-CBC MD5 group 2", "ESP 3DES-CBC HMAC-SHA-1 tunnel"]
    );
}

/// The recordings of `IPSECLAB_RECORDINGS`, each with what was found in it. What a daemon logged and the capture does not show
/// is only noted; a value that is computed otherwise than it was logged, or a hash that does not verify, is an error.
#[test]
#[cfg(not(target_family = "wasm"))]
fn recordings_of_a_directory() {
    let Some(directory) = std::env::var_os("IPSECLAB_RECORDINGS") else {
        return println!("IPSECLAB_RECORDINGS names no directory: only our own recordings are replayed");
    };
    let recordings = Recording::read(Path::new(&directory)).expect("a directory of recordings");
    assert!(!recordings.is_empty(), "no recording in {}", directory.display());
    let replayed = recordings.into_iter().map(|recording| (recording.name, attempt(recording)));
    let results: BTreeMap<_, _> = replayed.collect();
    for (name, report) in &results {
        match report {
            Ok(report) => println!("held    {name}\n{report}"),
            Err(why) => println!("failed  {name}: {why}"),
        }
    }
    assert!(results.values().all(Result::is_ok), "see above");
}

fn attempt(recording: Recording) -> Result<Report, String> {
    std::panic::catch_unwind(|| Replay::run(recording)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).into())).unwrap_or_default()
    })
}

/// A recording in which something was altered is not reproduced: nothing is compared with itself.
#[test]
fn an_altered_recording_is_noticed() {
    for recording in [recorded::KB816514, recorded::AGGRESSIVE] {
        let mut wrong = recording;
        wrong.pre_shared_key = Some("another key");
        assert!(attempt(wrong).unwrap_err().contains("SKEYID"));
        // In messages in clear, vendor IDs and NAT detection are covered by nothing.
        let protected = |d: &recorded::Datagram| match d.payload.as_slice() {
            [0, 0, 0, 0, message @ ..] => Message::cut(message).is_encrypted,
            esp => d.source.1 == 4500 && esp.len() > 1,
        };
        for (place, packet) in recording.packets().into_iter().enumerate() {
            let Some(datagram) = packet.datagram().filter(protected) else { continue };
            let mut packets = recording.packets();
            packets[place].payload[8 + datagram.payload.len() * 3 / 4] ^= 1;
            let altered = std::panic::catch_unwind(|| Replay::over(recording, &packets));
            assert!(altered.is_err(), "{} packet {place}", recording.name);
        }
    }
}

/// NAT detection is a plain hash over cookies, address and port (RFC 3947 section 3.2).
#[test]
fn nat_detection_hashes() {
    for recording in recorded::ALL {
        let secrets = recording.responder();
        let hashes = &secrets["natd_hash"];
        let alg = if hashes[0].len() == 16 { HashAlg::Md5 } else { HashAlg::Sha1 };
        let found = secrets["natd_chunk"].iter().filter(|chunk| hashes.contains(&hash(alg, &[chunk])));
        assert!(found.count() >= 4, "{}", recording.name);
    }
}

/// The recorded public values are in range and take part in an exchange with ours.
#[test]
fn recorded_public_values_are_accepted() {
    for (recording, group) in [(recorded::KB816514, Group::Modp1024), (recorded::PFS, Group::Modp2048)] {
        let datagrams = recording.datagrams();
        let message = Message::cut(&datagrams[2].payload);
        let public = payloads(message.first_payload, message.body).0[&KE][0].clone();
        let secret = DhSecret::from_random(group, &[0x5a; 40]);
        assert_eq!(secret.shared(&public).map(|shared: Secret| shared.len()), Ok(group.byte_len()));
        let too_short = DhError::Length { expected: group.byte_len(), got: group.byte_len() - 1 };
        assert_eq!(secret.shared(&public[1..]), Err(too_short));
    }
}
