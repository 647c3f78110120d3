//! Wire codecs: the bytes of every protocol the core speaks.
//!
//! Each format follows one outline: the RFC's picture, a struct with named and typed fields, `decode` from a
//! [`Reader`], `encode` to a [`Writer`], and a one-line `Display` in the manner of tcpdump. The rules:
//!
//! - A decoder never panics and never allocates more than a small multiple of its input; lists have limits.
//! - A [`Reader`] of a nested structure is confined to it ([`Reader::sub`]), and still knows its place in the
//!   outermost buffer, so that a [`DecodeError`] can name the byte.
//! - Numbers that registries assign are newtypes with named constants, so values without a name survive.
//! - Lengths and next-payload numbers are computed while encoding, never asked of the caller.

pub mod ah;
pub mod checksum;
mod describe;
mod error;
pub mod esp;
pub mod icmp;
pub mod ikev1;
pub mod info;
pub mod ipv4;
pub mod ipv6;
pub mod isakmp;
mod number;
mod protocol;
mod reader;
#[cfg(test)]
mod samples;
pub mod udp;
mod writer;

pub use describe::describe;
pub use error::{DecodeError, DecodeErrorKind};
pub use info::{FragmentInfo, PacketInfo, Upper};
pub(crate) use number::number;
pub use protocol::IpProtocol;
pub use reader::Reader;
pub use writer::{Slot8, Slot16, Slot32, Writer};
