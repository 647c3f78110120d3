//! `netsh ipsec static`: the table of commands and what each tag may hold.
//!
//! Tags stand in positional order, as the help texts of Windows Server 2003 list them. A command that is not in the
//! table does not exist.

use core::fmt;

pub(super) mod bind;
pub(super) mod execute;
mod filter;
mod objects;
mod show;
pub(super) mod value;

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
}

/// What a tag's value may be. [`value`] reads each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Name,
    Text,
    Guid,
    YesNo,
    Integer(u32, u32),
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

/// One tag of a command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
    /// May be given without its name, in its turn.
    pub(super) positional: bool,
    /// May be given more than once.
    pub(super) repeats: bool,
}

/// One command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command {
    pub(super) verb: Verb,
    pub(super) object: Object,
    pub(super) tags: &'static [Tag],
    /// Of these tags exactly one must be given.
    pub(super) one_of: &'static [&'static str],
}

const fn req(name: &'static str, kind: Kind) -> Tag {
    Tag { name, kind, required: true, positional: true, repeats: false }
}
const fn opt(name: &'static str, kind: Kind) -> Tag {
    Tag { name, kind, required: false, positional: true, repeats: false }
}
const fn named(name: &'static str, kind: Kind) -> Tag {
    Tag { name, kind, required: false, positional: false, repeats: false }
}
const fn auth(name: &'static str, kind: Kind) -> Tag {
    Tag { name, kind, required: false, positional: true, repeats: true }
}

const MINUTES: Kind = Kind::Integer(1, u32::MAX);
const COUNT: Kind = Kind::Integer(0, u32::MAX);
const LEVEL: Kind = Kind::Word(&["verbose", "normal"]);
const FORMAT: Kind = Kind::Word(&["list", "table"]);
const LOCATION: Kind = Kind::Word(&["local", "persistent", "domain"]);
const MODE: Kind = Kind::Word(&["enable", "disable"]);
const RELEASE: Kind = Kind::Word(&["win2k", "win2003"]);
const TYPE: Kind = Kind::Word(&["tunnel", "transport", "tranport"]);

const FILTER_TAGS: &[Tag] = &[
    req("filterlist", Kind::Name),
    req("srcaddr", Kind::Address),
    req("dstaddr", Kind::Address),
    opt("description", Kind::Text),
    opt("protocol", Kind::Protocol),
    opt("mirrored", Kind::YesNo),
    opt("srcmask", Kind::Mask),
    opt("dstmask", Kind::Mask),
    opt("srcport", Kind::Port),
    opt("dstport", Kind::Port),
];
const DELETE_FILTER_TAGS: &[Tag] = &[
    req("filterlist", Kind::Name),
    req("srcaddr", Kind::Address),
    req("dstaddr", Kind::Address),
    opt("protocol", Kind::Protocol),
    opt("mirrored", Kind::YesNo),
    opt("srcmask", Kind::Mask),
    opt("dstmask", Kind::Mask),
    opt("srcport", Kind::Port),
    opt("dstport", Kind::Port),
];

const fn command(verb: Verb, object: Object, tags: &'static [Tag]) -> Command {
    Command { verb, object, tags, one_of: &[] }
}
const fn either(
    verb: Verb,
    object: Object,
    one_of: &'static [&'static str],
    tags: &'static [Tag],
) -> Command {
    Command { verb, object, tags, one_of }
}

/// Every command of the context.
pub(super) const COMMANDS: &[Command] = &[
    command(
        Verb::Add,
        Object::Policy,
        &[
            req("name", Kind::Name),
            opt("description", Kind::Text),
            opt("mmpfs", Kind::YesNo),
            opt("qmpermm", COUNT),
            opt("mmlifetime", MINUTES),
            opt("activatedefaultrule", Kind::YesNo),
            opt("pollinginterval", MINUTES),
            opt("assign", Kind::YesNo),
            opt("mmsecmethods", Kind::MmMethods),
        ],
    ),
    command(Verb::Add, Object::FilterList, &[req("name", Kind::Name), opt("description", Kind::Text)]),
    command(Verb::Add, Object::Filter, FILTER_TAGS),
    command(
        Verb::Add,
        Object::FilterAction,
        &[
            req("name", Kind::Name),
            opt("description", Kind::Text),
            opt("qmpfs", Kind::YesNo),
            opt("inpass", Kind::YesNo),
            opt("soft", Kind::YesNo),
            opt("action", Kind::Action),
            opt("qmsecmethods", Kind::QmMethods),
        ],
    ),
    command(
        Verb::Add,
        Object::Rule,
        &[
            req("name", Kind::Name),
            req("policy", Kind::Name),
            req("filterlist", Kind::Name),
            req("filteraction", Kind::Name),
            opt("tunnel", Kind::Tunnel),
            opt("conntype", Kind::Connection),
            opt("activate", Kind::YesNo),
            opt("description", Kind::Text),
            auth("kerberos", Kind::YesNo),
            auth("psk", Kind::Psk),
            auth("rootca", Kind::RootCa),
        ],
    ),
    either(
        Verb::Set,
        Object::Policy,
        &["name", "guid"],
        &[
            opt("name", Kind::Name),
            named("guid", Kind::Guid),
            opt("newname", Kind::Name),
            opt("description", Kind::Text),
            opt("mmpfs", Kind::YesNo),
            opt("qmpermm", COUNT),
            opt("mmlifetime", MINUTES),
            opt("activatedefaultrule", Kind::YesNo),
            opt("pollinginterval", MINUTES),
            opt("assign", Kind::YesNo),
            opt("gponame", Kind::Text),
            opt("mmsecmethods", Kind::MmMethods),
        ],
    ),
    either(
        Verb::Set,
        Object::FilterList,
        &["name", "guid"],
        &[
            opt("name", Kind::Name),
            named("guid", Kind::Guid),
            opt("newname", Kind::Name),
            opt("description", Kind::Text),
        ],
    ),
    either(
        Verb::Set,
        Object::FilterAction,
        &["name", "guid"],
        &[
            opt("name", Kind::Name),
            named("guid", Kind::Guid),
            opt("newname", Kind::Name),
            opt("description", Kind::Text),
            opt("qmpfs", Kind::YesNo),
            opt("inpass", Kind::YesNo),
            opt("soft", Kind::YesNo),
            opt("action", Kind::Action),
            opt("qmsecmethods", Kind::QmMethods),
        ],
    ),
    either(
        Verb::Set,
        Object::Rule,
        &["name", "id"],
        &[
            opt("name", Kind::Name),
            named("id", Kind::Integer(1, u32::MAX)),
            req("policy", Kind::Name),
            opt("newname", Kind::Name),
            opt("description", Kind::Text),
            opt("filterlist", Kind::Name),
            opt("filteraction", Kind::Name),
            opt("tunnel", Kind::Tunnel),
            opt("conntype", Kind::Connection),
            opt("activate", Kind::YesNo),
            auth("kerberos", Kind::YesNo),
            auth("psk", Kind::Psk),
            auth("rootca", Kind::RootCa),
        ],
    ),
    command(
        Verb::Set,
        Object::DefaultRule,
        &[
            req("policy", Kind::Name),
            opt("qmpfs", Kind::YesNo),
            opt("activate", Kind::YesNo),
            opt("qmsecmethods", Kind::QmMethods),
            auth("kerberos", Kind::YesNo),
            auth("psk", Kind::Psk),
            auth("rootca", Kind::RootCa),
        ],
    ),
    command(Verb::Set, Object::Store, &[req("location", LOCATION), opt("domain", Kind::Text)]),
    command(Verb::Set, Object::Batch, &[req("mode", MODE)]),
    command(Verb::Delete, Object::Policy, &[req("name", Kind::Name)]),
    command(Verb::Delete, Object::FilterList, &[req("name", Kind::Name)]),
    command(Verb::Delete, Object::FilterAction, &[req("name", Kind::Name)]),
    command(Verb::Delete, Object::Filter, DELETE_FILTER_TAGS),
    either(
        Verb::Delete,
        Object::Rule,
        &["name", "id"],
        &[opt("name", Kind::Name), named("id", Kind::Integer(1, u32::MAX)), req("policy", Kind::Name)],
    ),
    command(Verb::Delete, Object::All, &[]),
    command(Verb::ExportPolicy, Object::None, &[req("file", Kind::Text)]),
    command(Verb::ImportPolicy, Object::None, &[req("file", Kind::Text)]),
    command(Verb::RestorePolicyExamples, Object::None, &[req("release", RELEASE)]),
    command(Verb::Show, Object::All, &[opt("format", FORMAT), opt("wide", Kind::YesNo)]),
    command(
        Verb::Show,
        Object::Policy,
        &[req("name", Kind::Name), opt("level", LEVEL), opt("format", FORMAT), opt("wide", Kind::YesNo)],
    ),
    either(
        Verb::Show,
        Object::FilterList,
        &["name", "rule"],
        &[
            opt("name", Kind::Name),
            named("rule", Kind::Name),
            opt("level", LEVEL),
            opt("format", FORMAT),
            opt("resolvedns", Kind::YesNo),
            opt("wide", Kind::YesNo),
        ],
    ),
    either(
        Verb::Show,
        Object::FilterAction,
        &["name", "rule"],
        &[
            opt("name", Kind::Name),
            named("rule", Kind::Name),
            opt("level", LEVEL),
            opt("format", FORMAT),
            opt("wide", Kind::YesNo),
        ],
    ),
    either(
        Verb::Show,
        Object::Rule,
        &["name", "id"],
        &[
            opt("name", Kind::Name),
            named("id", Kind::Integer(1, u32::MAX)),
            req("policy", Kind::Name),
            opt("type", TYPE),
            opt("level", LEVEL),
            opt("format", FORMAT),
            opt("wide", Kind::YesNo),
        ],
    ),
    command(Verb::Show, Object::GpoAssignedPolicy, &[opt("name", Kind::Name)]),
    command(Verb::Show, Object::Store, &[]),
];

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
