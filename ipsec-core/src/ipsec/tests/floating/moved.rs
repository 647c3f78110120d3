//! A NAT forgets its mapping, and the client's packets come from elsewhere (RFC 3947 section 7).

use super::*;

fn at(address: [u8; 4], port: u16) -> SocketAddr {
    SocketAddr::new(address.into(), port)
}

fn moved(from: SocketAddr, to: SocketAddr) -> Event {
    Event::PeerMoved { pair: PairId(1), from, to }
}

const ELSEWHERE: [u8; 4] = [198, 51, 100, 99];

/// Where the server's next packet to the client goes.
fn answered_to(server: &mut Ipsec) -> SocketAddr {
    let packet = sealed(server, udp(ip("10.2.0.10"), ip("10.1.0.10"), (7, 4000), 3));
    let b = packet.bytes();
    at(b[16..20].try_into().unwrap(), u16::from_be_bytes([b[22], b[23]]))
}

#[test]
fn an_authenticated_packet_moves_the_peer() {
    let (mut client, mut server) = ends(IN_TUNNEL, AES_MD5);
    assert_eq!(answered_to(&mut server), at(PUBLIC, PORT));
    for (from, to) in [(at(PUBLIC, PORT), at(PUBLIC, 7)), (at(PUBLIC, 7), at(ELSEWHERE, 8))] {
        let packet = out_of(&sealed(&mut client, request(3)), octets(to.ip()), to.port());
        let (_, delivered, events) = inbound(&mut server, packet);
        assert_eq!(delivered.len(), 1);
        assert_eq!(events, [moved(from, to), Event::Opened { packet: 42, pair: PairId(1) }]);
        assert_eq!(answered_to(&mut server), to);
    }
    // Nothing new, nothing told.
    let packet = out_of(&sealed(&mut client, request(3)), ELSEWHERE, 8);
    assert_eq!(inbound(&mut server, packet).2, [Event::Opened { packet: 42, pair: PairId(1) }]);
    assert_eq!(server.status().pairs().next().unwrap().peer_socket(), at(ELSEWHERE, 8));
}

#[test]
fn forged_and_replayed_packets_move_nothing() {
    let (mut client, mut server) = ends(IN_TUNNEL, AES_MD5);
    let first = sealed(&mut client, request(3));
    opened(&mut server, out_of(&first, PUBLIC, PORT));
    let before = alloc::format!("{:?}", server.status().pairs().next().unwrap().peer_socket());
    assert_eq!(refused(&mut server, out_of(&first, ELSEWHERE, 8)), DropReason::Replayed(PairId(1)));
    let second = sealed(&mut client, request(3));
    for at in 28..second.len() {
        let mut forged = out_of(&second, ELSEWHERE, 8);
        forged.bytes_mut()[at] ^= 0x40;
        refused(&mut server, forged);
    }
    // A keepalive is not authenticated.
    let [_, keepalive] = segments(ELSEWHERE.into(), outer(2), (8, 4500), &[0xff]);
    assert!(inbound(&mut server, keepalive).2.is_empty());
    assert_eq!(alloc::format!("{:?}", server.status().pairs().next().unwrap().peer_socket()), before);
    assert_eq!(answered_to(&mut server), at(PUBLIC, PORT));
}

#[test]
fn a_packet_that_was_overtaken_does_not_move_it_back() {
    let (mut client, mut server) = ends(IN_TUNNEL, AES_MD5);
    let [old, new] = [0; 2].map(|_| sealed(&mut client, request(3)));
    opened(&mut server, out_of(&new, PUBLIC, 7));
    // Good, in the window, and late.
    let (_, delivered, events) = inbound(&mut server, out_of(&old, PUBLIC, PORT));
    assert_eq!((delivered.len(), events), (1, vec![Event::Opened { packet: 42, pair: PairId(1) }]));
    assert_eq!(answered_to(&mut server), at(PUBLIC, 7));
}

#[test]
fn without_integrity_nothing_moves() {
    let transform = EspTransform { cipher: Cipher::TripleDes, mac: None };
    let (mut client, mut server) = ends(IN_TUNNEL, transform);
    opened(&mut server, out_of(&sealed(&mut client, request(3)), ELSEWHERE, 8));
    assert_eq!(answered_to(&mut server), at(PUBLIC, PORT));
}

#[test]
fn a_host_behind_a_nat_follows_nobody() {
    // RFC 3947 section 7: its peer is not behind one, and whoever changes the packets could lead it astray.
    let (mut client, mut server) = ends(IN_TUNNEL, AES_MD5);
    let answer = sealed(&mut server, udp(ip("10.2.0.10"), ip("10.1.0.10"), (7, 4000), 3));
    let diverted = out_of(&into(&answer), ELSEWHERE, 8);
    assert_eq!(inbound(&mut client, diverted).2, [Event::Opened { packet: 42, pair: PairId(1) }]);
    assert_eq!(sealed(&mut client, request(3)).bytes()[16..24], [192, 0, 2, 2, 0x11, 0x94, 0x11, 0x94]);
}

#[test]
fn selectors_of_transport_mode_move_along_as_far_as_the_policy_reaches() {
    let mut client = end(1, IN_TRANSPORT, AES_MD5);
    let wide =
        Selector::between(AddressRange::single(outer(2)), Prefix::new([198, 51, 100, 0].into(), 24).into());
    let mut policy = policy_of(2, Mode::Transport, AES_MD5);
    policy[0].selector = wide;
    let mut server = node(2, policy);
    install_floating(&mut server, 2, 1, Mode::Transport, AES_MD5);
    let [_, question] = segments(outer(1), outer(2), (1025, 80), b"question");
    let [_, expected] = segments(ELSEWHERE.into(), outer(2), (1025, 80), b"question");
    let packet = out_of(&sealed(&mut client, question.clone()), ELSEWHERE, 8);
    // The checksum fits the address that is on the packet now.
    assert_eq!(opened(&mut server, packet).bytes(), expected.bytes());
    let [_, answer] = segments(outer(2), ELSEWHERE.into(), (80, 1025), b"answer");
    assert_eq!(sealed(&mut server, answer).bytes()[16..24], [198, 51, 100, 99, 0x11, 0x94, 0, 8]);
    // Beyond the entry: no move, and not the traffic of this SA.
    let packet = out_of(&sealed(&mut client, question), [203, 0, 113, 1], 8);
    assert_eq!(refused(&mut server, packet), DropReason::SelectorMismatch(PairId(1)));
    assert_eq!(server.status().pairs().next().unwrap().peer_socket(), at(ELSEWHERE, 8));
}

#[test]
fn ike_moves_pairs_too() {
    let mut server = end(2, IN_TUNNEL, AES_MD5);
    let local = SocketAddr::new(outer(2), 4500);
    server.apply(Effect::MovePeer { pair: PairId(1), local, peer: at(ELSEWHERE, 8) }, NOW);
    assert_eq!(packets(drain(&mut server)).2, [moved(at(PUBLIC, PORT), at(ELSEWHERE, 8))]);
    assert_eq!(answered_to(&mut server), at(ELSEWHERE, 8));
    // A pair without encapsulation, or one that is not there, stays.
    let (mut plain, _) = tunnel();
    for pair in [1, 7] {
        plain.apply(Effect::MovePeer { pair: PairId(pair), local, peer: at(ELSEWHERE, 8) }, NOW);
    }
    assert!(drain(&mut plain).is_empty());
    // Our own end may change as well: the SAs are found at the new address.
    let mut client = end(1, IN_TUNNEL, AES_MD5);
    let packet = out_of(&sealed(&mut client, request(3)), PUBLIC, PORT);
    server.config.interfaces[1].addresses.push(Prefix::new(outer(7), 24));
    let moved_to = SocketAddr::new(outer(7), 4500);
    server.apply(Effect::MovePeer { pair: PairId(1), local: moved_to, peer: at(PUBLIC, PORT) }, NOW);
    drain(&mut server);
    assert_eq!(refused(&mut server, packet.clone()), DropReason::UnknownSpi(0x1001));
    opened(&mut server, addressed(&packet, 16, [192, 0, 2, 7], 22, 4500));
}

#[test]
fn a_pair_that_moved_is_deleted_wholly() {
    let (mut client, mut server) = ends(IN_TUNNEL, AES_MD5);
    opened(&mut server, out_of(&sealed(&mut client, request(3)), ELSEWHERE, 8));
    server.handle_input(Input::Command(Command::DeletePair(PairId(1))), NOW);
    drain(&mut server);
    let (sent, _, events) = outbound(&mut server, udp(ip("10.2.0.10"), ip("10.1.0.10"), (7, 4000), 3));
    assert!(sent.iter().all(|(_, packet)| packet.bytes()[9] == 17 && packet.bytes()[22..24] == [1, 0xf4]));
    assert!(events.iter().any(|event| matches!(event, Event::Held { .. })), "{events:?}");
    // Installed again, it is where it was made; what waited leaves.
    for from in [1, 2] {
        let spec = floating(2, from, 1, tunnel_of(2), AES_MD5);
        server.handle_input(Input::Command(Command::Install(spec)), NOW);
    }
    assert_eq!(packets(drain(&mut server)).0.len(), 1);
    assert_eq!(answered_to(&mut server), at(PUBLIC, PORT));
}

#[test]
fn nobody_moves_to_where_no_answer_can_go() {
    // RFC 1122 section 3.2.1.3: no host's address; the ICV covers neither it nor the port.
    let (mut client, mut server) = ends(IN_TUNNEL, AES_MD5);
    let sources =
        [[0, 0, 0, 0], [224, 0, 0, 1], [239, 255, 255, 255], [255; 4], octets(outer(2)), [10, 2, 0, 1]];
    for (address, port) in sources.map(|address| (address, 8)).into_iter().chain([(ELSEWHERE, 0)]) {
        let packet = out_of(&sealed(&mut client, request(3)), address, port);
        let (_, _, events) = inbound(&mut server, packet);
        assert_eq!(events, [Event::Opened { packet: 42, pair: PairId(1) }], "{address:?} {port}");
    }
    assert_eq!(answered_to(&mut server), at(PUBLIC, PORT));
}
