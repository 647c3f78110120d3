//! Records as text, as the event viewer shows them, and field by field.

use core::fmt::Write as _;

use super::message::{self, Piece};
use super::{Insert, Record};

impl Record {
    /// The description: the message with its places filled.
    #[must_use]
    pub fn description(&self) -> String {
        let mut out = String::new();
        for piece in message::of(self.kind, self.release).map_or(&[][..], |m| m.pieces) {
            let _ = match *piece {
                Piece::Say(text) => writeln!(out, "{}", self.filled(text)),
                Piece::Fixed(label, value) => writeln!(out, "{label} {value}"),
                Piece::Below(label, n) => writeln!(out, "{label} \n{}", self.value(n)),
                Piece::Tab(label, n) => writeln!(out, "{label} \t{}", self.value(n)),
                Piece::Indented(label, n) => writeln!(out, "\t{label}\t{}", self.value(n)),
                Piece::Beside(label, n) => writeln!(out, "{label} {}", self.value(n)),
                Piece::Alone(n) => writeln!(out, "{}", self.value(n)),
            };
        }
        out.truncate(out.trim_end().len());
        out
    }

    /// The whole record as the event viewer's properties page puts it.
    #[must_use]
    pub fn viewer(&self) -> String {
        let seconds = self.time.as_millis() / 1_000;
        let (h, m, s, ms) = (seconds / 3_600, seconds / 60 % 60, seconds % 60, self.time.as_millis() % 1_000);
        let mut out = String::new();
        let _ = writeln!(out, "Event Type:\t{}", self.severity.name());
        let _ = writeln!(out, "Event Source:\t{}", self.source);
        let _ = writeln!(out, "Event Category:\t{}", self.category());
        let _ = writeln!(out, "Event ID:\t{}", self.id);
        let _ = writeln!(out, "Time:\t\t{h:02}:{m:02}:{s:02}.{ms:03}");
        let _ = writeln!(out, "Log:\t\t{}", self.log.name());
        out + "Description:\n" + &self.description() + "\n"
    }

    /// The category's name; `None` outside the Security log.
    #[must_use]
    pub fn category(&self) -> &'static str {
        message::of(self.kind, self.release).and_then(|m| m.category).map_or("None", |c| c.name())
    }

    /// Labels and values in their order; the lines of an insert follow its label, each by its own name.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        for piece in message::of(self.kind, self.release).map_or(&[][..], |m| m.pieces) {
            let (label, insert) = match *piece {
                Piece::Say(_) => continue,
                Piece::Fixed(label, value) => {
                    fields.push((bare(label), value.to_owned()));
                    continue;
                }
                Piece::Alone(n) => ("", self.inserts.get(n - 1)),
                Piece::Below(label, n)
                | Piece::Tab(label, n)
                | Piece::Indented(label, n)
                | Piece::Beside(label, n) => (bare(label), self.inserts.get(n - 1)),
            };
            match insert {
                None => fields.push((label, String::new())),
                Some(Insert::Text(text)) => fields.push((label, text.clone())),
                Some(Insert::Items(items)) => {
                    fields.push((label, String::new()));
                    let item = |item: &super::Item| (item.key(), item.value.clone().unwrap_or_default());
                    fields.extend(items.iter().map(item));
                }
            }
        }
        fields
    }

    /// The value of the first field with this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        self.fields().into_iter().find(|(label, _)| *label == name).map(|(_, value)| value)
    }

    /// One place's value; places count from 1, as in message files.
    fn value(&self, n: usize) -> String {
        self.inserts.get(n - 1).map_or_else(String::new, Insert::to_string)
    }

    /// A sentence with its `%n` filled.
    fn filled(&self, text: &str) -> String {
        (1..=self.inserts.len())
            .fold(text.to_owned(), |text, n| text.replace(&format!("%{n}"), &self.value(n)))
    }
}

/// A label without its colon.
fn bare(label: &'static str) -> &'static str {
    label.trim_end_matches(':')
}
