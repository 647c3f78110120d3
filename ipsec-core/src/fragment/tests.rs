use super::*;
use alloc::vec;
use proptest::prelude::*;

fn datagram(v4: bool, df: bool, len: usize) -> Packet {
    let (source, destination) = if v4 { ("10.0.0.1", "10.0.0.2") } else { ("fd00::1", "fd00::2") };
    let header = NewHeader {
        dont_fragment: df,
        ..fresh_header(source.parse().unwrap(), destination.parse().unwrap(), 17, 64, 9)
    };
    let mut bytes = vec![0; header.len()];
    bytes.extend((0..len).map(|i| (i * 7 / 3) as u8));
    assert!(header.write(&mut bytes));
    Packet::from_slice(5, &bytes)
}

fn reassemble(fragments: Vec<Packet>) -> Option<Packet> {
    let mut table = Reassembler::new(4, 1 << 20);
    let mut whole = None;
    for f in fragments {
        if let Reassembly::Whole(packet) = table.push(f, Instant::EPOCH, &mut Vec::new()) {
            assert!(whole.replace(packet).is_none());
        }
    }
    assert!(table.is_empty() && table.octets == 0 || whole.is_none());
    whole
}

#[test]
fn sizes_of_rfc_791() {
    // 1480 octets of data over an MTU of 576: 552, 552 and 376.
    let fragments = fragment(datagram(true, false, 1480), 576, 0).unwrap();
    let lens: Vec<_> = fragments.iter().map(Packet::len).collect();
    assert_eq!(lens, [572, 572, 396]);
    let infos: Vec<_> =
        fragments.iter().map(|f| IpInfo::parse(f.bytes()).unwrap().fragment.unwrap()).collect();
    assert_eq!(
        infos.iter().map(|f| (f.offset, f.more)).collect::<Vec<_>>(),
        [(0, true), (552, true), (1104, false)]
    );
    assert!(fragments.iter().all(|f| f.id() == 5));
    assert!(fragments.iter().all(|f| crate::wire::checksum::checksum(&f.bytes()[..20]) == 0));
}

#[test]
fn options_are_copied_by_their_flag() {
    // Router alert (copied) and record route (not).
    let mut bytes = datagram(true, false, 100).bytes().to_vec();
    bytes.splice(20..20, [0x94, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0]);
    bytes[0] = 0x48;
    assert!(refresh_length(&mut bytes));
    let fragments = fragment(Packet::from_slice(1, &bytes), 80, 0).unwrap();
    assert_eq!((fragments[0].bytes()[0], fragments[1].bytes()[0]), (0x48, 0x46));
    assert_eq!(fragments[1].bytes()[20..24], [0x94, 4, 0, 0]);
    assert_eq!(reassemble(fragments).unwrap().bytes(), bytes);
}

#[test]
fn df_is_obeyed() {
    assert_eq!(fragment(datagram(true, true, 1480), 576, 0).unwrap_err(), FragmentError::DontFragment);
    assert_eq!(fragment(datagram(true, true, 100), 576, 0).unwrap().len(), 1);
    assert_eq!(fragment(datagram(true, false, 100), 24, 0).unwrap_err(), FragmentError::MtuTooSmall);
}

#[test]
fn overlaps_drop_the_datagram() {
    let whole = datagram(true, false, 64);
    let piece = |from: usize, to: usize, more: bool, change: u8| {
        let mut bytes = whole.bytes()[..20].to_vec();
        bytes.extend(whole.bytes()[20 + from..20 + to].iter().map(|b| b ^ change));
        write(&mut bytes, 6, &((from / 8) as u16 | u16::from(more) << 13).to_be_bytes());
        assert!(refresh_length(&mut bytes));
        Packet::from_slice(1, &bytes)
    };
    let last = |pieces: Vec<Packet>| {
        let mut table = Reassembler::new(4, 1 << 20);
        pieces.into_iter().map(|p| table.push(p, Instant::EPOCH, &mut Vec::new())).last().unwrap()
    };
    // An exact duplicate does no harm; another content at the same place, or a partial overlap, does.
    assert_eq!(last(vec![piece(0, 32, true, 0), piece(0, 32, true, 0)]), Reassembly::Waiting);
    assert_eq!(last(vec![piece(0, 32, true, 0), piece(0, 32, true, 1)]), Reassembly::Bad);
    assert_eq!(last(vec![piece(0, 32, true, 0), piece(24, 64, false, 0)]), Reassembly::Bad);
    assert_eq!(last(vec![piece(32, 64, false, 0), piece(0, 40, true, 0)]), Reassembly::Bad);
    // Beyond the end, and two ends.
    assert_eq!(last(vec![piece(8, 32, false, 0), piece(32, 64, true, 0)]), Reassembly::Bad);
    assert_eq!(last(vec![piece(32, 64, false, 0), piece(8, 32, false, 0)]), Reassembly::Bad);
    assert!(
        matches!(last(vec![piece(32, 64, false, 0), piece(0, 32, true, 0)]), Reassembly::Whole(p) if p.bytes() == whole.bytes())
    );
}

#[test]
fn the_table_is_bounded_and_forgets() {
    let mut table = Reassembler::new(2, 4096);
    let mut dropped = Vec::new();
    for n in 0..3u16 {
        let mut f = fragment(datagram(true, false, 1480), 576, 0).unwrap().swap_remove(0);
        write(f.bytes_mut(), 4, &n.to_be_bytes());
        f.set_id(n.into());
        assert_eq!(table.push(f, Instant::from_secs(n.into()), &mut dropped), Reassembly::Waiting);
    }
    assert_eq!((dropped.as_slice(), table.len()), (&[0][..], 2));
    assert_eq!(table.poll_timeout(), Some(Instant::from_secs(61)));
    assert_eq!(table.expire(Instant::from_secs(61)), [1]);
    assert_eq!(table.expire(Instant::from_secs(1000)), [2]);
    assert_eq!((table.len(), table.octets), (0, 0));
}

#[test]
fn fragments_but_the_last_have_whole_blocks() {
    for (len, expected) in [(16, Reassembly::Waiting), (8, Reassembly::Waiting), (12, Reassembly::Bad)] {
        let mut first = datagram(true, false, len);
        write(first.bytes_mut(), 6, &[0x20, 0]);
        assert!(refresh_length(first.bytes_mut()));
        assert_eq!(Reassembler::new(4, 4096).push(first, Instant::EPOCH, &mut Vec::new()), expected);
    }
}

proptest! {
    #[test]
    fn any_order_gives_the_datagram(v4: bool, len in 1usize..4000, mtu in 80u16..1500, rotate: usize, again: bool) {
        let original = datagram(v4, false, len);
        let mut fragments = fragment(original.clone(), mtu, 0xdead_beef).unwrap();
        prop_assert!(fragments.iter().all(|f| f.len() <= usize::from(mtu)));
        if fragments.len() > 1 {
            let n = rotate % fragments.len();
            fragments.rotate_left(n);
            fragments.swap(0, n);
            if again {
                let copy = fragments[0].clone();
                fragments.insert(1, copy);
            }
        }
        let packet = reassemble(fragments).unwrap();
        prop_assert_eq!(packet.bytes(), original.bytes());
    }

    #[test]
    fn fragments_of_fragments(len in 600usize..4000, first in 300u16..1500, second in 80u16..300) {
        let original = datagram(true, false, len);
        let once = fragment(original.clone(), first, 0).unwrap();
        let twice: Vec<_> = once.into_iter().flat_map(|f| fragment(f, second, 0).unwrap()).collect();
        let packet = reassemble(twice).unwrap();
        prop_assert_eq!(packet.bytes(), original.bytes());
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20), mtu: u16) {
        let mut table = Reassembler::new(2, 200);
        for bytes in packets {
            let _ = fragment(Packet::from_slice(0, &bytes), mtu, 1);
            let mut p = datagram(true, false, bytes.len());
            for (to, from) in p.bytes_mut().iter_mut().skip(4).zip(&bytes) { *to = *from; }
            let _ = table.push(p, Instant::EPOCH, &mut Vec::new());
            let _ = table.push(Packet::from_slice(0, &bytes), Instant::EPOCH, &mut Vec::new());
            prop_assert!(table.octets <= 200 && table.len() <= 2);
        }
    }
}
