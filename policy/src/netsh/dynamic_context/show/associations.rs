//! `show mmsas` and `show qmsas`: the security associations of a running computer, in lists or in tables of 80 columns.

use core::fmt::Write as _;
use core::net::{IpAddr, SocketAddr};

use ipsec_core::ike::IsakmpView;

use super::names::Names;
use crate::filter::{Address, Filter, protocol_name};
use crate::live::{Live, LivePair, LiveSoft, proposal};
use crate::netsh::command::Object;
use crate::netsh::command::bind::Bound;
use crate::netsh::static_context::show::line;
use crate::netsh::static_context::show::table::{Columns, table};

const MAIN_MODES: Columns =
    &[("Source", 21), ("Destination", 21), ("Role", 9), ("Method", 11), ("Seconds", 7), ("QMs", 6)];
const QUICK_MODES: Columns =
    &[("Source", 15), ("Destination", 15), ("Protocol", 8), ("Mode", 13), ("Security Method", 25)];

/// Those between the wanted addresses and for the wanted protocol. `show all` has no such tags, and narrows nothing.
pub(super) fn show(live: &Live, bound: &Bound, wanted: &Filter, names: &Names<'_>, out: &mut String) {
    let (what, tables) = (bound.command.object, bound.word("format") == Some("table"));
    let between = |local, peer| {
        (bound.get("srcaddr").is_none() || holds(&wanted.source, local))
            && (bound.get("dstaddr").is_none() || holds(&wanted.destination, peer))
    };
    if matches!(what, Object::All | Object::MmSas) {
        let sas: Vec<_> = live.main_modes.iter().filter(|m| between(m.local.ip(), m.peer.ip())).collect();
        let _ = writeln!(out, "IKE Main Mode SAs: {}\n", sas.len());
        if tables && !sas.is_empty() {
            table(out, MAIN_MODES, sas.iter().map(|sa| main_mode_row(sa, live)), false);
        } else {
            sas.iter().for_each(|sa| main_mode(sa, live, names, out));
        }
    }
    if matches!(what, Object::All | Object::QmSas) {
        let of = |p: &LivePair| bound.get("protocol").is_none() || p.selector.protocol == wanted.protocol;
        let fits = |p: &&LivePair| between(p.local, p.peer) && of(p);
        let sas: Vec<_> = live.quick_modes.iter().filter(fits).collect();
        let soft: Vec<_> = live.soft.iter().filter(|s| between(s.local, s.peer)).collect();
        let _ = writeln!(out, "Quick Mode SAs: {}\n", sas.len());
        if tables && sas.len() + soft.len() > 0 {
            let rows = sas.iter().map(|sa| quick_mode_row(sa)).chain(soft.iter().map(|sa| soft_row(sa)));
            return table(out, QUICK_MODES, rows, false);
        }
        sas.iter().for_each(|sa| quick_mode(sa, names, out));
        soft.iter().for_each(|sa| soft_association(sa, names, out));
    }
}

fn holds(wanted: &Address, side: IpAddr) -> bool {
    match wanted {
        Address::Me | Address::Any => true,
        Address::Subnet(net) => net.contains(&side),
        Address::Name(_, addresses) => addresses.contains(&side),
        Address::Range(first, last) => (first..=last).contains(&&side),
        Address::Server(_) => false,
    }
}

fn main_mode(sa: &IsakmpView, live: &Live, names: &Names<'_>, out: &mut String) {
    let end = |end: SocketAddr| format!("{}, port {}", names.beside(&end.ip().to_string()), end.port());
    line(out, "Source Address", end(sa.local));
    line(out, "Destination Address", end(sa.peer));
    line(out, "Cookies", format_args!("{}:{}", sa.cky_i, sa.cky_r));
    line(out, "Role", role(sa));
    line(out, "Security Method", proposal(&sa.proposal));
    line(out, "Seconds Left", seconds_left(sa, live));
    line(out, "Quick Modes", sa.quick_modes);
    out.push('\n');
}

fn role(sa: &IsakmpView) -> &'static str {
    if sa.initiator { "Initiator" } else { "Responder" }
}

fn seconds_left(sa: &IsakmpView, live: &Live) -> u64 {
    sa.expires.saturating_since(live.now).as_secs()
}

fn main_mode_row(sa: &IsakmpView, live: &Live) -> Vec<String> {
    vec![
        sa.local.to_string(),
        sa.peer.to_string(),
        role(sa).to_owned(),
        proposal(&sa.proposal),
        seconds_left(sa, live).to_string(),
        sa.quick_modes.to_string(),
    ]
}

fn quick_mode(sa: &LivePair, names: &Names<'_>, out: &mut String) {
    line(out, "Source Address", names.beside(&sa.local.to_string()));
    line(out, "Destination Address", names.beside(&sa.peer.to_string()));
    line(out, "Rule", &sa.filter);
    line(out, "Traffic", &sa.selector);
    let udp = if sa.in_udp { ", in UDP" } else { "" };
    line(out, "Encapsulation", format_args!("{}{udp}", if sa.transport { "Transport" } else { "Tunnel" }));
    line(out, "Security Method", &sa.method);
    let spis = |spis: &[u32]| spis.iter().map(|s| format!("{s:#010x}")).collect::<Vec<_>>().join(" ");
    line(out, "Inbound SPI", spis(&sa.inbound_spis));
    line(out, "Outbound SPI", spis(&sa.outbound_spis));
    line(out, "Seconds Left", sa.seconds_left);
    line(out, "Bytes Received", sa.octets.0);
    line(out, "Bytes Sent", sa.octets.1);
    out.push('\n');
}

fn quick_mode_row(sa: &LivePair) -> Vec<String> {
    let udp = if sa.in_udp { " UDP" } else { "" };
    vec![
        sa.local.to_string(),
        sa.peer.to_string(),
        protocol_name(sa.selector.protocol),
        format!("{}{udp}", if sa.transport { "Transport" } else { "Tunnel" }),
        sa.method.clone(),
    ]
}

/// "Soft SAs": their security is "None" (KB 234580).
fn soft_association(soft: &LiveSoft, names: &Names<'_>, out: &mut String) {
    line(out, "Source Address", names.beside(&soft.local.to_string()));
    line(out, "Destination Address", names.beside(&soft.peer.to_string()));
    line(out, "Rule", &soft.filter);
    line(out, "Encapsulation", "Soft Association");
    line(out, "Security Method", "None");
    line(out, "Seconds Left", soft.seconds_left);
    out.push('\n');
}

fn soft_row(soft: &LiveSoft) -> Vec<String> {
    let ends = [soft.local.to_string(), soft.peer.to_string()].into_iter();
    ends.chain([protocol_name(None), "Soft".to_owned(), "None".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_fit_the_screen() {
        for columns in [MAIN_MODES, QUICK_MODES] {
            let width: usize = columns.iter().map(|(_, w)| w + 1).sum::<usize>() - 1;
            assert!(width <= 80, "{columns:?}: {width}");
        }
        let longest = "AH[SHA1]+ESP[3DES,SHA1]";
        assert!(QUICK_MODES.iter().any(|(title, w)| *title == "Security Method" && longest.len() <= *w));
    }
}
