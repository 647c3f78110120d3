//! Help for each command, made from the table, and the table itself for people. The sentences are ours.

use core::fmt::Write as _;

use super::bind::{Match, abbreviation};
use super::value::expected;
use super::{Command, Kind, Mode, Object, Preset, Tag, Verb, commands, is_confirmed};
use crate::defaults::Mark;
use crate::dynamic::PROPERTIES;

/// One parameter of one command, or one property of `set config`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parameter {
    /// The mode the command belongs to.
    pub mode: Mode,
    /// Verb and object, `add policy`.
    pub command: String,
    /// The tag, or the property.
    pub tag: &'static str,
    /// Whether it may be given without its name, in its turn.
    pub positional: bool,
    /// What it may hold.
    pub values: String,
    /// What holds when it is left out, in netsh's notation.
    pub default: String,
    /// How sure we are of that; `None` when leaving it out means nothing or is not allowed.
    pub default_mark: Option<Mark>,
    /// How sure we are of the values, else of the command and its tags.
    pub mark: Mark,
}

/// Every parameter of every command, and every property, in the order of the table.
#[must_use]
pub fn parameters() -> Vec<Parameter> {
    let mut all = Vec::new();
    for mode in [Mode::Static, Mode::Dynamic] {
        for command in commands(mode) {
            for tag in command.tags {
                let (default, default_mark) = tag.preset.shown();
                all.push(Parameter {
                    mode,
                    command: command.to_string(),
                    tag: tag.name,
                    positional: tag.positional,
                    values: values(tag.kind),
                    default,
                    default_mark,
                    mark: match tag.kind {
                        Kind::Integer(range) if is_confirmed(command.mark) => range.mark,
                        _ => command.mark,
                    },
                });
            }
        }
    }
    all.extend(PROPERTIES.iter().map(|property| Parameter {
        mode: Mode::Dynamic,
        command: "set config".to_owned(),
        tag: property.name,
        positional: false,
        values: property.values(),
        default: property.default_text(),
        default_mark: Some(property.default_mark()),
        mark: property.mark,
    }));
    all
}

fn values(kind: Kind) -> String {
    match kind {
        Kind::Integer(range) => range.shown(),
        Kind::Word(words) => words.join("|"),
        Kind::QmMethods => "ESP[c,i]:k/s, AH[h]:k/s or AH[h]+ESP[c,i]:k/s".to_owned(),
        Kind::MmMethods => "cipher-hash-group".to_owned(),
        other => expected(other).to_owned(),
    }
}

/// What a tag is for.
fn meaning(command: &Command, tag: &str) -> &'static str {
    match (tag, command.object) {
        ("name", Object::Rule) => "the rule's name",
        ("name", _) => "the object's name",
        ("description", _) => "free text",
        ("newname", _) => "the name it gets",
        ("guid", _) => "the object's GUID in place of its name",
        ("id", _) => "the rule's number in the policy, from 1, in place of its name",
        ("mmpfs", _) => "master-key PFS: authenticate anew for each quick mode",
        ("qmpermm", _) => "quick modes for each main mode; 0 is no limit",
        ("mmlifetime", _) => "lifetime of main-mode SAs in minutes",
        ("activatedefaultrule", _) => "whether the default response rule takes part",
        ("pollinginterval", _) => "minutes between looks at the store",
        ("assign", _) => "make this the policy in force; the other one no longer is",
        ("gponame", _) => "the Group Policy object to assign it in (domain store only)",
        ("mmsecmethods", _) => "main-mode methods in order of preference",
        ("filterlist", Object::Filter) => "the list; made when there is none",
        ("filterlist", _) => "the rule's filter list",
        ("filteraction", _) => "the rule's filter action",
        ("policy", _) => "the policy",
        ("srcaddr", _) => "where packets come from",
        ("dstaddr", _) => "where packets go to",
        ("srcmask", _) => "mask of srcaddr",
        ("dstmask", _) => "mask of dstaddr",
        ("protocol", _) => "the IP protocol; a port needs TCP or UDP",
        ("srcport", _) => "source port, 0 for any",
        ("dstport", _) => "destination port, 0 for any",
        ("mirrored", _) => "also match the way back",
        ("qmpfs", _) => "a new Diffie-Hellman exchange for each quick mode",
        ("pfsgroup", _) => "the group of that exchange; grpmm is main mode's",
        ("inpass", _) => "accept clear packets that come in, and answer with IPsec",
        ("soft", _) => "send in clear to computers without IPsec",
        ("action" | "actioninbound" | "actionoutbound", _) => "what happens to matching packets",
        ("qmsecmethods", _) => "security methods in order of preference",
        ("tunnel" | "tunneldstaddress", _) => "the tunnel's endpoint: the peer outbound, ourselves inbound",
        ("conntype", _) => "the connections the rule is for",
        ("activate", _) => "whether the rule takes part",
        ("kerberos", _) => "authenticate with Kerberos; order of the tags is order of preference",
        ("psk", _) => "authenticate with this preshared key",
        ("rootca", _) => {
            "authenticate with a certificate of this authority: \"CN=... certmap:no excludecaname:no\""
        }
        ("location", _) => "which store later static commands are about",
        ("domain", _) => "the domain, for location=domain",
        ("mode", _) => "batch mode; it only changes how fast Windows is",
        ("file", _) => "the file's name; .ipsec is added when it has no extension",
        ("release", _) => "whose examples",
        ("format", _) => "lists or tables",
        ("level", _) => "how much is shown",
        ("wide", _) => "do not cut cells",
        ("resolvedns", _) => "show names for addresses (nobody is asked here)",
        ("rule", _) => "what this rule uses",
        ("type", _) => "only this kind",
        ("mmpolicy", _) => "the main-mode policy",
        ("qmpolicy", _) => "the quick-mode policy; not needed when nothing is negotiated",
        ("softsaexpirationtime", _) => "seconds a soft association lives",
        ("property", _) => "what to set",
        ("value", _) => "its value",
        ("all", _) => "all of them",
        _ => "",
    }
}

/// The help of a command.
pub(in crate::netsh) fn command(command: &Command) -> String {
    let mut out = String::new();
    let tags = command.tags.iter().map(|tag| match tag.preset {
        Preset::Required => format!("{}=...", tag.name),
        _ => format!("[{}=...]", tag.name),
    });
    put(&mut out, &format!("Usage: {command} "), &tags.collect::<Vec<_>>().join(" "));
    if !command.one_of.is_empty() {
        let _ = writeln!(out, "One of {} is needed.", command.one_of.join("= and ") + "=");
    }
    for tag in command.tags {
        put(&mut out, &format!("  {:<20} ", tag.name), &line(command, tag));
    }
    if command.object == Object::Config && command.verb == Verb::Set {
        out.push_str("Properties:\n");
        for p in PROPERTIES {
            let when = if p.at_restart { "; from the next start on" } else { "" };
            put(&mut out, &format!("  {:<20} ", p.name), &format!("{}: {}{when}", p.values(), p.meaning));
        }
    }
    let Mark { confidence, source } = command.mark;
    let _ = writeln!(out, "{confidence:?}: {source}");
    out
}

/// A term and what is said about it, in lines of at most 79 columns.
fn put(out: &mut String, term: &str, text: &str) {
    let (indent, mut column) = (term.len().min(26), term.len());
    out.push_str(term);
    for (number, word) in text.split(' ').enumerate() {
        let blank = usize::from(number > 0);
        if number > 0 && column + blank + word.len() > 79 {
            let _ = write!(out, "\n{:indent$}", "");
            column = indent;
        } else if number > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.len();
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
}

fn line(command: &Command, tag: &Tag) -> String {
    let (default, mark) = tag.preset.shown();
    let default = match mark {
        Some(mark) if is_confirmed(mark) => format!("; default {default}"),
        Some(_) => format!("; default {default} (not confirmed)"),
        None => String::new(),
    };
    let values = match tag.kind {
        // What it may be is said.
        Kind::Name | Kind::Text | Kind::Psk | Kind::RootCa => String::new(),
        kind => format!(": {}", values(kind).replace('|', " | ")),
    };
    format!("{}{values}{default}", meaning(command, tag.name))
}

/// The help of a mode, or of one verb in it.
pub(in crate::netsh) fn mode(mode: Mode, verb: Option<Verb>) -> String {
    let mut out = format!("Commands of netsh ipsec {}:\n", mode.word());
    for command in commands(mode).iter().filter(|c| verb.is_none_or(|v| c.verb == v)) {
        let tags: Vec<&str> = command.tags.iter().map(|t| t.name).collect();
        put(&mut out, &format!("  {:<24}", command.to_string()), &tags.join(" "));
    }
    out.push_str("`?` behind a command explains its tags.\n");
    if verb.is_none() {
        put(&mut out, "Everywhere: ", "static, dynamic, dump, exec FILE, pushd, popd, .., exit");
    }
    out
}

/// The help for what stands before a `?`: a mode, a verb, or a command.
pub(in crate::netsh) fn of_words(context: Mode, words: &[&str]) -> String {
    let Some(Match::One(verb)) = words.first().map(|w| abbreviation(w, &Verb::ALL, |v| v.word())) else {
        return mode(context, None);
    };
    let of_verb: Vec<&Command> = commands(context).iter().filter(|c| c.verb == verb).collect();
    let found = match of_verb.as_slice() {
        [one] if one.object == Object::None => Match::One(*one),
        all => words.get(1).map_or(Match::None, |w| abbreviation(w, all, |c| c.object.word())),
    };
    match found {
        Match::One(one) => command(one),
        _ => mode(context, Some(verb)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_says_what_it_is_for() {
        for mode in [Mode::Static, Mode::Dynamic] {
            for command in commands(mode) {
                assert!(command.tags.iter().all(|t| !meaning(command, t.name).is_empty()), "{command}");
            }
        }
    }

    #[test]
    fn help_is_found_by_short_words() {
        assert!(of_words(Mode::Static, &["add", "pol"]).starts_with("Usage: add policy name=..."));
        assert!(of_words(Mode::Static, &["export"]).starts_with("Usage: exportpolicy file=..."));
        assert!(of_words(Mode::Dynamic, &["sh"]).contains("show mmsas"));
        assert!(!of_words(Mode::Dynamic, &["sh"]).contains("add mmpolicy"));
        assert!(of_words(Mode::Dynamic, &["set", "config"]).contains("bootmode"));
    }
}
