//! ESP seal and open by suite and size, beside the bare ciphers and MACs over the same octets.

use std::hint::black_box;

use aes::{Aes128, Aes256};
use cbc::Encryptor;
use cipher::block_padding::NoPadding;
use cipher::{BlockModeEncrypt, KeyInit, KeyIvInit};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use des::{Des, TdesEde3};
use hmac::Hmac;
use ipsec_core::Packet;
use ipsec_core::crypto::{Cipher, Mac};
use ipsec_core::esp::Esp;
use ipsec_core::wire::IpProtocol;
use ipsec_core::wire::ipv4::Ipv4Header;

const SIZES: [usize; 4] = [64, 576, 1400, 9000];

/// Suites of the articles, and the strongest of this project.
const SUITES: [(Cipher, Mac); 5] = [
    (Cipher::Des, Mac::HmacMd5_96),
    (Cipher::TripleDes, Mac::HmacSha1_96),
    (Cipher::Aes128, Mac::HmacSha1_96),
    (Cipher::Aes256, Mac::HmacSha256_128),
    (Cipher::Null, Mac::HmacSha1_96),
];

fn key(len: usize) -> Vec<u8> {
    (1..).map(|i: u8| i.wrapping_mul(37)).take(len).collect()
}

/// A datagram of `size` octets.
fn datagram(size: usize) -> Vec<u8> {
    let header = Ipv4Header::new([10, 1, 0, 10].into(), [10, 2, 0, 10].into(), IpProtocol::UDP);
    header.packet(&vec![0x5a; size - 20]).expect("it fits")
}

/// What no implementation that seals one packet at a time can avoid: the cipher over the octets, the MAC over the result.
fn bare(cipher: Cipher, mac: Mac, data: &mut [u8]) -> u8 {
    fn encrypt<C: KeyIvInit + BlockModeEncrypt>(cipher: C, data: &mut [u8]) {
        let len = data.len();
        cipher.encrypt_padded::<NoPadding>(data, len).expect("whole blocks");
    }
    let key_octets = key(cipher.key_len());
    let iv = vec![3; cipher.iv_len()];
    match cipher {
        Cipher::Des => encrypt(Encryptor::<Des>::new_from_slices(&key_octets, &iv).expect("lengths"), data),
        Cipher::TripleDes => {
            encrypt(Encryptor::<TdesEde3>::new_from_slices(&key_octets, &iv).expect("lengths"), data)
        }
        Cipher::Aes128 => {
            encrypt(Encryptor::<Aes128>::new_from_slices(&key_octets, &iv).expect("lengths"), data)
        }
        Cipher::Aes256 => {
            encrypt(Encryptor::<Aes256>::new_from_slices(&key_octets, &iv).expect("lengths"), data)
        }
        _ => {}
    }
    let key_octets = key(mac.key_len());
    match mac {
        Mac::HmacMd5_96 => tag(Hmac::<md5::Md5>::new_from_slice(&key_octets).expect("any length"), data),
        Mac::HmacSha1_96 => tag(Hmac::<sha1::Sha1>::new_from_slice(&key_octets).expect("any length"), data),
        _ => tag(Hmac::<sha2::Sha256>::new_from_slice(&key_octets).expect("any length"), data),
    }
}

fn tag<M: hmac::Mac>(mut mac: M, data: &[u8]) -> u8 {
    mac.update(data);
    mac.finalize().into_bytes()[0]
}

fn esp(c: &mut Criterion) {
    for (cipher, mac) in SUITES {
        let mut group = c.benchmark_group(format!("esp/{cipher}+{mac}"));
        let sa = Esp::new(0x1001, cipher, &key(cipher.key_len()), Some(mac), &key(mac.key_len()))
            .expect("good keys");
        let iv = vec![3; cipher.iv_len()];
        for size in SIZES {
            group.throughput(Throughput::Bytes(size as u64));
            let clear = datagram(size);
            let mut packet = Packet::from_slice(1, &clear);
            sa.seal(&mut packet, 1, &iv).expect("a good packet");
            let sealed = packet.bytes().to_vec();
            group.bench_function(BenchmarkId::new("seal", size), |b| {
                b.iter(|| {
                    packet.refill(1, &clear);
                    sa.seal(black_box(&mut packet), 1, &iv)
                });
            });
            group.bench_function(BenchmarkId::new("open", size), |b| {
                b.iter(|| {
                    packet.refill(1, &sealed);
                    sa.open(black_box(&mut packet))
                });
            });
            let mut octets = vec![0x5a; (size - 20).next_multiple_of(16)];
            group.bench_function(BenchmarkId::new("bare", size), |b| {
                b.iter(|| bare(cipher, mac, black_box(&mut octets)));
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = ipsec_benches::short();
    targets = esp
}
criterion_main!(benches);
