//! NAT discovery against another implementation's values.

use alloc::vec;

use super::*;
use crate::wire::isakmp::{PayloadType, decode_chain, encode_chain};
use ipsec_vectors::recorded;

const CAN_RFC: Capabilities = Capabilities {
    nat_t_rfc3947: true,
    nat_t_draft_02: false,
    microsoft: None,
    fragmentation: false,
    dead_peer_detection: false,
    vid_initial_contact: false,
    nlbs_present: false,
};

/// MS-IKEE section 3.2.5.1: RFC 3947 if both have it, else the draft if both have that.
#[test]
fn the_version_is_the_best_that_both_announced() {
    let draft = Capabilities { nat_t_rfc3947: false, nat_t_draft_02: true, ..CAN_RFC };
    let both = Capabilities { nat_t_draft_02: true, ..CAN_RFC };
    let none = Capabilities::default();
    let agreed = |ours, theirs| Version::agreed(ours, theirs, socket("192.0.2.1").ip());
    assert_eq!(agreed(&both, &both), Some(Version::Rfc3947));
    assert_eq!(agreed(&both, &CAN_RFC), Some(Version::Rfc3947));
    assert_eq!(agreed(&both, &draft), Some(Version::Draft02));
    assert_eq!(agreed(&CAN_RFC, &draft), None);
    assert_eq!(agreed(&both, &none), None);
    assert_eq!(Version::agreed(&both, &both, "2001:db8::1".parse().unwrap()), None);
}

/// The tables of MS-IKEE sections 2.2.1 and 2.2.2.
#[test]
fn each_version_has_its_numbers() {
    let numbers = |version: Version| {
        let nat_d = NatD { numbering: version.numbering(), hash: vec![] };
        (nat_d.payload_type().0, [true, false].map(|tunnel| version.encapsulation_mode(tunnel).0))
    };
    assert_eq!(numbers(Version::Rfc3947), (0x14, [3, 4]));
    assert_eq!(numbers(Version::Draft02), (0x82, [0xf003, 0xf004]));
}

fn socket(address: &str) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), PORT)
}

/// strongSwan's log has what it hashed for NAT-D, and the result.
#[test]
fn hashes_are_those_of_another_implementation() {
    let mut compared = 0;
    for recording in recorded::ALL {
        let alg = if recording.name.contains("md5-modp") { HashAlg::Md5 } else { HashAlg::Sha1 };
        for secrets in [recording.initiator(), recording.responder()] {
            for (chunk, expected) in secrets["natd_chunk"].iter().zip(&secrets["natd_hash"]) {
                let cookie = |at: usize| Cookie(chunk[at..at + 8].try_into().unwrap());
                let address: [u8; 4] = chunk[16..20].try_into().unwrap();
                let port = u16::from_be_bytes([chunk[20], chunk[21]]);
                let end = SocketAddr::new(address.into(), port);
                assert_eq!(nat_d_hash(alg, (cookie(0), cookie(8)), end), *expected, "{}", recording.name);
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 4 * 12);
}

/// The recorded peers pretended to be behind a NAT: each sent the true destination and a source that is nobody's.
#[test]
fn recorded_messages_3_and_4_are_understood() {
    for recording in [recorded::KB816514, recorded::PFS] {
        let alg = if recording.name.contains("md5-modp") { HashAlg::Md5 } else { HashAlg::Sha1 };
        for datagram in recording.datagrams().iter().skip(2).take(2) {
            let end = |(address, port)| SocketAddr::new(IpAddr::V4(address), port);
            let received =
                Received::new(end(datagram.destination), end(datagram.source), &datagram.payload).unwrap();
            let chain = received.clear().unwrap();
            let found = discover(Version::Rfc3947, alg, &chain, &received).unwrap();
            assert_eq!((found.local, found.peer), (false, true), "{}", recording.name);
            assert_eq!(discover(Version::Draft02, alg, &chain, &received), None);
        }
    }
}

/// RFC 3947 section 3.2: the first hash is of the destination, and one of the others must be of the source.
#[test]
fn the_first_hash_is_about_us_and_the_others_about_the_peer() {
    let cookies = (Cookie([1; 8]), Cookie([2; 8]));
    let (here, there, elsewhere) = (socket("192.0.2.1"), socket("192.0.2.2"), socket("192.0.2.3"));
    let hash = |end| nat_d_hash(HashAlg::Sha1, cookies, end);
    let found = |hashes: &[Vec<u8>]| {
        let nat_d =
            |hash: &Vec<u8>| Payload::NatD(NatD { numbering: NatNumbering::Rfc3947, hash: hash.clone() });
        let (first, body) = encode_chain(&hashes.iter().map(nat_d).collect::<Vec<_>>());
        let (chain, _) = decode_chain(first, &body).unwrap();
        let header = crate::wire::isakmp::Header::new(
            cookies.0,
            cookies.1,
            crate::wire::isakmp::ExchangeType::MAIN_MODE,
            crate::wire::isakmp::Flags::NONE,
            0,
        );
        let datagram = header.encode_with(first, &body);
        let received = Received::new(here, there, &datagram).unwrap();
        discover(Version::Rfc3947, HashAlg::Sha1, &chain, &received).map(|nat| (nat.local, nat.peer))
    };
    assert_eq!(found(&[]), None);
    assert_eq!(found(&[hash(here), hash(there)]), Some((false, false)));
    assert_eq!(found(&[hash(there), hash(here)]), Some((true, true)));
    assert_eq!(found(&[hash(elsewhere), hash(there)]), Some((true, false)));
    assert_eq!(found(&[hash(here), hash(elsewhere)]), Some((false, true)));
    // Several sources: there is a NAT only if none of them is right.
    assert_eq!(found(&[hash(here), hash(elsewhere), hash(there), vec![]]), Some((false, false)));
    // Another port is another end.
    let moved = SocketAddr::new(there.ip(), 501);
    assert_eq!(found(&[hash(here), hash(moved)]), Some((false, true)));
    // No source at all matches nothing.
    assert_eq!(found(&[hash(here)]), Some((false, true)));
    assert_eq!(PayloadType::NAT_D.0, 20);
}
