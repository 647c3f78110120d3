//! Network stories that can be replayed: data first, one directory each, and the library that runs them.
#![forbid(unsafe_code)]

pub mod embedded;
pub mod error;
pub mod scenario;
pub mod source;
pub mod steps;
pub mod topology;
pub mod twin;
pub mod value;

pub use error::LoadError;
pub use scenario::Scenario;
pub use source::Files;
