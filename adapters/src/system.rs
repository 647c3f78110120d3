//! What is set up through the system's own tools: `ip` (iproute2) and `nft` (nftables).

use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use crate::error::OpenError;

/// Runs a program with a script on its standard input. What it complains about is the error.
pub(crate) fn run(program: &str, package: &str, arguments: &[&str], script: &str) -> Result<(), OpenError> {
    let started = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = started.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => OpenError::new(
            format!("program `{program}`"),
            format!("not found; install the package {package}"),
        ),
        _ => OpenError::new(format!("program `{program}`"), error),
    })?;
    if let Some(mut input) = child.stdin.take() {
        // A program that ends early says why itself.
        let _ = input.write_all(script.as_bytes());
    }
    let output = child.wait_with_output().map_err(|e| OpenError::new(format!("program `{program}`"), e))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(OpenError::new(format!("`{program} {}`", arguments.join(" ")), complaint.trim()))
}
