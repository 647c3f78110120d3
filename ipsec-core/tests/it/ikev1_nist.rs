//! The SKEYIDs of RFC 2409 section 5 against every case of NIST's files.

use ipsec_core::crypto::{HashAlg, Secret};
use ipsec_core::ike::v1::keymat::{Skeyids, skeyid_psk, skeyid_signature};
use ipsec_vectors::rsp::Case;
use ipsec_vectors::{nist, rsp};

fn check(text: &str, skeyid: impl Fn(&Case<'_>, HashAlg) -> Secret) -> usize {
    let cases = rsp::cases(text).into_iter().map(|case| {
        let names = [
            ("SHA-1", HashAlg::Sha1),
            ("SHA-256", HashAlg::Sha256),
            ("SHA-384", HashAlg::Sha384),
            ("SHA-512", HashAlg::Sha512),
        ];
        let (_, prf) = names.into_iter().find(|(name, _)| case.is_in(name)).unwrap();
        let cookie = |name| <[u8; 8]>::try_from(case.bytes(name)).unwrap();
        let skeyid = skeyid(&case, prf);
        let keys = Skeyids::derive(prf, skeyid, &case.bytes("g^xy"), &cookie("CKY_I"), &cookie("CKY_R"));
        assert_eq!(*keys.skeyid, *case.bytes("SKEYID"), "{case:?}");
        assert_eq!(*keys.skeyid_d, *case.bytes("SKEYID_d"), "{case:?}");
        assert_eq!(*keys.skeyid_a, *case.bytes("SKEYID_a"), "{case:?}");
        assert_eq!(*keys.skeyid_e, *case.bytes("SKEYID_e"), "{case:?}");
    });
    cases.count()
}

#[test]
fn pre_shared_keys() {
    let count = check(nist::IKEV1_PSK, |case, prf| {
        skeyid_psk(prf, &case.bytes("pre-shared-key"), &case.bytes("Ni"), &case.bytes("Nr"))
    });
    assert_eq!(count, nist::IKEV1_PSK.matches("COUNT").count());
}

#[test]
fn signatures() {
    let count = check(nist::IKEV1_DSA, |case, prf| {
        skeyid_signature(prf, &case.bytes("Ni"), &case.bytes("Nr"), &case.bytes("g^xy"))
    });
    assert_eq!(count, nist::IKEV1_DSA.matches("COUNT").count());
}
