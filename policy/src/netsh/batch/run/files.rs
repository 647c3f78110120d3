//! Files that a script writes with `echo ... >file` and reads again, and what runs through pipes.

use super::super::Redirection;
use super::{Error, Flow, Machine, Node, Source, Variables, is_netsh, split_word};

/// The longest file that a script can write here, in bytes.
const LONGEST_FILE: usize = 256 << 10;

impl Machine<'_, '_> {
    /// A statement with its input or its output in a file.
    pub(super) fn redirected(
        &mut self,
        node: &Node,
        files: &Redirection,
        before: Option<&Variables>,
    ) -> Result<Flow, Error> {
        let name = |machine: &Self, source: &Source| {
            let name = machine.expand_in(source, before, true);
            (name.unknown.is_none() && name.unset.is_none())
                .then(|| name.source.text().trim().trim_matches('"').to_owned())
        };
        if let Some(source) = &files.input {
            let file = name(self, source);
            if bare_netsh(node) {
                let Some(file) = file else { return Ok(self.unsure(source)) };
                self.session.read_by_netsh(source, &file)?;
                return Ok(self.ended());
            }
            self.input = Some(file.and_then(|file| {
                let bytes = self.session.read(&file)?;
                Some(crate::netsh::source::decode(&bytes).0)
            }));
        }
        let Some((target, append)) = &files.output else {
            let flow = self.node(node, before);
            self.input = None;
            return flow;
        };
        let file = name(self, target);
        let before_it = self.session.printed().len();
        let outer = self.printing.replace(Some(String::new()));
        let flow = self.node(node, before);
        self.input = None;
        let printed = std::mem::replace(&mut self.printing, outer).flatten();
        // What goes to the null device is not shown; nothing else is written to a disk, so that it is.
        if target.text().eq_ignore_ascii_case("nul") {
            self.session.forget_printed(before_it);
        } else if let Some(file) = file {
            self.session.write(&file, printed, *append, LONGEST_FILE);
        }
        flow
    }

    /// Whether all the files of `del` are the script's own; then they are gone.
    pub(super) fn deleted(&mut self, text: &str) -> bool {
        let names = super::words(text);
        let mut names = names.iter().filter(|w| !w.starts_with('/')).peekable();
        names.peek().is_some() && names.all(|name| self.session.delete(name.trim_matches('"')))
    }

    /// Whether the file of `type` can be read here; what it prints matters in a pipe and where it goes into a file.
    pub(super) fn typed(&mut self, text: &str) -> bool {
        let Some(bytes) = self.session.read(text.trim().trim_matches('"')) else { return false };
        let text = crate::netsh::source::decode(&bytes).0;
        self.echo(Some(text.trim_end_matches('\n')));
        true
    }

    /// What `echo` prints; it matters where it goes into a file.
    pub(super) fn echo(&mut self, text: Option<&str>) {
        if let Some(printing) = &mut self.printing {
            match (printing.as_mut(), text) {
                (Some(so_far), Some(text)) if so_far.len() + text.len() < LONGEST_FILE => {
                    so_far.push_str(text);
                    so_far.push('\n');
                }
                _ => *printing = None,
            }
        }
    }

    /// The right side of a pipe, when it is `netsh` alone: it reads what the left side prints.
    pub(super) fn piped_into_netsh(
        &mut self,
        node: &Node,
        printed: Option<String>,
    ) -> Result<Option<Flow>, Error> {
        let (Node::Simple(source), true) = (node, bare_netsh(node)) else { return Ok(None) };
        let Some(text) = printed else { return Ok(Some(self.unsure(source))) };
        self.session.fed_to_netsh(source, &text)?;
        Ok(Some(self.ended()))
    }
}

/// Whether a statement is netsh without a word behind it, which reads its commands from where a person types them.
fn bare_netsh(node: &Node) -> bool {
    let Node::Simple(source) = node else { return false };
    let (word, behind) = split_word(&source.trim());
    is_netsh(word.text()) && behind.text().is_empty()
}
