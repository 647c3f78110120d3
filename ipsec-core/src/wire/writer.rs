//! Builds messages, filling in lengths and next-payload numbers once they are known.

use alloc::vec::Vec;

/// Appends big-endian fields to a buffer.
///
/// Fields whose value is known only later (lengths, next-payload numbers) are reserved as slots and filled in.
/// A length beyond its field's range is written as the largest value: such a message is larger than any datagram
/// and cannot be sent.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

/// A reserved octet.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Slot8(usize);

/// Two reserved octets.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Slot16(usize);

/// Four reserved octets.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Slot32(usize);

impl Writer {
    /// An empty buffer.
    pub const fn new() -> Self {
        Writer { bytes: Vec::new() }
    }

    /// Continues after the bytes already in `bytes`.
    pub const fn append_to(bytes: Vec<u8>) -> Self {
        Writer { bytes }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// True when nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The finished bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The bytes written so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// One octet.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Two octets, network order.
    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    /// Four octets, network order.
    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// Eight octets, network order.
    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    /// The bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Reserves an octet, zero until filled.
    pub fn slot8(&mut self) -> Slot8 {
        let slot = Slot8(self.len());
        self.u8(0);
        slot
    }

    /// Reserves two octets, zero until filled.
    pub fn slot16(&mut self) -> Slot16 {
        let slot = Slot16(self.len());
        self.u16(0);
        slot
    }

    /// Reserves four octets, zero until filled.
    pub fn slot32(&mut self) -> Slot32 {
        let slot = Slot32(self.len());
        self.u32(0);
        slot
    }

    /// Fills a reserved octet.
    pub fn fill8(&mut self, slot: Slot8, value: u8) {
        self.fill(slot.0, &[value]);
    }

    /// Fills two reserved octets.
    pub fn fill16(&mut self, slot: Slot16, value: u16) {
        self.fill(slot.0, &value.to_be_bytes());
    }

    /// Fills four reserved octets.
    pub fn fill32(&mut self, slot: Slot32, value: u32) {
        self.fill(slot.0, &value.to_be_bytes());
    }

    /// Fills a two-octet length with the number of bytes written since `start`.
    pub fn fill_length16(&mut self, slot: Slot16, start: usize) {
        let length = self.len().saturating_sub(start);
        self.fill16(slot, u16::try_from(length).unwrap_or(u16::MAX));
    }

    /// Fills a four-octet length with the number of bytes written since `start`.
    pub fn fill_length32(&mut self, slot: Slot32, start: usize) {
        let length = self.len().saturating_sub(start);
        self.fill32(slot, u32::try_from(length).unwrap_or(u32::MAX));
    }

    fn fill(&mut self, at: usize, value: &[u8]) {
        // A slot of another writer could lie outside; it then fills nothing.
        if let Some(place) = self.bytes.get_mut(at..at.saturating_add(value.len())) {
            place.copy_from_slice(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_numbers_are_filled_in_later() {
        let mut w = Writer::new();
        let next = w.slot8();
        w.u8(0);
        let length = w.slot16();
        w.bytes(b"body");
        w.fill_length16(length, 0);
        w.fill8(next, 13);
        assert_eq!(w.into_bytes(), [13, 0, 0, 8, b'b', b'o', b'd', b'y']);
    }

    #[test]
    fn a_length_out_of_range_saturates() {
        let mut w = Writer::new();
        let length = w.slot16();
        w.bytes(&[0; 70_000]);
        w.fill_length16(length, 0);
        assert_eq!(w.as_bytes().get(..2), Some([0xff, 0xff].as_slice()));
    }
}
