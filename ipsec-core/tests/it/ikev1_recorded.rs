//! Exchanges recorded between real daemons, replayed through the pure functions of `ike::v1`: every message
//! decrypts, and every key, IV, hash, KEYMAT and ESP packet is reproduced.
//!
//! The messages are taken apart by a few lines of this file, not by the product's decoders, so that a mistake
//! there cannot hide one here.

use ipsec_core::Packet;
use ipsec_core::crypto::{
    Cipher, CipherKey, DhError, DhSecret, Group, HashAlg, Mac, MacKey, Secret, Suite, hash,
};
use ipsec_core::esp::{Esp, OpenError};
use ipsec_core::ike::v1::keymat::{self, SaKeys, Skeyids};
use ipsec_core::ike::v1::{auth, protect};
use ipsec_vectors::recorded::{self, Recording, Secrets};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// What was negotiated in a recording: facts of its README, not read from the messages.
struct Algorithms {
    hash: HashAlg,
    group: Group,
    esp: Suite,
    is_pfs: bool,
    is_aggressive: bool,
}

const PHASE_1_CIPHER: Cipher = Cipher::TripleDes;
const ESP_PROTOCOL: u8 = 3;

fn esp(cipher: Cipher, mac: Mac) -> Suite {
    Suite::EncryptThenMac { cipher, mac: Some(mac) }
}

#[test]
fn kb816514() {
    replay(
        recorded::KB816514,
        HashAlg::Md5,
        Group::Modp1024,
        esp(Cipher::Des, Mac::HmacMd5_96),
        [false, false],
    );
}

#[test]
fn main_mode_with_pfs() {
    let suite = esp(Cipher::TripleDes, Mac::HmacSha1_96);
    replay(recorded::PFS, HashAlg::Sha1, Group::Modp2048, suite, [true, false]);
}

#[test]
fn rsa_signatures() {
    let suite = esp(Cipher::TripleDes, Mac::HmacSha1_96);
    replay(recorded::RSA, HashAlg::Sha1, Group::Modp1024, suite, [false, false]);
}

#[test]
fn aggressive_mode() {
    let suite = esp(Cipher::TripleDes, Mac::HmacSha1_96);
    replay(recorded::AGGRESSIVE, HashAlg::Md5, Group::Modp1024, suite, [false, true]);
}

/// NAT detection is a plain hash over cookies, address and port (RFC 3947 section 3.2).
#[test]
fn nat_detection_hashes() {
    for (recording, alg) in [(recorded::KB816514, HashAlg::Md5), (recorded::PFS, HashAlg::Sha1)] {
        let secrets = recording.responder();
        let hashes = &secrets["natd_hash"];
        let found = secrets["natd_chunk"].iter().filter(|chunk| hashes.contains(&hash(alg, &[chunk])));
        assert!(found.count() >= 4, "{}", recording.name);
    }
}

fn replay(recording: Recording, hash: HashAlg, group: Group, esp: Suite, [is_pfs, is_aggressive]: [bool; 2]) {
    let algorithms = Algorithms { hash, group, esp, is_pfs, is_aggressive };
    let mut replay = Replay::new(recording, algorithms);
    for datagram in recording.datagrams() {
        let is_natt = datagram.source.1 == 4500 || datagram.destination.1 == 4500;
        match (is_natt, datagram.payload.as_slice()) {
            (true, [0xff]) => {}
            (true, [0, 0, 0, 0, message @ ..]) | (false, message) => replay.message(message),
            (true, packet) => replay.esp_packet(packet, datagram.source.0, datagram.destination.0),
        }
    }
    replay.finish();
}

/// An ISAKMP message cut into header fields and body.
struct Message<'a> {
    cookies: ([u8; 8], [u8; 8]),
    first_payload: u8,
    exchange: u8,
    is_encrypted: bool,
    message_id: u32,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    fn cut(bytes: &'a [u8]) -> Self {
        assert_eq!(bytes.len(), u32::from_be_bytes(bytes[24..28].try_into().unwrap()) as usize);
        Message {
            cookies: (bytes[..8].try_into().unwrap(), bytes[8..16].try_into().unwrap()),
            first_payload: bytes[16],
            exchange: bytes[18],
            is_encrypted: bytes[19] & 1 != 0,
            message_id: u32::from_be_bytes(bytes[20..24].try_into().unwrap()),
            body: &bytes[28..],
        }
    }
}

const SA: u8 = 1;
const KE: u8 = 4;
const ID: u8 = 5;
const HASH: u8 = 8;
const SIG: u8 = 9;
const NONCE: u8 = 10;

/// The payloads of a body by type, and the length of the chain: what is behind it is padding.
fn payloads(first: u8, body: &[u8]) -> (BTreeMap<u8, Vec<Vec<u8>>>, usize) {
    let (mut found, mut next, mut at) = (BTreeMap::<u8, Vec<Vec<u8>>>::new(), first, 0);
    while next != 0 {
        let len = usize::from(u16::from_be_bytes([body[at + 2], body[at + 3]]));
        found.entry(next).or_default().push(body[at + 4..at + len].to_vec());
        next = body[at];
        at += len;
    }
    (found, at)
}

/// Phase 1 as far as it has come.
#[derive(Default)]
struct Phase1 {
    number: usize,
    sai_b: Vec<u8>,
    public: Vec<Vec<u8>>,
    nonces: Vec<Vec<u8>>,
    identities: Vec<Vec<u8>>,
    keys: Option<(Skeyids, CipherKey)>,
    iv: Vec<u8>,
    encrypted: usize,
}

/// One quick mode as far as it has come.
struct QuickMode {
    iv: Vec<u8>,
    nonces: Vec<Vec<u8>>,
    spis: Vec<[u8; 4]>,
    messages: usize,
}

struct Replay {
    recording: Recording,
    algorithms: Algorithms,
    secrets: Secrets,
    phase_1: BTreeMap<[u8; 8], Phase1>,
    quick_modes: BTreeMap<u32, QuickMode>,
    sas: BTreeMap<[u8; 4], SaKeys>,
    counts: BTreeMap<&'static str, usize>,
}

impl Replay {
    fn new(recording: Recording, algorithms: Algorithms) -> Self {
        let secrets = recording.initiator();
        let (phase_1, quick_modes) = Default::default();
        Replay {
            recording,
            algorithms,
            secrets,
            phase_1,
            quick_modes,
            sas: BTreeMap::new(),
            counts: BTreeMap::new(),
        }
    }

    fn count(&mut self, what: &'static str) -> usize {
        let count = self.counts.entry(what).or_default();
        *count += 1;
        *count - 1
    }

    fn message(&mut self, bytes: &[u8]) {
        let message = Message::cut(bytes);
        match message.exchange {
            2 | 4 => self.phase_1_message(&message),
            5 => self.informational(&message),
            32 => self.quick_mode_message(&message),
            other => panic!("exchange type {other}"),
        }
    }

    fn phase_1_message(&mut self, message: &Message<'_>) {
        let alg = self.algorithms.hash;
        let (cky_i, cky_r) = message.cookies;
        let number = self.phase_1.len();
        let sa = self.phase_1.entry(cky_i).or_insert(Phase1 { number, ..Phase1::default() });
        let mut body = message.body.to_vec();
        if message.is_encrypted {
            let (_, key) = sa.keys.as_ref().expect("keys before the first encrypted message");
            let decrypted = protect::decrypt(key, &sa.iv, &body).unwrap();
            let again = protect::encrypt(key, &sa.iv, &decrypted.body).unwrap();
            assert_eq!((again.body, &again.next_iv), (body, &decrypted.next_iv));
            body = decrypted.body;
            sa.iv = decrypted.next_iv;
            let at = sa.number * if self.algorithms.is_aggressive { 1 } else { 2 } + sa.encrypted;
            assert_eq!(sa.iv, self.secrets["next IV for MID 0"][at]);
            sa.encrypted += 1;
        }
        let (found, _) = payloads(message.first_payload, &body);
        let one = |kind| found.get(&kind).map(|bodies: &Vec<Vec<u8>>| bodies[0].clone());
        if let (true, Some(sai_b)) = (sa.sai_b.is_empty(), one(SA)) {
            sa.sai_b = sai_b;
        }
        sa.public.extend(one(KE));
        sa.nonces.extend(one(NONCE));
        sa.identities.extend(one(ID));
        if sa.keys.is_none() && sa.nonces.len() == 2 {
            sa.derive(&self.algorithms, &self.recording, &self.secrets, cky_i, cky_r);
        }
        if let Some(of_initiator) = sa.proof_is_of_initiator(&found) {
            let computed = sa.hash(alg, cky_i, cky_r, of_initiator);
            let name = if of_initiator { "HASH_I" } else { "HASH_R" };
            assert_eq!(computed, self.secrets[name][sa.number], "{name}");
            if let Some(received) = one(HASH) {
                assert!(auth::equal(&computed, &received));
            }
            self.count(name);
        }
    }

    /// The keys of the phase 1 SA that a phase 2 message belongs to, and the last block of its chain.
    fn phase_2(&self, message: &Message<'_>) -> (Skeyids, CipherKey, Vec<u8>) {
        let sa = &self.phase_1[&message.cookies.0];
        let (keys, key) = sa.keys.clone().unwrap();
        (keys, key, sa.iv.clone())
    }

    fn informational(&mut self, message: &Message<'_>) {
        let alg = self.algorithms.hash;
        let (keys, key, last_block) = self.phase_2(message);
        let iv = keymat::phase_2_iv(alg, &last_block, message.message_id, PHASE_1_CIPHER);
        assert_eq!(iv, self.logged_ivs(message.message_id)[0]);
        let plain = protect::decrypt(&key, &iv, message.body).unwrap().body;
        let (found, len) = payloads(message.first_payload, &plain);
        let covered = &plain[4 + alg.output_len()..len];
        let computed = auth::hash_informational(alg, &keys.skeyid_a, message.message_id, covered);
        assert!(auth::equal(&computed, &found[&HASH][0]));
        self.count("informational");
    }

    fn logged_ivs(&self, message_id: u32) -> &[Vec<u8>] {
        &self.secrets[&format!("next IV for MID {message_id}")]
    }

    fn quick_mode_message(&mut self, message: &Message<'_>) {
        let (alg, id) = (self.algorithms.hash, message.message_id);
        let (keys, key, last_block) = self.phase_2(message);
        let first_iv = keymat::phase_2_iv(alg, &last_block, id, PHASE_1_CIPHER);
        let mut quick = self.quick_modes.remove(&id).unwrap_or(QuickMode {
            iv: first_iv,
            nonces: Vec::new(),
            spis: Vec::new(),
            messages: 0,
        });
        assert_eq!(quick.iv, self.logged_ivs(id)[quick.messages]);
        let decrypted = protect::decrypt(&key, &quick.iv, message.body).unwrap();
        quick.iv = decrypted.next_iv;
        assert_eq!(quick.iv, self.logged_ivs(id)[quick.messages + 1]);
        let (found, len) = payloads(message.first_payload, &decrypted.body);
        let covered = &decrypted.body[4 + alg.output_len()..len];
        let (name, computed) = match quick.nonces.as_slice() {
            [] => ("Hash(1)", auth::hash_1(alg, &keys.skeyid_a, id, covered)),
            [ni_b] => ("Hash(2)", auth::hash_2(alg, &keys.skeyid_a, id, ni_b, covered)),
            [ni_b, nr_b] => ("Hash(3)", auth::hash_3(alg, &keys.skeyid_a, id, ni_b, nr_b)),
            _ => unreachable!(),
        };
        assert!(auth::equal(&computed, &found[&HASH][0]));
        let at = self.count(name);
        assert_eq!(computed, self.secrets[name][at]);
        if let (Some(nonce), Some(sa)) = (found.get(&NONCE), found.get(&SA)) {
            quick.nonces.push(nonce[0].clone());
            // DOI and situation, then the proposal: header, number, protocol, SPI length, transforms, SPI.
            assert_eq!((sa[0][8 + 5], sa[0][8 + 6]), (ESP_PROTOCOL, 4));
            quick.spis.push(sa[0][16..20].try_into().unwrap());
            if self.algorithms.is_pfs {
                assert_eq!(found[&KE][0].len(), Group::Modp1024.byte_len());
            }
        }
        quick.messages += 1;
        if quick.nonces.len() == 2 && quick.messages == 2 {
            self.install(&quick, &keys);
        }
        self.quick_modes.insert(id, quick);
    }

    /// Computes both SAs of a quick mode, and finds them among the logged keys.
    fn install(&mut self, quick: &QuickMode, keys: &Skeyids) {
        let (alg, suite) = (self.algorithms.hash, self.algorithms.esp);
        let at = self.count("quick mode");
        let logged =
            |secrets: &Secrets, kind: &str, side: &str| secrets[&format!("{kind} {side} key")][at].clone();
        // The SA that the initiator sends on has the SPI that the responder chose.
        for (side, spi) in [("initiator", quick.spis[1]), ("responder", quick.spis[0])] {
            let seed = &self.secrets[&format!("{side} SA seed")][at];
            let tail = [&[ESP_PROTOCOL], &spi[..], &quick.nonces[0], &quick.nonces[1]].concat();
            let g_qm_xy =
                seed.strip_suffix(tail.as_slice()).expect("the seed ends in protocol, SPI and nonces");
            let g_qm_xy = Some(g_qm_xy).filter(|_| self.algorithms.is_pfs);
            let keymat = keymat::keymat(
                alg,
                &keys.skeyid_d,
                g_qm_xy,
                ESP_PROTOCOL,
                spi,
                &quick.nonces[0],
                &quick.nonces[1],
                suite.keymat_len(),
            );
            let sa = SaKeys::split(suite, &keymat).unwrap();
            assert_eq!(*sa.encryption, *logged(&self.secrets, "encryption", side));
            assert_eq!(*sa.integrity, *logged(&self.secrets, "integrity", side));
            self.sas.insert(spi, sa);
        }
    }

    /// An ESP packet is opened and sealed again, first step by step with the ciphers, then as a whole.
    fn esp_packet(&mut self, packet: &[u8], source: Ipv4Addr, destination: Ipv4Addr) {
        let suite = self.algorithms.esp;
        let sa = &self.sas[&packet[..4]];
        let inner = open_by_hand(suite, sa, packet);
        let spi = u32::from_be_bytes(packet[..4].try_into().unwrap());
        let esp = Esp::new(spi, suite.cipher(), &sa.encryption, suite.mac(), &sa.integrity).unwrap();
        let mut datagram = Packet::from_slice(0, &ipv4(source, destination, packet));
        let opened = esp.open(&mut datagram).unwrap();
        assert_eq!((opened.next_header, &datagram.bytes()[20..]), (4, inner.as_slice()));
        let iv = &packet[8..8 + suite.cipher().iv_len()];
        esp.seal(&mut datagram, u64::from(opened.sequence), iv).unwrap();
        assert_eq!(&datagram.bytes()[20..], packet);
        let mut forged = ipv4(source, destination, packet);
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(esp.open(&mut Packet::from_slice(0, &forged)), Err(OpenError::Integrity));
        self.count("ESP packet");
    }

    /// Nothing was skipped: every logged value has been reproduced.
    fn finish(self) {
        for name in ["HASH_I", "HASH_R", "Hash(1)", "Hash(2)", "Hash(3)"] {
            assert_eq!(self.counts[name], self.secrets[name].len(), "{name}");
        }
        assert_eq!(self.counts["quick mode"], self.secrets["initiator SA seed"].len());
        assert_eq!(self.counts["ESP packet"], 16);
        let chains = self.secrets.keys().filter(|name| name.starts_with("next IV for MID")).count();
        assert_eq!(1 + self.counts["quick mode"] + self.counts["informational"], chains);
    }
}

impl Phase1 {
    fn derive(
        &mut self,
        with: &Algorithms,
        recording: &Recording,
        secrets: &Secrets,
        cky_i: [u8; 8],
        cky_r: [u8; 8],
    ) {
        let (alg, logged) = (with.hash, |name: &str| secrets[name][self.number].as_slice());
        let g_xy = logged("shared Diffie Hellman secret");
        assert_eq!((g_xy.len(), self.public[1].len()), (with.group.byte_len(), with.group.byte_len()));
        let skeyid = match recording.pre_shared_key {
            Some(key) => keymat::skeyid_psk(alg, key.as_bytes(), &self.nonces[0], &self.nonces[1]),
            None => keymat::skeyid_signature(alg, &self.nonces[0], &self.nonces[1], g_xy),
        };
        let keys = Skeyids::derive(alg, skeyid, g_xy, &cky_i, &cky_r);
        assert_eq!(*keys.skeyid, *logged("SKEYID"));
        assert_eq!(*keys.skeyid_d, *logged("SKEYID_d"));
        assert_eq!(*keys.skeyid_a, *logged("SKEYID_a"));
        assert_eq!(*keys.skeyid_e, *logged("SKEYID_e"));
        let key = keymat::cipher_key(alg, &keys.skeyid_e, PHASE_1_CIPHER);
        assert_eq!(*key, *logged("encryption key Ka"));
        let iv = keymat::phase_1_iv(alg, &self.public[0], &self.public[1], PHASE_1_CIPHER);
        assert_eq!(iv, logged("initial IV"));
        self.keys = Some((keys, CipherKey::new(PHASE_1_CIPHER, &key).unwrap()));
        self.iv = iv;
    }

    /// Whether this message carries the initiator's proof or the responder's, if one: a HASH payload, or a
    /// signature over the hash. The initiator's is the first encrypted message in main mode (5) and in
    /// aggressive mode (3) alike.
    fn proof_is_of_initiator(&self, found: &BTreeMap<u8, Vec<Vec<u8>>>) -> Option<bool> {
        (found.contains_key(&HASH) || found.contains_key(&SIG)).then_some(self.encrypted == 1)
    }

    fn hash(&self, alg: HashAlg, cky_i: [u8; 8], cky_r: [u8; 8], of_initiator: bool) -> Vec<u8> {
        let [g_xi, g_xr] = self.public.as_slice() else { panic!("two public values") };
        let covered = auth::Phase1 { g_xi, g_xr, cky_i: &cky_i, cky_r: &cky_r, sai_b: &self.sai_b };
        let (keys, _) = self.keys.as_ref().unwrap();
        match of_initiator {
            true => covered.hash_i(alg, &keys.skeyid, &self.identities[0]),
            false => covered.hash_r(alg, &keys.skeyid, &self.identities[1]),
        }
    }
}

/// SPI, sequence number, IV, ciphertext, ICV (RFC 4303 section 2): verified, decrypted, and sealed again. Returns
/// the packet inside.
fn open_by_hand(suite: Suite, sa: &SaKeys, packet: &[u8]) -> Vec<u8> {
    let mac = MacKey::new(suite.mac().unwrap(), &sa.integrity).unwrap();
    let key = CipherKey::new(suite.cipher(), &sa.encryption).unwrap();
    let (covered, icv) = packet.split_at(packet.len() - suite.icv_len());
    assert!(mac.verify(&[covered], icv));
    let (header, ciphertext) = covered.split_at(8 + suite.cipher().iv_len());
    let mut data = ciphertext.to_vec();
    key.decrypt_cbc_in_place(&header[8..], &mut data).unwrap();
    let [.., pad_len, next_header] = data[..] else { panic!("too short") };
    let (inner, padding) = data[..data.len() - 2].split_at(data.len() - 2 - usize::from(pad_len));
    assert!(padding.iter().copied().eq(1..=pad_len));
    assert_eq!((next_header, inner[0], inner[9]), (4, 0x45, 1), "an ICMP packet in a tunnel");
    assert_eq!(usize::from(u16::from_be_bytes([inner[2], inner[3]])), inner.len());
    let inner = inner.to_vec();
    key.encrypt_cbc_in_place(&header[8..], &mut data).unwrap();
    assert_eq!([header, &data, &mac.compute(&[header, &data])].concat(), packet);
    inner
}

/// An ESP packet taken out of its UDP datagram, behind an IPv4 header of its own.
fn ipv4(source: Ipv4Addr, destination: Ipv4Addr, esp: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(20 + esp.len()).unwrap().to_be_bytes();
    let mut header = vec![0x45, 0, high, low, 0, 0, 0, 0, 64, 50, 0, 0];
    header.extend([source.octets(), destination.octets()].concat());
    let checksum = internet_checksum::checksum(&header);
    header[10..12].copy_from_slice(&checksum);
    [&header, esp].concat()
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
