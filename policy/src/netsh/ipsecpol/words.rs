//! Words of a call: between blanks, with quotation marks that may begin inside a word.

use std::ops::Range;

use crate::netsh::error::{ErrorKind, Fault};
use crate::netsh::token::is_quote;

/// A word without its quotation marks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) span: Range<usize>,
    /// A quotation mark stands at its beginning.
    pub(super) quoted: bool,
}

impl Word {
    /// A part of the word, with its own place; that of the whole where a quotation mark stands inside the word.
    pub(super) fn part(&self, range: Range<usize>) -> Self {
        let marks = self.span.len().saturating_sub(self.text.len());
        let (from, to) = (range.start.min(self.text.len()), range.end.min(self.text.len()));
        // One mark is never alone: none, or one at each end.
        let span = match marks {
            0 => self.span.start + from..self.span.start + to,
            2 if self.quoted => self.span.start + 1 + from..self.span.start + 1 + to,
            _ => self.span.clone(),
        };
        Self { text: self.text.get(range).unwrap_or("").to_owned(), span, quoted: false }
    }

    /// `-x`, or a computer's name, `\\name`. A filter list never begins so.
    pub(super) fn is_option(&self) -> bool {
        self.text.starts_with('-') || self.text.starts_with("\\\\")
    }
}

pub(super) fn words(text: &str) -> Result<Vec<Word>, Fault> {
    let (mut out, mut word) = (Vec::new(), String::new());
    let (mut start, mut open, mut quoted) = (None, None, false);
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        if is_quote(c) {
            open = if open.is_some() { None } else { Some(at) };
            quoted |= start.is_none();
            start.get_or_insert(at);
        } else if c.is_whitespace() && open.is_none() {
            if let Some(from) = start.take() {
                let quoted = std::mem::take(&mut quoted);
                out.push(Word { text: std::mem::take(&mut word), span: from..at, quoted });
            }
        } else if at < text.len() {
            start.get_or_insert(at);
            word.push(c);
        }
    }
    match open {
        Some(at) => Err(Fault::new(at..text.len(), ErrorKind::UnterminatedQuote)),
        None => Ok(out),
    }
}

/// The items of lists in which no item has blanks: `-f "a b" c` has three.
pub(super) fn split(words: &[Word]) -> Vec<Word> {
    let items = |word: &Word| {
        let blank = |c: char| c.is_whitespace() || c == ';';
        let mut at = 0;
        let mut parts = Vec::new();
        for item in word.text.split_inclusive(blank) {
            let text = item.trim_end_matches(blank);
            if !text.is_empty() {
                parts.push(word.part(at..at + text.len()));
            }
            at += item.len();
        }
        parts
    };
    words.iter().flat_map(items).collect()
}
