//! `ipseclab netdiag`.

use std::path::PathBuf;

use clap::Args;
use ipsec_core::Instant;
use ipsec_machine::netdiag::{Keys, Options, command};
use ipsec_scenarios::value::Span;
use ipsec_scenarios::{RunOptions, Watch};

use crate::directory;
use crate::exit::{Error, print};

/// Options of `ipseclab netdiag`.
#[derive(Debug, Args)]
pub(crate) struct NetdiagArgs {
    /// A scenario's name, a unique prefix of it, or a directory with a scenario.
    scenario: String,
    /// The node at which the command is typed.
    node: String,
    /// The command line, in quotes when it has `> FILE`.
    #[arg(default_values_t = ["netdiag".to_string(), "/test:ipsec".to_string(), "/debug".to_string()])]
    line: Vec<String>,
    /// When it is typed.
    #[arg(long, value_name = "TIME", default_value = "0s")]
    at: Span,
    /// Print preshared keys, as the real command does. Whoever sees them can be the peer.
    #[arg(long)]
    show_keys: bool,
    /// Answer on Windows Server 2003 too, as in KB 816514; its own netdiag "no longer includes IPSec functionality".
    #[arg(long)]
    kb816514_compat: bool,
    /// Write the text to this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn netdiag(args: &NetdiagArgs) -> Result<bool, Error> {
    let scenario = directory::scenario(&args.scenario)?;
    let options = RunOptions { record: false, ..RunOptions::default() };
    let wrong = |e| Error::usage(format!("{}/{e}", scenario.name));
    let mut watch = Watch::new(&scenario, &options).map_err(wrong)?;
    watch.run_until(Instant::EPOCH + args.at.0).map_err(wrong)?;
    let Some(computer) = watch.computer(&args.node) else { return Err(no_node(&watch, &args.node)) };
    let keys = if args.show_keys { Keys::InClear } else { Keys::Masked };
    let options = Options { keys, kb816514_compat: args.kb816514_compat };
    let answer = command(computer, &args.line.join(" "), options).map_err(Error::usage)?;
    match args.out.clone().or(answer.file.map(PathBuf::from)) {
        Some(path) => std::fs::write(&path, &answer.text).map_err(|e| Error::file(&path, &e))?,
        None => print(&answer.text)?,
    }
    Ok(true)
}

/// The error that a scenario has no such node.
pub(crate) fn no_node(watch: &Watch<'_>, name: &str) -> Error {
    let known: Vec<&str> = watch.nodes().collect();
    Error::usage(format!("no node `{name}` with IPsec; there are {}", known.join(", ")))
}
