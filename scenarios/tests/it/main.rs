//! The scenarios themselves, run.

mod errors;
mod faults;
mod seeds;
mod stories;
mod tshark;
mod twins;
