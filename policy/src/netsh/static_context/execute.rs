//! Carries out one bound command. A command that fails has changed nothing.

use std::ops::Range;

use super::bind::Bound;
use super::{Object, Verb, filter, objects, show};
use crate::netsh::error::{ErrorKind, Fault};
use crate::store::{Store, StoreError};

/// What a command says beside success.
#[derive(Default, Debug)]
pub(in crate::netsh) struct Reply {
    /// What it prints.
    pub(in crate::netsh) text: String,
    /// What it did differently from what one might think.
    pub(in crate::netsh) remarks: Vec<(Range<usize>, String)>,
}

/// Changes the store as the command says.
pub(in crate::netsh) fn execute(store: &mut Store, bound: &Bound) -> Result<Reply, Fault> {
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
        (Verb::Set, Object::Store) => set_store(bound),
        // Batch mode only speeds up Windows' own store.
        (Verb::Set, Object::Batch) => Ok(()),
        (Verb::Delete, Object::Filter) => filter::delete(store, bound),
        (Verb::Delete, Object::All) => {
            store.delete_all();
            Ok(())
        }
        (Verb::Delete, _) => objects::delete(store, bound),
        (Verb::Show, _) => show::show(store, bound, &mut reply),
        (Verb::ExportPolicy, _) => Err(unsupported(bound, "keep the script, which makes the same store")),
        (Verb::ImportPolicy, _) => Err(unsupported(bound, "give the policy as a script of add commands")),
        (Verb::RestorePolicyExamples, _) => Err(unsupported(
            bound,
            "the contents of the example policies are not confirmed by any public source",
        )),
        (Verb::Add | Verb::Set, _) => Ok(()),
    }?;
    reply.remarks.extend(bound.remarks.iter().map(|word| {
        (
            word.span.clone(),
            format!("not understood and not used: `{}` fits no tag of this command", word.text),
        )
    }));
    Ok(reply)
}

fn set_store(bound: &Bound) -> Result<(), Fault> {
    match bound.word("location") {
        Some("local") | None => Ok(()),
        Some(_) => Err(unsupported(bound, "only the local store exists")),
    }
}

fn unsupported(bound: &Bound, instead: &'static str) -> Fault {
    let location = bound.word("location").map_or_else(String::new, |l| format!(" location={l}"));
    let what = format!("`{}{location}`", bound.command);
    Fault::new(bound.span.clone(), ErrorKind::NotSupported { what, instead })
}

/// Puts a store error where the tag's value stands.
pub(super) fn at<T>(bound: &Bound, tag: &str, result: Result<T, StoreError>) -> Result<T, Fault> {
    result.map_err(|error| Fault::new(bound.span_of(tag), ErrorKind::Store(error)))
}
