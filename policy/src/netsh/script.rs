//! A store as a netsh script that makes it again, and the file format of `exportpolicy`.
//!
//! The `.ipsec` files of Windows hold registry data. Ours are text: the line `ipseclab-policy 1`, remarks, and the script.

use core::fmt::Write as _;

use super::error::ErrorKind;
use super::run_script;
use super::source::is_unprintable;
use super::token::is_quote;
use crate::auth_method::AuthMethod;
use crate::dynamic::{Dynamic, DynamicRule, PROPERTIES};
use crate::filter::{Address, Filter};
use crate::filter_action::{Action, FilterAction};
use crate::policy::Policy;
use crate::rule::{ConnectionType, Rule, TunnelEndpoint};
use crate::security_method::Cipher;
use crate::store::Store;
use crate::stores::Stores;

/// The first line of an exported file; the number is the format's version.
const HEADER: &str = "ipseclab-policy";
const VERSION: u32 = 1;

/// A store holds what no netsh command can say.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{what} cannot be written as a netsh command: {why}")]
pub struct Unwritable {
    /// The object.
    pub what: String,
    /// What is in the way.
    pub why: &'static str,
}

/// Everything a computer's stores hold, as a `netsh -f` script for computers whose stores are empty.
pub fn dump(stores: &Stores) -> Result<String, Unwritable> {
    let mut out = String::from("pushd ipsec static\n");
    out += &static_script(&stores.local)?;
    if !stores.persistent.is_empty() {
        out += "set store location=persistent\n";
        out += &static_script(&stores.persistent)?;
        out += "set store location=local\n";
    }
    out += "popd\npushd ipsec dynamic\n";
    out += &dynamic_script(&stores.dynamic)?;
    for property in PROPERTIES {
        let value = stores.config.get(property.name);
        if value != property.default_text() {
            let _ = writeln!(
                out,
                "set config property={} value={}",
                property.name,
                quoted(&value, property.name)?
            );
        }
    }
    out += "popd\n";
    Ok(out)
}

/// The commands of static mode that make this store: lists, actions, policies, the assignment last.
pub fn static_script(store: &Store) -> Result<String, Unwritable> {
    let mut out = String::new();
    for list in store.filter_lists() {
        let name = text("name", &list.name, &list.name)?;
        let _ = writeln!(out, "add filterlist {name}{}", description(&list.description, &list.name)?);
        for filter in &list.filters {
            out += &filter_command(&list.name, filter)?;
        }
    }
    for action in store.filter_actions() {
        out += &action_command(action)?;
    }
    for policy in store.policies() {
        out += &policy_commands(store, policy)?;
    }
    if let Some(policy) = store.assigned() {
        let _ = writeln!(out, "set policy {} assign=yes", text("name", &policy.name, &policy.name)?);
    }
    Ok(out)
}

/// The commands of dynamic mode that make this policy.
pub fn dynamic_script(dynamic: &Dynamic) -> Result<String, Unwritable> {
    let mut out = String::new();
    for p in dynamic.mm_policies() {
        let _ = write!(out, "add mmpolicy {} qmpermm={}", text("name", &p.name, &p.name)?, p.qm_per_mm);
        let _ = write!(out, " mmlifetime={} softsaexpirationtime={}", p.lifetime_minutes, p.soft_sa_seconds);
        let methods = methods("mmsecmethods", &p.methods, &p.name)?;
        let _ = writeln!(out, "{methods}");
    }
    for p in dynamic.qm_policies() {
        let _ = write!(out, "add qmpolicy {} soft={}", text("name", &p.name, &p.name)?, yes_no(p.soft));
        let methods = methods("qmsecmethods", &p.methods, &p.name)?;
        let _ = writeln!(out, " pfsgroup={}{methods}", p.pfs);
    }
    for rule in dynamic.rules() {
        out += &dynamic_rule(rule)?;
    }
    Ok(out)
}

fn dynamic_rule(rule: &DynamicRule) -> Result<String, Unwritable> {
    let (key, what) = (&rule.key, rule.key.to_string());
    let mut out = String::from("add rule");
    out += &side("src", &key.source, &what)?;
    out += &side("dst", &key.destination, &what)?;
    let _ = write!(out, " {}", text("mmpolicy", &rule.mm_policy, &what)?);
    if let Some(name) = &rule.qm_policy {
        let _ = write!(out, " {}", text("qmpolicy", name, &what)?);
    }
    let _ = write!(out, " protocol={}", crate::filter::protocol_name(key.protocol));
    let _ = write!(out, " srcport={} dstport={}", key.source_port.number(), key.destination_port.number());
    let _ = write!(out, " mirrored={} conntype={}", yes_no(key.mirrored), connection(key.connection));
    let _ = write!(out, " actioninbound={} actionoutbound={}", action(rule.inbound), action(rule.outbound));
    out += &tunnel("tunneldstaddress", key.tunnel.as_ref(), &what)?;
    out += &auth(&rule.auth, &what)?;
    out.push('\n');
    Ok(out)
}

fn filter_command(list: &str, f: &Filter) -> Result<String, Unwritable> {
    let mut out = format!("add filter {}", text("filterlist", list, list)?);
    out += &side("src", &f.source, list)?;
    out += &side("dst", &f.destination, list)?;
    out += &description(&f.description, list)?;
    let _ =
        write!(out, " protocol={} mirrored={}", crate::filter::protocol_name(f.protocol), yes_no(f.mirrored));
    let _ = writeln!(out, " srcport={} dstport={}", f.source_port.number(), f.destination_port.number());
    Ok(out)
}

fn action_command(a: &FilterAction) -> Result<String, Unwritable> {
    let mut out = format!("add filteraction {}", text("name", &a.name, &a.name)?);
    out += &description(&a.description, &a.name)?;
    let _ = write!(out, " qmpfs={} inpass={} soft={}", yes_no(a.qm_pfs), yes_no(a.inpass), yes_no(a.soft));
    let _ = write!(out, " action={}", action(a.action));
    refuse_des40(a.methods.iter().filter_map(|m| m.esp?.confidentiality), &a.name)?;
    out += &methods("qmsecmethods", &a.methods, &a.name)?;
    out.push('\n');
    Ok(out)
}

fn policy_commands(store: &Store, p: &Policy) -> Result<String, Unwritable> {
    let what = &p.name;
    let name = text("name", what, what)?;
    let mut out = format!("add policy {name}{}", description(&p.description, what)?);
    let (mm, default) = (&p.main_mode, &p.default_response);
    let _ =
        write!(out, " mmpfs={} qmpermm={} mmlifetime={}", yes_no(mm.pfs), mm.qm_per_mm, mm.lifetime_minutes);
    let _ = write!(out, " activatedefaultrule={}", yes_no(default.active));
    let _ = write!(out, " pollinginterval={}", p.polling_interval_minutes);
    refuse_des40(mm.methods.iter().map(|m| m.cipher), what)?;
    let _ = writeln!(out, "{}", methods("mmsecmethods", &mm.methods, what)?);
    if *default != (crate::policy::DefaultResponse { active: default.active, ..Default::default() }) {
        refuse_des40(default.methods.iter().filter_map(|m| m.esp?.confidentiality), what)?;
        let methods = methods("qmsecmethods", &default.methods, what)?;
        let policy = text("policy", what, what)?;
        let auth = auth(&default.auth, what)?;
        let _ = writeln!(out, "set defaultrule {policy} qmpfs={}{methods}{auth}", yes_no(default.qm_pfs));
    }
    for rule in &p.rules {
        out += &rule_command(store, p, rule)?;
    }
    Ok(out)
}

fn rule_command(store: &Store, p: &Policy, r: &Rule) -> Result<String, Unwritable> {
    let missing =
        || Unwritable { what: format!("rule '{}'", r.name), why: "its list or action does not exist" };
    let list = store.filter_list_by_id(r.filter_list).ok_or_else(missing)?;
    let filter_action = store.filter_action_by_id(r.filter_action).ok_or_else(missing)?;
    let mut out =
        format!("add rule {} {}", text("name", &r.name, &r.name)?, text("policy", &p.name, &p.name)?);
    let _ = write!(out, " {}", text("filterlist", &list.name, &list.name)?);
    let _ = write!(out, " {}", text("filteraction", &filter_action.name, &filter_action.name)?);
    out += &tunnel("tunnel", r.tunnel.as_ref(), &r.name)?;
    let _ = write!(out, " conntype={} activate={}", connection(r.connection), yes_no(r.active));
    out += &description(&r.description, &r.name)?;
    out += &auth(&r.auth, &r.name)?;
    out.push('\n');
    Ok(out)
}

/// ` srcaddr=... srcmask=...`; masks belong to subnets.
fn side(prefix: &str, address: &Address, what: &str) -> Result<String, Unwritable> {
    Ok(match address {
        Address::Subnet(net) if net.prefix_len() < net.max_prefix_len() => {
            format!(" {prefix}addr={} {prefix}mask={}", net.addr(), net.prefix_len())
        }
        Address::Name(name, _) => format!(" {prefix}addr={}", quoted(name, what)?),
        other => format!(" {prefix}addr={other}"),
    })
}

fn tunnel(tag: &str, endpoint: Option<&TunnelEndpoint>, what: &str) -> Result<String, Unwritable> {
    Ok(match endpoint {
        None => String::new(),
        Some(TunnelEndpoint::Address(address)) => format!(" {tag}={address}"),
        Some(TunnelEndpoint::Name(name)) => format!(" {tag}={}", quoted(name, what)?),
    })
}

/// Methods in order of preference; none at all is `kerberos=no`.
fn auth(methods: &[AuthMethod], what: &str) -> Result<String, Unwritable> {
    let mut out = String::new();
    if methods.is_empty() {
        out += " kerberos=no";
    }
    for method in methods {
        match method {
            AuthMethod::Kerberos => out += " kerberos=yes",
            AuthMethod::PresharedKey(key) => {
                let _ = write!(out, " psk={}", quoted(key.expose(), what)?);
            }
            AuthMethod::Certificate(c) => {
                let (map, exclude) = (yes_no(c.map_to_account), yes_no(c.exclude_authority_name));
                let name = c.authority.replace('"', "\\'");
                let value = format!("{name} certmap:{map} excludecaname:{exclude}");
                let _ = write!(out, " rootca={}", quoted(&value, what)?);
            }
        }
    }
    Ok(out)
}

fn methods<T: ToString>(tag: &str, methods: &[T], what: &str) -> Result<String, Unwritable> {
    let list: Vec<String> = methods.iter().map(ToString::to_string).collect();
    if list.is_empty() {
        return Err(Unwritable { what: format!("'{what}'"), why: "it has no security methods" });
    }
    Ok(format!(" {tag}=\"{}\"", list.join(" ")))
}

fn refuse_des40(mut ciphers: impl Iterator<Item = Cipher>, what: &str) -> Result<(), Unwritable> {
    if ciphers.any(|c| c == Cipher::Des40) {
        return Err(Unwritable { what: format!("'{what}'"), why: "netsh has no word for 40-bit DES" });
    }
    Ok(())
}

fn description(description: &str, what: &str) -> Result<String, Unwritable> {
    if description.is_empty() {
        Ok(String::new())
    } else {
        Ok(format!(" {}", text("description", description, what)?))
    }
}

fn text(tag: &str, value: &str, what: &str) -> Result<String, Unwritable> {
    Ok(format!("{tag}={}", quoted(value, what)?))
}

/// In quotation marks; one inside is written `\"`. A backslash that would be read together with the quotation mark behind
/// it stands outside: `"a"\"b"` is `a\b`.
fn quoted(value: &str, what: &str) -> Result<String, Unwritable> {
    let bad = |why| Err(Unwritable { what: format!("'{}'", what.escape_debug()), why });
    if value.contains(['\r', '\n', '\u{feff}']) || value.contains(is_unprintable) {
        return bad("it holds a line end or a control character");
    }
    if value.contains(['\u{201c}', '\u{201d}', '\u{201e}']) {
        return bad("it holds typographic quotation marks, which scripts use like straight ones");
    }
    if value.is_empty() {
        return bad("it is empty");
    }
    let (mut out, mut chars) = (String::from("\""), value.chars().peekable());
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('"', _) => out.push_str("\\\""),
            ('\\', None | Some('"' | '\\')) => out.push_str("\"\\\""),
            _ => out.push(c),
        }
    }
    out.push('"');
    Ok(out)
}

/// A word of a shell's command line as netsh reads it: in quotation marks where it would else be several.
pub(super) fn shell_word(word: &str) -> String {
    let plain = !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || is_quote(c));
    // What cannot be written in quotation marks is told when it is read.
    if plain { word.to_owned() } else { quoted(word, word).unwrap_or_else(|_| format!("\"{word}\"")) }
}

fn yes_no(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Permit => "permit",
        Action::Block => "block",
        Action::Negotiate => "negotiate",
    }
}

fn connection(connection: ConnectionType) -> &'static str {
    match connection {
        ConnectionType::All => "all",
        ConnectionType::Lan => "lan",
        ConnectionType::Dialup => "dialup",
    }
}

/// The content of an exported file.
pub fn export(store: &Store) -> Result<String, Unwritable> {
    let script = static_script(store)?;
    Ok(format!(
        "{HEADER} {VERSION}\n# Written by ipseclab's exportpolicy. This is ipseclab's own format: the netsh commands that make\n\
         # these policies. It is not the .ipsec format of Windows, which is a registry blob.\n{script}"
    ))
}

/// The store an exported file holds.
pub(super) fn import(name: &str, bytes: &[u8]) -> Result<Store, ErrorKind> {
    let bad = |why: String| ErrorKind::NotOurFormat { name: name.to_owned(), why };
    let (text, _) = super::source::decode(bytes);
    let (first, _) = text.split_once('\n').unwrap_or((&text, ""));
    let version = first.trim().strip_prefix(HEADER).map(|v| v.trim().parse::<u32>());
    match version {
        Some(Ok(VERSION)) => {}
        Some(Ok(other)) => return Err(bad(format!("it has version {other}, expected {VERSION}"))),
        _ => {
            let why = "what Windows exports is a registry blob of a form that is not public";
            return Err(bad(format!(
                "expected the first line `{HEADER} {VERSION}` of our own exports; {why}"
            )));
        }
    }
    // The header line becomes a remark, so that the lines keep their numbers.
    let mut store = Store::new();
    run_script(&mut store, name, format!("# {text}").as_bytes())
        .map_err(|error| ErrorKind::InFile { error: Box::new(error) })?;
    Ok(store)
}
