//! From words to a command with typed values.

use std::ops::Range;

use super::later;
use super::value::{self, Value};
use super::{Command, Kind, Mode, Object, Tag, Verb, commands};
use crate::netsh::error::{ErrorKind, Fault};
use crate::netsh::token::{Argument, Word};

/// A command with its values, in the order in which they were written.
#[derive(Debug)]
pub(in crate::netsh) struct Bound {
    pub(in crate::netsh) command: &'static Command,
    values: Vec<(&'static str, Value, Range<usize>)>,
    /// The whole command, for errors about what is missing.
    pub(in crate::netsh) span: Range<usize>,
    /// Words after the tagged values that fit no tag.
    pub(in crate::netsh) remarks: Vec<Word>,
    /// Bare words after tagged values that were taken as a text, and the tag: often they were meant as a remark.
    pub(in crate::netsh) taken: Vec<(Word, &'static str)>,
}

/// What a word may be short for.
pub(in crate::netsh) enum Match<T> {
    One(T),
    Several(Vec<T>),
    None,
}

/// The one of `all` that `word` names or is a prefix of, whatever the case of its letters.
pub(in crate::netsh) fn abbreviation<T: Copy>(
    word: &str,
    all: &[T],
    name: impl Fn(&T) -> &'static str,
) -> Match<T> {
    let word = word.to_ascii_lowercase();
    if let Some(exact) = all.iter().find(|t| name(t) == word) {
        return Match::One(*exact);
    }
    let fits: Vec<T> =
        all.iter().filter(|t| !word.is_empty() && name(t).starts_with(&word)).copied().collect();
    match fits.as_slice() {
        [] => Match::None,
        [one] => Match::One(*one),
        _ => Match::Several(fits),
    }
}

/// Words as a list for people: `a, b or c`.
pub(in crate::netsh) fn one_of(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => (*one).to_owned(),
        [init @ .., last] => format!("{} or {last}", init.join(", ")),
    }
}

/// Finds the command of a line and binds its arguments. `end` is the offset behind the line's last word.
pub(in crate::netsh) fn bind(mode: Mode, arguments: &[Argument], end: usize) -> Result<Bound, Fault> {
    let mut rest = arguments.iter();
    let verbs: Vec<Verb> =
        Verb::ALL.into_iter().filter(|v| commands(mode).iter().any(|c| c.verb == *v)).collect();
    let words: Vec<&str> = verbs.iter().map(|v| v.word()).collect();
    let first = rest.next().ok_or_else(|| incomplete(end, &words))?;
    let verb = pick(first, &verbs, |v| v.word())?;
    let commands: Vec<&'static Command> = commands(mode).iter().filter(|c| c.verb == verb).collect();
    let command = match commands.as_slice() {
        [one] if one.object == Object::None => *one,
        several => {
            let words: Vec<&str> = several.iter().map(|c| c.object.word()).collect();
            let next = rest.next().ok_or_else(|| incomplete(end, &words))?;
            pick(next, several, |c| c.object.word())?
        }
    };
    let span = arguments.first().map_or(end..end, |a| a.span().start..end);
    let mut binder =
        Binder { command, values: Vec::new(), remarks: Vec::new(), taken: Vec::new(), span, seen_tag: false };
    let arguments: Vec<&Argument> = rest.collect();
    for argument in &arguments {
        binder.argument(argument, &arguments)?;
    }
    binder.finish()
}

fn incomplete(end: usize, words: &[&str]) -> Fault {
    Fault::new(end..end, ErrorKind::Incomplete { expected: one_of(words) })
}

/// A verb or an object.
fn pick<T: Copy>(argument: &Argument, all: &[T], name: impl Fn(&T) -> &'static str) -> Result<T, Fault> {
    let word = argument.plain().map_or("=", |w| w.text.as_str());
    let names = |of: &[T]| of.iter().map(&name).collect::<Vec<_>>();
    match abbreviation(word, all, &name) {
        Match::One(one) => Ok(one),
        Match::Several(fits) => {
            let candidates = one_of(&names(&fits));
            Err(Fault::new(argument.span(), ErrorKind::Ambiguous { found: word.to_owned(), candidates }))
        }
        Match::None => {
            let expected = one_of(&names(all));
            let found = argument.tag.as_ref().map_or(word, |t| t.text.as_str()).to_owned();
            Err(Fault::new(argument.span(), ErrorKind::UnknownCommand { found, expected }))
        }
    }
}

struct Binder {
    command: &'static Command,
    values: Vec<(&'static str, Value, Range<usize>)>,
    remarks: Vec<Word>,
    taken: Vec<(Word, &'static str)>,
    span: Range<usize>,
    seen_tag: bool,
}

impl Binder {
    fn has(&self, tag: &str) -> bool {
        self.values.iter().any(|(name, ..)| *name == tag)
    }

    fn argument(&mut self, argument: &Argument, all: &[&Argument]) -> Result<(), Fault> {
        match (&argument.tag, &argument.value) {
            (Some(written), value) => {
                let tag = self.tag(written, all)?;
                let Some(value) = value else {
                    let kind =
                        ErrorKind::MissingValue { tag: tag.name, expected: value::described(tag.kind) };
                    return Err(Fault::new(written.span.clone(), kind));
                };
                self.seen_tag = true;
                self.put(tag, value, written.span.start)
            }
            (None, Some(word)) => self.positional(word, all),
            (None, None) => Ok(()),
        }
    }

    /// The tag a written name stands for. An ambiguous short form is settled when the command gives all but one of its
    /// candidates by their full names.
    fn tag(&self, written: &Word, all: &[&Argument]) -> Result<&'static Tag, Fault> {
        let tags: Vec<&'static Tag> = self.command.tags.iter().collect();
        let given = |tag: &&'static Tag| {
            let full = |w: &Word| w.text.eq_ignore_ascii_case(tag.name);
            self.has(tag.name) || all.iter().any(|a| a.tag.as_ref().is_some_and(full))
        };
        let names = |of: &[&'static Tag]| one_of(&of.iter().map(|t| t.name).collect::<Vec<_>>());
        match abbreviation(&written.text, &tags, |t| t.name) {
            Match::One(tag) => Ok(tag),
            Match::Several(fits) => {
                let open: Vec<&'static Tag> = fits.iter().filter(|t| !given(t)).copied().collect();
                if let [one] = open.as_slice() {
                    return Ok(one);
                }
                let (found, candidates) = (written.text.clone(), names(&fits));
                Err(Fault::new(written.span.clone(), ErrorKind::Ambiguous { found, candidates }))
            }
            Match::None => {
                let mut expected = names(&tags);
                if let Some(hint) = later::of_tag(self.command.mode, &written.text) {
                    expected = format!("{expected}; {hint}");
                }
                let found = written.text.clone();
                Err(Fault::new(written.span.clone(), ErrorKind::UnknownTag { found, expected }))
            }
        }
    }

    /// An untagged value takes the first positional tag that is not given anywhere in the command.
    fn positional(&mut self, word: &Word, all: &[&Argument]) -> Result<(), Fault> {
        if !word.quoted && self.command.tags.iter().any(|t| is_bare_tag(t, word)) {
            let expected = format!("{}=", word.text.to_ascii_lowercase());
            return Err(Fault::new(
                word.span.clone(),
                ErrorKind::UnknownCommand { found: word.text.clone(), expected },
            ));
        }
        let named = |tag: &Tag| all.iter().filter_map(|a| a.tag.as_ref()).any(|w| self.names(w, tag, all));
        let alternative_given = |tag: &Tag| {
            self.command.one_of.contains(&tag.name)
                && self.command.one_of.iter().any(|o| {
                    self.has(o)
                        || all.iter().filter_map(|a| a.tag.as_ref()).any(|w| w.text.eq_ignore_ascii_case(o))
                })
        };
        let open =
            |tag: &&Tag| tag.positional && !self.has(tag.name) && !named(tag) && !alternative_given(tag);
        let tag = self.command.tags.iter().find(open);
        let Some(tag) = tag else {
            if self.seen_tag {
                self.remarks.push(word.clone());
                return Ok(());
            }
            return Err(Fault::new(word.span.clone(), ErrorKind::TooManyValues { found: word.text.clone() }));
        };
        match self.put(tag, word, word.span.start) {
            // People leave remarks behind the last tagged value; what cannot be a value is named, never used.
            Err(fault) if !tag.required() && self.seen_tag && is_bad_value(&fault) => {
                self.remarks.push(word.clone());
                Ok(())
            }
            Ok(()) if self.seen_tag && !word.quoted && matches!(tag.kind, Kind::Text) => {
                self.taken.push((word.clone(), tag.name));
                Ok(())
            }
            other => other,
        }
    }

    fn names(&self, written: &Word, tag: &Tag, all: &[&Argument]) -> bool {
        self.tag(written, all).is_ok_and(|t| t.name == tag.name)
    }

    fn put(&mut self, tag: &'static Tag, word: &Word, start: usize) -> Result<(), Fault> {
        if self.has(tag.name) && !tag.repeats {
            let kind = ErrorKind::DuplicateTag { tag: tag.name };
            return Err(Fault::new(start..word.span.end, kind));
        }
        if word.text.is_empty() && !matches!(tag.kind, Kind::Text) {
            let kind = ErrorKind::MissingValue { tag: tag.name, expected: value::described(tag.kind) };
            return Err(Fault::new(start..word.span.end, kind));
        }
        let value = value::parse(tag.kind, &word.text).map_err(|expected| {
            let expected = match later::of_value(tag.kind, &word.text) {
                Some(hint) => format!("{expected}; {hint}"),
                None => expected,
            };
            let kind = ErrorKind::BadValue { tag: tag.name, found: word.text.clone(), expected };
            Fault::new(word.span.clone(), kind)
        })?;
        self.values.push((tag.name, value, word.span.clone()));
        Ok(())
    }

    fn finish(self) -> Result<Bound, Fault> {
        let missing = |tag: String, expected| {
            let command = self.command.to_string();
            Fault::new(self.span.clone(), ErrorKind::MissingTag { tag, command, expected })
        };
        if !self.command.one_of.is_empty() && !self.command.one_of.iter().any(|t| self.has(t)) {
            let tags: Vec<String> = self.command.one_of.iter().map(|t| format!("{t}=")).collect();
            return Err(missing(tags.join(" or "), "the object's name".to_owned()));
        }
        if let Some(tag) = self.command.tags.iter().find(|t| t.required() && !self.has(t.name)) {
            return Err(missing(format!("{}=", tag.name), value::described(tag.kind)));
        }
        let Self { command, values, span, remarks, taken, .. } = self;
        Ok(Bound { command, values, span, remarks, taken })
    }
}

/// `mirrored` without `=yes`; a word that is its own value (`show mmsas all`) is none.
fn is_bare_tag(tag: &Tag, word: &Word) -> bool {
    let itself = matches!(tag.kind, Kind::Word(words) if words.contains(&tag.name));
    !tag.required() && !itself && tag.name.eq_ignore_ascii_case(&word.text)
}

fn is_bad_value(fault: &Fault) -> bool {
    matches!(fault.kind, ErrorKind::BadValue { .. })
}

impl Bound {
    /// The value of a tag, when given.
    pub(in crate::netsh) fn get(&self, tag: &str) -> Option<&Value> {
        self.values.iter().find(|(name, ..)| *name == tag).map(|(_, value, _)| value)
    }

    /// Where a tag's value stands, else the command.
    pub(in crate::netsh) fn span_of(&self, tag: &str) -> Range<usize> {
        self.values
            .iter()
            .find(|(name, ..)| *name == tag)
            .map_or(self.span.clone(), |(.., span)| span.clone())
    }

    /// All values in the order written.
    pub(in crate::netsh) fn values(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.values.iter().map(|(name, value, _)| (*name, value))
    }

    pub(in crate::netsh) fn text(&self, tag: &str) -> Option<&str> {
        match self.get(tag) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(in crate::netsh) fn flag(&self, tag: &str) -> Option<bool> {
        match self.get(tag) {
            Some(Value::Flag(flag)) => Some(*flag),
            _ => None,
        }
    }

    pub(in crate::netsh) fn number(&self, tag: &str) -> Option<u32> {
        match self.get(tag) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    pub(in crate::netsh) fn word(&self, tag: &str) -> Option<&'static str> {
        match self.get(tag) {
            Some(Value::Word(word)) => Some(word),
            _ => None,
        }
    }
}
