//! From a configuration file to the databases of the core.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use ipsec_core::config::PolicyDatabases;
use ipsec_core::crypto::Secret;
use ipsec_core::pad::{AuthMethod, Pad, PadEntry, PadEntryId, Phase1Exchange};
use ipsec_core::selector::{AddressRange, PortRange, Selector};
use ipsec_core::spd::{
    Action, Direction, EntryId, Lifetime, Mode, Offer, Pfs, Populate, Protect, Spd, SpdEntry,
};
use ipsec_policy::Store;
use ipsec_policy::compile::{LocalAddresses, compile};
use ipsec_policy::netsh::run_script;

use super::file::{self, Connection, File};
use super::names;
use crate::outside::Outside;

/// Contents of scripts and key files, by the names the configuration has for them.
type Others = BTreeMap<PathBuf, Vec<u8>>;

/// The policy of `file`; what it names is among `others`.
pub(super) fn databases(file: &File, others: &Others, outside: &Outside) -> Result<PolicyDatabases, String> {
    if !file.netsh.is_empty() {
        return of_scripts(file, others, outside);
    }
    let (mut spd, mut pad) = (Vec::new(), Pad::default());
    for (number, connection) in (0..).zip(&file.connections) {
        let explain = |e: String| format!("connection `{}`: {e}", connection.name);
        spd.push(entry(number, connection).map_err(explain)?);
        if connection.action == file::Action::Protect {
            pad.entries.push(pad_entry(number, connection, others).map_err(explain)?);
        }
    }
    // What nobody speaks about passes in clear; a last connection with action `discard` changes that.
    let id = EntryId(u32::try_from(spd.len()).unwrap_or(u32::MAX));
    spd.push(SpdEntry {
        id,
        name: "all else".to_owned(),
        selector: Selector::any(),
        direction: Direction::Both,
        connection: None,
        action: Action::Bypass,
    });
    Ok(PolicyDatabases { spd: Arc::new(Spd::new(spd)), pad: Arc::new(pad) })
}

fn of_scripts(file: &File, others: &Others, outside: &Outside) -> Result<PolicyDatabases, String> {
    let profile = file.profile()?;
    let mut store = Store::of(profile);
    for script in &file.netsh {
        let name = script.display().to_string();
        let bytes = others.get(script).ok_or_else(|| format!("{name} is missing"))?;
        let output = run_script(&mut store, &name, bytes).map_err(|e| e.to_string())?;
        for note in output.notes {
            tracing::info!("{name}:{note}");
        }
    }
    let local = LocalAddresses::of(&outside.interfaces).with_release(profile);
    let policy = compile(&store, &local).map_err(|e| e.to_string())?;
    if policy.spd.default_response().is_none() {
        return Ok(policy);
    }
    // Its traffic is known only when a peer asks, but routes lead into this node by policy: it would leave in clear.
    tracing::warn!("the default response rule is left out: a live node protects what its rules are about");
    let spd = Arc::new((*policy.spd).clone().without_default_response());
    Ok(PolicyDatabases { spd, ..policy })
}

fn entry(number: u32, connection: &Connection) -> Result<SpdEntry, String> {
    let ports = |port: Option<u16>| port.map_or(PortRange::ANY, PortRange::single);
    let protocol = connection.protocol.as_deref().map(names::upper_protocol).transpose()?;
    if protocol.is_none() && (connection.local_port.or(connection.remote_port)).is_some() {
        return Err("ports need a protocol, tcp or udp".to_owned());
    }
    let selector = Selector {
        local: side(&connection.local, connection.local_address)?,
        remote: side(&connection.remote, connection.remote_address)?,
        protocol,
        local_ports: ports(connection.local_port),
        remote_ports: ports(connection.remote_port),
    };
    let action = match connection.action {
        file::Action::Bypass => Action::Bypass,
        file::Action::Discard => Action::Discard,
        file::Action::Protect => Action::Protect(protect(connection)?),
    };
    let name = connection.name.clone();
    Ok(SpdEntry { id: EntryId(number), name, selector, direction: Direction::Both, connection: None, action })
}

/// What traffic covers on one side: what is said, else the end itself, else everything.
fn side(said: &[String], end: Option<IpAddr>) -> Result<Vec<AddressRange>, String> {
    match (said, end) {
        ([], Some(end)) => Ok(vec![AddressRange::single(end)]),
        ([], None) => Ok(vec![AddressRange::ANY_V4, AddressRange::ANY_V6]),
        (said, _) => said.iter().map(|text| names::range(text)).collect(),
    }
}

fn protect(connection: &Connection) -> Result<Protect, String> {
    let lifetime = Lifetime { seconds: Some(connection.seconds), kilobytes: connection.kilobytes };
    let offers: Result<Vec<Offer>, String> =
        connection.suites.iter().map(|s| names::suite(s, lifetime)).collect();
    let (local, remote) = (connection.local_address, connection.remote_address);
    let transport = connection.mode == file::Mode::Transport;
    let mode = match transport {
        true => Mode::Transport,
        // Nobody in particular: whoever authenticates.
        false => Mode::Tunnel { local, remote: remote.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) },
    };
    Ok(Protect {
        mode,
        offers: offers.and_then(|o| not_empty(o, "suites"))?,
        pfs: connection.pfs.as_deref().map_or(Ok(Pfs::No), names::pfs)?,
        accept_clear_inbound: false,
        fallback: false,
        // Transport mode is between two hosts, also when the rule is about many.
        populate: Populate { local: transport, remote: transport, ..Populate::default() },
    })
}

fn not_empty<T>(list: Vec<T>, what: &str) -> Result<Vec<T>, String> {
    if list.is_empty() { Err(format!("{what}: at least one is needed")) } else { Ok(list) }
}

fn pad_entry(number: u32, connection: &Connection, others: &Others) -> Result<PadEntry, String> {
    let any = || vec![AddressRange::ANY_V4, AddressRange::ANY_V6];
    let single = |a: Option<IpAddr>| a.map(|a| vec![AddressRange::single(a)]);
    let peer = match connection.mode {
        file::Mode::Tunnel => single(connection.remote_address).unwrap_or_else(any),
        file::Mode::Transport => side(&connection.remote, connection.remote_address)?,
    };
    let proposals: Result<_, String> = connection.proposals.iter().map(|p| names::proposal(p)).collect();
    let identity = |text: &Option<String>| text.as_deref().map(names::identity);
    Ok(PadEntry {
        id: PadEntryId(number),
        name: connection.name.clone(),
        local: single(connection.local_address).unwrap_or_else(any),
        peer,
        methods: vec![AuthMethod::PreSharedKey(key(connection, others)?)],
        proposals: proposals.and_then(|p| not_empty(p, "proposals"))?,
        lifetime_seconds: connection.ike_seconds,
        exchange: if connection.aggressive {
            Phase1Exchange::AggressiveMode
        } else {
            Phase1Exchange::MainMode
        },
        accept_aggressive: connection.aggressive || connection.accept_aggressive,
        identity: identity(&connection.local_id),
        peer_identities: identity(&connection.remote_id).into_iter().collect(),
        ..PadEntry::default()
    })
}

fn key(connection: &Connection, others: &Others) -> Result<Secret, String> {
    match (&connection.key, &connection.key_file) {
        (Some(key), None) => Ok(Secret::new(key.as_bytes())),
        (None, Some(path)) => {
            let key = others.get(path).ok_or_else(|| format!("{} is missing", path.display()))?;
            let end =
                key.iter().rposition(|octet| !matches!(octet, b'\n' | b'\r')).map_or(0, |last| last + 1);
            Ok(Secret::new(key.get(..end).unwrap_or_default()))
        }
        _ => Err("either `key` or `key-file` is needed to authenticate".to_owned()),
    }
}

#[cfg(test)]
mod tests;
