//! The family `multihomed`: gateways with several interfaces towards the Internet, and several tunnels.

use ipsec_scenarios::embedded;

use crate::nat::hold;

#[test]
fn the_remote_end_may_ask_for_the_outer_source() {
    hold("kb816514-route-changes-*");
}

#[test]
fn each_tunnel_needs_its_filters_on_each_interface() {
    hold("kb816514-two-tunnels*");
}

#[test]
fn the_more_specific_tunnel_counts() {
    hold("kb816514-overlapping-*");
}

/// The family `tunnels`: rules that change while SAs live, and packet filters that lack an entry.
#[test]
fn changes_count_at_once_and_every_filter_is_needed() {
    hold("kb816514-changed-*");
    hold("kb816514-filter-lacks-*");
    let tested = ["kb816514-changed-*", "kb816514-filter-lacks-*"];
    assert_eq!(tested.map(embedded::matching).concat(), embedded::matching("tunnels"));
}

#[test]
fn fragmentation_is_below_ipsec() {
    hold("kb816514-big-*");
}

#[test]
fn only_the_outbound_interface_offloads() {
    hold("kb816514-offload*");
}

#[test]
fn every_scenario_is_tested() {
    let tested = [
        "kb816514-route-changes-*",
        "kb816514-two-tunnels*",
        "kb816514-overlapping-*",
        "kb816514-big-*",
        "kb816514-offload*",
    ];
    assert_eq!(tested.map(embedded::matching).concat(), embedded::matching("multihomed"));
}
