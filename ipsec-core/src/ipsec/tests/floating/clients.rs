//! Two clients behind one NAT, and one server (RFC 3948 section 5).

use super::*;

/// Two clients that know themselves by the same address, and the server with the pairs of both.
fn two(mode: fn(u8) -> Mode, server_policy: Vec<SpdEntry>) -> ([Ipsec; 2], Ipsec) {
    let mut server = node(2, server_policy);
    let clients = [1, 2].map(|number| {
        install_floating(&mut server, 2, number, mode(2), AES_MD5);
        let mut client = node(1, policy_of(1, mode(1), AES_MD5));
        install_floating(&mut client, 1, number, mode(1), AES_MD5);
        client
    });
    (clients, server)
}

/// A client's packet, as it leaves the NAT.
fn asks(clients: &mut [Ipsec; 2], number: usize, packet: Packet) -> Packet {
    out_of(&sealed(&mut clients[number], packet), PUBLIC, PORT + number as u16)
}

/// The port of the NAT that an answer goes to, as the number of its client; or why there is none.
fn answers(server: &mut Ipsec, packet: Packet) -> Result<usize, DropReason> {
    let (sent, _, events) = outbound(server, packet);
    match events[..] {
        [Event::Dropped { reason, .. }] if sent.is_empty() => Err(reason),
        _ => {
            let b = sent[0].1.bytes();
            Ok(usize::from(u16::from_be_bytes([b[22], b[23]]) - PORT))
        }
    }
}

fn echo(from: IpAddr, to: IpAddr, kind: u8, sequence: u16) -> Packet {
    let mut bytes = Vec::new();
    let ip = PacketBuilder::ipv4(octets(from), octets(to), 64);
    let ip =
        if kind == 8 { ip.icmpv4_echo_request(512, sequence) } else { ip.icmpv4_echo_reply(512, sequence) };
    ip.write(&mut bytes, b"abcdefgh").unwrap();
    Packet::from_slice(42, &bytes)
}

fn tcp(from: IpAddr, to: IpAddr, ports: (u16, u16)) -> Packet {
    let [tcp, _] = segments(from, to, ports, b"x");
    tcp
}

#[test]
fn each_answer_reaches_the_client_that_asked() {
    let (mut clients, mut server) = two(IN_TRANSPORT, policy_of(2, Mode::Transport, AES_MD5));
    // Before anybody has asked, nobody can tell the clients apart: not to the wrong one, so to none.
    let pushed = tcp(outer(2), public(), (80, 1025));
    assert_eq!(answers(&mut server, pushed), Err(DropReason::OverlappingFlow(PairId(2))));
    for (number, port) in [(0, 1025), (1, 1026)] {
        let packet = asks(&mut clients, number, tcp(outer(1), outer(2), (port, 80)));
        opened(&mut server, packet);
    }
    for (number, port) in [(0, 1025), (1, 1026), (0, 1025)] {
        assert_eq!(answers(&mut server, tcp(outer(2), public(), (80, port))), Ok(number));
    }
}

#[test]
fn a_flow_in_use_is_refused_to_a_second_client() {
    // RFC 3948 section 5.2: equal selectors, equal ports.
    let (mut clients, mut server) = two(IN_TRANSPORT, policy_of(2, Mode::Transport, AES_MD5));
    let question = || tcp(outer(1), outer(2), (1025, 80));
    let packet = asks(&mut clients, 0, question());
    opened(&mut server, packet);
    let packet = asks(&mut clients, 1, question());
    assert_eq!(refused(&mut server, packet), DropReason::OverlappingFlow(PairId(2)));
    assert_eq!(answers(&mut server, tcp(outer(2), public(), (80, 1025))), Ok(0));
    // Once the first is gone, the second may have it.
    server.handle_input(Input::Command(Command::DeletePair(PairId(1))), NOW);
    drain(&mut server);
    let packet = asks(&mut clients, 1, question());
    opened(&mut server, packet);
    assert_eq!(answers(&mut server, tcp(outer(2), public(), (80, 1025))), Ok(1));
}

#[test]
fn two_clients_ping_in_turn() {
    // Same identifier, same sequence numbers: Windows does that.
    let (mut clients, mut server) = two(IN_TRANSPORT, policy_of(2, Mode::Transport, AES_MD5));
    for (sequence, number) in [(256, 0), (256, 1), (512, 1), (512, 0)] {
        let packet = asks(&mut clients, number, echo(outer(1), outer(2), 8, sequence));
        opened(&mut server, packet);
        assert_eq!(answers(&mut server, echo(outer(2), public(), 0, sequence)), Ok(number));
    }
    // Both at once: the one that came first is answered, the other has to ask again.
    let both = [0, 1].map(|number| asks(&mut clients, number, echo(outer(1), outer(2), 8, 768)));
    let [first, second] = both;
    opened(&mut server, first);
    assert_eq!(refused(&mut server, second), DropReason::OverlappingFlow(PairId(2)));
    assert_eq!(answers(&mut server, echo(outer(2), public(), 0, 768)), Ok(0));
}

#[test]
fn overlapping_inner_addresses_are_told_apart() {
    // RFC 3948 section 5.1: two laptops with one inner address.
    let (mut clients, mut server) = two(IN_TUNNEL, policy_of(2, tunnel_of(2), AES_MD5));
    let (laptop, suzy) = (ip("10.1.0.3"), ip("10.2.0.10"));
    for (number, port) in [(0, 1025), (1, 1026)] {
        let packet = asks(&mut clients, number, tcp(laptop, suzy, (port, 80)));
        opened(&mut server, packet);
        assert_eq!(answers(&mut server, tcp(suzy, laptop, (80, port))), Ok(number));
    }
    let packet = asks(&mut clients, 1, tcp(laptop, suzy, (1025, 80)));
    assert_eq!(refused(&mut server, packet), DropReason::OverlappingFlow(PairId(2)));
    assert_eq!(answers(&mut server, tcp(suzy, laptop, (80, 1025))), Ok(0));
    let unasked = answers(&mut server, tcp(suzy, laptop, (80, 9)));
    assert_eq!(unasked, Err(DropReason::OverlappingFlow(PairId(2))));
}

#[test]
fn a_tunnel_to_anyone_answers_whoever_asked() {
    // Behind different NATs, so with different outer addresses, under one entry that names none.
    let anyone = Mode::Tunnel { local: Some(outer(2)), remote: ip("0.0.0.0") };
    let mut policy = policy_of(2, tunnel_of(2), AES_MD5);
    policy[0].action = Action::Protect(protect(anyone));
    let mut server = node(2, policy);
    let (laptop, suzy) = (ip("10.1.0.3"), ip("10.2.0.10"));
    let (sent, _, events) = outbound(&mut server, tcp(suzy, laptop, (80, 1)));
    assert!(sent.is_empty() && matches!(events[..], [Event::Dropped { reason: DropReason::NoRoute, .. }]));
    let mut clients = [1, 2].map(|number| {
        for from in [1, 2] {
            let mut spec = floating(2, from, number, tunnel_of(2), AES_MD5);
            spec.peer = [198, 51, 100, number as u8].into();
            server.handle_input(Input::Command(Command::Install(spec)), NOW);
        }
        let mut client = node(1, policy_of(1, tunnel_of(1), AES_MD5));
        install_floating(&mut client, 1, number, tunnel_of(1), AES_MD5);
        client
    });
    drain(&mut server);
    for (number, port) in [(0, 1025), (1, 1026)] {
        let packet = sealed(&mut clients[number], tcp(laptop, suzy, (port, 80)));
        opened(&mut server, out_of(&packet, [198, 51, 100, number as u8 + 1], PORT + number as u16));
        let answer = sealed(&mut server, tcp(suzy, laptop, (80, port)));
        assert_eq!(answer.bytes()[16..20], [198, 51, 100, number as u8 + 1]);
    }
    let packet = sealed(&mut clients[1], tcp(laptop, suzy, (1025, 80)));
    let reason = refused(&mut server, out_of(&packet, [198, 51, 100, 2], PORT + 1));
    assert_eq!(reason, DropReason::OverlappingFlow(PairId(2)));
}

#[test]
fn errors_go_where_the_packet_came_from() {
    let (mut clients, mut server) = two(IN_TRANSPORT, policy_of(2, Mode::Transport, AES_MD5));
    for number in [1, 0] {
        let port = 1025 + number as u16;
        let [_, question] = segments(outer(1), outer(2), (port, 9), b"x");
        let packet = asks(&mut clients, number, question);
        let delivered = opened(&mut server, packet);
        // Port unreachable, quoting what was delivered (RFC 792).
        let mut error = Packet::from_slice(42, &delivered.bytes()[..28]);
        error.push_front(8).copy_from_slice(&[3, 3, 0, 0, 0, 0, 0, 0]);
        let sum = checksum(error.bytes());
        write(error.bytes_mut(), 2, &sum.to_be_bytes());
        let header = crate::fragment::fresh_header(outer(2), public(), protocol::ICMP, 64, 1);
        error.push_front(20);
        assert!(header.write(error.bytes_mut()));
        assert_eq!(answers(&mut server, error), Ok(number));
    }
}

#[test]
fn what_the_server_asks_is_bound_as_well() {
    // One client: no doubt. It keeps the flow when the second comes.
    let mut server = node(2, policy_of(2, Mode::Transport, AES_MD5));
    install_floating(&mut server, 2, 1, Mode::Transport, AES_MD5);
    let question = || tcp(outer(2), public(), (1025, 80));
    assert_eq!(answers(&mut server, question()), Ok(0));
    install_floating(&mut server, 2, 2, Mode::Transport, AES_MD5);
    assert_eq!(answers(&mut server, question()), Ok(0));
    let mut other = node(1, policy_of(1, Mode::Transport, AES_MD5));
    install_floating(&mut other, 1, 2, Mode::Transport, AES_MD5);
    let forged = out_of(&sealed(&mut other, tcp(outer(1), outer(2), (80, 1025))), PUBLIC, PORT + 1);
    assert_eq!(refused(&mut server, forged), DropReason::OverlappingFlow(PairId(2)));
}

#[test]
fn clear_text_from_the_nat_is_refused_where_its_clients_are_protected() {
    // RFC 3948 section 5.2: nobody can tell Cliff from a misbehaving Bob.
    let (_, mut server) = two(IN_TRANSPORT, policy_of(2, Mode::Transport, AES_MD5));
    let reason = refused(&mut server, tcp(public(), outer(2), (1027, 80)));
    assert_eq!(reason, DropReason::ClearTextRefused(EntryId(1)));
}

#[test]
fn a_tunnel_to_anyone_tells_clients_apart_without_nat_too() {
    // RFC 3948 section 5.1: the conflict is that of the inner addresses, whatever is around them.
    let anyone = Mode::Tunnel { local: Some(outer(2)), remote: ip("0.0.0.0") };
    let mut policy = policy_of(2, tunnel_of(2), AES_MD5);
    policy[0].action = Action::Protect(protect(anyone));
    let mut server = node(2, policy);
    let mut clients = [5, 6].map(|number: u8| {
        let mode = Mode::Tunnel { local: Some(outer(number)), remote: outer(2) };
        let mut client = node(number, vec![entry(1, nets(1), Action::Protect(protect(mode)))]);
        for from in [1, 2] {
            let spec = BundleSpec { udp: None, ..floating(2, from, number.into(), tunnel_of(2), AES_MD5) };
            let at_server = BundleSpec { peer: outer(number), ..spec.clone() };
            server.handle_input(Input::Command(Command::Install(at_server)), NOW);
            let (local, peer, inbound) = (outer(number), outer(2), from == 2);
            let spec = BundleSpec { mode, local, peer, inbound, selector: nets(1), ..spec };
            client.handle_input(Input::Command(Command::Install(spec)), NOW);
        }
        client
    });
    assert!(packets(drain(&mut server)).2.is_empty());
    let (laptop, suzy) = (ip("10.1.0.3"), ip("10.2.0.10"));
    for (client, (number, port)) in clients.iter_mut().zip([(5, 1025), (6, 1026)]) {
        let packet = sealed(client, tcp(laptop, suzy, (port, 80)));
        opened(&mut server, packet);
        let answer = sealed(&mut server, tcp(suzy, laptop, (80, port)));
        assert_eq!((answer.bytes()[9], &answer.bytes()[16..20]), (50, &octets(outer(number))[..]));
    }
    let packet = sealed(&mut clients[1], tcp(laptop, suzy, (1025, 80)));
    assert_eq!(refused(&mut server, packet), DropReason::OverlappingFlow(PairId(6)));
}

#[test]
fn a_router_speaks_of_one_client() {
    // Clients choose their SPIs without asking each other; ports tell them apart.
    let mut server = node(2, policy_of(2, tunnel_of(2), AES_MD5));
    for client in [1, 2] {
        for from in [1, 2] {
            let mut spec = floating(2, from, client, tunnel_of(2), AES_MD5);
            spec.sas[0].spi = Spi(if from == 2 { 0x7777 } else { 0x1000 + client as u32 });
            server.handle_input(Input::Command(Command::Install(spec)), NOW);
        }
    }
    drain(&mut server);
    for client in [1, 2] {
        let id = server.sad.get_mut(PairId(client)).unwrap();
        let (from, to) = (id.local_socket(), id.peer_socket());
        let mut sealed = Packet::from_slice(0, &[0, 0, 0x77, 0x77, 0, 0, 0, 1]);
        sealed.push_front(28);
        let header = NewHeader {
            source: from.ip(),
            destination: to.ip(),
            protocol: protocol::UDP,
            traffic_class: 0,
            ttl: 9,
            dont_fragment: true,
            ident: 1,
        };
        assert!(header.write(sealed.bytes_mut()));
        write(sealed.bytes_mut(), 20, &udp::header(from.port(), to.port(), 8));
        let (_, _, events) = inbound(&mut server, too_big(sealed.bytes(), 1200 + client as u16));
        assert_eq!(events, [Event::PathMtu { pair: PairId(client), mtu: 1200 + client as u16 }]);
    }
}

#[test]
fn only_where_clients_share_addresses_are_flows_remembered() {
    let (mut a, mut b) = tunnel();
    let packet = sealed(&mut a, request(3));
    opened(&mut b, packet);
    assert_eq!((a.sad.bindings(), b.sad.bindings()), (0, 0));
    let (mut client, mut server) = ends(IN_TUNNEL, AES_MD5);
    opened(&mut server, out_of(&sealed(&mut client, request(3)), PUBLIC, PORT));
    assert_eq!((client.sad.bindings(), server.sad.bindings()), (1, 1));
}
