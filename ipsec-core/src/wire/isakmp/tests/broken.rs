//! Broken messages: the error names the field, and the notification that tells the peer.

use super::*;

/// Decodes `bytes` after `change`, expecting an error in `field` at `offset`, to be answered with `notify`.
#[track_caller]
fn refused(packet: &[u8], change: impl Fn(&mut Vec<u8>), field: &str, offset: usize, notify: NotifyType) {
    let mut bytes = message(packet).to_vec();
    change(&mut bytes);
    let error = Message::decode(&bytes).unwrap_err();
    assert_eq!((error.field, error.offset, error.notify()), (field, offset, notify), "{error}");
}

#[test]
fn rejects_short() {
    for packet in [MAIN_MODE_1, MAIN_MODE_2, MAIN_MODE_3, MAIN_MODE_4] {
        for length in 0..message(packet).len() {
            assert!(Message::decode(&message(packet)[..length]).is_err());
        }
    }
    for (first, plaintext, whole) in CHAINS {
        for length in 0..whole {
            assert!(decode_chain(PayloadType(first), &plaintext[..length]).is_err());
        }
    }
}

#[test]
fn rejects_bad_length() {
    let set = |at: usize, value: u8| move |bytes: &mut Vec<u8>| bytes[at] = value;
    // The header's length: one more, one less than the datagram.
    refused(MAIN_MODE_1, set(27, 177), "isakmp.length", 24, NotifyType::UNEQUAL_PAYLOAD_LENGTHS);
    refused(MAIN_MODE_1, set(27, 175), "isakmp.length", 24, NotifyType::UNEQUAL_PAYLOAD_LENGTHS);
    refused(MAIN_MODE_1, set(24, 0xff), "isakmp.length", 24, NotifyType::UNEQUAL_PAYLOAD_LENGTHS);
    // The SA payload's: below its header, beyond the message.
    refused(MAIN_MODE_1, set(31, 3), "payload.length", 30, NotifyType::PAYLOAD_MALFORMED);
    refused(MAIN_MODE_1, set(30, 9), "payload.length", 30, NotifyType::PAYLOAD_MALFORMED);
    // The transform's, beyond its proposal.
    refused(MAIN_MODE_1, set(51, 33), "payload.length", 50, NotifyType::PAYLOAD_MALFORMED);
    // Number of transforms; an SPI that eats the transforms.
    refused(MAIN_MODE_1, set(47, 2), "proposal.transforms", 47, NotifyType::BAD_PROPOSAL_SYNTAX);
    refused(MAIN_MODE_1, set(46, 33), "proposal.spi", 48, NotifyType::INVALID_SPI);
    // The last attribute becomes a TLV that has no room.
    refused(MAIN_MODE_1, set(76, 0), "attribute.value", 80, NotifyType::BAD_PROPOSAL_SYNTAX);
}

#[test]
fn rejects_what_rfc_2408_5_tells_to_discard() {
    let set = |at: usize, value: u8| move |bytes: &mut Vec<u8>| bytes[at] = value;
    refused(MAIN_MODE_1, set(29, 1), "payload.reserved", 29, NotifyType::PAYLOAD_MALFORMED);
    refused(MAIN_MODE_1, set(41, 1), "payload.reserved", 41, NotifyType::PAYLOAD_MALFORMED);
    refused(MAIN_MODE_1, set(35, 2), "sa.doi", 32, NotifyType::DOI_NOT_SUPPORTED);
    refused(MAIN_MODE_1, set(39, 3), "sa.situation", 36, NotifyType::SITUATION_NOT_SUPPORTED);
    // A proposal or transform outside an SA payload; another payload inside one.
    refused(MAIN_MODE_1, set(28, 2), "payload.next", 84, NotifyType::INVALID_PAYLOAD_TYPE);
    refused(MAIN_MODE_1, set(40, 3), "proposal.next", 40, NotifyType::BAD_PROPOSAL_SYNTAX);
    refused(MAIN_MODE_1, set(48, 2), "transform.next", 48, NotifyType::BAD_PROPOSAL_SYNTAX);
    // A message in clear ends with its last payload.
    refused(MAIN_MODE_1, set(16, 0), "isakmp.length", 28, NotifyType::UNEQUAL_PAYLOAD_LENGTHS);
    refused(
        MAIN_MODE_1,
        |bytes| {
            bytes.extend([0; 4]);
            bytes[27] += 4;
        },
        "isakmp.length",
        176,
        NotifyType::UNEQUAL_PAYLOAD_LENGTHS,
    );
}

#[test]
fn reserved_octets_can_be_ignored_and_stay_in_the_bytes() {
    let mut body = message(MAIN_MODE_1)[HEADER_LEN..].to_vec();
    // Of the SA's generic header, the proposal's, and the transform's RESERVED2.
    (body[1], body[13], body[26]) = (0xaa, 0xbb, 0xcc);
    assert!(decode_chain(PayloadType::SA, &body).is_err());
    let (chain, _) = decode_chain_with(PayloadType::SA, &body, Reserved::Ignore).unwrap();
    assert_eq!(chain.bytes(), body);
    // Each of the three alone is a reason to refuse (RFC 2408 5.3, 3.6).
    for at in [1, 13, 26] {
        let mut one = message(MAIN_MODE_1)[HEADER_LEN..].to_vec();
        assert!(decode_chain(PayloadType::SA, &one).is_ok());
        one[at] = 1;
        assert!(decode_chain(PayloadType::SA, &one).is_err(), "{at}");
    }
}

#[test]
fn header_checks_name_their_notification() {
    let header = Header::new(Cookie([1; 8]), Cookie::ZERO, ExchangeType::MAIN_MODE, Flags::NONE, 0);
    assert_eq!(header.check(), Ok(()));
    let notify = |header: Header| header.check().unwrap_err().notify();
    assert_eq!(notify(Header { version: Version::V2, ..header }), NotifyType::INVALID_MAJOR_VERSION);
    assert_eq!(notify(Header { version: Version(0x11), ..header }), NotifyType::INVALID_MINOR_VERSION);
    assert_eq!(
        notify(Header { exchange_type: ExchangeType::NONE, ..header }),
        NotifyType::INVALID_EXCHANGE_TYPE
    );
    assert_eq!(notify(Header { flags: Flags(8), ..header }), NotifyType::INVALID_FLAGS);
}

#[test]
fn memory_is_bounded() {
    let vendor_id = Payload::VendorId(VendorId { data: vec![] });
    let (first, bytes) = encode_chain(&vec![vendor_id; MAX_PAYLOADS + 1]);
    let error = decode_chain(first, &bytes).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::TooMany { limit: MAX_PAYLOADS });
    assert_eq!(error.offset, HEADER_LEN + 4 * MAX_PAYLOADS);
    assert!(decode_raw_chain(first, &bytes).is_err());

    let sa = |proposals: usize, attributes: usize| {
        let attributes = vec![Attribute::basic(1_u16, 1_u16); attributes];
        let transforms = vec![Transform { number: 1, id: 1, attributes }];
        let proposal = Proposal { number: 1, protocol: ProtocolId::ISAKMP, spi: vec![], transforms };
        let (first, bytes) = encode_chain(&[Payload::Sa(SaPayload::new(vec![proposal; proposals]))]);
        decode_chain(first, &bytes).map_err(|error: DecodeError| error.kind)
    };
    assert!(sa(MAX_PROPOSALS, MAX_ATTRIBUTES).is_ok());
    assert_eq!(sa(MAX_PROPOSALS + 1, 1), Err(DecodeErrorKind::TooMany { limit: MAX_PROPOSALS }));
    assert_eq!(sa(1, MAX_ATTRIBUTES + 1), Err(DecodeErrorKind::TooMany { limit: MAX_ATTRIBUTES }));
    assert!(sa(0, 0).is_err(), "an SA payload without a proposal");
}
