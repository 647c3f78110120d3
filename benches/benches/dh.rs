//! Diffie-Hellman by group, beside an arbitrary-precision library that takes no care to be constant-time.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ipsec_core::crypto::Group;
use ipsec_core::work::{Work, WorkResult};
use num_bigint::BigUint;

fn secret(seed: u8) -> Vec<u8> {
    (0..40).map(|i: u8| i.wrapping_mul(151).wrapping_add(seed) | 1).collect()
}

fn bytes(result: WorkResult) -> Vec<u8> {
    match result {
        WorkResult::Bytes(bytes) => bytes.expose().to_vec(),
        WorkResult::Refused => panic!("an honest value was refused"),
    }
}

fn dh(c: &mut Criterion) {
    let mut group = c.benchmark_group("dh");
    for dh in Group::ALL {
        let public = |seed| Work::DhPublic { group: dh, secret: secret(seed).into() };
        let peer_public = bytes(public(9).run());
        let shared = Work::DhShared { group: dh, secret: secret(1).into(), peer_public: peer_public.clone() };
        let (work, prime) = (public(1), prime(dh));
        let exponent = BigUint::from_bytes_be(&secret(1));
        let base = BigUint::from_bytes_be(&peer_public);
        assert_eq!(base.modpow(&exponent, &prime), BigUint::from_bytes_be(&bytes(shared.run())));
        group.bench_function(BenchmarkId::new("public", dh), |b| b.iter(|| black_box(&work).run()));
        group.bench_function(BenchmarkId::new("shared", dh), |b| b.iter(|| black_box(&shared).run()));
        group.bench_function(BenchmarkId::new("num-bigint", dh), |b| {
            b.iter(|| black_box(&base).modpow(&exponent, &prime));
        });
    }
    group.finish();
}

/// The prime as RFC 2409 section 6 and RFC 3526 define it: 2^n - 2^(n-64) - 1 + 2^64 * (floor(2^(n-130) pi) + c).
fn prime(group: Group) -> BigUint {
    let (n, c) = match group {
        Group::Modp768 => (768, 149_686_u32),
        Group::Modp1024 => (1024, 129_093),
        Group::Modp1536 => (1536, 741_804),
        Group::Modp2048 => (2048, 124_476),
    };
    let two_to = |k: u32| BigUint::from(1_u8) << k;
    two_to(n) - two_to(n - 64) - 1_u8 + ((pi(n - 130) + c) << 64_u32)
}

/// floor(2^bits * pi) by Machin's formula, with 64 guard bits.
fn pi(bits: u32) -> BigUint {
    let one = BigUint::from(1_u8) << (bits + 64);
    let arctan_of_inverse = |x: u32| {
        let terms = (0_u32..).map(|k| (k, &one / x / BigUint::from(x * x).pow(k) / (2 * k + 1)));
        let terms = terms.take_while(|(_, term)| *term > BigUint::ZERO);
        terms.fold(BigUint::ZERO, |sum, (k, term)| if k % 2 == 0 { sum + term } else { sum - term })
    };
    (arctan_of_inverse(5) * 16_u8 - arctan_of_inverse(239) * 4_u8) >> 64
}

criterion_group! {
    name = benches;
    config = ipsec_benches::short();
    targets = dh
}
criterion_main!(benches);
