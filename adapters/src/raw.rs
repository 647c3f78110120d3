//! Raw sockets: ESP and AH (protocols 50 and 51) as they arrive, and whole IP datagrams on their way out.
//!
//! Datagrams leave with the header the core gave them, since AH covers it. The kernel fragments nothing that brings its own
//! header, so that is done here. What arrives was reassembled by the kernel. IPv4 sockets bring the header along; IPv6
//! sockets bring the payload, and what of the header their options tell: extension headers in front of AH are lost, so AH
//! with such headers does not verify.

use std::io::{self, IoSliceMut, Read as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd as _, RawFd};

use ipsec_core::Packet;
use ipsec_core::fragment::fragment;
use ipsec_core::ip::NewHeader;
use ipsec_core::packet::PacketPool;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use crate::mark::Mark;

/// Protocol number of sockets that only send, each datagram with its own header (IPPROTO_RAW).
const HEADER_INCLUDED: i32 = 255;
/// What the kernel may keep for us while we are busy, in octets.
const KERNEL_BUFFER: usize = 4 << 20;

/// A socket on which ESP or AH of one address family arrives.
#[derive(Debug)]
pub struct RawReceiver {
    socket: Socket,
    protocol: u8,
    v4: bool,
    read: Vec<u8>,
    control: Vec<u8>,
}

impl RawReceiver {
    /// Opens the socket for this protocol number.
    ///
    /// # Errors
    /// Without CAP_NET_RAW.
    pub fn open(v4: bool, protocol: u8) -> io::Result<RawReceiver> {
        let domain = if v4 { Domain::IPV4 } else { Domain::IPV6 };
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(i32::from(protocol))))?;
        if !v4 {
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
            socket.set_recv_hoplimit_v6(true)?;
            socket.set_recv_tclass_v6(true)?;
        }
        let _ = socket.set_recv_buffer_size(KERNEL_BUFFER);
        socket.set_nonblocking(true)?;
        let control = nix::cmsg_space!(nix::libc::in6_pktinfo, i32, i32);
        Ok(RawReceiver { socket, protocol, v4, read: vec![0; 65_536], control })
    }

    /// Reads one datagram. `None` when there was nothing to read, or nothing that can be used.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing to read; others when the socket fails.
    pub fn receive(&mut self, pool: &mut PacketPool) -> io::Result<Option<Packet>> {
        if self.v4 {
            let len = self.socket.read(&mut self.read)?;
            return Ok(self.read.get(..len).map(|bytes| pool.take(0, bytes)));
        }
        let mut buffers = [IoSliceMut::new(&mut self.read)];
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
        let mut packet = pool.take(0, self.read.get(..len).unwrap_or_default());
        packet.push_front(header.len());
        Ok(header.write(packet.bytes_mut()).then_some(packet))
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// A socket through which whole IP datagrams of one family leave.
#[derive(Debug)]
pub struct RawSender {
    socket: Socket,
    link_mtu: u16,
    idents: u32,
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
        Ok(RawSender { socket, link_mtu, idents: 0 })
    }

    /// Sends an IP datagram to `destination`, in fragments if need be. Gives the buffer back.
    ///
    /// # Errors
    /// When the kernel refuses it, or it is too large and must not be cut.
    pub fn send(&mut self, destination: IpAddr, packet: Packet) -> io::Result<Option<Packet>> {
        if packet.len() <= usize::from(self.link_mtu) {
            self.send_now(destination, packet.bytes())?;
            return Ok(Some(packet));
        }
        self.idents = self.idents.wrapping_add(1);
        let fragments =
            fragment(packet, self.link_mtu, self.idents).map_err(|e| io::Error::other(format!("{e:?}")))?;
        for part in fragments {
            self.send_now(destination, part.bytes())?;
        }
        Ok(None)
    }

    fn send_now(&self, destination: IpAddr, bytes: &[u8]) -> io::Result<()> {
        let to = SocketAddr::new(destination, 0).into();
        match self.socket.send_to(bytes, &to) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                crate::wait::writable(&self.socket)?;
                self.socket.send_to(bytes, &to)?;
                Ok(())
            }
            result => result.map(|_| ()),
        }
    }
}
