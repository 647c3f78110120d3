//! `ipseclab monitor`: IP Security Monitor over a scenario that runs, in the terminal or printed once.
//!
//! A run is its scenario and its seed, so there is nothing else to record: going back in time runs it again.

mod app;
mod screen;
#[cfg(test)]
mod tests;

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::{Args, ValueEnum};
use ipsec_core::Instant;
use ipsec_machine::monitor::Snapshot;
use ipsec_policy::profile::{ALL, Profile};
use ipsec_scenarios::value::Span;
use ipsec_scenarios::{RunOptions, Watch};
use ratatui::crossterm::event::{self, Event, KeyEventKind};

use crate::directory;
use crate::exit::{Error, print};
use crate::netdiag::no_node;
use crate::run::json;
use app::{App, TICK};

/// Options of `ipseclab monitor`.
#[derive(Debug, Args)]
pub(crate) struct MonitorArgs {
    /// A scenario's name, a unique prefix of it, or a directory with a scenario. Of a twin, its first direction.
    scenario: String,
    /// The node whose monitor is shown [default: the first with IPsec].
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// The seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
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
    let scenario = directory::scenario(&args.scenario)?;
    let live = args.at.is_none() && args.format.is_none() && std::io::stdout().is_terminal();
    let options = RunOptions { seed: args.seed, record: live, ..RunOptions::default() };
    let wrong = |e| Error::usage(format!("{}/{e}", scenario.name));
    let mut watch = Watch::new(&scenario, &options).map_err(wrong)?;
    let node = match &args.node {
        Some(name) => name.clone(),
        None => watch.nodes().next().unwrap_or_default().to_string(),
    };
    let Some(computer) = watch.computer(&node) else { return Err(no_node(&watch, &node)) };
    if let Some(own) = args.from
        && let Some(ipsec) = watch.ipsec(&node)
    {
        Snapshot::remote(own, computer, ipsec, Instant::EPOCH).map_err(Error::usage)?;
    }
    if live {
        let mut app = App::new(&scenario, &options, &node).map_err(wrong)?;
        app.set_interval(args.refresh.0);
        app.set_speed(args.speed);
        return show(app).map_err(|e| Error::Environment(format!("terminal: {e}"))).map(|()| true);
    }
    let at = args.at.map_or(watch.end(), |at| Instant::EPOCH + at.0);
    watch.run_until(at).map_err(wrong)?;
    let Some(shown) = watch.snapshot(&node) else { return Err(no_node(&watch, &node)) };
    match args.format.unwrap_or(Format::Text) {
        Format::Text => print(&format!("{node}: {}", shown.text()))?,
        Format::Json => print(&json(&shown.document())?)?,
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
