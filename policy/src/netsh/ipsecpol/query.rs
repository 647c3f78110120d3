//! `ipseccmd show`: what the running driver holds. Its words and what each stands for are unconfirmed, and its output is
//! that of the netsh commands which show the same.

use super::words::Word;
use super::{ErrorKind, Fault, Reply, Setting, unsupported};
use crate::netsh::command::Mode;
use crate::netsh::command::bind::{bind, one_of};
use crate::netsh::{dynamic_context, token};
use crate::stores::Stores;

/// Each word with the objects of `netsh ipsec dynamic show` that tell the same.
const WORDS: &[(&str, &[&str])] = &[
    ("gpo", &[]),
    ("filters", &["mmfilter", "qmfilter"]),
    ("policies", &["mmpolicy", "qmpolicy"]),
    ("auth", &["mmfilter"]),
    ("stats", &["stats"]),
    ("sas", &["mmsas", "qmsas"]),
    ("all", &["all"]),
];

pub(super) fn show(
    stores: &mut Stores,
    first: &Word,
    what: &[Word],
    setting: &Setting<'_>,
) -> Result<Reply, Fault> {
    let words: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
    if what.is_empty() {
        let (end, expected) = (first.span.end, one_of(&words));
        return Err(Fault::new(end..end, ErrorKind::Incomplete { expected }));
    }
    let mut reply = Reply::default();
    for word in what {
        if word.text.starts_with("\\\\") {
            return Err(unsupported(word, "other computers have stores of their own"));
        }
        let Some((name, objects)) = WORDS.iter().find(|(w, _)| word.text.eq_ignore_ascii_case(w)) else {
            let (found, expected) = (word.text.clone(), one_of(&words));
            return Err(Fault::new(word.span.clone(), ErrorKind::UnknownCommand { found, expected }));
        };
        if matches!(*name, "gpo" | "all") {
            let assigned = stores.local.assigned().map_or("NONE", |p| p.name.as_str());
            let domain = stores.domain.as_ref().and_then(|domain| domain.policies.assigned());
            let domain = domain.map_or("NONE", |p| p.name.as_str());
            reply.text +=
                &format!("Local Policy Name        : {assigned}\nDomain Policy Name       : {domain}\n\n");
        }
        for object in *objects {
            let line = format!("show {object}");
            let bound = bind(Mode::Dynamic, &token::arguments(&line)?.0, line.len())?;
            let shown = dynamic_context::execute(stores, &bound, setting)?;
            reply.text += &shown.text;
            let here = |(_, kind, text)| (word.span.clone(), kind, text);
            reply.remarks.extend(shown.remarks.into_iter().map(here));
        }
    }
    Ok(reply)
}

/// What `ipseccmd` has beside rules and `show`: `set logike` and `dontlogike`, `import` and `export`. Unconfirmed, all of them.
/// `None` when `first` is none of these.
pub(super) fn of_service(stores: &mut Stores, first: &Word, rest: &[Word]) -> Option<Result<Reply, Fault>> {
    match first.text.to_ascii_lowercase().as_str() {
        "import" | "export" => Some(Err(unsupported(
            first,
            "an .ipsec file of Windows is a registry blob; netsh exportpolicy writes our own form",
        ))),
        "set" => Some(set(stores, first, rest)),
        _ => None,
    }
}

fn set(stores: &mut Stores, first: &Word, rest: &[Word]) -> Result<Reply, Fault> {
    let expected = || "logike or dontlogike".to_owned();
    let Some(word) = rest.first() else {
        let end = first.span.end;
        return Err(Fault::new(end..end, ErrorKind::Incomplete { expected: expected() }));
    };
    if let Some(more) = rest.get(1) {
        return Err(Fault::new(more.span.clone(), ErrorKind::TooManyValues { found: more.text.clone() }));
    }
    stores.config.ike_logging = match word.text.to_ascii_lowercase().as_str() {
        "logike" => 1,
        "dontlogike" => 0,
        _ => {
            let (found, expected) = (word.text.clone(), expected());
            return Err(Fault::new(word.span.clone(), ErrorKind::UnknownCommand { found, expected }));
        }
    };
    Ok(Reply::default())
}
