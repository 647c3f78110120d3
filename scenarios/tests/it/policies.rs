//! The families `actions-…`, `soft-…`, `filters-…`, `migration-…` and `defence-…`: every scenario shows what it says.

use std::collections::BTreeSet;

use ipsec_scenarios::{RunOptions, embedded, run};

use crate::nat::hold;

/// "AH: MD5 or SHA1; ESP: integrity MD5, SHA1 or None, encryption 3DES, DES or None": 2 + 8 + 2 × 8 legal methods.
#[test]
fn every_legal_security_method_protects() {
    hold("actions-ah-*");
    hold("actions-esp-*");
    assert_eq!(embedded::matching("actions-ah-*").len() + embedded::matching("actions-esp-*").len(), 26);
}

#[test]
fn methods_are_taken_in_the_order_of_who_begins() {
    hold("actions-order-*");
}

#[test]
fn session_key_perfect_forward_secrecy() {
    hold("actions-pf*");
}

#[test]
fn keys_are_made_anew_after_seconds_and_kilobytes() {
    hold("actions-rekey-*");
}

#[test]
fn sas_live_on_under_a_new_policy_if_it_asks_for_them() {
    hold("actions-change-*");
    hold("actions-unassigne*");
}

#[test]
fn soft_associations_begin_with_silence_and_end_with_time_or_sas() {
    hold("soft-*");
}

#[test]
fn a_lease_with_another_address_moves_my_ip_address() {
    hold("lease-*");
}

#[test]
fn filters_are_mirrored_or_not_and_have_three_actions() {
    hold("filters-*");
}

#[test]
fn a_policy_of_windows_2000_breaks_on_windows_server_2003_and_is_mended() {
    hold("migration-*");
}

#[test]
fn what_goes_wrong_on_the_wire_is_in_the_log() {
    hold("event-*");
}

#[test]
fn each_security_need_of_table_6_1_has_its_defence() {
    hold("defence-*");
}

#[test]
fn successors_have_spis_of_their_own() {
    for name in ["actions-rekey-seconds", "actions-rekey-kilobytes"] {
        let scenario = embedded::scenario(name).expect("a scenario");
        let report =
            run(&scenario, &RunOptions { record: false, ..RunOptions::default() }).expect("a run").report;
        let pairs = &report.runs[0].quick_modes;
        let spis: BTreeSet<_> = pairs.iter().map(|pair| (&pair.node, &pair.inbound_spis)).collect();
        assert_eq!((pairs.len(), spis.len()), (8, 8), "{name}: four pairs at each end");
    }
}
