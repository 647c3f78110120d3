//! RFC 2407 to 2409: main mode, as it leaves the node and as a liar sends it.

use super::node::*;
use super::probe::*;
use ipsec_core::Event;
use ipsec_core::crypto::{Cipher, Group, HashAlg};
use ipsec_core::pad::MainModeProposal;
use ipsec_core::wire::ikev1::*;
use ipsec_core::wire::isakmp::{
    Cookie, ExchangeType, Flags, Payload, PayloadType, Version, decode_raw_chain, split,
};
use std::collections::BTreeSet;

fn types(payloads: &[Payload]) -> Vec<PayloadType> {
    let vendor = |t: &PayloadType| *t != PayloadType::VENDOR_ID;
    payloads.iter().map(Payload::payload_type).filter(vendor).collect()
}

fn is_established(probe: &Probe) -> bool {
    probe.node.events.iter().any(|event| matches!(event, Event::MainModeEstablished(_)))
}

/// The header's fields that do not depend on the exchange (RFC 2408 section 3.1), and clear payloads' reserved octets.
fn judge(datagram: &[u8], cookies: (Cookie, Cookie), encrypted: bool) {
    let (header, body) = split(datagram).unwrap();
    assert_eq!((header.cky_i, header.cky_r), cookies);
    assert_eq!((header.version, header.exchange_type, header.message_id), (Version::V1, MAIN, 0));
    assert_eq!(header.flags, if encrypted { Flags::ENCRYPTION } else { Flags::NONE });
    assert_eq!(header.length as usize, datagram.len());
    if encrypted {
        assert_eq!(body.len() % 8, 0);
    } else {
        // The chain tiles the message and ends with 0.
        let (chain, consumed) = decode_raw_chain(header.next_payload, body).unwrap();
        assert_eq!(consumed, body.len());
        assert!(chain.iter().all(|payload| payload.reserved == 0 && !payload.next.is_private()));
    }
}

/// RFC 2409 section 5: what the initiator sends, message by message.
#[test]
fn what_an_initiator_sends() {
    let (mut probe, first) = Probe::responder(&Setup::tunnel(1));
    judge(&first, (probe.cky_i, Cookie::ZERO), false);
    assert!(!probe.cky_i.is_zero());
    let offer = message(&first);
    assert_eq!(types(&offer.payloads), [PayloadType::SA]);
    // Generic header, DOI 1, situation 1; proposal 1, ISAKMP, no SPI, one transform; transform 1, KEY_IKE, RESERVED2.
    let sa = &first[28..];
    assert_eq!(sa[4..12], [0, 0, 0, 1, 0, 0, 0, 1]);
    assert_eq!(sa[12..14], [0, 0]);
    assert_eq!(sa[16..20], [1, 1, 0, 1]);
    assert_eq!((&sa[20..22], &sa[24..28]), (&[0, 0][..], &[1, 1, 0, 0][..]));
    assert_eq!(usize::from(u16::from_be_bytes([sa[14], sa[15]])) + 12, usize::from(sa[3]));
    assert_eq!(usize::from(u16::from_be_bytes([sa[22], sa[23]])) + 20, usize::from(sa[3]));

    let third = probe.ask(&probe.second(&first));
    let cookies = (probe.cky_i, probe.cky_r);
    judge(&third, cookies, false);
    let payloads = message(&third).payloads;
    let [Payload::KeyExchange(ke), Payload::Nonce(nonce)] = payloads.as_slice() else { panic!() };
    assert_eq!(ke.data.len(), Group::Modp768.byte_len());
    assert!((8..=256).contains(&nonce.data.len()));

    probe.read_key_exchange(&third);
    let fifth = probe.ask(&probe.clear(probe.key_exchange()));
    judge(&fifth, cookies, true);
    // HASH_I by its formula, encrypted with the key and IV by theirs; nothing of it in clear.
    let (chain, block) = probe.decrypt(&probe.block, &fifth);
    assert_eq!(types(chain.payloads())[..2], [PayloadType::IDENTIFICATION, PayloadType::HASH]);
    let id = chain.identification().unwrap();
    assert_eq!((id.to_address(), id.protocol, id.port), (Some(outer(1)), 0, 0));
    assert_eq!(chain.body(1), probe.phase_1_hash(true, chain.body(0)));
    assert!(!fifth.windows(8).any(|window| chain.bytes().windows(8).any(|plain| plain == window)));
    assert!(!first.windows(PSK.len()).chain(third.windows(PSK.len())).any(|window| window == PSK));

    probe.block = block;
    let (sixth, block) = probe.authentication(&probe.proof(Identification::address(outer(2))));
    probe.block = block;
    // INITIAL-CONTACT, then the quick mode: both encrypted, under the same cookies in the same order.
    for datagram in probe.tell(&sixth) {
        let header = split(&datagram).unwrap().0;
        assert_eq!((header.cky_i, header.cky_r, header.flags), (cookies.0, cookies.1, Flags::ENCRYPTION));
        assert_ne!(header.message_id, 0);
    }
    assert!(is_established(&probe));
}

/// And what the responder sends.
#[test]
fn what_a_responder_sends() {
    let mut probe = Probe::new(&Setup::tunnel(1));
    let offer = Payload::Sa(probe.offer());
    probe.sai_b = offer.to_body();
    let second = probe.ask(&probe.clear(vec![offer.clone()]));
    probe.cky_r = message(&second).header.cky_r;
    assert!(!probe.cky_r.is_zero());
    let cookies = (probe.cky_i, probe.cky_r);
    judge(&second, cookies, false);
    assert_eq!(message(&second).payloads[0], offer);
    let fourth = probe.ask(&probe.clear(probe.key_exchange()));
    judge(&fourth, cookies, false);
    assert_eq!(types(&message(&fourth).payloads), [PayloadType::KEY_EXCHANGE, PayloadType::NONCE]);
    probe.read_key_exchange(&fourth);
    let (fifth, block) = probe.authentication(&probe.proof(Identification::address(outer(2))));
    let sixth = probe.tell(&fifth).remove(0);
    judge(&sixth, cookies, true);
    let (chain, _) = probe.decrypt(&block, &sixth);
    assert_eq!(types(chain.payloads())[..2], [PayloadType::IDENTIFICATION, PayloadType::HASH]);
    assert_eq!(chain.body(1), probe.phase_1_hash(false, chain.body(0)));
    // A seventh message moves nothing.
    let events = probe.node.events.len();
    probe.ni_b = vec![0x99; 16];
    assert!(probe.tell(&probe.clear(probe.key_exchange())).is_empty());
    assert!(probe.node.events[events..].iter().all(|event| matches!(event, Event::IkeIgnored { .. })));
}

/// RFC 2409 section 5 and appendix B: each cipher, hash and group, with keys, IVs and hashes computed apart from the
/// state machine.
#[test]
fn each_algorithm_of_phase_1() {
    let ciphers = [Cipher::Des, Cipher::TripleDes, Cipher::Aes128, Cipher::Aes192, Cipher::Aes256];
    let hashes = [HashAlg::Md5, HashAlg::Sha1, HashAlg::Sha256];
    let all = ciphers
        .into_iter()
        .flat_map(|cipher| hashes.map(|hash| MainModeProposal { cipher, hash, group: Group::Modp768 }));
    let groups = [Group::Modp1024, Group::Modp1536, Group::Modp2048];
    let groups = groups.map(|group| MainModeProposal { cipher: Cipher::Des, hash: HashAlg::Md5, group });
    for proposal in all.chain(groups) {
        let setup = Setup { proposals: vec![proposal], ..Setup::tunnel(1) };
        assert!(is_established(&Probe::established(&setup)), "{proposal:?}");
    }
}

/// The node as responder says nothing more, and makes no SA.
fn fails(mut probe: Probe, fifth: &[u8]) {
    assert_eq!(probe.tell(fifth), Vec::<Vec<u8>>::new());
    assert!(!is_established(&probe));
    assert!(probe.node.ipsec.status().pairs().next().is_none());
}

fn keys_exchanged() -> Probe {
    let mut probe = Probe::new(&Setup::tunnel(1));
    probe.exchange_keys();
    probe
}

/// RFC 2409 section 5.4: nobody is authenticated by another key, another hash, or the other side's.
#[test]
fn authentication_that_does_not_fit() {
    let id = || Identification::address(outer(2));
    let mut probe = Probe::new(&Setup::tunnel(1));
    probe.psk = b"Secret".to_vec();
    probe.exchange_keys();
    let fifth = probe.authentication(&probe.proof(id())).0;
    fails(probe, &fifth);

    // A bit of HASH_I; a hash too short, too long, and missing.
    let alter: [fn(&mut Vec<u8>); 4] = [|h| h[0] ^= 1, |h| h[19] ^= 0x80, |h| h.truncate(19), |h| h.push(0)];
    for alter in alter {
        let probe = keys_exchanged();
        let mut proof = probe.proof(id());
        let Payload::Hash(hash) = &mut proof[1] else { panic!() };
        alter(&mut hash.data);
        let fifth = probe.authentication(&proof).0;
        fails(probe, &fifth);
    }
    let probe = keys_exchanged();
    let fifth = probe.authentication(&probe.proof(id())[..1]).0;
    fails(probe, &fifth);
    // HASH_R in the place of HASH_I.
    let probe = keys_exchanged();
    let data = probe.phase_1_hash(false, &Payload::Identification(id()).to_body());
    let fifth = probe.authentication(&[Payload::Identification(id()), Payload::Hash(Hash { data })]).0;
    fails(probe, &fifth);
    // The port of the identity is covered too; so is each octet of the offer, and both public values and cookies.
    let probe = keys_exchanged();
    let mut proof = probe.proof(id());
    proof[0] = Payload::Identification(id().with_protocol(17, 500));
    let fifth = probe.authentication(&proof).0;
    fails(probe, &fifth);
    let alter: [fn(&mut Probe); 4] = [
        |p| *p.sai_b.last_mut().unwrap() ^= 1,
        |p| p.g_xi[0] ^= 1,
        |p| p.g_xr[0] ^= 1,
        |p| p.cky_r.0[7] ^= 1,
    ];
    for alter in alter {
        let mut probe = keys_exchanged();
        let header = probe.header(MAIN, 0);
        alter(&mut probe);
        let proof = probe.proof(id());
        let fifth = probe.encrypt(header, &probe.block, &proof).0;
        fails(probe, &fifth);
    }
}

/// The same as the initiator sees it.
#[test]
fn a_responder_that_does_not_authenticate() {
    for wrong in 0..3 {
        let (mut probe, first) = Probe::responder(&Setup::tunnel(1));
        let third = probe.ask(&probe.second(&first));
        if wrong == 0 {
            probe.psk = b"Secret".to_vec();
        }
        probe.read_key_exchange(&third);
        let fifth = probe.ask(&probe.clear(probe.key_exchange()));
        let (_, block) = probe.decrypt_any(&fifth);
        probe.block = block;
        let id = Payload::Identification(Identification::address(outer(2)));
        // HASH_I in the place of HASH_R, over our identity; or a bit of HASH_R.
        let mut data = probe.phase_1_hash(wrong == 1, &id.to_body());
        if wrong == 2 {
            data[3] ^= 4;
        }
        let sixth = probe.authentication(&[id, Payload::Hash(Hash { data })]).0;
        fails(probe, &sixth);
    }
}

/// RFC 2407 sections 4.2.1 and 4.6.2, RFC 2408 section 5.8.
#[test]
fn identities_that_are_not_taken() {
    let address = || Identification::address(outer(2));
    for id in [
        Identification::new(IdType(200), vec![1, 2, 3, 4]),
        Identification::new(IdType(0), vec![1, 2, 3, 4]),
        address().with_protocol(6, 80),
        address().with_protocol(17, 501),
        address().with_protocol(0, 500),
        Identification::address(outer(3)),
        Identification::fqdn("peer.example"),
        Identification::subnet(outer(2), 24),
    ] {
        let mut probe = keys_exchanged();
        let fifth = probe.authentication(&probe.proof(id.clone())).0;
        probe.tell(&fifth);
        assert!(!is_established(&probe), "{id}");
    }
    for id in [address(), address().with_protocol(17, 500), address().with_protocol(17, 0)] {
        let mut probe = keys_exchanged();
        let fifth = probe.authentication(&probe.proof(id)).0;
        probe.tell(&fifth);
        assert!(is_established(&probe));
    }
    // Without an identity: HASH alone, over nothing.
    let probe = keys_exchanged();
    let data = probe.phase_1_hash(true, &[]);
    let fifth = probe.authentication(&[Payload::Hash(Hash { data })]).0;
    fails(probe, &fifth);
}

/// RFC 2409 section 5: public values and nonces that are refused, without harm to the exchange.
#[test]
fn public_values_and_nonces_that_are_refused() {
    let mut probe = Probe::new(&Setup::tunnel(1));
    let offer = Payload::Sa(probe.offer());
    probe.sai_b = offer.to_body();
    let second = probe.ask(&probe.clear(vec![offer]));
    probe.cky_r = message(&second).header.cky_r;
    let right = probe.key_exchange();
    let public = probe.secret.public();
    let prime = {
        // p = 2^768 - 2^704 - 1 + 2^64 * ([2^638 pi] + 149686) (RFC 2409 section 6.1): its last octets are ones.
        let hex = concat!(
            "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A0879",
            "8E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A3620",
            "FFFFFFFFFFFFFFFF"
        );
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect::<Vec<_>>()
    };
    let small = |n: u8| [vec![0; 95], vec![n]].concat();
    let mut below = prime.clone();
    below[95] -= 1;
    let longer = [&[0][..], &public].concat();
    let values = [small(0), small(1), below, prime, vec![0xff; 96], public[1..].to_vec(), longer, vec![9]];
    for data in values {
        let third = probe.clear(vec![Payload::KeyExchange(KeyExchange { data }), right[1].clone()]);
        assert!(probe.tell(&third).is_empty());
    }
    for len in [0, 1, 7, 257, 300] {
        let nonce = Payload::Nonce(Nonce { data: vec![7; len] });
        let third = probe.clear(vec![right[0].clone(), nonce]);
        assert!(probe.tell(&third).is_empty());
    }
    // Payloads of other messages, one missing, one twice.
    let id = Payload::Identification(Identification::address(outer(2)));
    let sa = Payload::Sa(probe.offer());
    let hash = Payload::Hash(Hash { data: vec![1; 20] });
    for extra in [id, sa, hash, right[0].clone(), right[1].clone()] {
        let third = probe.clear([&right[..], &[extra]].concat());
        assert!(probe.tell(&third).is_empty());
    }
    for only in [0, 1] {
        assert!(probe.tell(&probe.clear(vec![right[only].clone()])).is_empty());
    }
    let fourth = probe.ask(&probe.clear(right));
    probe.read_key_exchange(&fourth);
    probe.authenticate();
    assert!(is_established(&probe));
}

/// RFC 2408 sections 3.9, 3.10, 5.9 and 5.10: certificates and requests may come with any message, and are passed over.
#[test]
fn certificates_and_requests_change_nothing() {
    let with = |payloads: Vec<Payload>| -> Vec<Payload> {
        let certificate =
            |encoding| Payload::Certificate(Certificate { encoding, data: vec![0x30, 0xff, 1] });
        let request = |encoding, authority: &[u8]| {
            Payload::CertificateRequest(CertificateRequest { encoding, authority: authority.to_vec() })
        };
        let x509 = CertificateEncoding::X509_SIGNATURE;
        let unknown = CertificateEncoding(200);
        let vendor = Payload::VendorId(VendorId { data: vec![5; 16] });
        let private = Payload::Other { payload_type: PayloadType(200), body: vec![1, 2, 3] };
        let more = [certificate(x509), certificate(unknown), request(x509, &[0x30, 0xff])];
        let rest = [request(unknown, &[]), request(x509, &[]), vendor, private];
        payloads.into_iter().chain(more).chain(rest).collect()
    };
    let mut probe = Probe::new(&Setup::tunnel(1));
    let offer = Payload::Sa(probe.offer());
    probe.sai_b = offer.to_body();
    let second = probe.ask(&probe.clear(with(vec![offer])));
    probe.cky_r = message(&second).header.cky_r;
    let fourth = probe.ask(&probe.clear(with(probe.key_exchange())));
    probe.read_key_exchange(&fourth);
    let (fifth, block) = probe.authentication(&with(probe.proof(Identification::address(outer(2)))));
    let sixth = probe.tell(&fifth).remove(0);
    let (chain, _) = probe.decrypt(&block, &sixth);
    assert_eq!(chain.certificates().count(), 0);
    assert!(is_established(&probe));
}

/// RFC 2408 section 2.5.3 and 3.13: cookies and nonces of many exchanges with one address and port.
#[test]
fn cookies_and_nonces_are_fresh() {
    let setup = Setup::tunnel(1);
    let mut probe = Probe::new(&setup);
    let (mut cookies, mut nonces) = (BTreeSet::new(), BTreeSet::new());
    for n in 1..=12_u8 {
        probe.node.wait(7);
        (probe.cky_i, probe.cky_r) = (Cookie([n; 8]), Cookie::ZERO);
        let second = probe.ask(&probe.clear(vec![Payload::Sa(probe.offer())]));
        probe.cky_r = message(&second).header.cky_r;
        assert!(cookies.insert(probe.cky_r));
        let fourth = message(&probe.ask(&probe.clear(probe.key_exchange())));
        let Payload::Nonce(nonce) = &fourth.payloads[1] else { panic!() };
        assert!(nonces.insert(nonce.data.clone()));
    }
    // As initiator: the schedule runs out, and the next attempt begins with another cookie.
    let mut node = Setup { seed: 77, ..setup }.node();
    for _ in 0..4 {
        let first = ike(&node.outbound(&request(8))).remove(0);
        assert!(cookies.insert(message(&first).header.cky_i));
        node.wait(100);
    }
}

/// RFC 2408 section 5.1: sent again on a schedule that is not fixed, and not for ever.
#[test]
fn retransmission_ends() {
    let mut node = Setup::tunnel(1).node();
    let first = ike(&node.outbound(&request(8)));
    let mut gaps = vec![];
    let mut last = 0;
    for second in 1..=200 {
        node.sent.clear();
        node.wait(1);
        for again in ike(&node.sent) {
            assert_eq!(again, first[0]);
            gaps.push(second - last);
            last = second;
        }
    }
    assert_eq!(gaps, [1, 2, 4, 8, 16, 32]);
    let failed = node.events.iter().filter(|event| matches!(event, Event::Failed(_))).count();
    assert_eq!(failed, 1);
}

/// RFC 2408 section 1.7.3: messages sent back to their sender, and a whole phase 1 replayed.
#[test]
fn reflections_and_replays() {
    let (mut probe, first) = Probe::responder(&Setup::tunnel(1));
    assert!(probe.tell(&first).is_empty());
    let third = probe.ask(&probe.second(&first));
    assert!(probe.tell(&third).is_empty());
    probe.read_key_exchange(&third);
    let fifth = probe.ask(&probe.clear(probe.key_exchange()));
    assert!(probe.tell(&fifth).is_empty());
    assert!(!is_established(&probe));
    // To a node that starts afresh, the recording of another exchange is worth nothing: its cookie is another one.
    let mut recorded = Probe::new(&Setup::tunnel(1));
    let offer = recorded.clear(vec![Payload::Sa(recorded.offer())]);
    recorded.exchange_keys();
    let third = recorded.clear(recorded.key_exchange());
    let (fifth, _) = recorded.authentication(&recorded.proof(Identification::address(outer(2))));
    let mut replayed = Probe::new(&Setup { seed: 99, ..Setup::tunnel(1) });
    assert_eq!(replayed.tell(&offer).len(), 1);
    assert!(replayed.tell(&third).is_empty() && replayed.tell(&fifth).is_empty());
    assert!(!is_established(&replayed));
}

/// RFC 2409 section 4 and RFC 2408 section 5.2: exchanges at the wrong time, and of the wrong kind.
#[test]
fn exchanges_out_of_place() {
    let mut probe = Probe::new(&Setup::tunnel(1));
    let retyped = |datagram: &[u8], exchange: u8, message_id: u8| {
        let mut datagram = datagram.to_vec();
        (datagram[18], datagram[23]) = (exchange, message_id);
        datagram
    };
    let offer = probe.clear(vec![Payload::Sa(probe.offer())]);
    // New group mode, quick mode and others before anything; main mode with a message ID.
    for exchange in [0, 1, 3, 4, 5, 6, 31, 32, 33, 240, 255] {
        assert!(probe.tell(&retyped(&offer, exchange, 0)).is_empty());
        assert!(probe.tell(&retyped(&offer, exchange, 9)).is_empty());
    }
    assert!(probe.tell(&retyped(&offer, 2, 9)).is_empty());
    probe.sai_b = Payload::Sa(probe.offer()).to_body();
    let second = probe.ask(&offer);
    probe.cky_r = message(&second).header.cky_r;
    // Message 3 as something else: the exchange does not change its type.
    let third = probe.clear(probe.key_exchange());
    for exchange in [1, 3, 4, 5, 31, 32, 33] {
        assert!(probe.tell(&retyped(&third, exchange, 0)).is_empty());
        assert!(probe.tell(&retyped(&third, exchange, 9)).is_empty());
    }
    let fourth = probe.ask(&third);
    probe.read_key_exchange(&fourth);
    // Quick mode before authentication.
    let mut early = probe.begin();
    let payloads = probe.request(&early, &[esp_offer(Cipher::Aes128, AES_SHA1.mac)], None);
    let early = probe.say(QUICK, &mut early, &[], &payloads);
    assert!(probe.tell(&early).is_empty() && probe.node.ipsec.status().pairs().next().is_none());
    probe.authenticate_any();
    assert!(is_established(&probe));
    // Main and aggressive mode after phase 1, mode config, new group mode, and what nobody defined: no answer, but to a peer
    // that has the keys that we do not know what it speaks (RFC 2408 section 5.2).
    for exchange in [1, 2, 3, 4, 6, 31, 33, 34, 255] {
        let mut quick = probe.begin();
        let payloads = probe.request(&quick, &[esp_offer(Cipher::Aes128, AES_SHA1.mac)], None);
        let datagram = probe.say(ExchangeType(exchange), &mut quick, &[], &payloads);
        let answers = probe.tell(&datagram);
        let told = answers.iter().all(|d| split(d).unwrap().0.exchange_type == ExchangeType::INFORMATIONAL);
        assert!(told && (answers.is_empty() || [6, 33].contains(&exchange)), "{exchange}");
        assert!(probe.node.ipsec.status().pairs().next().is_none());
    }
}

/// RFC 2409 appendix A: an ISAKMP SA is not used beyond the lifetime that was offered for it.
#[test]
fn an_offered_lifetime_counts() {
    let method = ipsec_core::pad::AuthMethod::PreSharedKey(ipsec_core::pad::Secret::default());
    let mut probe = Probe::new(&Setup::tunnel(1));
    let offer = Payload::Sa(ipsec_core::ike::proposal::phase1::offer(&[probe.proposal], &[method], 60));
    probe.sai_b = offer.to_body();
    let second = probe.ask(&probe.clear(vec![offer]));
    probe.cky_r = message(&second).header.cky_r;
    let fourth = probe.ask(&probe.clear(probe.key_exchange()));
    probe.read_key_exchange(&fourth);
    probe.authenticate_any();
    probe.node.wait(61);
    // The node's end of it is announced, and nothing answers under it any more.
    let mut quick = probe.begin();
    let payloads = probe.request(&quick, &[esp_offer(Cipher::Aes128, AES_SHA1.mac)], None);
    let datagram = probe.say(QUICK, &mut quick, &[], &payloads);
    assert!(probe.tell(&datagram).is_empty());
}

/// RFC 2409 appendix B: a body that is no whole number of blocks cannot be one.
#[test]
fn ciphertext_of_broken_blocks() {
    let mut probe = keys_exchanged();
    let (fifth, _) = probe.authentication(&probe.proof(Identification::address(outer(2))));
    for cut in 1..8 {
        let mut short = fifth[..fifth.len() - cut].to_vec();
        let len = short.len() as u32;
        short[24..28].copy_from_slice(&len.to_be_bytes());
        assert!(probe.tell(&short).is_empty());
    }
    assert!(!probe.tell(&fifth).is_empty());
}

/// RFC 2409 section 5: several offers are transforms of one proposal, numbered in the order of preference; the hash covers
/// them all, the one chosen or not.
#[test]
fn several_offers_are_transforms_of_one_proposal() {
    let proposals =
        [(Cipher::Aes256, HashAlg::Sha256), (Cipher::TripleDes, HashAlg::Sha1), (Cipher::Des, HashAlg::Md5)]
            .map(|(cipher, hash)| MainModeProposal { cipher, hash, group: Group::Modp768 });
    for altered in [false, true] {
        let setup = Setup { proposals: proposals.to_vec(), ..Setup::tunnel(1) };
        let (mut probe, first) = Probe::responder(&setup);
        let payloads = message(&first).payloads;
        let Payload::Sa(offered) = &payloads[0] else { panic!() };
        let [proposal] = offered.proposals.as_slice() else { panic!("{offered}") };
        let transforms = &proposal.transforms;
        assert_eq!(transforms.iter().map(|t| t.number).collect::<Vec<_>>(), [1, 2, 3]);
        let of = |kind: Phase1Attribute| {
            transforms.iter().map(|t| t.attribute(kind).and_then(Attribute::as_basic)).collect::<Vec<_>>()
        };
        // AES-CBC, 3DES-CBC, DES-CBC; a key length for the first alone.
        assert_eq!(of(Phase1Attribute::ENCRYPTION_ALGORITHM), [7, 5, 1].map(Some));
        assert_eq!(of(Phase1Attribute::KEY_LENGTH), [Some(256), None, None]);
        // The second is chosen; the first was altered on the way, or not.
        probe.proposal = proposals[1];
        let chosen = Proposal { transforms: vec![transforms[1].clone()], ..proposal.clone() };
        let third = probe.ask(&probe.clear(vec![Payload::Sa(SaPayload::new(vec![chosen]))]));
        probe.read_key_exchange(&third);
        let fifth = probe.ask(&probe.clear(probe.key_exchange()));
        let (_, block) = probe.decrypt(&probe.block, &fifth);
        probe.block = block;
        if altered {
            probe.sai_b[30] ^= 1;
        }
        let (sixth, _) = probe.authentication(&probe.proof(Identification::address(outer(2))));
        probe.tell(&sixth);
        assert_eq!(is_established(&probe), !altered);
    }
}
