//! netsh lines in PowerShell scripts: those that stand alone are carried out, for PowerShell starts programs as `cmd` does.
//! What it would work out, blocks and here-strings, is named and never guessed.

use super::super::session::Session;
use super::super::source::Source;
use super::NoteKind;

/// Whether a file is a PowerShell script, which its name says.
pub(super) fn is_script(file: &str) -> bool {
    file.to_ascii_lowercase().ends_with(".ps1")
}

/// The lines that stand alone, those that a backtick continues in one, with quotation marks as `cmd` knows them.
pub(super) fn lines(session: &mut Session<'_>, lines: &[Source]) -> Vec<Source> {
    let mut out: Vec<Source> = Vec::new();
    let (mut held, mut depth, mut comment, mut here) = (None::<Source>, 0_u32, false, None::<char>);
    for line in lines {
        let text = line.text().trim();
        if let Some(quote) = here {
            name(session, line, "part of a text");
            if text.starts_with(quote) && text.get(1..).is_some_and(|t| t.starts_with('@')) {
                here = None;
            }
            continue;
        }
        if comment || text.starts_with("<#") {
            comment = !text.ends_with("#>");
            continue;
        }
        if text.starts_with('#') {
            continue;
        }
        here = text.strip_suffix(['"', '\'']).filter(|t| t.ends_with('@')).and_then(|_| text.chars().last());
        let (opened, closed, any) = brackets(text);
        if depth > 0 || any || here.is_some() {
            name(session, line, "worked out by PowerShell");
            depth = (depth + opened).saturating_sub(closed);
            continue;
        }
        let mut whole = held.take().unwrap_or_default();
        whole.append(line);
        match whole.text().trim_end().strip_suffix('`').map(str::len) {
            Some(kept) if whole.text().len() < super::LONGEST_LINE => held = Some(whole.slice(0..kept)),
            _ => out.push(as_cmd_writes(&whole.trim())),
        }
    }
    out.extend(held);
    out
}

fn name(session: &mut Session<'_>, line: &Source, why: &str) {
    let line = line.trim();
    if line.text().to_ascii_lowercase().contains("netsh") || why.starts_with("worked") {
        let text = format!("{why}, not carried out: {}", super::run::shorten(line.text()));
        session.note(line.start(), NoteKind::NotUnderstood, text);
    }
}

/// Curly brackets outside quotation marks that stay open, that close others, and whether there are any.
fn brackets(text: &str) -> (u32, u32, bool) {
    let (mut quote, mut opened, mut closed, mut any) = (None, 0, 0, false);
    for c in text.chars() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, '{') => (opened, any) = (opened + 1, true),
            (None, '}') if opened > 0 => opened -= 1,
            (None, '}') => (closed, any) = (closed + 1, true),
            _ => {}
        }
    }
    (opened, closed, any)
}

/// `& netsh name='a b'` is `netsh name="a b"`; percent signs and carets are letters.
fn as_cmd_writes(line: &Source) -> Source {
    let mut out = Source::default();
    let (mut quote, mut first) = (None, true);
    for (_, c, at) in line.chars() {
        if first && (c == '&' || c.is_whitespace()) {
            continue;
        }
        first = false;
        match (quote, c) {
            (None, '"' | '\'') => {
                quote = Some(c);
                out.push('"', at);
            }
            (Some(open), _) if open == c => {
                quote = None;
                out.push('"', at);
            }
            (_, '%') => {
                out.push('%', at);
                out.push('%', at);
            }
            (None, '^') => {
                out.push('^', at);
                out.push('^', at);
            }
            _ => out.push(c, at),
        }
    }
    out
}
