//! The families `profile-…` and `methods-…`: every scenario shows what it says.

use ipsec_policy::profile::ALL;
use ipsec_scenarios::embedded;

use crate::nat::hold;

#[test]
fn each_pair_of_releases_agrees_on_what_the_documents_say() {
    hold("profile-windows-*");
    hold("profile-rfc-*");
}

#[test]
fn releases_that_insist_on_their_strongest_group_meet_only_their_like() {
    hold("profile-strongest-*");
}

#[test]
fn idle_time_is_counted_as_each_release_counts() {
    hold("profile-idle-*");
    hold("profile-traffic-*");
}

#[test]
fn cookies_are_asked_for_and_given_where_the_release_can() {
    hold("profile-dos-protection-*");
}

#[test]
fn methods_are_taken_in_order_or_missed_for_the_right_reason() {
    hold("methods-*");
}

/// 36 pairs of six profiles, twice.
#[test]
fn every_pair_is_there() {
    let names = embedded::matching("profile");
    for a in ALL {
        for b in ALL {
            for name in [format!("profile-{a}-{b}"), format!("profile-strongest-{a}-{b}")] {
                assert!(names.contains(&name.as_str()), "{name}");
            }
        }
    }
    let others = ["profile-idle-", "profile-traffic-", "profile-dos-protection-"];
    assert_eq!(names.iter().filter(|n| !others.iter().any(|other| n.starts_with(other))).count(), 72);
}
