//! A node's addresses, routes and links.

use std::net::{IpAddr, Ipv4Addr};

use ipsec_core::interface::{Boundary, Interface, InterfaceId};
use ipsec_core::route::{Route, RouteTable};
use ipsec_core::selector::Prefix;

use crate::topology::LinkId;

/// Where a node is in the network.
#[derive(Clone, Debug)]
pub(crate) struct Addressing {
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) routes: RouteTable,
    /// The link of each interface.
    pub(crate) links: Vec<LinkId>,
}

/// The routes of a node: those to its own links, then its static ones.
pub(crate) fn routes(interfaces: &[Interface], fixed: &[Route]) -> RouteTable {
    let mut table = RouteTable::new();
    for interface in interfaces {
        for prefix in &interface.addresses {
            table.add(Route {
                destination: *prefix,
                next_hop: None,
                interface: interface.id,
                source: Some(prefix.address),
            });
        }
    }
    fixed.iter().for_each(|route| table.add(route.clone()));
    table
}

impl Addressing {
    /// Whether an address is one of the node's own.
    pub(crate) fn owns(&self, address: IpAddr) -> bool {
        self.interfaces.iter().any(|i| i.owns(address))
    }

    /// Whether an address is that of a group which the node is in: every IPv4 multicast group, to keep it simple, the limited
    /// broadcast, and that of each subnet of its own.
    pub(crate) fn is_in_group(&self, address: IpAddr) -> bool {
        is_group(address) || self.interfaces.iter().any(|i| broadcasts(i).any(|b| b == address))
    }

    /// The interface towards a destination, and the source address of packets the node sends there.
    pub(crate) fn route(&self, destination: IpAddr) -> Option<(InterfaceId, Option<IpAddr>)> {
        if let Some(own) = self.interfaces.iter().find(|i| i.owns(destination)) {
            return Some((own.id, Some(destination)));
        }
        let of_family = |a: &IpAddr| a.is_ipv4() == destination.is_ipv4();
        let first = |i: &Interface| i.addresses.iter().map(|p| p.address).find(of_family);
        let Some(route) = self.routes.lookup(destination) else {
            // Without a route groups are on the first link.
            let interface = self.interfaces.first().filter(|_| is_group(destination))?;
            return Some((interface.id, first(interface)));
        };
        let interface = self.interfaces.get(usize::from(route.interface.0))?;
        Some((route.interface, route.source.or_else(|| first(interface))))
    }

    /// The source address of packets the node sends to a destination.
    pub(crate) fn source_for(&self, destination: IpAddr) -> Option<IpAddr> {
        self.route(destination)?.1
    }

    /// Whom on the link of `interface` a packet is handed to.
    pub(crate) fn next_hop(&self, interface: InterfaceId, destination: IpAddr) -> IpAddr {
        if self.is_in_group(destination) {
            return destination;
        }
        let mut best: Option<(u8, Option<IpAddr>)> = None;
        let here = |r: &&ipsec_core::route::Route| r.interface == interface;
        for route in self.routes.iter().filter(here).filter(|r| r.destination.contains(destination)) {
            if best.is_none_or(|(len, _)| route.destination.len > len) {
                best = Some((route.destination.len, route.next_hop));
            }
        }
        best.and_then(|(_, hop)| hop).unwrap_or(destination)
    }

    /// An address of the family on the protected side of the IPsec boundary.
    pub(crate) fn protected_address(&self, v4: bool) -> Option<IpAddr> {
        let inside = self.interfaces.iter().filter(|i| i.boundary == Boundary::Protected);
        inside.flat_map(|i| i.addresses.iter()).map(|p| p.address).find(|a| a.is_ipv4() == v4)
    }
}

/// A multicast group of IPv4, or its limited broadcast.
pub(crate) fn is_group(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(a) if a.is_multicast() || a.is_broadcast())
}

/// The broadcast addresses of an interface's subnets; /31 and /32 have none (RFC 3021).
fn broadcasts(interface: &Interface) -> impl Iterator<Item = IpAddr> {
    interface.addresses.iter().filter_map(broadcast)
}

/// The broadcast address of a subnet.
pub(crate) fn broadcast(net: &Prefix) -> Option<IpAddr> {
    match net.address {
        IpAddr::V4(a) if net.len < 31 => Some((a | Ipv4Addr::from_bits(u32::MAX >> net.len)).into()),
        _ => None,
    }
}
