//! Chores of this repository that are programs: `cargo xtask COMMAND`.

mod mutate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask mutate [ID…]    break rules of the core one by one; each must turn a named test red
                            (all of them: docs/mutations.md is rebuilt; named ones: their rows)
  --list                    only print the rules
  --survey                  run all tests of the core, and print those that turn red; no table";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let result = match arguments.next().as_deref() {
        Some("mutate") => mutate::run(&root(), arguments),
        _ => Err(USAGE.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's directory.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}
