//! Integration tests: one binary, one behaviour a module.

mod arrows;
mod crypto_vectors;
mod ikev1_nist;
mod ikev1_recorded;
mod natt_recorded;
mod req;
