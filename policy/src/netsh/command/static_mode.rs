//! `netsh ipsec static`: commands on stored policy.

use super::{
    COUNT, Command, FORMAT, Kind, LEVEL, Mode, Object, POSITIVE, Preset, Range, Tag, UNKNOWN_LIMITS, Verb,
    many, named, opt, range, req,
};
use crate::defaults::{self as d, Mark};

const LEARN: Mark = Mark::confirmed("Microsoft Learn, netsh ipsec");
const HELP: Mark = Mark::confirmed("Windows help strings (a later edition)");
const RECIPES: Mark = Mark::confirmed("Windows Server 2003 Networking Recipes");
const SCRIPTS: Mark = Mark::confirmed("published scripts");
const MEMORY: Mark = Mark::unconfirmed("name and values from memory; later releases have no such command");

const LOCATION: Kind = Kind::Word(&["local", "persistent", "domain"]);
const MODE: Kind = Kind::Word(&["enable", "disable"]);
const RELEASE: Kind = Kind::Word(&["win2k", "win2003"]);
/// The help text spells `transport` without its s; both are taken.
const TYPE: Kind = Kind::Word(&["tunnel", "transport", "tranport"]);
const RULE_ID: Range = range(1, u32::MAX, UNKNOWN_LIMITS);

const fn command(verb: Verb, object: Object, mark: Mark, tags: &'static [Tag]) -> Command {
    Command { mode: Mode::Static, verb, object, tags, one_of: &[], mark }
}
const fn either(
    verb: Verb,
    object: Object,
    one_of: &'static [&'static str],
    mark: Mark,
    tags: &'static [Tag],
) -> Command {
    Command { mode: Mode::Static, verb, object, tags, one_of, mark }
}

const DESCRIPTION: Tag = opt("description", Kind::Text, Preset::Text(&d::DESCRIPTION));
const KERBEROS: Tag = many("kerberos", Kind::YesNo, Preset::Text(&d::AUTH));
const PSK: Tag = many("psk", Kind::Psk, Preset::Nothing);
const ROOT_CA: Tag = many("rootca", Kind::RootCa, Preset::Nothing);
const SHOW_LEVEL: Tag = opt("level", LEVEL, Preset::Text(&d::SHOW_LEVEL));
const SHOW_FORMAT: Tag = opt("format", FORMAT, Preset::Text(&d::SHOW_FORMAT));
const WIDE: Tag = opt("wide", Kind::YesNo, Preset::Flag(&d::SHOW_WIDE));

const fn same(name: &'static str, kind: Kind) -> Tag {
    opt(name, kind, Preset::Unchanged)
}
const fn choice(name: &'static str, kind: Kind) -> Tag {
    opt(name, kind, Preset::Nothing)
}

pub(super) const COMMANDS: &[Command] = &[
    command(
        Verb::Add,
        Object::Policy,
        LEARN,
        &[
            req("name", Kind::Name),
            DESCRIPTION,
            opt("mmpfs", Kind::YesNo, Preset::Flag(&d::MM_PFS)),
            opt("qmpermm", Kind::Integer(COUNT), Preset::Number(&d::QM_PER_MM)),
            opt("mmlifetime", Kind::Integer(POSITIVE), Preset::Number(&d::MM_LIFETIME_MINUTES)),
            opt("activatedefaultrule", Kind::YesNo, Preset::Flag(&d::ACTIVATE_DEFAULT_RULE)),
            opt("pollinginterval", Kind::Integer(POSITIVE), Preset::Number(&d::POLLING_INTERVAL_MINUTES)),
            opt("assign", Kind::YesNo, Preset::Flag(&d::ASSIGN)),
            opt("mmsecmethods", Kind::MmMethods, Preset::MmMethods(&d::MM_METHODS)),
        ],
    ),
    command(Verb::Add, Object::FilterList, LEARN, &[req("name", Kind::Name), DESCRIPTION]),
    command(
        Verb::Add,
        Object::Filter,
        HELP,
        &[
            req("filterlist", Kind::Name),
            req("srcaddr", Kind::Address),
            req("dstaddr", Kind::Address),
            DESCRIPTION,
            opt("protocol", Kind::Protocol, Preset::Text(&d::PROTOCOL)),
            opt("mirrored", Kind::YesNo, Preset::Flag(&d::MIRRORED)),
            opt("srcmask", Kind::Mask, Preset::Text(&d::MASK)),
            opt("dstmask", Kind::Mask, Preset::Text(&d::MASK)),
            opt("srcport", Kind::Port, Preset::Text(&d::PORT)),
            opt("dstport", Kind::Port, Preset::Text(&d::PORT)),
        ],
    ),
    command(
        Verb::Add,
        Object::FilterAction,
        RECIPES,
        &[
            req("name", Kind::Name),
            DESCRIPTION,
            opt("qmpfs", Kind::YesNo, Preset::Flag(&d::QM_PFS)),
            opt("inpass", Kind::YesNo, Preset::Flag(&d::INPASS)),
            opt("soft", Kind::YesNo, Preset::Flag(&d::SOFT)),
            opt("action", Kind::Action, Preset::Text(&d::ACTION)),
            opt("qmsecmethods", Kind::QmMethods, Preset::QmMethods(&d::QM_METHODS)),
        ],
    ),
    command(
        Verb::Add,
        Object::Rule,
        HELP,
        &[
            req("name", Kind::Name),
            req("policy", Kind::Name),
            req("filterlist", Kind::Name),
            req("filteraction", Kind::Name),
            choice("tunnel", Kind::Tunnel),
            opt("conntype", Kind::Connection, Preset::Text(&d::CONNECTION)),
            opt("activate", Kind::YesNo, Preset::Flag(&d::RULE_ACTIVE)),
            DESCRIPTION,
            KERBEROS,
            PSK,
            ROOT_CA,
        ],
    ),
    either(
        Verb::Set,
        Object::Policy,
        &["name", "guid"],
        LEARN,
        &[
            choice("name", Kind::Name),
            named("guid", Kind::Guid),
            same("newname", Kind::Name),
            same("description", Kind::Text),
            same("mmpfs", Kind::YesNo),
            same("qmpermm", Kind::Integer(COUNT)),
            same("mmlifetime", Kind::Integer(POSITIVE)),
            same("activatedefaultrule", Kind::YesNo),
            same("pollinginterval", Kind::Integer(POSITIVE)),
            same("assign", Kind::YesNo),
            choice("gponame", Kind::Text),
            same("mmsecmethods", Kind::MmMethods),
        ],
    ),
    either(
        Verb::Set,
        Object::FilterList,
        &["name", "guid"],
        LEARN,
        &[
            choice("name", Kind::Name),
            named("guid", Kind::Guid),
            same("newname", Kind::Name),
            same("description", Kind::Text),
        ],
    ),
    either(
        Verb::Set,
        Object::FilterAction,
        &["name", "guid"],
        HELP,
        &[
            choice("name", Kind::Name),
            named("guid", Kind::Guid),
            same("newname", Kind::Name),
            same("description", Kind::Text),
            same("qmpfs", Kind::YesNo),
            same("inpass", Kind::YesNo),
            same("soft", Kind::YesNo),
            same("action", Kind::Action),
            same("qmsecmethods", Kind::QmMethods),
        ],
    ),
    either(
        Verb::Set,
        Object::Rule,
        &["name", "id"],
        LEARN,
        &[
            choice("name", Kind::Name),
            named("id", Kind::Integer(RULE_ID)),
            req("policy", Kind::Name),
            same("newname", Kind::Name),
            same("description", Kind::Text),
            same("filterlist", Kind::Name),
            same("filteraction", Kind::Name),
            same("tunnel", Kind::Tunnel),
            same("conntype", Kind::Connection),
            same("activate", Kind::YesNo),
            many("kerberos", Kind::YesNo, Preset::Unchanged),
            many("psk", Kind::Psk, Preset::Unchanged),
            many("rootca", Kind::RootCa, Preset::Unchanged),
        ],
    ),
    command(
        Verb::Set,
        Object::DefaultRule,
        HELP,
        &[
            req("policy", Kind::Name),
            same("qmpfs", Kind::YesNo),
            same("activate", Kind::YesNo),
            same("qmsecmethods", Kind::QmMethods),
            many("kerberos", Kind::YesNo, Preset::Unchanged),
            many("psk", Kind::Psk, Preset::Unchanged),
            many("rootca", Kind::RootCa, Preset::Unchanged),
        ],
    ),
    command(
        Verb::Set,
        Object::Store,
        Mark::confirmed("TechNet cc739468 (persistent), Microsoft Learn (the rest)"),
        &[req("location", LOCATION), choice("domain", Kind::Text)],
    ),
    command(Verb::Set, Object::Batch, LEARN, &[req("mode", MODE)]),
    command(Verb::Delete, Object::Policy, SCRIPTS, &[req("name", Kind::Name)]),
    command(Verb::Delete, Object::FilterList, SCRIPTS, &[req("name", Kind::Name)]),
    command(Verb::Delete, Object::FilterAction, SCRIPTS, &[req("name", Kind::Name)]),
    command(
        Verb::Delete,
        Object::Filter,
        RECIPES,
        &[
            req("filterlist", Kind::Name),
            req("srcaddr", Kind::Address),
            req("dstaddr", Kind::Address),
            choice("protocol", Kind::Protocol),
            choice("mirrored", Kind::YesNo),
            opt("srcmask", Kind::Mask, Preset::Text(&d::MASK)),
            opt("dstmask", Kind::Mask, Preset::Text(&d::MASK)),
            choice("srcport", Kind::Port),
            choice("dstport", Kind::Port),
        ],
    ),
    either(
        Verb::Delete,
        Object::Rule,
        &["name", "id"],
        LEARN,
        &[choice("name", Kind::Name), named("id", Kind::Integer(RULE_ID)), req("policy", Kind::Name)],
    ),
    command(Verb::Delete, Object::All, SCRIPTS, &[]),
    command(Verb::ExportPolicy, Object::None, SCRIPTS, &[req("file", Kind::Text)]),
    command(Verb::ImportPolicy, Object::None, SCRIPTS, &[req("file", Kind::Text)]),
    command(Verb::RestorePolicyExamples, Object::None, MEMORY, &[req("release", RELEASE)]),
    command(Verb::Show, Object::All, LEARN, &[SHOW_FORMAT, WIDE]),
    command(Verb::Show, Object::Policy, LEARN, &[req("name", Kind::Name), SHOW_LEVEL, SHOW_FORMAT, WIDE]),
    either(
        Verb::Show,
        Object::FilterList,
        &["name", "rule"],
        LEARN,
        &[
            choice("name", Kind::Name),
            named("rule", Kind::Name),
            SHOW_LEVEL,
            SHOW_FORMAT,
            opt("resolvedns", Kind::YesNo, Preset::Flag(&d::SHOW_RESOLVE_DNS)),
            WIDE,
        ],
    ),
    either(
        Verb::Show,
        Object::FilterAction,
        &["name", "rule"],
        LEARN,
        &[choice("name", Kind::Name), named("rule", Kind::Name), SHOW_LEVEL, SHOW_FORMAT, WIDE],
    ),
    either(
        Verb::Show,
        Object::Rule,
        &["name", "id"],
        LEARN,
        &[
            choice("name", Kind::Name),
            named("id", Kind::Integer(RULE_ID)),
            req("policy", Kind::Name),
            choice("type", TYPE),
            SHOW_LEVEL,
            SHOW_FORMAT,
            WIDE,
        ],
    ),
    command(Verb::Show, Object::GpoAssignedPolicy, LEARN, &[choice("name", Kind::Name)]),
    command(Verb::Show, Object::Store, LEARN, &[]),
];
