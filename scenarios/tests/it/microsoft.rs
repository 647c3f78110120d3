//! The family `microsoft`: exchanges and limits of MS-IKEE.

use ipsec_scenarios::embedded;

use crate::nat::hold;

#[test]
fn the_commit_bit_is_honoured() {
    hold("commit-bit*");
}

#[test]
fn deletes_are_answered_between_microsofts_ends() {
    hold("reliable-delete*");
}

#[test]
fn idle_pairs_end() {
    hold("idle-*");
}

#[test]
fn isakmp_sas_and_pairs_have_limits() {
    hold("quick-mode-limit*");
    hold("master-key-pfs*");
    hold("responder-lifetime*");
}

#[test]
fn cookies_are_asked_for_before_state() {
    hold("dos-protection*");
}

#[test]
fn long_messages_pass_where_ip_fragments_do_not() {
    hold("fragmented-*");
}

#[test]
fn every_scenario_is_tested() {
    let tested = [
        "commit-bit*",
        "reliable-delete*",
        "idle-*",
        "quick-mode-limit*",
        "master-key-pfs*",
        "responder-lifetime*",
        "dos-protection*",
        "fragmented-*",
    ];
    assert_eq!(tested.map(embedded::matching).concat(), embedded::matching("microsoft"));
}
