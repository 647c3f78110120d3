//! Networks as their users see them: built from the public API, judged by what applications and sinks report.

mod adversary;
mod capture;
mod determinism;
mod esp_in_udp;
mod filters;
mod forwarding;
mod gateways;
mod layers;
mod nat;
mod path_mtu;
mod rekeying;
mod storms;
mod tcp;
mod topologies;
mod transport;
mod trust;
