//! Windows computers around IPsec: boots, services, polling, network settings, connections.

use ipsec_scenarios::embedded;

use crate::nat::hold;
use crate::stories::{assert_held, played};

#[test]
fn what_passes_while_a_computer_starts() {
    hold("boot-*");
}

#[test]
fn rules_count_on_their_connections() {
    hold("connection-*");
}

#[test]
fn persistent_policy_comes_first_and_stays() {
    assert_held(&played("persistent-policy", 1));
}

#[test]
fn a_service_stops_and_starts_under_traffic() {
    assert_held(&played("service-stopped", 1));
}

#[test]
fn keywords_follow_the_network_settings_and_names_do_not() {
    assert_held(&played("keyword-follows-configuration", 1));
}

#[test]
fn polling_finds_what_nobody_told() {
    assert_held(&played("polling", 1));
}

#[test]
fn every_scenario_is_tested() {
    for (pattern, family) in [("boot-*", "boot"), ("connection-*", "connection")] {
        assert_eq!(embedded::matching(pattern), embedded::matching(family));
    }
}
