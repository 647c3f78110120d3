//! What can be wrong with a script, and where.

use core::fmt;
use std::ops::Range;

use super::script::Unwritable;
use super::source::Source;
use crate::store::{ObjectKind, StoreError};
use crate::tools;
use crate::width::is_wide;

/// An error in a script. The store is as it was before the script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    /// The file's name as given.
    pub file: Box<str>,
    /// Line in the file, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub kind: ErrorKind,
    /// The line as it stands in the file.
    pub text: Box<str>,
    /// How many characters are at fault, at least 1.
    pub width: u32,
}

/// What is wrong with a line.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A quotation mark without its partner.
    #[error("this quotation mark is not closed: expected \" before the end of the line")]
    UnterminatedQuote,
    /// A word that is no verb, object or context here.
    #[error("found `{found}`, expected {expected}")]
    UnknownCommand {
        /// The word.
        found: String,
        /// What could stand there.
        expected: String,
    },
    /// A command of dynamic mode, and nobody there.
    #[error(
        "`netsh ipsec dynamic` talks to the IPSec service, and it is stopped: expected it to be started before"
    )]
    ServiceStopped,
    /// The command ends too early.
    #[error("the command ends here, expected {expected}")]
    Incomplete {
        /// What could follow.
        expected: String,
    },
    /// A tag this command does not have.
    #[error("found tag `{found}`, expected {expected}")]
    UnknownTag {
        /// The tag.
        found: String,
        /// The tags of the command.
        expected: String,
    },
    /// A short form that fits several of the command's tags or words.
    #[error("`{found}` is ambiguous, expected one of {candidates}")]
    Ambiguous {
        /// The short form.
        found: String,
        /// What it may stand for.
        candidates: String,
    },
    /// A tag given twice.
    #[error("tag `{tag}` is given twice, expected it once")]
    DuplicateTag {
        /// The tag.
        tag: &'static str,
    },
    /// A required tag is missing.
    #[error("`{command}` lacks a required tag, expected {tag} with {expected}")]
    MissingTag {
        /// The tag, or the alternatives, each with its `=`.
        tag: String,
        /// The command.
        command: String,
        /// What its value may be.
        expected: String,
    },
    /// A tag without a value.
    #[error("`{tag}=` has no value, expected {expected}")]
    MissingValue {
        /// The tag.
        tag: &'static str,
        /// What its value may be.
        expected: String,
    },
    /// A value that does not fit its tag.
    #[error("found `{found}` for {tag}, expected {expected}")]
    BadValue {
        /// The tag.
        tag: &'static str,
        /// The value.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// More untagged values than the command has tags.
    #[error("found `{found}`, expected the end of the command")]
    TooManyValues {
        /// The value.
        found: String,
    },
    /// The store refused.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A command that exists on Windows and is not offered here.
    #[error("{what} is not supported here: {instead}")]
    NotSupported {
        /// The command.
        what: String,
        /// What to do about it.
        instead: &'static str,
    },
    /// A file that cannot be read.
    #[error("there is no file `{name}` that can be read here")]
    NoFile {
        /// Its name as given.
        name: String,
    },
    /// A file that `importpolicy` cannot read.
    #[error("`{name}` cannot be imported: {why}")]
    NotOurFormat {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A script that this one calls has an error.
    #[error("in the script called here:\n{error}")]
    InFile {
        /// Its error.
        error: Box<Error>,
    },
    /// Scripts call scripts call scripts.
    #[error("calls nest too deep here, expected an end to it")]
    TooDeep,
    /// Something in a store that netsh has no words for.
    #[error("{0}")]
    Unwritable(#[from] Unwritable),
    /// Something is to be negotiated, and no quick-mode policy says how.
    #[error("the rule negotiates and has no quick-mode policy, expected qmpolicy=")]
    NoQmPolicy,
    /// The release lacks the tool.
    #[error("{0}")]
    NoSuchTool(tools::Missing),
    /// A netsh line needs the value of a batch variable that the script does not set.
    #[error("the value of `{name}` is not known, expected it to be set in this script")]
    UnknownVariable {
        /// The variable as written.
        name: String,
    },
    /// What the script does next hangs on what a person would type.
    #[error(
        "the script asks `{question}` here and goes on by the answer, expected one beside the script (--answer)"
    )]
    NoAnswer {
        /// The question.
        question: String,
    },
    /// A netsh line needs what a person would have typed.
    #[error("the value of `{name}` is the answer to `{question}`, expected one beside the script (--answer)")]
    UnknownAnswer {
        /// The variable as written.
        name: String,
        /// The question.
        question: String,
    },
    /// Both branches of a condition lead away from it, and which one is taken is not known.
    #[error(
        "`{condition}` depends on the computer and decides where the script goes on, expected what is known here"
    )]
    UnknownWay {
        /// The condition as written.
        condition: String,
    },
    /// A counting loop without an end, or one that is as good as without.
    #[error("{why}, expected an end to it")]
    TooManyRounds {
        /// How long it is.
        why: String,
    },
    /// `show` commands print without end.
    #[error("stopped after {bytes} bytes of output, expected the script to end")]
    TooMuchOutput {
        /// Bytes printed.
        bytes: usize,
    },
    /// The batch logic does not end.
    #[error("stopped after {steps} lines, expected the script to end")]
    EndlessLoop {
        /// Lines executed.
        steps: u32,
    },
}

impl ErrorKind {
    /// The number in Windows' own message, `ERR IPsec[05010] : ...`, where a public source has it; its sentence is not known.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Store(StoreError::AlreadyExists { kind: ObjectKind::FilterList, .. }) => Some(5010),
            Self::Store(StoreError::AlreadyExists { kind: ObjectKind::FilterAction, .. }) => Some(5014),
            _ => None,
        }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.kind)?;
        if let Some(code) = self.kind.code() {
            write!(f, " (netsh: ERR IPsec[{code:05}])")?;
        }
        writeln!(f)?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{number} | {}", self.text)?;
        // Tabs and wide characters before the fault are repeated as blanks of the same kind, so that the caret fits.
        let before = self.text.chars().take(self.column.saturating_sub(1) as usize);
        let pad: String = before
            .map(|c| {
                if c == '\t' {
                    '\t'
                } else if is_wide(c) {
                    '\u{3000}'
                } else {
                    ' '
                }
            })
            .collect();
        write!(f, "{gutter} | {pad}{}", "^".repeat(self.width.max(1) as usize))
    }
}

/// An error inside one command, before its place in the file is worked out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Fault {
    pub(crate) span: Range<usize>,
    pub(crate) kind: ErrorKind,
}

impl Fault {
    pub(crate) fn new(span: Range<usize>, kind: ErrorKind) -> Self {
        Self { span, kind }
    }

    /// The error with file, line and column.
    pub(crate) fn locate(self, file: &str, lines: &[&str], source: &Source) -> Error {
        let at = source.position(self.span.start);
        let text =
            usize::try_from(at.line).ok().and_then(|n| lines.get(n.wrapping_sub(1))).copied().unwrap_or("");
        let width = source.width(self.span);
        Error {
            file: file.into(),
            line: at.line,
            column: at.column,
            kind: self.kind,
            text: text.into(),
            width,
        }
    }
}
