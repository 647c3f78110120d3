//! What was wrong with the bytes, and where.

use core::fmt;

/// A decoder refused its input: the field, its place and the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// The field that could not be read, as `format.field` ("isakmp.length").
    pub field: &'static str,
    /// Where the field starts, in bytes from the start of the outermost buffer.
    pub offset: usize,
    /// What is wrong with it.
    pub kind: DecodeErrorKind,
}

/// Why a field was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeErrorKind {
    /// The field needs more bytes than its container has left.
    Truncated {
        /// Bytes the field needs.
        needed: usize,
        /// Bytes that are left.
        available: usize,
    },
    /// A length field contradicts the format or its container.
    BadLength {
        /// The length as written.
        length: usize,
    },
    /// A value that the format forbids.
    BadValue {
        /// The value as written.
        value: u64,
    },
    /// A field that must be zero is not (RESERVED).
    NotZero {
        /// The value as written.
        value: u64,
    },
    /// More elements than the decoder accepts.
    TooMany {
        /// The most it accepts.
        limit: usize,
    },
    /// Bytes are left over after the last field.
    Trailing {
        /// How many.
        count: usize,
    },
}

impl DecodeError {
    /// The error of `kind` in `field` at `offset`.
    pub const fn new(field: &'static str, offset: usize, kind: DecodeErrorKind) -> Self {
        DecodeError { field, offset, kind }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: {}", self.field, self.offset, self.kind)
    }
}

impl fmt::Display for DecodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            DecodeErrorKind::Truncated { needed, available } => {
                write!(f, "needs {needed} bytes, only {available} left")
            }
            DecodeErrorKind::BadLength { length } => write!(f, "length {length} is impossible here"),
            DecodeErrorKind::BadValue { value } => write!(f, "value {value} is not allowed"),
            DecodeErrorKind::NotZero { value } => write!(f, "must be zero, is {value}"),
            DecodeErrorKind::TooMany { limit } => write!(f, "more than {limit}"),
            DecodeErrorKind::Trailing { count } => write!(f, "{count} bytes left over"),
        }
    }
}

impl core::error::Error for DecodeError {}
