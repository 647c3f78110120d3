//! `ver | find "5.2"` and `echo %x% | findstr /i y`: pipes whose both ends are known.

use super::{Machine, Node, Operator, Variables, first_word, words};

impl Machine<'_, '_> {
    /// What a command prints, when that is all it does and it is known: `echo`, `type` of a file that can be read here,
    /// and `ver` when the release is known.
    pub(super) fn printed(&self, node: &Node, before: Option<&Variables>) -> Option<String> {
        let source = match node {
            Node::Simple(source) => source,
            Node::Block(nodes) => {
                let all: Option<Vec<String>> = nodes.iter().map(|node| self.printed(node, before)).collect();
                return all.map(|lines| lines.join("\n"));
            }
            Node::Sequence(first, others) if others.iter().all(|(o, _)| *o == Operator::Then) => {
                let nodes = std::iter::once(&**first).chain(others.iter().map(|(_, node)| node));
                let all: Option<Vec<String>> = nodes.map(|node| self.printed(node, before)).collect();
                return all.map(|lines| lines.join("\n"));
            }
            _ => return None,
        };
        let expanded = self.expand_in(source, before, super::names_file(source.text()));
        let text = expanded.source.text().trim();
        match first_word(text).trim_start_matches('@') {
            "ver" if text.len() <= 4 => crate::tools::version(self.session.release()?).map(str::to_owned),
            "type" if expanded.unknown.is_none() => {
                let bytes = self.session.read(text.get(5..)?.trim().trim_matches('"'))?;
                Some(crate::netsh::source::decode(&bytes).0)
            }
            "echo" if expanded.unknown.or(expanded.unset).is_none() => text.get(5..).map(str::to_owned),
            _ => None,
        }
    }

    /// Whether `find` or `findstr` finds what it looks for in one line; `None` for anything else.
    pub(super) fn finds(&self, node: &Node, line: &str, before: Option<&Variables>) -> Option<bool> {
        let node = if let Node::Redirected { node, .. } = node { node } else { node };
        let Node::Simple(source) = node else { return None };
        let expanded = self.expand(source, before);
        if expanded.unknown.is_some() || expanded.unset.is_some() {
            return None;
        }
        let words = words(expanded.source.text().trim());
        let (tool, mut rest) = words.split_first()?;
        let tool = tool.to_ascii_lowercase();
        let is = |name: &str| tool == name || tool.strip_suffix(".exe") == Some(name);
        let (mut fold, mut reverse, mut literal) = (false, false, is("find"));
        if !literal && !is("findstr") {
            return None;
        }
        let mut wanted = None;
        while let [word, after @ ..] = rest {
            let lower = word.to_ascii_lowercase();
            match lower.as_str() {
                "/i" => fold = true,
                "/v" => reverse = true,
                "/l" => literal = true,
                _ if lower.starts_with("/c:") && is("findstr") => (literal, wanted) = (true, word.get(3..)),
                _ if wanted.is_none() && !word.starts_with('/') => wanted = Some(word),
                _ => return None,
            }
            rest = after;
        }
        let quoted = wanted?;
        // `find` takes its text in quotation marks only; a blank in that of `findstr` means several texts, and some
        // characters mean patterns.
        let text = quoted.trim_matches('"');
        let plain =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':' | ',' | '=' | '(' | ')');
        if text.is_empty()
            || (is("find") && text.len() == quoted.len())
            || !(literal || text.chars().all(plain))
        {
            return None;
        }
        let found =
            if fold { line.to_lowercase().contains(&text.to_lowercase()) } else { line.contains(text) };
        Some(found != reverse)
    }
}
