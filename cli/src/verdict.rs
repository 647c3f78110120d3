//! `ipseclab verdict`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ipsec_scenarios::value::Net;
use ipsec_sim::verdict::{Between, Findings, Flow, Pair, Verdict, read};
use serde_json::{Value, json};

use crate::exit::{Error, print};
use crate::run::json as pretty;

/// How many flows of a pair are printed for people.
const SHOWN: usize = 5;

/// Options of `ipseclab verdict`.
#[derive(Debug, Args)]
pub(crate) struct VerdictArgs {
    /// A capture, pcap or pcapng, of any program.
    file: PathBuf,
    /// Judge only packets between these two: addresses, or networks as in 10.1.0.0/16.
    #[arg(long, num_args = 2, value_names = ["A", "B"], value_parser = net)]
    between: Vec<Net>,
    /// Exit with 0 if this is the verdict, else with 1: nothing, esp, ah, esp-null, ike-only, partly-clear or clear. Without
    /// it: 0 if there was traffic, all of it could be judged, and all of it was protected.
    #[arg(long, value_name = "VERDICT", value_parser = named)]
    expect: Option<Verdict>,
    /// What to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

fn net(text: &str) -> Result<Net, String> {
    match text.parse::<IpAddr>() {
        Ok(address) => format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 }).parse(),
        Err(_) => text.parse(),
    }
}

fn named(text: &str) -> Result<Verdict, String> {
    let names = Verdict::ALL.map(Verdict::name).join(", ");
    let found = Verdict::ALL.into_iter().find(|v| v.name() == text);
    found.ok_or_else(|| format!("`{text}` is none of {names}"))
}

pub(crate) fn verdict(args: &VerdictArgs) -> Result<bool, Error> {
    let name = args.file.display().to_string();
    let bytes = std::fs::read(&args.file).map_err(|e| Error::file(&args.file, &e))?;
    let mut findings = read(&bytes).map_err(|e| Error::usage(format!("{name}: {e}")))?;
    if let [a, b] = args.between.as_slice() {
        let joins = |x: IpAddr, y: IpAddr| a.0.contains(x) && b.0.contains(y);
        findings = findings.only(|(low, high)| joins(*low, *high) || joins(*high, *low));
    }
    match args.format {
        Format::Text => print(&text(&name, &findings))?,
        Format::Json => print(&pretty(&document(&name, &findings))?)?,
    }
    let found = findings.verdict();
    Ok(args.expect.map_or(found.is_protected() && findings.is_whole(), |wanted| wanted == found))
}

fn text(name: &str, findings: &Findings) -> String {
    let mut out = format!("{name}: {}", count(findings.frames, "frame"));
    let more = [
        (findings.not_ip, "not IP"),
        (findings.malformed, "malformed"),
        (findings.not_understood, "not understood"),
    ];
    for (n, what) in more.into_iter().filter(|(n, _)| *n > 0) {
        let _ = write!(out, ", {n} {what}");
    }
    out.push('\n');
    for note in &findings.notes {
        let _ = writeln!(out, "  note: {note}");
    }
    for (pair, between) in &findings.pairs {
        pair_text(&mut out, pair, between);
    }
    let _ = writeln!(out, "\nVerdict: {}{}", findings.verdict(), reserve(findings));
    out
}

/// What the verdict does not cover.
fn reserve(findings: &Findings) -> String {
    match (findings.not_judged(), findings.damaged_at) {
        (0, None) => String::new(),
        (0, Some(at)) => format!(", up to octet {at}, where the capture is damaged"),
        (n, None) => format!(", but for {n} that could not be judged"),
        (n, Some(at)) => format!(", up to octet {at}, and but for {n} that could not be judged"),
    }
}

fn pair_text(out: &mut String, (low, high): &Pair, between: &Between) {
    let _ = writeln!(out, "\n{low} <-> {high}: {}", between.verdict());
    let in_udp = between.esp_in_udp;
    let esp = if in_udp > 0 { format!("ESP, {in_udp} of them in UDP") } else { "ESP".to_string() };
    let seen: Vec<String> = [
        (between.ike, "ISAKMP"),
        (between.esp, &esp),
        (between.ah, "AH"),
        (between.clear, "in clear"),
        (between.keepalives, "NAT keepalives"),
        (between.parts, "parts of datagrams that may be anything"),
        (between.neighbours, "of neighbour discovery"),
    ]
    .into_iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, what)| format!("{n} {what}"))
    .collect();
    let _ = writeln!(out, "  {}", seen.join("; "));
    if !between.spis.is_empty() {
        let spis: Vec<String> = between.spis.iter().take(8).map(|spi| format!("{spi:#010x}")).collect();
        let more = if between.spis.len() > 8 { " ..." } else { "" };
        let _ = writeln!(out, "  SPIs {}{more}", spis.join(" "));
    }
    flows(out, "readable under AH", &between.readable);
    flows(out, "readable in ESP", &between.unencrypted);
    flows(out, "in clear", &between.in_clear);
}

fn flows(out: &mut String, title: &str, flows: &BTreeMap<Flow, u64>) {
    let mut most: Vec<_> = flows.iter().collect();
    most.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
    for (flow, n) in most.iter().take(SHOWN) {
        let _ = writeln!(out, "  {title}: {n} {flow}");
    }
    if flows.len() > SHOWN {
        let _ = writeln!(out, "  {title}: {} more flows", flows.len() - SHOWN);
    }
}

fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

fn document(name: &str, findings: &Findings) -> Value {
    let flow = |(flow, packets): (&Flow, &u64)| {
        json!({
            "source": flow.source.to_string(),
            "destination": flow.destination.to_string(),
            "protocol": flow.protocol,
            "ports": flow.ports.map(|(from, to)| [from, to]),
            "packets": packets,
        })
    };
    let pair = |((low, high), between): (&Pair, &Between)| {
        json!({
            "between": [low.to_string(), high.to_string()],
            "verdict": between.verdict().name(),
            "isakmp": between.ike,
            "esp": between.esp,
            "esp_in_udp": between.esp_in_udp,
            "ah": between.ah,
            "clear": between.clear,
            "nat_keepalives": between.keepalives,
            "unknown_parts": between.parts,
            "neighbour_discovery": between.neighbours,
            "spis": between.spis.iter().map(|spi| format!("{spi:#010x}")).collect::<Vec<_>>(),
            "readable_under_ah": between.readable.iter().map(flow).collect::<Vec<_>>(),
            "readable_in_esp": between.unencrypted.iter().map(flow).collect::<Vec<_>>(),
            "in_clear": between.in_clear.iter().map(flow).collect::<Vec<_>>(),
        })
    };
    json!({
        "schema": "ipseclab-verdict/1",
        "file": name,
        "verdict": findings.verdict().name(),
        "frames": findings.frames,
        "not_ip": findings.not_ip,
        "malformed": findings.malformed,
        "not_understood": findings.not_understood,
        "not_judged": findings.not_judged(),
        "damaged_at": findings.damaged_at,
        "notes": findings.notes,
        "pairs": findings.pairs.iter().map(pair).collect::<Vec<_>>(),
    })
}
