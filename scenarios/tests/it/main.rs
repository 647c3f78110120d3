//! The scenarios themselves, run.

mod computers;
mod errors;
mod faults;
mod ike_scan;
mod microsoft;
mod model;
mod nat;
mod peers;
mod profiles;
mod seed_rows;
mod seeds;
mod stories;
mod sweep;
mod tshark;
mod twins;
