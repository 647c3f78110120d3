//! A small route table: which interface, next hop and source address a destination takes.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::interface::InterfaceId;
use crate::selector::Prefix;

/// One static route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Destinations this route covers.
    pub destination: Prefix,
    /// The router to hand packets to; `None` when the destination is on the link.
    pub next_hop: Option<IpAddr>,
    /// The interface packets leave through.
    pub interface: InterfaceId,
    /// Source address of datagrams this node originates on this route (IKE, outer headers); `None`: the interface's first
    /// address of the family.
    pub source: Option<IpAddr>,
}

/// Static routes; the longest matching prefix wins, then the one added first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteTable {
    routes: Vec<Route>,
}

impl RouteTable {
    /// An empty table: every destination is unreachable.
    pub fn new() -> Self {
        RouteTable::default()
    }

    /// Adds a route.
    pub fn add(&mut self, route: Route) {
        self.routes.push(route);
    }

    /// Whether the table has no route at all.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// All routes, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter()
    }

    /// The route to `destination`, if there is one.
    pub fn lookup(&self, destination: IpAddr) -> Option<&Route> {
        let mut best: Option<&Route> = None;
        for route in self.routes.iter().filter(|r| r.destination.contains(destination)) {
            if best.is_none_or(|b| route.destination.len > b.destination.len) {
                best = Some(route);
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_prefix_wins() {
        let mut table = RouteTable::new();
        for (text, len, interface) in [("0.0.0.0", 0, 1), ("10.2.0.0", 16, 2), ("10.2.3.0", 24, 3)] {
            table.add(Route {
                destination: Prefix::new(text.parse().unwrap(), len),
                next_hop: None,
                interface: InterfaceId(interface),
                source: None,
            });
        }
        let via = |a: &str| table.lookup(a.parse().unwrap()).map(|r| r.interface.0);
        assert_eq!(via("10.2.3.4"), Some(3));
        assert_eq!(via("10.2.4.4"), Some(2));
        assert_eq!(via("8.8.8.8"), Some(1));
        assert_eq!(via("2001:db8::1"), None);
    }
}
