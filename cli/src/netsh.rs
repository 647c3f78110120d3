//! `ipseclab netsh`: a policy, offline.

use std::path::PathBuf;

use clap::Args;
use ipsec_core::selector::Prefix;
use ipsec_policy::compile::{LocalAddresses, listing};
use ipsec_policy::{Store, netsh as scripts};
use ipsec_scenarios::value::Net;

use crate::exit::{Error, print};

/// Options of `ipseclab netsh`.
#[derive(Debug, Args)]
pub(crate) struct NetshArgs {
    /// Scripts with `netsh ipsec static` commands, run one after the other on one store.
    #[arg(required = true)]
    scripts: Vec<PathBuf>,
    /// An address of the computer, as in 203.0.113.1/24: what `me` stands for, and which tunnel endpoints are its own.
    #[arg(long = "address", value_name = "ADDRESS/LEN", value_parser = address)]
    addresses: Vec<Prefix>,
}

fn address(text: &str) -> Result<Prefix, String> {
    text.parse::<Net>().map(|net| net.0)
}

pub(crate) fn netsh(args: &NetshArgs) -> Result<bool, Error> {
    let mut store = Store::new();
    let mut text = String::new();
    for path in &args.scripts {
        let bytes = std::fs::read(path).map_err(|e| Error::usage(format!("{}: {e}", path.display())))?;
        let file = path.display().to_string();
        let output = scripts::run_script(&mut store, &file, &bytes).map_err(Error::usage)?;
        for note in &output.notes {
            eprintln!("{file}:{note}");
        }
        text += &output.text;
        text += &format!("{file}: {} commands\n", output.commands);
    }
    text += &rules(&store);
    let local = LocalAddresses::lan(&args.addresses);
    text.push('\n');
    let tunnels = store.policies().iter().flat_map(|p| &p.rules).any(|r| r.tunnel.is_some());
    if tunnels && args.addresses.is_empty() {
        text += "Without --address no tunnel endpoint is known to be this computer's: every tunnel is shown as outbound.\n";
    }
    text += &listing(&store, &local).map_err(Error::usage)?;
    print(&text)?;
    Ok(true)
}

/// Rules of every policy: what they tie together.
fn rules(store: &Store) -> String {
    let mut text = String::new();
    for policy in store.policies() {
        let count = match policy.rules.len() {
            1 => "1 rule".to_string(),
            n => format!("{n} rules"),
        };
        text += &format!("\nPolicy '{}': {count}\n", policy.name);
        for rule in &policy.rules {
            let list = store.filter_list_by_id(rule.filter_list).map_or("?", |l| l.name.as_str());
            let action = store.filter_action_by_id(rule.filter_action).map_or("?", |a| a.name.as_str());
            let tunnel = rule.tunnel.as_ref().map_or(String::new(), |t| format!(", tunnel to {t}"));
            let off = if rule.active { "" } else { " (not active)" };
            let auth: Vec<String> = rule.auth.iter().map(|a| format!("{a}")).collect();
            let (auth, name) = (auth.join(", "), &rule.name);
            text += &format!("  rule '{name}'{off}: list '{list}', action '{action}'{tunnel}, {auth}\n");
        }
    }
    text
}
