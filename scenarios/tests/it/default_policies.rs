//! The default policies with each other, in the articles' words, against the family `matrix-…`, which runs.
//!
//! The policies are the predefined ones as `restorepolicyexamples` makes them, with a preshared key in place of Kerberos, which
//! needs a domain controller.

use ipsec_scenarios::embedded;
use ipsec_scenarios::twin::Outcome;

use crate::nat::hold;

/// What the articles know of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// Nobody asks for security.
    Clear,
    /// Somebody asks in vain and goes on without.
    Soft,
    /// It is protected.
    Secured,
    /// It does not come about.
    Refused,
}
use Word::{Clear, Refused, Secured, Soft};

/// Rows begin, columns are asked. "Implement IPSec" (002) and "Windows Server 2003 IPSec Concepts" (001) say:
///
/// * without a policy: policies define what happens "once assigned" (002);
/// * Client (Respond Only): "will allow and provide for an IPSec connection if a client system requests it. All other
///   connections will be allowed without IPSec" (002);
/// * Server (Request Security): "will ask all incoming client connections to use IPSec. If the client is able to use IPSec,
///   then it does precisely that. If the client is not able to use IPSec, … then the connection is till permitted to
///   continue, though obviously without the security provided by IPSec" (002);
/// * Secure Server (Require Security): "all incoming requests to the server must be able to use IPSec encryption. If they
///   cannot, then that connection is refused" (002);
/// * a computer without IPsec: "the enforcement of IPSec-secured communications denies them access to resources" (001).
const TCP: [(&str, [Word; 5]); 5] = [
    //            none     client   server   secure   no-ipsec
    ("none", [Clear, Clear, Soft, Refused, Clear]),
    ("client", [Clear, Clear, Secured, Secured, Clear]),
    ("server", [Soft, Secured, Secured, Secured, Soft]),
    ("secure", [Refused, Secured, Secured, Secured, Refused]),
    ("no-ipsec", [Clear, Clear, Soft, Refused, Clear]),
];

fn word(outcome: Outcome) -> Word {
    match outcome {
        Outcome::Clear => Clear,
        Outcome::Soft => Soft,
        // "Accept unsecured communication, but always respond using IPSec": the first packet of Client is clear.
        Outcome::Protected | Outcome::FirstClear => Secured,
        // The first packet may arrive, for the same reason; an answer never comes.
        Outcome::OneWay | Outcome::NoSa | Outcome::Refused | Outcome::Unreachable => Refused,
    }
}

fn expected(name: &str) -> Word {
    let scenario = embedded::scenario(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    word(scenario.expected.unwrap_or_else(|| panic!("{name} is of no family")).outcome)
}

#[test]
fn the_family_expects_what_the_articles_say() {
    for (alice, row) in TCP {
        for ((bob, _), wanted) in TCP.iter().zip(row) {
            assert_eq!(expected(&format!("matrix-{alice}-{bob}-tcp")), wanted, "{alice} with {bob}");
            // "The only exception … is that ICMP traffic is allowed to connect without encryption" (002).
            assert_eq!(expected(&format!("matrix-{alice}-{bob}-icmp")), Clear, "{alice} with {bob}");
        }
    }
    assert_eq!(embedded::matching("matrix-*").len(), 50);
}

#[test]
fn tcp_of_every_policy_with_every_other() {
    hold("matrix-*-tcp");
}

#[test]
fn icmp_of_every_policy_with_every_other() {
    hold("matrix-*-icmp");
}
