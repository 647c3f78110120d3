//! Reading a batch file into statements.

use super::{Node, Operator, Redirection};
use crate::netsh::session::LONGEST_LINE;
use crate::netsh::source::Source;

/// Deeper nesting than this is not read.
const DEPTH: usize = 16;

/// All statements of a file.
pub(super) fn program(lines: &[Source]) -> Vec<Node> {
    let mut cursor = Cursor { lines, line: 0, offset: 0, depth: 0 };
    let mut nodes = Vec::new();
    while cursor.line < lines.len() {
        if let Some(node) = cursor.statement() {
            nodes.push(node);
        }
        cursor.end_of_line();
    }
    nodes
}

struct Cursor<'a> {
    lines: &'a [Source],
    line: usize,
    offset: usize,
    depth: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        self.lines.get(self.line).and_then(|l| l.text().get(self.offset..)).unwrap_or("")
    }

    fn piece(&self, start: usize) -> Source {
        self.lines.get(self.line).map(|l| l.slice(start..self.offset)).unwrap_or_default()
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.offset += rest.len() - rest.trim_start_matches(|c: char| c.is_whitespace() || c == '@').len();
    }

    fn next_line(&mut self) {
        self.line += 1;
        self.offset = 0;
    }

    /// What is left of a line after its statement is a stray bracket, or the rest of something not understood.
    fn end_of_line(&mut self) {
        self.next_line();
    }

    /// A statement with all the operators behind it.
    fn statement(&mut self) -> Option<Node> {
        let first = self.command()?;
        let mut others = Vec::new();
        loop {
            self.blanks();
            let rest = self.rest();
            let (operator, length) = match rest.as_bytes() {
                [b'&', b'&', ..] => (Operator::IfSucceeded, 2),
                [b'|', b'|', ..] => (Operator::IfFailed, 2),
                [b'&', ..] => (Operator::Then, 1),
                [b'|', ..] => (Operator::Pipe, 1),
                _ => break,
            };
            self.offset += length;
            let Some(next) = self.command() else { break };
            others.push((operator, next));
        }
        Some(if others.is_empty() { first } else { Node::Sequence(Box::new(first), others) })
    }

    fn command(&mut self) -> Option<Node> {
        self.blanks();
        let rest = self.rest();
        if rest.is_empty() || rest.starts_with(')') {
            return None;
        }
        if self.depth >= DEPTH {
            let start = self.offset;
            self.offset += rest.len();
            return Some(Node::NotUnderstood(self.piece(start)));
        }
        if let Some(label) = rest.strip_prefix(':') {
            let name =
                label.split(|c: char| c.is_whitespace() || matches!(c, ':' | '&')).next().unwrap_or("");
            let node = Node::Label(name.to_ascii_lowercase());
            self.offset += rest.len();
            return Some(node);
        }
        self.depth += 1;
        let node = match rest {
            _ if rest.starts_with('(') => self.redirected_block(),
            _ if self.keyword("if") => self.conditional(),
            _ if self.keyword("for") => self.repetition(),
            _ => self.simple(),
        };
        self.depth -= 1;
        Some(node)
    }

    /// Takes a word when it stands here.
    fn keyword(&mut self, word: &str) -> bool {
        let rest = self.rest();
        let here = rest.get(..word.len()).is_some_and(|w| w.eq_ignore_ascii_case(word));
        let ends = rest
            .get(word.len()..)
            .is_some_and(|r| r.starts_with(|c: char| c.is_whitespace() || matches!(c, '(' | '/')));
        if here && ends {
            self.offset += word.len();
        }
        here && ends
    }

    /// A block and the files behind its bracket.
    fn redirected_block(&mut self) -> Node {
        let block = self.block();
        let mut files = Redirection::default();
        loop {
            self.blanks();
            let rest = self.rest();
            let behind = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            if !behind.starts_with(['>', '<']) {
                return with_files(block, files);
            }
            let handle = rest.get(..rest.len() - behind.len()).unwrap_or("").to_owned();
            self.offset += handle.len();
            self.redirection(&handle, &mut files);
        }
    }

    /// A redirection sign, which stands here, and the name behind it. Handles other than those of input and output
    /// decide nothing.
    fn redirection(&mut self, handle: &str, files: &mut Redirection) {
        let input = self.rest().starts_with('<');
        self.offset += 1;
        let append = self.rest().starts_with('>');
        self.offset += usize::from(append);
        let to_handle = self.rest().starts_with('&');
        self.offset += usize::from(to_handle);
        let rest = self.rest();
        self.offset += rest.len() - rest.trim_start().len();
        let (start, mut quoted) = (self.offset, false);
        while let Some(c) = self.rest().chars().next() {
            quoted ^= c == '"';
            if !quoted && (c.is_whitespace() || matches!(c, '&' | '|' | ')' | '<' | '>')) {
                break;
            }
            self.offset += c.len_utf8();
        }
        let name = self.piece(start);
        if to_handle || name.text().is_empty() {
            return;
        }
        match (input, handle) {
            (true, "" | "0") => files.input = Some(name),
            (false, "" | "1") => files.output = Some((name, append)),
            _ => {}
        }
    }

    fn block(&mut self) -> Node {
        self.offset += 1;
        let mut nodes = Vec::new();
        while self.line < self.lines.len() {
            if let Some(node) = self.statement() {
                nodes.push(node);
            }
            self.blanks();
            if self.rest().starts_with(')') {
                self.offset += 1;
                return Node::Block(nodes);
            }
            if self.rest().is_empty() {
                self.next_line();
            } else {
                self.offset += self.rest().chars().next().map_or(0, char::len_utf8);
            }
        }
        Node::Block(nodes)
    }

    /// One operand: up to a blank, `==` or a bracket outside quotation marks.
    fn operand(&mut self) -> Source {
        self.blanks();
        let start = self.offset;
        let mut quoted = false;
        while let Some(c) = self.rest().chars().next() {
            quoted ^= c == '"';
            let ends = c.is_whitespace() || (self.rest().starts_with("==") && self.offset > start);
            if !quoted && ends {
                break;
            }
            self.offset += c.len_utf8();
        }
        self.piece(start)
    }

    fn conditional(&mut self) -> Node {
        let start = self.offset;
        let mut condition = Vec::new();
        let mut words = 1;
        while words > 0 {
            let operand = self.operand();
            words -= 1;
            let first = condition.is_empty()
                || condition
                    .iter()
                    .all(|c: &Source| matches!(c.text().to_ascii_lowercase().as_str(), "/i" | "not"));
            match operand.text().to_ascii_lowercase().as_str() {
                "" => return self.not_understood(start),
                "/i" | "not" if first => words += 1,
                "defined" | "exist" | "errorlevel" | "cmdextversion" if first => words += 1,
                _ if first => {
                    condition.push(operand);
                    self.blanks();
                    if self.rest().starts_with("==") {
                        let at = self.offset;
                        self.offset += 2;
                        condition.push(self.piece(at));
                    } else {
                        condition.push(self.operand());
                    }
                    words += 1;
                    continue;
                }
                _ => {}
            }
            condition.push(operand);
        }
        let Some(then) = self.body() else { return self.not_understood(start) };
        let (line, offset) = (self.line, self.offset);
        let mut otherwise = None;
        if matches!(then, Node::Block(_)) {
            self.blanks();
            if self.keyword("else") {
                otherwise = self.body().map(Box::new);
            } else {
                (self.line, self.offset) = (line, offset);
            }
        }
        Node::If { condition, then: Box::new(then), otherwise }
    }

    /// What hangs on `if` or `do`: a block, or everything to the end of the line.
    fn body(&mut self) -> Option<Node> {
        self.blanks();
        if self.rest().starts_with('(') { self.command() } else { self.statement() }
    }

    /// `for [options] %%v in (set) do body`; the set may run over several lines.
    fn repetition(&mut self) -> Node {
        let start = self.offset;
        let rest = self.rest();
        let lower = rest.to_ascii_lowercase();
        let head = rest.find("%%").zip(
            lower
                .find(" in")
                .filter(|i| lower.get(i + 3..).is_some_and(|behind| behind.trim_start().starts_with('('))),
        );
        let Some((percent, open)) = head.filter(|(percent, open)| percent < open) else {
            return self.not_understood(start);
        };
        let variable = rest.get(percent + 2..).and_then(|r| r.chars().next());
        let bracket = rest.get(open..).and_then(|r| r.find('(')).map(|i| start + open + i + 1);
        let (Some(variable), Some(bracket)) = (variable, bracket) else { return self.not_understood(start) };
        self.offset = start + percent;
        let options = self.piece(start).trim();
        self.offset = bracket;
        let Some(set) = self.bracketed() else { return self.not_understood(start) };
        self.blanks();
        if !self.keyword("do") {
            return self.not_understood(self.offset);
        }
        match self.body() {
            Some(body) => Node::For { options, variable, set, body: Box::new(body) },
            None => self.not_understood(self.offset),
        }
    }

    /// What stands up to the bracket that closes the one just passed; line ends count as blanks. Nothing is taken when
    /// there is none.
    fn bracketed(&mut self) -> Option<Source> {
        let lines: &'a [Source] = self.lines;
        let (mut depth, mut quoted, mut set) = (0_u32, false, Source::default());
        let (mut number, mut from) = (self.line, self.offset);
        while let Some(line) = lines.get(number) {
            for (index, c, at) in line.chars_from(from) {
                quoted ^= c == '"';
                match c {
                    '(' if !quoted => depth += 1,
                    ')' if !quoted && depth == 0 => {
                        (self.line, self.offset) = (number, index + 1);
                        return Some(set);
                    }
                    ')' if !quoted => depth -= 1,
                    _ => {}
                }
                set.push(c, at);
            }
            set.push(' ', line.position(line.text().len()));
            if set.text().len() > LONGEST_LINE {
                return None;
            }
            (number, from) = (number + 1, 0);
        }
        None
    }

    /// Takes the rest of the line, and the block that it opens: what is not understood must not run by half.
    fn not_understood(&mut self, start: usize) -> Node {
        let line = self.lines.get(self.line).map_or("", |l| l.text());
        let start = start.min(line.len());
        let opens = line.get(start..).unwrap_or("").trim_end().ends_with('(');
        self.offset = line.len();
        let node = Node::NotUnderstood(self.piece(start));
        if opens {
            self.offset = line.trim_end().len() - 1;
            let _ = self.block();
        }
        node
    }

    /// A command up to an operator, or to a closing bracket inside a block; carets and redirections are taken out.
    fn simple(&mut self) -> Node {
        let (mut source, mut files, mut quoted) = (Source::default(), Redirection::default(), false);
        let lines: &'a [Source] = self.lines;
        let Some(line) = lines.get(self.line) else { return Node::Simple(source) };
        while let Some(c) = self.rest().chars().next() {
            let at = line.position(self.offset);
            match c {
                '"' => quoted = !quoted,
                _ if quoted => {}
                '^' => {
                    self.offset += 1;
                    let at = line.position(self.offset);
                    if let Some(escaped) = self.rest().chars().next() {
                        source.push(escaped, at);
                        self.offset += escaped.len_utf8();
                    }
                    continue;
                }
                '&' | '|' => break,
                ')' if self.depth > 1 => break,
                '>' | '<' => {
                    // `2>`: the handle in front goes too.
                    let kept = source.text().trim_end_matches(|c: char| c.is_ascii_digit()).len();
                    let front = source.text().get(..kept).unwrap_or("");
                    let alone = front.is_empty() || front.ends_with(char::is_whitespace);
                    let handle = source.text().get(kept..).filter(|_| alone).unwrap_or("").to_owned();
                    source = source.slice(0..source.text().len() - handle.len());
                    self.redirection(&handle, &mut files);
                    continue;
                }
                _ => {}
            }
            source.push(c, at);
            self.offset += c.len_utf8();
        }
        with_files(Node::Simple(source), files)
    }
}

fn with_files(node: Node, files: Redirection) -> Node {
    if files.input.is_none() && files.output.is_none() {
        return node;
    }
    Node::Redirected { node: Box::new(node), files }
}
