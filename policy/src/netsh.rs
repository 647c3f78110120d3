//! netsh scripts (under construction).
mod error;
mod source;
mod token;
pub use error::{Error, ErrorKind};
