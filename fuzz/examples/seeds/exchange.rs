//! Negotiations with one thing wrong each: every kind of lie in every message, and every kind of fault of the wire.

use super::write;

/// Agreement, lies of the initiator and of the responder, then fates.
fn sample(agreement: u8, lies: [&[[u8; 5]]; 2], fates: &[u8]) -> Vec<u8> {
    let lies = lies.map(|lies| [&[lies.len() as u8][..], &lies.concat()].concat());
    [&[agreement][..], &lies[0], &lies[1], fates].concat()
}

/// Small stories.
pub(crate) fn seeds() {
    for bits in [0_u8, 0x04, 0x08, 0x1e, 0x22, 0x40, 0x4c] {
        write("exchange", &format!("honest-{bits:02x}"), &sample(bits, [&[], &[]], &[]));
    }
    for kind in 1..10_u8 {
        // Main mode is three messages of each end, quick mode two of the initiator and one of the responder.
        for message in 0..5 {
            let mut lies = vec![[0; 5]; message];
            lies.push([kind, 1, 0, 9, 4]);
            let name = format!("lie-{kind}-in-message-{message}");
            let by_initiator = message % 2 == 0;
            let (a, b): (&[[u8; 5]], &[[u8; 5]]) = if by_initiator { (&lies, &[]) } else { (&[], &lies) };
            write("exchange", &name, &sample(message as u8 * 4, [a, b], &[]));
        }
    }
    let fates: [(&str, &[u8]); 6] = [
        ("lost", &[3; 12]),
        ("twice", &[4; 12]),
        ("late", &[5, 20, 5, 10, 0, 0, 5, 30, 5, 5, 5, 5]),
        ("cut", &[6, 0, 40, 0, 0, 6, 0, 90, 0, 6, 1, 0]),
        ("flipped", &[7, 0, 60, 1, 0, 7, 0, 30, 128, 0, 0, 7, 0, 99, 2]),
        ("everything", &[0, 3, 4, 5, 9, 7, 0, 100, 1, 4, 4, 3, 3, 0, 6, 0, 50, 4]),
    ];
    for (i, (name, fates)) in (0..).zip(fates) {
        write("exchange", &format!("wire-{name}"), &sample(i * 8, [&[], &[]], fates));
    }
}
