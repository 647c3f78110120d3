//! `set /a`: whole numbers of 32 bits that wrap around, in the order of precedence that the help of `set` gives.

use super::Variables;

/// Deeper nesting of brackets and signs than this is not read.
const DEPTH: u32 = 32;

/// Carries out `a=1, b+=a*2` and returns the last value. What cannot be worked out leaves its variable unknown, and so
/// does a text in which something `unknown` stood.
pub(super) fn carry_out(text: &str, unknown: bool, variables: &mut Variables) -> Option<i32> {
    let mut last = None;
    for part in text.replace('"', " ").split(',') {
        let (name, value) = assignment(part, variables);
        let value = value.filter(|_| !unknown);
        last = value;
        if let Some(name) = name {
            variables.insert(name, value.map(|n| n.to_string()));
        }
    }
    last
}

/// The variable that a part sets, if it sets one, and its value.
fn assignment(part: &str, variables: &Variables) -> (Option<String>, Option<i32>) {
    let Some((left, right)) = part.split_once('=') else { return (None, value_of(part, variables)) };
    let name = left.trim_end_matches(|c: char| c.is_whitespace() || OPERATORS.contains(c));
    let operator = left.get(name.len()..).unwrap_or("").trim();
    let name = name.trim().to_lowercase();
    let right = value_of(right, variables);
    let value = match operator {
        "" => right,
        _ => number(&name, variables).zip(right).and_then(|(a, b)| binary(operator, a, b)),
    };
    (Some(name), value)
}

const OPERATORS: &str = "+-*/%&|^<>";
/// From the loosest to the tightest.
const LEVELS: [&[&str]; 6] = [&["|"], &["^"], &["&"], &["<<", ">>"], &["+", "-"], &["*", "/", "%"]];

fn value_of(text: &str, variables: &Variables) -> Option<i32> {
    let mut reader = Reader { rest: text, variables, depth: 0 };
    let value = reader.level(0)?;
    reader.rest.trim().is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
    variables: &'a Variables,
    depth: u32,
}

impl Reader<'_> {
    fn level(&mut self, level: usize) -> Option<i32> {
        let Some(operators) = LEVELS.get(level) else { return self.operand() };
        let mut value = self.level(level + 1)?;
        loop {
            self.rest = self.rest.trim_start();
            let Some(operator) = operators.iter().find(|o| self.rest.starts_with(**o)) else {
                return Some(value);
            };
            self.rest = self.rest.get(operator.len()..)?;
            // A percent sign stands doubled in a batch file.
            if *operator == "%" {
                self.rest = self.rest.trim_start_matches('%');
            }
            value = binary(operator, value, self.level(level + 1)?)?;
        }
    }

    fn operand(&mut self) -> Option<i32> {
        self.depth += 1;
        if self.depth > DEPTH {
            return None;
        }
        self.rest = self.rest.trim_start();
        let first = self.rest.chars().next()?;
        let behind = self.rest.get(first.len_utf8()..)?;
        let value = match first {
            '-' | '+' | '~' | '!' => {
                self.rest = behind;
                let value = self.operand()?;
                match first {
                    '-' => value.wrapping_neg(),
                    '~' => !value,
                    '!' => i32::from(value == 0),
                    _ => value,
                }
            }
            '(' => {
                self.rest = behind;
                let value = self.level(0)?;
                self.rest = self.rest.trim_start().strip_prefix(')')?;
                value
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || OPERATORS.contains(c) || "()~!".contains(c);
                let length = self.rest.find(ends).unwrap_or(self.rest.len());
                let (word, rest) = self.rest.split_at_checked(length)?;
                self.rest = rest;
                number(word, self.variables)?
            }
        };
        self.depth -= 1;
        Some(value)
    }
}

/// A number, also in base 8 or 16, or what a variable holds; one that is not set is 0.
fn number(word: &str, variables: &Variables) -> Option<i32> {
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        return literal(word);
    }
    if word.is_empty() {
        return None;
    }
    match variables.get(&word.to_lowercase()) {
        None if super::super::expand::is_environment(word) => None,
        None => Some(0),
        Some(value) => {
            let value = value.as_ref()?.trim();
            match value.strip_prefix('-') {
                Some(digits) => literal(digits).map(i32::wrapping_neg),
                None => literal(value),
            }
        }
    }
}

fn literal(word: &str) -> Option<i32> {
    let lower = word.to_ascii_lowercase();
    match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
        (Some(digits), _) => i32::from_str_radix(digits, 16).ok(),
        (_, Some(digits)) if !digits.is_empty() => i32::from_str_radix(digits, 8).ok(),
        _ => lower.parse().ok(),
    }
}

fn binary(operator: &str, a: i32, b: i32) -> Option<i32> {
    Some(match operator {
        "+" => a.wrapping_add(b),
        "-" => a.wrapping_sub(b),
        "*" => a.wrapping_mul(b),
        "/" => a.checked_div(b)?,
        "%" | "%%" => a.checked_rem(b)?,
        "&" => a & b,
        "|" => a | b,
        "^" => a ^ b,
        "<<" => a.checked_shl(u32::try_from(b).ok()?)?,
        ">>" => a.checked_shr(u32::try_from(b).ok()?)?,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Variables, carry_out};

    #[test]
    fn as_cmd_counts() {
        for (text, expected) in [
            ("n=1+2*3", Some(7)),
            ("n=(1+2)*3", Some(9)),
            ("n+=5", Some(15)),
            ("n=ten*2 - 0x10", Some(4)),
            ("n=010", Some(8)),
            ("n=-7/2", Some(-3)),
            ("n=7%%4", Some(3)),
            ("n=1<<4|3", Some(19)),
            ("n=!nothing", Some(1)),
            ("\"n=~0\"", Some(-1)),
            ("a=2, n=a*a", Some(4)),
            ("n=2147483647+1", Some(i32::MIN)),
            // Not a number in base 8, nothing to divide by, nobody knows it, no number.
            ("n=09", None),
            ("n=1/0", None),
            ("n=asked+1", None),
            ("n=random", None),
            ("n=1+", None),
        ] {
            let set = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
            let mut variables =
                Variables::from([set("ten", Some("10")), set("n", Some("10")), set("asked", None)]);
            assert_eq!(carry_out(text, false, &mut variables), expected, "{text}");
            assert_eq!(variables.get("n").cloned().flatten(), expected.map(|n| n.to_string()), "{text}");
        }
        assert_eq!(carry_out(&"(".repeat(100_000), false, &mut Variables::new()), None);
    }
}
