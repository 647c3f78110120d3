//! The prompt on a terminal: history with the arrow keys, completion with Tab.

use ipsec_policy::netsh::{Answer, Prompt, Setting};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::{files, say};
use crate::exit::{Error, print};

/// What the line editor asks for completions: a copy of the prompt as it is before the line.
struct Words(Prompt);

impl Completer for Words {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let completion = self.0.complete(line.get(..at).unwrap_or(line));
        let mut candidates = completion.candidates;
        // The only way to go on is taken whole; a tag's value follows at once.
        if let [one] = candidates.as_mut_slice()
            && !one.ends_with('=')
        {
            one.push(' ');
        }
        Ok((completion.start, candidates))
    }
}

impl Hinter for Words {
    type Hint = String;
}
impl Highlighter for Words {}
impl Validator for Words {}
impl Helper for Words {}

/// Carries out lines until `exit`, the end of the input or Ctrl-C twice; `keep` follows each good one.
pub(super) fn ask(
    prompt: &mut Prompt,
    setting: &Setting<'_>,
    keep: &mut dyn FnMut(&Prompt) -> Result<(), Error>,
) -> Result<(), Error> {
    let terminal = |e: ReadlineError| Error::Environment(format!("terminal: {e}"));
    // Several ways to go on are listed.
    let config = Config::builder().completion_type(CompletionType::List).build();
    let mut editor =
        Editor::<Words, MemHistory>::with_history(config, MemHistory::new()).map_err(terminal)?;
    let mut interrupted = false;
    loop {
        editor.set_helper(Some(Words(prompt.clone())));
        let line = match editor.readline(prompt.text()) {
            Ok(line) => line,
            // Ctrl-C leaves the line, and at once again the prompt; Ctrl-D leaves the prompt.
            Err(ReadlineError::Interrupted) if !interrupted => {
                interrupted = true;
                continue;
            }
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => return Ok(()),
            Err(e) => return Err(terminal(e)),
        };
        interrupted = false;
        if !line.trim().is_empty() {
            editor.add_history_entry(line.as_str()).map_err(terminal)?;
        }
        let answer = prompt.line(&line, setting);
        tell(PROMPT, &answer)?;
        if answer.error.is_none() {
            keep(prompt)?;
        }
        if answer.ended {
            return Ok(());
        }
    }
}

/// What errors call it.
const PROMPT: &str = "prompt";

/// Prints what came of a line.
pub(super) fn tell(file: &str, answer: &Answer) -> Result<(), Error> {
    print(&answer.output.text)?;
    if file == PROMPT {
        // The line stands above.
        answer.output.notes.iter().for_each(|note| eprintln!("note: {}", note.message));
    } else {
        say(file, &answer.output.notes);
    }
    for (name, content) in &answer.output.files {
        match files::write(name, content) {
            Ok(path) => print(&format!("wrote {}\n", path.display()))?,
            Err(error) => eprintln!("{error}"),
        }
    }
    if let Some(error) = &answer.error {
        eprintln!("{error}");
    }
    Ok(())
}
