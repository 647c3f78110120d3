//! What fills the places of a message.

use core::fmt;

/// The value of one place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Insert {
    /// One value.
    Text(String),
    /// Lines of their own, most of them with a name and a value.
    Items(Vec<Item>),
}

/// One line of an insert.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// Its name, as the message file has it, with its punctuation.
    pub name: &'static str,
    /// Its value; nothing in a line that is a heading.
    pub value: Option<String>,
}

impl Item {
    /// A line with a value.
    pub(super) fn new(name: &'static str, value: impl ToString) -> Self {
        Item { name, value: Some(value.to_string()) }
    }

    /// A line without.
    pub(super) fn heading(name: &'static str) -> Self {
        Item { name, value: None }
    }

    /// The name without its punctuation.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.name.trim_end_matches(['.', ':', ' '])
    }
}

impl Insert {
    /// One value.
    pub(super) fn text(value: impl ToString) -> Self {
        Insert::Text(value.to_string())
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            None => f.write_str(self.name),
            Some(value) => write!(f, "{} {value}", self.name),
        }
    }
}

impl fmt::Display for Insert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Insert::Text(text) => f.write_str(text),
            Insert::Items(items) => {
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i == 0 { "" } else { "\n" })?;
                }
                Ok(())
            }
        }
    }
}
