//! The scenarios themselves, run.

mod articles;
mod computers;
mod default_policies;
mod displays;
mod errors;
mod event_table;
mod events;
mod exemptions;
mod explanations;
mod faults;
mod ike_scan;
mod microsoft;
mod model;
mod multihomed;
mod nat;
mod netsh_shows;
mod peers;
mod policies;
mod profiles;
mod proposals;
mod seed_rows;
mod seeds;
mod stories;
mod sweep;
mod tshark;
mod twins;
