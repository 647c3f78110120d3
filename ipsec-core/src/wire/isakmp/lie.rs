//! Departures from the truth, for probes: a lie is told in one message before that message is hashed and encrypted, so
//! hashes, IVs and repetitions agree with it, and the peer's decoder and state machine see it behind good authentication.

use alloc::vec::Vec;

use super::{HEADER_LEN, Header, Payload, PayloadType};
use crate::wire::{Reader, Writer};

/// What is untrue about one message. Places are taken modulo what is there; payloads are counted without HASH.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Lie {
    /// Nothing.
    #[default]
    None,
    /// Bits of one octet of a payload's body turn over.
    Body {
        /// Which payload.
        payload: usize,
        /// Which octet of its body.
        at: usize,
        /// Which bits.
        bits: u8,
    },
    /// A payload's body gets this length: it is cut, or zeros follow.
    Length {
        /// Which payload.
        payload: usize,
        /// Octets.
        len: u16,
    },
    /// A payload claims to be of another type.
    Type {
        /// Which payload.
        payload: usize,
        /// The type it claims.
        payload_type: PayloadType,
    },
    /// A payload is missing.
    Remove {
        /// Which payload.
        payload: usize,
    },
    /// A payload is there twice.
    Repeat {
        /// Which payload.
        payload: usize,
    },
    /// The payloads come in another order: the first goes to the end, so often.
    Rotate {
        /// How often.
        by: usize,
    },
    /// A payload nobody asked for comes last.
    Append {
        /// Its type.
        payload_type: PayloadType,
        /// Its body.
        body: Vec<u8>,
    },
    /// Bits of one octet of the header turn over; its next payload and length stay computed.
    Header {
        /// Which octet.
        at: usize,
        /// Which bits.
        bits: u8,
    },
    /// Bits of one octet of the whole chain turn over, generic headers and HASH included, after hashing and before
    /// encryption.
    Chain {
        /// Which octet.
        at: usize,
        /// Which bits.
        bits: u8,
    },
}

impl Lie {
    /// Changes a message before it is hashed.
    pub(crate) fn tell(&self, header: &mut Header, payloads: &mut Vec<Payload>) {
        let count = payloads.len().max(1);
        match self {
            Lie::None | Lie::Chain { .. } => {}
            Lie::Body { payload, at, bits } => rewrite(payloads, *payload, |_, body| flip(body, *at, *bits)),
            Lie::Length { payload, len } => {
                rewrite(payloads, *payload, |_, body| body.resize(usize::from(*len), 0));
            }
            Lie::Type { payload, payload_type } => {
                rewrite(payloads, *payload, |claimed, _| *claimed = *payload_type);
            }
            Lie::Remove { payload } => {
                let mut place = 0..;
                payloads.retain(|_| place.next() != Some(payload % count));
            }
            Lie::Repeat { payload } => {
                let again = payloads.get(payload % count).cloned();
                payloads.extend(again);
            }
            Lie::Rotate { by } => payloads.rotate_left(by % count),
            Lie::Append { payload_type, body } => {
                payloads.push(Payload::Other { payload_type: *payload_type, body: body.clone() });
            }
            Lie::Header { at, bits } => {
                let mut w = Writer::new();
                header.encode(&mut w);
                let mut bytes = w.into_bytes();
                flip(&mut bytes, at % HEADER_LEN, *bits);
                if let Ok(changed) = Header::decode(&mut Reader::new(&bytes)) {
                    *header = changed;
                }
            }
        }
    }

    /// Changes the encoded chain before it is encrypted.
    pub(crate) fn spoil(&self, chain: &mut [u8]) {
        if let Lie::Chain { at, bits } = self {
            flip(chain, *at, *bits);
        }
    }
}

/// Turns a payload into bytes, lets `change` have them, and puts them back.
fn rewrite(payloads: &mut [Payload], payload: usize, change: impl FnOnce(&mut PayloadType, &mut Vec<u8>)) {
    let place = payload % payloads.len().max(1);
    if let Some(payload) = payloads.get_mut(place) {
        let (mut payload_type, mut body) = (payload.payload_type(), payload.to_body());
        change(&mut payload_type, &mut body);
        *payload = Payload::Other { payload_type, body };
    }
}

fn flip(bytes: &mut [u8], at: usize, bits: u8) {
    let place = at % bytes.len().max(1);
    if let Some(octet) = bytes.get_mut(place) {
        *octet ^= bits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ikev1::Nonce;
    use crate::wire::isakmp::{Cookie, ExchangeType, Flags};
    use alloc::vec;

    fn told(lie: &Lie) -> (Header, Vec<(PayloadType, Vec<u8>)>) {
        let mut header =
            Header::new(Cookie([1; 8]), Cookie([2; 8]), ExchangeType::QUICK_MODE, Flags::NONE, 7);
        let nonce = |octet| Payload::Nonce(Nonce { data: vec![octet; 8] });
        let mut payloads = vec![nonce(1), nonce(2)];
        lie.tell(&mut header, &mut payloads);
        (header, payloads.iter().map(|p| (p.payload_type(), p.to_body())).collect())
    }

    #[test]
    fn each_lie_is_the_one_it_says() {
        let nonce = PayloadType::NONCE;
        let (honest, payloads) = told(&Lie::None);
        assert_eq!(payloads, [(nonce, vec![1; 8]), (nonce, vec![2; 8])]);
        let (_, payloads) = told(&Lie::Body { payload: 3, at: 8, bits: 0x80 });
        assert_eq!(payloads[1].1, [0x82, 2, 2, 2, 2, 2, 2, 2]);
        assert_eq!(told(&Lie::Length { payload: 0, len: 3 }).1[0].1, [1, 1, 1]);
        assert_eq!(
            told(&Lie::Type { payload: 0, payload_type: PayloadType::HASH }).1[0].0,
            PayloadType::HASH
        );
        assert_eq!(told(&Lie::Remove { payload: 0 }).1, [(nonce, vec![2; 8])]);
        assert_eq!(told(&Lie::Repeat { payload: 0 }).1[2], (nonce, vec![1; 8]));
        assert_eq!(told(&Lie::Rotate { by: 1 }).1[0], (nonce, vec![2; 8]));
        let extra = Lie::Append { payload_type: PayloadType(200), body: vec![9] };
        assert_eq!(told(&extra).1[2], (PayloadType(200), vec![9]));
        // Octets 20 to 23 are the message ID.
        let (header, _) = told(&Lie::Header { at: 23, bits: 1 });
        assert_eq!((header.message_id, header.cky_i), (6, honest.cky_i));
        let mut chain = [0; 4];
        Lie::Chain { at: 5, bits: 3 }.spoil(&mut chain);
        assert_eq!(chain, [0, 3, 0, 0]);
    }

    #[test]
    fn nothing_to_lie_about_is_no_trouble() {
        let mut header =
            Header::new(Cookie([1; 8]), Cookie([2; 8]), ExchangeType::QUICK_MODE, Flags::NONE, 7);
        for lie in [
            Lie::Body { payload: 0, at: 0, bits: 1 },
            Lie::Remove { payload: 0 },
            Lie::Repeat { payload: 1 },
            Lie::Rotate { by: 3 },
        ] {
            let mut none = Vec::new();
            lie.tell(&mut header, &mut none);
            assert_eq!(none, []);
        }
        Lie::Chain { at: 0, bits: 1 }.spoil(&mut []);
    }
}
