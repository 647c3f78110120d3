//! Payloads that are a generic header and octets: Key Exchange, Hash, Signature, Nonce, Vendor ID (RFC 2408 3.7,
//! 3.11, 3.12, 3.13, 3.16).

use alloc::vec::Vec;
use core::fmt;

use crate::wire::{DecodeError, DecodeErrorKind, Reader, Writer};

/// Defines a payload that is octets only.
macro_rules! opaque {
    ($(#[$meta:meta])* $name:ident, $label:literal, $field:literal, $lengths:expr) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            /// The octets.
            pub data: Vec<u8>,
        }

        impl $name {
            /// Reads the body of the payload, all that `r` has left.
            pub fn decode(r: &mut Reader<'_>) -> Result<$name, DecodeError> {
                let length = r.remaining();
                if !$lengths.contains(&length) {
                    return Err(r.error($field, DecodeErrorKind::BadLength { length }));
                }
                Ok($name { data: r.rest().to_vec() })
            }

            /// Writes the body of the payload.
            pub fn encode(&self, w: &mut Writer) {
                w.bytes(&self.data);
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($label, " len {}"), self.data.len())
            }
        }
    };
}

opaque! {
    /// A Diffie-Hellman public value (RFC 2409 5): the full length of the group's prime, left-padded with zeros.
    KeyExchange, "KE", "key_exchange.data", (1_usize..)
}

opaque! {
    /// A keyed hash over parts of the exchange (RFC 2409 5).
    Hash, "HASH", "hash.data", (1_usize..)
}

opaque! {
    /// A signature over HASH_I or HASH_R (RFC 2409 5.1).
    Signature, "SIG", "signature.data", (1_usize..)
}

opaque! {
    /// A nonce: 8 to 256 octets (RFC 2409 5).
    Nonce, "NONCE", "nonce.data", (8_usize..=256)
}

opaque! {
    /// A vendor's constant, by which implementations know each other (RFC 2408 3.16).
    VendorId, "VID", "vendor_id.data", (0_usize..)
}
