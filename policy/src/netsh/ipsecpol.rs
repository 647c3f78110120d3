//! The tools before netsh: `ipsecpol` of the Windows 2000 Resource Kit and `ipseccmd` of Windows XP's support tools.
//!
//! Their options (Windows 2000 Resource Kit): `-f -n -t -a -u -soft -dialup -lan -1s -1k -1p -confirm -w -p -r -x -y -o`;
//! `ipseccmd` adds `-1f` and `-1e`. A filter is `A.B.C.D/mask:port=A.B.C.D/mask:port:protocol`. What the table says beyond
//! that is common knowledge without a source at hand:
//!
//! | written | means |
//! |---|---|
//! | `=`, `+` between source and destination | not mirrored, mirrored |
//! | `0`, `*`, `10.1.*.*` as address | my address, any address, a subnet |
//! | `(filter)`, `[filter]` | permit, block |
//! | `DEFAULT` as filter, with `-w` | the default response rule |
//! | `-n` | `ESP[c,i]`, `AH[h]`, `AH[h]+ESP[c,i]`, with `3600S`, `5000K`, `P`, `P2` behind; or `PASS`, `BLOCK`, `INPASS` |
//! | `-a` | `KERBEROS`, `PRESHARE:"key"`, `CERT:"name"`; the first letter is enough |
//! | `-1k` | `480M`, `28800S`, `10Q`, or two of them with `/` between |
//! | `-w REG -p name:minutes -r rule` | stored policy; without `-w` the rules are dynamic, and `-u` clears them |
//! | `-x`, `-y`, `-o` | assign, unassign, delete the policy |
//! | `set logike`, `set dontlogike` | `ipseccmd` alone: the log of IKE, as netsh's `set config ikelogging` |
//! | `show filters`, `policies`, `auth`, `stats`, `sas`, `gpo`, `all` | `ipseccmd` alone: what is in force, as netsh shows it |
//!
//! Rules without lists and actions of their own get some, named after the rule. A tunnel takes two calls, one for each
//! direction, as it takes two rules of netsh.

use std::ops::Range;

use winnow::{
    Parser, Result as Parse,
    ascii::dec_uint,
    combinator::{alt, separated, terminated},
    token::one_of,
};

use super::command::value;
use super::error::{ErrorKind, Fault};
use super::static_context::Reply;
use super::{NoteKind, Setting};
use crate::auth_method::{AuthMethod, CertificateMethod, PresharedKey};
use crate::defaults;
use crate::dynamic::PfsGroup;
use crate::filter::Port;
use crate::rule::{ConnectionType, TunnelEndpoint};
use crate::security_method::{MainModeMethod, SecurityMethod};
use crate::stores::Stores;
use crate::tools::Tool;

mod apply;
mod filter_spec;
mod methods;
mod query;
mod words;

use filter_spec::{FilterSpec, filter_spec};
use words::Word;

/// What the methods of `-n` say together.
#[derive(Clone, PartialEq, Debug)]
enum Negotiation {
    Pass,
    Block,
    Methods { methods: Vec<SecurityMethod>, pfs: PfsGroup, inpass: bool },
}

/// What to do with a stored policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PolicyAction {
    Assign,
    Unassign,
    Delete,
}

/// `-p name:minutes`.
#[derive(Clone, Debug)]
struct PolicyName {
    name: String,
    minutes: Option<u32>,
    span: Range<usize>,
}

/// One call, read.
#[derive(Debug)]
struct Call {
    filters: Vec<FilterSpec>,
    negotiation: Negotiation,
    tunnel: Option<TunnelEndpoint>,
    auth: Vec<AuthMethod>,
    connection: ConnectionType,
    soft: bool,
    clear: bool,
    main_mode_methods: Option<Vec<MainModeMethod>>,
    main_mode_minutes: Option<u32>,
    quick_modes: Option<u32>,
    main_mode_pfs: bool,
    soft_seconds: Option<u32>,
    stored: bool,
    policy: Option<PolicyName>,
    rule: Option<String>,
    action: Option<PolicyAction>,
    span: Range<usize>,
    remarks: Vec<(Range<usize>, NoteKind, String)>,
}

/// Carries out what stands behind the tool's name. A call that fails has changed nothing.
pub(super) fn execute(
    stores: &mut Stores,
    text: &str,
    tool: Tool,
    setting: &Setting<'_>,
) -> Result<Reply, Fault> {
    let all = words::words(text)?;
    if let [only] = all.as_slice()
        && matches!(only.text.to_ascii_lowercase().as_str(), "-?" | "/?" | "-h" | "-help")
    {
        return Ok(Reply { text: usage(tool), ..Reply::default() });
    }
    if let [first, what @ ..] = all.as_slice()
        && tool == Tool::IpsecCmd
        && first.text.eq_ignore_ascii_case("show")
    {
        return query::show(stores, first, what, setting);
    }
    if let [first, rest @ ..] = all.as_slice()
        && tool == Tool::IpsecCmd
        && let Some(done) = query::of_service(stores, first, rest)
    {
        return done;
    }
    let call = Call::read(&all, text, tool)?;
    let mut copy = stores.clone();
    let mut reply = Reply { remarks: call.remarks.clone(), ..Reply::default() };
    apply::apply(&mut copy, &call, setting, &mut reply)?;
    *stores = copy;
    Ok(reply)
}

/// Options of which one call has one.
const ALONE: &[&[&str]] = &[
    &["-n"],
    &["-t"],
    &["-a"],
    &["-1s"],
    &["-1k"],
    &["-1e"],
    &["-w"],
    &["-p"],
    &["-r"],
    &["-x", "-y", "-o"],
    &["-lan", "-dialup"],
];
/// Those that mean nothing without a store.
const OF_POLICY: &[&str] = &["-p", "-r", "-x", "-y", "-o"];

/// What cannot be said twice, nor together with its contrary: which of them would count is not known.
fn check_once(given: &[&Word], option: &Word) -> Result<(), Fault> {
    let is = |word: &Word, name: &str| word.text.eq_ignore_ascii_case(name);
    let group = ALONE.iter().find(|group| group.iter().any(|name| is(option, name)));
    let before = given.iter().find(|word| group.is_some_and(|g| g.iter().any(|name| is(word, name))));
    match before {
        Some(before) => {
            let expected = format!("it once: `{}` stands before it", before.text);
            let found = option.text.clone();
            Err(Fault::new(option.span.clone(), ErrorKind::UnknownCommand { found, expected }))
        }
        None => Ok(()),
    }
}

/// Options without a value.
const FLAGS: &[&str] = &["-u", "-soft", "-dialup", "-lan", "-1p", "-confirm", "-x", "-y", "-o"];

/// Those of both tools; the later one has more.
const OPTIONS: &str =
    "-f, -n, -t, -a, -u, -soft, -dialup, -lan, -1s, -1k, -1p, -confirm, -w, -p, -r, -x, -y, -o";

fn options(tool: Tool) -> String {
    match tool {
        Tool::IpsecCmd => format!("{OPTIONS}, -1f, -1e, show or set"),
        _ => OPTIONS.replace(", -o", " or -o"),
    }
}

fn usage(tool: Tool) -> String {
    let mut text = format!(
        "{tool} -f FILTERS [-n METHODS] [-t TUNNEL] [-a AUTHENTICATION] [-1s METHODS] [-1k LIMITS]\n  [-1p] [-soft] \
         [-lan | -dialup] [-confirm]   puts a rule into the running driver; -u clears them\n  ... -w REG -p \
         POLICY[:MINUTES] -r RULE [-x | -y | -o]   puts it into a stored policy\n"
    );
    if tool == Tool::IpsecCmd {
        text += "  [-1e SECONDS] [-1f FILTERS]\nipseccmd show filters | policies | auth | stats | sas | gpo | all\nipseccmd set logike | dontlogike\n";
    }
    text
}

fn bad(tag: &'static str, word: &Word, expected: &str) -> Fault {
    let kind = ErrorKind::BadValue { tag, found: word.text.clone(), expected: expected.to_owned() };
    Fault::new(word.span.clone(), kind)
}

fn unsupported(word: &Word, instead: &'static str) -> Fault {
    Fault::new(word.span.clone(), ErrorKind::NotSupported { what: format!("`{}`", word.text), instead })
}

impl Call {
    fn new(span: Range<usize>) -> Self {
        let methods = defaults::IPSECPOL_METHODS.value.to_vec();
        Self {
            filters: Vec::new(),
            negotiation: Negotiation::Methods { methods, pfs: PfsGroup::NoPfs, inpass: false },
            tunnel: None,
            auth: vec![AuthMethod::Kerberos],
            connection: ConnectionType::All,
            soft: false,
            clear: false,
            main_mode_methods: None,
            main_mode_minutes: None,
            quick_modes: None,
            main_mode_pfs: false,
            soft_seconds: None,
            stored: false,
            policy: None,
            rule: None,
            action: None,
            span,
            remarks: Vec::new(),
        }
    }

    fn read(all: &[Word], text: &str, tool: Tool) -> Result<Self, Fault> {
        let mut call = Self::new(0..text.trim_end().len());
        let mut rest = all;
        let mut given: Vec<&Word> = Vec::new();
        while let [option, after @ ..] = rest {
            check_once(&given, option)?;
            given.push(option);
            let values = after.iter().take_while(|w| !w.is_option()).count();
            let (values, next) = after.split_at(values);
            call.option(option, values, tool)?;
            rest = next;
        }
        let of_policy = |w: &&&Word| OF_POLICY.iter().any(|o| w.text.eq_ignore_ascii_case(o));
        if let Some(option) = given.iter().find(of_policy).filter(|_| !call.stored) {
            let expected = "-w REG beside it: it is about a stored policy".to_owned();
            let found = option.text.clone();
            return Err(Fault::new(option.span.clone(), ErrorKind::UnknownCommand { found, expected }));
        }
        Ok(call)
    }

    fn option(&mut self, option: &Word, values: &[Word], tool: Tool) -> Result<(), Fault> {
        let unknown = || {
            let (found, expected) = (option.text.clone(), options(tool));
            Err(Fault::new(option.span.clone(), ErrorKind::UnknownCommand { found, expected }))
        };
        if option.text.starts_with("\\\\") {
            return Err(unsupported(option, "other computers have stores of their own"));
        }
        let missing = |expected: &str| {
            let end = option.span.end;
            Fault::new(end..end, ErrorKind::Incomplete { expected: expected.to_owned() })
        };
        let one = |expected: &str| match values {
            [] => Err(missing(expected)),
            [one] => Ok(one),
            [_, second, ..] => {
                Err(Fault::new(second.span.clone(), ErrorKind::TooManyValues { found: second.text.clone() }))
            }
        };
        let some = |expected: &str| {
            if values.is_empty() { Err(missing(expected)) } else { Ok(words::split(values)) }
        };
        let alone = || match values {
            [] => Ok(()),
            [found, ..] => {
                Err(Fault::new(found.span.clone(), ErrorKind::TooManyValues { found: found.text.clone() }))
            }
        };
        match option.text.to_ascii_lowercase().as_str() {
            "-f" => {
                let specs = some("filters such as 0+10.0.0.1::TCP")?;
                self.filters.extend(specs.iter().map(filter_spec).collect::<Result<Vec<_>, _>>()?);
            }
            "-n" => self.negotiation = methods::negotiation(&some("security methods")?)?,
            "-t" => self.tunnel = Some(endpoint(one("a tunnel endpoint")?)?),
            "-a" => {
                let list =
                    if values.is_empty() { Err(missing("authentication methods")) } else { Ok(values) };
                self.auth = list?.iter().map(auth).collect::<Result<_, _>>()?;
            }
            "-1s" => {
                self.main_mode_methods = Some(main_mode(&some("main-mode methods such as 3DES-SHA-2")?)?)
            }
            "-1k" => self.rekey(one("a limit such as 480M or 10Q")?)?,
            "-1e" | "-1f" if tool != Tool::IpsecCmd => return unknown(),
            "-1e" => self.soft_seconds = Some(number("-1e", one("seconds")?)?),
            "-1f" => {
                for spec in some("main-mode filters")? {
                    main_mode_filter(&spec)?;
                }
                let text = "main-mode filters are made from the rules here: `-1f` is not used";
                self.remarks.push((option.span.clone(), NoteKind::NotUnderstood, text.to_owned()));
            }
            "-w" => self.store(one("REG")?)?,
            "-p" => self.policy = Some(policy(one("the policy's name")?)),
            "-r" => self.rule = Some(one("the rule's name")?.text.clone()),
            flag if !FLAGS.contains(&flag) => return unknown(),
            flag => {
                alone()?;
                match flag {
                    "-u" => self.clear = true,
                    "-soft" => self.soft = true,
                    "-dialup" => self.connection = ConnectionType::Dialup,
                    "-lan" => self.connection = ConnectionType::Lan,
                    "-1p" => self.main_mode_pfs = true,
                    "-x" => self.action = Some(PolicyAction::Assign),
                    "-y" => self.action = Some(PolicyAction::Unassign),
                    "-o" => self.action = Some(PolicyAction::Delete),
                    // `-confirm` asks somebody who is not here.
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// `-w REG`; `DS` is a domain's directory.
    fn store(&mut self, word: &Word) -> Result<(), Fault> {
        match word.text.split(':').next().unwrap_or("").to_ascii_lowercase().as_str() {
            "reg" => {
                self.stored = true;
                Ok(())
            }
            "ds" => Err(unsupported(word, "this computer is in no domain; -w REG is its own store")),
            _ => Err(bad("-w", word, "REG")),
        }
    }

    /// `-1k 10Q/28800S`.
    fn rekey(&mut self, word: &Word) -> Result<(), Fault> {
        let limit = |i: &mut &str| -> Parse<(u32, char)> {
            (dec_uint, one_of(['q', 'Q', 's', 'S', 'm', 'M'])).parse_next(i)
        };
        let mut rest = word.text.as_str();
        let limits: Parse<Vec<(u32, char)>> = separated(1..=2, limit, '/').parse_next(&mut rest);
        let wrong = || bad("-1k", word, "quick modes with Q, seconds with S or minutes with M");
        for (n, unit) in limits.ok().filter(|_| rest.is_empty()).ok_or_else(wrong)? {
            match unit.to_ascii_lowercase() {
                'q' => self.quick_modes = Some(n),
                'm' if n > 0 => self.main_mode_minutes = Some(n),
                // netsh counts minutes, and none are not enough.
                's' if n > 0 => self.main_mode_minutes = Some(n.div_ceil(60)),
                _ => return Err(wrong()),
            }
        }
        Ok(())
    }
}

fn number(tag: &'static str, word: &Word) -> Result<u32, Fault> {
    let parsed: Parse<u32> = terminated(dec_uint, alt(("S", "s", ""))).parse_next(&mut word.text.as_str());
    parsed.map_err(|_| bad(tag, word, "a number of seconds"))
}

fn endpoint(word: &Word) -> Result<TunnelEndpoint, Fault> {
    value::tunnel(&word.text)
        .flatten()
        .ok_or_else(|| bad("-t", word, "the IP address or DNS name of a tunnel endpoint"))
}

fn policy(word: &Word) -> PolicyName {
    let (name, minutes) = match word.text.rsplit_once(':').map(|(name, minutes)| (name, minutes.parse())) {
        Some((name, Ok(minutes))) if minutes > 0 => (name, Some(minutes)),
        _ => (word.text.as_str(), None),
    };
    PolicyName { name: name.to_owned(), minutes, span: word.span.clone() }
}

fn auth(word: &Word) -> Result<AuthMethod, Fault> {
    let (kind, value) = word.text.trim_end_matches(',').split_once(':').unwrap_or((&word.text, ""));
    let kind = kind.to_ascii_lowercase();
    let is = |whole: &str| !kind.is_empty() && whole.starts_with(&kind);
    match value {
        "" if is("kerberos") => Ok(AuthMethod::Kerberos),
        key if is("preshare") && !key.is_empty() => Ok(AuthMethod::PresharedKey(PresharedKey::new(key))),
        name if is("cert") && !name.is_empty() => Ok(AuthMethod::Certificate(CertificateMethod {
            authority: name.to_owned(),
            map_to_account: false,
            exclude_authority_name: false,
        })),
        _ => Err(bad("-a", word, "KERBEROS, PRESHARE:\"key\" or CERT:\"name of an authority\"")),
    }
}

/// Filters of main mode are pairs of addresses.
fn main_mode_filter(word: &Word) -> Result<(), Fault> {
    match filter_spec(word)? {
        FilterSpec::Filter(filter, None)
            if (filter.protocol, filter.source_port, filter.destination_port)
                == (None, Port::Any, Port::Any) =>
        {
            Ok(())
        }
        _ => Err(bad("-1f", word, "two addresses such as 0=10.0.0.2, without ports, protocol or brackets")),
    }
}

fn main_mode(list: &[Word]) -> Result<Vec<MainModeMethod>, Fault> {
    let one = |word: &Word| {
        value::mm_methods(&word.text).ok_or_else(|| bad("-1s", word, "main-mode methods such as 3DES-SHA-2"))
    };
    Ok(list.iter().map(one).collect::<Result<Vec<_>, _>>()?.concat())
}
