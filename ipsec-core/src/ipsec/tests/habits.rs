//! What Windows does otherwise than RFC 4301 says, where a node is told to.

use super::*;
use crate::config::{LaterFragments, TunnelEgress};
use crate::selector::PortRange;

/// Another interface on the outside network: 192.0.2.100+n.
const SECOND: InterfaceId = InterfaceId(2);

fn second(n: u8) -> IpAddr {
    outer(100 + n)
}

/// Gateway 1 with a second way out, which the route to net 2 takes, and the tunnel installed.
fn two_ways_out(tunnel_egress: TunnelEgress) -> Ipsec {
    let mut config = Config { tunnel_egress, ..config(1, tunnel_policy(1)) };
    let outside = config.interfaces[1].clone();
    config.interfaces.push(Interface { id: SECOND, addresses: vec![Prefix::new(second(1), 24)], ..outside });
    let destination = Prefix::new([10, 2, 0, 0].into(), 16);
    config.routes.add(Route { destination, next_hop: Some(outer(2)), interface: SECOND, source: None });
    let mut a = Ipsec::new(config, [1; 32], NOW);
    install(&mut a, 1, tunnel_mode(1), &nets(1), &[IpsecProtocol::Esp]);
    a
}

fn leaving(node: &mut Ipsec, interface: InterfaceId) -> (InterfaceId, IpAddr) {
    node.handle_input(Input::Outbound(interface, request(10)), NOW);
    let (sent, _, _) = packets(drain(node));
    let [(out, packet)] = sent.as_slice() else { panic!("{sent:?}") };
    (*out, IpInfo::parse(packet.bytes()).unwrap().source)
}

/// KB 816514: "The source IP of the tunneled packet is the source IP on the outbound interface."
#[test]
fn a_tunnel_leaves_by_the_outer_route_or_by_the_inner() {
    let mut rfc = two_ways_out(TunnelEgress::OuterRoute);
    assert_eq!(leaving(&mut rfc, SECOND), (OUTSIDE, outer(1)));
    assert_eq!(leaving(&mut rfc, OUTSIDE), (OUTSIDE, outer(1)));
    let mut windows = two_ways_out(TunnelEgress::InnerRoute);
    assert_eq!(leaving(&mut windows, SECOND), (SECOND, second(1)));
    assert_eq!(leaving(&mut windows, OUTSIDE), (OUTSIDE, outer(1)));
}

/// RFC 4301 section 4.1: the peer finds the SA all the same, and may or may not care for the source.
#[test]
fn another_outer_source_reaches_who_does_not_ask() {
    let mut a = two_ways_out(TunnelEgress::InnerRoute);
    a.handle_input(Input::Outbound(SECOND, request(10)), NOW);
    let sealed = packets(drain(&mut a)).0[0].1.clone();
    let peer = |outer_source| {
        let sa_checks = crate::config::SaChecks { selectors: true, outer_source };
        let mut b = Ipsec::new(Config { sa_checks, ..config(2, tunnel_policy(2)) }, [2; 32], NOW);
        install(&mut b, 2, tunnel_mode(2), &nets(2), &[IpsecProtocol::Esp]);
        b
    };
    assert_eq!(inbound(&mut peer(false), sealed.clone()).1.len(), 1);
    let mut strict = peer(true);
    assert_eq!(refused(&mut strict, sealed), DropReason::WrongOuterSource(PairId(1)));
    assert_eq!(strict.status().drops().collect::<Vec<_>>(), [("wrong-outer-source", 1)]);
}

/// What IKE begins is between the address of the interface that the traffic leaves through and the endpoint.
#[test]
fn main_mode_begins_from_the_interface_the_traffic_leaves_through() {
    for (egress, wanted) in [(TunnelEgress::OuterRoute, outer(1)), (TunnelEgress::InnerRoute, second(1))] {
        let mut policy = tunnel_policy(1);
        if let Action::Protect(protect) = &mut policy[0].action {
            protect.mode = Mode::Tunnel { local: None, remote: outer(2) };
        }
        let mut a = two_ways_out(egress);
        a.handle_input(Input::Command(Command::DeletePair(PairId(1))), NOW);
        let policy = PolicyDatabases { spd: Arc::new(Spd::new(policy)), pad: Arc::new(anyone()) };
        a.handle_input(Input::Command(Command::SetPolicy(policy)), NOW);
        drain(&mut a);
        a.handle_input(Input::Outbound(SECOND, request(10)), NOW);
        let (sent, _, _) = packets(drain(&mut a));
        assert_eq!(IpInfo::parse(sent[0].1.bytes()).unwrap().source, wanted, "{egress:?}");
    }
}

/// KB 816514: "receiving on a different interface (than the outbound tunnel traffic is sent on) does not allow the receiving
/// network adapter to process the encryption in hardware, because only the outbound interface can offload the Security Association".
#[test]
fn only_the_outbound_interface_offloads() {
    let counted = |a: &Ipsec| (a.status().processed().hardware, a.status().processed().software);
    let offload = |a: &Ipsec| a.status().pairs().next().and_then(|pair| pair.offload);
    let mut b = tunnel().1;
    let mut reply = || {
        let reply = udp(ip("10.2.0.10"), ip("10.1.0.10"), (7, 4000), 10);
        outbound(&mut b, reply).0.remove(0).1
    };
    let mut a = two_ways_out(TunnelEgress::InnerRoute);
    a.config.offload = vec![OUTSIDE, SECOND];
    // Before anything left, no adapter has the SA.
    inbound(&mut a, reply());
    assert_eq!((offload(&a), counted(&a)), (None, (0, 1)));
    outbound(&mut a, request(10));
    assert_eq!((offload(&a), counted(&a)), (Some(OUTSIDE), (1, 1)));
    inbound(&mut a, reply());
    assert_eq!(counted(&a), (2, 1));
    // Octets as lifetimes count them: outer header, inner header, UDP's and 10 octets.
    let octets = |a: &Ipsec| (a.status().processed().hardware_sent, a.status().processed().hardware_received);
    assert_eq!(octets(&a), (20 + 20 + 8 + 10, 20 + 20 + 8 + 10));
    // Received on another adapter, which could, but has not the SA.
    a.handle_input(Input::Inbound(SECOND, reply()), NOW);
    assert_eq!(packets(drain(&mut a)).1.len(), 1);
    assert_eq!(counted(&a), (2, 2));
    // Sent through an adapter that cannot.
    a.config.offload = vec![SECOND];
    outbound(&mut a, request(10));
    assert_eq!((offload(&a), counted(&a)), (None, (2, 3)));
}

#[test]
fn other_routes_are_in_force_at_once() {
    let mut a = two_ways_out(TunnelEgress::OuterRoute);
    let mut routes = RouteTable::new();
    let destination = Prefix::new(outer(0), 24);
    routes.add(Route { destination, next_hop: None, interface: SECOND, source: None });
    a.handle_input(Input::Command(Command::SetRoutes(routes)), NOW);
    // The SA keeps its address.
    assert_eq!(leaving(&mut a, OUTSIDE), (SECOND, outer(1)));
}

/// HP-UX/Windows guide p. 33: tunnels for ports do not work because fragments show none. RFC 4301 section 7.3 drops them, a
/// policy that ends in permit lets them pass.
#[test]
fn later_fragments_stop_or_meet_the_next_entry() {
    let mut selector = nets(1);
    (selector.protocol, selector.remote_ports) = (Some(17), PortRange::single(7));
    let node = |later_fragments, me: u8, selector: &Selector| {
        let mut policy = tunnel_policy(me);
        policy[0].selector = selector.clone();
        let mut node = Ipsec::new(Config { later_fragments, ..config(me, policy) }, [me; 32], NOW);
        install(&mut node, me, tunnel_mode(me), selector, &[IpsecProtocol::Esp]);
        node
    };
    let fragments = crate::fragment::fragment(request(1000), 576, 0).unwrap();
    let [first, later] = fragments.as_slice() else { panic!() };
    for habit in [LaterFragments::Stop, LaterFragments::FallThrough] {
        let mut a = node(habit, 1, &selector);
        assert!(matches!(outbound(&mut a, first.clone()).2[..], [Event::Protected { .. }]));
        let (sent, _, events) = outbound(&mut a, later.clone());
        match habit {
            LaterFragments::Stop => assert!(sent.is_empty(), "{events:?}"),
            LaterFragments::FallThrough => {
                assert_eq!(events, [Event::Bypassed { packet: 42, entry: EntryId(9) }]);
                assert_eq!(sent[0].1.bytes(), later.bytes());
            }
        }
        let mirrored = Selector {
            local: selector.remote.clone(),
            remote: selector.local.clone(),
            local_ports: selector.remote_ports,
            remote_ports: selector.local_ports,
            ..selector.clone()
        };
        let mut b = node(habit, 2, &mirrored);
        match habit {
            LaterFragments::Stop => {
                assert_eq!(refused(&mut b, later.clone()), DropReason::FragmentWithoutPorts);
            }
            LaterFragments::FallThrough => assert_eq!(inbound(&mut b, later.clone()).1.len(), 1),
        }
    }
}
