//! Sequence numbers run out, and never wrap (RFC 4303 section 3.3.3).

use super::*;

fn after(sequence: u64) -> Ipsec {
    let (mut a, _) = tunnel();
    let pair = a.sad.get_mut(PairId(1)).unwrap();
    pair.outbound.as_mut().unwrap().sas_mut()[0].set_sequence(sequence);
    a
}

fn number(packet: &Packet) -> u32 {
    crate::ip::read_u32(packet.bytes(), 24).unwrap()
}

fn is_ike(packet: &Packet) -> bool {
    packet.bytes()[9] == protocol::UDP
}

#[test]
fn a_successor_is_asked_for_in_time() {
    // Nobody has said that anti-replay is off, so it is on: 2^28 numbers are left when IKE is asked.
    let mut a = after((1 << 32) - (1 << 28) - 2);
    let (sent, _, _) = outbound(&mut a, request(1));
    assert!(!sent.iter().any(|(_, packet)| is_ike(packet)));
    let (sent, _, _) = outbound(&mut a, request(1));
    assert!(sent.iter().any(|(_, packet)| is_ike(packet)));
    assert!(sent.iter().any(|(_, packet)| packet.bytes()[9] == protocol::ESP));
}

#[test]
fn the_last_number_is_the_last_packet() {
    let mut a = after((1 << 32) - 2);
    let (sent, _, _) = outbound(&mut a, request(1));
    let esp = sent.iter().find(|(_, packet)| packet.bytes()[9] == protocol::ESP);
    assert_eq!(esp.map(|(_, packet)| number(packet)), Some(u32::MAX));
    for _ in 0..3 {
        let (sent, _, _) = outbound(&mut a, request(1));
        assert!(sent.iter().all(|(_, packet)| is_ike(packet)));
    }
    assert_eq!(a.status().pairs().count(), 0);
}
