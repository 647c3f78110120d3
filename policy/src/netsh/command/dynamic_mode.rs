//! `netsh ipsec dynamic`: commands on what the running driver and key exchange hold.

use super::{COUNT, Command, FORMAT, Kind, Mode, Object, POSITIVE, Preset, Tag, Verb, many, opt, req};
use crate::defaults::{self as d, Mark};
use crate::dynamic::PROPERTY_WORDS;

const LEARN: Mark = Mark::confirmed("Microsoft Learn, netsh ipsec");
const HELP: Mark = Mark::confirmed("Windows help strings (a later edition)");
const TECHNET: Mark = Mark::confirmed("TechNet cc739550, names; tags unconfirmed");
const MEMORY: Mark = Mark::unconfirmed("named by no source at hand");

const PFS: Kind = Kind::Word(&["grp1", "grp2", "grp3", "grpmm", "nopfs"]);
const PROPERTY: Kind = Kind::Word(PROPERTY_WORDS);
const STATS: Kind = Kind::Word(&["all", "ike", "ipsec"]);
const TYPE: Kind = Kind::Word(&["transport", "tunnel"]);
const ALL: Kind = Kind::Word(&["all"]);
const SPECIFIC: Kind = Kind::Word(&["generic", "specific"]);

const fn command(verb: Verb, object: Object, mark: Mark, tags: &'static [Tag]) -> Command {
    Command { mode: Mode::Dynamic, verb, object, tags, one_of: &[], mark }
}
const fn same(name: &'static str, kind: Kind) -> Tag {
    opt(name, kind, Preset::Unchanged)
}
const fn choice(name: &'static str, kind: Kind) -> Tag {
    opt(name, kind, Preset::Nothing)
}

const SRC_MASK: Tag = opt("srcmask", Kind::Mask, Preset::Text(&d::MASK));
const DST_MASK: Tag = opt("dstmask", Kind::Mask, Preset::Text(&d::MASK));
const TUNNEL: Tag = choice("tunneldstaddress", Kind::Tunnel);
const RESOLVE: Tag = opt("resolvedns", Kind::YesNo, Preset::Flag(&d::SHOW_RESOLVE_DNS));
const SHOW_FORMAT: Tag = opt("format", FORMAT, Preset::Text(&d::SHOW_FORMAT));

/// The tags that say which rule is meant.
const IDENTIFIERS: &[Tag] = &[
    req("srcaddr", Kind::Address),
    req("dstaddr", Kind::Address),
    req("protocol", Kind::Protocol),
    req("srcport", Kind::Port),
    req("dstport", Kind::Port),
    req("mirrored", Kind::YesNo),
    req("conntype", Kind::Connection),
    SRC_MASK,
    DST_MASK,
    TUNNEL,
];

pub(super) const COMMANDS: &[Command] = &[
    command(
        Verb::Add,
        Object::MmPolicy,
        LEARN,
        &[
            req("name", Kind::Name),
            opt("qmpermm", Kind::Integer(COUNT), Preset::Number(&d::QM_PER_MM)),
            opt("mmlifetime", Kind::Integer(POSITIVE), Preset::Number(&d::MM_LIFETIME_MINUTES)),
            opt("softsaexpirationtime", Kind::Integer(POSITIVE), Preset::Number(&d::SOFT_SA_SECONDS)),
            opt("mmsecmethods", Kind::MmMethods, Preset::MmMethods(&d::MM_METHODS)),
        ],
    ),
    command(
        Verb::Add,
        Object::QmPolicy,
        LEARN,
        &[
            req("name", Kind::Name),
            opt("soft", Kind::YesNo, Preset::Flag(&d::SOFT)),
            opt("pfsgroup", PFS, Preset::Text(&d::PFS_GROUP)),
            opt("qmsecmethods", Kind::QmMethods, Preset::QmMethods(&d::QM_METHODS)),
        ],
    ),
    command(
        Verb::Add,
        Object::Rule,
        HELP,
        &[
            req("srcaddr", Kind::Address),
            req("dstaddr", Kind::Address),
            req("mmpolicy", Kind::Name),
            choice("qmpolicy", Kind::Name),
            opt("protocol", Kind::Protocol, Preset::Text(&d::PROTOCOL)),
            opt("srcport", Kind::Port, Preset::Text(&d::PORT)),
            opt("dstport", Kind::Port, Preset::Text(&d::PORT)),
            opt("mirrored", Kind::YesNo, Preset::Flag(&d::MIRRORED)),
            opt("conntype", Kind::Connection, Preset::Text(&d::CONNECTION)),
            opt("actioninbound", Kind::Action, Preset::Text(&d::ACTION)),
            opt("actionoutbound", Kind::Action, Preset::Text(&d::ACTION)),
            SRC_MASK,
            DST_MASK,
            TUNNEL,
            many("kerberos", Kind::YesNo, Preset::Text(&d::AUTH)),
            many("psk", Kind::Psk, Preset::Nothing),
            many("rootca", Kind::RootCa, Preset::Nothing),
        ],
    ),
    command(
        Verb::Set,
        Object::MmPolicy,
        MEMORY,
        &[
            req("name", Kind::Name),
            same("qmpermm", Kind::Integer(COUNT)),
            same("mmlifetime", Kind::Integer(POSITIVE)),
            same("softsaexpirationtime", Kind::Integer(POSITIVE)),
            same("mmsecmethods", Kind::MmMethods),
        ],
    ),
    command(
        Verb::Set,
        Object::QmPolicy,
        MEMORY,
        &[
            req("name", Kind::Name),
            same("soft", Kind::YesNo),
            same("pfsgroup", PFS),
            same("qmsecmethods", Kind::QmMethods),
        ],
    ),
    command(
        Verb::Set,
        Object::Rule,
        HELP,
        &[
            req("srcaddr", Kind::Address),
            req("dstaddr", Kind::Address),
            req("protocol", Kind::Protocol),
            req("srcport", Kind::Port),
            req("dstport", Kind::Port),
            req("mirrored", Kind::YesNo),
            req("conntype", Kind::Connection),
            SRC_MASK,
            DST_MASK,
            TUNNEL,
            same("mmpolicy", Kind::Name),
            same("qmpolicy", Kind::Name),
            same("actioninbound", Kind::Action),
            same("actionoutbound", Kind::Action),
            many("kerberos", Kind::YesNo, Preset::Unchanged),
            many("psk", Kind::Psk, Preset::Unchanged),
            many("rootca", Kind::RootCa, Preset::Unchanged),
        ],
    ),
    command(
        Verb::Set,
        Object::Config,
        Mark::confirmed("published scripts, positional and with tags"),
        &[req("property", PROPERTY), req("value", Kind::Text)],
    ),
    command(Verb::Delete, Object::MmPolicy, LEARN, &[req("name", Kind::Name)]),
    command(Verb::Delete, Object::QmPolicy, LEARN, &[req("name", Kind::Name)]),
    command(Verb::Delete, Object::Rule, LEARN, IDENTIFIERS),
    command(Verb::Delete, Object::All, Mark::confirmed("published scripts"), &[]),
    command(Verb::Show, Object::All, TECHNET, &[RESOLVE]),
    command(Verb::Show, Object::Config, TECHNET, &[]),
    command(
        Verb::Show,
        Object::MmFilter,
        TECHNET,
        &[
            choice("name", Kind::Name),
            choice("type", SPECIFIC),
            choice("srcaddr", Kind::Address),
            choice("dstaddr", Kind::Address),
            SRC_MASK,
            DST_MASK,
            RESOLVE,
        ],
    ),
    command(Verb::Show, Object::MmPolicy, TECHNET, &[choice("name", Kind::Name)]),
    command(
        Verb::Show,
        Object::MmSas,
        TECHNET,
        &[
            choice("all", ALL),
            choice("srcaddr", Kind::Address),
            choice("dstaddr", Kind::Address),
            SHOW_FORMAT,
            RESOLVE,
        ],
    ),
    command(
        Verb::Show,
        Object::QmFilter,
        TECHNET,
        &[
            choice("name", Kind::Name),
            choice("type", SPECIFIC),
            choice("srcaddr", Kind::Address),
            choice("dstaddr", Kind::Address),
            SRC_MASK,
            DST_MASK,
            choice("protocol", Kind::Protocol),
            choice("srcport", Kind::Port),
            choice("dstport", Kind::Port),
            choice("actioninbound", Kind::Action),
            choice("actionoutbound", Kind::Action),
            RESOLVE,
        ],
    ),
    command(Verb::Show, Object::QmPolicy, TECHNET, &[choice("name", Kind::Name)]),
    command(
        Verb::Show,
        Object::QmSas,
        TECHNET,
        &[
            choice("all", ALL),
            choice("srcaddr", Kind::Address),
            choice("dstaddr", Kind::Address),
            choice("protocol", Kind::Protocol),
            SHOW_FORMAT,
            RESOLVE,
        ],
    ),
    command(
        Verb::Show,
        Object::Rule,
        TECHNET,
        &[
            choice("type", TYPE),
            choice("srcaddr", Kind::Address),
            choice("dstaddr", Kind::Address),
            SRC_MASK,
            DST_MASK,
            choice("protocol", Kind::Protocol),
            choice("srcport", Kind::Port),
            choice("dstport", Kind::Port),
            choice("actioninbound", Kind::Action),
            choice("actionoutbound", Kind::Action),
            RESOLVE,
        ],
    ),
    command(Verb::Show, Object::Stats, TECHNET, &[choice("type", STATS)]),
];
