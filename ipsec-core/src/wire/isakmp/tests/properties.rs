//! Round trips of whatever can be said, and no panic on whatever is received.

use core::net::IpAddr;

use super::*;

fn octets(lengths: core::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), lengths)
}

fn attribute() -> impl Strategy<Value = Attribute> {
    prop_oneof![
        (0..0x8000_u16, any::<u16>()).prop_map(|(kind, value)| Attribute::basic(kind, value)),
        (0..0x8000_u16, octets(0..20)).prop_map(|(kind, value)| Attribute::variable(kind, value)),
    ]
}

fn transform() -> impl Strategy<Value = Transform> {
    (any::<u8>(), any::<u8>(), prop::collection::vec(attribute(), 0..5))
        .prop_map(|(number, id, attributes)| Transform { number, id, attributes })
}

fn proposal() -> impl Strategy<Value = Proposal> {
    let transforms = prop::collection::vec(transform(), 1..4);
    (any::<u8>(), any::<u8>(), octets(0..20), transforms).prop_map(|(number, protocol, spi, transforms)| {
        Proposal { number, protocol: ProtocolId(protocol), spi, transforms }
    })
}

fn payload() -> impl Strategy<Value = Payload> {
    let draft =
        any::<bool>().prop_map(|draft| if draft { NatNumbering::Draft } else { NatNumbering::Rfc3947 });
    prop_oneof![
        prop::collection::vec(proposal(), 1..4).prop_map(|proposals| Payload::Sa(SaPayload::new(proposals))),
        octets(1..40).prop_map(|data| Payload::KeyExchange(KeyExchange { data })),
        octets(1..40).prop_map(|data| Payload::Hash(Hash { data })),
        octets(1..40).prop_map(|data| Payload::Signature(Signature { data })),
        octets(8..257).prop_map(|data| Payload::Nonce(Nonce { data })),
        octets(0..40).prop_map(|data| Payload::VendorId(VendorId { data })),
        (any::<IpAddr>(), any::<u8>(), any::<u8>(), any::<u16>()).prop_map(
            |(address, prefix, protocol, port)| {
                Payload::Identification(Identification::subnet(address, prefix).with_protocol(protocol, port))
            }
        ),
        (any::<u8>(), octets(0..40)).prop_map(|(encoding, data)| {
            Payload::Certificate(Certificate { encoding: CertificateEncoding(encoding), data })
        }),
        (any::<u32>(), any::<u8>(), octets(0..17), any::<u16>(), octets(0..9)).prop_map(
            |(doi, protocol, spi, notify_type, data)| {
                let (protocol, notify_type) = (ProtocolId(protocol), NotifyType(notify_type));
                Payload::Notification(Notification { doi: Doi(doi), protocol, spi, notify_type, data })
            }
        ),
        prop::collection::vec(any::<u32>(), 0..5)
            .prop_map(|spis| Payload::Delete(Delete::ipsec(ProtocolId::AH, &spis))),
        (draft.clone(), octets(0..21)).prop_map(|(numbering, hash)| Payload::NatD(NatD { numbering, hash })),
        (draft, any::<IpAddr>())
            .prop_map(|(numbering, address)| Payload::NatOa(NatOa { numbering, address })),
        (133..=255_u8, octets(0..40))
            .prop_map(|(number, body)| Payload::Other { payload_type: PayloadType(number), body }),
    ]
}

proptest! {
    #[test]
    fn round_trips(
        payloads in prop::collection::vec(payload(), 0..8), cookies: ([u8; 8], [u8; 8]), exchange: u8, flags: u8,
        message_id: u32,
    ) {
        let (cky_i, cky_r) = (Cookie(cookies.0), Cookie(cookies.1));
        let header = Header::new(cky_i, cky_r, ExchangeType(exchange), Flags(flags), message_id);
        let bytes = Message { header, payloads: payloads.clone() }.encode();
        let again = Message::decode(&bytes).unwrap();
        prop_assert_eq!(&again.payloads, &payloads);
        prop_assert_eq!(again.encode(), bytes);
        let _ = payloads.iter().map(ToString::to_string).collect::<Vec<_>>();
    }

    #[test]
    fn decoding_never_panics(first: u8, bytes in octets(0..300)) {
        let _ = decode_chain(PayloadType(first), &bytes);
        let _ = decode_raw_chain(PayloadType(first), &bytes);
        let _ = Message::decode(&bytes).map(|message| message.to_string());
    }

    /// A changed sample is refused, or read as something that encodes to bytes that read the same.
    #[test]
    fn mutated_samples_are_refused_or_understood(
        sample in prop::sample::select(&[MAIN_MODE_1, MAIN_MODE_2, MAIN_MODE_3, MAIN_MODE_4][..]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = message(sample).to_vec();
        for (index, value) in changes {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert_eq!(&Message::decode(&message.encode()).unwrap().payloads, &message.payloads);
            let _ = message.payloads.iter().map(ToString::to_string).collect::<Vec<_>>();
        }
    }

    #[test]
    fn numbers_have_one_value_in_either_form(value: u32) {
        let wanted = Some(u64::from(value));
        prop_assert_eq!(Attribute::long(2_u16, value).as_u64(), wanted);
        prop_assert_eq!(Attribute::number(2_u16, value).as_u64(), wanted);
    }
}
