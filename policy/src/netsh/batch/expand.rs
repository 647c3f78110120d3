//! `%variables%` of a batch file.

use std::collections::BTreeMap;

use crate::netsh::session::LONGEST_LINE;
use crate::netsh::source::{Position, Source};

/// Variables by lower-case name; `None` is a value that cannot be known.
pub(super) type Variables = BTreeMap<String, Option<String>>;

/// What names stand for at one place.
pub(super) struct Scope<'a> {
    pub(super) variables: &'a Variables,
    /// Values now, for `!name!` under delayed expansion.
    pub(super) delayed: Option<&'a Variables>,
    pub(super) arguments: &'a [String],
    /// The script's own file, as it was named.
    pub(super) file: &'a str,
    /// The text names a file: then the script's directory may stand in it, as it was named.
    pub(super) names_file: bool,
    /// `for` variables.
    pub(super) loops: &'a [(char, String)],
}

/// A text with its variables replaced.
#[derive(Default)]
pub(super) struct Expanded {
    pub(super) source: Source,
    /// A variable whose value cannot be known, as written.
    pub(super) unknown: Option<(String, Position)>,
    /// A variable that nothing has set, as written: empty for `cmd`.
    pub(super) unset: Option<(String, Position)>,
}

/// Variables every Windows has; their values are the computer's business.
const ENVIRONMENT: &[&str] = &[
    "allusersprofile",
    "appdata",
    "cd",
    "comspec",
    "computername",
    "date",
    "errorlevel",
    "homedrive",
    "homepath",
    "localappdata",
    "logonserver",
    "number_of_processors",
    "os",
    "path",
    "pathext",
    "processor_architecture",
    "programdata",
    "programfiles",
    "random",
    "systemdrive",
    "systemroot",
    "temp",
    "time",
    "tmp",
    "userdomain",
    "username",
    "userprofile",
    "windir",
    "cmdcmdline",
];

/// Stands before a value that is a place on the disk: in the name of a file it is known, elsewhere not.
pub(super) const PLACE: char = '\u{fdd0}';
/// Those that are places on the disk.
const PLACES: &[&str] = &["temp", "tmp", "systemroot", "windir", "systemdrive", "userprofile"];

/// Whether Windows sets a variable of this name.
pub(super) fn is_environment(name: &str) -> bool {
    let name = name.to_lowercase();
    ENVIRONMENT.contains(&name.as_str()) || name.starts_with("programfiles")
}

/// Replaces variables in a piece of script.
pub(super) fn expand(text: &Source, scope: &Scope<'_>) -> Expanded {
    let mut out = Expanded::default();
    let mut offset = 0;
    while let Some(c) = text.text().get(offset..).and_then(|t| t.chars().next()) {
        let at = text.position(offset);
        if out.source.text().len() > LONGEST_LINE {
            out.unknown.get_or_insert(("a line this long".to_owned(), at));
            break;
        }
        let rest = text.text().get(offset..).unwrap_or("");
        let taken = match c {
            '%' => percent(rest, at, scope, &mut out),
            '!' if scope.delayed.is_some() => delayed(rest, at, scope, &mut out),
            _ => 0,
        };
        if taken == 0 {
            out.source.push(c, at);
            offset += c.len_utf8();
        } else {
            offset += taken;
        }
    }
    out
}

/// Handles what begins with `%`; returns how many bytes it took, 0 when the sign stands for itself.
fn percent(rest: &str, at: Position, scope: &Scope<'_>, out: &mut Expanded) -> usize {
    let after = rest.get(1..).unwrap_or("");
    if let Some(behind) = after.strip_prefix('%') {
        let (strip, name) = match behind.strip_prefix('~') {
            Some(name) => (1, name),
            None => (0, behind),
        };
        let value = name.chars().next().and_then(|v| scope.loops.iter().rev().find(|(n, _)| *n == v));
        let Some((variable, value)) = value else {
            if strip == 1 {
                // `%%~ni` and its like are places on a disk.
                out.unknown.get_or_insert(("%%~".to_owned(), at));
            }
            out.put("%", at);
            return 2;
        };
        out.put(if strip == 1 { value.trim_matches('"') } else { value }, at);
        return 2 + strip + variable.len_utf8();
    }
    if let Some(taken) = argument(after, at, scope, out) {
        return 1 + taken;
    }
    // One without a partner `cmd` drops.
    let Some(end) = after.find('%') else { return 1 };
    let name = after.get(..end).unwrap_or("");
    if name.is_empty() {
        return 0;
    }
    put_variable(name, &format!("%{name}%"), at, scope.variables, scope, out);
    end + 2
}

/// `%1`, `%~1`, `%*`, `%0`.
fn argument(after: &str, at: Position, scope: &Scope<'_>, out: &mut Expanded) -> Option<usize> {
    let bare = after.trim_start_matches('~');
    let tilde = after.len() - bare.len();
    let first = bare.chars().next()?;
    match first {
        '*' => out.put(&scope.arguments.join(" "), at),
        '0' if tilde == 0 => out.put(scope.file, at),
        '1'..='9' => {
            let index = first.to_digit(10).and_then(|d| usize::try_from(d).ok())?.checked_sub(1)?;
            let value = scope.arguments.get(index).map_or("", String::as_str);
            out.put(if tilde > 0 { value.trim_matches('"') } else { value }, at);
        }
        _ if tilde > 0 => {
            let letters = bare.len() - bare.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
            let written = format!("%{}", after.get(..tilde + letters + 1).unwrap_or(after));
            let taken = written.len() - 1;
            let part = bare.get(..letters).map(str::to_ascii_lowercase).filter(|_| written.ends_with('0'));
            match part.and_then(|part| of_own_file(&part, scope)) {
                Some(text) => out.put(text, at),
                // Others are places on a disk.
                None => {
                    out.unknown.get_or_insert((written, at));
                }
            }
            return Some(taken);
        }
        _ => return None,
    }
    Some(tilde + 1)
}

/// `%~n0`, `%~nx0`, and `%~dp0` where a file is named: there the directory as it was given leads to the same file.
fn of_own_file<'a>(part: &str, scope: &Scope<'a>) -> Option<&'a str> {
    let at = scope.file.rfind(['/', '\\']).map_or(0, |i| i + 1);
    let (directory, name) = scope.file.split_at(at);
    match part {
        "n" => Some(name.rsplit_once('.').map_or(name, |(stem, _)| stem)),
        "nx" => Some(name),
        "dp" if scope.names_file => Some(directory),
        _ => None,
    }
}

fn delayed(rest: &str, at: Position, scope: &Scope<'_>, out: &mut Expanded) -> usize {
    let after = rest.get(1..).unwrap_or("");
    let (Some(end), Some(variables)) = (after.find('!'), scope.delayed) else { return 0 };
    let name = after.get(..end).unwrap_or("");
    if name.is_empty() {
        return 0;
    }
    let written = format!("!{name}!");
    // `!port[%%i]!`: what stands behind percent signs is put in first.
    let mut inner = Expanded::default();
    if name.contains('%') {
        let scope = Scope { delayed: None, ..*scope };
        let text = name.chars().fold(Source::default(), |mut source, c| {
            source.push(c, at);
            source
        });
        inner = expand(&text, &scope);
    }
    let name = if name.contains('%') { inner.source.text() } else { name };
    match inner.unknown.or(inner.unset) {
        Some(_) => {
            out.unknown.get_or_insert((written, at));
        }
        None => put_variable(name, &written, at, variables, scope, out),
    }
    end + 2
}

/// `name`, `name:~start,length` or `name:old=new`.
fn put_variable(
    name: &str,
    written: &str,
    at: Position,
    variables: &Variables,
    scope: &Scope<'_>,
    out: &mut Expanded,
) {
    let (name, modifier) = name.split_once(':').map_or((name, None), |(n, m)| (n, Some(m)));
    let key = name.to_lowercase();
    match variables.get(&key) {
        Some(Some(value)) if value.starts_with(PLACE) => {
            match value.strip_prefix(PLACE).filter(|_| scope.names_file && modifier.is_none()) {
                Some(value) => out.put(value, at),
                None => {
                    out.unknown.get_or_insert((written.to_owned(), at));
                }
            }
        }
        Some(Some(value)) => match modifier.map_or(Some(value.clone()), |m| modified(value, m)) {
            Some(value) => out.put(&value, at),
            None => {
                out.unknown.get_or_insert((written.to_owned(), at));
            }
        },
        Some(None) => {
            out.unknown.get_or_insert((written.to_owned(), at));
        }
        // The current directory is where relative names begin; other places keep their names, so that what the script
        // prints into `%temp%\x` is what it reads from there.
        None if scope.names_file && key == "cd" => out.put(".", at),
        None if scope.names_file && modifier.is_none() && PLACES.contains(&key.as_str()) => {
            out.put(written, at);
        }
        None if is_environment(&key) => {
            out.unknown.get_or_insert((written.to_owned(), at));
        }
        None => {
            out.unset.get_or_insert((written.to_owned(), at));
        }
    }
}

fn modified(value: &str, modifier: &str) -> Option<String> {
    let Some(numbers) = modifier.strip_prefix('~') else {
        let (old, new) = modifier.split_once('=')?;
        return (!old.is_empty() && !old.starts_with('*')).then(|| value.replace(old, new));
    };
    let chars: Vec<char> = value.chars().collect();
    let size = i64::try_from(chars.len()).ok()?;
    let (start, length) = numbers.split_once(',').map_or((numbers, None), |(s, l)| (s, Some(l)));
    let clamp = |n: i64| if n < 0 { (size + n).max(0) } else { n.min(size) };
    let start = clamp(start.trim().parse::<i32>().ok()?.into());
    let end = match length {
        None => size,
        Some(length) => match i64::from(length.trim().parse::<i32>().ok()?) {
            n if n < 0 => size + n,
            n => (start + n).min(size),
        },
    };
    let (start, end) = (usize::try_from(start).ok()?, usize::try_from(end.max(start)).ok()?);
    Some(chars.get(start..end)?.iter().collect())
}

impl Expanded {
    fn put(&mut self, text: &str, at: Position) {
        for c in text.chars() {
            self.source.push(c, at);
        }
    }
}
