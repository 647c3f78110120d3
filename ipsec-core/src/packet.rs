//! Packets: one buffer with room at both ends, so that sealing and opening happen in place.

use alloc::vec::Vec;

/// Bytes kept free in front of a packet: outer IPv6 (40), UDP (8), AH (44), ESP (8) and an IV (16), rounded up.
pub const HEADROOM: usize = 128;
/// Bytes kept free behind a packet: ESP padding, trailer and ICV.
pub const TAILROOM: usize = 64;

/// Where a packet came from: it stays the same through encapsulation, fragmentation, holding and delivery.
///
/// Captures and invariants ("delivered once", "held while negotiating") follow it. 0 means that nobody numbered it.
pub type PacketId = u64;

/// One IP datagram in a buffer with [`HEADROOM`] and [`TAILROOM`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    buf: Vec<u8>,
    start: usize,
    end: usize,
    id: PacketId,
}

impl Packet {
    /// A packet with the given bytes and id; the room at both ends is allocated here, once.
    pub fn from_slice(id: PacketId, bytes: &[u8]) -> Self {
        let mut packet = Packet::default();
        packet.refill(id, bytes);
        packet
    }

    /// Reuses this packet's allocation for other bytes (the way of a pool).
    pub fn refill(&mut self, id: PacketId, bytes: &[u8]) {
        self.buf.clear();
        self.buf.reserve(HEADROOM + bytes.len() + TAILROOM);
        self.buf.resize(HEADROOM, 0);
        self.buf.extend_from_slice(bytes);
        self.buf.resize(HEADROOM + bytes.len() + TAILROOM, 0);
        self.start = HEADROOM;
        self.end = HEADROOM + bytes.len();
        self.id = id;
    }

    /// Makes room for a datagram of `len` octets that the caller writes in place, and then cuts to what it wrote. A reused
    /// buffer keeps its old octets until then, so this costs nothing.
    pub fn lend(&mut self, id: PacketId, len: usize) -> &mut [u8] {
        let needed = HEADROOM + len + TAILROOM;
        if self.buf.len() < needed {
            self.buf.resize(needed, 0);
        }
        self.start = HEADROOM;
        self.end = HEADROOM + len;
        self.id = id;
        self.bytes_mut()
    }

    /// The provenance id.
    pub fn id(&self) -> PacketId {
        self.id
    }

    /// Changes the provenance id.
    pub fn set_id(&mut self, id: PacketId) {
        self.id = id;
    }

    /// The datagram's bytes.
    pub fn bytes(&self) -> &[u8] {
        self.buf.get(self.start..self.end).unwrap_or(&[])
    }

    /// The datagram's bytes, to be changed in place.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.buf.get_mut(self.start..self.end).unwrap_or(&mut [])
    }

    /// Length in octets.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there is no octet at all.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Grows the packet by `n` octets at the front and returns them. Allocates only when the headroom is used up.
    pub fn push_front(&mut self, n: usize) -> &mut [u8] {
        if self.start < n {
            let more = n - self.start + HEADROOM;
            self.buf.splice(0..0, core::iter::repeat_n(0, more));
            self.start += more;
            self.end += more;
        }
        self.start -= n;
        self.buf.get_mut(self.start..self.start + n).unwrap_or(&mut [])
    }

    /// Grows the packet by `n` zero octets at the end and returns them. Allocates only when the tailroom is used up.
    pub fn push_back(&mut self, n: usize) -> &mut [u8] {
        if self.buf.len() < self.end + n {
            self.buf.resize(self.end + n + TAILROOM, 0);
        }
        let from = self.end;
        self.end += n;
        match self.buf.get_mut(from..from + n) {
            Some(added) => {
                added.fill(0);
                added
            }
            None => &mut [],
        }
    }

    /// Takes up to `n` octets off the front.
    pub fn trim_front(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
    }

    /// Cuts the packet down to its first `len` octets.
    pub fn truncate(&mut self, len: usize) {
        self.end = self.end.min(self.start + len);
    }

    /// Replaces `remove` octets at `at` with `insert` zero octets and returns the inserted ones: the way a header enters
    /// or leaves behind the IP header. Moves the shorter, front part; `None` if `at + remove` lies outside.
    pub fn splice_front(&mut self, at: usize, remove: usize, insert: usize) -> Option<&mut [u8]> {
        if at.checked_add(remove)? > self.len() {
            return None;
        }
        if insert > remove {
            self.push_front(insert - remove);
            let from = self.start + (insert - remove);
            self.buf.copy_within(from..from + at, self.start);
        } else {
            let shift = remove - insert;
            self.buf.copy_within(self.start..self.start + at, self.start + shift);
            self.start += shift;
        }
        let inserted = self.buf.get_mut(self.start + at..self.start + at + insert)?;
        inserted.fill(0);
        Some(inserted)
    }
}

/// A bounded pool of packet buffers, so that the datapath does not allocate for each packet.
#[derive(Clone, Debug)]
pub struct PacketPool {
    free: Vec<Packet>,
    most: usize,
}

impl Default for PacketPool {
    fn default() -> Self {
        PacketPool::of(PacketPool::MAX)
    }
}

impl PacketPool {
    /// Buffers kept at most, unless said otherwise; more are given back to the allocator.
    pub const MAX: usize = 1024;

    /// A pool that keeps so many buffers at most.
    pub fn of(most: usize) -> Self {
        PacketPool { free: Vec::new(), most }
    }

    /// A packet with these bytes, in a recycled buffer if there is one.
    pub fn take(&mut self, id: PacketId, bytes: &[u8]) -> Packet {
        let mut packet = self.free.pop().unwrap_or_default();
        packet.refill(id, bytes);
        packet
    }

    /// A packet of `len` octets to be written in place ([`Packet::lend`]), in a recycled buffer if there is one.
    pub fn lend(&mut self, id: PacketId, len: usize) -> Packet {
        let mut packet = self.free.pop().unwrap_or_default();
        packet.lend(id, len);
        packet
    }

    /// Gives a buffer back.
    pub fn recycle(&mut self, packet: Packet) {
        if self.free.len() < self.most {
            self.free.push(packet);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_enter_and_leave_in_place() {
        let mut p = Packet::from_slice(7, b"IPHDRpayload");
        p.splice_front(5, 0, 3).unwrap().copy_from_slice(b"ESP");
        assert_eq!(p.bytes(), b"IPHDRESPpayload");
        p.splice_front(5, 3, 0).unwrap();
        assert_eq!(p.bytes(), b"IPHDRpayload");
        p.push_front(200).fill(b'x');
        assert_eq!(p.len(), 212);
        p.trim_front(200);
        p.push_back(100).fill(b'y');
        p.truncate(12);
        assert_eq!(p.bytes(), b"IPHDRpayload");
        assert!(p.splice_front(10, 3, 0).is_none());
    }

    #[test]
    fn a_lent_buffer_is_written_in_place() {
        let mut pool = PacketPool::default();
        pool.recycle(Packet::from_slice(1, b"a longer packet that was here before"));
        let mut p = pool.lend(2, 20);
        assert_eq!((p.id(), p.len()), (2, 20));
        p.bytes_mut()[..5].copy_from_slice(b"IPHDR");
        p.truncate(5);
        assert_eq!(p.push_back(3), [0; 3]);
        assert_eq!(p.bytes(), b"IPHDR\0\0\0");
        assert_eq!(pool.lend(3, 4000).bytes(), [0; 4000]);
    }
}
