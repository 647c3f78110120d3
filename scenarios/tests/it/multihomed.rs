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
fn fragmentation_is_below_ipsec() {
    hold("kb816514-big-*");
}

#[test]
fn only_the_outbound_interface_offloads() {
    hold("kb816514-offload*");
}

#[test]
fn every_scenario_is_tested() {
    let tested = ["kb816514-route-changes-*", "kb816514-two-tunnels*", "kb816514-big-*", "kb816514-offload*"];
    assert_eq!(tested.map(embedded::matching).concat(), embedded::matching("multihomed"));
}
