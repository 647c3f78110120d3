//! UDP sockets for IKE and for ESP in UDP: ports 500 and 4500.
//!
//! A socket is bound to its port on all addresses. Which of ours a datagram was sent to comes with it (IP_PKTINFO), and
//! which of ours it is to leave from goes with it, so that multi-homed nodes answer from the right address. Datagrams
//! arrive and leave in batches, and runs of equal length as one large one (GRO, GSO).
//!
//! The core speaks in IP datagrams, so each payload gets the headers it had on the wire, as far as a socket tells.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd as _, RawFd};

use ipsec_core::Packet;
use ipsec_core::ip::{self, NewHeader, protocol};
use ipsec_core::packet::PacketPool;
use ipsec_core::wire::udp::{HEADER_LEN, fill_checksum, header};
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};
use socket2::{Domain, Protocol, Socket, Type};

use crate::mark::Mark;

/// Reads of one system call; each may bring many datagrams of equal length.
const READS: usize = 8;
/// Octets of one read.
const READ_LEN: usize = 65_536;
/// Octets that leave as one: the largest UDP payload there is.
const RUN_LEN: usize = 65_000;
/// What the kernel may keep for us while we are busy, in octets.
const KERNEL_BUFFER: usize = 4 << 20;

/// A port as the protocol knows it, and the one it is bound to on this computer. The two differ only in tests without
/// privileges, where both ends use the same other port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// 500 or 4500.
    pub known: u16,
    /// The port of the socket.
    pub bound: u16,
}

impl Port {
    /// What the core calls this port of a socket.
    fn known(self, port: u16) -> u16 {
        if port == self.bound { self.known } else { port }
    }

    fn bound(self, port: u16) -> u16 {
        if port == self.known { self.bound } else { port }
    }
}

/// One UDP socket: one port, one address family.
#[derive(Debug)]
pub struct Udp {
    socket: Socket,
    state: UdpSocketState,
    /// Where it is bound.
    address: IpAddr,
    port: Port,
    reads: Vec<u8>,
    meta: [RecvMeta; READS],
    run: Run,
    /// Datagrams that go out as part of a run fit the link: the kernel does not cut the parts of a run.
    link_mtu: usize,
}

/// Datagrams of equal length to one peer that leave together; the last may be shorter.
#[derive(Debug)]
struct Run {
    octets: Vec<u8>,
    segment: usize,
    count: usize,
    ends: (IpAddr, SocketAddr),
    closed: bool,
}

impl Udp {
    /// Binds the socket to an address of ours, or to all of its family (0.0.0.0, ::).
    ///
    /// # Errors
    /// When the port is in use, or without the right to mark packets (CAP_NET_ADMIN) or to bind low ports
    /// (CAP_NET_BIND_SERVICE).
    pub fn bind(address: IpAddr, port: Port, mark: Option<Mark>, link_mtu: u16) -> io::Result<Udp> {
        let v4 = address.is_ipv4();
        let domain = if v4 { Domain::IPV4 } else { Domain::IPV6 };
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        if !v4 {
            socket.set_only_v6(true)?;
        }
        if let Some(mark) = mark {
            mark.put_on(&socket)?;
        }
        // Best effort: the kernel caps it at net.core.rmem_max.
        let _ = socket.set_recv_buffer_size(KERNEL_BUFFER);
        let _ = socket.set_send_buffer_size(KERNEL_BUFFER);
        socket.bind(&SocketAddr::new(address, port.bound).into())?;
        let state = UdpSocketState::new((&socket).into())?;
        // Made for QUIC, that forbids fragments. IKE's certificates, and ESP of large packets, need them.
        if v4 {
            sockopt::set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::DONT)?;
        } else {
            sockopt::set_ipv6_mtu_discover(&socket, Ipv6PathMtuDiscovery::DONT)?;
        }
        let unset = SocketAddr::new(address, 0);
        let run = Run {
            octets: Vec::with_capacity(RUN_LEN),
            segment: 0,
            count: 0,
            ends: (address, unset),
            closed: false,
        };
        Ok(Udp {
            socket,
            state,
            address,
            port,
            reads: vec![0; READS * READ_LEN],
            meta: [RecvMeta::default(); READS],
            run,
            link_mtu: link_mtu.into(),
        })
    }

    /// Reads once, and calls `each` for every datagram, with its IP and UDP headers in front. `false` when there was nothing
    /// to read.
    ///
    /// # Errors
    /// When the socket fails. Errors that peers cause are not among them.
    pub fn receive(&mut self, pool: &mut PacketPool, mut each: impl FnMut(Packet)) -> io::Result<bool> {
        let mut chunks = self.reads.chunks_exact_mut(READ_LEN);
        let mut buffers: [IoSliceMut<'_>; READS] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let count = match self.state.recv((&self.socket).into(), &mut buffers, &mut self.meta) {
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            // An ICMP error about something we sent.
            Err(e)
                if matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset) =>
            {
                return Ok(true);
            }
            Err(e) => return Err(e),
        };
        for (meta, read) in self.meta.iter().zip(&buffers).take(count) {
            let Some(local) = meta.dst_ip else { continue };
            let octets = read.get(..meta.len).unwrap_or_default();
            for payload in octets.chunks(meta.stride.max(1)) {
                let peer = SocketAddr::new(meta.addr.ip(), self.port.known(meta.addr.port()));
                if let Some(packet) = datagram(pool, peer, SocketAddr::new(local, self.port.known), payload) {
                    each(packet);
                }
            }
        }
        Ok(true)
    }

    /// Takes an IP datagram of the core that this socket is for; it leaves with [`flush`](Udp::flush) at the latest.
    pub fn send(&mut self, local: IpAddr, peer: SocketAddr, payload: &[u8]) {
        let (overhead, fits) = (if peer.is_ipv4() { 28 } else { 48 }, |len| len <= self.link_mtu);
        let (run, len) = (&self.run, payload.len());
        let peer = SocketAddr::new(peer.ip(), self.port.bound(peer.port()));
        let joins = run.count > 0
            && !run.closed
            && run.ends == (local, peer)
            && len <= run.segment
            && fits(run.segment + overhead)
            && run.count < self.state.max_gso_segments()
            && run.octets.len() + len <= RUN_LEN;
        if !joins {
            self.flush();
            (self.run.segment, self.run.ends, self.run.closed) = (len, (local, peer), false);
        }
        self.run.octets.extend_from_slice(payload);
        self.run.count += 1;
        self.run.closed = len < self.run.segment;
    }

    /// Sends what was taken.
    pub fn flush(&mut self) {
        if self.run.count == 0 {
            return;
        }
        let segments = (self.run.count > 1).then_some(self.run.segment);
        let (local, destination) = self.run.ends;
        let transmit = |contents, segment_size| Transmit {
            destination,
            ecn: None,
            contents,
            segment_size,
            src_ip: Some(local),
        };
        if let Err(error) = self.send_now(&transmit(&self.run.octets, segments)) {
            match segments {
                // The way out knows nothing of runs: one by one, and the state remembers.
                Some(segment) => {
                    for payload in self.run.octets.chunks(segment) {
                        let _ = self.send_now(&transmit(payload, None));
                    }
                }
                None => tracing::debug!(%error, peer = %destination, "a datagram was not sent"),
            }
        }
        self.run.octets.clear();
        self.run.count = 0;
    }

    /// Sends, and waits a little when the kernel's buffer is full: pressure goes back to whoever wants to send.
    fn send_now(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        match self.state.try_send((&self.socket).into(), transmit) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                crate::wait::writable(&self.socket)?;
                self.state.try_send((&self.socket).into(), transmit)
            }
            result => result,
        }
    }

    /// Whether what the core sends from here leaves through this socket.
    pub fn is_for(&self, local: SocketAddr) -> bool {
        let here = self.address == local.ip()
            || self.address.is_unspecified() && self.address.is_ipv4() == local.is_ipv4();
        here && self.port.known == local.port()
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// The IP datagram that a socket took apart.
fn datagram(pool: &mut PacketPool, peer: SocketAddr, local: SocketAddr, payload: &[u8]) -> Option<Packet> {
    let (source, destination) = (peer.ip().to_canonical(), local.ip().to_canonical());
    let mut packet = pool.take(0, payload);
    ip::write(packet.push_front(HEADER_LEN), 0, &header(peer.port(), local.port(), payload.len()));
    // The kernel has checked it. IPv4 knows "no checksum" (RFC 768), IPv6 does not.
    if source.is_ipv6() {
        fill_checksum(source, destination, packet.bytes_mut());
    }
    let header = NewHeader {
        source,
        destination,
        protocol: protocol::UDP,
        traffic_class: 0,
        ttl: 64,
        dont_fragment: false,
        ident: 0,
    };
    packet.push_front(header.len());
    header.write(packet.bytes_mut()).then_some(packet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipsec_core::wire::udp::Udp as Decoded;

    #[test]
    fn what_a_socket_took_apart_is_whole_again() {
        let mut pool = PacketPool::default();
        for (peer, local) in [
            ("192.0.2.1:4500", "192.0.2.2:4500"),
            ("[2001:db8::1]:500", "[2001:db8::2]:500"),
            ("192.0.2.1:77", "192.0.2.2:500"),
        ] {
            let (peer, local): (SocketAddr, SocketAddr) = (peer.parse().unwrap(), local.parse().unwrap());
            let packet = datagram(&mut pool, peer, local, b"ISAKMP").unwrap();
            let info = ip::IpInfo::parse(packet.bytes()).unwrap();
            assert!(ip::header_intact(packet.bytes()));
            assert_eq!((info.source, info.destination, info.upper.protocol), (peer.ip(), local.ip(), 17));
            let udp = Decoded::decode(&packet.bytes()[info.upper.offset..]).unwrap();
            assert!(udp.checksum_ok(info.source, info.destination));
            assert_eq!(
                (udp.src_port, udp.dst_port, udp.payload),
                (peer.port(), local.port(), &b"ISAKMP"[..])
            );
        }
    }
}
