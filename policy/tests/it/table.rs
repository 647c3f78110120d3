//! The table of commands: as a document, and against what sources say.

use std::fmt::Write as _;

use ipsec_policy::defaults::Confidence;
use ipsec_policy::netsh::{Mode, Parameter, parameters};

fn document() -> String {
    let mut out = String::from(
        "# `netsh ipsec`: commands, values, defaults\n\n\
         Made from the table that the reader itself uses; `UPDATE_EXPECT=1 cargo test -p ipsec-policy --test it` writes it anew.\n\
         *Confirmed* was read in the source named; *Inferred* follows from one; *Unconfirmed* is common knowledge without a source\n\
         at hand. `(required)` may not be left out, `(unchanged)` leaves what there is, `-` means nothing. Untagged values take the\n\
         tags in this order, but for those in brackets, which need their names.\n",
    );
    let cell = |text: &str| text.replace('|', "\\|");
    let mark = |p: &Parameter| match p.default_mark {
        Some(mark) => format!("{:?}: {}", mark.confidence, mark.source),
        None => String::new(),
    };
    let (mut mode, mut command) = (None, String::new());
    for p in parameters() {
        if mode != Some(p.mode) {
            mode = Some(p.mode);
            let name = if p.mode == Mode::Static { "static" } else { "dynamic" };
            let _ = writeln!(out, "\n## {name}");
        }
        if command != p.command {
            command.clone_from(&p.command);
            let _ = writeln!(out, "\n### {command}\n\n{:?}: {}.\n", p.mark.confidence, p.mark.source);
            out.push_str("| tag | values | default | how sure |\n|---|---|---|---|\n");
        }
        let tag = if p.positional { p.tag.to_owned() } else { format!("({})", p.tag) };
        let _ = writeln!(out, "| {tag} | {} | {} | {} |", cell(&p.values), cell(&p.default), cell(&mark(&p)));
    }
    out
}

/// `docs/netsh.md` is the table.
#[test]
fn the_document_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/netsh.md");
    let text = document();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert!(std::fs::read_to_string(path).is_ok_and(|old| old == text), "UPDATE_EXPECT=1 writes {path} anew");
}

/// Tags of each command in positional order, typed from the reference of Windows' help texts and Microsoft Learn.
#[test]
fn commands_have_the_tags_of_the_help_texts() {
    let tags = |mode: Mode, command: &str| {
        let of: Vec<&str> =
            parameters().iter().filter(|p| p.mode == mode && p.command == command).map(|p| p.tag).collect();
        of.join(" ")
    };
    for (command, expected) in [
        (
            "add policy",
            "name description mmpfs qmpermm mmlifetime activatedefaultrule pollinginterval assign mmsecmethods",
        ),
        ("add filterlist", "name description"),
        (
            "add filter",
            "filterlist srcaddr dstaddr description protocol mirrored srcmask dstmask srcport dstport",
        ),
        ("add filteraction", "name description qmpfs inpass soft action qmsecmethods"),
        (
            "add rule",
            "name policy filterlist filteraction tunnel conntype activate description kerberos psk rootca",
        ),
        (
            "set policy",
            "name guid newname description mmpfs qmpermm mmlifetime activatedefaultrule pollinginterval assign gponame mmsecmethods",
        ),
        ("set filterlist", "name guid newname description"),
        ("set filteraction", "name guid newname description qmpfs inpass soft action qmsecmethods"),
        (
            "set rule",
            "name id policy newname description filterlist filteraction tunnel conntype activate kerberos psk rootca",
        ),
        ("set defaultrule", "policy qmpfs activate qmsecmethods kerberos psk rootca"),
        ("set store", "location domain"),
        ("set batch", "mode"),
        ("delete policy", "name"),
        ("delete filterlist", "name"),
        ("delete filteraction", "name"),
        ("delete filter", "filterlist srcaddr dstaddr protocol mirrored srcmask dstmask srcport dstport"),
        ("delete rule", "name id policy"),
        ("exportpolicy", "file"),
        ("importpolicy", "file"),
        ("restorepolicyexamples", "release"),
        ("show all", "format wide"),
        ("show policy", "name level format wide"),
        ("show filterlist", "name rule level format resolvedns wide"),
        ("show filteraction", "name rule level format wide"),
        ("show rule", "name id policy type level format wide"),
        ("show gpoassignedpolicy", "name"),
    ] {
        assert_eq!(tags(Mode::Static, command), expected, "{command}");
    }
    for (command, expected) in [
        ("add mmpolicy", "name qmpermm mmlifetime softsaexpirationtime mmsecmethods"),
        ("add qmpolicy", "name soft pfsgroup qmsecmethods"),
        (
            "add rule",
            "srcaddr dstaddr mmpolicy qmpolicy protocol srcport dstport mirrored conntype actioninbound actionoutbound srcmask dstmask tunneldstaddress kerberos psk rootca",
        ),
        (
            "set rule",
            "srcaddr dstaddr protocol srcport dstport mirrored conntype srcmask dstmask tunneldstaddress mmpolicy qmpolicy actioninbound actionoutbound kerberos psk rootca",
        ),
        (
            "delete rule",
            "srcaddr dstaddr protocol srcport dstport mirrored conntype srcmask dstmask tunneldstaddress",
        ),
        ("delete mmpolicy", "name"),
        ("delete qmpolicy", "name"),
    ] {
        assert_eq!(tags(Mode::Dynamic, command), expected, "{command}");
    }
    let properties: Vec<&str> = parameters().iter().rev().take(7).map(|p| p.tag).collect();
    assert_eq!(
        properties,
        [
            "bootexemptions",
            "bootmode",
            "ipsecexempt",
            "ipsecloginterval",
            "strongcrlcheck",
            "ikelogging",
            "ipsecdiagnostics"
        ]
    );
}

/// Values that were read somewhere, with where: the output of a policy made with nothing but a name, MS-GPIPSEC, books.
#[test]
fn confirmed_defaults() {
    let all = parameters();
    let default = |command: &str, tag: &str| {
        let of = all.iter().find(|p| p.command == command && p.tag == tag).unwrap();
        (of.default.as_str(), of.default_mark.unwrap().confidence)
    };
    for (command, tag, value) in [
        ("add policy", "pollinginterval", "180"),
        ("add policy", "mmpfs", "no"),
        ("add policy", "mmlifetime", "480"),
        ("add policy", "qmpermm", "0"),
        ("add policy", "activatedefaultrule", "yes"),
        ("add policy", "assign", "no"),
        ("add filter", "mirrored", "yes"),
        ("add filter", "srcport", "0"),
        ("add filteraction", "qmpfs", "no"),
        ("add qmpolicy", "pfsgroup", "nopfs"),
        ("set config", "ipsecexempt", "3"),
        ("set config", "bootmode", "permit"),
    ] {
        assert_eq!(default(command, tag), (value, Confidence::Confirmed), "{command} {tag}");
    }
    assert_eq!(default("add filteraction", "action").1, Confidence::Unconfirmed);
}
