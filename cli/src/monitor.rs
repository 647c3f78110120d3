//! `ipseclab monitor`: IP Security Monitor over a scenario that runs or a recording, in the terminal or printed once.
//!
//! A run is its scenario and its seed, and a live node its inputs: going back in time runs it again.

mod app;
mod recorded;
mod screen;
mod source;
#[cfg(test)]
mod tests;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use ipsec_adapters::replay::Playback;
use ipsec_core::Instant;
use ipsec_machine::monitor::Snapshot;
use ipsec_policy::profile::{ALL, Profile};
use ipsec_scenarios::value::Span;
use ipsec_scenarios::{RunOptions, Watch};
use ratatui::crossterm::event::{self, Event, KeyEventKind};

use crate::directory;
use crate::exit::{Error, print};
use crate::netdiag::no_node;
use crate::replay::secrets_of;
use crate::run::json;
use app::{App, TICK};
use recorded::Recorded;
use source::Source;

/// Options of `ipseclab monitor`.
#[derive(Debug, Args)]
pub(crate) struct MonitorArgs {
    /// A scenario's name, a unique prefix of it, or a directory with a scenario. Of a twin, its first direction. Or a
    /// recording: the folder or report.json of `ipseclab run`, or a file of `ipseclab live --record`.
    source: String,
    /// The node whose monitor is shown [default: the first with IPsec].
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// The seed of everything random [default: 1, or that of the recording].
    #[arg(long)]
    seed: Option<u64>,
    /// The secrets of a live node's recording [default: SOURCE.secrets].
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
    /// Print what the monitor shows then, and end. Without it: live, if this is a terminal; else the scenario's end.
    #[arg(long, value_name = "TIME")]
    at: Option<Span>,
    /// Print once, in this form.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// How often the monitor looks, on the simulated clock; KB 301284 sets it to a second.
    #[arg(long, value_name = "TIME", default_value = "1s")]
    refresh: Span,
    /// Simulated seconds in a second.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=3600))]
    speed: u32,
    /// Look from a computer with this release, as in `ipseclab profile`: that is possible only between the same versions.
    #[arg(long, value_name = "RELEASE", value_parser = release)]
    from: Option<&'static Profile>,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

fn release(name: &str) -> Result<&'static Profile, String> {
    let known = || ALL.map(|p| p.name).join(", ");
    Profile::find(name).ok_or_else(|| format!("no release `{name}`; there are {}", known()))
}

pub(crate) fn monitor(args: &MonitorArgs) -> Result<bool, Error> {
    let live = args.at.is_none() && args.format.is_none() && std::io::stdout().is_terminal();
    if let Some(report) = recorded::report(&args.source) {
        let Recorded { scenario, options, digest } = Recorded::read(&report)?;
        if args.seed.is_some_and(|seed| seed != options.seed) {
            return Err(Error::usage(format!("--seed: the recording has seed {}", options.seed)));
        }
        let source = Source::run(&scenario, &options, Some(digest)).map_err(Error::Usage)?;
        return look(args, source, live);
    }
    let path = Path::new(&args.source);
    if path.is_file() {
        let secrets = args.secrets.clone().unwrap_or_else(|| secrets_of(path));
        let playback = Playback::open(path, &secrets).map_err(Error::Usage)?;
        return look(args, Source::Live(args.source.clone(), Box::new(playback)), live);
    }
    let scenario = directory::scenario(&args.source)?;
    let options = RunOptions { seed: args.seed.unwrap_or(1), record: live, ..RunOptions::default() };
    if let Some(own) = args.from {
        remote(own, args, &Watch::new(&scenario, &options).map_err(Error::usage)?)?;
    }
    look(args, Source::run(&scenario, &options, None).map_err(Error::Usage)?, live)
}

/// Whether a computer with this release may look.
fn remote(own: &'static Profile, args: &MonitorArgs, watch: &Watch<'_>) -> Result<(), Error> {
    let first = || watch.nodes().next().unwrap_or_default().to_owned();
    let node = args.node.clone().unwrap_or_else(first);
    let both = watch.computer(&node).zip(watch.ipsec(&node));
    let Some((computer, ipsec)) = both else { return Err(no_node(watch, &node)) };
    Snapshot::remote(own, computer, ipsec, Instant::EPOCH).map(|_| ()).map_err(Error::usage)
}

/// Shows a source, in the terminal or once.
fn look(args: &MonitorArgs, mut source: Source<'_>, live: bool) -> Result<bool, Error> {
    let nodes = source.nodes();
    let node = args.node.clone().or_else(|| nodes.first().cloned()).unwrap_or_default();
    if !nodes.contains(&node) {
        return Err(Error::usage(format!("no node `{node}` with IPsec; there are {}", nodes.join(", "))));
    }
    if live {
        let mut app = App::new(source, &node);
        app.set_interval(args.refresh.0);
        app.set_speed(args.speed);
        return show(app).map_err(|e| Error::Environment(format!("terminal: {e}"))).map(|()| true);
    }
    let at = args.at.map_or(source.end(), |at| Instant::EPOCH + at.0);
    source.run_until(at).map_err(Error::Usage)?;
    let Some(shown) = source.snapshot(&node) else { return Err(Error::usage(format!("no node `{node}`"))) };
    match args.format.unwrap_or(Format::Text) {
        Format::Text => print(&format!("{node}: {}", shown.text()))?,
        Format::Json => print(&json(&shown.document())?)?,
    }
    if let Some(difference) = source.difference() {
        eprintln!("ipseclab: this is not what was recorded: {difference}");
        return Ok(false);
    }
    Ok(true)
}

/// Runs the display until somebody quits. The terminal is what it was afterwards, panics included.
fn show(mut app: App<'_>) -> std::io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let ended = loop {
        if let Err(e) = terminal.draw(|frame| app.draw(frame)) {
            break Err(e);
        }
        match poll(TICK) {
            Ok(Some(Event::Key(key))) if key.kind == KeyEventKind::Press => {
                if app.key(key) {
                    break Ok(());
                }
            }
            Ok(Some(_)) => {}
            // Nobody pressed anything for a tick: time goes on.
            Ok(None) => app.tick(),
            Err(e) => break Err(e),
        }
    };
    ratatui::try_restore()?;
    ended
}

fn poll(wait: Duration) -> std::io::Result<Option<Event>> {
    if event::poll(wait)? { event::read().map(Some) } else { Ok(None) }
}
