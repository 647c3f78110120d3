//! Short lives of a node: every kind of input, before, during and after a negotiation.

use ipsec_core::wire::isakmp::split;
use ipsec_vectors::recorded;

use super::packet::packets;
use super::write;

/// The node runs for two seconds.
const RUN: [u8; 3] = [2, 0, 200];

fn sized(kind: &[u8], octets: &[u8]) -> Vec<u8> {
    [kind, &(octets.len() as u16).to_be_bytes(), octets].concat()
}

/// Small stories.
pub(crate) fn seeds() {
    // First octet: 1 DES, 2 tunnel, 4 PFS, 8 offloaded work, 16 SAs are up.
    for bits in [0_u8, 2, 4, 8, 16, 18, 31] {
        let traffic =
            [&[bits, 0, 0, 40], &RUN[..], &[1, 1, 60], &RUN, &[8, 0, 0, 0, 0], &[8, 1, 0, 40, 1], &RUN]
                .concat();
        write("ipsec_input", &format!("traffic-{bits}"), &traffic);
        for command in 0..5 {
            let story = [&[bits, 0, 0, 40, 2, 0, 1, 14, command, 1], &RUN[..], &[0, 1, 9], &RUN].concat();
            write("ipsec_input", &format!("command-{bits}-{command}"), &story);
        }
    }
    for (name, packet) in packets() {
        let story = [&[16][..], &sized(&[5], &packet), &sized(&[11], &packet), &[0], &RUN].concat();
        write("ipsec_input", &format!("packet-{name}"), &story);
    }
    let first = recorded::KB816514.datagrams().swap_remove(0).payload;
    assert!(split(&first).is_ok());
    let stranger =
        [&[0][..], &sized(&[6], &first), &RUN, &sized(&[6], &first), &[12, 0, 1], &[2, 255, 255], &RUN]
            .concat();
    write("ipsec_input", "first-message-of-a-stranger", &stranger);
    write("ipsec_input", "forged-work", &[8, 0, 0, 40, 12, 1, 0, 2, 7, 7, 1, 12, 0, 2, 2, 0, 200, 12, 0, 3]);
}
