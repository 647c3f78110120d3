//! `ipseclab ctl`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use ipsec_adapters::control::{Counters, PairReport, Report, Request, SaReport, Sas, Status, ask};

use crate::exit::{Error, print};
use crate::run::json;

/// Options of `ipseclab ctl`.
#[derive(Debug, Args)]
pub(crate) struct CtlArgs {
    /// The control socket of the node.
    #[arg(long, value_name = "PATH", default_value = "/run/ipseclab/control")]
    socket: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// What the node is and does.
    Status,
    /// Its security associations.
    Sas,
    /// What it counted.
    Counters,
    /// Negotiate for a rule, without waiting for traffic.
    Initiate {
        /// Name of the rule.
        rule: String,
    },
    /// Negotiate the successor of a pair of SAs.
    Rekey {
        /// Its number, as `sas` shows it.
        pair: u64,
    },
    /// Begin a new phase 1 in place of an ISAKMP SA, which ends when that is established.
    Renew {
        /// Its initiator cookie, as `sas` shows it.
        isakmp: String,
    },
    /// Delete a pair of SAs and tell the peer.
    Delete {
        /// Its number, as `sas` shows it.
        pair: u64,
    },
    /// Read the configuration again; SAs that it still allows stay.
    Reload,
}

pub(crate) fn ctl(args: &CtlArgs) -> Result<bool, Error> {
    let request = match &args.order {
        Order::Status => Request::Status,
        Order::Sas => Request::Sas,
        Order::Counters => Request::Counters,
        Order::Initiate { rule } => Request::Initiate { rule: rule.clone() },
        Order::Rekey { pair } => Request::Rekey { pair: *pair },
        Order::Renew { isakmp } => Request::Renew { isakmp: isakmp.clone() },
        Order::Delete { pair } => Request::Delete { pair: *pair },
        Order::Reload => Request::Reload,
    };
    let answer = ask(&args.socket, &request).map_err(|e| {
        Error::Environment(format!(
            "{}: {e}; is a node running, and are you allowed to?",
            args.socket.display()
        ))
    })?;
    if args.json {
        print(&json(&answer)?)?;
    } else if let Some(why) = &answer.error {
        eprintln!("ipseclab: {why}");
    } else if let Some(report) = answer.report.clone().and_then(|r| serde_json::from_value(r).ok()) {
        print(&match report {
            Report::Status(status) => status_text(&status),
            Report::Sas(sas) => sas_text(&sas),
            Report::Counters(counters) => counters_text(&counters),
        })?;
    }
    Ok(answer.ok)
}

fn status_text(status: &Status) -> String {
    let Status { version, process, uptime_seconds, outside, tun, rules, isakmp_sas, pairs, waiting } = status;
    let (outside, tun) = (outside.join(", "), tun.as_deref().unwrap_or("none"));
    format!(
        "ipseclab {version}, process {process}, up {uptime_seconds} s\noutside: {outside}; TUN device: {tun}\n\
         {isakmp_sas} ISAKMP SAs, {pairs} pairs of IPsec SAs, {waiting} packets waiting\nrules: {}\n",
        rules.join(", ")
    )
}

fn sas_text(sas: &Sas) -> String {
    let mut text = String::new();
    for sa in &sas.isakmp {
        let role = if sa.initiator { "initiator" } else { "responder" };
        text += &format!("ISAKMP SA {} {}: {} -> {}, ", sa.cky_i, sa.cky_r, sa.local, sa.peer);
        text += &format!(
            "{} as {role}, {}, {} of {} s\n",
            sa.exchange, sa.proposal, sa.age_seconds, sa.lifetime_seconds
        );
    }
    for pair in &sas.pairs {
        text += &pair_text(pair);
    }
    if text.is_empty() { "no SAs\n".to_owned() } else { text }
}

fn pair_text(pair: &PairReport) -> String {
    let udp = pair.udp.map_or(String::new(), |(local, peer)| format!(", in UDP {local} -> {peer}"));
    let replaced = if pair.replaced { ", replaced" } else { "" };
    let PairReport { pair: number, rule, local, peer, mode, selector, expires_seconds, .. } = pair;
    let mut text = format!(
        "pair {number} `{rule}`: {local} -> {peer}, {mode}{udp}{replaced}, {expires_seconds} s left\n"
    );
    text += &format!("  {selector}\n");
    for (way, sas) in [("in ", &pair.inbound), ("out", &pair.outbound)] {
        for SaReport { spi, suite, packets, octets, .. } in sas {
            text += &format!("  {way} {spi} {suite}: {packets} packets, {octets} octets\n");
        }
    }
    text
}

fn counters_text(counters: &Counters) -> String {
    let t = counters.traffic;
    let mut text = format!(
        "packets: {} from applications, {} to them, {} received, {} sent\n",
        t.from_tun, t.to_tun, t.received, t.sent
    );
    for rule in &counters.rules {
        text += &format!("rule `{}`: {} packets\n", rule.rule, rule.packets);
    }
    for (reason, packets) in &counters.drops {
        text += &format!("dropped, {reason}: {packets}\n");
    }
    text
}
