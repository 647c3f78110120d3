//! The copy of the workspace in which rules can be broken.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Brings the copy below `target/` up to date; some files get another content there. Files that are equal keep their times,
/// so little is built anew.
pub(crate) fn copy(root: &Path, changed: &BTreeMap<PathBuf, String>) -> Result<PathBuf, String> {
    let tree = root.join("target/mutate/tree");
    let copied = fs::create_dir_all(&tree).and_then(|()| synchronise(root, &tree, changed));
    copied.map_err(|why| format!("{}: {why}", tree.display()))?;
    Ok(tree)
}

fn synchronise(from: &Path, to: &Path, changed: &BTreeMap<PathBuf, String>) -> io::Result<()> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if [".git", "target", "out"].iter().any(|left_out| name == *left_out) {
            continue;
        }
        let (source, copy) = (entry.path(), to.join(&name));
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&copy)?;
            synchronise(&source, &copy, changed)?;
        } else {
            let content = match changed.get(&source) {
                Some(text) => text.clone().into_bytes(),
                None => fs::read(&source)?,
            };
            if fs::read(&copy).ok().as_ref() != Some(&content) {
                fs::write(&copy, content)?;
            }
        }
        names.insert(name);
    }
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if !names.contains(&entry.file_name()) {
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}
