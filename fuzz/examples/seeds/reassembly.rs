//! Fragments in order, in reverse, overlapping, and too many; and datagrams to cut and put together.

use super::packet::packets;
use super::write;

/// One fragment: datagram (IPv6 from 4) and flags, offset and length in units of eight octets, filling; after `seconds`.
fn part(seconds: u8, datagram: u8, more: bool, offset: u8, len: u8) -> [u8; 5] {
    [seconds, datagram | u8::from(more) << 3, offset, len, 5]
}

/// Small stories of fragments.
pub(crate) fn seeds() {
    let story = |name: &str, parts: &[[u8; 5]]| {
        write("reassembly", name, &[&[0], parts.concat().as_slice()].concat())
    };
    for (family, datagram) in [("v4", 1), ("v6", 5)] {
        let (first, middle, last) =
            (part(0, datagram, true, 0, 2), part(1, datagram, true, 2, 3), part(0, datagram, false, 5, 1));
        story(&format!("{family}-in-order"), &[first, middle, last]);
        story(&format!("{family}-reversed"), &[last, middle, first]);
        story(&format!("{family}-duplicate"), &[first, first, last, middle]);
        story(&format!("{family}-overlap"), &[first, part(0, datagram, true, 1, 3), last]);
        story(&format!("{family}-overlap-the-end"), &[last, part(0, datagram, true, 4, 4), first]);
        story(&format!("{family}-two-ends"), &[last, part(0, datagram, false, 9, 1), first]);
        story(
            &format!("{family}-late"),
            &[first, part(31, 2, true, 0, 1), part(31, 3, true, 0, 1), middle, last],
        );
        story(&format!("{family}-too-long"), &[[0, datagram | 0x10, 0, 200, 5], first]);
    }
    let flood: Vec<[u8; 5]> = (0..8).map(|d| part(1, d, true, 2, 200)).collect();
    story("flood", &flood);
    for (name, packet) in packets().into_iter().filter(|(_, p)| p.len() > 48) {
        let mtu: u16 = if packet[0] >> 4 == 4 { 36 } else { 64 };
        for order in [0, 3] {
            let control = [&[1][..], &mtu.to_be_bytes(), &[order, 0, 0, 0, 9]].concat();
            write("reassembly", &format!("cut-{name}-{order}"), &[control, packet.clone()].concat());
        }
    }
}
