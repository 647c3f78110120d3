//! Carries out one command of `netsh ipsec static` on one store. A command that fails has changed nothing.

use std::ops::Range;

use super::command::bind::Bound;
use super::command::{Object, Verb};
use super::error::{ErrorKind, Fault};
use super::script;
use super::session::Location;
use super::{NoteKind, ReadFile};
use crate::domain::Domain;
use crate::examples;
use crate::store::{Store, StoreError};

pub(super) mod filter;
pub(super) mod objects;
pub(super) mod show;

/// What a command says beside success.
#[derive(Default, Debug)]
pub(super) struct Reply {
    /// What it prints.
    pub(super) text: String,
    /// What it did differently from what one might think.
    pub(super) remarks: Vec<(Range<usize>, NoteKind, String)>,
    /// A file it writes: name and content.
    pub(super) file: Option<(String, String)>,
}

/// What a command may look at beside the store.
pub(super) struct Surroundings<'a> {
    /// Which store it is.
    pub(super) location: Location,
    /// The computer's domain.
    pub(super) domain: Option<&'a Domain>,
    /// The content of a file, for `importpolicy`.
    pub(super) read: &'a ReadFile<'a>,
}

/// Changes the store as the command says. `set store` is the session's own business.
pub(super) fn execute(store: &mut Store, bound: &Bound, around: &Surroundings<'_>) -> Result<Reply, Fault> {
    let mut reply = Reply::default();
    match (bound.command.verb, bound.command.object) {
        (Verb::Add, Object::Policy) => objects::add_policy(store, bound),
        (Verb::Add, Object::FilterList) => objects::add_filter_list(store, bound),
        (Verb::Add, Object::Filter) => filter::add(store, bound, &mut reply),
        (Verb::Add, Object::FilterAction) => objects::add_filter_action(store, bound),
        (Verb::Add, Object::Rule) => objects::add_rule(store, bound),
        (Verb::Set, Object::Policy) => objects::set_policy(store, bound),
        (Verb::Set, Object::FilterList) => objects::set_filter_list(store, bound),
        (Verb::Set, Object::FilterAction) => objects::set_filter_action(store, bound),
        (Verb::Set, Object::Rule) => objects::set_rule(store, bound),
        (Verb::Set, Object::DefaultRule) => objects::set_default_rule(store, bound),
        (Verb::Delete, Object::Filter) => filter::delete(store, bound),
        (Verb::Delete, Object::All) => {
            store.delete_all();
            Ok(())
        }
        (Verb::Delete, _) => objects::delete(store, bound),
        (Verb::Show, _) => show::show(store, bound, around, &mut reply),
        (Verb::ExportPolicy, _) => export(store, bound, &mut reply),
        (Verb::ImportPolicy, _) => import(store, bound, around.read),
        (Verb::RestorePolicyExamples, _) => {
            // No source says how the two releases' examples differ.
            store.merge(&examples::store());
            Ok(())
        }
        // Batch mode only speeds up Windows' own store.
        (Verb::Add | Verb::Set, _) => Ok(()),
    }?;
    reply.remarks.extend(unused(bound));
    Ok(reply)
}

/// Words that fit no tag, and those that fit one that was hardly meant.
pub(super) fn unused(bound: &Bound) -> impl Iterator<Item = (Range<usize>, NoteKind, String)> {
    let taken = bound.taken.iter().map(|(word, tag)| {
        let text = format!("`{}` is taken as {tag}=, the first tag that is left", word.text);
        (word.span.clone(), NoteKind::Remark, text)
    });
    let unused = bound.remarks.iter().map(|word| {
        let text = format!("not understood and not used: `{}` fits no tag of this command", word.text);
        (word.span.clone(), NoteKind::NotUnderstood, text)
    });
    taken.chain(unused)
}

fn export(store: &Store, bound: &Bound, reply: &mut Reply) -> Result<(), Fault> {
    let name = file_name(bound);
    let text =
        script::export(store).map_err(|e| Fault::new(bound.span_of("file"), ErrorKind::Unwritable(e)))?;
    let remark = format!("{name} is in ipseclab's own format; an .ipsec file of Windows is a registry blob");
    reply.remarks.push((bound.span_of("file"), NoteKind::Remark, remark));
    reply.file = Some((name, text));
    Ok(())
}

fn import(store: &mut Store, bound: &Bound, read: &ReadFile<'_>) -> Result<(), Fault> {
    let name = file_name(bound);
    let fault = |kind| Fault::new(bound.span_of("file"), kind);
    let bytes = read(&name).ok_or_else(|| fault(ErrorKind::NoFile { name: name.clone() }))?;
    let imported = script::import(&name, &bytes).map_err(fault)?;
    store.merge(&imported);
    Ok(())
}

/// The name as given; without an extension Windows adds its own (unconfirmed).
fn file_name(bound: &Bound) -> String {
    let name = bound.text("file").unwrap_or_default();
    let last = name.rsplit(['\\', '/']).next().unwrap_or("");
    if last.contains('.') { name.to_owned() } else { format!("{name}.ipsec") }
}

/// Puts a store error where the tag's value stands.
pub(super) fn at<T>(bound: &Bound, tag: &str, result: Result<T, StoreError>) -> Result<T, Fault> {
    result.map_err(|error| Fault::new(bound.span_of(tag), ErrorKind::Store(error)))
}
