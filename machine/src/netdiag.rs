//! `netdiag /test:ipsec /debug`, as KB 816514 prints it.
//!
//! The article's sample (`netdiag/kb816514.txt`) is the only public print of this form, so it is followed to the blank at
//! the end of a line. It shows two tunnel filters with a pre-shared key; what it does not show is in our own wording: policy of
//! a domain, other authentication methods, AH, several offers, filters that permit or block, and numbers of filters beyond two.
//!
//! The printed key is a risk that the article takes ("-actual key-"): here it is masked unless asked for ([`Keys`]).

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net, Ipv4Subnets, Ipv6Subnets};
use ipsec_policy::auth_method::AuthMethod;
use ipsec_policy::compile::LocalAddresses;
use ipsec_policy::filter::{Address, Filter, FilterList};
use ipsec_policy::filter_action::{Action, FilterAction};
use ipsec_policy::policy::Policy;
use ipsec_policy::rule::{Rule, TunnelEndpoint};
use ipsec_policy::security_method::SecurityMethod;
use ipsec_policy::tools::{self, Missing, Tool};
use ipsec_policy::{Stores, store::Store};

use crate::computer::Computer;

#[cfg(test)]
mod tests;

/// Where the local policy lies in the registry.
const LOCAL: &str = r"SOFTWARE\Policies\Microsoft\Windows\IPSec\Policy\Local";
/// Where a domain keeps its policies (MS-GPIPSEC section 2.2.1); the domain's own components follow.
const DIRECTORY: &str = "CN=IP Security,CN=System";
/// And persistent policy; no source names the place.
const PERSISTENT: &str = r"SOFTWARE\Policies\Microsoft\Windows\IPSec\Policy\Persistent";
/// Stands for a key, whatever its length.
const MASK: &str = "********";

/// Whether pre-shared keys are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Keys {
    /// `********`.
    #[default]
    Masked,
    /// As the article's netdiag prints them. Whoever sees the output can be the peer.
    InClear,
}

/// How the command behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// What is done with keys.
    pub keys: Keys,
    /// Windows Server 2003's netdiag "no longer includes IPSec functionality" (deployment guide), but KB 816514 has its
    /// administrator run it: with this, the command answers as in that article.
    pub kb816514_compat: bool,
}

/// What a command line comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// What it prints.
    pub text: String,
    /// The file it goes to in place of the screen: `netdiag /test:ipsec /debug > filename.txt`.
    pub file: Option<String>,
}

/// Why a command line does nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CommandError {
    /// The release's netdiag knows no IPsec.
    #[error("not available: {0}")]
    NotAvailable(Missing),
    /// Only the test of IPsec is here.
    #[error("expected `netdiag /test:ipsec [/debug] [> FILE]`, found `{0}`")]
    Usage(String),
}

/// Runs a command line of netdiag on a computer.
///
/// # Errors
/// When its release has no such test, or another one is asked for.
pub fn command(computer: &Computer, line: &str, options: Options) -> Result<Answer, CommandError> {
    let usage = || CommandError::Usage(line.trim().to_owned());
    let (words, file) = match line.split_once('>') {
        Some((words, file)) => (words, Some(file.trim().trim_matches('"').to_owned())),
        None => (line, None),
    };
    let mut words = words.split_whitespace();
    if words.next().and_then(Tool::of_command) != Some(Tool::Netdiag) || file.as_deref() == Some("") {
        return Err(usage());
    }
    let (mut ipsec, mut debug) = (false, false);
    for word in words {
        match word.to_ascii_lowercase().as_str() {
            "/test:ipsec" => ipsec = true,
            "/debug" => debug = true,
            _ => return Err(usage()),
        }
    }
    if !ipsec {
        return Err(usage());
    }
    if let Some(missing) = tools::answer(computer.release(), Tool::Netdiag, options.kb816514_compat) {
        return Err(CommandError::NotAvailable(missing));
    }
    let (stores, local) = (computer.in_force(), computer.local_addresses());
    let text = if debug { test_ipsec(stores, &local, options.keys) } else { headings(stores) };
    Ok(Answer { text, file })
}

/// The whole text, for every release: active policies with their place in the registry, and their filters.
#[must_use]
pub fn test_ipsec(stores: &Stores, local: &LocalAddresses, keys: Keys) -> String {
    let mut out = String::new();
    for (store, policy, kind, place) in active(stores) {
        heading(&mut out, policy, kind, &place);
        out.push('\n');
        let filters = specific(store, policy, local);
        let _ = writeln!(out, "{}", there_are(filters.len()));
        filters.iter().for_each(|filter| filter.print(&mut out, keys));
    }
    if out.is_empty() { NOTHING.to_owned() } else { out }
}

const NOTHING: &str = "No IPSec policy is active.\n";

fn headings(stores: &Stores) -> String {
    let mut out = String::new();
    active(stores).into_iter().for_each(|(_, policy, kind, place)| heading(&mut out, policy, kind, &place));
    if out.is_empty() { NOTHING.to_owned() } else { out }
}

/// A store, its assigned policy, the word for the store, and where the policy lies.
type Active<'a> = (&'a Store, &'a Policy, &'static str, String);

fn active(stores: &Stores) -> Vec<Active<'_>> {
    let registry = |place: &str, policy: &Policy| format!(r"{place}\ipsecPolicy{}", policy.id);
    let mut all = Vec::new();
    match (&stores.domain, stores.effective().assigned()) {
        (Some(domain), Some(policy)) if stores.domain_assigns() => {
            let components: String = domain.name.split('.').map(|part| format!(",DC={part}")).collect();
            let place = format!("CN=ipsecPolicy{},{DIRECTORY}{components}", policy.id);
            all.push((&domain.policies, policy, "Domain", place));
        }
        (_, Some(policy)) => all.push((&stores.local, policy, "Local", registry(LOCAL, policy))),
        (_, None) => {}
    }
    if let Some(policy) = stores.persistent.assigned() {
        all.push((&stores.persistent, policy, "Persistent", registry(PERSISTENT, policy)));
    }
    all
}

fn heading(out: &mut String, policy: &Policy, kind: &str, place: &str) {
    let name = &policy.name;
    let _ = writeln!(out, "{kind} IPSec Policy Active: '{name}' IP Security Policy Path:");
    // The blank is the article's.
    let _ = writeln!(out, "{place} ");
}

fn there_are(n: usize) -> String {
    const WORDS: [&str; 11] =
        ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    let number = WORDS.get(n).map_or_else(|| n.to_string(), |word| (*word).to_owned());
    if n == 1 { "There is one filter".to_owned() } else { format!("There are {number} filters") }
}

/// A filter as the driver has it: one source, one destination, one direction.
struct Specific<'a> {
    list: &'a FilterList,
    filter: &'a Filter,
    rule: &'a Rule,
    action: &'a FilterAction,
    source: IpNet,
    destination: IpNet,
    ports: (u16, u16),
    tunnel: Option<IpAddr>,
    inbound: bool,
}

/// The filters of a policy's active rules, in the order of the rules; mirrored ones are two.
fn specific<'a>(store: &'a Store, policy: &'a Policy, local: &LocalAddresses) -> Vec<Specific<'a>> {
    let mut all = Vec::new();
    for rule in policy.rules.iter().filter(|rule| rule.active) {
        let list = store.filter_list_by_id(rule.filter_list);
        let Some((list, action)) = list.zip(store.filter_action_by_id(rule.filter_action)) else { continue };
        let tunnel = rule.tunnel.as_ref().and_then(|end| endpoint(end, store, local));
        for filter in &list.filters {
            let (sources, destinations) =
                (nets(&filter.source, store, local), nets(&filter.destination, store, local));
            let (from, to) = (filter.source_port.number(), filter.destination_port.number());
            for (source, destination) in
                sources.iter().flat_map(|s| destinations.iter().map(move |d| (*s, *d)))
            {
                let inbound = match tunnel {
                    Some(end) => local.owns(end),
                    None => local.owns(destination.addr()) && !local.owns(source.addr()),
                };
                let forward = Specific {
                    list,
                    filter,
                    rule,
                    action,
                    source,
                    destination,
                    ports: (from, to),
                    tunnel,
                    inbound,
                };
                let mirrored = filter.mirrored.then_some(Specific {
                    source: destination,
                    destination: source,
                    ports: (to, from),
                    inbound: !inbound,
                    ..forward
                });
                all.push(forward);
                all.extend(mirrored);
            }
        }
    }
    all
}

fn endpoint(end: &TunnelEndpoint, store: &Store, local: &LocalAddresses) -> Option<IpAddr> {
    match end {
        TunnelEndpoint::Address(address) => Some(*address),
        TunnelEndpoint::Name(name) => {
            let known = local.names.get(&name.to_lowercase()).map_or(store.resolve(name), Vec::as_slice);
            known.first().copied()
        }
    }
}

/// What an address of a filter stands for here.
fn nets(address: &Address, store: &Store, local: &LocalAddresses) -> Vec<IpNet> {
    let hosts = |all: &[IpAddr]| all.iter().map(|a| IpNet::from(*a)).collect::<Vec<_>>();
    match address {
        Address::Any => vec![IpNet::V4(Ipv4Net::default())],
        Address::Me => local.all().map(|prefix| IpNet::from(prefix.address)).collect(),
        Address::Subnet(net) => vec![net.trunc()],
        Address::Range(first, last) => range(*first, *last),
        Address::Name(name, known) if known.is_empty() => {
            hosts(local.names.get(&name.to_lowercase()).map_or(store.resolve(name), Vec::as_slice))
        }
        Address::Name(_, known) => hosts(known),
        Address::Server(server) => hosts(local.servers.get(server).map_or(&[], Vec::as_slice)),
    }
}

/// A range as the driver has it, which knows addresses with masks only: the fewest networks that are just the range.
fn range(first: IpAddr, last: IpAddr) -> Vec<IpNet> {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => Ipv4Subnets::new(first, last, 0).map(IpNet::V4).collect(),
        (IpAddr::V6(first), IpAddr::V6(last)) => Ipv6Subnets::new(first, last, 0).map(IpNet::V6).collect(),
        _ => Vec::new(),
    }
}

impl Specific<'_> {
    fn print(&self, out: &mut String, keys: Keys) {
        let name =
            if self.filter.description.is_empty() { &self.list.name } else { &self.filter.description };
        let negotiates = self.action.action == Action::Negotiate;
        let _ = writeln!(out, "{name}");
        let _ = writeln!(out, "Filter ID: {}", self.filter.id);
        let _ = writeln!(out, "Policy ID: {}", self.action.id);
        // The policy of this part is that of phase 2: the filter action.
        let _ = writeln!(out, "IPSEC_POLICY PolicyId = {}", self.action.id);
        // No source says what the flags are for, nor what tunnel is meant.
        out.push_str("Flags: 0x0\nTunnel Addr: 0.0.0.0\n");
        let methods = if negotiates { self.action.methods.as_slice() } else { &[] };
        let _ = writeln!(out, "PHASE 2 OFFERS Count = {}", methods.len());
        for (number, method) in methods.iter().enumerate() {
            let _ = writeln!(out, "Offer #{number}:\n{}", offer(method));
            let bytes = u64::from(method.lifetime.kilobytes) * 1024;
            // Zero: nothing of its own, so that the release's defaults are in force. The blanks are the article's.
            let _ = writeln!(out, "Rekey: {} seconds / {bytes} bytes. ", method.lifetime.seconds);
        }
        if !negotiates {
            let _ = writeln!(out, "Action: {}", self.action.action);
        }
        let auth = if negotiates { self.rule.auth.as_slice() } else { &[] };
        let _ = writeln!(out, "AUTHENTICATION INFO Count = {}", auth.len());
        for method in auth {
            let _ = writeln!(out, "Method = {}", authentication(method, keys));
        }
        let (source, destination) = (self.source, self.destination);
        let _ = writeln!(out, "Src Addr: {} Src Mask: {}", source.addr(), source.netmask());
        let _ = writeln!(out, "Dest Addr: {} Dest Mask: {}", destination.addr(), destination.netmask());
        let tunnel = self.tunnel.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let _ = writeln!(out, "Tunnel Addr: {tunnel} Src Port: {} Dest Port: {}", self.ports.0, self.ports.1);
        let is_tunnel = if self.tunnel.is_some() { "Yes" } else { "No" };
        let _ =
            writeln!(out, "Protocol: {} TunnelFilter: {is_tunnel}", self.filter.protocol.unwrap_or_default());
        // The article writes the one with a blank before the colon and the other without.
        out.push_str(if self.inbound { "Flags: Inbound\n" } else { "Flags : Outbound\n" });
    }
}

/// `ESP[ DES MD5 HMAC] `, blanks as in the article.
fn offer(method: &SecurityMethod) -> String {
    let mut out = String::new();
    if let Some(hash) = method.ah {
        let _ = write!(out, "AH[ {hash} HMAC] ");
    }
    if let Some(esp) = method.esp {
        let cipher = esp.confidentiality.map_or_else(|| "NULL".to_owned(), |c| c.to_string());
        let hash = esp.integrity.map_or_else(|| "NO".to_owned(), |h| h.to_string());
        let _ = write!(out, "ESP[ {cipher} {hash} HMAC] ");
    }
    out
}

fn authentication(method: &AuthMethod, keys: Keys) -> String {
    match (method, keys) {
        (AuthMethod::PresharedKey(key), Keys::InClear) => format!("Preshared key: {}", key.expose()),
        (AuthMethod::PresharedKey(_), Keys::Masked) => format!("Preshared key: {MASK}"),
        (AuthMethod::Kerberos, _) => "Kerberos".to_owned(),
        (AuthMethod::Certificate(certificate), _) => format!("Certificate: {}", certificate.authority),
    }
}
