//! The scenarios that come with this library, compiled in so that they run anywhere.

use std::sync::LazyLock;

use crate::error::{LoadError, missing};
use crate::family::Family;
use crate::scenario::Scenario;
use crate::source::Files;

struct Directory {
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
}

macro_rules! directory {
    ($name:literal: $($file:literal),+) => {
        Directory {
            name: $name,
            files: &[$(($file, include_str!(concat!("../", $name, "/", $file)))),+],
        }
    };
}

/// What every twin must show.
pub const TWINS: &str = include_str!("../twins.toml");

const DIRECTORIES: &[Directory] = &[
    directory!("default-response": "topology.toml", "steps.toml", "alice.netsh", "bob.netsh"),
    directory!("default-response-alice-first": "twin.toml"),
    directory!("default-response-off": "twin.toml"),
    directory!("kb301284-alice-bob-transport": "topology.toml", "steps.toml", "alice.netsh", "bob.netsh"),
    directory!("kb301284-troubleshooting": "topology.toml", "steps.toml", "alice.netsh", "bob.netsh"),
    directory!("kb301284-alice-bob-and-eve": "twin.toml", "steps.toml", "eve.netsh"),
    directory!("kb301284-all-traffic": "twin.toml"),
    directory!("kb301284-pfs-on-one-side": "twin.toml"),
    directory!("kb301284-policy-on-one-end": "twin.toml"),
    directory!("kb301284-ports-reversed": "twin.toml"),
    directory!("kb301284-psk-mismatch": "twin.toml"),
    directory!("kb816514-neta-netb-tunnel": "topology.toml", "steps.toml", "gwa.netsh", "gwb.netsh"),
    directory!("kb816514-address-changes": "topology.toml", "steps.toml", "gwa.netsh", "gwb.netsh"),
    directory!("kb816514-gateway-to-server": "topology.toml", "steps.toml", "router.netsh", "server.netsh"),
    directory!("kb816514-l2tp": "topology.toml", "steps.toml", "gwa.netsh", "gwb.netsh"),
    directory!("kb816514-accept-unsecured": "twin.toml"),
    directory!("kb816514-ah-tunnel": "twin.toml"),
    directory!("kb816514-asymmetric-interfaces": "twin.toml"),
    directory!("kb816514-both-windows": "twin.toml"),
    directory!("kb816514-bound-route": "twin.toml"),
    directory!("kb816514-clear-text-injected": "twin.toml"),
    directory!("kb816514-different-authentication": "twin.toml"),
    directory!("kb816514-filter-without-gateway-pair": "twin.toml"),
    directory!("kb816514-gwa-without-inbound-rule": "twin.toml"),
    directory!("kb816514-gwa-without-outbound-rule": "twin.toml"),
    directory!("kb816514-gwb-without-inbound-rule": "twin.toml"),
    directory!("kb816514-gwb-without-outbound-rule": "twin.toml"),
    directory!("kb816514-mirrored-filters": "twin.toml"),
    directory!("kb816514-mirrored-filters-inbound-first": "twin.toml"),
    directory!("kb816514-inbound-rule-disabled": "twin.toml"),
    directory!("kb816514-missing-route": "twin.toml"),
    directory!("kb816514-netb-first": "twin.toml"),
    directory!("kb816514-off-link-default-gateway": "twin.toml"),
    directory!("kb816514-packet-filter-others": "twin.toml"),
    directory!("kb816514-outbound-rule-disabled": "twin.toml"),
    directory!("kb816514-pfs-on-one-side": "twin.toml"),
    directory!("kb816514-port-tunnel": "twin.toml"),
    directory!("kb816514-port-tunnel-both-windows": "twin.toml"),
    directory!("kb816514-port-tunnel-rfc": "twin.toml"),
    directory!("kb816514-psk-mismatch": "twin.toml"),
    directory!("kb816514-unrelated-initiator": "twin.toml", "eve.netsh"),
    directory!("kb816514-wrong-interface": "twin.toml"),
    directory!("keyword-follows-configuration": "topology.toml", "steps.toml", "client.netsh"),
    directory!("netsh-dynamic-beside-stored": "topology.toml", "steps.toml", "server.netsh"),
    directory!("netsh-dynamic-config": "topology.toml", "steps.toml", "server.netsh"),
    directory!("netsh-dynamic-demo": "topology.toml", "steps.toml", "server.netsh"),
    directory!("netsh-dynamic-negotiate": "topology.toml", "steps.toml", "alice.netsh", "bob.netsh"),
    directory!("netsh-ipsecexempt": "topology.toml", "steps.toml", "server.netsh"),
    directory!("persistent-policy": "topology.toml", "steps.toml", "server.netsh"),
    directory!("polling": "topology.toml", "steps.toml", "server.netsh"),
    directory!("service-stopped": "topology.toml", "steps.toml", "alice.netsh", "bob.netsh"),
    directory!("tools-of-releases": "topology.toml", "steps.toml", "empty.netsh"),
];

const BOOT: Directory = directory!("boot": "family.toml", "boot.check.toml", "boot.steps.toml", "lan.topology.toml", "server.netsh");

const CONNECTION: Directory =
    directory!("connection": "family.toml", "both.steps.toml", "server.netsh", "server.topology.toml");

const PEERS: Directory = directory!("peers": "family.toml", "aggressive.check.toml", "contact.check.toml", "dead.check.toml", "flood.check.toml", "flood.steps.toml", "gateways.topology.toml", "gwa.netsh", "gwb.netsh", "never.check.toml", "not-asked.check.toml", "one-sided.check.toml", "ping.steps.toml", "reboot.steps.toml", "refused.check.toml", "speaks.steps.toml");

const MICROSOFT: Directory = directory!("microsoft": "family.toml", "answered.check.toml", "established.check.toml", "forged.check.toml", "forged.steps.toml", "fragments.check.toml", "gateways.topology.toml", "gwa.netsh", "gwb.netsh", "happened.check.toml", "no-fragments.check.toml", "ping.steps.toml");

const DOMAIN: Directory = directory!("domain": "family.toml", "directory.netsh", "gateways.topology.toml", "gwa.netsh", "gwb.netsh", "story.check.toml", "story.steps.toml");

const KERBEROS: Directory = directory!("kerberos": "family.toml", "each-other.a.netsh", "each-other.b.netsh", "gateways.topology.toml", "hosts.topology.toml", "ping.steps.toml", "secure-server.a.netsh", "secure-server.b.netsh", "tunnel.a.netsh", "tunnel.b.netsh");

const FAMILIES: &[Directory] = &[
    BOOT,
    CONNECTION,
    DOMAIN,
    KERBEROS,
    PEERS,
    MICROSOFT,
    directory!(
        "multihomed": "family.toml",
        "accepted.steps.toml",
        "big.steps.toml",
        "both.steps.toml",
        "dropped.steps.toml",
        "gwb.netsh",
        "gwc.netsh",
        "offload.steps.toml",
        "one.steps.toml",
        "overlapping.gwa.netsh",
        "overlapping.gwb.netsh",
        "second.gwa.netsh",
        "second.topology.toml",
        "two.gwa.netsh",
        "two.topology.toml"
    ),
    directory!(
        "tunnels": "family.toml",
        "again.check.toml",
        "changed.steps.toml",
        "dropped.check.toml",
        "filter.steps.toml",
        "gwa.netsh",
        "gwb.netsh",
        "refused.check.toml",
        "topology.toml"
    ),
    directory!(
        "nat": "family.toml",
        "again-refused.check.toml",
        "anna.site.netsh",
        "anna.site.topology.toml",
        "anna.topology.toml",
        "answered.check.toml",
        "carol.inner.netsh",
        "carol.topology.toml",
        "dropped.check.toml",
        "encapsulated.check.toml",
        "failed.check.toml",
        "follows.check.toml",
        "found.check.toml",
        "from-outside.steps.toml",
        "home-b.topology.toml",
        "inside-connects.check.toml",
        "inside-refused.check.toml",
        "mapped.check.toml",
        "nat-b.topology.toml",
        "nat.topology.toml",
        "native.check.toml",
        "no-readable.check.toml",
        "one-flow.steps.toml",
        "outcome.check.toml",
        "router.topology.toml",
        "second-client.steps.toml",
        "second-site.outer.netsh",
        "silence.check.toml",
        "silence.steps.toml",
        "stranger.check.toml",
        "stranger.topology.toml",
        "three-flows.check.toml",
        "three-flows.steps.toml",
        "transport.inner.netsh",
        "transport.outer.netsh",
        "transport.topology.toml",
        "tunnel.inner.netsh",
        "tunnel.outer.netsh",
        "tunnel.topology.toml",
        "two-clients.check.toml",
        "two-clients.steps.toml",
        "two-servers.check.toml",
        "two-servers.steps.toml"
    ),
    directory!(
        "profile": "family.toml",
        "again.steps.toml",
        "agreed.check.toml",
        "alice.netsh",
        "asked.check.toml",
        "bob.netsh",
        "hosts.topology.toml",
        "idle.check.toml",
        "one-flow.steps.toml",
        "refused.check.toml"
    ),
    directory!(
        "actions": "family.toml",
        "agreed.check.toml",
        "alice.netsh",
        "bob.netsh",
        "changed.check.toml",
        "hosts.topology.toml",
        "refused.check.toml",
        "rekeyed.check.toml",
        "tcp.steps.toml"
    ),
    directory!(
        "defence": "family.toml",
        "attack.steps.toml",
        "believed.check.toml",
        "deceived.check.toml",
        "dropped.check.toml",
        "failed.check.toml",
        "filters.netsh",
        "flooded.check.toml",
        "insider.steps.toml",
        "lan.topology.toml",
        "nothing.netsh",
        "secured.netsh",
        "spoof.steps.toml",
        "stranger.netsh",
        "trusted.netsh",
        "unreadable.check.toml"
    ),
    directory!(
        "events": "family.toml",
        "clear.steps.toml",
        "lan.topology.toml",
        "late.steps.toml",
        "outbound.steps.toml",
        "reboot.steps.toml",
        "secured.netsh",
        "talk.steps.toml"
    ),
    directory!(
        "filters": "family.toml",
        "abczz.steps.toml",
        "alice.netsh",
        "bob.netsh",
        "dropped.check.toml",
        "failed.check.toml",
        "files.netsh",
        "hosts.topology.toml",
        "one-flow.steps.toml",
        "three-actions.netsh"
    ),
    directory!(
        "matrix": "family.toml",
        "client.netsh",
        "examples.netsh",
        "hosts.topology.toml",
        "icmp.steps.toml",
        "ipsec.check.toml",
        "none.netsh",
        "secure.netsh",
        "server.netsh",
        "tcp.steps.toml"
    ),
    directory!(
        "migration": "family.toml",
        "domain.topology.toml",
        "exempt.netsh",
        "lockdown.netsh",
        "logon.steps.toml",
        "permits.netsh"
    ),
    directory!("exempt": "family.toml", "lan.topology.toml", "kinds.steps.toml", "server.netsh"),
    directory!(
        "lease": "family.toml",
        "lan.topology.toml",
        "lease.steps.toml",
        "taken.steps.toml",
        "follows.check.toml",
        "stale.check.toml",
        "guest.netsh",
        "laptop.netsh",
        "server.netsh"
    ),
    directory!(
        "soft": "family.toml",
        "alice-dynamic.netsh",
        "alice.netsh",
        "banned.check.toml",
        "bob.netsh",
        "counted.check.toml",
        "esp.check.toml",
        "hosts.topology.toml",
        "never.check.toml",
        "one-flow.steps.toml"
    ),
    directory!(
        "methods": "family.toml",
        "alice.netsh",
        "bob.netsh",
        "carol.netsh",
        "failed.check.toml",
        "fine.check.toml",
        "hosts.topology.toml",
        "silent.check.toml",
        "told.check.toml",
        "two-flows.steps.toml"
    ),
];

impl Directory {
    fn read(&self) -> Files {
        let mut files = Files::new(self.name);
        for (file, text) in self.files {
            files.insert(file, *text);
        }
        files
    }
}

/// The families of scenarios that are written once.
///
/// # Panics
/// When one that was compiled in is wrong, which a test sees first.
pub fn families() -> &'static [Family] {
    static READ: LazyLock<Vec<Family>> = LazyLock::new(|| {
        let read = |d: &Directory| Family::load(&d.read()).unwrap_or_else(|e| panic!("{}/{e}", d.name));
        FAMILIES.iter().map(read).collect()
    });
    &READ
}

/// Names of all scenarios, parents before their twins, families last.
pub fn names() -> impl Iterator<Item = &'static str> {
    DIRECTORIES.iter().map(|d| d.name).chain(families().iter().flat_map(Family::names))
}

/// The files of a scenario, as they lie in its directory, or as its family makes them.
pub fn files(name: &str) -> Option<Files> {
    let directory = DIRECTORIES.iter().find(|d| d.name == name).map(Directory::read);
    directory.or_else(|| families().iter().find_map(|f| f.files(name))?.ok())
}

/// Reads the scenario of this name.
pub fn scenario(name: &str) -> Result<Scenario, LoadError> {
    if let Some(scenario) = families().iter().find_map(|f| f.scenario(name)) {
        return scenario;
    }
    let files = files(name).ok_or_else(|| missing(name, "there is no such scenario"))?;
    Scenario::load(&files, self::files, Some(TWINS))
}

/// The scenario that `text` names: its whole name, or a prefix of only one, or a prefix of only one that is no twin. Of an
/// article, `kb816514`, the first one in the list tells its story.
///
/// # Errors
/// The names that fit; none, if there is no such scenario.
pub fn resolve(text: &str) -> Result<&'static str, Vec<&'static str>> {
    let fitting: Vec<&'static str> = names().filter(|n| n.starts_with(text)).collect();
    let parent = |name: &&&str| {
        DIRECTORIES.iter().any(|d| d.name == **name && !d.files.iter().any(|(f, _)| *f == "twin.toml"))
    };
    let parents: Vec<&&str> = fitting.iter().filter(parent).collect();
    match (names().find(|n| *n == text), fitting.as_slice(), parents.as_slice()) {
        (Some(exact), _, _) => Ok(exact),
        (None, [only], _) => Ok(only),
        (None, _, [parent]) => Ok(parent),
        (None, _, [first, ..]) if is_article(text) => Ok(first),
        _ => Err(fitting),
    }
}

/// The number of an article in Microsoft's knowledge base, and no less.
fn is_article(text: &str) -> bool {
    text.strip_prefix("kb")
        .is_some_and(|number| number.len() == 6 && number.bytes().all(|b| b.is_ascii_digit()))
}

/// The scenarios that a family's name or a pattern with `*`, for any text, stands for, in the order of [`names`].
pub fn matching(pattern: &str) -> Vec<&'static str> {
    if let Some(family) = families().iter().find(|f| f.name() == pattern) {
        return family.names().collect();
    }
    if !pattern.contains('*') {
        return Vec::new();
    }
    names().filter(|name| fits(name, pattern)).collect()
}

fn fits(name: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return name == pattern };
    let Some(name) = name.strip_prefix(start) else { return false };
    (0..=name.len()).any(|at| name.get(at..).is_some_and(|end| fits(end, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_prefer_the_parent() {
        assert_eq!(resolve("kb816514"), Ok("kb816514-neta-netb-tunnel"));
        assert_eq!(resolve("kb301284"), Ok("kb301284-alice-bob-transport"));
        assert_eq!(resolve("kb816514-psk"), Ok("kb816514-psk-mismatch"));
        assert_eq!(resolve("kb816514-psk-mismatch"), Ok("kb816514-psk-mismatch"));
        assert_eq!(resolve("kb816514-gwa-without-in"), Ok("kb816514-gwa-without-inbound-rule"));
        assert_eq!(resolve("kb816514-gwa").unwrap_err().len(), 2);
        assert_eq!(resolve("kb9"), Err(vec![]));
        assert!(resolve("").unwrap_err().len() > 2);
    }

    #[test]
    fn patterns_stand_for_many() {
        assert_eq!(matching("kb301284-*").len(), 8);
        assert_eq!(matching("*-psk-*"), ["kb301284-psk-mismatch", "kb816514-psk-mismatch"]);
        assert_eq!(matching("nat"), matching("nat-*"));
        assert_eq!(matching("kb301284-*x"), [""; 0]);
        assert_eq!(matching("kb816514"), [""; 0]);
        assert!(matching("*").len() > matching("nat").len());
    }

    #[test]
    fn every_family_is_embedded_whole() {
        for (family, directory) in families().iter().zip(FAMILIES) {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(family.name());
            for file in std::fs::read_dir(path).unwrap() {
                let file = file.unwrap().file_name().into_string().unwrap();
                let embedded = directory.files.iter().any(|(name, _)| *name == file);
                assert!(embedded || file == "README.md", "{}/{file} is not embedded", family.name());
            }
        }
    }

    #[test]
    fn every_directory_is_embedded_whole() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = 0;
        for entry in std::fs::read_dir(root).unwrap() {
            let path = entry.unwrap().path();
            let is = |file: &str| path.join(file).exists();
            // Families have a test of their own, just above.
            if is("family.toml") || (!is("twin.toml") && !is("topology.toml")) {
                continue;
            }
            found += 1;
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(is("README.md"), "{name} has no README.md");
            let embedded = files(name).unwrap_or_else(|| panic!("{name} is not embedded"));
            for file in std::fs::read_dir(&path).unwrap() {
                let file = file.unwrap().file_name().into_string().unwrap();
                if !file.ends_with(".md") && file != "expected.trace" {
                    assert!(embedded.contains(&file), "{name}/{file} is not embedded");
                }
            }
        }
        assert_eq!(found, DIRECTORIES.len());
    }

    #[test]
    fn every_scenario_loads() {
        for name in names() {
            scenario(name).unwrap_or_else(|e| panic!("{name}/{e}"));
        }
    }
}
