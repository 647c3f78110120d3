//! "The IPSec policy is created with default settings for the IKE main mode": what that is on the wire.

use ipsec_scenarios::embedded;
use ipsec_scenarios::sweep::Sweep;

const IP_AND_UDP: usize = 28;
const ISAKMP: usize = 28;

fn be16(bytes: &[u8], at: usize) -> usize {
    usize::from(bytes[at]) << 8 | usize::from(bytes[at + 1])
}

/// The transforms of the only proposal of an SA payload, each as its attributes (RFC 2408 sections 3.3 to 3.6).
fn transforms(sa: &[u8]) -> Vec<Vec<(usize, u32)>> {
    // Generic header, DOI and situation; then the proposal's header, whose last octet counts transforms.
    let proposal = &sa[12..];
    let (protocol, spi, count) = (proposal[5], usize::from(proposal[6]), usize::from(proposal[7]));
    assert_eq!((protocol, proposal[0]), (1, 0), "one proposal of PROTO_ISAKMP");
    let mut rest = &proposal[8 + spi..];
    let mut all = Vec::new();
    for _ in 0..count {
        let len = be16(rest, 2);
        let (mut attributes, mut found) = (&rest[8..len], Vec::new());
        while !attributes.is_empty() {
            let (kind, value) = (be16(attributes, 0), be16(attributes, 2));
            if kind & 0x8000 != 0 {
                found.push((kind & 0x7fff, value as u32));
                attributes = &attributes[4..];
            } else {
                let long = attributes[4..4 + value].iter().fold(0, |n, octet| n << 8 | u32::from(*octet));
                found.push((kind, long));
                attributes = &attributes[4 + value..];
            }
        }
        all.push(found);
        rest = &rest[len..];
    }
    all
}

/// KB 816514 keeps the default settings: 3DES before DES, SHA1 before MD5, group 2 ("Medium") for 3DES and 1 ("Low") for DES, which
/// is the order that the dialog is widely quoted with and no source confirms; 480 minutes. Numbers: RFC 2409 appendix A.
#[test]
fn kb816514_offers_the_default_main_mode_methods() {
    let scenario = embedded::scenario("kb816514-neta-netb-tunnel").unwrap();
    let sweep = Sweep::new(&scenario, 1).unwrap();
    let first = &sweep.datagrams()[0].bytes;
    assert_eq!(first[12..20], [203, 0, 113, 1, 203, 0, 113, 2], "from WIN2003extIP to 3rdExtIP");
    let sa = &first[IP_AND_UDP + ISAKMP..];
    let (des, triple_des, md5, sha1, psk, seconds) = (1, 5, 1, 2, 1, 1);
    let method = |cipher, hash, group| {
        vec![(1, cipher), (2, hash), (3, psk), (4, group), (11, seconds), (12, 480 * 60)]
    };
    let wanted =
        [method(triple_des, sha1, 2), method(triple_des, md5, 2), method(des, sha1, 1), method(des, md5, 1)];
    let mut found = transforms(&sa[..be16(sa, 2)]);
    found.iter_mut().for_each(|attributes| attributes.sort_unstable());
    assert_eq!(found, wanted);
}
