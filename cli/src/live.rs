//! `ipseclab live`.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ipsec_adapters::capture::RingSize;
use ipsec_adapters::live::file::{Capture, File};
use ipsec_adapters::live::{Live, LiveError};
use tracing_subscriber::EnvFilter;

use crate::exit::{Error, print};
use crate::replay;

/// Options of `ipseclab live`.
#[derive(Debug, Args)]
pub(crate) struct LiveArgs {
    /// The configuration file.
    #[arg(long, value_name = "FILE", required_unless_present = "schema")]
    config: Option<PathBuf>,
    /// Print the JSON schema of the configuration file, and end.
    #[arg(long)]
    schema: bool,
    /// Remove the kernel guard that a node of this configuration left behind, and end. What was to be protected may leave
    /// in clear from then on.
    #[arg(long)]
    remove_guard: bool,
    /// How to log.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// What to log: error, warn, info, debug, trace.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: String,
    /// Write every packet to a ring of four files: node.pcapng becomes node.0.pcapng and so on.
    #[arg(long, value_name = "FILE")]
    capture: Option<PathBuf>,
    /// Write the keys of all SAs to this folder, as Wireshark wants them. Whoever reads them reads all traffic.
    #[arg(long, value_name = "DIR")]
    log_keys: Option<PathBuf>,
    /// Record the run: configuration, inputs and digests of outputs.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Write what a replay needs beside the recording, as FILE.secrets: the seed, which yields every key, and the policy.
    #[arg(long, requires = "record")]
    record_secrets: bool,
}

/// How to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

pub(crate) fn live(args: &LiveArgs) -> Result<bool, Error> {
    if args.schema {
        print(&(File::schema() + "\n"))?;
        return Ok(true);
    }
    let path = args.config.as_deref().ok_or_else(|| Error::usage("--config is missing"))?;
    log(args)?;
    let mut live = Live::read(path).map_err(error)?;
    if args.remove_guard {
        live.remove_guard().map_err(error)?;
        return Ok(true);
    }
    let machine = &mut live.file_mut().machine;
    if let Some(path) = args.capture.clone() {
        let RingSize { files, octets } = RingSize::default();
        machine.capture = Some(Capture { path, files, megabytes: (octets >> 20) as u32 });
    }
    machine.keys = args.log_keys.clone();
    let secrets = |path: &PathBuf| args.record_secrets.then(|| replay::secrets_of(path));
    machine.record = args.record.clone().map(|path| (path.clone(), secrets(&path)));
    live.run().map_err(error)?;
    Ok(true)
}

fn error(error: LiveError) -> Error {
    match error {
        LiveError::Config(message) => Error::Usage(message),
        LiveError::Environment(error) => Error::Environment(error.to_string()),
    }
}

fn log(args: &LiveArgs) -> Result<(), Error> {
    let filter =
        EnvFilter::try_new(&args.log_level).map_err(|e| Error::usage(format!("--log-level: {e}")))?;
    let logger = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    match args.log_format {
        LogFormat::Text => logger.init(),
        LogFormat::Json => logger.json().init(),
    }
    Ok(())
}
