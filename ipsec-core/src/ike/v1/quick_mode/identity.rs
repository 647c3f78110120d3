//! Quick-mode identities: selectors as ID payloads (RFC 2407 section 4.6.2, RFC 2409 section 5.5).

use alloc::vec;
use core::net::IpAddr;

use crate::selector::{AddressRange, PortRange, Selector};
use crate::wire::ikev1::Identification;

/// The identities of our side and the peer's for this traffic. `None` when no ID payload can say it: a range of ports, or
/// no two ranges of one family.
pub(crate) fn encode(selector: &Selector, peer: IpAddr) -> Option<(Identification, Identification)> {
    let of_family =
        |ranges: &[AddressRange], v4: bool| ranges.iter().find(|r| r.start.is_ipv4() == v4).copied();
    let pair = |v4: bool| of_family(&selector.local, v4).zip(of_family(&selector.remote, v4));
    let (local, remote) = pair(peer.is_ipv4()).or_else(|| pair(!peer.is_ipv4()))?;
    let protocol = selector.protocol.unwrap_or(0);
    let local = range(local)?.with_protocol(protocol, port(selector.local_ports)?);
    let remote = range(remote)?.with_protocol(protocol, port(selector.remote_ports)?);
    Some((local, remote))
}

fn range(range: AddressRange) -> Option<Identification> {
    match range.as_prefix() {
        _ if range.is_single() => Some(Identification::address(range.start)),
        Some(prefix) => Some(Identification::subnet(prefix.address, prefix.len)),
        None => Identification::range(range.start, range.end),
    }
}

fn port(ports: PortRange) -> Option<u16> {
    match ports {
        PortRange::ANY => Some(0),
        PortRange { start, end } => (start == end).then_some(start),
    }
}

/// The traffic that two identities mean, the first one local. `None` for names, masks with holes, and two protocols.
pub(crate) fn decode(local: &Identification, remote: &Identification) -> Option<Selector> {
    let range = |id: &Identification| id.to_range().map(|(start, end)| AddressRange { start, end });
    let ports = |id: &Identification| if id.port == 0 { PortRange::ANY } else { PortRange::single(id.port) };
    let (local_range, remote_range) = (range(local)?, range(remote)?);
    (local.protocol == remote.protocol).then(|| Selector {
        local: vec![local_range],
        remote: vec![remote_range],
        protocol: (local.protocol != 0).then_some(local.protocol),
        local_ports: ports(local),
        remote_ports: ports(remote),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selector::Prefix;
    use crate::wire::ikev1::IdType;

    fn net(text: &str, len: u8) -> AddressRange {
        Prefix::new(text.parse().unwrap(), len).into()
    }

    #[test]
    fn hosts_subnets_and_ranges_have_their_own_types_and_come_back() {
        let peer = "192.0.2.1".parse().unwrap();
        let odd = AddressRange { start: "10.0.0.1".parse().unwrap(), end: "10.0.0.2".parse().unwrap() };
        let cases = [
            (net("10.1.0.7", 32), IdType::IPV4_ADDR),
            (net("10.1.0.0", 16), IdType::IPV4_ADDR_SUBNET),
            (net("0.0.0.0", 0), IdType::IPV4_ADDR_SUBNET),
            (odd, IdType::IPV4_ADDR_RANGE),
        ];
        for (range, id_type) in cases {
            let selector = Selector { protocol: Some(6), ..Selector::between(range, net("10.2.0.0", 16)) };
            let (local, remote) = encode(&selector, peer).unwrap();
            assert_eq!((local.id_type, remote.protocol), (id_type, 6));
            assert_eq!(decode(&local, &remote), Some(selector));
        }
    }

    #[test]
    fn a_subnet_of_32_bits_is_a_host() {
        let subnet = Identification::subnet("10.0.0.1".parse().unwrap(), 32);
        let host = Identification::address("10.0.0.1".parse().unwrap());
        assert_eq!(decode(&subnet, &host), decode(&host, &host));
    }

    #[test]
    fn what_an_id_cannot_say_is_not_said_wrongly() {
        let peer = "192.0.2.1".parse().unwrap();
        let ports = Selector { local_ports: PortRange { start: 1, end: 9 }, ..Selector::any() };
        assert!(encode(&ports, peer).is_none());
        let mixed = Selector::between(net("10.1.0.0", 16), net("2001:db8::", 32));
        assert!(encode(&mixed, peer).is_none());
        let name = Identification::fqdn("alice.example");
        assert!(decode(&name, &name).is_none());
    }
}
