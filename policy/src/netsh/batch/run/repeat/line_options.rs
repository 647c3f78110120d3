//! How `for /f` takes lines apart.

/// The options of `for /f`.
pub(super) struct LineOptions {
    /// Lines that begin with it are left out.
    remark: char,
    /// How many lines are left out at the start of a file.
    pub(super) skip: usize,
    /// What stands between tokens.
    delimiters: String,
    /// The tokens wanted, from 1.
    wanted: Vec<usize>,
    /// What follows them is wanted too, as it stands.
    remainder: bool,
    /// `usebackq`: files may stand in quotation marks.
    pub(super) back_quotes: bool,
}

impl LineOptions {
    /// `"tokens=1,3-4* delims=, skip=1 eol=; usebackq"`, or nothing.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut options = Self {
            remark: ';',
            skip: 0,
            delimiters: " \t".to_owned(),
            wanted: vec![1],
            remainder: false,
            back_quotes: false,
        };
        let mut rest = match text.strip_prefix('"') {
            Some(inner) => inner.strip_suffix('"')?,
            None if text.is_empty() => return Some(options),
            None => return None,
        };
        while !rest.trim_start().is_empty() {
            rest = rest.trim_start();
            let (name, behind) = rest.split_at(rest.find(['=', ' ']).unwrap_or(rest.len()));
            let value = behind.strip_prefix('=').unwrap_or("");
            // A blank is one of the delimiters when it is the last character of all.
            let end = value.find(' ').filter(|i| i + 1 < value.len()).unwrap_or(value.len());
            let (value, after) = value.split_at(end);
            rest = after;
            match name.to_ascii_lowercase().as_str() {
                "usebackq" if !behind.starts_with('=') => {
                    options.back_quotes = true;
                    rest = behind;
                }
                "delims" => value.clone_into(&mut options.delimiters),
                "eol" => options.remark = value.chars().next()?,
                "skip" => options.skip = value.trim_end().parse().ok()?,
                "tokens" => options.choose(value.trim_end())?,
                _ => return None,
            }
        }
        Some(options)
    }

    /// `1,3-4*`.
    fn choose(&mut self, text: &str) -> Option<()> {
        let numbers = text.strip_suffix('*').unwrap_or(text);
        self.remainder = numbers.len() < text.len();
        self.wanted.clear();
        for part in numbers.split(',').filter(|p| !p.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
            // As many as there are letters.
            if first == 0 || last > 26 {
                return None;
            }
            self.wanted.extend(first..=last);
        }
        // Their order as written does not matter: letters follow the line.
        self.wanted.sort_unstable();
        self.wanted.dedup();
        Some(())
    }

    /// What a line gives; `None` when the loop leaves it out.
    pub(super) fn tokens(&self, line: &str) -> Option<Vec<String>> {
        if line.starts_with(self.remark) {
            return None;
        }
        let apart = |c: char| self.delimiters.contains(c);
        let (mut all, mut rest) = (vec![""], line.trim_start_matches(apart));
        let last = self.wanted.last().copied().unwrap_or(0);
        while !rest.is_empty() && all.len() <= last {
            let (token, behind) = rest.split_at(rest.find(apart).unwrap_or(rest.len()));
            all.push(token);
            rest = behind.trim_start_matches(apart);
        }
        let mut values: Vec<String> =
            self.wanted.iter().map(|n| all.get(*n).copied().unwrap_or("").to_owned()).collect();
        if self.remainder {
            values.push(rest.to_owned());
        }
        values.iter().any(|v| !v.is_empty()).then_some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `for /f` of cmd makes of a line (`for /?`).
    #[test]
    fn lines_are_taken_apart() {
        for (options, line, expected) in [
            ("", "10.0.0.1 a remark", Some(vec!["10.0.0.1"])),
            ("", "; a remark", None),
            ("", "   ", None),
            ("\"tokens=1,2*\"", "tcp 135 the rest  of it", Some(vec!["tcp", "135", "the rest  of it"])),
            ("\"tokens=1-3 delims=,\"", "a,,b c", Some(vec!["a", "b c", ""])),
            ("\"tokens=2,1\"", "a b", Some(vec!["a", "b"])),
            ("\"delims=\"", " whole line ", Some(vec![" whole line "])),
            ("\"tokens=*\"", "  all of it", Some(vec!["all of it"])),
            ("\"delims=, \"", "a,b", Some(vec!["a"])),
            ("\"eol=# usebackq\"", "# remark", None),
            ("\"tokens=3\"", "a b", None),
        ] {
            let read = LineOptions::read(options).unwrap_or_else(|| panic!("{options}"));
            let expected = expected.map(|v| v.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(read.tokens(line), expected, "{options} on {line}");
        }
        assert!(LineOptions::read("\"tokens=0\"").is_none() && LineOptions::read("\"colour=red\"").is_none());
    }
}
