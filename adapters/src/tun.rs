//! The TUN device: the kernel's side of it is the protected side of the boundary.
//!
//! With vnet headers the kernel hands over TCP segments of up to 64 kB and takes such ones back; here they are cut and
//! joined, so that a system call carries dozens of packets. On the way in a packet is copied out of the kernel's
//! large segment into its [`Packet`]; on the way out the kernel gathers the large segment from the packets.

mod join;

use std::io;
use std::os::fd::{AsRawFd as _, RawFd};

use ipsec_core::Packet;
use ipsec_core::packet::PacketPool;
use join::Joiner;
use rustix::io::writev;
use tun_rs::{DeviceBuilder, IDEAL_BATCH_SIZE, SyncDevice, VIRTIO_NET_HDR_LEN};

/// The largest thing a TUN device with offloading hands over: an IP datagram behind its vnet header.
const LARGEST: usize = VIRTIO_NET_HDR_LEN + 65_535;

/// A TUN device.
pub struct Tun {
    device: SyncDevice,
    offload: bool,
    /// What one read brings, before it is cut.
    whole: Vec<u8>,
    slots: Vec<Slot>,
    sizes: Vec<usize>,
    joiner: Joiner,
    mtu: u16,
}

impl std::fmt::Debug for Tun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tun").field("offload", &self.offload).field("mtu", &self.mtu).finish_non_exhaustive()
    }
}

/// A packet buffer as the device wants to see it.
#[derive(Debug)]
struct Slot(Packet);

impl AsRef<[u8]> for Slot {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

impl AsMut<[u8]> for Slot {
    fn as_mut(&mut self) -> &mut [u8] {
        self.0.bytes_mut()
    }
}

impl Tun {
    /// Makes the device and brings it up. It is gone when this value is dropped.
    ///
    /// # Errors
    /// Without `/dev/net/tun`, without CAP_NET_ADMIN, or when the name is taken.
    pub fn open(name: &str, mtu: u16) -> io::Result<Tun> {
        let build = |offload| {
            DeviceBuilder::new().name(name).mtu(mtu).with(|device| {
                device.offload(offload);
            })
        };
        // A kernel without offloads for TUN is slower, not wrong.
        let (device, offload) = match build(true).build_sync() {
            Ok(device) => (device, true),
            Err(_) => (build(false).build_sync()?, false),
        };
        device.set_nonblocking(true)?;
        let udp = offload && device.udp_gso();
        Ok(Tun {
            device,
            offload,
            whole: vec![0; LARGEST],
            slots: Vec::new(),
            sizes: vec![0; IDEAL_BATCH_SIZE],
            joiner: Joiner::new(udp),
            mtu,
        })
    }

    /// Whether the kernel hands over segments larger than the MTU.
    pub fn offloads(&self) -> bool {
        self.offload
    }

    /// Reads once, and calls `each` for every packet that came. `false` when there was nothing to read.
    ///
    /// # Errors
    /// When the device is gone, or handed over what cannot be cut.
    pub fn receive(&mut self, pool: &mut PacketPool, mut each: impl FnMut(Packet)) -> io::Result<bool> {
        let room = usize::from(self.mtu).max(1_500);
        while self.slots.len() < IDEAL_BATCH_SIZE {
            self.slots.push(Slot(pool.lend(0, room)));
        }
        let count = match self.device.recv_multiple(&mut self.whole, &mut self.slots, &mut self.sizes, 0) {
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(e) => return Err(e),
        };
        for (slot, size) in self.slots.iter_mut().zip(&self.sizes).take(count) {
            let mut packet = std::mem::replace(&mut slot.0, pool.lend(0, room));
            packet.truncate(*size);
            each(packet);
        }
        Ok(true)
    }

    /// Takes a packet for the kernel; it leaves with [`flush`](Tun::flush) at the latest. What the kernel does not accept is
    /// lost, as on any link.
    pub fn send(&mut self, packet: Packet, pool: &mut PacketPool) {
        let Tun { device, joiner, offload, .. } = self;
        if *offload {
            joiner.push(packet, pool, &mut |pieces| lost(writev(&*device, pieces)));
        } else {
            lost(device.send(packet.bytes()));
            pool.recycle(packet);
        }
    }

    /// Writes what was taken.
    pub fn flush(&mut self, pool: &mut PacketPool) {
        let Tun { device, joiner, .. } = self;
        joiner.flush(pool, &mut |pieces| lost(writev(&*device, pieces)));
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.device.as_raw_fd()
    }
}

fn lost(written: Result<usize, impl std::fmt::Display>) {
    if let Err(error) = written {
        tracing::debug!(%error, "the TUN device refused a packet");
    }
}
