//! The Internet Key Exchange.

pub mod v1;
