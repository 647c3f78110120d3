//! The kernel guard: nftables rules that say what policy says, and that outlive the process.
//!
//! The TUN device and its routes end with the process. What was to be protected would then take the ordinary route, in clear.
//! The guard sees every packet that crosses an interface of the unprotected side without having passed the node, and drops
//! what policy wants protected or blocked, in both directions. It is in place before the first packet is read, is replaced
//! in one transaction when policy changes or the node starts again, and stays when the node is killed.
//!
//! Two of its answers are coarser than the core's. Where policy accepts unsecured packets from a peer while a soft association
//! lasts, the guard always does. And it cannot tell types of ICMP from each other, so it drops all of the pair's ICMP where
//! policy protects some.

use std::fmt::Write as _;
use std::net::IpAddr;

use ipsec_core::interface::ConnectionKind;
use ipsec_core::ip::protocol;
use ipsec_core::selector::{AddressRange, PortRange, Selector};
use ipsec_core::spd::{Action, Door, Spd, SpdEntry};

use crate::error::OpenError;
use crate::mark::Mark;
use crate::system;

/// The guard of one node.
#[derive(Clone, Debug)]
pub struct Guard {
    table: String,
    outside: Vec<String>,
    mark: Mark,
}

impl Guard {
    /// A guard for these interfaces of the unprotected side; `device` gives it its name. Nothing is installed yet.
    pub fn new(device: &str, outside: Vec<String>, mark: Mark) -> Guard {
        let safe: String = device.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        Guard { table: format!("ipseclab_{safe}"), outside, mark }
    }

    /// Installs it, or replaces the one there is, in one transaction.
    ///
    /// # Errors
    /// When `nft` is missing or refuses.
    pub fn install(&self, spd: &Spd) -> Result<(), OpenError> {
        system::run("nft", "nftables", &["-f", "-"], &self.script(spd))
    }

    /// Removes it: from now on, packets that policy wants protected may leave in clear.
    ///
    /// # Errors
    /// When `nft` is missing or refuses.
    pub fn remove(&self) -> Result<(), OpenError> {
        let table = &self.table;
        system::run(
            "nft",
            "nftables",
            &["-f", "-"],
            &format!("table inet {table}\ndelete table inet {table}\n"),
        )
    }

    /// The rules, as `nft -f` reads them.
    pub fn script(&self, spd: &Spd) -> String {
        let (table, Mark(mark)) = (&self.table, self.mark);
        let outside: Vec<String> = self.outside.iter().map(|name| format!("\"{name}\"")).collect();
        let outside = outside.join(", ");
        let inbound = rules(spd, Door::Inbound);
        let outbound = rules(spd, Door::Outbound);
        format!(
            "table inet {table}\n\
             delete table inet {table}\n\
             table inet {table} {{\n\
             chain arriving {{\n\
             iifname != {{ {outside} }} accept\n\
             meta l4proto {{ esp, ah }} fib daddr type local accept\n\
             udp dport {{ 500, 4500 }} fib daddr type local accept\n\
             {NEIGHBOURS}\
             {inbound}\
             counter drop\n\
             }}\n\
             chain leaving {{\n\
             type filter hook postrouting priority mangle; policy accept;\n\
             oifname != {{ {outside} }} accept\n\
             meta mark {mark} accept\n\
             {NEIGHBOURS}\
             {outbound}\
             counter drop\n\
             }}\n\
             chain to_us {{\n\
             type filter hook input priority mangle; policy accept;\n\
             jump arriving\n\
             }}\n\
             chain through_us {{\n\
             type filter hook forward priority mangle; policy accept;\n\
             jump arriving\n\
             }}\n\
             }}\n"
        )
    }
}

/// Without neighbour and router discovery there is no IPv6 (RFC 4301 section 4.4.1 leaves such bypasses to policy).
const NEIGHBOURS: &str = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert } \
ip6 hoplimit 255 accept\n";

fn rules(spd: &Spd, door: Door) -> String {
    let mut script = String::new();
    for entry in spd.entries() {
        let counts = match door {
            Door::Inbound => entry.direction.inbound(),
            Door::Outbound => entry.direction.outbound(),
        };
        if counts && entry.connection.is_none_or(|kind| kind == ConnectionKind::Lan) {
            entry_rules(&mut script, entry, door);
        }
    }
    script
}

fn entry_rules(script: &mut String, entry: &SpdEntry, door: Door) {
    let verdict = match &entry.action {
        Action::Bypass => "accept",
        Action::Protect(p) if door == Door::Inbound && (p.accept_clear_inbound || p.fallback) => "accept",
        // No live node starts up statefully.
        Action::Discard | Action::Stateful | Action::Protect(_) => "counter drop",
    };
    for v4 in [true, false] {
        let Some(addresses) = addresses(&entry.selector, door, v4) else { continue };
        let (upper, hidden) = upper(&entry.selector, door, v4);
        if verdict != "accept"
            && let Some(later_fragments) = hidden
        {
            let _ = writeln!(script, "{addresses}{later_fragments}{verdict}");
        }
        let _ = writeln!(script, "{addresses}{upper}{verdict}");
    }
}

/// Matches source and destination; `None` when the entry is not about this family.
fn addresses(selector: &Selector, door: Door, v4: bool) -> Option<String> {
    let (family, any) = if v4 { ("ip", AddressRange::ANY_V4) } else { ("ip6", AddressRange::ANY_V6) };
    let (source, destination) = match door {
        Door::Inbound => (&selector.remote, &selector.local),
        Door::Outbound => (&selector.local, &selector.remote),
    };
    let mut text = format!("meta nfproto {} ", if v4 { "ipv4" } else { "ipv6" });
    for (side, ranges) in [("saddr", source), ("daddr", destination)] {
        let ranges: Vec<&AddressRange> = ranges.iter().filter(|r| r.start.is_ipv4() == v4).collect();
        if ranges.is_empty() {
            return None;
        }
        if !ranges.contains(&&any) {
            let set: Vec<String> = ranges.iter().map(|r| range(r.start, r.end)).collect();
            let _ = write!(text, "{family} {side} {{ {} }} ", set.join(", "));
        }
    }
    Some(text)
}

fn range(start: IpAddr, end: IpAddr) -> String {
    if start == end { start.to_string() } else { format!("{start}-{end}") }
}

/// Matches protocol and ports; and, when there are ports, what of that a later fragment shows.
fn upper(selector: &Selector, door: Door, v4: bool) -> (String, Option<String>) {
    let Some(number) = selector.protocol else { return (String::new(), None) };
    let mut text = format!("meta l4proto {number} ");
    let (source, destination) = match door {
        Door::Inbound => (selector.remote_ports, selector.local_ports),
        Door::Outbound => (selector.local_ports, selector.remote_ports),
    };
    let has_ports = matches!(
        number,
        protocol::TCP | protocol::UDP | protocol::SCTP | protocol::DCCP | protocol::UDP_LITE
    );
    let fragment = if v4 { "ip frag-off & 0x1fff != 0 " } else { "exthdr frag frag-off != 0 " };
    let mut hidden = None;
    for (side, ports) in [("sport", source), ("dport", destination)] {
        if has_ports && ports != PortRange::ANY {
            hidden.get_or_insert_with(|| format!("{fragment}meta l4proto {number} "));
            let _ = write!(text, "th {side} {}-{} ", ports.start, ports.end);
        }
    }
    (text, hidden)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipsec_core::spd::{Direction, EntryId};

    #[test]
    fn the_rules_say_what_the_entries_say_in_their_order() {
        let net =
            |a: &str, len| AddressRange::from(ipsec_core::selector::Prefix::new(a.parse().unwrap(), len));
        let mut first = Selector::between(net("192.0.2.1", 32), net("10.2.0.0", 16));
        (first.protocol, first.remote_ports) = (Some(6), PortRange::single(6667));
        let entry = |id, selector, direction, action| SpdEntry {
            id: EntryId(id),
            name: String::new(),
            selector,
            direction,
            connection: None,
            action,
        };
        let spd = Spd::new(vec![
            entry(0, first, Direction::Both, Action::Discard),
            entry(1, Selector::any(), Direction::Outbound, Action::Bypass),
        ]);
        let flow = "meta nfproto ipv4 ip saddr { 192.0.2.1 } ip daddr { 10.2.0.0-10.2.255.255 } ";
        let expected = format!(
            "{flow}ip frag-off & 0x1fff != 0 meta l4proto 6 counter drop\n\
             {flow}meta l4proto 6 th dport 6667-6667 counter drop\n\
             meta nfproto ipv4 accept\n\
             meta nfproto ipv6 accept\n"
        );
        assert_eq!(rules(&spd, Door::Outbound), expected);
        let inbound = rules(&spd, Door::Inbound);
        assert!(inbound.contains("ip saddr { 10.2.0.0-10.2.255.255 } ip daddr { 192.0.2.1 }"), "{inbound}");
        assert!(inbound.contains("th sport 6667-6667"), "{inbound}");
        assert!(!inbound.contains("accept"), "{inbound}");
    }
}
