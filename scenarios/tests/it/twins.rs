//! Each twin shows what `twins.toml` says, and the table is complete.

use ipsec_scenarios::embedded;

use crate::stories::{assert_held, played};

macro_rules! twins {
    ($($test:ident: $name:literal),+ $(,)?) => {
        $(#[test]
        fn $test() {
            assert_held(&played($name, 1));
        })+

        const TESTED: &[&str] = &[$($name),+];
    };
}

twins! {
    default_response_alice_first: "default-response-alice-first",
    default_response_off: "default-response-off",
    kb301284_alice_bob_and_eve: "kb301284-alice-bob-and-eve",
    kb301284_all_traffic: "kb301284-all-traffic",
    kb301284_pfs_on_one_side: "kb301284-pfs-on-one-side",
    kb301284_policy_on_one_end: "kb301284-policy-on-one-end",
    kb301284_ports_reversed: "kb301284-ports-reversed",
    kb301284_psk_mismatch: "kb301284-psk-mismatch",
    kb816514_accept_unsecured: "kb816514-accept-unsecured",
    kb816514_ah_tunnel: "kb816514-ah-tunnel",
    kb816514_asymmetric_interfaces: "kb816514-asymmetric-interfaces",
    kb816514_both_windows: "kb816514-both-windows",
    kb816514_bound_route: "kb816514-bound-route",
    kb816514_clear_text_injected: "kb816514-clear-text-injected",
    kb816514_different_authentication: "kb816514-different-authentication",
    kb816514_filter_without_gateway_pair: "kb816514-filter-without-gateway-pair",
    kb816514_gwa_without_inbound_rule: "kb816514-gwa-without-inbound-rule",
    kb816514_gwa_without_outbound_rule: "kb816514-gwa-without-outbound-rule",
    kb816514_gwb_without_inbound_rule: "kb816514-gwb-without-inbound-rule",
    kb816514_gwb_without_outbound_rule: "kb816514-gwb-without-outbound-rule",
    kb816514_inbound_rule_disabled: "kb816514-inbound-rule-disabled",
    kb816514_mirrored_filters: "kb816514-mirrored-filters",
    kb816514_mirrored_filters_inbound_first: "kb816514-mirrored-filters-inbound-first",
    kb816514_missing_route: "kb816514-missing-route",
    kb816514_netb_first: "kb816514-netb-first",
    kb816514_off_link_default_gateway: "kb816514-off-link-default-gateway",
    kb816514_outbound_rule_disabled: "kb816514-outbound-rule-disabled",
    kb816514_packet_filter_others: "kb816514-packet-filter-others",
    kb816514_pfs_on_one_side: "kb816514-pfs-on-one-side",
    kb816514_port_tunnel: "kb816514-port-tunnel",
    kb816514_port_tunnel_both_windows: "kb816514-port-tunnel-both-windows",
    kb816514_port_tunnel_rfc: "kb816514-port-tunnel-rfc",
    kb816514_psk_mismatch: "kb816514-psk-mismatch",
    kb816514_unrelated_initiator: "kb816514-unrelated-initiator",
    kb816514_wrong_interface: "kb816514-wrong-interface",
}

#[test]
fn every_twin_is_tested() {
    let twins: Vec<&str> =
        embedded::names().filter(|n| embedded::files(n).is_some_and(|f| f.contains("twin.toml"))).collect();
    assert_eq!(twins.iter().filter(|n| !TESTED.contains(n)).count(), 0, "{twins:?}");
    assert_eq!(twins.len(), TESTED.len());
}

/// The sentences that twins and checks quote stand in the table or the steps word for word as in the articles; those
/// articles are not part of this repository, so here only that none is empty and each names its article.
#[test]
fn every_twin_names_its_article() {
    for name in TESTED {
        let scenario = embedded::scenario(name).unwrap();
        let twin = scenario.twin.as_ref().unwrap();
        assert!(twin.sentence.len() > 20, "{name}");
        let article = scenario.topology.article.as_str();
        assert_eq!(twin.seed, article, "{name}");
    }
}
