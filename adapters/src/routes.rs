//! Routes that bring into the TUN device what policy wants protected.
//!
//! They are in a table of their own, which a rule names for all packets that do not carry the node's [mark](crate::mark):
//! the way that the node's own packets take to its peers stays as it is, even when a peer's address lies in a protected
//! network, as in transport mode it always does. The table is empty as soon as the TUN device is gone; the rule stays until
//! it is removed and harms nobody.

use std::fmt::Write as _;
use std::net::IpAddr;

use ipsec_core::interface::Interface;
use ipsec_core::selector::{AddressRange, Prefix};
use ipsec_core::spd::{Action, Spd};

use crate::error::OpenError;
use crate::mark::Mark;
use crate::system;

/// Routes into one TUN device.
#[derive(Clone, Debug)]
pub(crate) struct Routes {
    device: String,
    mark: Mark,
    installed: Vec<Wanted>,
}

/// One route: everything of `destination`, from `source` when this computer speaks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    destination: Prefix,
    source: Option<IpAddr>,
}

impl Routes {
    /// Installs the rule, and the routes that this policy asks for.
    pub(crate) fn install(
        device: &str,
        mark: Mark,
        spd: &Spd,
        own: &[Interface],
    ) -> Result<Routes, OpenError> {
        let mut routes = Routes { device: device.to_owned(), mark, installed: Vec::new() };
        routes.remove();
        let Mark(number) = mark;
        for family in families() {
            let rule = format!("rule add pref {number} not fwmark {number} lookup {number}\n");
            ip(family, &rule)?;
            // A table that was never used cannot be flushed, and need not be.
            let _ = ip(family, &format!("route flush table {number}\n"));
        }
        routes.update(spd, own)?;
        Ok(routes)
    }

    /// Changes the routes to those that this policy asks for. What it asks for as before keeps its way all the time.
    pub(crate) fn update(&mut self, spd: &Spd, own: &[Interface]) -> Result<(), OpenError> {
        let (device, Mark(table)) = (&self.device, self.mark);
        let wanted = wanted(spd, own);
        let is_stale = |old: &&Wanted| !wanted.iter().any(|new| new.destination == old.destination);
        let stale: Vec<Wanted> = self.installed.iter().filter(is_stale).cloned().collect();
        for family in families() {
            let of_family = |w: &&Wanted| w.destination.address.is_ipv4() == (*family == "-4");
            let mut script = String::new();
            for Wanted { destination, source } in wanted.iter().filter(of_family) {
                let source = source.map_or(String::new(), |s| format!(" src {s}"));
                let _ = writeln!(script, "route replace {destination} dev {device} table {table}{source}");
            }
            for Wanted { destination, .. } in stale.iter().filter(of_family) {
                let _ = writeln!(script, "route del {destination} dev {device} table {table}");
            }
            if !script.is_empty() {
                ip(family, &script)?;
            }
        }
        self.installed = wanted;
        Ok(())
    }

    /// Removes the rule; the routes go with the device.
    pub(crate) fn remove(&self) {
        let Mark(number) = self.mark;
        for family in families() {
            // Each call removes one; there may be one of a process that was killed.
            while ip(family, &format!("rule del pref {number} lookup {number}\n")).is_ok() {}
        }
    }
}

/// The address families of this computer, as options of `ip`.
fn families() -> &'static [&'static str] {
    if has_ipv6() { &["-4", "-6"] } else { &["-4"] }
}

/// Whether the kernel speaks IPv6.
pub(crate) fn has_ipv6() -> bool {
    std::path::Path::new("/proc/net/if_inet6").exists()
}

fn ip(family: &str, script: &str) -> Result<(), OpenError> {
    system::run("ip", "iproute2", &[family, "-batch", "-"], script)
}

/// Far sides of everything that is protected in some direction, each with an address of ours on the near side.
fn wanted(spd: &Spd, own: &[Interface]) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for entry in spd.entries() {
        if !matches!(entry.action, Action::Protect(_)) {
            continue;
        }
        for range in &entry.selector.remote {
            for destination in prefixes(*range) {
                let near = |a: &IpAddr| {
                    a.is_ipv4() == destination.address.is_ipv4()
                        && entry.selector.local.iter().any(|r| r.contains(*a))
                };
                let source = own.iter().flat_map(|i| &i.addresses).map(|p| p.address).find(near);
                match wanted.iter_mut().find(|w| w.destination == destination) {
                    Some(known) => known.source = known.source.or(source),
                    None => wanted.push(Wanted { destination, source }),
                }
            }
        }
    }
    wanted
}

/// A range as prefixes, from its start to its end.
pub(crate) fn prefixes(range: AddressRange) -> Vec<Prefix> {
    let (start, end, width) = match (range.start, range.end) {
        (IpAddr::V4(s), IpAddr::V4(e)) => (u128::from(s.to_bits()), u128::from(e.to_bits()), 32u32),
        (IpAddr::V6(s), IpAddr::V6(e)) => (s.to_bits(), e.to_bits(), 128),
        _ => return Vec::new(),
    };
    let mut found = Vec::new();
    let mut at = start;
    loop {
        // The largest aligned block that starts here and does not go beyond the end.
        let mut bits = at.trailing_zeros().min(width);
        let beyond = |bits: u32| {
            at.checked_add(1u128.checked_shl(bits).unwrap_or(0).wrapping_sub(1)).is_none_or(|l| l > end)
        };
        while bits > 0 && beyond(bits) {
            bits -= 1;
        }
        let address = match width {
            32 => IpAddr::V4((at as u32).into()),
            _ => IpAddr::V6(at.into()),
        };
        found.push(Prefix::new(address, (width - bits) as u8));
        let block = 1u128.checked_shl(bits).unwrap_or(0).wrapping_sub(1);
        match at.checked_add(block).filter(|last| *last < end).and_then(|last| last.checked_add(1)) {
            Some(next) => at = next,
            None => return found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(start: &str, end: &str) -> Vec<String> {
        let range = AddressRange { start: start.parse().unwrap(), end: end.parse().unwrap() };
        prefixes(range).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ranges_become_prefixes() {
        assert_eq!(texts("0.0.0.0", "255.255.255.255"), ["0.0.0.0/0"]);
        assert_eq!(texts("10.2.0.0", "10.2.255.255"), ["10.2.0.0/16"]);
        assert_eq!(texts("10.0.0.1", "10.0.0.4"), ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/32"]);
        assert_eq!(texts("255.255.255.254", "255.255.255.255"), ["255.255.255.254/31"]);
        assert_eq!(texts("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), ["::/0"]);
        assert_eq!(texts("2001:db8::1", "2001:db8::2"), ["2001:db8::1/128", "2001:db8::2/128"]);
    }
}
