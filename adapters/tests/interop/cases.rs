//! The cases.

mod between_ourselves;
mod in_trouble;
mod with_ike_scan;
pub(crate) mod with_libreswan;
mod with_scapy;
mod with_strongswan;

use crate::lab::{Lab, Outcome};

/// A case: it makes its own world.
pub(crate) type Case = Box<dyn FnOnce() -> Outcome + Send>;

/// A case with a name, without parameters.
pub(crate) type Named = (&'static str, fn() -> Outcome);

/// All cases by name.
pub(crate) fn all() -> Vec<(String, Case)> {
    [
        // It waits longest.
        with_ike_scan::all(),
        with_strongswan::all(),
        between_ourselves::all(),
        with_scapy::all(),
        with_libreswan::all(),
        in_trouble::all(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Adds the logs to what went wrong.
fn explained(lab: Lab, run: impl FnOnce(&mut Lab) -> Outcome) -> Outcome {
    let mut lab = lab;
    run(&mut lab).map_err(|why| format!("{why}\n{}", lab.logs()))
}
