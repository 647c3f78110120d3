//! A snapshot as text and as a document.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::{Association, AssociationKind, MainMode, MonitorKind, Snapshot};
use ipsec_policy::live::Counter;

/// A snapshot as programs read it. Its fields stay what they are; new ones may come.
#[derive(Clone, Debug, Serialize)]
pub struct Document<'a> {
    schema: &'static str,
    /// Microseconds since the run began.
    at_us: u64,
    release: &'static str,
    monitor: MonitorKind,
    policy: Option<&'a str>,
    /// Where the policy comes from, when that is a domain's directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
    main_mode_sas: &'a [MainMode],
    associations: &'a [Association],
    statistics: Statistics,
}

#[derive(Clone, Debug, Serialize)]
struct Statistics {
    main_mode: BTreeMap<&'static str, u64>,
    quick_mode: BTreeMap<&'static str, u64>,
}

impl Snapshot {
    /// For programs.
    #[must_use]
    pub fn document(&self) -> Document<'_> {
        let [ike, driver] = self.kind.counters();
        let values = |list: &[(Counter, &'static str)]| {
            list.iter().map(|(counter, label)| (*label, self.counts.of(*counter))).collect()
        };
        Document {
            schema: "ipseclab-monitor/1",
            at_us: self.at.as_nanos() / 1_000,
            release: self.release.name,
            monitor: self.kind,
            policy: self.policy.as_deref(),
            domain: self.domain.as_deref(),
            // ipsecmon has no list of main modes.
            main_mode_sas: if self.kind == MonitorKind::Ipsecmon { &[] } else { &self.main_modes },
            associations: &self.associations,
            statistics: Statistics { main_mode: values(&ike), quick_mode: values(&driver) },
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        let policy = self.policy.as_deref().unwrap_or("none");
        let _ = writeln!(out, "{} at {} s ({})", self.kind.title(), self.at, self.release.title);
        let of = self.domain.as_ref().map_or(String::new(), |domain| format!(" (of the domain {domain})"));
        let _ = writeln!(out, "Active policy: {policy}{of}");
        if self.kind == MonitorKind::Ipsecmon {
            self.ipsecmon(&mut out);
        } else {
            self.snap_in(&mut out);
        }
        out
    }

    fn ipsecmon(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "\n{:24} {:22} {:20} {:16} {:16} {:8} {:>8} {:>8}",
            "Policy Name", "Security", "Filter Name", "Source", "Dest.", "Protocol", "Src Port", "Dst Port"
        );
        for a in &self.associations {
            let _ = writeln!(
                out,
                "{:24} {:22} {:20} {:16} {:16} {:8} {:>8} {:>8}",
                a.policy,
                a.security,
                a.filter,
                a.source,
                a.destination,
                a.protocol,
                a.source_port,
                a.destination_port
            );
        }
        if self.associations.is_empty() {
            let _ = writeln!(out, "(no associations)");
        }
        let [ike, driver] = self.kind.counters();
        out.push('\n');
        self.columns(out, &driver, &ike);
    }

    fn snap_in(&self, out: &mut String) {
        let _ = writeln!(out, "\nMain mode: {} security associations", self.main_modes.len());
        for sa in &self.main_modes {
            let role = if sa.initiator { "initiator" } else { "responder" };
            let _ = writeln!(
                out,
                "  {} with {}: {}, {role}, {} s left, {} quick modes",
                sa.me, sa.peer, sa.security, sa.seconds_left, sa.quick_modes
            );
        }
        let soft = self.associations.iter().filter(|a| a.kind == AssociationKind::Soft).count();
        let _ = writeln!(out, "\nQuick mode: {} security associations", self.associations.len() - soft);
        for a in self.associations.iter().filter(|a| a.kind != AssociationKind::Soft) {
            association(out, a);
        }
        let _ = writeln!(out, "\nSoft associations: {soft}");
        for a in self.associations.iter().filter(|a| a.kind == AssociationKind::Soft) {
            let _ = writeln!(
                out,
                "  {}: {} -> {}, security None, {} s left",
                a.filter, a.source, a.destination, a.seconds_left
            );
        }
        let [ike, driver] = self.kind.counters();
        let _ = writeln!(out, "\n{:43} Quick mode statistics", "Main mode statistics");
        self.columns(out, &ike, &driver);
    }

    /// Two lists of counters beside each other.
    fn columns(&self, out: &mut String, left: &[(Counter, &str)], right: &[(Counter, &str)]) {
        let cell = |list: &[(Counter, &str)], row: usize| match list.get(row) {
            Some((counter, label)) => format!("{label:31} {:>9}", self.counts.of(*counter)),
            None => String::new(),
        };
        for row in 0..left.len().max(right.len()) {
            let line = format!("{:41}   {}", cell(left, row), cell(right, row));
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
}

fn association(out: &mut String, a: &Association) {
    let _ = writeln!(out, "  {}: {} -> {}, {}", a.filter, ends(a).0, ends(a).1, a.protocol);
    let mode = match (a.my_tunnel_endpoint, a.peer_tunnel_endpoint) {
        (Some(me), Some(peer)) => format!("tunnel {me} to {peer}"),
        _ => "transport".to_owned(),
    };
    let udp = if a.in_udp { ", in UDP" } else { "" };
    // A dynamic rule is of no policy.
    let policy = if a.policy.is_empty() { String::new() } else { format!(", policy '{}'", a.policy) };
    let _ = writeln!(out, "    {} {mode}{udp}{policy}", a.security);
    let spis = |all: &[u32]| all.iter().map(|spi| format!("{spi:#010x}")).collect::<Vec<_>>().join("+");
    let _ = writeln!(
        out,
        "    SPI in {} out {}; {} s left; {} bytes in, {} out",
        spis(&a.inbound_spis),
        spis(&a.outbound_spis),
        a.seconds_left,
        a.bytes_received,
        a.bytes_sent
    );
}

/// Both sides with their ports.
fn ends(a: &Association) -> (String, String) {
    let side = |address: &str, port: u16| {
        if port == 0 { address.to_owned() } else { format!("{address}:{port}") }
    };
    (side(&a.source, a.source_port), side(&a.destination, a.destination_port))
}
