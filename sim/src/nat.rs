//! A network address translator of the simulated network, in the terms of RFC 4787 (UDP), RFC 5382 (TCP) and RFC 5508
//! (ICMP): plain data, bounded tables, and nothing random.
//!
//! ```text
//!  inside  10.0.0.2:500 ---- mapping ---- 203.0.113.1:32768  outside
//!                            for one inside end, and towards everybody, one address, or one address and port
//!                            ("mapping behaviour"); lets in what "filtering behaviour" allows
//! ```
//!
//! - **Ports** come from a counter that starts at 32768 and never goes back but by wrapping, so a box that lost its table
//!   hands out other ports than before. With port preservation the inside port is taken when it is free.
//! - **Ports are never shared** by two mappings of one protocol ("no port overloading", RFC 4787 section 4.2.1, REQ-3).
//! - **Fragments** are reassembled before translation, in any order (RFC 4787 section 11, REQ-14), and the whole is cut
//!   again for the next link.
//! - **Checksums** are changed by the difference alone (RFC 1624), so that a wrong one stays wrong.
//! - **Protocols 50 and 51** have no ports to translate: [`IpsecSupport`] says what becomes of them.
//!
//! IPv6 is forwarded, and not translated.

mod ipsec;
mod rewrite;
mod table;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

use ipsec_core::interface::InterfaceId;
use ipsec_core::{Duration, Instant};

use crate::ip::protocol;
use ipsec::PassThrough;
use rewrite::{End, Traits};
use table::{Scope, Table};

/// Who counts as the same: of mappings, whom one external port is for; of filters, whose packets may come in (RFC 4787
/// sections 4.1 and 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// Every outside end.
    #[default]
    EndpointIndependent,
    /// Every port of one outside address.
    AddressDependent,
    /// One outside address and port.
    AddressAndPortDependent,
}

/// What the box knows of IPsec's own protocols.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpsecSupport {
    /// Nothing: "Some NA(P)Ts discard non-UDP/TCP traffic" (RFC 3715 section 2.2 j).
    #[default]
    None,
    /// Passes protocols 50 and 51 with the address rewritten, for one inside host for each outside peer, and keeps IKE at
    /// port 500, telling its hosts apart by the initiator's cookie (RFC 3715 section 2.3 n and o).
    PassThrough,
}

/// A port of the external address that always leads to one inside end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaticPort {
    /// 6 or 17.
    pub protocol: u8,
    /// The external port.
    pub port: u16,
    /// Where it leads.
    pub inside: SocketAddrV4,
}

/// An external address that stands for one inside address, with all its ports (basic NAT, RFC 2663 section 4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaticAddress {
    /// The external address; no other mapping uses it.
    pub outside: Ipv4Addr,
    /// Where it leads.
    pub inside: Ipv4Addr,
}

/// How a translator behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatConfig {
    /// The interface to the outside; all others are inside.
    pub outside: InterfaceId,
    /// Its external addresses: the first is used, a rebinding can move on to the next.
    pub addresses: Vec<Ipv4Addr>,
    /// Whom an external port is for.
    pub mapping: Behaviour,
    /// Whose packets may come in.
    pub filtering: Behaviour,
    /// Whether the inside port is taken as external port when it is free.
    pub port_preservation: bool,
    /// Whether inside hosts reach each other by their external ends (RFC 4787 section 6, REQ-9).
    pub hairpinning: bool,
    /// Whether packets that come in keep a mapping alive; those that go out always do (RFC 4787 section 4.3, REQ-6).
    pub inbound_refresh: bool,
    /// How long a UDP mapping lives without refresh. RFC 4787 REQ-5: not under two minutes.
    pub udp_timeout: Duration,
    /// How long an ICMP query mapping lives (RFC 5508 REQ-2: not under 60 s).
    pub icmp_timeout: Duration,
    /// How long an open TCP connection may be idle (RFC 5382 REQ-5: not under 2 h 4 min).
    pub tcp_timeout: Duration,
    /// How long a TCP connection that is not open, or closing, is remembered (RFC 5382 REQ-5: not under 4 min).
    pub tcp_transitory_timeout: Duration,
    /// Ports that always lead inside.
    pub ports: Vec<StaticPort>,
    /// Addresses that always lead inside.
    pub hosts: Vec<StaticAddress>,
    /// What becomes of protocols 50 and 51.
    pub ipsec: IpsecSupport,
    /// Mappings at one time; each keeps at most as many outside ends.
    pub max_mappings: usize,
}

impl NatConfig {
    /// Endpoint-independent mapping and filtering, hairpinning, RFC timeouts, nothing static, no port preservation and no
    /// idea of IPsec.
    pub fn new(outside: InterfaceId, addresses: Vec<Ipv4Addr>) -> Self {
        NatConfig {
            outside,
            addresses,
            mapping: Behaviour::EndpointIndependent,
            filtering: Behaviour::EndpointIndependent,
            port_preservation: false,
            hairpinning: true,
            inbound_refresh: false,
            udp_timeout: Duration::from_secs(120),
            icmp_timeout: Duration::from_secs(60),
            tcp_timeout: Duration::from_secs(7_440),
            tcp_transitory_timeout: Duration::from_secs(240),
            ports: Vec::new(),
            hosts: Vec::new(),
            ipsec: IpsecSupport::None,
            max_mappings: 4_096,
        }
    }
}

/// Why a translator drops a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NatDrop {
    /// Nothing inside belongs to this external end.
    NoMapping,
    /// There is a mapping, but its filter does not let this outside end in (RFC 4787 section 5).
    Filtered,
    /// An inside host wants an external end of this box, which does not hairpin (RFC 4787 section 6).
    NoHairpinning,
    /// All mappings, or all ports, are taken.
    TableFull,
    /// A protocol without ports, or IPsec without pass-through.
    UnknownProtocol(u8),
    /// Another inside host has this peer's ESP or AH.
    PeerTaken,
    /// An ICMP error about no packet of a live session (RFC 5508 section 4.2).
    UnknownQuote,
    /// An ICMP error whose checksum does not hold (RFC 5508 REQ-3).
    Checksum,
}

impl fmt::Display for NatDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NatDrop::NoMapping => f.write_str("NAT: nobody inside belongs to this external end"),
            NatDrop::Filtered => f.write_str("NAT: the mapping's filter does not let this outside end in"),
            NatDrop::NoHairpinning => f.write_str("NAT: no hairpinning"),
            NatDrop::TableFull => f.write_str("NAT: no mapping or port is free"),
            NatDrop::UnknownProtocol(n) => write!(f, "NAT: protocol {n} has no ports to translate"),
            NatDrop::PeerTaken => f.write_str("NAT: another inside host has this peer's IPsec"),
            NatDrop::UnknownQuote => f.write_str("NAT: an ICMP error about no packet of a live session"),
            NatDrop::Checksum => f.write_str("NAT: the checksum of an ICMP error does not hold"),
        }
    }
}

/// A mapping as traces show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// IP protocol.
    pub protocol: u8,
    /// The inside end; the port is ICMP's identifier, and 0 for protocols 50 and 51.
    pub inside: SocketAddrV4,
    /// The external end.
    pub outside: SocketAddrV4,
    /// The outside end it was made for.
    pub remote: SocketAddrV4,
}

impl fmt::Display for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.protocol {
            protocol::ICMP => "icmp",
            protocol::TCP => "tcp",
            protocol::UDP => "udp",
            protocol::ESP => "esp",
            protocol::AH => "ah",
            _ => "ip",
        };
        if matches!(self.protocol, protocol::ESP | protocol::AH) {
            return write!(f, "{name} of {} with {}", self.inside.ip(), self.remote.ip());
        }
        write!(f, "{name} {} to {}, towards {}", self.inside, self.outside, self.remote)
    }
}

/// A running translator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nat {
    config: NatConfig,
    /// Index of the external address in use.
    address: usize,
    table: Table,
    ipsec: PassThrough,
}

/// What a packet is for the translator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) protocol: u8,
    pub(crate) source: SocketAddrV4,
    pub(crate) destination: SocketAddrV4,
}

impl Nat {
    /// A translator with an empty table.
    pub fn new(config: NatConfig) -> Self {
        let table = Table::new(config.max_mappings);
        let ipsec = PassThrough::new(config.max_mappings);
        Nat { config, address: 0, table, ipsec }
    }

    /// How it behaves.
    pub fn config(&self) -> &NatConfig {
        &self.config
    }

    /// The external address in use.
    pub fn address(&self) -> Ipv4Addr {
        self.config.addresses.get(self.address).copied().unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    /// Whether packets to this address are for the translator.
    pub fn is_external(&self, address: IpAddr) -> bool {
        let IpAddr::V4(address) = address else { return false };
        self.config.addresses.contains(&address) || self.config.hosts.iter().any(|h| h.outside == address)
    }

    /// The live dynamic mappings with ports, in the order of their inside ends.
    pub fn mappings(&self, now: Instant) -> impl Iterator<Item = Mapped> {
        self.table.iter(now)
    }

    /// The box starts afresh: its table is lost, static maps remain.
    pub fn reboot(&mut self) {
        self.table.clear();
        self.ipsec.clear();
    }

    /// Every mapping gets a new external port, and with `move_address` the next external address; filters stay. Returns
    /// the number of mappings.
    pub fn rebind(&mut self, move_address: bool, now: Instant) -> usize {
        if move_address && !self.config.addresses.is_empty() {
            self.address = (self.address + 1) % self.config.addresses.len();
        }
        let address = self.address();
        let taken = taken(&self.config);
        self.table.rebind(address, now, taken)
    }

    /// Translates a whole packet that goes from inside to outside. The new mapping, if it needed one.
    ///
    /// # Errors
    /// Why it must be dropped; the packet may then be half translated.
    pub fn outbound(&mut self, bytes: &mut [u8], now: Instant) -> Result<Option<Mapped>, NatDrop> {
        if let Some(quoted) = rewrite::quoted(bytes) {
            return self.outbound_error(bytes, quoted, now).map(|()| None);
        }
        let flow = rewrite::flow(bytes).map_err(NatDrop::UnknownProtocol)?;
        let (outside, mapped) = self.external(&flow, bytes, now)?;
        rewrite::rewrite(bytes, End::Source, outside);
        Ok(mapped)
    }

    /// Translates a whole packet that comes in for an external end.
    ///
    /// # Errors
    /// Why it must be dropped; the packet may then be half translated.
    pub fn inbound(&mut self, bytes: &mut [u8], now: Instant) -> Result<(), NatDrop> {
        if let Some(quoted) = rewrite::quoted(bytes) {
            return self.inbound_error(bytes, quoted, now);
        }
        let flow = rewrite::flow(bytes).map_err(NatDrop::UnknownProtocol)?;
        let inside = self.internal(&flow, bytes, now)?;
        rewrite::rewrite(bytes, End::Destination, inside);
        Ok(())
    }

    /// Translates a packet from an inside host to an external end of this box: both ends are translated, so that the
    /// answer comes back the same way (RFC 4787 section 6, REQ-9 a).
    ///
    /// # Errors
    /// Why it must be dropped; the packet may then be half translated.
    pub fn hairpin(&mut self, bytes: &mut [u8], now: Instant) -> Result<Option<Mapped>, NatDrop> {
        if !self.config.hairpinning {
            return Err(NatDrop::NoHairpinning);
        }
        let mapped = self.outbound(bytes, now)?;
        self.inbound(bytes, now)?;
        Ok(mapped)
    }

    /// The external end of a packet that goes out.
    fn external(
        &mut self,
        flow: &Flow,
        bytes: &[u8],
        now: Instant,
    ) -> Result<(SocketAddrV4, Option<Mapped>), NatDrop> {
        let Flow { protocol, source, destination } = *flow;
        let is_ipsec = matches!(protocol, protocol::ESP | protocol::AH);
        if is_ipsec && self.config.ipsec == IpsecSupport::None {
            return Err(NatDrop::UnknownProtocol(protocol));
        }
        if let Some(host) = self.config.hosts.iter().find(|h| h.inside == *source.ip()) {
            return Ok((SocketAddrV4::new(host.outside, source.port()), None));
        }
        let address = self.address();
        let kept = |source: SocketAddrV4| SocketAddrV4::new(address, source.port());
        if let Some(port) = self.config.ports.iter().find(|p| (p.protocol, p.inside) == (protocol, source)) {
            return Ok((SocketAddrV4::new(address, port.port), None));
        }
        let lifetime = self.config.udp_timeout;
        if is_ipsec {
            let new = self.ipsec.claim(protocol, *source.ip(), *destination.ip(), now, lifetime)?;
            return Ok((kept(source), new.then(|| mapped(flow, kept(source)))));
        }
        if self.config.ipsec == IpsecSupport::PassThrough
            && let Some(cookie) = ipsec::cookie(flow, bytes)
        {
            let new = self.ipsec.ike(cookie, *source.ip(), *destination.ip(), now, lifetime)?;
            return Ok((kept(source), new.then(|| mapped(flow, kept(source)))));
        }
        let traits = rewrite::traits(bytes);
        if traits.is_echo_reply {
            // Only a request makes a mapping (RFC 5508 section 3.1).
            return Err(NatDrop::NoMapping);
        }
        let scope = Scope::of(self.config.mapping, destination);
        let preferred = self.config.port_preservation.then(|| source.port());
        let lifetime = self.lifetime(protocol, traits, self.table.is_open((protocol, source, scope)));
        let taken = taken(&self.config);
        let (outside, new) = self.table.outbound(
            (protocol, source, scope),
            destination,
            table::Wish { address, preferred, expires: now + lifetime },
            now,
            taken,
        )?;
        if traits.closes {
            self.table.close((protocol, source, scope));
        }
        Ok((outside, new.then(|| mapped(flow, outside))))
    }

    /// The inside end of a packet that comes in.
    fn internal(&mut self, flow: &Flow, bytes: &[u8], now: Instant) -> Result<SocketAddrV4, NatDrop> {
        let Flow { protocol, source, destination } = *flow;
        let is_ipsec = matches!(protocol, protocol::ESP | protocol::AH);
        if is_ipsec && self.config.ipsec == IpsecSupport::None {
            return Err(NatDrop::UnknownProtocol(protocol));
        }
        if let Some(host) = self.config.hosts.iter().find(|h| h.outside == *destination.ip()) {
            return Ok(SocketAddrV4::new(host.inside, destination.port()));
        }
        if *destination.ip() != self.address() {
            return Err(NatDrop::NoMapping);
        }
        let fixed = |p: &&StaticPort| (p.protocol, p.port) == (protocol, destination.port());
        if let Some(port) = self.config.ports.iter().find(fixed) {
            return Ok(port.inside);
        }
        let lifetime = self.config.udp_timeout;
        let inside = |host| SocketAddrV4::new(host, destination.port());
        if is_ipsec {
            return self.ipsec.owner(protocol, *source.ip(), now).map(inside).ok_or(NatDrop::NoMapping);
        }
        if self.config.ipsec == IpsecSupport::PassThrough
            && let Some(cookie) = ipsec::cookie(flow, bytes)
            && let Some(host) = self.ipsec.demultiplex(cookie, *source.ip(), now, lifetime)
        {
            return Ok(inside(host));
        }
        let traits = rewrite::traits(bytes);
        if protocol == protocol::ICMP && !traits.is_echo_reply {
            // A mapping is for the replies; a request from outside belongs to nobody.
            return Err(NatDrop::NoMapping);
        }
        let refresh = if protocol == protocol::TCP {
            // RFC 5382 section 5: traffic in either direction keeps a connection alive.
            Some(now + self.lifetime(protocol, traits, !traits.closes))
        } else {
            self.config.inbound_refresh.then(|| now + self.lifetime(protocol, traits, false))
        };
        self.table.inbound((protocol, destination), source, self.config.filtering, refresh, now, traits)
    }

    fn lifetime(&self, number: u8, traits: Traits, open: bool) -> Duration {
        match number {
            protocol::ICMP => self.config.icmp_timeout,
            protocol::TCP if open && !traits.closes => self.config.tcp_timeout,
            protocol::TCP => self.config.tcp_transitory_timeout,
            _ => self.config.udp_timeout,
        }
    }

    /// An ICMP error from inside about a packet that came in: the quote's destination is an inside end (RFC 5508 REQ-5).
    fn outbound_error(&mut self, bytes: &mut [u8], at: usize, now: Instant) -> Result<(), NatDrop> {
        let flow = rewrite::quoted_flow(bytes, at)?;
        let address = self.address();
        let host = self.config.hosts.iter().find(|h| h.inside == *flow.destination.ip()).map(|h| h.outside);
        let inside = (flow.protocol, flow.destination);
        let port = self.config.ports.iter().find(|p| (p.protocol, p.inside) == inside).map(|p| p.port);
        let outside = match (host, port) {
            (Some(host), _) => SocketAddrV4::new(host, flow.destination.port()),
            (None, Some(port)) => SocketAddrV4::new(address, port),
            (None, None) if self.ipsec.knows(&flow.reversed(), now) => {
                SocketAddrV4::new(address, flow.destination.port())
            }
            (None, None) => {
                let scope = Scope::of(self.config.mapping, flow.source);
                let key = (flow.protocol, flow.destination, scope);
                self.table.outside_of(key, now).ok_or(NatDrop::UnknownQuote)?
            }
        };
        rewrite::rewrite(&mut bytes[at..], End::Destination, outside);
        rewrite::rewrite(bytes, End::Source, SocketAddrV4::new(*outside.ip(), 0));
        rewrite::seal_icmp(bytes);
        Ok(())
    }

    /// An ICMP error from outside about a packet that went out: the quote's source is an external end (RFC 5508 REQ-4).
    fn inbound_error(&mut self, bytes: &mut [u8], at: usize, now: Instant) -> Result<(), NatDrop> {
        let flow = rewrite::quoted_flow(bytes, at)?;
        let host = self.config.hosts.iter().find(|h| h.outside == *flow.source.ip()).map(|h| h.inside);
        let fixed = |p: &&StaticPort| (p.protocol, p.port) == (flow.protocol, flow.source.port());
        let port = self.config.ports.iter().find(fixed).filter(|_| *flow.source.ip() == self.address());
        let inside = match (host, port) {
            (Some(host), _) => SocketAddrV4::new(host, flow.source.port()),
            (None, Some(port)) => port.inside,
            (None, None) => self
                .ipsec
                .quoted_owner(&flow, &bytes[at..], now)
                .map(|host| SocketAddrV4::new(host, flow.source.port()))
                .or_else(|| self.table.session((flow.protocol, flow.source), flow.destination, now))
                .ok_or(NatDrop::UnknownQuote)?,
        };
        rewrite::rewrite(&mut bytes[at..], End::Source, inside);
        rewrite::rewrite(bytes, End::Destination, SocketAddrV4::new(*inside.ip(), 0));
        rewrite::seal_icmp(bytes);
        Ok(())
    }
}

impl Flow {
    fn reversed(self) -> Flow {
        Flow { source: self.destination, destination: self.source, ..self }
    }
}

fn mapped(flow: &Flow, outside: SocketAddrV4) -> Mapped {
    Mapped { protocol: flow.protocol, inside: flow.source, outside, remote: flow.destination }
}

/// The external ports that static maps, and IKE's pass-through, keep for themselves.
fn taken(config: &NatConfig) -> impl Fn(u8, u16) -> bool + '_ {
    move |number, port| {
        let ike = config.ipsec == IpsecSupport::PassThrough && (number, port) == (protocol::UDP, 500);
        ike || config.ports.iter().any(|p| (p.protocol, p.port) == (number, port))
    }
}

#[cfg(test)]
mod tests;
