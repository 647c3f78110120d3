//! A recording, message by message.

use super::esp::{EspSa, EspSuite};
use super::log::{Log, SHARED};
use super::message::{
    FRAGMENT, HASH, ID, KE, Message, NONCE, Payloads, Phase1Algorithms, Proposal, SA, SIG, payloads,
    proposals,
};
use ipsec_core::crypto::{CipherKey, Secret};
use ipsec_core::ike::v1::keymat::{self, Skeyids};
use ipsec_core::ike::v1::{auth, protect};
use ipsec_vectors::recorded::{IpPacket, Recording};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

const ESP_PROTOCOL: u8 = 3;
const IP_PROTOCOL_ESP: u8 = 50;
const MAIN_MODE: u8 = 2;
const AGGRESSIVE: u8 = 4;
const INFORMATIONAL: u8 = 5;
const TRANSACTION: u8 = 6;
const QUICK_MODE: u8 = 32;

/// Initiator's and responder's.
type Cookies = ([u8; 8], [u8; 8]);
/// Of one message, by number: whether it is the last, and its data.
type Fragments = BTreeMap<u8, (bool, Vec<u8>)>;

/// What a replay found.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// What was negotiated, each combination once.
    pub(super) algorithms: Vec<String>,
    /// How many of what were reproduced.
    pub(super) counts: BTreeMap<&'static str, usize>,
    /// What could not be judged, and what was logged of which nothing was seen.
    pub(super) notes: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "        {}", self.algorithms.join("; "))?;
        let counts: Vec<String> = self.counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
        writeln!(f, "        {}", counts.join(", "))?;
        self.notes.iter().try_for_each(|note| writeln!(f, "        note: {note}"))
    }
}

/// Phase 1 as far as it has come.
#[derive(Default)]
struct Phase1 {
    sai_b: Vec<u8>,
    algorithms: Option<Phase1Algorithms>,
    public: Vec<Vec<u8>>,
    nonces: Vec<Vec<u8>>,
    identities: Vec<Vec<u8>>,
    keys: Option<(Skeyids, CipherKey)>,
    iv: Vec<u8>,
    proofs: usize,
}

/// One exchange of phase 2 as far as it has come.
#[derive(Default)]
struct Phase2 {
    iv: Vec<u8>,
    nonces: Vec<Vec<u8>>,
    offered: Vec<Proposal>,
    messages: usize,
}

pub(super) struct Replay {
    recording: Recording,
    log: Log,
    seen: BTreeSet<Vec<u8>>,
    fragments: BTreeMap<(Cookies, u16), Fragments>,
    phase_1: BTreeMap<[u8; 8], Phase1>,
    phase_2: BTreeMap<([u8; 8], u32), Phase2>,
    sas: BTreeMap<[u8; 4], Option<EspSa>>,
    report: Report,
}

impl Replay {
    pub(super) fn run(recording: Recording) -> Report {
        Replay::over(recording, &recording.packets())
    }

    /// Replays these packets against what a recording has logged.
    pub(super) fn over(recording: Recording, packets: &[IpPacket]) -> Report {
        let mut replay = Replay {
            recording,
            log: Log::new(&recording),
            seen: BTreeSet::new(),
            fragments: BTreeMap::new(),
            phase_1: BTreeMap::new(),
            phase_2: BTreeMap::new(),
            sas: BTreeMap::new(),
            report: Report::default(),
        };
        for packet in packets {
            replay.packet(packet);
        }
        let left_over = replay.log.left_over();
        replay.report.notes.extend(left_over);
        replay.report
    }

    fn packet(&mut self, packet: &IpPacket) {
        if packet.protocol == IP_PROTOCOL_ESP {
            return self.esp_packet(&packet.payload, packet.source, packet.destination);
        }
        let Some(datagram) = packet.datagram() else { return };
        let encapsulates = datagram.source.1 == 4500 || datagram.destination.1 == 4500;
        match (encapsulates, datagram.payload.as_slice()) {
            (true, [0xff]) => {}
            (true, [0, 0, 0, 0, message @ ..]) => self.message(message),
            (false, message) if [datagram.source.1, datagram.destination.1].contains(&500) => {
                self.message(message);
            }
            (true, esp) => self.esp_packet(esp, packet.source, packet.destination),
            (false, _) => {}
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.report.counts.entry(what).or_default() += 1;
    }

    fn note(&mut self, note: String) {
        if !self.report.notes.contains(&note) {
            self.report.notes.push(note);
        }
    }

    fn negotiated(&mut self, algorithms: String) {
        if !self.report.algorithms.contains(&algorithms) {
            self.report.algorithms.push(algorithms);
        }
    }

    fn message(&mut self, bytes: &[u8]) {
        if !self.seen.insert(bytes.to_vec()) {
            return self.count("retransmission");
        }
        let message = Message::cut(bytes);
        if message.first_payload == FRAGMENT && !message.is_encrypted {
            return self.fragment(&message);
        }
        match (message.exchange, message.is_encrypted) {
            (MAIN_MODE | AGGRESSIVE, _) => self.phase_1_message(&message),
            (INFORMATIONAL, false) => self.count("notification in clear"),
            (INFORMATIONAL | TRANSACTION, true) => self.informational(&message),
            (QUICK_MODE, true) => self.quick_mode_message(&message),
            other => panic!("exchange type {other:?}"),
        }
    }

    /// Puts a fragmented message together (MS-IKEE section 3.3).
    fn fragment(&mut self, message: &Message<'_>) {
        let (found, _) = payloads(message.first_payload, message.body);
        let [high, low, number, flags, data @ ..] = found[&FRAGMENT][0].as_slice() else {
            panic!("too short")
        };
        let key = (message.cookies, u16::from_be_bytes([*high, *low]));
        let pieces = self.fragments.entry(key).or_default();
        pieces.insert(*number, (flags & 1 != 0, data.to_vec()));
        let last = pieces.iter().find(|(_, (last, _))| *last).map(|(number, _)| usize::from(*number));
        if last == Some(pieces.len()) {
            let whole: Vec<u8> = pieces.values().flat_map(|(_, data)| data.clone()).collect();
            self.fragments.remove(&key);
            self.count("fragmented message");
            self.message(&whole);
        }
    }

    fn phase_1_message(&mut self, message: &Message<'_>) {
        let cookies = message.cookies;
        let mut sa = self.phase_1.remove(&cookies.0).unwrap_or_default();
        let mut body = message.body.to_vec();
        if message.is_encrypted {
            let (_, key) = sa.keys.as_ref().expect("keys before the first encrypted message");
            body = decrypt(key, &mut sa.iv, &body);
            self.log.expect("next IV for MID 0", &sa.iv);
        }
        let (found, _) = payloads(message.first_payload, &body);
        let one = |kind| found.get(&kind).map(|bodies: &Vec<Vec<u8>>| bodies[0].clone());
        match one(SA) {
            Some(sai_b) if cookies.1 == [0; 8] => sa.sai_b = sai_b,
            Some(chosen) => {
                let algorithms = Phase1Algorithms::read(&chosen);
                sa.algorithms = Some(algorithms);
                let mode = if message.exchange == AGGRESSIVE { "aggressive" } else { "main" };
                let method = if algorithms.is_psk { "PSK" } else { "signatures" };
                let Phase1Algorithms { cipher, hash, group, .. } = algorithms;
                self.negotiated(format!("{mode} mode {method} {cipher} {hash} group {group}"));
            }
            None => {}
        }
        sa.public.extend(one(KE));
        sa.nonces.extend(one(NONCE));
        sa.identities.extend(one(ID));
        if sa.keys.is_none() && sa.nonces.len() == 2 {
            self.derive(&mut sa, cookies);
        }
        if found.contains_key(&HASH) || found.contains_key(&SIG) {
            self.proof(&mut sa, cookies, message.exchange == AGGRESSIVE, one(HASH));
        }
        self.phase_1.insert(cookies.0, sa);
    }

    /// A message with a HASH or a signature: the initiator's comes first in main mode, second in aggressive mode.
    fn proof(
        &mut self,
        sa: &mut Phase1,
        (cky_i, cky_r): Cookies,
        aggressive: bool,
        received: Option<Vec<u8>>,
    ) {
        let alg = sa.algorithms().hash;
        let [g_xi, g_xr] = sa.public.as_slice() else { panic!("two public values") };
        let covered = auth::Phase1 { g_xi, g_xr, cky_i: &cky_i, cky_r: &cky_r, sai_b: &sa.sai_b };
        let (keys, _) = sa.keys.as_ref().expect("keys before a proof");
        let of_initiator = (sa.proofs == 0) != aggressive;
        let (name, computed) = match of_initiator {
            true => ("HASH_I", covered.hash_i(alg, &keys.skeyid, &sa.identities[0])),
            false => ("HASH_R", covered.hash_r(alg, &keys.skeyid, &sa.identities[1])),
        };
        self.log.expect(name, &computed);
        if let Some(received) = received {
            assert!(auth::equal(&computed, &received), "{name} in the message");
        }
        sa.proofs += 1;
        self.count(name);
    }

    /// Of the shared secrets that were logged, the one of this phase 1 gives the SKEYIDs that were logged.
    fn derive(&mut self, sa: &mut Phase1, (cky_i, cky_r): Cookies) {
        let Phase1Algorithms { hash: alg, cipher, is_psk, group } = sa.algorithms();
        let [ni_b, nr_b] = sa.nonces.as_slice() else { panic!("two nonces") };
        assert_eq!(sa.public[0].len(), sa.public[1].len());
        if let Some(len) = group_len(group) {
            assert_eq!(sa.public[0].len(), len, "public values have the length of group {group}");
        }
        let logged = self.log.all("SKEYID_d");
        let skeyids = |g_xy: &[u8]| -> Vec<Secret> {
            match (is_psk, self.recording.pre_shared_key) {
                (false, _) => vec![keymat::skeyid_signature(alg, ni_b, nr_b, g_xy)],
                (true, Some(key)) => vec![keymat::skeyid_psk(alg, key.as_bytes(), ni_b, nr_b)],
                (true, None) => self.log.all("SKEYID").into_iter().map(Secret::from).collect(),
            }
        };
        let derived = self.log.all(SHARED).into_iter().flat_map(|g_xy| {
            let derive = move |skeyid| (g_xy, Skeyids::derive(alg, skeyid, g_xy, &cky_i, &cky_r));
            skeyids(g_xy).into_iter().map(derive)
        });
        let found = derived.into_iter().find(|(_, keys)| logged.contains(&*keys.skeyid_d));
        let (g_xy, keys) = found.expect("SKEYID: none that was logged follows from a logged shared secret");
        if group_len(group).is_some() {
            assert_eq!(g_xy.len(), sa.public[0].len(), "g^xy keeps its full length");
        }
        if is_psk && self.recording.pre_shared_key.is_none() {
            self.note("the pre-shared key is not known: SKEYID is taken from the log".into());
        }
        for (name, value) in [
            ("SKEYID", &keys.skeyid),
            ("SKEYID_d", &keys.skeyid_d),
            ("SKEYID_a", &keys.skeyid_a),
            ("SKEYID_e", &keys.skeyid_e),
        ] {
            self.log.expect(name, value);
        }
        let key = keymat::cipher_key(alg, &keys.skeyid_e, cipher);
        self.log.expect("encryption key Ka", &key);
        sa.iv = keymat::phase_1_iv(alg, &sa.public[0], &sa.public[1], cipher);
        self.log.expect("initial IV", &sa.iv);
        sa.keys = Some((keys, CipherKey::new(cipher, &key).expect("no weak key")));
        self.count("phase 1");
    }

    /// A message of phase 2, decrypted: its payloads, and what a HASH in front of them covers.
    fn open(&mut self, message: &Message<'_>, exchange: &mut Phase2) -> (Payloads, Vec<u8>) {
        let sa = &self.phase_1[&message.cookies.0];
        let (_, key) = sa.keys.as_ref().expect("keys before phase 2");
        let name = format!("next IV for MID {}", message.message_id);
        if exchange.messages == 0 {
            let Phase1Algorithms { hash, cipher, .. } = sa.algorithms();
            exchange.iv = keymat::phase_2_iv(hash, &sa.iv, message.message_id, cipher);
            self.log.expect(&name, &exchange.iv);
        }
        let plain = decrypt(key, &mut exchange.iv, message.body);
        // Nothing follows an informational message, so its last IV is not always logged.
        assert!(self.log.met(&name, &exchange.iv) || message.exchange == INFORMATIONAL, "{name}");
        exchange.messages += 1;
        let (found, len) = payloads(message.first_payload, &plain);
        let covered = plain[4 + sa.algorithms().hash.output_len()..len].to_vec();
        (found, covered)
    }

    /// Notifications and deletes; with XAUTH and mode-config, transactions, whose HASH is the same.
    fn informational(&mut self, message: &Message<'_>) {
        let key = (message.cookies.0, message.message_id);
        let mut exchange = self.phase_2.remove(&key).unwrap_or_default();
        let (found, covered) = self.open(message, &mut exchange);
        let sa = &self.phase_1[&message.cookies.0];
        let computed = auth::hash_informational(
            sa.algorithms().hash,
            &sa.skeyids().skeyid_a,
            message.message_id,
            &covered,
        );
        assert!(auth::equal(&computed, &found[&HASH][0]), "HASH(1) of an informational exchange");
        self.phase_2.insert(key, exchange);
        self.count("informational");
    }

    fn quick_mode_message(&mut self, message: &Message<'_>) {
        let (cky_i, id) = (message.cookies.0, message.message_id);
        let mut quick = self.phase_2.remove(&(cky_i, id)).unwrap_or_default();
        let (found, covered) = self.open(message, &mut quick);
        let sa = &self.phase_1[&cky_i];
        let (alg, skeyid_a) = (sa.algorithms().hash, &sa.skeyids().skeyid_a);
        let (name, computed) = match (quick.messages, quick.nonces.as_slice()) {
            (1, []) => ("Hash(1)", auth::hash_1(alg, skeyid_a, id, &covered)),
            (2, [ni_b]) => ("Hash(2)", auth::hash_2(alg, skeyid_a, id, ni_b, &covered)),
            (3, [ni_b, nr_b]) => ("Hash(3)", auth::hash_3(alg, skeyid_a, id, ni_b, nr_b)),
            // After the commit bit: CONNECTED, with the HASH of an informational exchange.
            _ => ("Hash(4)", auth::hash_informational(alg, skeyid_a, id, &covered)),
        };
        assert!(auth::equal(&computed, &found[&HASH][0]), "{name} in the message");
        if name != "Hash(4)" {
            self.log.expect(name, &computed);
        }
        self.count(name);
        if let (Some(nonce), Some(sa)) = (found.get(&NONCE), found.get(&SA)) {
            quick.nonces.push(nonce[0].clone());
            let proposals = proposals(&sa[0]);
            if quick.nonces.len() == 2 {
                self.install(&quick, &proposals, found.get(&KE).map(|ke| ke[0].len()), cky_i);
            } else {
                quick.offered = proposals;
            }
        }
        self.phase_2.insert((cky_i, id), quick);
    }

    /// Computes both SAs of each chosen ESP proposal, and finds their keys among the logged ones.
    fn install(&mut self, quick: &Phase2, chosen: &[Proposal], ke_len: Option<usize>, cky_i: [u8; 8]) {
        for chosen in chosen {
            if chosen.protocol != ESP_PROTOCOL {
                self.note(format!("IPsec protocol {} is not replayed", chosen.protocol));
                continue;
            }
            let same = |p: &&Proposal| (p.number, p.protocol) == (chosen.number, chosen.protocol);
            let offered = quick.offered.iter().find(same).expect("what was chosen was offered");
            let suite = EspSuite::read(chosen);
            let (id, auth) = (chosen.transform_id, chosen.attributes.get(&5));
            match suite {
                Some(suite) => {
                    let pfs = ke_len.map(|len| format!(" PFS in {} bits", len * 8)).unwrap_or_default();
                    self.negotiated(format!("{suite}{pfs}"));
                }
                None => self.note(format!("ESP transform {id} with authentication {auth:?} is not replayed")),
            }
            // The SA that the initiator sends on has the SPI that the responder chose.
            for (side, spi) in [("initiator", &chosen.spi), ("responder", &offered.spi)] {
                let spi: [u8; 4] = spi.as_slice().try_into().expect("an SPI of four octets");
                let sa = suite.map(|suite| self.esp_sa(quick, side, spi, suite, ke_len, cky_i));
                self.sas.insert(spi, sa);
            }
        }
        self.count("quick mode");
    }

    fn esp_sa(
        &mut self,
        quick: &Phase2,
        side: &str,
        spi: [u8; 4],
        suite: EspSuite,
        ke_len: Option<usize>,
        cky_i: [u8; 8],
    ) -> EspSa {
        let [ni_b, nr_b] = quick.nonces.as_slice() else { panic!("two nonces") };
        let tail = [&[ESP_PROTOCOL], &spi[..], ni_b, nr_b].concat();
        let seeds = self.log.all(&format!("{side} SA seed"));
        let g_qm_xy = seeds.iter().find_map(|seed| seed.strip_suffix(tail.as_slice()));
        let g_qm_xy = g_qm_xy.expect("a seed that ends in protocol, SPI and nonces").to_vec();
        assert_eq!(!g_qm_xy.is_empty(), ke_len.is_some(), "a shared secret with PFS, and only then");
        let g_qm_xy = Some(g_qm_xy.as_slice()).filter(|secret| !secret.is_empty());
        let sa = &self.phase_1[&cky_i];
        let (encryption_len, len) = (suite.encryption_len(), suite.encryption_len() + suite.integrity_len());
        let (alg, skeyid_d) = (sa.algorithms().hash, &sa.skeyids().skeyid_d);
        let keymat = keymat::keymat(alg, skeyid_d, g_qm_xy, ESP_PROTOCOL, spi, ni_b, nr_b, len);
        let (encryption, integrity) = keymat.split_at(encryption_len);
        for (kind, key) in [("encryption", encryption), ("integrity", integrity)] {
            if !key.is_empty() {
                self.log.expect(&format!("{kind} {side} key"), key);
            }
        }
        EspSa { suite, encryption: encryption.into(), integrity: integrity.into() }
    }

    fn esp_packet(&mut self, packet: &[u8], source: Ipv4Addr, destination: Ipv4Addr) {
        match packet.get(..4).and_then(|spi| self.sas.get(spi)) {
            Some(Some(sa)) => {
                sa.replay(packet, source, destination);
                self.count("ESP packet");
            }
            Some(None) => self.count("ESP packet of a suite that is not replayed"),
            None => self.note("ESP packets of SAs whose quick mode the capture does not show".into()),
        }
    }
}

impl Phase1 {
    fn algorithms(&self) -> Phase1Algorithms {
        self.algorithms.expect("the responder has chosen")
    }

    fn skeyids(&self) -> &Skeyids {
        &self.keys.as_ref().expect("keys").0
    }
}

/// Decrypts, encrypts again to compare, and moves the IV on.
fn decrypt(key: &CipherKey, iv: &mut Vec<u8>, body: &[u8]) -> Vec<u8> {
    let decrypted = protect::decrypt(key, iv, body).unwrap();
    let again = protect::encrypt(key, iv, &decrypted.body).unwrap();
    assert_eq!((again.body.as_slice(), &again.next_iv), (body, &decrypted.next_iv));
    *iv = decrypted.next_iv;
    decrypted.body
}

/// Octets of a public value in a MODP group (RFC 2409 section 6, RFC 3526).
fn group_len(group: u64) -> Option<usize> {
    let bits = match group {
        1 => 768,
        2 => 1_024,
        5 => 1_536,
        14 => 2_048,
        15 => 3_072,
        16 => 4_096,
        17 => 6_144,
        18 => 8_192,
        _ => return None,
    };
    Some(bits / 8)
}
