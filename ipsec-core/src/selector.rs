//! Selectors (RFC 4301 section 4.4.1.1): which traffic a policy entry or a security association covers.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address and a prefix length: an interface's address on its link, or a subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// An address inside the prefix (host bits may be set).
    pub address: IpAddr,
    /// Prefix length in bits, at most 32 for IPv4 and 128 for IPv6.
    pub len: u8,
}

impl Prefix {
    /// The prefix of `len` bits that `address` lies in; longer lengths are cut to the family's width.
    pub fn new(address: IpAddr, len: u8) -> Self {
        let width = if address.is_ipv4() { 32 } else { 128 };
        Prefix { address, len: len.min(width) }
    }

    /// Whether `address` shares the prefix.
    pub fn contains(&self, address: IpAddr) -> bool {
        AddressRange::from(*self).contains(address)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

/// An inclusive range of addresses of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    /// First address.
    pub start: IpAddr,
    /// Last address, of the same family and not below `start`.
    pub end: IpAddr,
}

impl AddressRange {
    /// All of IPv4.
    pub const ANY_V4: AddressRange =
        AddressRange { start: IpAddr::V4(Ipv4Addr::UNSPECIFIED), end: IpAddr::V4(Ipv4Addr::BROADCAST) };
    /// All of IPv6.
    pub const ANY_V6: AddressRange = AddressRange {
        start: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        end: IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)),
    };

    /// Exactly one address.
    pub fn single(address: IpAddr) -> Self {
        AddressRange { start: address, end: address }
    }

    /// Whether `address` lies in the range (never true for another family).
    pub fn contains(&self, address: IpAddr) -> bool {
        self.start.is_ipv4() == address.is_ipv4() && self.start <= address && address <= self.end
    }

    /// Whether all of `other` lies in this range.
    pub fn covers(&self, other: &AddressRange) -> bool {
        self.contains(other.start) && self.contains(other.end)
    }

    /// Whether the range is one address.
    pub fn is_single(&self) -> bool {
        self.start == self.end
    }

    /// The prefix that is exactly this range, if there is one.
    pub fn as_prefix(&self) -> Option<Prefix> {
        let (start, end, width) = match (self.start, self.end) {
            (IpAddr::V4(s), IpAddr::V4(e)) => (u128::from(s.to_bits()), u128::from(e.to_bits()), 32),
            (IpAddr::V6(s), IpAddr::V6(e)) => (s.to_bits(), e.to_bits(), 128),
            _ => return None,
        };
        let host = start ^ end;
        let is_prefix = host & host.wrapping_add(1) == 0 && start & host == 0;
        is_prefix.then(|| Prefix { address: self.start, len: (width - (128 - host.leading_zeros())) as u8 })
    }
}

impl From<Prefix> for AddressRange {
    fn from(p: Prefix) -> Self {
        match p.address {
            IpAddr::V4(a) => {
                let host = u32::MAX.checked_shr(u32::from(p.len)).unwrap_or(0);
                let (start, end) = (a.to_bits() & !host, a.to_bits() | host);
                AddressRange {
                    start: Ipv4Addr::from_bits(start).into(),
                    end: Ipv4Addr::from_bits(end).into(),
                }
            }
            IpAddr::V6(a) => {
                let host = u128::MAX.checked_shr(u32::from(p.len)).unwrap_or(0);
                let (start, end) = (a.to_bits() & !host, a.to_bits() | host);
                AddressRange {
                    start: Ipv6Addr::from_bits(start).into(),
                    end: Ipv6Addr::from_bits(end).into(),
                }
            }
        }
    }
}

impl fmt::Display for AddressRange {
    /// `any`, one address, a prefix, or `first-last`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_single() {
            return write!(f, "{}", self.start);
        }
        match self.as_prefix() {
            Some(Prefix { len: 0, .. }) => f.write_str("any"),
            Some(p) => write!(f, "{p}"),
            None => write!(f, "{}-{}", self.start, self.end),
        }
    }
}

/// An inclusive range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// First port.
    pub start: u16,
    /// Last port.
    pub end: u16,
}

impl PortRange {
    /// Every port, and traffic that has none (RFC 4301's ANY; a Windows filter's port 0).
    pub const ANY: PortRange = PortRange { start: 0, end: u16::MAX };

    /// Exactly one port.
    pub fn single(port: u16) -> Self {
        PortRange { start: port, end: port }
    }

    /// Whether this is [`PortRange::ANY`].
    pub fn is_any(&self) -> bool {
        *self == PortRange::ANY
    }

    /// Whether a flow's port matches. A flow without a port (another protocol, a non-first fragment: RFC 4301's OPAQUE)
    /// matches only ANY (section 4.4.1.1).
    pub fn matches(&self, port: Option<u16>) -> bool {
        self.is_any() || port.is_some_and(|p| self.start <= p && p <= self.end)
    }

    /// Whether all of `other` lies in this range.
    pub fn covers(&self, other: &PortRange) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}

/// What of a packet selectors look at, seen from this node: `local` is the near end.
///
/// For a packet leaving through the boundary, local is its source; for one coming in, local is its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// Address on our side of the boundary.
    pub local: IpAddr,
    /// Address on the far side.
    pub remote: IpAddr,
    /// Upper-layer protocol number; for IPv6 the one after the extension headers.
    pub protocol: u8,
    /// Local port (for ICMP: type << 8 | code, RFC 4301 section 4.4.1.1, in outgoing packets); `None` if there is none to see.
    pub local_port: Option<u16>,
    /// Remote port.
    pub remote_port: Option<u16>,
}

/// A set of flows. Lists are never empty; both families may appear side by side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector {
    /// Local addresses.
    pub local: Vec<AddressRange>,
    /// Remote addresses.
    pub remote: Vec<AddressRange>,
    /// Upper-layer protocol; `None` is ANY.
    pub protocol: Option<u8>,
    /// Local ports.
    pub local_ports: PortRange,
    /// Remote ports.
    pub remote_ports: PortRange,
}

impl Selector {
    /// Every flow of both families.
    pub fn any() -> Self {
        let all = vec![AddressRange::ANY_V4, AddressRange::ANY_V6];
        Selector {
            local: all.clone(),
            remote: all,
            protocol: None,
            local_ports: PortRange::ANY,
            remote_ports: PortRange::ANY,
        }
    }

    /// All traffic between two ranges of addresses.
    pub fn between(local: AddressRange, remote: AddressRange) -> Self {
        Selector { local: vec![local], remote: vec![remote], ..Selector::any() }
    }

    /// Whether the flow is in the set.
    pub fn matches(&self, flow: &FlowKey) -> bool {
        self.protocol.is_none_or(|p| p == flow.protocol)
            && self.local.iter().any(|r| r.contains(flow.local))
            && self.remote.iter().any(|r| r.contains(flow.remote))
            && self.local_ports.matches(flow.local_port)
            && self.remote_ports.matches(flow.remote_port)
    }

    /// Whether the flow is in the set as far as addresses and protocol say.
    pub fn matches_but_ports(&self, flow: &FlowKey) -> bool {
        self.matches(&FlowKey {
            local_port: Some(self.local_ports.start),
            remote_port: Some(self.remote_ports.start),
            ..*flow
        })
    }

    /// Whether every flow of `other` is in this set (each of its ranges lies in one of ours).
    pub fn covers(&self, other: &Selector) -> bool {
        let ranges = |ours: &[AddressRange], theirs: &[AddressRange]| {
            theirs.iter().all(|t| ours.iter().any(|o| o.covers(t)))
        };
        self.protocol.is_none_or(|p| other.protocol == Some(p))
            && ranges(&self.local, &other.local)
            && ranges(&self.remote, &other.remote)
            && self.local_ports.covers(&other.local_ports)
            && self.remote_ports.covers(&other.remote_ports)
    }

    /// The same set seen from the other end: local and remote change places.
    pub fn mirrored(&self) -> Selector {
        Selector {
            local: self.remote.clone(),
            remote: self.local.clone(),
            protocol: self.protocol,
            local_ports: self.remote_ports,
            remote_ports: self.local_ports,
        }
    }
}

impl fmt::Display for Selector {
    /// `10.1.0.0/16 -> 10.2.0.0/16 tcp *:6667`, local side first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |f: &mut fmt::Formatter<'_>, ranges: &[AddressRange], ports: PortRange| {
            if ranges == [AddressRange::ANY_V4, AddressRange::ANY_V6] {
                f.write_str("any")?;
            } else {
                for (i, r) in ranges.iter().enumerate() {
                    write!(f, "{}{r}", if i == 0 { "" } else { "," })?;
                }
            }
            match ports {
                PortRange::ANY => Ok(()),
                PortRange { start, end } if start == end => write!(f, ":{start}"),
                PortRange { start, end } => write!(f, ":{start}-{end}"),
            }
        };
        side(f, &self.local, self.local_ports)?;
        f.write_str(" -> ")?;
        side(f, &self.remote, self.remote_ports)?;
        match self.protocol {
            None => Ok(()),
            Some(1) => f.write_str(" icmp"),
            Some(6) => f.write_str(" tcp"),
            Some(17) => f.write_str(" udp"),
            Some(p) => write!(f, " protocol {p}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn prefix(text: &str, len: u8) -> AddressRange {
        Prefix::new(text.parse().unwrap(), len).into()
    }

    #[test]
    fn ranges_and_prefixes_convert() {
        assert_eq!(prefix("10.2.3.4", 16).to_string(), "10.2.0.0/16");
        assert_eq!(prefix("10.2.3.4", 32).to_string(), "10.2.3.4");
        assert_eq!(prefix("1.2.3.4", 0), AddressRange::ANY_V4);
        assert_eq!(prefix("2001:db8::1", 0), AddressRange::ANY_V6);
        assert_eq!(prefix("2001:db8::1", 64).as_prefix().unwrap().to_string(), "2001:db8::/64");
        let odd = AddressRange { start: "10.0.0.1".parse().unwrap(), end: "10.0.0.2".parse().unwrap() };
        assert_eq!(odd.as_prefix(), None);
        assert!(!AddressRange::ANY_V6.contains("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn ports_hidden_by_fragments_match_only_any() {
        assert!(PortRange::ANY.matches(None));
        assert!(!PortRange { start: 1, end: 65535 }.matches(None));
        assert!(PortRange::single(6667).matches(Some(6667)));
    }

    #[test]
    fn covering_is_per_field() {
        let net = Selector::between(prefix("10.1.0.0", 16), prefix("10.2.0.0", 16));
        let mut flow = Selector::between(prefix("10.1.0.10", 32), prefix("10.2.0.10", 32));
        assert!(net.covers(&flow) && !flow.covers(&net) && Selector::any().covers(&net));
        flow.protocol = Some(6);
        assert!(net.covers(&flow));
        assert!(!net.mirrored().covers(&flow));
        assert_eq!(net.to_string(), "10.1.0.0/16 -> 10.2.0.0/16");
    }
}
