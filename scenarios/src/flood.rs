//! First messages of aggressive mode, well-formed, from somebody who has no key.

use std::net::IpAddr;

use ipsec_core::Instant;
use ipsec_core::crypto::{Cipher, Group, HashAlg};
use ipsec_core::ike::proposal::phase1;
use ipsec_core::pad::{AuthMethod, MainModeProposal, Secret};
use ipsec_core::wire::ikev1::{IdType, Identification, KeyExchange, Nonce};
use ipsec_core::wire::isakmp::{Cookie, ExchangeType, Flags, Header as Isakmp, Payload, encode_chain};
use ipsec_sim::LinkId;
use ipsec_sim::adversary::Injection;
use ipsec_sim::ip::{Header, datagram, protocol};

use crate::error::{LoadError, missing};
use crate::scenario::Scenario;
use crate::steps::Flood;

/// What the step puts on its link, in order of time.
pub(crate) fn injections(
    scenario: &Scenario,
    begin: Instant,
    flood: &Flood,
) -> Result<Vec<Injection>, LoadError> {
    let (link, destination) = target(scenario, "flood", flood.link.get_ref(), flood.node.get_ref())?;
    let one = |number: u32| Injection {
        at: begin + flood.interval.0 * number,
        link,
        next_hop: destination,
        bytes: first_message(flood, number, destination),
    };
    Ok((0..flood.count).map(one).collect())
}

/// The link of this name, and the node's address there.
pub(crate) fn target(
    scenario: &Scenario,
    step: &str,
    wanted: &str,
    name: &str,
) -> Result<(LinkId, IpAddr), LoadError> {
    let link = scenario.topology.links.iter().position(|l| l.name.get_ref() == wanted);
    let node = scenario.topology.node(name);
    let interface = node.and_then(|n| n.interfaces.iter().find(|i| i.link.get_ref() == wanted));
    match (link, interface) {
        (Some(link), Some(interface)) => Ok((LinkId(link as u16), interface.address.get_ref().0.address)),
        _ => Err(missing("steps.toml", format!("{step}: `{name}` is not on link `{wanted}`"))),
    }
}

fn first_message(flood: &Flood, number: u32, destination: IpAddr) -> Vec<u8> {
    let proposal =
        MainModeProposal { cipher: Cipher::TripleDes, hash: HashAlg::Sha1, group: Group::Modp1024 };
    let address = match flood.from {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let id_type = if flood.from.is_ipv4() { IdType::IPV4_ADDR } else { IdType::IPV6_ADDR };
    let psk = AuthMethod::PreSharedKey(Secret::new(*b"no key at all"));
    let (first, body) = encode_chain(&[
        Payload::Sa(phase1::offer(&[proposal], &[psk], 28_800)),
        // In the group, and nobody's.
        Payload::KeyExchange(KeyExchange { data: vec![0x5a; Group::Modp1024.byte_len()] }),
        Payload::Nonce(Nonce { data: vec![0xa5; 20] }),
        Payload::Identification(Identification { id_type, protocol: 0, port: 0, data: address }),
    ]);
    let mut cookie = Cookie([0xf0; 8]);
    cookie.0[4..].copy_from_slice(&number.to_be_bytes());
    let header = Isakmp::new(cookie, Cookie::ZERO, ExchangeType::AGGRESSIVE, Flags::NONE, 0);
    let message = header.encode_with(first, &body);
    from_500(flood.from, destination, &message)
}

/// A datagram with a message of IKE, from somewhere.
pub(crate) fn from_500(source: IpAddr, destination: IpAddr, message: &[u8]) -> Vec<u8> {
    // Without a UDP checksum, which RFC 768 allows over IPv4.
    let len = (8 + message.len()) as u16;
    let mut segment: Vec<u8> = [500, 500, len, 0].into_iter().flat_map(u16::to_be_bytes).collect();
    segment.extend(message);
    let outer =
        Header { source, destination, protocol: protocol::UDP, ttl: 60, ident: 9, dont_fragment: false };
    datagram(outer, &segment)
}
