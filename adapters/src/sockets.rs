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
                    let opened = RawReceiver::open(is_v4, number);
                    raw.push(opened.map_err(|e| OpenError::io(what(), &e, "CAP_NET_RAW"))?);
                }
                let opened = RawSender::open(is_v4, settings.mark, link_mtu);
                let what = || format!("raw {family} socket to send through");
                let sender =
                    opened.map_err(|e| OpenError::io(what(), &e, "CAP_NET_RAW and CAP_NET_ADMIN"))?;
                if is_v4 { v4 = Some(sender) } else { v6 = Some(sender) }
            }
        }
        Ok(Sockets { udp, raw, v4, v6 })
    }

    /// Descriptors to wait for, in the order of [`receive`](Sockets::receive)'s numbers.
    pub(crate) fn descriptors(&self) -> Vec<RawFd> {
        self.udp.iter().map(Udp::fd).chain(self.raw.iter().map(RawReceiver::fd)).collect()
    }

    /// Reads a batch from the socket with this number. `false` when it had nothing more.
    pub(crate) fn receive(
        &mut self,
        number: usize,
        pool: &mut PacketPool,
        mut each: impl FnMut(Packet),
    ) -> bool {
        /// Raw sockets are read one by one; so many make a batch.
        const BATCH: usize = 64;
        if let Some(udp) = self.udp.get_mut(number) {
            return udp.receive(pool, each).unwrap_or_else(|error| {
                tracing::warn!(%error, "a UDP socket failed");
                false
            });
        }
        let Some(raw) = number.checked_sub(self.udp.len()).and_then(|n| self.raw.get_mut(n)) else {
            return false;
        };
        for _ in 0..BATCH {
            match raw.receive(pool) {
                Ok(Some(packet)) => each(packet),
                Ok(None) => {}
                Err(error) => {
                    if error.kind() != std::io::ErrorKind::WouldBlock {
                        tracing::warn!(%error, "a raw socket failed");
                    }
                    return false;
                }
            }
        }
        true
    }

    /// Sends a datagram of the core, and gives its buffer back when it can.
    pub(crate) fn send(&mut self, packet: Packet) -> Option<Packet> {
        let Some(info) = IpInfo::parse(packet.bytes()) else { return Some(packet) };
        if info.upper.protocol == protocol::UDP && info.fragment.is_none() {
            let port = |at: usize| read_u16(packet.bytes(), info.upper.offset + at);
            if let (Some(from), Some(to)) = (port(0), port(2)) {
                let local = SocketAddr::new(info.source, from);
                if let Some(udp) = self.udp.iter_mut().find(|udp| udp.is_for(local)) {
                    let payload = packet.bytes().get(info.upper.offset + HEADER_LEN..info.total_len);
                    udp.send(info.source, SocketAddr::new(info.destination, to), payload.unwrap_or_default());
                    return Some(packet);
                }
            }
        }
        let sender = if info.is_v4() { self.v4.as_mut() } else { self.v6.as_mut() };
        let Some(sender) = sender else { return Some(packet) };
        sender.send(info.destination, packet).unwrap_or_else(|error| {
            tracing::debug!(%error, peer = %info.destination, "a datagram was not sent");
            None
        })
    }

    /// Sends what still waits to leave together with others.
    pub(crate) fn flush(&mut self) {
        self.udp.iter_mut().for_each(Udp::flush);
    }
}
