//! Two `Ike`s joined by a network that can be told to misbehave.

mod aggressive_mode;
mod commit_bit;
mod dead_peer;
mod deletes;
mod dos;
mod foreign;
mod fragments;
mod harness;
mod limits;
mod main_mode;
mod methods;
mod nat;
mod quick_mode;
mod renewal;
mod responder_repeats;
mod robustness;
mod soft_trial;
