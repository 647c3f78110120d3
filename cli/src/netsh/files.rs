//! Files that scripts name. A script of unknown origin may read what its user may read, but it writes only into the
//! current directory, and only over files that were written by an earlier `exportpolicy`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::exit::Error;

/// The file with this name as written; a path of Windows also with the separators of this computer.
pub(super) fn read(name: &str) -> Option<Vec<u8>> {
    std::fs::read(name).or_else(|_| std::fs::read(name.replace('\\', "/"))).ok()
}

/// Writes what `exportpolicy` wants written, under the last part of its path.
pub(super) fn write(name: &str, content: &str) -> Result<PathBuf, Error> {
    let last = name.rsplit(['\\', '/', ':']).next().unwrap_or("");
    let path = PathBuf::from(last);
    let header = content.lines().next().unwrap_or("");
    let ours = |old: Vec<u8>| old.starts_with(header.as_bytes());
    if last.is_empty() || (path.exists() && !std::fs::read(&path).is_ok_and(ours)) {
        let why = "it exists and no exportpolicy wrote it, so it is left alone";
        return Err(Error::usage(format!("{}: {why}", path.display())));
    }
    replace(&path, content)?;
    Ok(path)
}

/// Writes a whole file or leaves the old one: by way of a new file beside it.
pub(super) fn replace(path: &Path, content: &str) -> Result<(), Error> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let wrong = |e: std::io::Error| Error::file(path, &e);
    let mut file = private(&beside).map_err(wrong)?;
    file.write_all(content.as_bytes()).and_then(|()| file.sync_all()).map_err(wrong)?;
    std::fs::rename(&beside, path).map_err(wrong)
}

/// Preshared keys are in it: for its owner alone where the system has such a thing.
fn private(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}
