//! `for`.

use super::{Error, ErrorKind, Fault, Flow, Machine, Node, STEPS, Source, Variables, words};

mod line_options;

use line_options::LineOptions;

/// What a loop goes through: each item gives its variable a value, and those of the letters behind it.
type Items = Vec<Vec<String>>;

impl Machine<'_, '_> {
    pub(super) fn repeat(
        &mut self,
        options: &Source,
        variable: char,
        set: &Source,
        body: &Node,
        before: Option<&Variables>,
    ) -> Result<Flow, Error> {
        let items = match self.items(options, set, before) {
            Ok(items) => items,
            Err(why) if why.starts_with("the loop ") => {
                let span = 0..set.text().trim_end().len();
                self.session.fail(set, Fault::new(span, ErrorKind::TooManyRounds { why }))?;
                return Ok(Flow::Unsure);
            }
            Err(why) => {
                self.pass_over(body, &why);
                return Ok(Flow::Unsure);
            }
        };
        let mut flow = Flow::Next;
        for item in items {
            let outer = self.loops.len();
            self.loops.extend((variable..='~').zip(item));
            let result = self.node(body, before);
            self.loops.truncate(outer);
            flow = result?;
            if flow.leaves() {
                break;
            }
        }
        Ok(flow)
    }

    /// The loop's items, or why they are not known.
    fn items(&self, options: &Source, set: &Source, before: Option<&Variables>) -> Result<Items, String> {
        let unknown = || "the list of the loop depends on the computer".to_owned();
        let word: String = options.text().chars().take(2).collect::<String>().to_ascii_lowercase();
        let expanded = self.expand_in(set, before, word == "/f");
        if expanded.unknown.or(expanded.unset).is_some() {
            return Err(unknown());
        }
        let text = expanded.source.text();
        let each_alone = |list: Vec<String>| list.into_iter().map(|v| vec![v]).collect();
        match word.as_str() {
            "" => plain_list(text).map(each_alone).ok_or_else(unknown),
            "/l" if options.text().len() == 2 => counted(text).ok_or_else(unknown)?.map(each_alone),
            "/f" => {
                let written = self.expand(&options.from(2), before);
                let options = LineOptions::read(written.source.text().trim()).ok_or_else(unknown)?;
                let lines = self.lines_of(text.trim(), &options).ok_or_else(unknown)??;
                Ok(lines.iter().filter_map(|line| options.tokens(line)).collect())
            }
            _ => Err(unknown()),
        }
    }

    /// The lines of `for /f`: a text between quotation marks or those of files. `None` for those a command prints.
    fn lines_of(&self, set: &str, options: &LineOptions) -> Option<Result<Vec<String>, String>> {
        let between = |quote: char| set.strip_prefix(quote).and_then(|s| s.strip_suffix(quote));
        let (text, command) = if options.back_quotes { ('\'', '`') } else { ('"', '\'') };
        if let Some(inner) = between(command) {
            // What `type` prints is the file.
            let (program, name) = inner.trim().split_once(char::is_whitespace)?;
            let name = name.trim();
            let alone = !name.contains(['|', '&', '<', '>', '^']) && program.eq_ignore_ascii_case("type");
            return if alone { self.lines_of_files(&[name.to_owned()], options.skip) } else { None };
        }
        if let Some(text) = between(text) {
            return Some(Ok(vec![text.to_owned()]));
        }
        self.lines_of_files(&words(set), options.skip)
    }

    fn lines_of_files(&self, names: &[String], skip: usize) -> Option<Result<Vec<String>, String>> {
        let mut lines = Vec::new();
        for name in names {
            let name = name.trim_matches('"');
            let Some(bytes) = self.session.read(name) else {
                return Some(Err(format!("there is no file `{name}` that can be read here")));
            };
            let text = crate::netsh::source::decode(&bytes).0;
            lines.extend(crate::netsh::lines(&text).into_iter().skip(skip).map(str::to_owned));
        }
        Some(Ok(lines))
    }
}

/// The items of a list without wildcards, which would name files.
fn plain_list(text: &str) -> Option<Vec<String>> {
    (!text.contains(['*', '?'])).then(|| words(text))
}

/// `(start,step,end)`.
fn counted(text: &str) -> Option<Result<Vec<String>, String>> {
    let ends = |c: char| c.is_whitespace() || matches!(c, ',' | ';');
    let words = text.split(ends).filter(|w| !w.is_empty());
    let numbers: Vec<i32> = words.map(|n| n.parse().ok()).collect::<Option<_>>()?;
    let [start, step, end] = numbers.as_slice() else { return None };
    let (start, step, end) = (i64::from(*start), i64::from(*step), i64::from(*end));
    // Without a step it never ends, unless it never begins.
    let Some(steps) = (end - start).checked_div(step) else {
        return Some(if start > end { Ok(Vec::new()) } else { Err("the loop never ends".to_owned()) });
    };
    let backwards = (end - start).signum() * step.signum() < 0;
    if backwards || steps < 0 {
        return Some(Ok(Vec::new()));
    }
    if steps >= i64::from(STEPS) {
        return Some(Err(format!("the loop has {} rounds, more than {STEPS}", steps + 1)));
    }
    Some(Ok((0..=steps).map(|i| (start + i * step).to_string()).collect()))
}
