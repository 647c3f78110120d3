//! Completion: contexts, verbs, objects, tags, values, names of what there is.

use crate::netsh::command::bind::{Match, abbreviation};
use crate::netsh::command::{Command, Kind, Mode, Object, Tag, Verb, commands};
use crate::netsh::session::Context;
use crate::netsh::token::is_quote;
use crate::store::Store;
use crate::stores::Stores;

/// How a line may go on.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Completion {
    /// Offset in bytes of the word that the candidates replace.
    pub start: usize,
    /// The candidates in order of the table.
    pub candidates: Vec<String>,
}

/// Words of the shell itself.
const SHELL: &[&str] = &["pushd", "popd", "exec", "help", "exit", "quit", "bye", ".."];

pub(super) fn complete(stores: &Stores, context: Context, line: &str) -> Completion {
    let (words, start) = split(line);
    let last = line.get(start..).unwrap_or("");
    let candidates = candidates(stores, context, &words, last);
    Completion { start, candidates }
}

/// Whole words, and where the unfinished one begins.
fn split(line: &str) -> (Vec<&str>, usize) {
    let (mut words, mut start, mut quoted) = (Vec::new(), 0, false);
    for (at, c) in line.char_indices() {
        quoted ^= is_quote(c);
        if c.is_whitespace() && !quoted {
            words.extend(line.get(start..at).filter(|w| !w.is_empty()));
            start = at + c.len_utf8();
        }
    }
    (words, start)
}

fn candidates(stores: &Stores, context: Context, words: &[&str], last: &str) -> Vec<String> {
    let (mut context, mut rest) = (context, words);
    while let [first, after @ ..] = rest {
        context = match (first.to_ascii_lowercase().as_str(), context) {
            ("ipsec", _) => Context::Ipsec,
            ("static", Context::Ipsec | Context::Dynamic | Context::Static) => Context::Static,
            ("dynamic", Context::Ipsec | Context::Dynamic | Context::Static) => Context::Dynamic,
            ("pushd", _) => context,
            _ => break,
        };
        rest = after;
    }
    let mode = match context {
        Context::Static => Mode::Static,
        Context::Dynamic => Mode::Dynamic,
        Context::Ipsec => return fitting(&[&["static", "dynamic", "dump"], SHELL].concat(), last),
        Context::Root | Context::Other if rest.is_empty() => {
            return fitting(&[&["ipsec", "dump"], SHELL].concat(), last);
        }
        Context::Root | Context::Other => return Vec::new(),
    };
    let [verb, rest @ ..] = rest else {
        let verbs =
            Verb::ALL.iter().filter(|v| commands(mode).iter().any(|c| c.verb == **v)).map(|v| v.word());
        let shell = SHELL.iter().copied().filter(|_| words.is_empty());
        return fitting(&verbs.chain(shell).collect::<Vec<_>>(), last);
    };
    let Match::One(verb) = abbreviation(verb, &Verb::ALL, |v| v.word()) else { return Vec::new() };
    let of_verb: Vec<&'static Command> = commands(mode).iter().filter(|c| c.verb == verb).collect();
    let (command, rest) = match (of_verb.as_slice(), rest) {
        ([one], _) if one.object == Object::None => (*one, rest),
        (all, []) => return fitting(&all.iter().map(|c| c.object.word()).collect::<Vec<_>>(), last),
        (all, [object, rest @ ..]) => match abbreviation(object, all, |c| c.object.word()) {
            Match::One(command) => (command, rest),
            _ => return Vec::new(),
        },
    };
    arguments(stores, command, rest, last)
}

/// Tags that are not given yet, or values of the tag that is being written.
fn arguments(stores: &Stores, command: &'static Command, given: &[&str], last: &str) -> Vec<String> {
    let tags: Vec<&'static Tag> = command.tags.iter().collect();
    let of = |written: &str| match abbreviation(written, &tags, |t| t.name) {
        Match::One(tag) => Some(tag),
        _ => None,
    };
    if let Some((written, value)) = last.split_once('=') {
        let Some(tag) = of(written) else { return Vec::new() };
        return beginning(stores, command, tag, value).map(|v| format!("{written}={v}")).collect();
    }
    let seen = |tag: &&&Tag| {
        given.iter().filter_map(|w| w.split_once('=')).any(|(t, _)| of(t).is_some_and(|t| t.name == tag.name))
    };
    // A value without its tag takes the first one left.
    let before = given.iter().filter(|w| !w.contains('=')).count();
    let in_turn = tags.iter().filter(|t| t.positional && !seen(t)).nth(before);
    let values = in_turn.into_iter().flat_map(|tag| beginning(stores, command, tag, last));
    let open = tags.iter().filter(|t| t.repeats || !seen(t)).map(|t| format!("{}=", t.name));
    values.chain(open.filter(|t| t.starts_with(&last.to_lowercase()))).collect()
}

/// A tag's values that begin like this, in quotation marks where needed.
fn beginning(stores: &Stores, command: &Command, tag: &Tag, text: &str) -> impl Iterator<Item = String> {
    let bare = text.trim_start_matches(is_quote).to_lowercase();
    let quote = |v: String| if v.contains(char::is_whitespace) { format!("\"{v}\"") } else { v };
    values(stores, command, tag).into_iter().filter(move |v| v.to_lowercase().starts_with(&bare)).map(quote)
}

fn values(stores: &Stores, command: &Command, tag: &Tag) -> Vec<String> {
    let words = |all: &[&str]| all.iter().map(|w| (*w).to_owned()).collect();
    match tag.kind {
        Kind::YesNo => words(&["yes", "no"]),
        Kind::Word(all) => words(all),
        Kind::Address => words(&["me", "any", "DNS", "WINS", "DHCP", "GATEWAY"]),
        Kind::Protocol => words(&["ANY", "ICMP", "TCP", "UDP", "RAW"]),
        Kind::Action => words(&["permit", "block", "negotiate"]),
        Kind::Connection => words(&["lan", "dialup", "all"]),
        Kind::QmMethods => words(&[
            "ESP[3DES,SHA1]",
            "ESP[3DES,MD5]",
            "ESP[DES,SHA1]",
            "ESP[DES,MD5]",
            "ESP[None,SHA1]",
            "AH[SHA1]",
            "AH[MD5]",
            "AH[SHA1]+ESP[3DES,None]",
        ]),
        Kind::MmMethods => words(&["3DES-SHA1-2", "3DES-MD5-2", "3DES-SHA1-3", "DES-SHA1-1", "DES-MD5-1"]),
        Kind::Name => {
            let all = matches!(command.verb, Verb::Delete | Verb::Show) && tag.name == "name";
            let names = names(stores, command, tag.name).into_iter();
            names.chain(all.then(|| "all".to_owned())).collect()
        }
        _ => Vec::new(),
    }
}

/// Names of what there is; a new object has none yet.
fn names(stores: &Stores, command: &Command, tag: &str) -> Vec<String> {
    let dynamic = &stores.dynamic;
    let both = |of: fn(&Store) -> Vec<String>| [of(&stores.local), of(&stores.persistent)].concat();
    let kind = match tag {
        "name" | "newname" if command.verb == Verb::Add || tag == "newname" => return Vec::new(),
        "name" => command.object.word(),
        other => other,
    };
    match kind {
        "policy" => both(|s| s.policies().iter().map(|p| p.name.clone()).collect()),
        "filterlist" => both(|s| s.filter_lists().iter().map(|l| l.name.clone()).collect()),
        "filteraction" => both(|s| s.filter_actions().iter().map(|a| a.name.clone()).collect()),
        "rule" => both(|s| s.policies().iter().flat_map(|p| &p.rules).map(|r| r.name.clone()).collect()),
        "mmpolicy" => dynamic.mm_policies().iter().map(|p| p.name.clone()).collect(),
        "qmpolicy" => dynamic.qm_policies().iter().map(|p| p.name.clone()).collect(),
        _ => Vec::new(),
    }
}

fn fitting(words: &[&str], last: &str) -> Vec<String> {
    let last = last.to_ascii_lowercase();
    words.iter().filter(|w| w.starts_with(&last)).map(|w| (*w).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Prompt;
    use crate::netsh::Setting;
    use crate::stores::Stores;

    fn after(line: &str) -> Vec<String> {
        let mut prompt = Prompt::new(Stores::new());
        let setup = "ipsec static add policy \"two words\"\nipsec static add filterlist Web";
        assert_eq!(prompt.line(setup, &Setting::default()).error, None);
        prompt.line("ipsec static", &Setting::default());
        prompt.complete(line).candidates
    }

    #[test]
    fn each_place_has_its_words() {
        assert_eq!(after("ex"), ["exportpolicy", "exec", "exit"]);
        assert_eq!(after("add fil"), ["filterlist", "filter", "filteraction"]);
        assert_eq!(after("add filter filterlist=W srcaddr=me m"), ["me", "mirrored="]);
        assert_eq!(after("add filter filterlist=w"), ["filterlist=Web"]);
        assert_eq!(after("set policy name="), ["name=\"two words\""]);
        assert_eq!(after("add policy name="), Vec::<String>::new());
        assert_eq!(after("add filter filterlist=Web srcaddr=D"), ["srcaddr=DNS", "srcaddr=DHCP"]);
        assert_eq!(after("dynamic show mm"), ["mmfilter", "mmpolicy", "mmsas"]);
        assert_eq!(after("dynamic set config property=ike"), ["property=ikelogging"]);
        assert_eq!(
            after("add filteraction A qmsec=a"),
            ["qmsec=AH[SHA1]", "qmsec=AH[MD5]", "qmsec=AH[SHA1]+ESP[3DES,None]"]
        );
        assert_eq!(after("add policy P mmsec=des-s"), ["mmsec=DES-SHA1-1"]);
        assert_eq!(after("export f"), ["file="]);
        assert_eq!(after("show policy t"), ["\"two words\""]);
        assert_eq!(after("show policy \"two words\" v"), ["verbose"]);
        assert_eq!(after("show policy name=x f"), ["format="]);
        assert_eq!(after("delete filterlist "), ["Web", "all", "name="]);
        assert_eq!(after("add filter Web m"), ["me", "mirrored="]);
    }

    #[test]
    fn replaces_the_word_at_the_end() {
        let prompt = Prompt::new(Stores::new());
        assert_eq!(prompt.complete("ipsec st").start, 6);
        assert_eq!(prompt.complete("ipsec static add policy name=\"a b").start, 24);
    }
}
