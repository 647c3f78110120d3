//! The Internet Security Association and Key Management Protocol (RFC 2408).

/// An ISAKMP cookie (RFC 2408 section 2.5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cookie(pub [u8; 8]);
