//! Script text that remembers where in the file each character stood.

use std::ops::Range;

use encoding_rs::{GBK, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// A place in the file: line and column, both from 1, columns in characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) struct Position {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// A piece of script: lines may have been joined and variables replaced, each byte still knows its origin.
#[derive(Clone, Default, Debug)]
pub(crate) struct Source {
    text: String,
    at: Vec<Position>,
    end: Position,
}

impl Source {
    /// One line of the file.
    pub(crate) fn line(number: u32, text: &str) -> Self {
        let mut source = Self::default();
        let mut column = 0;
        for c in text.chars() {
            column += 1;
            source.push(c, Position { line: number, column });
        }
        source.end = Position { line: number, column: column + 1 };
        source
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Appends a character that stood (or whose variable stood) at `at`.
    pub(crate) fn push(&mut self, c: char, at: Position) {
        self.text.push(c);
        self.at.resize(self.text.len(), at);
        self.end = Position { line: at.line, column: at.column + 1 };
    }

    /// Appends another piece.
    pub(crate) fn append(&mut self, other: &Self) {
        self.text.push_str(&other.text);
        self.at.extend_from_slice(&other.at);
        self.end = other.end;
    }

    /// The part in this byte range; empty when the range does not lie on character boundaries.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        let Some(text) = self.text.get(range.clone()) else {
            return Self { end: self.end, ..Self::default() };
        };
        let at = self.at.get(range.clone()).unwrap_or_default().to_vec();
        Self { text: text.to_owned(), at, end: self.position(range.end) }
    }

    /// The part from this byte on.
    pub(crate) fn from(&self, start: usize) -> Self {
        self.slice(start..self.text.len())
    }

    /// Without blanks at both ends.
    pub(crate) fn trim(&self) -> Self {
        let start = self.text.len() - self.text.trim_start().len();
        let end = self.text.trim_end().len();
        self.slice(start..end.max(start))
    }

    /// Where the byte at this offset stood; past the end, the place after the last one.
    pub(crate) fn position(&self, offset: usize) -> Position {
        self.at.get(offset).copied().unwrap_or(self.end)
    }

    /// Where the piece begins.
    pub(crate) fn start(&self) -> Position {
        self.position(0)
    }

    /// Characters with their offsets and places.
    pub(crate) fn chars(&self) -> impl Iterator<Item = (usize, char, Position)> {
        self.chars_from(0)
    }

    /// Characters from this byte on.
    pub(crate) fn chars_from(&self, start: usize) -> impl Iterator<Item = (usize, char, Position)> {
        let text = self.text.get(start..).unwrap_or("");
        text.char_indices().map(move |(i, c)| (start + i, c, self.position(start + i)))
    }

    /// Drops everything from this byte on.
    pub(crate) fn truncate(&mut self, length: usize) {
        if self.text.is_char_boundary(length) {
            self.end = self.position(length);
            self.text.truncate(length);
            self.at.truncate(length);
        }
    }

    /// How many columns from the place of `span`'s start to that of its end, at least 1, on one line.
    pub(crate) fn width(&self, span: Range<usize>) -> u32 {
        let (start, end) = (self.position(span.start), self.position(span.end));
        if start.line == end.line { end.column.saturating_sub(start.column).max(1) } else { 1 }
    }
}

/// Reads a script file's bytes: UTF-8 or UTF-16 with or without a byte order mark, GBK (Chinese scripts are common), else
/// code page 850 (Western batch files written in a console window) or Windows-1252. Names only have to agree within a
/// script, so a wrong guess between single-byte code pages changes how they print and, unless it makes quotation marks of
/// letters, nothing else. Returns the encoding's name too. Stray byte order marks are dropped, and what follows an
/// end-of-file character, as DOS has it. Control characters, which a terminal would obey, become U+FFFD.
pub(crate) fn decode(bytes: &[u8]) -> (String, &'static str) {
    let (text, name) = decode_all(bytes);
    let end = text.find('\x1a').unwrap_or(text.len());
    let kept = text.get(..end).unwrap_or_default().chars().filter(|c| *c != '\u{feff}');
    let shown = |c: char| if is_unprintable(c) { char::REPLACEMENT_CHARACTER } else { c };
    (kept.map(shown).collect(), name)
}

/// A control character other than a blank or a line end.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\r' | '\n')
}

fn decode_all(bytes: &[u8]) -> (String, &'static str) {
    if bytes.starts_with(&[0xff, 0xfe]) || looks_like_utf16(bytes, 1) {
        return (UTF_16LE.decode(bytes).0.into_owned(), "UTF-16LE");
    }
    if bytes.starts_with(&[0xfe, 0xff]) || looks_like_utf16(bytes, 0) {
        return (UTF_16BE.decode(bytes).0.into_owned(), "UTF-16BE");
    }
    if let Some(text) = UTF_8.decode_without_bom_handling_and_without_replacement(bytes) {
        return (text.into_owned(), "UTF-8");
    }
    if is_gbk(bytes)
        && let Some(text) = GBK.decode_without_bom_handling_and_without_replacement(bytes)
    {
        return (text.into_owned(), "GBK");
    }
    if is_code_page_850(bytes) {
        return (bytes.iter().map(|b| code_page_850(*b)).collect(), "code page 850");
    }
    (WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(), "Windows-1252")
}

/// Code page 850 from 0x80 up; its letters stand where code page 437 has them.
const CODE_PAGE_850: &str = "\
ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐\
└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}";

fn code_page_850(byte: u8) -> char {
    let high = byte.checked_sub(0x80).and_then(|i| CODE_PAGE_850.chars().nth(i.into()));
    high.unwrap_or(char::from(byte))
}

/// More of the bytes beside letters are letters of code page 850 than are letters of Windows-1252. What Windows-1252
/// has below 0xA6 is punctuation; its quotation marks, apostrophes and dashes do stand beside letters, but, apostrophes
/// and dashes left out, on one side only.
fn is_code_page_850(bytes: &[u8]) -> bool {
    let letter = |b: u8| b.is_ascii_alphabetic() || matches!(b, 0x80..=0x9a | 0xa0..=0xa5);
    let (mut console, mut windows) = (0_usize, 0_usize);
    for at in 0..bytes.len() {
        let beside = |i: Option<usize>| i.and_then(|i| bytes.get(i)).is_some_and(|b| letter(*b));
        let (left, right) = (beside(at.checked_sub(1)), beside(at.checked_add(1)));
        match bytes.get(at) {
            // The Windows page has nothing there; the other one has ü, ì, Å, É and Ø.
            Some(0x81 | 0x8d | 0x8f | 0x90 | 0x9d) => console += 1,
            // Quotation marks and dashes in one page; sharp s in the other, where the first has an accented a.
            Some(0x91 | 0x92 | 0x96 | 0x97 | 0xe1) => {}
            Some(0x80..=0x9a | 0xa0..=0xa5) if left && right => console += 1,
            Some(0xc0..=0xff) if left || right => windows += 1,
            _ => {}
        }
    }
    console > windows
}

/// At least four bytes and a NUL in nearly every second place: ASCII commands in UTF-16 without a mark.
fn looks_like_utf16(bytes: &[u8], zero_at: usize) -> bool {
    let pairs = bytes.len() / 2;
    let zeros = bytes.iter().skip(zero_at).step_by(2).filter(|b| **b == 0).count();
    pairs >= 2 && zeros * 2 > pairs
}

/// High bytes come in pairs from 0xA1 up, as in GB2312 text, or at least in runs of pairs, of which GBK's second byte may
/// look like ASCII. In Western text they stand alone between letters.
fn is_gbk(bytes: &[u8]) -> bool {
    let (mut rest, mut plain) = (bytes, true);
    // Pairs of all, and those beside another one.
    let (mut pairs, mut beside, mut run) = (0_usize, 0_usize, 0_usize);
    while let [first, tail @ ..] = rest {
        (rest, run) = match (first, tail) {
            (0..=0x7f, _) => (tail, 0),
            (0x81..=0xfe, [second @ (0x40..=0x7e | 0x80..=0xfe), after @ ..]) => {
                plain &= (0xa1..=0xf7).contains(first) && *second >= 0xa1;
                (after, run + 1)
            }
            _ => return false,
        };
        pairs += usize::from(run > 0);
        beside += match run {
            0 | 1 => 0,
            2 => 2,
            _ => 1,
        };
    }
    plain || beside * 3 >= pairs * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_what_people_save() {
        let text = "add policy name=策略";
        let (gbk, _, _) = GBK.encode(text);
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut utf16_bom = vec![0xff, 0xfe];
        utf16_bom.extend(&utf16);
        for (bytes, name) in [
            (text.as_bytes(), "UTF-8"),
            (&[b"\xef\xbb\xbf", text.as_bytes()].concat(), "UTF-8"),
            (&gbk, "GBK"),
            (&utf16, "UTF-16LE"),
            (&utf16_bom, "UTF-16LE"),
        ] {
            assert_eq!(decode(bytes), (text.to_owned(), name));
        }
        // Its second bytes are `P` and `]`, and in another word `|`, which is none of cmd's.
        let (gbk, _, _) = GBK.encode("policy name=關閉端口 殀禁");
        assert_eq!(decode(&gbk), ("policy name=關閉端口 殀禁".to_owned(), "GBK"));
        assert_eq!(decode(b"name=B\xfcro"), ("name=Büro".to_owned(), "Windows-1252"));
        for (bytes, text) in [
            (&b"name=\"B\x81ro-H\x84rtung f\x81r alle\""[..], "name=\"Büro-Härtung für alle\""),
            (b"Stra\xe1e sch\x94n", "Straße schön"),
            (b"acc\x8as r\x82seau", "accès réseau"),
        ] {
            assert_eq!(decode(bytes), (text.to_owned(), "code page 850"));
        }
        for (bytes, text) in [
            (&b"name=\x84my policy\x94 Michael\x92s"[..], "name=\u{201e}my policy\u{201d} Michael\u{2019}s"),
            (b"name=\x93\xe4\x94 gr\xfc\xdfe", "name=\u{201c}ä\u{201d} grüße"),
        ] {
            assert_eq!(decode(bytes), (text.to_owned(), "Windows-1252"));
        }
        assert_eq!(decode(b"a\x1b[2Jb\tc\r\n").0, "a\u{fffd}[2Jb\tc\r\n");
    }

    /// The letters both console pages have, from the Unicode consortium's CP850.TXT.
    #[test]
    fn the_console_page_is_whole() {
        assert_eq!(CODE_PAGE_850.chars().count(), 128);
        let some =
            [(0x80, 'Ç'), (0x84, 'ä'), (0x9a, 'Ü'), (0xa5, 'Ñ'), (0xe1, 'ß'), (0xd5, 'ı'), (0xff, '\u{a0}')];
        for (byte, letter) in some {
            assert_eq!(code_page_850(byte), letter);
        }
        assert_eq!(code_page_850(b'A'), 'A');
    }

    #[test]
    fn joined_lines_keep_their_places() {
        let mut joined = Source::line(3, "netsh ");
        joined.append(&Source::line(4, "addé x"));
        assert_eq!(joined.position(6), Position { line: 4, column: 1 });
        assert_eq!(joined.position(12), Position { line: 4, column: 6 });
        assert_eq!(joined.position(99), Position { line: 4, column: 7 });
        assert_eq!(joined.from(6).trim().text(), "addé x");
    }
}
