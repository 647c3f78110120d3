//! The reader for NIST's response files: `[section]` lines, then `name = value` lines in groups parted by
//! blank lines.

use std::collections::BTreeMap;

/// One group of fields, and the sections it stands in.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    sections: Vec<&'a str>,
    fields: BTreeMap<&'a str, &'a str>,
}

impl<'a> Case<'a> {
    /// Whether the case stands below the line `[name]`.
    pub fn is_in(&self, name: &str) -> bool {
        self.sections.contains(&name)
    }

    /// A field as text.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.fields.get(name).copied()
    }

    /// A field as bytes.
    ///
    /// # Panics
    ///
    /// When the case has no such field, or it is not hexadecimal: the data is part of this crate.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        crate::hex(self.get(name).unwrap_or_else(|| panic!("no field {name} in {self:?}")))
    }
}

/// All cases of a file, in order. Lines starting with `#` are comments.
///
/// A run of section lines replaces the sections before it.
pub fn cases(text: &str) -> Vec<Case<'_>> {
    let mut cases = Vec::new();
    let (mut sections, mut fields) = (Vec::new(), BTreeMap::new());
    let mut in_heading = false;
    for line in text.lines().map(str::trim).chain([""]) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            if !in_heading {
                sections.clear();
            }
            sections.push(name);
            in_heading = true;
        } else if let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            fields.insert(name.trim(), value.trim());
            in_heading = false;
        } else if line.is_empty() && !fields.is_empty() {
            cases.push(Case { sections: sections.clone(), fields: std::mem::take(&mut fields) });
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_and_groups() {
        let text = "# a = b\n[A]\n[B = 3]\n\nx = 01ff\n\nx = 02\ny =\n\n[C]\nx = 03";
        let found = cases(text);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].bytes("x"), [1, 255]);
        assert!(found[0].is_in("A") && found[0].is_in("B = 3") && !found[0].is_in("C"));
        assert_eq!(found[1].get("y"), Some(""));
        assert!(found[2].is_in("C") && !found[2].is_in("A"));
    }

    #[test]
    fn every_file_is_read_whole() {
        let counts = [
            (crate::rfc::RFC2202_HMAC, 14),
            (crate::rfc::RFC2410_NULL, 2),
            (crate::rfc::RFC3602_AES_CBC, 8),
            (crate::rfc::RFC4868_HMAC_SHA2, 18),
            (crate::rfc::SP800_38A_AES_CBC, 3),
            (crate::rfc::DES_CBC, 9),
            (crate::nist::IKEV1_PSK, crate::nist::IKEV1_PSK.matches("COUNT").count()),
            (crate::nist::IKEV1_DSA, crate::nist::IKEV1_DSA.matches("COUNT").count()),
        ];
        for (text, count) in counts {
            assert_eq!(cases(text).len(), count);
        }
    }
}
