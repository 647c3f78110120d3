//! The recorded exchanges: each message as it was on the wire, and the encrypted ones in clear.

use std::collections::BTreeMap;

use ipsec_core::crypto::{Cipher, CipherKey, HashAlg};
use ipsec_core::ike::v1::{keymat, protect};
use ipsec_core::wire::isakmp::{Cookie, ExchangeType, decode_chain, split};
use ipsec_vectors::recorded::{self, Recording};

use super::write;

/// One sample for each message of the first exchange of every kind.
pub(crate) fn seeds() {
    for recording in recorded::ALL {
        one_recording(&recording);
    }
}

fn one_recording(recording: &Recording) {
    let hash = if recording.name.contains("md5-modp") { HashAlg::Md5 } else { HashAlg::Sha1 };
    let secrets = recording.initiator();
    let (keys, first_ivs) = (&secrets["encryption key Ka"], &secrets["initial IV"]);
    let mut sas: Vec<Cookie> = Vec::new();
    let mut ivs: BTreeMap<(Cookie, u32), Vec<u8>> = BTreeMap::new();
    let mut seen = BTreeMap::new();
    for datagram in recording.datagrams() {
        let Some(message) = isakmp(&datagram) else { continue };
        let (header, body) = split(message).expect("a whole message");
        let sa = sas.iter().position(|c| *c == header.cky_i).unwrap_or_else(|| {
            sas.push(header.cky_i);
            sas.len() - 1
        });
        let exchange = match header.exchange_type {
            ExchangeType::QUICK_MODE => "quick",
            ExchangeType::INFORMATIONAL => "informational",
            _ => "phase1",
        };
        let number = seen.entry(exchange).and_modify(|n| *n += 1).or_insert(1);
        let name = format!("{}-{exchange}-{number}", recording.name.split('-').next().unwrap());
        let mut clear = message.to_vec();
        if header.flags.is_encrypted() {
            let cipher = Cipher::TripleDes;
            let phase_1 = ivs.get(&(header.cky_i, 0)).unwrap_or(&first_ivs[sa]).clone();
            let fresh = || keymat::phase_2_iv(hash, &phase_1, header.message_id, cipher);
            let iv = match header.message_id {
                0 => phase_1.clone(),
                id => ivs.get(&(header.cky_i, id)).cloned().unwrap_or_else(fresh),
            };
            let key = CipherKey::new(cipher, &keys[sa]).expect("a good key");
            let opened = protect::decrypt(&key, &iv, body).expect("whole blocks");
            ivs.insert((header.cky_i, header.message_id), opened.next_iv);
            let (chain, _) = decode_chain(header.next_payload, &opened.body).expect("the right key");
            clear = header.encode_with(header.next_payload, chain.bytes());
        }
        // The first six of each kind: later ones are the same again.
        if *number <= 6 {
            write("isakmp", &name, &clear);
            if clear != message {
                write("isakmp", &format!("{name}-encrypted"), message);
            }
        }
    }
}

/// The ISAKMP message in a datagram: port 500, or port 4500 after the non-ESP marker (RFC 3948 2.2).
fn isakmp(datagram: &recorded::Datagram) -> Option<&[u8]> {
    match datagram.destination.1 {
        500 => Some(&datagram.payload),
        _ => datagram.payload.strip_prefix(&[0; 4]),
    }
}
