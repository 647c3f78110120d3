//! IKE version 1 (RFC 2409).

pub mod auth;
pub mod keymat;
pub mod protect;
