//! A profile as rows of text: what `ipseclab profile` prints.

use core::fmt::{self, Display, Write as _};

use ipsec_core::config::{
    DosProtection, IdleTimeout, LaterFragments, NatOaHabit, NatTraversal, ReliableDelete, ResponderBehindNat,
    TunnelEgress, VendorIdRole, VendorIdWhen,
};

use super::{Profile, VendorId};
use crate::defaults::{Confidence, Defaulted};
use crate::exempt::ExemptLevel;

/// One value of a profile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// What it is, in the words of [`Profile`]'s fields.
    pub name: &'static str,
    /// The value, for people.
    pub value: String,
    /// How sure we are.
    pub confidence: Confidence,
    /// Where it comes from.
    pub source: &'static str,
}

impl Profile {
    /// All its values, in the order of the table.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = vec![self.vendor_ids.row("vendor-ids", |ids| count(ids.len(), "vendor ID"))];
        rows.extend(self.vendor_ids.value.iter().map(vendor_id));
        let can = self.announces();
        let nat_t = match (can.nat_t_draft_02, can.nat_t_rfc3947) {
            (false, false) => "none",
            (true, false) => "draft-ietf-ipsec-nat-t-ike-02",
            (false, true) => "RFC 3947",
            (true, true) => "RFC 3947, draft-ietf-ipsec-nat-t-ike-02",
        };
        let announced = |name, value: String| Row {
            name,
            value,
            confidence: Confidence::Confirmed,
            source: "by its vendor IDs",
        };
        rows.push(announced("nat-traversal", nat_t.to_owned()));
        if can.nat_t_draft_02 || can.nat_t_rfc3947 {
            rows.push(self.nat_traversal.row("nat-traversal-habits", nat_traversal));
        }
        rows.push(announced("fragmentation", yes(&can.fragmentation)));
        rows.extend([
            self.main_mode_methods.row("main-mode-methods", |all| list(all)),
            self.groups.row("groups", |all| {
                let ids: Vec<String> = all.iter().map(|g| g.oakley_group().to_string()).collect();
                ids.join(", ")
            }),
            self.ciphers.row("ciphers", |all| list(all)),
            self.hashes.row("hashes", |all| list(all)),
            self.initiator_gaps.row("initiator-gaps", |gaps| format!("{} s", list(gaps))),
            self.soft_trial.row("soft-trial", |(gaps, wait)| format!("{} s, then {wait} s", list(gaps))),
            self.responder_gaps.row("responder-gaps", |gaps| match gaps {
                Some(gaps) => format!("{} s", list(gaps)),
                None => "only answers".to_owned(),
            }),
            self.last_wait.row("last-wait", |s| format!("{s} s")),
            self.main_mode_minutes.row("main-mode-minutes", ToString::to_string),
            self.quick_mode_seconds.row("quick-mode-seconds", ToString::to_string),
            self.quick_mode_kilobytes
                .row("quick-mode-kilobytes", |k| k.map_or("unlimited".to_owned(), |k| k.to_string())),
            self.unset_lifetimes_absent.row("unset-lifetimes-absent", yes),
            self.isakmp_lifetime_notice.row("isakmp-lifetime-notice", yes),
            self.exempt.row("exempt", exempt),
            self.exempt_levels.row("exempt-levels", |levels| {
                let numbers: Vec<String> = levels.iter().map(|level| level.number().to_string()).collect();
                numbers.join(", ")
            }),
            self.server_keywords.row("server-keywords", yes),
            self.start_up_modes.row("start-up-modes", yes),
            self.blocks_without_service.row("blocks-without-service", yes),
            self.reliable_delete.row("reliable-delete", |how| {
                match how {
                    ReliableDelete::Off => "no",
                    ReliableDelete::Answered => "answered, without nonces and timer",
                    ReliableDelete::Repeated => "answered, with nonces, repeated until it is",
                }
                .to_owned()
            }),
            self.commit_bit.row("commit-bit", yes),
            self.replay_status.row("replay-status", yes),
            self.spent_sas_stay.row("spent-sas-stay", yes),
            self.idle.row("idle", idle),
            self.idle_bug.row("idle-bug", yes),
            self.dos_protection.row("dos-protection", dos_protection),
            self.fast_failover.row("fast-failover", yes),
            self.aggressive_mode.row("aggressive-mode", yes),
            self.dead_peer_detection.row("dead-peer-detection", yes),
            self.rechecks_selectors.row("rechecks-selectors", yes),
            self.checks_outer_source.row("checks-outer-source", yes),
            self.later_fragments.row("later-fragments", |what| {
                match what {
                    LaterFragments::Stop => "dropped where ports are asked for",
                    LaterFragments::FallThrough => "left to the next filter",
                }
                .to_owned()
            }),
            self.tunnel_egress.row("tunnel-egress", |by| {
                match by {
                    TunnelEgress::OuterRoute => "by the route to the endpoint",
                    TunnelEgress::InnerRoute => "by the route of what is inside",
                }
                .to_owned()
            }),
        ]);
        rows
    }
}

impl<T> Defaulted<T> {
    fn row(&self, name: &'static str, show: impl Fn(&T) -> String) -> Row {
        Row { name, value: show(&self.value), confidence: self.confidence, source: self.source }
    }
}

impl Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Confirmed => "confirmed",
            Self::Inferred => "inferred",
            Self::Unconfirmed => "unconfirmed",
        })
    }
}

fn vendor_id(id: &VendorId) -> Row {
    let mut value = String::new();
    for octet in id.body() {
        let _ = write!(value, "{octet:02x}");
    }
    let _ = write!(value, " {:?}", id.text);
    if let Some(version) = id.version {
        let _ = write!(value, " version {version}");
    }
    value += match id.role {
        VendorIdRole::Both => "",
        VendorIdRole::Initiator => ", as initiator",
        VendorIdRole::Responder => ", as responder",
        VendorIdRole::Echo => ", as responder only in answer to the same",
    };
    value += match id.when {
        VendorIdWhen::Always => "",
        VendorIdWhen::Ipv4 => ", to IPv4 peers",
        VendorIdWhen::NoIsakmpSa => ", without an ISAKMP SA to the peer",
    };
    Row { name: "vendor-id", value, confidence: id.confidence, source: id.source }
}

fn list<T: Display>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn count(n: usize, what: &str) -> String {
    match n {
        0 => "none".to_owned(),
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

fn yes(value: &bool) -> String {
    if *value { "yes" } else { "no" }.to_owned()
}

fn nat_traversal(habits: &NatTraversal) -> String {
    let keepalive = match habits.keepalive {
        Some(after) => format!("keepalives after {} s", after.as_millis() / 1000),
        None => "no keepalives".to_owned(),
    };
    let responder = match habits.responder_behind_nat {
        ResponderBehindNat::Never => "no responder behind a NAT",
        ResponderBehindNat::UnlessBoth => "a responder behind a NAT if the initiator is not",
        ResponderBehindNat::Allowed => "responders behind NATs",
    };
    let addresses = match habits.original_addresses {
        NatOaHabit::InTransportMode => "NAT-OA in transport mode",
        NatOaHabit::BehindNat => "NAT-OA from whoever is behind a NAT",
    };
    format!("{keepalive}, {responder}, {addresses}")
}

fn exempt(level: &ExemptLevel) -> String {
    list(level.exemptions())
}

fn idle(idle: &Option<IdleTimeout>) -> String {
    let Some(IdleTimeout { after, in_cluster, ignores_traffic }) = idle else { return "never".to_owned() };
    let seconds = |d: &ipsec_core::time::Duration| d.as_millis() / 1000;
    let quirk = if *ignores_traffic { ", whatever they carry" } else { "" };
    format!("{} s, with members of a cluster {} s{quirk}", seconds(after), seconds(in_cluster))
}

fn dos_protection(mode: &Option<DosProtection>) -> String {
    match mode {
        None => "none".to_owned(),
        Some(DosProtection { above: None, .. }) => "off; at once when switched on".to_owned(),
        Some(DosProtection { above: Some(n), below, .. }) => {
            format!("above {n}, until below {below} half-open")
        }
    }
}
