//! Words that people know from elsewhere: from later releases of Windows, from `netsh advfirewall`, from other tools. This
//! command refuses them, as Windows Server 2003 does; the error says where they belong.

use std::net::IpAddr;

use super::{Kind, Mode};

/// Tags of `netsh advfirewall` and `netsh firewall`, in part.
const OF_ADVFIREWALL: &[&str] = &[
    "auth1",
    "auth2",
    "dir",
    "endpoint1",
    "endpoint2",
    "interfacetype",
    "localip",
    "localport",
    "port1",
    "port2",
    "profile",
    "program",
    "qmsecmethod",
    "remoteip",
    "remoteport",
    "security",
];

/// Protocols that have numbers only (IANA, Protocol Numbers).
const NUMBERS: &[(&str, u8)] = &[
    ("igmp", 2),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmpv6", 58),
    ("ospf", 89),
    ("l2tp", 115),
    ("sctp", 132),
];

/// What to say about a value beside what was expected.
pub(super) fn of_value(kind: Kind, text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let lists = |c: char| matches!(c, ',' | '-');
    match kind {
        Kind::QmMethods | Kind::MmMethods if lower.contains("aes") => {
            Some("AES came with Windows Vista and Server 2008".to_owned())
        }
        Kind::QmMethods | Kind::MmMethods if lower.contains("sha256") || lower.contains("sha384") => {
            Some("SHA-2 is of `netsh advfirewall`, Windows Vista and later".to_owned())
        }
        Kind::QmMethods if lower.contains("dh") || lower.contains("pfs") => {
            Some("perfect forward secrecy is the tag qmpfs=".to_owned())
        }
        Kind::MmMethods if lower.contains("-14") => {
            Some("the group of 2048 bits, 14, is written 3".to_owned())
        }
        Kind::MmMethods if lower.contains("dhgroup") || lower.contains("ecdh") => {
            Some("this form is of `netsh advfirewall`, Windows Vista and later".to_owned())
        }
        Kind::QmMethods | Kind::MmMethods if lower.starts_with('(') => {
            Some("without round brackets".to_owned())
        }
        Kind::Protocol => {
            let number = NUMBERS.iter().find(|(name, _)| *name == lower)?.1;
            Some(format!("{text} has the number {number}"))
        }
        Kind::Port if lower.contains(lists) && lower.chars().all(|c| c.is_ascii_digit() || lists(c)) => {
            Some("one port a filter, each other one needs its own".to_owned())
        }
        Kind::Port if lower.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            Some("services have no names here".to_owned())
        }
        Kind::Address if lower.contains(',') => {
            Some("one address a filter, each other one needs its own".to_owned())
        }
        Kind::Address if lower.split_once('/').is_some_and(|(a, _)| a.parse::<IpAddr>().is_ok()) => {
            Some("a mask goes into srcmask= or dstmask=".to_owned())
        }
        _ => None,
    }
}

/// What to say about a tag that the command does not have.
pub(super) fn of_tag(mode: Mode, text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    if OF_ADVFIREWALL.contains(&lower.as_str()) {
        return Some("that one is of `netsh advfirewall`, Windows Vista and later");
    }
    if lower.starts_with(['/', '-', '\u{2013}', '\u{2014}']) {
        return Some("tags are written without a sign in front");
    }
    match (mode, lower.as_str()) {
        (Mode::Static, "tunneldst" | "tunneldstaddress") => Some("in dynamic mode only; here it is tunnel="),
        (Mode::Dynamic, "tunnel" | "filterlist" | "filteraction" | "policy") => Some("in static mode only"),
        (Mode::Static, "mmpolicy" | "qmpolicy" | "actioninbound" | "actionoutbound") => {
            Some("in dynamic mode only")
        }
        _ => None,
    }
}
