//! What a script asks the person before it: `set /p` and `choice`.

use super::{Error, ErrorKind, Fault, Machine, Node, Source, Variables, first_word, words};

/// A question that nobody has answered.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// What gets the answer: a variable, or the exit code.
    pub(super) name: String,
    written: Source,
    prompt: String,
}

impl Machine<'_, '_> {
    /// The next of the answers that came with the script.
    fn answer(&mut self) -> Option<String> {
        let answer = self.session.answers().get(self.answered).map(|a| (*a).to_owned());
        self.answered += 1;
        answer
    }

    /// `set /p name=question`: the answer; an empty one leaves the variable as it is.
    pub(super) fn set_asked(&mut self, text: &str, written: &Source) -> Result<(), Error> {
        let text = text.trim();
        let text = text.strip_prefix('"').map_or(text, |t| t.strip_suffix('"').unwrap_or(t));
        let Some((name, prompt)) = text.split_once('=') else { return Ok(()) };
        let (name, prompt) = (name.trim_end().to_lowercase(), prompt.trim_matches('"').trim());
        let input = self.input.take();
        // From a file, or from the null device, nobody is asked.
        if let Some(input) = input {
            if let Some(line) = input.as_deref().and_then(|text| text.lines().next()) {
                self.variables.insert(name, Some(line.to_owned()));
            } else if input.is_none() {
                self.variables.insert(name, None);
            }
            return Ok(());
        }
        match self.answer() {
            Some(answer) if answer.is_empty() => {}
            Some(answer) => {
                self.variables.insert(name, Some(answer));
            }
            None => {
                self.variables.insert(name.clone(), None);
                let prompt = if prompt.is_empty() { written.text().trim() } else { prompt }.to_owned();
                return self.asked(Question { name, written: written.trim(), prompt });
            }
        }
        Ok(())
    }

    /// `choice /c abc`: the exit code is the number of the letter.
    pub(super) fn choice(&mut self, rest: &Source, written: &Source) -> Result<(), Error> {
        let words: Vec<String> = words(rest.text()).iter().map(|w| w.to_ascii_lowercase()).collect();
        let option = |name: &str| {
            let at = words.iter().position(|word| word.starts_with(name))?;
            let inline = words.get(at)?.get(name.len()..)?.trim_start_matches(':');
            if inline.is_empty() { words.get(at + 1).cloned() } else { Some(inline.to_owned()) }
        };
        let letters = option("/c").unwrap_or_else(|| "yn".to_owned());
        // With a time limit it has an answer for the case that nobody gives one.
        let default =
            option("/t").and_then(|_| option("/d")).map(|d| d.rsplit(',').next().unwrap_or("").to_owned());
        let answer = self.answer().or(default);
        let index = answer.as_ref().and_then(|answer| {
            let first = answer.trim_matches('"').to_ascii_lowercase().chars().next()?;
            letters.chars().position(|c| c == first).and_then(|i| i32::try_from(i + 1).ok())
        });
        self.set_errorlevel(index);
        if index.is_some() {
            return Ok(());
        }
        let prompt = written.text().trim().to_owned();
        self.asked(Question { name: super::ERRORLEVEL.to_owned(), written: written.trim(), prompt })
    }

    /// A question that the script comes back to is one that it cannot go on without.
    fn asked(&mut self, question: Question) -> Result<(), Error> {
        let again = self.questions.iter().any(|q| q.written.start() == question.written.start());
        if again {
            self.no_answer(&question)?;
            self.stopped = true;
        } else {
            self.questions.push(question);
        }
        Ok(())
    }

    fn no_answer(&mut self, question: &Question) -> Result<(), Error> {
        let kind = ErrorKind::NoAnswer { question: question.prompt.clone() };
        let span = 0..question.written.text().len();
        self.session.fail(&question.written, Fault::new(span, kind))
    }

    /// The condition is not known. When it hangs on an answer and decides where the script goes on, or when both ways
    /// lead elsewhere, there is no going on.
    pub(super) fn no_way_on(
        &mut self,
        condition: &[Source],
        then: &Node,
        otherwise: Option<&Node>,
        before: Option<&Variables>,
    ) -> Result<bool, Error> {
        let (one, other) = (leads_elsewhere(then), otherwise.is_some_and(leads_elsewhere));
        if !one && !other {
            return Ok(false);
        }
        if let Some(question) = self.question_of(condition, before) {
            self.no_answer(&question)?;
            return Ok(true);
        }
        let at = condition.first().cloned().unwrap_or_default();
        if one && other && at.start().line > 0 {
            let text = condition.iter().map(Source::text).collect::<Vec<_>>().join(" ");
            let fault = Fault::new(0..at.text().len(), ErrorKind::UnknownWay { condition: text });
            self.session.fail(&at, fault)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// The unanswered question that a condition hangs on.
    fn question_of(&self, condition: &[Source], before: Option<&Variables>) -> Option<Question> {
        let named = |source: &Source| {
            let unknown = self.expand(source, before).unknown.map(|(name, _)| name);
            let name = unknown.unwrap_or_else(|| source.text().to_owned()).to_lowercase();
            name.trim_matches(['%', '!']).split(':').next().unwrap_or("").to_owned()
        };
        let names: Vec<String> = condition.iter().map(named).collect();
        self.questions.iter().find(|q| names.contains(&q.name)).cloned()
    }

    /// The question whose answer a variable would hold.
    pub(super) fn question_for(&self, variable: &str) -> Option<Question> {
        let name = variable.trim_matches(['%', '!']).split(':').next().unwrap_or("").to_lowercase();
        self.questions.iter().find(|q| q.name == name).cloned()
    }
}

impl Question {
    /// A variable that holds its answer is needed.
    pub(super) fn needed_for(&self, name: String) -> ErrorKind {
        ErrorKind::UnknownAnswer { name, question: self.prompt.clone() }
    }
}

/// Whether a statement ends somewhere else than at the one behind it.
fn leads_elsewhere(node: &Node) -> bool {
    match node {
        Node::Simple(source) => {
            let word = first_word(source.text());
            let word = word.trim_start_matches('@');
            word == "goto" || word.starts_with("goto:") || word == "exit"
        }
        Node::Block(nodes) => nodes.iter().any(leads_elsewhere),
        Node::Sequence(first, others) => {
            leads_elsewhere(first) || others.iter().any(|(_, node)| leads_elsewhere(node))
        }
        Node::If { then, otherwise, .. } => {
            leads_elsewhere(then) && otherwise.as_deref().is_some_and(leads_elsewhere)
        }
        Node::Redirected { node, .. } => leads_elsewhere(node),
        Node::For { .. } | Node::Label(_) | Node::NotUnderstood(_) => false,
    }
}
