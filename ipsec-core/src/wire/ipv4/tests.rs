use alloc::string::ToString;
use hex_literal::hex;
use proptest::prelude::*;

use super::*;
use crate::wire::samples::{MAIN_MODE_1, PACKETS};

#[test]
fn decodes_captured() {
    let packet = Ipv4::decode(MAIN_MODE_1).unwrap();
    assert_eq!(packet.to_string(), "203.0.113.1 > 203.0.113.2: UDP ttl 64 id 32560 len 204 DF");
    assert_eq!((packet.header_len(), packet.total_len(), packet.payload().len()), (20, 204, 184));
    assert_eq!(packet.checksum(), 0x42ec);
    for packet in PACKETS {
        let view = Ipv4::decode(packet).unwrap();
        assert!(view.checksum_ok() && view.dont_fragment() && !view.is_fragment());
        assert_eq!(Ipv4Header::of(&view).packet(view.payload()).unwrap(), packet);
    }
}

#[test]
fn rejects_short() {
    for packet in PACKETS {
        for length in 0..packet.len() {
            assert!(Ipv4::decode(&packet[..length]).is_err());
            // A quotation holds at least the header.
            assert_eq!(Ipv4::decode_quoted(&packet[..length]).is_ok(), length >= 20);
        }
    }
}

#[test]
fn rejects_bad_length() {
    let refused = |at: usize, value: u8| {
        let mut bytes = MAIN_MODE_1.to_vec();
        bytes[at] = value;
        Ipv4::decode(&bytes).unwrap_err().field
    };
    assert_eq!(refused(0, 0x65), "ipv4.version");
    assert_eq!(refused(0, 0x44), "ipv4.ihl");
    assert_eq!(refused(3, 19), "ipv4.total_length");
    assert_eq!(refused(2, 1), "ipv4.total_length");
    let header = Ipv4Header::new(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST, IpProtocol::UDP);
    assert!(header.write(&mut [0; 19], 0).is_err());
    assert!(header.write(&mut [0; 20], 65516).is_err());
    assert!(Ipv4Header { options: &[0; 3], ..header }.packet(&[]).is_err());
    assert!(Ipv4Header { options: &[0; 44], ..header }.packet(&[]).is_err());
}

#[test]
fn link_padding_is_left_out() {
    let padded = [MAIN_MODE_1, &[0xee; 9]].concat();
    assert_eq!(Ipv4::decode(&padded), Ipv4::decode(MAIN_MODE_1));
}

#[test]
fn options_are_walked() {
    // No operation, router alert (RFC 2113), strict source route with one address, end of list.
    let bytes = hex!("01 94040000 890704c0000201 00 ffffff");
    let walked: Vec<_> = options(&bytes).map(Result::unwrap).collect();
    assert_eq!(walked[0], Ipv4Option { kind: 0x94, offset: 1, bytes: &hex!("94040000") });
    assert_eq!((walked[1].kind, walked[1].offset, walked[1].bytes.len()), (0x89, 5, 7));
    assert!(walked[0].is_copied() && walked.len() == 2);

    for broken in [&hex!("94")[..], &hex!("9401"), &hex!("9405aa"), &hex!("0194ff00")] {
        let last = options(broken).last().unwrap();
        assert_eq!(last.unwrap_err().field, "ipv4.options");
        assert_eq!(options(broken).count(), 1);
    }
}

proptest! {
    #[test]
    fn equals_etherparse(
        tos: u8, id: u16, ttl: u8, protocol: u8, df: bool, mf: bool, offset in 0_u16..0x2000, src: [u8; 4], dst: [u8; 4],
        words in 0_usize..=10, payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let options = vec![1; words * 4];
        let ours = Ipv4Header {
            tos, identification: id, dont_fragment: df, more_fragments: mf, fragment_offset: offset << 3, ttl,
            protocol: IpProtocol(protocol), src: src.into(), dst: dst.into(), options: &options,
        };
        let bytes = ours.packet(&payload).unwrap();

        let mut theirs = etherparse::Ipv4Header::new(payload.len() as u16, ttl, protocol.into(), src, dst).unwrap();
        theirs.dscp = (tos >> 2).try_into().unwrap();
        theirs.ecn = (tos & 3).try_into().unwrap();
        theirs.identification = id;
        theirs.dont_fragment = df;
        theirs.more_fragments = mf;
        theirs.fragment_offset = offset.try_into().unwrap();
        theirs.options = options.as_slice().try_into().unwrap();
        theirs.set_payload_len(payload.len()).unwrap();
        theirs.header_checksum = theirs.calc_header_checksum();
        prop_assert_eq!(&bytes[..ours.len()], theirs.to_bytes().to_vec());

        let view = Ipv4::decode(&bytes).unwrap();
        prop_assert_eq!(Ipv4Header::of(&view), ours);
        prop_assert_eq!(view.payload(), payload);
        prop_assert!(view.checksum_ok());
    }

    /// Changing a field in place gives what writing it anew would have given.
    #[test]
    fn changes_in_place(tos: u8, id: u16, ttl: u8, src: [u8; 4], dst: [u8; 4], df: bool, mf: bool, offset: u16) {
        let old = Ipv4::decode(MAIN_MODE_1).unwrap();
        let offset = offset & !7;
        let wanted = Ipv4Header {
            tos, identification: id, ttl, protocol: IpProtocol::ESP, src: src.into(), dst: dst.into(),
            dont_fragment: df, more_fragments: mf, fragment_offset: offset, options: &[],
        }.packet(&old.payload()[..100]).unwrap();
        let mut bytes = MAIN_MODE_1.to_vec();
        let mut packet = Ipv4Mut::new(&mut bytes).unwrap();
        packet.set_tos(tos);
        packet.set_total_len(120);
        packet.set_identification(id);
        packet.set_fragment(df, mf, offset);
        packet.set_ttl(ttl);
        packet.set_protocol(IpProtocol::ESP);
        packet.set_src(src.into());
        packet.set_dst(dst.into());
        packet.fill_checksum();
        prop_assert_eq!(&bytes[..120], wanted);
    }

    #[test]
    fn never_panics(mut bytes: Vec<u8>, version in 0x40_u8..0x50) {
        let _ = Ipv4::decode(&bytes);
        if let Some(first) = bytes.first_mut() {
            *first = version;
        }
        if let Ok(packet) = Ipv4::decode_quoted(&bytes) {
            let _ = packet.to_string();
            let _ = options(packet.options()).count();
        }
        let _ = options(&bytes).count();
    }
}
