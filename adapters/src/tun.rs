//! The TUN device: the kernel's side of it is the protected side of the boundary.
//!
//! With vnet headers the kernel hands over TCP segments of up to 64 kB and takes such ones back; here they are cut and
//! joined, so that a system call carries dozens of packets. A packet is copied once in each direction: out of the kernel's
//! large segment into its [`Packet`], and from its [`Packet`] into the segment that goes to the kernel.

use std::io;
use std::os::fd::{AsRawFd as _, RawFd};

use ipsec_core::Packet;
use ipsec_core::packet::PacketPool;
use tun_rs::{DeviceBuilder, GROTable, IDEAL_BATCH_SIZE, SyncDevice, VIRTIO_NET_HDR_LEN};

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
    /// Packets to be written, each behind room for a vnet header; the first `queued` are of now.
    queue: Vec<Vec<u8>>,
    queued: usize,
    joining: GROTable,
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
        Ok(Tun {
            device,
            offload,
            whole: vec![0; LARGEST],
            slots: Vec::new(),
            sizes: vec![0; IDEAL_BATCH_SIZE],
            queue: Vec::new(),
            queued: 0,
            joining: GROTable::default(),
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

    /// Takes a packet for the kernel; it leaves with [`flush`](Tun::flush).
    pub fn send(&mut self, packet: &[u8]) {
        if self.queued >= IDEAL_BATCH_SIZE {
            self.flush();
        }
        if self.queued == self.queue.len() {
            self.queue.push(Vec::with_capacity(LARGEST));
        }
        if let Some(buffer) = self.queue.get_mut(self.queued) {
            buffer.clear();
            buffer.resize(VIRTIO_NET_HDR_LEN, 0);
            buffer.extend_from_slice(packet);
            self.queued += 1;
        }
    }

    /// Writes what was taken. What the kernel does not accept is lost, as on any link.
    pub fn flush(&mut self) {
        let count = std::mem::take(&mut self.queued);
        let Some(batch) = self.queue.get_mut(..count).filter(|batch| !batch.is_empty()) else { return };
        if let Err(error) = self.device.send_multiple(&mut self.joining, batch, VIRTIO_NET_HDR_LEN) {
            tracing::debug!(%error, "the TUN device refused packets");
        }
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.device.as_raw_fd()
    }
}
