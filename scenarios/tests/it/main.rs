//! The scenarios themselves, run.

mod errors;
mod faults;
mod model;
mod seeds;
mod stories;
mod sweep;
mod tshark;
mod twins;
