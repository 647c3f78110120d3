//! What `if` asks.

use super::{Machine, Source, Variables};

impl Machine<'_, '_> {
    /// Whether a condition holds; `None` when that is the computer's business.
    pub(super) fn condition(&self, words: &[Source], before: Option<&Variables>) -> Option<bool> {
        let (mut fold, mut negate, mut rest) = (false, false, words);
        while let [first, after @ ..] = rest {
            match first.text().to_ascii_lowercase().as_str() {
                "/i" => fold = true,
                "not" => negate = !negate,
                _ => break,
            }
            rest = after;
        }
        let text = |source: &Source| {
            let expanded = self.expand(source, before);
            if expanded.unknown.is_some() { None } else { Some(expanded.source.text().trim().to_owned()) }
        };
        let holds = match rest {
            [word, name] if word.text().eq_ignore_ascii_case("defined") => {
                let key = text(name)?.to_lowercase();
                match self.variables.get(&key) {
                    Some(value) => value.as_ref().map(|v| !v.is_empty())?,
                    None => false,
                }
            }
            [word, level] if word.text().eq_ignore_ascii_case("errorlevel") => {
                self.errorlevel()? >= text(level)?.parse().ok()?
            }
            // A file that can be read here is there; one that cannot may be there on the computer.
            [word, name] if word.text().eq_ignore_ascii_case("exist") => {
                let name = self.expand_in(name, before, true);
                let found = name.unknown.is_none()
                    && self.session.read(name.source.text().trim_matches('"')).is_some();
                if !found {
                    return None;
                }
                true
            }
            [left, operator, right] => {
                let (mut a, mut b) = (text(left)?, text(right)?);
                if fold {
                    (a, b) = (a.to_lowercase(), b.to_lowercase());
                }
                let order = match (a.parse::<i32>(), b.parse::<i32>()) {
                    (Ok(a), Ok(b)) if operator.text() != "==" => a.cmp(&b),
                    _ => a.cmp(&b),
                };
                match operator.text().to_ascii_lowercase().as_str() {
                    "==" | "equ" => order.is_eq(),
                    "neq" => order.is_ne(),
                    "lss" => order.is_lt(),
                    "leq" => order.is_le(),
                    "gtr" => order.is_gt(),
                    "geq" => order.is_ge(),
                    _ => return None,
                }
            }
            _ => return None,
        };
        Some(holds != negate)
    }
}
