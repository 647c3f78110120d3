//! `ipseclab replay`.

use std::path::{Path, PathBuf};

use clap::Args;
use ipsec_adapters::replay::replay as repeat;

use crate::exit::{Error, print};

/// Options of `ipseclab replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// A recording of `ipseclab live --record`.
    recording: PathBuf,
    /// Its secrets [default: RECORDING.secrets].
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
}

/// Where the secrets of a recording are.
pub(crate) fn secrets_of(recording: &Path) -> PathBuf {
    let mut name = recording.as_os_str().to_owned();
    name.push(".secrets");
    PathBuf::from(name)
}

pub(crate) fn replay(args: &ReplayArgs) -> Result<bool, Error> {
    let secrets = args.secrets.clone().unwrap_or_else(|| secrets_of(&args.recording));
    let verdict = repeat(&args.recording, &secrets).map_err(Error::usage)?;
    let (inputs, outputs, reproduced) = (verdict.inputs, verdict.outputs, verdict.reproduced);
    print(&format!("{inputs} inputs, {outputs} outputs, {reproduced} of them reproduced\n"))?;
    if let Some(difference) = &verdict.difference {
        eprintln!("ipseclab: {difference}");
    }
    Ok(verdict.held())
}
