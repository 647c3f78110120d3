//! A node's addresses, routes and links.

use std::net::IpAddr;

use ipsec_core::interface::{Boundary, Interface, InterfaceId};
use ipsec_core::route::{Route, RouteTable};

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

    /// The interface towards a destination, and the source address of packets the node sends there.
    pub(crate) fn route(&self, destination: IpAddr) -> Option<(InterfaceId, Option<IpAddr>)> {
        if let Some(own) = self.interfaces.iter().find(|i| i.owns(destination)) {
            return Some((own.id, Some(destination)));
        }
        let route = self.routes.lookup(destination)?;
        let interface = self.interfaces.get(usize::from(route.interface.0))?;
        let of_family = |a: &IpAddr| a.is_ipv4() == destination.is_ipv4();
        let first = || interface.addresses.iter().map(|p| p.address).find(of_family);
        Some((route.interface, route.source.or_else(first)))
    }

    /// The source address of packets the node sends to a destination.
    pub(crate) fn source_for(&self, destination: IpAddr) -> Option<IpAddr> {
        self.route(destination)?.1
    }

    /// Whom on the link of `interface` a packet is handed to.
    pub(crate) fn next_hop(&self, interface: InterfaceId, destination: IpAddr) -> IpAddr {
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
