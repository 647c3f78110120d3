//! The computer's interfaces as the core wants to know them: those on the unprotected side, and all others.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipsec_core::interface::{Boundary, ConnectionKind, Egress, Interface, InterfaceId};
use ipsec_core::route::{Route, RouteTable};
use ipsec_core::selector::Prefix;
use ipsec_core::spd::{Action, Mode, Spd};
use nix::ifaddrs::getifaddrs;
use socket2::{Domain, Socket, Type};

use crate::error::OpenError;
use crate::mark::Mark;

/// What the kernel knows about this computer's interfaces.
#[derive(Clone, Debug)]
pub struct Outside {
    /// The interfaces of the unprotected side, in the order they were named, and then all others that have addresses.
    pub interfaces: Vec<Interface>,
    /// The smallest MTU on the unprotected side, in octets.
    pub mtu: u16,
}

impl Outside {
    /// Asks the kernel. `names` are the interfaces of the unprotected side.
    ///
    /// # Errors
    /// When there is no such interface, or it has no address.
    pub fn discover(names: &[String]) -> Result<Outside, OpenError> {
        let mut found = addresses()?;
        let (mut interfaces, mut mtu) = (Vec::new(), u16::MAX);
        for name in names {
            let what = || format!("interface `{name}`");
            let Some(own) = found.remove(name) else {
                return Err(OpenError::new(
                    what(),
                    "it does not exist or has no address (`ip address` shows all)",
                ));
            };
            mtu = mtu.min(link_mtu(name).map_err(|e| OpenError::new(what(), e))?);
            interfaces.push(interface(interfaces.len(), name, Boundary::Unprotected, own));
        }
        for (name, own) in found {
            interfaces.push(interface(interfaces.len(), &name, Boundary::Protected, own));
        }
        Ok(Outside { interfaces, mtu })
    }

    /// Names of the interfaces on the unprotected side.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.unprotected().map(|i| i.name.as_str())
    }

    pub(crate) fn unprotected(&self) -> impl Iterator<Item = &Interface> {
        self.interfaces.iter().filter(|i| i.boundary == Boundary::Unprotected)
    }

    /// Routes for the core: it asks them for the source address of IKE and outer headers. The kernel alone decides which way
    /// a packet really takes, so for each tunnel's end the kernel is asked.
    pub fn routes(&self, spd: &Spd, mark: Option<Mark>) -> RouteTable {
        let mut table = RouteTable::new();
        for remote in tunnel_ends(spd) {
            let source = source_towards(remote, mark);
            let owner = source.and_then(|s| self.unprotected().find(|i| i.owns(s)));
            if let (Some(source), Some(interface)) = (source, owner) {
                let destination = Prefix::new(remote, 128);
                table.add(Route {
                    destination,
                    next_hop: None,
                    interface: interface.id,
                    source: Some(source),
                });
            }
        }
        for interface in self.unprotected() {
            for prefix in &interface.addresses {
                let (destination, source) = (*prefix, Some(prefix.address));
                table.add(Route { destination, next_hop: None, interface: interface.id, source });
            }
        }
        let anywhere: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        for any in anywhere {
            let mut own = self
                .unprotected()
                .filter(|i| i.addresses.iter().any(|a| a.address.is_ipv4() == any.is_ipv4()));
            if let Some(interface) = own.next() {
                let destination = Prefix::new(any, 0);
                table.add(Route { destination, next_hop: None, interface: interface.id, source: None });
            }
        }
        table
    }
}

pub(crate) fn interface(number: usize, name: &str, boundary: Boundary, addresses: Vec<Prefix>) -> Interface {
    Interface {
        id: InterfaceId(u16::try_from(number).unwrap_or(u16::MAX)),
        name: name.to_owned(),
        kind: ConnectionKind::Lan,
        boundary,
        addresses,
        // Sockets fragment what is too large for the link.
        egress: Egress::Whole,
    }
}

/// All addresses by interface, without loopback and link-local ones.
fn addresses() -> Result<BTreeMap<String, Vec<Prefix>>, OpenError> {
    let all = getifaddrs().map_err(|e| OpenError::new("the list of interfaces", e))?;
    let mut found: BTreeMap<String, Vec<Prefix>> = BTreeMap::new();
    for entry in all {
        let (Some(address), Some(mask)) = (entry.address, entry.netmask) else { continue };
        let prefix = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
            (Some(v4), _) => {
                mask.as_sockaddr_in().map(|m| (IpAddr::V4(v4.ip()), m.ip().to_bits().count_ones()))
            }
            (_, Some(v6)) => {
                mask.as_sockaddr_in6().map(|m| (IpAddr::V6(v6.ip()), m.ip().to_bits().count_ones()))
            }
            _ => None,
        };
        let Some((address, len)) = prefix else { continue };
        let link_local = matches!(address, IpAddr::V6(a) if a.is_unicast_link_local());
        if !address.is_loopback() && !link_local {
            found.entry(entry.interface_name).or_default().push(Prefix::new(address, len as u8));
        }
    }
    Ok(found)
}

fn link_mtu(name: &str) -> Result<u16, String> {
    let text =
        fs::read_to_string(format!("/sys/class/net/{name}/mtu")).map_err(|e| format!("its MTU: {e}"))?;
    let mtu: u32 = text.trim().parse().map_err(|e| format!("its MTU `{}`: {e}", text.trim()))?;
    Ok(u16::try_from(mtu).unwrap_or(u16::MAX))
}

/// The far ends of all tunnels whose near end is not said.
fn tunnel_ends(spd: &Spd) -> Vec<IpAddr> {
    let mut ends = Vec::new();
    for entry in spd.entries() {
        if let Action::Protect(protect) = &entry.action
            && let Mode::Tunnel { remote, .. } = protect.mode
            && !remote.is_unspecified()
            && !ends.contains(&remote)
        {
            ends.push(remote);
        }
    }
    ends
}

/// The source address the kernel would use; nothing is sent for that.
fn source_towards(remote: IpAddr, mark: Option<Mark>) -> Option<IpAddr> {
    let domain = if remote.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM, None).ok()?;
    if let Some(mark) = mark {
        mark.put_on(&socket).ok()?;
    }
    socket.connect(&SocketAddr::new(remote, 500).into()).ok()?;
    socket.local_addr().ok()?.as_socket().map(|a| a.ip())
}
