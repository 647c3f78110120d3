//! All sockets of a node, and which of them a datagram of the core leaves through.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::RawFd;

use ipsec_core::Packet;
use ipsec_core::ip::{IpInfo, protocol, read_u16};
use ipsec_core::packet::PacketPool;
use ipsec_core::wire::udp::HEADER_LEN;

use crate::error::OpenError;
use crate::node::Settings;
use crate::raw::{RawReceiver, RawSender};
use crate::routes::has_ipv6;
use crate::udp::{Port, Udp};

/// UDP ports 500 and 4500, and protocols 50 and 51, of both address families.
#[derive(Debug)]
pub(crate) struct Sockets {
    udp: Vec<Udp>,
    raw: Vec<RawReceiver>,
    v4: Option<RawSender>,
    v6: Option<RawSender>,
    /// Where something may wait to leave.
    way: Way,
}

/// A socket that sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The UDP socket with this number.
    Udp(usize),
    V4,
    V6,
}

impl Sockets {
    /// Opens what the settings ask for.
    pub(crate) fn open(settings: &Settings, link_mtu: u16) -> Result<Sockets, OpenError> {
        let (mut udp, mut raw, mut v4, mut v6) = (Vec::new(), Vec::new(), None, None);
        let all = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        let all = if has_ipv6() { &all[..] } else { &all[..1] };
        let addresses = if settings.bind.is_empty() { all } else { &settings.bind };
        let ports = settings.ports;
        for address in addresses {
            for port in [
                Port { known: ipsec_core::ike::PORT, bound: ports.ike },
                Port { known: ipsec_core::natt::PORT, bound: ports.nat_traversal },
            ] {
                let bound = Udp::bind(*address, port, settings.mark, link_mtu);
                let what = || format!("UDP port {}", SocketAddr::new(*address, port.bound));
                udp.push(
                    bound.map_err(|e| OpenError::io(what(), &e, "CAP_NET_BIND_SERVICE and CAP_NET_ADMIN"))?,
                );
            }
        }
        if settings.native {
            for address in all {
                let is_v4 = address.is_ipv4();
                let family = if is_v4 { "IPv4" } else { "IPv6" };
                for (number, name) in [(protocol::ESP, "ESP"), (protocol::AH, "AH")] {
                    let what = || format!("raw {family} socket for {name}, protocol {number}");
                    let opened = RawReceiver::open(is_v4, number, link_mtu);
                    raw.push(opened.map_err(|e| OpenError::io(what(), &e, "CAP_NET_RAW"))?);
                }
                let opened = RawSender::open(is_v4, settings.mark, link_mtu);
                let what = || format!("raw {family} socket to send through");
                let sender =
                    opened.map_err(|e| OpenError::io(what(), &e, "CAP_NET_RAW and CAP_NET_ADMIN"))?;
                if is_v4 { v4 = Some(sender) } else { v6 = Some(sender) }
            }
        }
        Ok(Sockets { udp, raw, v4, v6, way: Way::V4 })
    }

    /// Descriptors to wait for, in the order of [`receive`](Sockets::receive)'s numbers.
    pub(crate) fn descriptors(&self) -> Vec<RawFd> {
        self.udp.iter().map(Udp::fd).chain(self.raw.iter().map(RawReceiver::fd)).collect()
    }

    /// Reads a batch from the socket with this number. `false` when it had nothing more.
    pub(crate) fn receive(&mut self, number: usize, pool: &mut PacketPool, each: impl FnMut(Packet)) -> bool {
        if let Some(udp) = self.udp.get_mut(number) {
            return udp.receive(pool, each).unwrap_or_else(|error| {
                tracing::warn!(%error, "a UDP socket failed");
                false
            });
        }
        let Some(raw) = number.checked_sub(self.udp.len()).and_then(|n| self.raw.get_mut(n)) else {
            return false;
        };
        raw.receive(pool, each).unwrap_or_else(|error| {
            tracing::warn!(%error, "a raw socket failed");
            false
        })
    }

    /// Takes a datagram of the core; it leaves with [`flush`](Sockets::flush) at the latest. Datagrams leave in the order they
    /// came: what waits in another socket goes first.
    pub(crate) fn send(&mut self, packet: Packet, pool: &mut PacketPool) {
        let Some(info) = IpInfo::parse(packet.bytes()) else { return pool.recycle(packet) };
        if info.upper.protocol == protocol::UDP && info.fragment.is_none() {
            let port = |at: usize| read_u16(packet.bytes(), info.upper.offset + at);
            if let (Some(from), Some(to)) = (port(0), port(2)) {
                let local = SocketAddr::new(info.source, from);
                if let Some(number) = self.udp.iter().position(|udp| udp.is_for(local)) {
                    self.turn_to(Way::Udp(number), pool);
                    let payload = packet.bytes().get(info.upper.offset + HEADER_LEN..info.total_len);
                    if let Some(udp) = self.udp.get_mut(number) {
                        let peer = SocketAddr::new(info.destination, to);
                        udp.send(info.source, peer, payload.unwrap_or_default());
                    }
                    return pool.recycle(packet);
                }
            }
        }
        let v4 = info.is_v4();
        self.turn_to(if v4 { Way::V4 } else { Way::V6 }, pool);
        match if v4 { &mut self.v4 } else { &mut self.v6 } {
            Some(sender) => sender.send(info.destination, packet, pool),
            None => pool.recycle(packet),
        }
    }

    fn turn_to(&mut self, way: Way, pool: &mut PacketPool) {
        if self.way != way {
            self.flush(pool);
            self.way = way;
        }
    }

    /// Sends what still waits to leave together with others.
    pub(crate) fn flush(&mut self, pool: &mut PacketPool) {
        match self.way {
            Way::Udp(number) => self.udp.get_mut(number).into_iter().for_each(Udp::flush),
            Way::V4 => self.v4.iter_mut().for_each(|sender| sender.flush(pool)),
            Way::V6 => self.v6.iter_mut().for_each(|sender| sender.flush(pool)),
        }
    }
}
