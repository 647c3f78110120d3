//! Words of one netsh command line: tags, values, blanks around `=`, quotation marks.

use std::ops::Range;

use winnow::{
    Parser, Result as Parse,
    combinator::{alt, repeat},
    stream::{LocatingSlice, Location},
    token::{any, one_of, take_while},
};

use super::error::{ErrorKind, Fault};

type Input<'a> = LocatingSlice<&'a str>;

/// A word without its quotation marks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) span: Range<usize>,
    /// Some of it stood in quotation marks.
    pub(crate) quoted: bool,
}

/// One argument: `value`, `tag=value` or `tag=` with nothing behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Argument {
    pub(crate) tag: Option<Word>,
    pub(crate) value: Option<Word>,
}

impl Argument {
    /// The word, when there is no tag.
    pub(crate) fn plain(&self) -> Option<&Word> {
        if self.tag.is_none() { self.value.as_ref() } else { None }
    }

    /// From the tag's to the value's end.
    pub(crate) fn span(&self) -> Range<usize> {
        match (&self.tag, &self.value) {
            (Some(tag), Some(value)) => tag.span.start..value.span.end,
            (Some(word), None) | (None, Some(word)) => word.span.clone(),
            (None, None) => 0..0,
        }
    }
}

/// The arguments of a command line. A trailing `// remark` ends them; its span is returned.
pub(crate) fn arguments(text: &str) -> Result<(Vec<Argument>, Option<Range<usize>>), Fault> {
    let mut input = LocatingSlice::new(text);
    let mut arguments = Vec::new();
    loop {
        let before = blanks(&mut input);
        if input.is_empty() {
            return Ok((arguments, None));
        }
        if !arguments.is_empty() && before > 0 && input.starts_with("//") {
            return Ok((arguments, Some(input.current_token_start()..text.len())));
        }
        arguments.push(argument(&mut input, text.len())?);
    }
}

fn argument(input: &mut Input<'_>, end: usize) -> Result<Argument, Fault> {
    let head = word(input, true, end)?;
    let after_head = *input;
    blanks(input);
    if !input.starts_with('=') {
        *input = after_head;
        return Ok(split_quoted(head));
    }
    let equals = input.current_token_start();
    let _: Parse<char> = any.parse_next(input);
    if head.text.is_empty() {
        let expected = "a tag before the =".to_owned();
        return Err(Fault::new(
            equals..equals + 1,
            ErrorKind::UnknownCommand { found: "=".to_owned(), expected },
        ));
    }
    let after_equals = *input;
    let separated = blanks(input) > 0;
    if input.is_empty() || (separated && begins_tag(*input)) {
        *input = after_equals;
        return Ok(Argument { tag: Some(head), value: None });
    }
    let value = word(input, false, end)?;
    Ok(Argument { tag: Some(head), value: Some(value) })
}

/// `"name=two words"`: the shell hands it over as one word, and netsh finds the tag in it.
fn split_quoted(head: Word) -> Argument {
    if let (true, Some((tag, value))) = (head.quoted, head.text.split_once('='))
        && !tag.is_empty()
        && tag.bytes().all(|b| b.is_ascii_alphabetic())
    {
        let span = head.span;
        let tag = Word { text: tag.to_owned(), span: span.clone(), quoted: true };
        let value = (!value.is_empty()).then(|| Word { text: value.to_owned(), span, quoted: true });
        return Argument { tag: Some(tag), value };
    }
    Argument { tag: None, value: Some(head) }
}

/// Whether `name =` or `name=` comes next: then the value before it was left out.
fn begins_tag(mut input: Input<'_>) -> bool {
    let name: Parse<&str> = take_while(1.., |c: char| c.is_ascii_alphabetic()).parse_next(&mut input);
    blanks(&mut input);
    name.is_ok() && input.starts_with('=')
}

/// Skips blanks and says how many there were.
fn blanks(input: &mut Input<'_>) -> usize {
    let skipped: Parse<&str> = take_while(0.., char::is_whitespace).parse_next(input);
    skipped.map_or(0, str::len)
}

/// Straight quotation marks, and the typographic ones that web pages put in their place.
pub(crate) fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\u{201c}' | '\u{201d}' | '\u{201e}')
}

/// A word up to a blank outside quotation marks, in a tag position also up to `=`.
fn word(input: &mut Input<'_>, stop_at_equals: bool, end: usize) -> Result<Word, Fault> {
    let start = input.current_token_start();
    let (mut text, mut quoted) = (String::new(), false);
    while let Some(c) = input.chars().next() {
        if c.is_whitespace() || (stop_at_equals && c == '=') {
            break;
        }
        if is_quote(c) {
            let open = input.current_token_start();
            let Ok(inner) = quotation.parse_next(input) else {
                return Err(Fault::new(open..end.max(open + 1), ErrorKind::UnterminatedQuote));
            };
            text.push_str(&inner);
            quoted = true;
        } else {
            let _: Parse<char> = any.parse_next(input);
            text.push(c);
        }
    }
    Ok(Word { text, span: start..input.current_token_start(), quoted })
}

/// `"..."` with `\"` for a quotation mark inside.
fn quotation(input: &mut Input<'_>) -> Parse<String> {
    let _ = one_of(is_quote).parse_next(input)?;
    let inside = alt(("\\\"".value('"'), one_of(|c| !is_quote(c))));
    let text: String = repeat(0.., inside).parse_next(input)?;
    let _ = one_of(is_quote).parse_next(input)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> Vec<String> {
        let (arguments, _) = arguments(text).unwrap();
        let show = |w: &Option<Word>| w.as_ref().map_or("-".to_owned(), |w| w.text.clone());
        arguments
            .iter()
            .map(|a| {
                if a.tag.is_some() { format!("{}|{}", show(&a.tag), show(&a.value)) } else { show(&a.value) }
            })
            .collect()
    }

    #[test]
    fn reads_what_people_write() {
        assert_eq!(shape("add policy name = x"), ["add", "policy", "name|x"]);
        assert_eq!(shape("name =x name2= y"), ["name|x", "name2|y"]);
        assert_eq!(shape("srcaddr= dstaddr=me"), ["srcaddr|-", "dstaddr|me"]);
        assert_eq!(shape("psk=\"a=b c\" tag=a=b"), ["psk|a=b c", "tag|a=b"]);
        assert_eq!(shape("\"name=two words\" Michael's"), ["name|two words", "Michael's"]);
        assert_eq!(shape("name=\u{201c}two words\u{201d}"), ["name|two words"]);
        assert_eq!(shape(r#"d="say \"hi\"" x"#), [r#"d|say "hi""#, "x"]);
        assert_eq!(shape("a b // remark = \"x"), ["a", "b"]);
        assert_eq!(shape("name="), ["name|-"]);
    }

    #[test]
    fn spans_are_those_of_the_text() {
        let text = "add  name = \"a b\"";
        let (arguments, _) = arguments(text).unwrap();
        assert_eq!(&text[arguments[1].value.clone().unwrap().span], "\"a b\"");
        assert_eq!(&text[arguments[1].tag.clone().unwrap().span], "name");
    }

    #[test]
    fn open_quotation_is_named() {
        let fault = arguments("add policy name=\"x y").unwrap_err();
        assert_eq!((fault.span.start, fault.kind), (16, ErrorKind::UnterminatedQuote));
        assert!(arguments("=x").is_err());
    }
}
