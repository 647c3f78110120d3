//! netsh itself, around the context `ipsec`: its own commands, other contexts, help.

use super::super::command::{Mode, help};
use super::super::error::Fault;
use super::super::token::Argument;
use super::{Context, Session, unsupported};

/// Contexts of other helpers, so that their commands are not taken for mistakes.
pub(super) const OTHERS: &[&str] = &[
    "aaaa",
    "advfirewall",
    "bridge",
    "dhcp",
    "dhcpclient",
    "diag",
    "dns",
    "dnsclient",
    "firewall",
    "http",
    "int",
    "interface",
    "ip",
    "lan",
    "namespace",
    "nap",
    "netio",
    "p2p",
    "ras",
    "routing",
    "rpc",
    "trace",
    "wcn",
    "winhttp",
    "wins",
    "winsock",
    "wlan",
];

/// netsh's own commands that decide when and under which names other commands run. A script stays what it is without
/// them: here each command is carried out at once.
pub(super) const ITS_OWN: &[&str] = &["offline", "online", "commit", "abort", "flush", "alias", "unalias"];

/// What netsh's own `add`, `delete`, `set` and `show` are about.
const ITS_OBJECTS: &[(&str, &[&str])] = &[
    ("add", &["helper"]),
    ("delete", &["helper"]),
    ("set", &["mode", "machine"]),
    ("show", &["alias", "helper", "mode"]),
];

const NO_EFFECT: &str = "no effect: every command about IPsec is carried out at once";

/// Whether a line is one of netsh's own commands: why it has no effect here, or why it is refused.
pub(super) fn own_command(arguments: &[Argument]) -> Option<Result<String, Fault>> {
    let word = |i: usize| arguments.get(i).and_then(Argument::plain).map(|w| w.text.to_ascii_lowercase());
    let (verb, object) = (word(0)?, word(1).unwrap_or_default());
    let its_object = |(v, objects): &&(&str, &[&str])| *v == verb && objects.contains(&object.as_str());
    if !ITS_OWN.contains(&verb.as_str()) && !ITS_OBJECTS.iter().any(|o| its_object(&o)) {
        return None;
    }
    if object == "machine" && verb == "set" {
        let span = arguments.get(1).map_or(0..0, Argument::span);
        return Some(Err(unsupported(span, "`set machine`", "other computers have stores of their own")));
    }
    Some(Ok(match verb.as_str() {
        "commit" | "offline" | "online" | "abort" | "flush" => NO_EFFECT.to_owned(),
        "set" => NO_EFFECT.to_owned(),
        _ => "not about IPsec, not carried out".to_owned(),
    }))
}

/// `show mode`: commands are carried out at once, which netsh calls online.
pub(super) fn shows_mode(arguments: &[Argument]) -> bool {
    let word = |i: usize| arguments.get(i).and_then(Argument::plain).map(|w| w.text.to_ascii_lowercase());
    arguments.len() == 2 && word(0).as_deref() == Some("show") && word(1).as_deref() == Some("mode")
}

/// Outside both modes.
const ROOT: &str = "\
ipsec            the context of IPsec
dump             everything that the ipsec context holds as a script
exec FILE        carry out the lines of a script here
pushd, popd      remember a context and go back to it
..               the context above
exit, quit, bye  leave
A `?` behind a context or a command explains it: ipsec static add ?
";

const IPSEC: &str = "\
static           stored policy: policies, rules, filter lists, filter actions
dynamic          what the running driver and key exchange hold
dump             both as a script
exec FILE        carry out the lines of a script here
pushd, popd      remember a context and go back to it
..               the context above
exit, quit, bye  leave
";

impl Session<'_> {
    /// The help for words in the context where the shell stands.
    pub(super) fn help(&self, words: &[&str]) -> String {
        match self.place.context {
            Context::Static => help::of_words(Mode::Static, words),
            Context::Dynamic => help::of_words(Mode::Dynamic, words),
            Context::Ipsec => IPSEC.to_owned(),
            Context::Root | Context::Other => ROOT.to_owned(),
        }
    }
}
