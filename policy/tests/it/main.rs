//! Behaviour of the policy crate from outside, one behaviour a module.

mod articles;
mod assignment;
mod batch;
mod cmd;
mod default_response;
mod dynamic;
mod errors;
mod examples;
mod ipsecpol;
mod properties;
mod script;
mod shell;
mod show;
mod syntax;
mod table;
mod wild;

use ipsec_core::selector::Prefix;
use ipsec_policy::compile::LocalAddresses;
use ipsec_policy::netsh::{Output, run_script};
use ipsec_policy::{Store, compile};

/// A new store after a script that must succeed.
fn store_of(file: &str, bytes: &[u8]) -> (Store, Output) {
    let mut store = Store::new();
    match run_script(&mut store, file, bytes) {
        Ok(output) => (store, output),
        Err(error) => panic!("{error}"),
    }
}

/// A computer with these addresses, each in a /24.
fn computer(addresses: &[&str]) -> LocalAddresses {
    let prefixes: Vec<Prefix> = addresses.iter().map(|a| Prefix::new(a.parse().unwrap(), 24)).collect();
    LocalAddresses::lan(&prefixes)
}

fn notes(output: &Output) -> String {
    output.notes.iter().map(|note| format!("{note}\n")).collect()
}

fn listing(store: &Store, local: &LocalAddresses) -> String {
    compile::listing(store, local).unwrap()
}
