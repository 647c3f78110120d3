//! `ipseclab netsh`: policy by scripts or at a prompt, offline.

use std::io::{IsTerminal, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use ipsec_core::selector::Prefix;
use ipsec_policy::compile::validation::check_every_policy;
use ipsec_policy::compile::{LocalAddresses, LocalInterface, Validation, listing, listing_of_all};
use ipsec_policy::netsh::{self as scripts, Error as ScriptError, Note, Prompt, Setting};
use ipsec_policy::profile::{ALL, Profile};
use ipsec_policy::{Store, Stores};
use ipsec_scenarios::value::Net;

use crate::exit::{Error, print};

mod files;
mod prompt;

/// Options of `ipseclab netsh`.
#[derive(Debug, Args)]
pub(crate) struct NetshArgs {
    /// Scripts with `netsh ipsec` commands, run one after the other; or the words of one command, `ipsec static show all`.
    /// Without any: a prompt on a terminal, else lines of standard input.
    #[arg(value_name = "SCRIPTS|COMMAND")]
    scripts: Vec<PathBuf>,
    /// As netsh's own: the context that the command, the file or the prompt begins in, as in "ipsec static".
    #[arg(short = 'c', value_name = "CONTEXT", conflicts_with = "check")]
    context: Option<String>,
    /// As netsh's own: carry out the lines of this script in that context.
    #[arg(short = 'f', value_name = "FILE", conflicts_with = "check")]
    file: Option<String>,
    /// As netsh's own, refused: another computer.
    #[arg(short = 'r', value_name = "COMPUTER", conflicts_with = "check")]
    remote: Option<String>,
    /// An address of the computer, as in 203.0.113.1/24: what `me` stands for, and which tunnel endpoints are its own.
    #[arg(long = "address", value_name = "ADDRESS/LEN", value_parser = address)]
    addresses: Vec<Prefix>,
    /// The same of an address that a DHCP server leased: no static end of a tunnel.
    #[arg(long = "leased", value_name = "ADDRESS/LEN", value_parser = address)]
    leased: Vec<Prefix>,
    /// The computer's policies are kept in this file, which is a netsh script: read first if it is there, written last.
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// The computer's release, as in `ipseclab profile`.
    #[arg(long, value_name = "NAME", value_parser = release)]
    release: Option<&'static Profile>,
    /// An argument of the scripts, which batch files call %1, %2 and so on; may be repeated.
    #[arg(long = "argument", value_name = "TEXT", allow_hyphen_values = true)]
    arguments: Vec<String>,
    /// An answer to a question of the scripts (set /p, choice), in their order; may be repeated.
    #[arg(long = "answer", value_name = "TEXT", allow_hyphen_values = true)]
    answers: Vec<String>,
    /// The computer has the three default policies with their lists and actions, as Windows is installed.
    #[arg(long)]
    examples: bool,
    /// Refuse what Microsoft does not support in tunnel rules; otherwise it is a warning, and does what Windows would do.
    #[arg(long)]
    strict: bool,
    /// Only the tools that the release has; others answer as they do on it.
    #[arg(long, requires = "release")]
    own_tools: bool,
    /// Go on after errors and list all of them; nothing is kept or written.
    #[arg(long, conflicts_with = "store")]
    check: bool,
    /// Print everything as one netsh script in place of the policy's filters. Preshared keys are in it.
    #[arg(long, conflicts_with = "check")]
    dump: bool,
}

fn address(text: &str) -> Result<Prefix, String> {
    text.parse::<Net>().map(|net| net.0)
}

fn release(name: &str) -> Result<&'static Profile, String> {
    let known = || ALL.map(|p| p.name).join(", ");
    Profile::find(name).ok_or_else(|| format!("no release `{name}`; there are {}", known()))
}

pub(crate) fn netsh(args: &NetshArgs) -> Result<bool, Error> {
    let mut local = LocalAddresses::lan(&args.addresses);
    let leased = LocalAddresses::lan(&args.leased).interfaces.into_iter();
    local.interfaces.extend(leased.map(|interface| LocalInterface { leased: true, ..interface }));
    if let Some(release) = args.release {
        local = local.with_release(release);
    }
    if args.strict {
        local.validation = Validation::Strict;
    }
    let tools_of = args.release.filter(|_| args.own_tools);
    let arguments: Vec<&str> = args.arguments.iter().map(String::as_str).collect();
    let answers: Vec<&str> = args.answers.iter().map(String::as_str).collect();
    let setting = Setting {
        arguments: &arguments,
        answers: &answers,
        read: Some(&files::read),
        computer: Some(&local),
        tools_of,
        ..Setting::default()
    };
    if args.check {
        return check(args, &setting);
    }
    let mut stores = computer(args);
    if let Some(path) = args.store.as_deref().filter(|p| p.exists()) {
        scripts::run(&mut stores, &path.display().to_string(), &bytes(path)?, &setting)
            .map_err(Error::usage)?;
    }
    let command = command(args);
    if !command.is_empty() {
        return on_command_line(args, &command, stores, &setting);
    }
    if args.scripts.is_empty() {
        return at_prompt(args, Prompt::new(stores), &setting);
    }
    let mut text = String::new();
    for path in &args.scripts {
        let file = path.display().to_string();
        let script = bytes(path)?;
        let output = scripts::run(&mut stores, &file, &script, &setting).map_err(Error::usage)?;
        say(&file, &output.notes);
        if output.commands == 0 {
            eprintln!("{file}: note: {}", idle(args, &script));
        }
        text += &output.text;
        for (name, content) in &output.files {
            text += &format!("{file}: wrote {}\n", files::write(name, content)?.display());
        }
        if !args.dump {
            text += &format!("{file}: {} commands\n", output.commands);
        }
    }
    if args.dump {
        text += &scripts::dump(&stores).map_err(Error::usage)?;
    } else {
        text += &policy(&stores, &local)?;
    }
    save(args, &stores)?;
    print(&text)?;
    Ok(true)
}

/// What the computer holds before anything is done to it.
fn computer(args: &NetshArgs) -> Stores {
    let mut stores = args.release.map_or_else(Stores::new, Stores::of);
    // A store that is there already has them, or has them no longer.
    if args.examples && !args.store.as_ref().is_some_and(|path| path.exists()) {
        stores.local.merge(&ipsec_policy::examples::store());
    }
    stores
}

fn bytes(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|e| {
        let word = path.extension().is_none() && e.kind() == std::io::ErrorKind::NotFound;
        let hint = if word {
            "; a command begins with its context, as in `netsh ipsec static show all`"
        } else {
            ""
        };
        Error::usage(format!("{}: {e}{hint}", path.display()))
    })
}

fn say(file: &str, notes: &[Note]) {
    for note in notes {
        eprintln!("{file}:{note}");
    }
}

fn save(args: &NetshArgs, stores: &Stores) -> Result<(), Error> {
    let Some(path) = &args.store else { return Ok(()) };
    let text = scripts::dump(stores).map_err(Error::usage)?;
    files::replace(path, &text)
}

/// What to say of a script that came to no command: perhaps it waits for arguments, as batch files do.
fn idle(args: &NetshArgs, script: &[u8]) -> &'static str {
    let asks = script.windows(2).any(|two| matches!(two, [b'%', b'1'..=b'9' | b'~' | b'*']));
    if asks && args.arguments.is_empty() {
        "it came to no netsh command; it takes arguments: give them with --argument"
    } else {
        "it came to no netsh command"
    }
}

/// Every script by itself on an empty computer, with all that is wrong in it.
fn check(args: &NetshArgs, setting: &Setting<'_>) -> Result<bool, Error> {
    let mut good = true;
    for path in &args.scripts {
        let file = path.display().to_string();
        let stores = computer(args);
        let script = bytes(path)?;
        let (output, errors) = scripts::try_out(&stores, &file, &script, setting);
        say(&file, &output.notes);
        let checked = output.commands + errors.len();
        if checked == 0 {
            eprintln!("{file}: {}", idle(args, &script));
        }
        let list: Vec<String> = errors.iter().map(ScriptError::to_string).collect();
        let refused = if errors.is_empty() { String::new() } else { format!("{}\n", list.join("\n")) };
        print(&format!("{refused}{file}: {} commands, {} refused\n", output.commands, errors.len()))?;
        // Nothing that was looked at is nothing that was good.
        good &= errors.is_empty() && checked > 0;
    }
    Ok(good)
}

/// The words of a command, as they stand behind `netsh` on a shell's command line. Scripts are files; what begins with a
/// word of netsh's and is no file is a command.
fn command(args: &NetshArgs) -> Vec<String> {
    let mut words = Vec::new();
    for (option, value) in [("-r", &args.remote), ("-c", &args.context), ("-f", &args.file)] {
        words.extend(value.iter().flat_map(|value| [option.to_owned(), value.clone()]));
    }
    let first = args.scripts.first().filter(|path| !path.exists()).and_then(|path| path.to_str());
    if !words.is_empty() || matches!(first, Some("ipsec" | "exec" | "dump" | "help" | "?")) {
        words.extend(args.scripts.iter().map(|word| word.to_string_lossy().into_owned()));
    }
    words
}

/// One command; a context alone opens the prompt in it.
fn on_command_line(
    args: &NetshArgs,
    words: &[String],
    stores: Stores,
    setting: &Setting<'_>,
) -> Result<bool, Error> {
    let mut prompt = Prompt::new(stores);
    let answer = prompt.shell(words, setting);
    prompt::tell("command line", &answer)?;
    if answer.error.is_none() && !prompt.is_at_root() {
        return at_prompt(args, prompt, setting);
    }
    save(args, prompt.stores())?;
    Ok(!answer.failed)
}

/// Lines from a terminal or a pipe. As in netsh, a line that is wrong is told and the next one follows.
fn at_prompt(args: &NetshArgs, mut prompt: Prompt, setting: &Setting<'_>) -> Result<bool, Error> {
    let mut keep = |prompt: &Prompt| save(args, prompt.stores());
    if std::io::stdin().is_terminal() {
        prompt::ask(&mut prompt, setting, &mut keep)?;
        return Ok(true);
    }
    let mut bytes = Vec::new();
    let read = std::io::stdin().read_to_end(&mut bytes);
    read.map_err(|e| Error::Environment(format!("standard input: {e}")))?;
    let text = scripts::text_of(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let (mut good, mut start) = (true, 0);
    for end in 1..=lines.len() {
        // A `^` joins lines, as in the scripts that `netsh dump` writes.
        if end < lines.len() && lines.get(end - 1).is_some_and(|line| line.trim_end().ends_with('^')) {
            continue;
        }
        let answer = prompt.lines("standard input", &lines, start..end, setting);
        prompt::tell("standard input", &answer)?;
        start = end;
        good &= answer.error.is_none();
        if answer.ended {
            break;
        }
    }
    keep(&prompt)?;
    Ok(good)
}

/// Rules of every policy, and the filters in match order.
fn policy(stores: &Stores, local: &LocalAddresses) -> Result<String, Error> {
    let store = &stores.local;
    let mut text = rules(store);
    text.push('\n');
    check_every_policy(stores, local).map_err(Error::usage)?;
    let tunnels = store.policies().iter().flat_map(|p| &p.rules).any(|r| r.tunnel.is_some());
    if tunnels && local.all().next().is_none() {
        text += "Without --address no tunnel endpoint is known to be this computer's: every tunnel is shown as outbound.\n";
    }
    text += &listing(store, local).map_err(Error::usage)?;
    if !stores.dynamic.is_empty() || !stores.persistent.is_empty() {
        text.push('\n');
        text += &listing_of_all(stores, local).map_err(Error::usage)?;
    }
    Ok(text)
}

/// Rules of every policy: what they tie together.
fn rules(store: &Store) -> String {
    let mut text = String::new();
    for policy in store.policies() {
        let count = match policy.rules.len() {
            1 => "1 rule".to_string(),
            n => format!("{n} rules"),
        };
        text += &format!("\nPolicy '{}': {count}\n", policy.name);
        for rule in &policy.rules {
            let list = store.filter_list_by_id(rule.filter_list).map_or("?", |l| l.name.as_str());
            let action = store.filter_action_by_id(rule.filter_action).map_or("?", |a| a.name.as_str());
            let tunnel = rule.tunnel.as_ref().map_or(String::new(), |t| format!(", tunnel to {t}"));
            let off = if rule.active { "" } else { " (not active)" };
            let auth: Vec<String> = rule.auth.iter().map(|a| format!("{a}")).collect();
            let (auth, name) = (auth.join(", "), &rule.name);
            text += &format!("  rule '{name}'{off}: list '{list}', action '{action}'{tunnel}, {auth}\n");
        }
    }
    text
}
