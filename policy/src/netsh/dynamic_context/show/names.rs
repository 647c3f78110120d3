//! `resolvedns=yes`: the host names that the computer knows, beside their addresses. Nobody is asked for others.

use core::net::IpAddr;
use std::collections::BTreeMap;

use crate::netsh::command::bind::Bound;
use crate::netsh::static_context::Reply;
use crate::netsh::{NoteKind, Setting};

/// The names that are shown: none unless the command asks for them.
#[derive(Default)]
pub(super) struct Names<'a>(Option<&'a BTreeMap<String, Vec<IpAddr>>>);

impl<'a> Names<'a> {
    /// What the command asks for and the computer knows.
    pub(super) fn of(bound: &Bound, setting: &Setting<'a>) -> Self {
        let asked = bound.flag("resolvedns") == Some(true);
        Self(setting.computer.filter(|_| asked).map(|computer| &computer.names))
    }

    /// Says so when names are asked for and none is known.
    pub(super) fn remark(bound: &Bound, setting: &Setting<'_>, reply: &mut Reply) {
        let known = setting.computer.is_some_and(|computer| !computer.names.is_empty());
        if bound.flag("resolvedns") == Some(true) && !known {
            let text = "no names are known here, and nobody is asked for them".to_owned();
            reply.remarks.push((bound.span_of("resolvedns"), NoteKind::NoEffect, text));
        }
    }

    /// `10.0.0.2 (peer.example.com)`: the text, and its name if it is an address that has one.
    pub(super) fn beside(&self, text: &str) -> String {
        match text.parse().ok().and_then(|address| self.name(address)) {
            Some(name) => format!("{text} ({name})"),
            None => text.to_owned(),
        }
    }

    fn name(&self, address: IpAddr) -> Option<&'a str> {
        let mut fits = self.0?.iter().filter(|(_, addresses)| addresses.contains(&address));
        fits.next().map(|(name, _)| name.as_str())
    }
}
