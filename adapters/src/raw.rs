//! Raw sockets: ESP and AH (protocols 50 and 51) as they arrive, and whole IP datagrams on their way out.
//!
//! Datagrams leave with the header the core gave them, since AH covers it. The kernel fragments nothing that brings its own
//! header, so that is done here. What arrives was reassembled by the kernel. IPv4 sockets bring the header along; IPv6
//! sockets bring the payload, and what of the header their options tell: extension headers in front of AH are lost, so AH
//! with such headers does not verify.
//!
//! A system call carries many datagrams (`sendmmsg`, and `recvmmsg` for IPv4), from and into the buffers of packets.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd as _, RawFd};

use ipsec_core::Packet;
use ipsec_core::fragment::fragment;
use ipsec_core::ip::NewHeader;
use ipsec_core::packet::PacketPool;
use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn6, SockaddrStorage, recvmmsg, recvmsg, sendmmsg,
    setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};

use crate::mark::Mark;

/// Protocol number of sockets that only send, each datagram with its own header (IPPROTO_RAW).
const HEADER_INCLUDED: i32 = 255;
/// What the kernel may keep for us while we are busy, in octets.
const KERNEL_BUFFER: usize = 4 << 20;
/// Datagrams of one system call.
const BATCH: usize = 64;
/// The longest datagram there is, in octets.
const LONGEST: usize = 65_535;

/// A socket on which ESP or AH of one address family arrives.
pub struct RawReceiver {
    socket: Socket,
    protocol: u8,
    v4: bool,
    /// Length of a packet that arrives unfragmented, in octets.
    link_mtu: usize,
    /// Buffers to be read into.
    slots: Vec<Packet>,
    /// What of a datagram does not fit its slot: it was reassembled. Memory that is never written costs nothing.
    overflow: Vec<u8>,
    headers: MultiHeaders<()>,
    control: Vec<u8>,
}

impl std::fmt::Debug for RawReceiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawReceiver")
            .field("protocol", &self.protocol)
            .field("v4", &self.v4)
            .finish_non_exhaustive()
    }
}

impl RawReceiver {
    /// Opens the socket for this protocol number. Datagrams up to `link_mtu` octets are read without another copy.
    ///
    /// # Errors
    /// Without CAP_NET_RAW.
    pub fn open(v4: bool, protocol: u8, link_mtu: u16) -> io::Result<RawReceiver> {
        let domain = if v4 { Domain::IPV4 } else { Domain::IPV6 };
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(i32::from(protocol))))?;
        if !v4 {
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
            socket.set_recv_hoplimit_v6(true)?;
            socket.set_recv_tclass_v6(true)?;
        }
        let _ = socket.set_recv_buffer_size(KERNEL_BUFFER);
        socket.set_nonblocking(true)?;
        Ok(RawReceiver {
            socket,
            protocol,
            v4,
            link_mtu: link_mtu.into(),
            slots: Vec::new(),
            overflow: vec![0; if v4 { BATCH } else { 1 } * LONGEST],
            headers: MultiHeaders::preallocate(BATCH, None),
            control: nix::cmsg_space!(nix::libc::in6_pktinfo, i32, i32),
        })
    }

    /// Reads a batch, and calls `each` for every datagram. `false` when there was nothing to read.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn receive(&mut self, pool: &mut PacketPool, mut each: impl FnMut(Packet)) -> io::Result<bool> {
        let batch = if self.v4 { BATCH } else { 1 };
        while self.slots.len() < batch {
            self.slots.push(pool.lend(0, self.link_mtu));
        }
        let read = if self.v4 { self.receive_v4(pool, &mut each) } else { self.receive_v6(pool, &mut each) };
        match read {
            Ok(()) => Ok(true),
            Err(Errno::EAGAIN) => Ok(false),
            Err(Errno::EINTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn receive_v4(&mut self, pool: &mut PacketPool, each: &mut impl FnMut(Packet)) -> nix::Result<()> {
        let RawReceiver { socket, slots, overflow, headers, link_mtu, .. } = self;
        let mut lens = [0; BATCH];
        let count = {
            let mut rooms = slots.iter_mut().zip(overflow.chunks_exact_mut(LONGEST));
            let mut buffers: [[IoSliceMut<'_>; 2]; BATCH] = std::array::from_fn(|_| {
                let (slot, over) =
                    rooms.next().map_or((&mut [][..], &mut [][..]), |(s, o)| (s.bytes_mut(), o));
                [IoSliceMut::new(slot), IoSliceMut::new(over)]
            });
            let fd = socket.as_raw_fd();
            let read = recvmmsg(fd, headers, &mut buffers, MsgFlags::MSG_DONTWAIT, None)?;
            lens.iter_mut().zip(read).map(|(len, message)| *len = message.bytes).count()
        };
        for ((slot, len), over) in slots.iter_mut().zip(lens).zip(overflow.chunks_exact(LONGEST)).take(count)
        {
            let packet = std::mem::replace(slot, pool.lend(0, *link_mtu));
            each(whole(packet, len, over));
        }
        Ok(())
    }

    fn receive_v6(&mut self, pool: &mut PacketPool, each: &mut impl FnMut(Packet)) -> nix::Result<()> {
        let Some(slot) = self.slots.first_mut() else { return Ok(()) };
        let mut buffers = [IoSliceMut::new(slot.bytes_mut()), IoSliceMut::new(&mut self.overflow)];
        let fd = self.socket.as_raw_fd();
        let message = recvmsg::<SockaddrIn6>(fd, &mut buffers, Some(&mut self.control), MsgFlags::empty())?;
        let (len, source) = (message.bytes, message.address.map(|a| a.ip()));
        let mut header = NewHeader {
            source: IpAddr::V6(source.unwrap_or(Ipv6Addr::UNSPECIFIED)),
            destination: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            protocol: self.protocol,
            traffic_class: 0,
            ttl: 64,
            dont_fragment: false,
            ident: 0,
        };
        for item in message.cmsgs()? {
            match item {
                ControlMessageOwned::Ipv6PacketInfo(info) => {
                    header.destination = Ipv6Addr::from(info.ipi6_addr.s6_addr).into();
                }
                ControlMessageOwned::Ipv6HopLimit(limit) => header.ttl = limit as u8,
                ControlMessageOwned::Ipv6TClass(class) => header.traffic_class = class as u8,
                _ => {}
            }
        }
        let packet = std::mem::replace(slot, pool.lend(0, self.link_mtu));
        let mut packet = whole(packet, len, &self.overflow);
        packet.push_front(header.len());
        if header.write(packet.bytes_mut()) {
            each(packet);
        }
        Ok(())
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// A datagram of `len` octets whose beginning was read into `packet`, and the rest into `over`.
fn whole(mut packet: Packet, len: usize, over: &[u8]) -> Packet {
    let rest = len.saturating_sub(packet.len());
    packet.truncate(len);
    if let Some(rest) = over.get(..rest).filter(|rest| !rest.is_empty()) {
        packet.push_back(rest.len()).copy_from_slice(rest);
    }
    packet
}

/// A socket through which whole IP datagrams of one family leave.
pub struct RawSender {
    socket: Socket,
    link_mtu: u16,
    idents: u32,
    /// What leaves with the next system call, and where to.
    queue: Vec<Packet>,
    to: Vec<Option<SockaddrStorage>>,
    headers: MultiHeaders<SockaddrStorage>,
}

impl std::fmt::Debug for RawSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawSender")
            .field("socket", &self.socket)
            .field("link_mtu", &self.link_mtu)
            .finish_non_exhaustive()
    }
}

impl RawSender {
    /// Opens the socket. Larger datagrams than `link_mtu` octets leave in fragments.
    ///
    /// # Errors
    /// Without CAP_NET_RAW, or without CAP_NET_ADMIN for the mark.
    pub fn open(v4: bool, mark: Option<Mark>, link_mtu: u16) -> io::Result<RawSender> {
        let domain = if v4 { Domain::IPV4 } else { Domain::IPV6 };
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(HEADER_INCLUDED)))?;
        if let Some(mark) = mark {
            mark.put_on(&socket)?;
        }
        let _ = socket.set_send_buffer_size(KERNEL_BUFFER);
        socket.set_nonblocking(true)?;
        let headers = MultiHeaders::preallocate(BATCH, None);
        Ok(RawSender { socket, link_mtu, idents: 0, queue: Vec::new(), to: Vec::new(), headers })
    }

    /// Takes an IP datagram to `destination`, in fragments if need be; it leaves with [`flush`](RawSender::flush) at the
    /// latest. One that is too large and must not be cut is lost.
    pub fn send(&mut self, destination: IpAddr, packet: Packet, pool: &mut PacketPool) {
        if packet.len() <= usize::from(self.link_mtu) {
            return self.enqueue(destination, packet, pool);
        }
        self.idents = self.idents.wrapping_add(1);
        match fragment(packet, self.link_mtu, self.idents) {
            Ok(fragments) => fragments.into_iter().for_each(|part| self.enqueue(destination, part, pool)),
            Err(error) => tracing::debug!(?error, peer = %destination, "a datagram was not sent"),
        }
    }

    fn enqueue(&mut self, destination: IpAddr, packet: Packet, pool: &mut PacketPool) {
        if self.queue.len() >= BATCH {
            self.flush(pool);
        }
        self.queue.push(packet);
        self.to.push(Some(SocketAddr::new(destination, 0).into()));
    }

    /// Sends what was taken, and gives the buffers back. When the kernel's buffer is full this waits a little: pressure goes
    /// back to whoever wants to send.
    pub fn flush(&mut self, pool: &mut PacketPool) {
        let mut sent = 0;
        while sent < self.queue.len() {
            let result = match self.send_from(sent) {
                Err(Errno::EAGAIN) => match crate::wait::writable(&self.socket) {
                    Ok(()) => continue,
                    Err(error) => Err(error),
                },
                Err(Errno::EINTR) => continue,
                result => result.map_err(io::Error::from),
            };
            match result {
                Ok(count) => sent += count.max(1),
                // The first of them is what the kernel does not take; the others may do better.
                Err(error) => {
                    tracing::debug!(%error, peer = ?self.to.get(sent), "a datagram was not sent");
                    sent += 1;
                }
            }
        }
        self.to.clear();
        self.queue.drain(..).for_each(|packet| pool.recycle(packet));
    }

    /// One system call, from this place of the queue on: how many it took.
    fn send_from(&mut self, first: usize) -> nix::Result<usize> {
        let RawSender { socket, queue, to, headers, .. } = self;
        let mut packets = queue.iter().skip(first);
        let slices: [[IoSlice<'_>; 1]; BATCH] =
            std::array::from_fn(|_| [IoSlice::new(packets.next().map_or(&[][..], Packet::bytes))]);
        let to = to.get(first..).unwrap_or_default();
        let sent = sendmmsg(socket.as_raw_fd(), headers, &slices, to, [], MsgFlags::MSG_DONTWAIT)?;
        Ok(sent.count())
    }
}
