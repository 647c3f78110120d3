//! Words of a call: between blanks, with quotation marks that may begin inside a word.

use std::ops::Range;

use crate::netsh::error::{ErrorKind, Fault};
use crate::netsh::token::is_quote;

/// A word without its quotation marks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

impl Word {
    /// `-x`, or a computer's name, `\\name`. A filter list never begins so.
    pub(super) fn is_option(&self) -> bool {
        self.text.starts_with('-') || self.text.starts_with("\\\\")
    }
}

pub(super) fn words(text: &str) -> Result<Vec<Word>, Fault> {
    let (mut out, mut word) = (Vec::new(), String::new());
    let (mut start, mut open) = (None, None);
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        if is_quote(c) {
            open = if open.is_some() { None } else { Some(at) };
            start.get_or_insert(at);
        } else if c.is_whitespace() && open.is_none() {
            if let Some(from) = start.take() {
                out.push(Word { text: std::mem::take(&mut word), span: from..at });
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
        let span = word.span.clone();
        word.text
            .split(|c: char| c.is_whitespace() || c == ';')
            .filter(|t| !t.is_empty())
            .map(move |t| Word { text: t.to_owned(), span: span.clone() })
            .collect::<Vec<_>>()
    };
    words.iter().flat_map(items).collect()
}
