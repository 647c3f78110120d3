//! The one table of `netsh ipsec`: every command of both modes, its tags in positional order, what each may hold, what
//! it is when left out, and how sure we are of that. A command that is not in the table does not exist.

use core::fmt;

use crate::defaults::{Confidence, Defaulted, Mark};
use crate::security_method::{MainModeMethod, SecurityMethod};

pub(super) mod bind;
mod dynamic_mode;
pub(super) mod help;
mod later;
mod static_mode;
pub(super) mod value;

pub use help::{Parameter, parameters};

/// The two modes of `netsh ipsec`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Mode {
    /// Stored policy.
    Static,
    /// What the running driver and key exchange hold.
    Dynamic,
}

/// What a command does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verb {
    Add,
    Set,
    Delete,
    Show,
    ExportPolicy,
    ImportPolicy,
    RestorePolicyExamples,
}

/// What a command does it to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Object {
    None,
    Policy,
    FilterList,
    Filter,
    FilterAction,
    Rule,
    DefaultRule,
    Store,
    Batch,
    All,
    GpoAssignedPolicy,
    MmPolicy,
    QmPolicy,
    Config,
    MmFilter,
    QmFilter,
    MmSas,
    QmSas,
    Stats,
}

/// The numbers a tag takes, both ends included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) low: u32,
    pub(super) high: u32,
    pub(super) mark: Mark,
}

/// What a tag's value may be. [`value`] reads each.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Name,
    Text,
    Guid,
    YesNo,
    Integer(Range),
    Address,
    Mask,
    Port,
    Protocol,
    Action,
    QmMethods,
    MmMethods,
    Tunnel,
    Connection,
    Psk,
    RootCa,
    Word(&'static [&'static str]),
}

/// What holds when a tag is left out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Preset {
    /// It may not be.
    Required,
    /// What was there before.
    Unchanged,
    /// Nothing: no text, no tunnel, no choice among several.
    Nothing,
    Flag(&'static Defaulted<bool>),
    Number(&'static Defaulted<u32>),
    Text(&'static Defaulted<&'static str>),
    MmMethods(&'static Defaulted<[MainModeMethod; 4]>),
    QmMethods(&'static Defaulted<[SecurityMethod; 2]>),
}

/// One tag of a command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) preset: Preset,
    /// May be given without its name, in its turn.
    pub(super) positional: bool,
    /// May be given more than once.
    pub(super) repeats: bool,
}

/// One command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command {
    pub(super) mode: Mode,
    pub(super) verb: Verb,
    pub(super) object: Object,
    pub(super) tags: &'static [Tag],
    /// Of these tags exactly one must be given.
    pub(super) one_of: &'static [&'static str],
    /// How sure we are of the command and its tags.
    pub(super) mark: Mark,
}

const fn req(name: &'static str, kind: Kind) -> Tag {
    Tag { name, kind, preset: Preset::Required, positional: true, repeats: false }
}
const fn opt(name: &'static str, kind: Kind, preset: Preset) -> Tag {
    Tag { name, kind, preset, positional: true, repeats: false }
}
/// Not taken by position: it stands for another tag.
const fn named(name: &'static str, kind: Kind) -> Tag {
    Tag { name, kind, preset: Preset::Nothing, positional: false, repeats: false }
}
const fn many(name: &'static str, kind: Kind, preset: Preset) -> Tag {
    Tag { name, kind, preset, positional: true, repeats: true }
}

const fn range(low: u32, high: u32, mark: Mark) -> Range {
    Range { low, high, mark }
}
const UNKNOWN_LIMITS: Mark = Mark::unconfirmed("no source names the limits");
/// Any number.
const COUNT: Range = range(0, u32::MAX, UNKNOWN_LIMITS);
/// A number that cannot be nought.
const POSITIVE: Range = range(1, u32::MAX, UNKNOWN_LIMITS);
const LEVEL: Kind = Kind::Word(&["verbose", "normal"]);
const FORMAT: Kind = Kind::Word(&["list", "table"]);

impl Tag {
    pub(super) const fn required(&self) -> bool {
        matches!(self.preset, Preset::Required)
    }
}

/// Every command of a mode.
pub(super) fn commands(mode: Mode) -> &'static [Command] {
    match mode {
        Mode::Static => static_mode::COMMANDS,
        Mode::Dynamic => dynamic_mode::COMMANDS,
    }
}

impl Mode {
    /// The word that leads there.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Dynamic => "dynamic",
        }
    }
}

impl Verb {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Set => "set",
            Self::Delete => "delete",
            Self::Show => "show",
            Self::ExportPolicy => "exportpolicy",
            Self::ImportPolicy => "importpolicy",
            Self::RestorePolicyExamples => "restorepolicyexamples",
        }
    }

    pub(super) const ALL: [Self; 7] = [
        Self::Add,
        Self::Set,
        Self::Delete,
        Self::Show,
        Self::ExportPolicy,
        Self::ImportPolicy,
        Self::RestorePolicyExamples,
    ];
}

impl Object {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Policy => "policy",
            Self::FilterList => "filterlist",
            Self::Filter => "filter",
            Self::FilterAction => "filteraction",
            Self::Rule => "rule",
            Self::DefaultRule => "defaultrule",
            Self::Store => "store",
            Self::Batch => "batch",
            Self::All => "all",
            Self::GpoAssignedPolicy => "gpoassignedpolicy",
            Self::MmPolicy => "mmpolicy",
            Self::QmPolicy => "qmpolicy",
            Self::Config => "config",
            Self::MmFilter => "mmfilter",
            Self::QmFilter => "qmfilter",
            Self::MmSas => "mmsas",
            Self::QmSas => "qmsas",
            Self::Stats => "stats",
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.verb.word())?;
        if self.object != Object::None {
            write!(f, " {}", self.object.word())?;
        }
        Ok(())
    }
}

impl Preset {
    /// What the value is when left out, in netsh's notation, and how sure we are.
    pub(super) fn shown(&self) -> (String, Option<Mark>) {
        let yes_no = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
        let list = |all: Vec<String>| all.join(" ");
        match self {
            Self::Required => ("(required)".to_owned(), None),
            Self::Unchanged => ("(unchanged)".to_owned(), None),
            Self::Nothing => ("-".to_owned(), None),
            Self::Flag(d) => (yes_no(d.value), Some(d.mark())),
            Self::Number(d) => (d.value.to_string(), Some(d.mark())),
            Self::Text(d) => (d.value.to_owned(), Some(d.mark())),
            Self::MmMethods(d) => (list(d.value.iter().map(ToString::to_string).collect()), Some(d.mark())),
            Self::QmMethods(d) => (list(d.value.iter().map(ToString::to_string).collect()), Some(d.mark())),
        }
    }
}

impl Range {
    fn shown(&self) -> String {
        match (self.low, self.high) {
            (low, u32::MAX) => format!("{low} up"),
            (low, high) => format!("{low}..{high}"),
        }
    }
}

/// Whether a mark says that a source was read.
const fn is_confirmed(mark: Mark) -> bool {
    matches!(mark.confidence, Confidence::Confirmed)
}
