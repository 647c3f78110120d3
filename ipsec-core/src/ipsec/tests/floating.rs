//! ESP in UDP (RFC 3948) with manual keys: node 1 is a client behind a NAT, node 2 a server with a public address.

use super::*;
use crate::sad::{OriginalAddresses, UdpEncapsulation};
use crate::wire::checksum::checksum;
use etherparse::PacketBuilder;

mod clients;
mod moved;

/// The NAT's public address, and the port it gives the first client.
const PUBLIC: [u8; 4] = [198, 51, 100, 7];
const PORT: u16 = 61_001;

fn public() -> IpAddr {
    PUBLIC.into()
}

/// Traffic of transport mode as node `me` sees it: the server knows the client by the NAT's address.
fn transport(me: u8) -> Selector {
    let peer = if me == 1 { outer(2) } else { public() };
    Selector::between(AddressRange::single(outer(me)), AddressRange::single(peer))
}

fn tunnel_of(me: u8) -> Mode {
    Mode::Tunnel { local: Some(outer(me)), remote: if me == 1 { outer(2) } else { public() } }
}

fn selector_of(me: u8, mode: Mode) -> Selector {
    if mode == Mode::Transport { transport(me) } else { nets(me) }
}

fn policy_of(me: u8, mode: Mode, transform: EspTransform) -> Vec<SpdEntry> {
    let protect = Protect { offers: vec![offer(None, Some(transform))], ..protect(mode) };
    vec![entry(1, selector_of(me, mode), Action::Protect(protect)), entry(9, Selector::any(), Action::Bypass)]
}

/// One direction of client `client`'s pair as node `me` installs it. Both ends have sent NAT-OA: the client made its packets
/// for the addresses it knows, the server for those that the NAT shows.
fn floating(me: u8, from: u8, client: u64, mode: Mode, transform: EspTransform) -> BundleSpec {
    let mut spec = bundle(me, from, mode, selector_of(me, mode), &[IpsecProtocol::Esp]);
    spec.pair = PairId(client);
    spec.sas[0].spi = Spi(0x1000 * client as u32 + u32::from(from));
    (spec.sas[0].cipher, spec.sas[0].mac) = (transform.cipher, transform.mac);
    let key: Vec<u8> = (0..transform.cipher.key_len()).map(|i| 64 * from + i as u8).collect();
    spec.sas[0].cipher_key = Secret::new(key);
    spec.sas[0].mac_key = Secret::new(vec![from; transform.mac.map_or(0, Mac::key_len)]);
    spec.peer = if me == 1 { outer(2) } else { public() };
    let peer_port = if me == 1 { 4500 } else { PORT - 1 + client as u16 };
    let original = match me {
        1 => OriginalAddresses { local: public(), peer: outer(2) },
        _ => OriginalAddresses { local: outer(2), peer: outer(1) },
    };
    let original = (mode == Mode::Transport).then_some(original);
    spec.udp = Some(UdpEncapsulation { local_port: 4500, peer_port, original, follow: me == 2, client });
    spec
}

fn install_floating(node: &mut Ipsec, me: u8, client: u64, mode: Mode, transform: EspTransform) {
    for from in [1, 2] {
        let spec = floating(me, from, client, mode, transform);
        node.handle_input(Input::Command(Command::Install(spec)), NOW);
    }
    assert!(drain(node).is_empty());
}

/// The client or the server, with client 1's pair.
fn end(me: u8, mode: fn(u8) -> Mode, transform: EspTransform) -> Ipsec {
    let mut node = node(me, policy_of(me, mode(me), transform));
    install_floating(&mut node, me, 1, mode(me), transform);
    node
}

fn ends(mode: fn(u8) -> Mode, transform: EspTransform) -> (Ipsec, Ipsec) {
    (end(1, mode, transform), end(2, mode, transform))
}

const IN_TRANSPORT: fn(u8) -> Mode = |_| Mode::Transport;
const IN_TUNNEL: fn(u8) -> Mode = tunnel_of;

fn addressed(packet: &Packet, at: usize, address: [u8; 4], port_at: usize, port: u16) -> Packet {
    let mut packet = packet.clone();
    write(packet.bytes_mut(), at, &address);
    write(packet.bytes_mut(), port_at, &port.to_be_bytes());
    crate::ip::refresh_checksum(packet.bytes_mut());
    packet
}

/// What the NAT makes of a client's packet, and of an answer.
fn out_of(packet: &Packet, address: [u8; 4], port: u16) -> Packet {
    addressed(packet, 12, address, 20, port)
}

fn into(packet: &Packet) -> Packet {
    addressed(packet, 16, [192, 0, 2, 1], 22, 4500)
}

fn octets(address: IpAddr) -> [u8; 4] {
    let IpAddr::V4(address) = address else { panic!() };
    address.octets()
}

/// A TCP segment and UDP datagram with the checksums that etherparse computes.
fn segments(from: IpAddr, to: IpAddr, ports: (u16, u16), payload: &[u8]) -> [Packet; 2] {
    let ip = || PacketBuilder::ipv4(octets(from), octets(to), 64);
    let (mut tcp, mut udp) = (Vec::new(), Vec::new());
    ip().tcp(ports.0, ports.1, 7, 512).write(&mut tcp, payload).unwrap();
    ip().udp(ports.0, ports.1).write(&mut udp, payload).unwrap();
    [tcp, udp].map(|bytes| Packet::from_slice(42, &bytes))
}

/// The one packet that leaves.
fn sealed(node: &mut Ipsec, packet: Packet) -> Packet {
    let (mut sent, _, events) = outbound(node, packet);
    assert_eq!(sent.len(), 1, "{events:?}");
    sent.remove(0).1
}

/// The one packet that is delivered.
fn opened(node: &mut Ipsec, packet: Packet) -> Packet {
    let (_, mut delivered, events) = inbound(node, packet);
    assert_eq!(delivered.len(), 1, "{events:?}");
    delivered.remove(0).1
}

#[test]
fn every_suite_passes_a_nat_in_both_modes() {
    let macs = || Mac::ALL.into_iter().map(Some).chain([None]);
    let suites =
        Cipher::ALL.into_iter().flat_map(|cipher| macs().map(move |mac| EspTransform { cipher, mac }));
    for transform in suites.filter(|t| t.cipher != Cipher::Null || t.mac.is_some()) {
        for mode in [IN_TRANSPORT, IN_TUNNEL] {
            let (mut client, mut server) = ends(mode, transform);
            let crossing = mode(1) == Mode::Transport;
            // Transport: the addresses are those of the NAT's path; tunnel: those inside.
            let (there, here, seen) = match crossing {
                true => (outer(2), outer(1), public()),
                false => (ip("10.2.0.10"), ip("10.1.0.10"), ip("10.1.0.10")),
            };
            let asked = segments(here, there, (1025, 80), b"question");
            let arrives = segments(seen, there, (1025, 80), b"question");
            for (question, expected) in asked.into_iter().zip(arrives) {
                let packet = sealed(&mut client, question);
                let info = IpInfo::parse(packet.bytes()).unwrap();
                assert_eq!((info.source, info.destination, info.upper.protocol), (outer(1), outer(2), 17));
                // RFC 3948 section 2.1: IKE's ports, no checksum, an SPI that is not zero.
                let udp = etherparse::UdpSlice::from_slice(&packet.bytes()[20..]).unwrap();
                assert_eq!((udp.source_port(), udp.destination_port(), udp.checksum()), (4500, 4500, 0));
                assert_eq!(udp.payload()[..8], [0, 0, 0x10, 1, 0, 0, 0, packet.bytes()[35]]);
                let delivered = opened(&mut server, out_of(&packet, PUBLIC, PORT));
                assert_eq!(delivered.bytes(), expected.bytes(), "{transform:?}");
            }
            let answers = segments(there, seen, (80, 1025), b"answer");
            let expected = segments(there, here, (80, 1025), b"answer");
            for (answer, expected) in answers.into_iter().zip(expected) {
                let packet = sealed(&mut server, answer);
                let info = IpInfo::parse(packet.bytes()).unwrap();
                assert_eq!((info.source, info.destination), (outer(2), public()));
                assert_eq!(packet.bytes()[20..24], [0x11, 0x94, 0xee, 0x49]);
                assert_eq!(opened(&mut client, into(&packet)).bytes(), expected.bytes());
            }
        }
    }
}

#[test]
fn the_checksum_is_repaired_without_nat_oa_too() {
    let mut server = node(2, policy_of(2, Mode::Transport, AES_MD5));
    for from in [1, 2] {
        let mut spec = floating(2, from, 1, Mode::Transport, AES_MD5);
        spec.udp.as_mut().unwrap().original = None;
        server.handle_input(Input::Command(Command::Install(spec)), NOW);
    }
    drain(&mut server);
    let mut client = end(1, IN_TRANSPORT, AES_MD5);
    let asked = segments(outer(1), outer(2), (1025, 80), b"question");
    let expected = segments(public(), outer(2), (1025, 80), b"question");
    for (question, expected) in asked.into_iter().zip(expected) {
        let packet = out_of(&sealed(&mut client, question), PUBLIC, PORT);
        assert_eq!(opened(&mut server, packet).bytes(), expected.bytes());
    }
}

#[test]
fn tunnelled_segments_are_left_as_they_are() {
    // RFC 3948 section 3.1.2: the inner addresses crossed no NAT; what is wrong is for the host behind to find.
    let (mut client, mut server) = ends(IN_TUNNEL, AES_MD5);
    for mut segment in segments(ip("10.1.0.10"), ip("10.2.0.10"), (1025, 80), b"question") {
        let last = segment.len() - 1;
        segment.bytes_mut()[last] ^= 1;
        let packet = out_of(&sealed(&mut client, segment.clone()), PUBLIC, PORT);
        assert_eq!(opened(&mut server, packet).bytes(), segment.bytes());
    }
}

#[test]
fn the_inner_source_must_be_in_the_policy() {
    // RFC 3948 section 3.1.1, first choice.
    let mut liar = node(1, vec![entry(1, Selector::any(), Action::Protect(protect(tunnel_of(1))))]);
    for from in [1, 2] {
        let spec = BundleSpec { selector: Selector::any(), ..floating(1, from, 1, tunnel_of(1), AES_MD5) };
        liar.handle_input(Input::Command(Command::Install(spec)), NOW);
    }
    drain(&mut liar);
    let mut server = end(2, IN_TUNNEL, AES_MD5);
    let packet = sealed(&mut liar, udp(ip("10.7.0.10"), ip("10.2.0.10"), (1, 2), 3));
    let reason = refused(&mut server, out_of(&packet, PUBLIC, PORT));
    assert_eq!(reason, DropReason::SelectorMismatch(PairId(1)));
}

#[test]
fn a_checksum_is_neither_needed_nor_ignored() {
    // RFC 3948 section 2.1: receivers do not depend on zero. RFC 1122 section 4.1.3.4: what is there has to be right.
    let (mut client, mut server) = ends(IN_TUNNEL, AES_MD5);
    let mut packet = out_of(&sealed(&mut client, request(10)), PUBLIC, PORT);
    udp::fill_checksum(public(), outer(2), &mut packet.bytes_mut()[20..]);
    assert_ne!(packet.bytes()[26..28], [0, 0]);
    let mut wrong = packet.clone();
    wrong.bytes_mut()[27] ^= 1;
    assert_eq!(refused(&mut server, wrong), DropReason::Malformed);
    opened(&mut server, packet);
}

/// ESP out of its UDP, and into it.
fn bare(packet: &Packet) -> Packet {
    let mut packet = packet.clone();
    crate::natt::decapsulate(&mut packet).unwrap();
    packet
}

#[test]
fn the_form_must_be_the_one_agreed() {
    // RFC 3947 section 5.1: quick mode has negotiated the encapsulation.
    let (mut client, mut server) = ends(IN_TUNNEL, AES_MD5);
    let packet = out_of(&sealed(&mut client, request(10)), PUBLIC, PORT);
    assert_eq!(refused(&mut server, bare(&packet)), DropReason::WrongEncapsulation(PairId(1)));
    opened(&mut server, packet);
    let (mut a, mut b) = tunnel();
    let plain = sealed(&mut a, request(10));
    let mut in_udp = plain.clone();
    crate::natt::encapsulate(&mut in_udp, (4500, 4500)).unwrap();
    assert_eq!(refused(&mut b, in_udp), DropReason::WrongEncapsulation(PairId(1)));
    opened(&mut b, plain);
}

#[test]
fn port_500_never_carries_esp() {
    let (mut client, mut server) = ends(IN_TUNNEL, AES_MD5);
    let packet = addressed(&sealed(&mut client, request(10)), 12, PUBLIC, 22, 500);
    let (_, delivered, events) = inbound(&mut server, packet);
    assert!(delivered.is_empty());
    assert!(matches!(events[..], [Event::IkeIgnored { .. }]), "{events:?}");
}

#[test]
fn what_is_no_esp_no_ike_and_no_keepalive_is_dropped() {
    let mut server = end(2, IN_TUNNEL, AES_MD5);
    let of = |payload: &[u8]| {
        let [_, packet] = segments(public(), outer(2), (PORT, 4500), payload);
        packet
    };
    for payload in [&[][..], &[0], &[0xfe], &[0, 0], &[0xff, 0xff], &[0, 0, 0]] {
        assert_eq!(refused(&mut server, of(payload)), DropReason::BadEncapsulation, "{payload:?}");
    }
    // Too short for its own header, and an SPI that nobody has.
    assert_eq!(refused(&mut server, of(&[0, 0, 0x10, 1])), DropReason::Malformed);
    assert_eq!(refused(&mut server, of(&[9; 40])), DropReason::UnknownSpi(0x0909_0909));
    assert_eq!(refused(&mut server, of(&[0, 0, 0x10, 1, 0, 0, 0, 1])), DropReason::BadLength(PairId(1)));
    // UDP that is longer than its packet.
    let mut lie = of(&[9; 40]);
    lie.bytes_mut()[24] = 1;
    assert_eq!(refused(&mut server, lie), DropReason::Malformed);
}

#[test]
fn keepalives_are_absorbed() {
    // RFC 3948 sections 2.3 and 4: no reply, no state, no sign of life, with and without a checksum, from anybody.
    let mut server = end(2, IN_TUNNEL, AES_MD5);
    let before = alloc::format!("{:?}", server.sad);
    for port in [PORT, PORT + 9] {
        let [_, packet] = segments(public(), outer(2), (port, 4500), &[0xff]);
        let mut unchecked = packet.clone();
        unchecked.bytes_mut()[26..28].fill(0);
        for packet in [packet, unchecked] {
            let (sent, delivered, events) = inbound(&mut server, packet);
            assert_eq!((sent.len(), delivered.len(), events.len()), (0, 0, 0));
        }
    }
    assert_eq!(alloc::format!("{:?}", server.sad), before);
}

#[test]
fn ike_has_a_marker_on_port_4500() {
    let mut node = end(2, IN_TUNNEL, AES_MD5);
    let mut datagram = Datagram {
        local: SocketAddr::new(outer(2), 4500),
        peer: SocketAddr::new(public(), PORT),
        payload: b"ISAKMP message".to_vec(),
        keepalive: false,
    };
    let mut sent = |datagram: &Datagram| {
        node.send_datagram(datagram);
        let (sent, _, _) = packets(drain(&mut node));
        let udp = etherparse::UdpSlice::from_slice(&sent[0].1.bytes()[20..]).unwrap().to_header();
        let payload = sent[0].1.bytes()[28..].to_vec();
        let checked = udp.calc_checksum_ipv4_raw([192, 0, 2, 2], PUBLIC, &payload).unwrap();
        ((udp.source_port, udp.destination_port), payload, udp.checksum, checked)
    };
    // RFC 3948 section 2.2; its checksum is as anywhere.
    let (ports, payload, sum, expected) = sent(&datagram);
    assert_eq!((ports, payload), ((4500, PORT), b"\0\0\0\0ISAKMP message".to_vec()));
    assert_eq!(sum, expected);
    // Section 2.3: one octet, no marker, no checksum.
    datagram = Datagram { payload: crate::natt::KEEPALIVE.to_vec(), keepalive: true, ..datagram };
    let (ports, payload, sum, _) = sent(&datagram);
    assert_eq!((ports, payload, sum), ((4500, PORT), vec![0xff], 0));
    datagram.local.set_port(500);
    datagram = Datagram { payload: b"ISAKMP".to_vec(), keepalive: false, ..datagram };
    assert_eq!(sent(&datagram).1, b"ISAKMP");
}

#[test]
fn ike_behind_the_marker_reaches_ike_at_its_own_port() {
    let mut server = end(2, IN_TUNNEL, AES_MD5);
    // Not ISAKMP, but IKE's to refuse: it says from where, and takes nothing for ESP.
    let [_, packet] = segments(public(), outer(2), (PORT, 4500), &[0; 20]);
    let (_, delivered, events) = inbound(&mut server, packet);
    assert!(delivered.is_empty());
    let from = SocketAddr::new(public(), PORT);
    assert!(matches!(events[..], [Event::IkeIgnored { peer, .. }] if peer == from), "{events:?}");
}

#[test]
fn fragments_of_encapsulated_packets_are_put_together_first() {
    let (mut client, mut server) = ends(IN_TRANSPORT, AES_MD5);
    let asked = segments(outer(1), outer(2), (1025, 80), &[7; 3_000]);
    let expected = segments(public(), outer(2), (1025, 80), &[7; 3_000]);
    for (question, expected) in asked.into_iter().zip(expected) {
        let (sent, _, _) = outbound(&mut client, with_df(question, false));
        assert_eq!(sent.len(), 3);
        let mut delivered = Vec::new();
        for (place, (_, packet)) in sent.into_iter().enumerate() {
            // Only the first shows ports; a NAT has to know the others by their identification (RFC 3022 section 6.3).
            let packet = match place {
                0 => out_of(&packet, PUBLIC, PORT),
                _ => {
                    let ports = u16::from_be_bytes([packet.bytes()[20], packet.bytes()[21]]);
                    out_of(&packet, PUBLIC, ports)
                }
            };
            delivered.extend(inbound(&mut server, packet).1);
        }
        assert_eq!(delivered.len(), 1);
        let mut arrived = delivered.remove(0).1;
        // How the network cut it is not the sender's business.
        write(arrived.bytes_mut(), 6, &expected.bytes()[6..8]);
        crate::ip::refresh_checksum(arrived.bytes_mut());
        assert_eq!(arrived.bytes()[20..], expected.bytes()[20..]);
    }
}

fn with_df(mut packet: Packet, df: bool) -> Packet {
    packet.bytes_mut()[6] = if df { 0x40 } else { 0 };
    crate::ip::refresh_checksum(packet.bytes_mut());
    packet
}

#[test]
fn the_udp_header_counts_for_the_mtu() {
    let (mut client, _) = ends(IN_TUNNEL, AES_MD5);
    let (_, _, events) = outbound(&mut client, with_df(request(1460), true));
    // AES-128 and MD5 in UDP in a tunnel: 20 + 8 + 8 + 16 + (n + 2 in blocks of 16) + 12 <= 1500, so n = 1422.
    assert!(
        matches!(events[..], [Event::Dropped { reason: DropReason::TooBig { mtu: 1422 }, .. }]),
        "{events:?}"
    );
    let packet = sealed(&mut client, with_df(request(1422 - 28), true));
    assert!(packet.len() <= 1500);
    let (_, _, events) = outbound(&mut client, with_df(request(1423 - 28), true));
    assert!(matches!(events[..], [Event::Dropped { reason: DropReason::TooBig { .. }, .. }]));
}

/// What a router sends to the source of the quoted packet (RFC 792, RFC 1191 section 4).
fn too_big(quoted: &[u8], mtu: u16) -> Packet {
    let mut error = Packet::from_slice(0, quoted);
    error.push_front(8).copy_from_slice(&[3, 4, 0, 0, 0, 0, (mtu >> 8) as u8, mtu as u8]);
    let sum = checksum(error.bytes());
    write(error.bytes_mut(), 2, &sum.to_be_bytes());
    let source: [u8; 4] = quoted[12..16].try_into().unwrap();
    let header = crate::fragment::fresh_header(outer(9), source.into(), protocol::ICMP, 64, 1);
    error.push_front(20);
    assert!(header.write(error.bytes_mut()));
    error
}

#[test]
fn the_udp_header_counts_in_transport_mode_too() {
    let (mut client, _) = ends(IN_TRANSPORT, AES_MD5);
    let datagram = |len| {
        let [_, datagram] = segments(outer(1), outer(2), (1025, 80), &vec![7; len]);
        with_df(datagram, true)
    };
    // 20 + 8 + 8 + 16 + (n - 20 + 2 in blocks of 16) + 12 <= 1500, so n = 1442.
    let packet = sealed(&mut client, datagram(1442 - 28));
    assert_eq!((packet.len(), packet.bytes()[6]), (1488, 0x40));
    let (sent, delivered, events) = outbound(&mut client, datagram(1443 - 28));
    assert!(sent.is_empty());
    let reason = DropReason::TooBig { mtu: 1442 };
    assert!(matches!(events[..], [Event::Dropped { reason: r, .. }] if r == reason), "{events:?}");
    // The client's own stack is told (RFC 1191 section 4).
    assert_eq!(delivered[0].1.bytes()[26..28], 1442_u16.to_be_bytes());
}

#[test]
fn any_spi_but_zero_is_that_of_esp() {
    // RFC 3948 section 2.2; SPIs 1 to 255 are reserved and nobody's (RFC 4303 section 2.1).
    let mut server = end(2, IN_TUNNEL, AES_MD5);
    for spi in (1..=256_u32).chain([0x0100_0000, u32::MAX]) {
        let [_, packet] =
            segments(public(), outer(2), (PORT, 4500), &[&spi.to_be_bytes()[..], &[0; 36]].concat());
        assert_eq!(refused(&mut server, packet), DropReason::UnknownSpi(spi));
    }
}

#[test]
fn ipv6_goes_through_an_ipv4_tunnel_in_udp() {
    let nets = |me: u8| {
        let net = |n: u8| Prefix::new(alloc::format!("2001:db8:{n}::").parse().unwrap(), 48).into();
        Selector::between(net(me), net(3 - me))
    };
    let [mut client, mut server] = [1, 2].map(|me| {
        let mut policy = policy_of(me, tunnel_of(me), AES_MD5);
        policy[0].selector = nets(me);
        let mut node = node(me, policy);
        for from in [1, 2] {
            let spec = BundleSpec { selector: nets(me), ..floating(me, from, 1, tunnel_of(me), AES_MD5) };
            node.handle_input(Input::Command(Command::Install(spec)), NOW);
        }
        drain(&mut node);
        node
    });
    let ends =
        ["2001:db8:1::10", "2001:db8:2::10"].map(|a| a.parse::<core::net::Ipv6Addr>().unwrap().octets());
    let mut question = Vec::new();
    PacketBuilder::ipv6(ends[0], ends[1], 64).udp(1025, 53).write(&mut question, b"question").unwrap();
    let packet = sealed(&mut client, Packet::from_slice(42, &question));
    assert_eq!((packet.bytes()[0], packet.bytes()[9]), (0x45, 17));
    assert_eq!(opened(&mut server, out_of(&packet, PUBLIC, PORT)).bytes(), question);
}

#[test]
fn ipv6_has_no_datagrams_without_checksum() {
    // RFC 8200 section 8.1. With one it is told from IKE as in IPv4; there are no NATs, and no SAs.
    let mut server = end(2, IN_TUNNEL, AES_MD5);
    server.config.interfaces[1].addresses.push(Prefix::new(ip("2001:db8::2"), 64));
    let ends = ["2001:db8::1", "2001:db8::2"].map(|a| a.parse::<core::net::Ipv6Addr>().unwrap().octets());
    let mut bytes = Vec::new();
    PacketBuilder::ipv6(ends[0], ends[1], 64).udp(4500, 4500).write(&mut bytes, &[9; 40]).unwrap();
    let reason = refused(&mut server, Packet::from_slice(42, &bytes));
    assert_eq!(reason, DropReason::UnknownSpi(0x0909_0909));
    bytes[46..48].fill(0);
    assert_eq!(refused(&mut server, Packet::from_slice(42, &bytes)), DropReason::Malformed);
}

#[test]
fn routers_may_quote_the_udp_header_alone() {
    // RFC 792: the IP header and 64 bits; a router may quote more.
    let (mut client, _) = ends(IN_TUNNEL, AES_MD5);
    let packet = sealed(&mut client, with_df(request(1300), true));
    for (len, mtu) in [(28, 1200), (60, 1100)] {
        let (_, _, events) = inbound(&mut client, too_big(&packet.bytes()[..len], mtu));
        assert_eq!(events, [Event::PathMtu { pair: PairId(1), mtu }]);
    }
    // Of other ports, and with an SPI that we do not send.
    for at in [21, 23, 31] {
        let mut quoted = packet.bytes()[..60].to_vec();
        quoted[at] ^= 1;
        let quoted = if at == 31 { &quoted[..] } else { &quoted[..28] };
        let (_, _, events) = inbound(&mut client, too_big(quoted, 900));
        assert_eq!(events, [Event::Bypassed { packet: 0, entry: EntryId(9) }], "{at}");
    }
}

#[test]
fn only_esp_over_ipv4_is_installed_in_udp() {
    // RFC 3948 section 1: AH is incompatible with NAT.
    let mut node = node(2, policy_of(2, tunnel_of(2), AES_MD5));
    let udp = floating(2, 1, 1, tunnel_of(2), AES_MD5).udp;
    let both = [IpsecProtocol::Esp, IpsecProtocol::Ah];
    for protocols in [&both[1..], &both] {
        let spec = BundleSpec { udp, ..bundle(2, 1, tunnel_of(2), nets(2), protocols) };
        node.handle_input(Input::Command(Command::Install(spec)), NOW);
        let why = crate::sad::InstallError::Encapsulation;
        assert_eq!(packets(drain(&mut node)).2, [Event::InstallFailed { pair: PairId(1), why }]);
    }
    let mut six = floating(2, 1, 1, tunnel_of(2), AES_MD5);
    six.local = ip("2001:db8::2");
    six.peer = ip("2001:db8::1");
    node.handle_input(Input::Command(Command::Install(six)), NOW);
    assert!(matches!(packets(drain(&mut node)).2[..], [Event::InstallFailed { .. }]));
}
