//! How wide text is on a terminal.

/// East Asian characters that take two columns in a terminal.
pub(crate) fn is_wide(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ff60}')
}

fn columns(c: char) -> usize {
    if is_wide(c) { 2 } else { 1 }
}

/// Columns that the text takes.
pub(crate) fn of(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// As much of the text as fits these columns.
pub(crate) fn cut(text: &str, width: usize) -> &str {
    let mut taken = 0;
    for (at, c) in text.char_indices() {
        taken += columns(c);
        if taken > width {
            return text.get(..at).unwrap_or(text);
        }
    }
    text
}
