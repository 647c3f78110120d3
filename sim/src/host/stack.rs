//! TCP of a host: one smoltcp interface, whatever number of links the host is attached to.
//!
//! smoltcp emits every packet with DF set and identification 0 and ignores "fragmentation needed"; so routing, source
//! addresses, identification, DF, fragmentation, reassembly and path MTUs are the host's, and a lower path MTU means a new
//! smoltcp interface under the same sockets.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use ipsec_core::{Duration, Instant};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::Socket;
use smoltcp::time::Instant as Micros;
use smoltcp::wire::{HardwareAddress, IpCidr, IpEndpoint};

/// Octets of send and receive buffer of a connection.
const BUFFER: usize = 65_535;
/// After this much unanswered silence a connection is given up.
const PATIENCE: smoltcp::time::Duration = smoltcp::time::Duration::from_secs(90);
/// Hosts must take datagrams of this size, and no path MTU is believed to be smaller (RFC 1191 section 3).
const LEAST_MTU: usize = 68;

/// The transport layer of one host; made when something first needs it.
#[derive(Default)]
pub(crate) struct Stack {
    addresses: Vec<IpAddr>,
    mtu: usize,
    seed: u64,
    ports: u16,
    /// Something changed: sockets want to be looked at.
    dirty: bool,
    running: Option<Box<Running>>,
}

struct Running {
    interface: Interface,
    sockets: SocketSet<'static>,
    device: Wires,
}

#[derive(Default)]
struct Wires {
    mtu: usize,
    received: VecDeque<Vec<u8>>,
    to_send: VecDeque<Vec<u8>>,
}

impl std::fmt::Debug for Stack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stack").field("mtu", &self.mtu).finish_non_exhaustive()
    }
}

impl Stack {
    pub(crate) fn new(addresses: Vec<IpAddr>, mtu: u16, seed: u64) -> Self {
        let ports = (seed % 16_384) as u16;
        Stack { addresses, mtu: usize::from(mtu), seed, ports, dirty: false, running: None }
    }

    fn running(&mut self) -> &mut Running {
        self.running.get_or_insert_with(|| {
            let mut device = Wires { mtu: self.mtu, ..Wires::default() };
            let interface = make_interface(&mut device, &self.addresses, self.seed, Micros::ZERO);
            Box::new(Running { interface, sockets: SocketSet::new(Vec::new()), device })
        })
    }

    /// The host has these addresses from now on. Connections from another one hear nothing any more.
    pub(crate) fn set_addresses(&mut self, addresses: Vec<IpAddr>, now: Instant) {
        self.addresses = addresses;
        if let Some(running) = &mut self.running {
            running.interface = make_interface(&mut running.device, &self.addresses, self.seed, micros(now));
        }
    }

    /// A socket's state was changed by its owner.
    pub(crate) fn touch(&mut self) {
        self.dirty = true;
    }

    /// The socket of this handle.
    ///
    /// # Panics
    /// When it was removed: only the application that owns a handle uses it.
    pub(crate) fn socket(&mut self, handle: SocketHandle) -> &mut Socket<'static> {
        self.running().sockets.get_mut(handle)
    }

    pub(crate) fn remove(&mut self, handle: SocketHandle) {
        self.running().sockets.remove(handle);
    }

    fn new_socket() -> Socket<'static> {
        let buffer = || smoltcp::storage::RingBuffer::new(vec![0; BUFFER]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_timeout(Some(PATIENCE));
        socket
    }

    pub(crate) fn listen(&mut self, port: u16) -> Option<SocketHandle> {
        let mut socket = Self::new_socket();
        socket.listen(port).ok()?;
        self.dirty = true;
        Some(self.running().sockets.add(socket))
    }

    pub(crate) fn connect(
        &mut self,
        local: IpAddr,
        port: Option<u16>,
        remote: SocketAddr,
    ) -> Option<SocketHandle> {
        let port = port.unwrap_or_else(|| {
            self.ports = (self.ports + 1) % 16_384;
            49_152 + self.ports
        });
        let mut socket = Self::new_socket();
        self.dirty = true;
        let running = self.running();
        let local = IpEndpoint::new(local.into(), port);
        socket.connect(running.interface.context(), IpEndpoint::from(remote), local).ok()?;
        Some(running.sockets.add(socket))
    }

    /// A TCP segment in its IP packet arrived.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.dirty = true;
        self.running().device.received.push_back(bytes.to_vec());
    }

    /// Lets sockets work, if one was touched, or if `by_timer` and one is due. Returns whether they did, so that their
    /// owners look at them.
    pub(crate) fn poll(&mut self, now: Instant, by_timer: bool) -> bool {
        let due = by_timer && self.poll_at(now).is_some_and(|t| t <= now);
        if !self.dirty && !due {
            return false;
        }
        self.dirty = false;
        let Some(running) = &mut self.running else { return false };
        running.interface.poll(micros(now), &mut running.device, &mut running.sockets);
        true
    }

    /// When sockets want to work next.
    fn poll_at(&mut self, now: Instant) -> Option<Instant> {
        let running = self.running.as_mut()?;
        let at = running.interface.poll_at(micros(now), &running.sockets)?;
        Some(Instant::from_nanos(u64::try_from(at.total_micros()).unwrap_or(0).saturating_mul(1_000)))
    }

    /// When [`Stack::poll`] must be called again; later than `now`.
    pub(crate) fn deadline(&mut self, now: Instant) -> Option<Instant> {
        self.poll_at(now).map(|t| t.max(now + Duration::from_micros(1)))
    }

    /// The next packet to send.
    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        self.running.as_mut()?.device.to_send.pop_front()
    }

    /// No packet larger than this reaches its destination.
    pub(crate) fn limit_mtu(&mut self, mtu: u16, now: Instant) {
        let mtu = usize::from(mtu).max(LEAST_MTU);
        if mtu >= self.mtu {
            return;
        }
        self.mtu = mtu;
        self.dirty = true;
        if let Some(running) = &mut self.running {
            running.device.mtu = mtu;
            running.interface = make_interface(&mut running.device, &self.addresses, self.seed, micros(now));
        }
    }
}

fn micros(now: Instant) -> Micros {
    Micros::from_micros(i64::try_from(now.as_nanos() / 1_000).unwrap_or(i64::MAX))
}

fn make_interface(device: &mut Wires, addresses: &[IpAddr], seed: u64, now: Micros) -> Interface {
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = seed;
    let mut interface = Interface::new(config, device, now);
    interface.update_ip_addrs(|list| {
        for address in addresses {
            // At most eight fit; a ninth address has no TCP.
            let _ = list.push(IpCidr::new((*address).into(), if address.is_ipv4() { 32 } else { 128 }));
        }
    });
    // Routing is the host's: any gateway will do.
    for address in addresses {
        let _ = match *address {
            IpAddr::V4(a) => interface.routes_mut().add_default_ipv4_route(a),
            IpAddr::V6(a) => interface.routes_mut().add_default_ipv6_route(a),
        };
    }
    interface
}

struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct ToSend<'a>(&'a mut VecDeque<Vec<u8>>);

impl TxToken for ToSend<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut buffer = vec![0; len];
        let result = f(&mut buffer);
        self.0.push_back(buffer);
        result
    }
}

impl Device for Wires {
    type RxToken<'a> = Received;
    type TxToken<'a> = ToSend<'a>;

    fn receive(&mut self, _: Micros) -> Option<(Received, ToSend<'_>)> {
        self.received.pop_front().map(|bytes| (Received(bytes), ToSend(&mut self.to_send)))
    }

    fn transmit(&mut self, _: Micros) -> Option<ToSend<'_>> {
        Some(ToSend(&mut self.to_send))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        capabilities
    }
}
