//! The family `peers`: aggressive mode, dead peer detection, and a peer that lost its memory.

use ipsec_scenarios::embedded;

use crate::nat::hold;

#[test]
fn aggressive_mode_works_is_refused_and_bounded() {
    hold("aggressive-*");
}

#[test]
fn dead_peers_are_found_and_others_are_left_alone() {
    hold("dpd-*");
}

#[test]
fn initial_contact_removes_exactly_the_old_pair() {
    hold("initial-contact*");
}

#[test]
fn every_scenario_is_tested() {
    let tested = ["aggressive-*", "dpd-*", "initial-contact*"].map(embedded::matching).concat();
    assert_eq!(tested, embedded::matching("peers"));
}
