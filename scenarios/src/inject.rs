//! Packets that somebody puts on a link: forged echo requests, UDP datagrams, TCP SYNs, packets of other protocols.

use std::net::IpAddr;

use ipsec_core::Instant;
use ipsec_core::wire::udp;
use ipsec_sim::LinkId;
use ipsec_sim::adversary::Injection;
use ipsec_sim::ip::{Header, checksum, datagram, protocol};

use crate::error::{LoadError, missing};
use crate::scenario::Scenario;
use crate::steps::Inject;

/// A forged echo request.
pub(crate) fn injection(scenario: &Scenario, at: Instant, inject: &Inject) -> Result<Injection, LoadError> {
    let (link_name, node_name) = (inject.link.get_ref(), inject.node.get_ref());
    let link = scenario.topology.links.iter().position(|l| l.name.get_ref() == link_name);
    let node = scenario.topology.node(node_name);
    let interface = node.and_then(|n| n.interfaces.iter().find(|i| i.link.get_ref() == link_name));
    let (Some(link), Some(interface)) = (link, interface) else {
        return Err(missing("steps.toml", format!("inject: `{node_name}` is not on link `{link_name}`")));
    };
    let (source, destination) = (inject.from, inject.to);
    let (protocol, payload) = match (inject.tcp, inject.udp, inject.protocol) {
        (None, None, Some(other)) => (other, b"injected".to_vec()),
        (Some(ports), ..) => (protocol::TCP, syn(source, destination, ports)),
        (None, Some((from, to)), _) => {
            (protocol::UDP, udp::datagram((source, from), (destination, to), b"injected"))
        }
        (None, None, None) => (protocol::ICMP, echo_request()),
    };
    let header = Header { source, destination, protocol, ttl: 64, ident: 1, dont_fragment: false };
    Ok(Injection {
        at,
        link: LinkId(link as u16),
        next_hop: interface.address.get_ref().0.address,
        bytes: datagram(header, &payload),
    })
}

/// An ICMP echo request (RFC 792) with eight octets of data and its checksum.
fn echo_request() -> Vec<u8> {
    let mut message = vec![8, 0, 0, 0, 0x66, 0x66, 0, 1];
    message.extend(*b"injected");
    let sum = checksum(&[&message]);
    message.splice(2..4, sum.to_be_bytes());
    message
}

/// A TCP segment that asks for a connection (RFC 793 section 3.1).
fn syn(source: IpAddr, destination: IpAddr, (from, to): (u16, u16)) -> Vec<u8> {
    let mut segment = [from.to_be_bytes(), to.to_be_bytes()].concat();
    // Sequence number, no acknowledgement; five words of header, SYN; window; checksum, urgent pointer.
    segment.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0x20, 0x00, 0, 0, 0, 0]);
    let octets = |address| match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    };
    let pseudo = [&octets(source)[..], &octets(destination), &[0, protocol::TCP, 0, 20]].concat();
    let sum = checksum(&[&pseudo, &segment]);
    segment.splice(16..18, sum.to_be_bytes());
    segment
}
