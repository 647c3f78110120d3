use super::*;
use alloc::vec;
use num_bigint::BigUint;
use proptest::prelude::*;

/// floor(2^bits * pi), by Machin's formula with 64 guard bits.
fn pi(bits: u32) -> BigUint {
    let one = BigUint::from(1u8) << (bits + 64);
    let arctan_of_inverse = |x: u32| {
        let (mut sum, mut power, mut n) = (BigUint::ZERO, &one / x, 1u32);
        while power > BigUint::ZERO {
            let term = &power / n;
            // The series alternates; the partial sums never fall below zero.
            if n % 4 == 1 {
                sum += term
            } else {
                sum -= term
            }
            power /= x * x;
            n += 2;
        }
        sum
    };
    (arctan_of_inverse(5) * 16u8 - arctan_of_inverse(239) * 4u8) >> 64
}

/// The primes as RFC 2409 section 6 and RFC 3526 define them:
/// `2^n - 2^(n-64) - 1 + 2^64 * (floor(2^(n-130) pi) + c)`.
fn prime(group: Group) -> BigUint {
    let (n, c) = match group {
        Group::Modp768 => (768, 149_686u32),
        Group::Modp1024 => (1024, 129_093),
        Group::Modp1536 => (1536, 741_804),
        Group::Modp2048 => (2048, 124_476),
    };
    let two_to = |k: u32| BigUint::from(1u8) << k;
    two_to(n) - two_to(n - 64) - 1u8 + ((pi(n - 130) + c) << 64u32)
}

fn padded(number: &BigUint, group: Group) -> Vec<u8> {
    let digits = number.to_bytes_be();
    [vec![0; group.byte_len() - digits.len()], digits].concat()
}

#[test]
fn primes_are_the_rfcs_formula() {
    let stored = [
        (Group::Modp768, to_bytes(P768::PARAMS.modulus().as_ref())),
        (Group::Modp1024, to_bytes(P1024::PARAMS.modulus().as_ref())),
        (Group::Modp1536, to_bytes(P1536::PARAMS.modulus().as_ref())),
        (Group::Modp2048, to_bytes(P2048::PARAMS.modulus().as_ref())),
    ];
    for (group, bytes) in stored {
        assert_eq!(BigUint::from_bytes_be(&bytes), prime(group), "{group}");
        assert_eq!(bytes.len(), group.byte_len());
    }
}

#[test]
fn values_out_of_range_are_refused() {
    for group in Group::ALL {
        let secret = DhSecret::from_random(group, &[7; 40]);
        let (p, one) = (prime(group), BigUint::from(1u8));
        let all_ones = (&one << (group.byte_len() * 8)) - &one;
        for bad in [BigUint::ZERO, one.clone(), &p - &one, p.clone(), &p + &one, all_ones] {
            assert_eq!(secret.shared(&padded(&bad, group)), Err(DhError::OutOfRange), "{group} {bad}");
        }
        for good in [BigUint::from(2u8), &p - 2u8] {
            assert!(secret.shared(&padded(&good, group)).is_ok());
        }
        let (expected, got) = (group.byte_len(), group.byte_len() - 1);
        assert_eq!(secret.shared(&vec![2; got]), Err(DhError::Length { expected, got }));
        assert!(secret.shared(&vec![2; expected + 1]).is_err() && secret.shared(&[]).is_err());
    }
}

#[test]
fn exponents_have_a_length() {
    let (group, expected) = (Group::Modp768, 96);
    assert_eq!(DhSecret::from_exponent(group, &[]), Err(DhError::Length { expected, got: 0 }));
    assert_eq!(DhSecret::from_exponent(group, &[1; 97]), Err(DhError::Length { expected, got: 97 }));
    assert_eq!(DhSecret::from_exponent(group, &[0; 32]), Err(DhError::OutOfRange));
    assert!(DhSecret::from_exponent(group, &[1; 96]).is_ok());
}

/// Dropping the leading zeros of g^xy makes one exchange in 256 fail.
#[test]
fn leading_zeros_of_g_xy_are_kept() {
    let (group, p) = (Group::Modp768, prime(Group::Modp768));
    let g_y = BigUint::from(2u8).modpow(&BigUint::from_bytes_be(&[0x5a; 32]), &p);
    let short = |x: &u32| g_y.modpow(&BigUint::from(*x), &p).bits() <= (group.byte_len() as u64 - 1) * 8;
    let x = (2..100_000u32).find(short).unwrap();
    let shared =
        DhSecret::from_exponent(group, &x.to_be_bytes()).unwrap().shared(&padded(&g_y, group)).unwrap();
    assert_eq!((shared.len(), shared.first()), (96, Some(&0)));
    assert_eq!(BigUint::from_bytes_be(&shared), g_y.modpow(&BigUint::from(x), &p));
}

/// 2^x below 2^64: nearly all of the public value is padding.
#[test]
fn leading_zeros_of_a_public_value_are_kept() {
    for group in Group::ALL {
        let public = DhSecret::from_exponent(group, &[10]).unwrap().public();
        assert_eq!(public, padded(&BigUint::from(1024u32), group));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn agrees_with_another_implementation(
        group in prop::sample::select(&Group::ALL[..]),
        a in prop::collection::vec(any::<u8>(), 40),
        b in prop::collection::vec(any::<u8>(), 1..96),
    ) {
        let p = prime(group);
        let x = DhSecret::from_random(group, a.as_slice().try_into().unwrap());
        prop_assume!(b.iter().any(|byte| *byte != 0));
        let y = DhSecret::from_exponent(group, &b).unwrap();
        let exponent_a = BigUint::from_bytes_be(&a[..group.exponent_len()]);
        let g_x = BigUint::from(2u8).modpow(&exponent_a, &p);
        let g_y = BigUint::from(2u8).modpow(&BigUint::from_bytes_be(&b), &p);
        prop_assert_eq!(x.public(), padded(&g_x, group));
        prop_assert_eq!(y.public(), padded(&g_y, group));
        prop_assume!(g_y > BigUint::from(1u8));
        prop_assert_eq!(x.shared(&y.public()).unwrap().to_vec(), padded(&g_y.modpow(&exponent_a, &p), group));
        prop_assert_eq!(x.shared(&y.public()), y.shared(&x.public()));
    }
}
