//! Two clients behind a NAT: who asks, who moves, and what strangers send.

use super::write;

/// Client 0 or 1 asks from one of four ports; with `later` the packet stays under way.
fn asks(client: u8, port: u8, later: bool) -> [u8; 2] {
    [0, client | port << 1 | u8::from(later) << 7]
}

fn answer(port: u8) -> [u8; 2] {
    [4, port]
}

/// A packet sealed before, from one of the sources and any port, altered at a place when `bits` are set.
fn again(which: u8, source: u8, bits: u8, at: u8, port: u16) -> [u8; 7] {
    let [high, low] = port.to_be_bytes();
    [2, which, source, bits, at, high, low]
}

/// A datagram to port 4500.
fn anything(source: u8, checksum: u8, payload: &[u8]) -> Vec<u8> {
    [&[3, source, 0x11, 0x94, checksum, payload.len() as u8], payload].concat()
}

/// Small stories, each in both modes, with room for flows and without.
pub(crate) fn seeds() {
    let stories: [(&str, Vec<Vec<u8>>); 6] = [
        (
            "turns",
            vec![asks(0, 0, false).into(), asks(1, 1, false).into(), answer(0).into(), answer(1).into()],
        ),
        (
            "conflict",
            vec![
                asks(0, 0, false).into(),
                asks(1, 0, false).into(),
                answer(0).into(),
                vec![5, 0x0b, 0xb8],
                asks(1, 0, false).into(),
                answer(0).into(),
            ],
        ),
        (
            "rebinding",
            vec![
                asks(0, 0, false).into(),
                vec![6, 0, 0xf0, 1],
                asks(0, 0, false).into(),
                answer(0).into(),
                again(0, 0, 0, 0, 9).into(),
            ],
        ),
        (
            "overtaken",
            vec![
                asks(0, 0, true).into(),
                asks(0, 0, false).into(),
                again(0, 1, 0, 1, 77).into(),
                answer(0).into(),
                again(0, 1, 0, 0, 78).into(),
            ],
        ),
        (
            "elsewhere",
            (0..6)
                .flat_map(|n| {
                    [
                        asks(0, 0, true).to_vec(),
                        again(n, n, 0, 0, 0).to_vec(),
                        again(n, n, 0, 0, 7).to_vec(),
                        again(n, n, 1, 20, 8).to_vec(),
                    ]
                })
                .collect(),
        ),
        (
            "strangers",
            vec![
                anything(0, 0, &[0xff]),
                anything(1, 1, &[0, 0, 0]),
                anything(0, 2, &[0xff]),
                anything(0, 1, &[0; 28]),
                anything(5, 1, &[1, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4]),
                vec![7, 8, 0, 17, 0, 1, 0x11, 0x94, 0, 8, 0, 0],
            ],
        ),
    ];
    for (name, steps) in stories {
        for bits in 0..4 {
            write("floated", &format!("{name}-{bits}"), &[&[bits][..], &steps.concat()].concat());
        }
    }
}
