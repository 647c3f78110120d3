//! A cursor over received bytes that cannot leave its bounds.

use super::{DecodeError, DecodeErrorKind};

/// Reads big-endian fields from a slice, remembering its place in the outermost buffer.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    /// Offset of `bytes[0]` from the start of the outermost buffer.
    base: usize,
    position: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`, which are the outermost buffer.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Reader::at(bytes, 0)
    }

    /// A reader of `bytes` that lie `base` bytes into the outermost buffer.
    pub const fn at(bytes: &'a [u8], base: usize) -> Self {
        Reader { bytes, base, position: 0 }
    }

    /// Offset of the next byte from the start of the outermost buffer.
    pub const fn offset(&self) -> usize {
        self.base + self.position
    }

    /// Bytes consumed so far by this reader.
    pub const fn consumed(&self) -> usize {
        self.position
    }

    /// Bytes not read yet.
    pub const fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// True when everything was read.
    pub const fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// The bytes not read yet, without consuming them.
    pub fn peek(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or(&[])
    }

    /// The next `count` bytes.
    pub fn bytes(&mut self, field: &'static str, count: usize) -> Result<&'a [u8], DecodeError> {
        match self.peek().get(..count) {
            Some(bytes) => {
                self.position += count;
                Ok(bytes)
            }
            None => {
                Err(self
                    .error(field, DecodeErrorKind::Truncated { needed: count, available: self.remaining() }))
            }
        }
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        match self.peek().first_chunk::<N>() {
            Some(array) => {
                self.position += N;
                Ok(*array)
            }
            None => {
                Err(self.error(field, DecodeErrorKind::Truncated { needed: N, available: self.remaining() }))
            }
        }
    }

    /// One octet.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    /// Two octets, network order.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_be_bytes)
    }

    /// Four octets, network order.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_be_bytes)
    }

    /// Eight octets, network order.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.array(field).map(u64::from_be_bytes)
    }

    /// All bytes that are left.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = self.peek();
        self.position = self.bytes.len();
        rest
    }

    /// A reader confined to the next `length` bytes, which this reader skips.
    pub fn sub(&mut self, field: &'static str, length: usize) -> Result<Reader<'a>, DecodeError> {
        let base = self.offset();
        Ok(Reader::at(self.bytes(field, length)?, base))
    }

    /// Fails unless everything was read.
    pub fn expect_empty(&self, field: &'static str) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            count => Err(self.error(field, DecodeErrorKind::Trailing { count })),
        }
    }

    /// An error of `kind` in `field` at the current place.
    pub const fn error(&self, field: &'static str, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(field, self.offset(), kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_readers_stay_inside_and_keep_absolute_offsets() {
        let mut outer = Reader::new(&[1, 2, 3, 4, 5, 6]);
        assert_eq!(outer.u16("a"), Ok(0x0102));
        let mut inner = outer.sub("inner", 3).unwrap();
        assert_eq!(inner.u8("b"), Ok(3));
        assert_eq!(
            inner.u32("c"),
            Err(DecodeError::new("c", 3, DecodeErrorKind::Truncated { needed: 4, available: 2 }))
        );
        assert_eq!(inner.rest(), [4, 5]);
        assert_eq!(outer.expect_empty("end").unwrap_err().kind, DecodeErrorKind::Trailing { count: 1 });
        assert_eq!(outer.u8("d"), Ok(6));
        assert!(outer.is_empty());
    }

    #[test]
    fn a_failed_read_consumes_nothing() {
        let mut reader = Reader::new(&[7, 8]);
        assert!(reader.u64("x").is_err());
        assert!(reader.sub("y", 3).is_err());
        assert_eq!(reader.peek(), [7, 8]);
    }

    #[test]
    fn errors_read_well() {
        let error = Reader::at(&[0], 20).u16("udp.length").unwrap_err();
        assert_eq!(alloc::format!("{error}"), "udp.length at byte 20: needs 2 bytes, only 1 left");
    }
}
