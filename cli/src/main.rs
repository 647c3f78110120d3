//! The `ipseclab` command: runs scenarios, shows policies, writes captures. Parsing and printing only.

mod ctl;
mod directory;
mod exit;
mod junit;
mod list;
mod live;
mod many;
mod monitor;
mod netdiag;
mod netsh;
mod print;
mod profile;
mod replay;
mod run;
mod seeds;
mod verdict;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Deterministic simulation and conformance testbed for IPsec.
///
/// Exit codes: 0 every check held; 1 a check failed, or there was none; 2 a wrong option, scenario or script; 3 the
/// environment failed, such as a file that cannot be written or a device that is missing.
#[derive(Debug, Parser)]
#[command(name = "ipseclab", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the scenarios that come with this program, by family.
    List(list::ListArgs),
    /// Run a scenario: story, security associations, checks, digest, captures. Of several: a table.
    Run(run::RunArgs),
    /// Be an IPsec node on this computer: real sockets, a TUN device, until SIGTERM.
    Live(live::LiveArgs),
    /// Repeat a recorded run of a live node, and say whether each output was reproduced.
    Replay(replay::ReplayArgs),
    /// Ask a live node, or tell it what to do.
    Ctl(ctl::CtlArgs),
    /// Check netsh scripts and show the policy they make: rules, and filters in match order.
    Netsh(netsh::NetshArgs),
    /// Show IP Security Monitor, or ipsecmon, of a node while a scenario runs: live in the terminal, or once.
    Monitor(monitor::MonitorArgs),
    /// Type `netdiag /test:ipsec /debug` at a node of a scenario: active policies and their filters, as in KB 816514.
    Netdiag(netdiag::NetdiagArgs),
    /// Judge a capture, anybody's: which traffic is clear, protected by ESP, protected by AH and readable.
    Verdict(verdict::VerdictArgs),
    /// Show what each release of Windows does, value by value, with how sure we are of it and the source.
    Profile(profile::ProfileArgs),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::List(args) => list::list(&args),
        Command::Run(args) => run::run(&args),
        Command::Live(args) => live::live(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Ctl(args) => ctl::ctl(&args),
        Command::Netsh(args) => netsh::netsh(&args),
        Command::Monitor(args) => monitor::monitor(&args),
        Command::Netdiag(args) => netdiag::netdiag(&args),
        Command::Verdict(args) => verdict::verdict(&args),
        Command::Profile(args) => profile::profile(&args),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => exit::FAILED,
        Err(error) => {
            eprintln!("ipseclab: {error}");
            error.code()
        }
    }
}
