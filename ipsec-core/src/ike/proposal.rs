//! Proposal selection that explains every refusal.
//!
//! A transform is compared with our policy attribute by attribute: the candidates that still fit are narrowed, and the
//! attribute that leaves none is the reason for the refusal. What was chosen is returned as it was received, never
//! re-encoded from our own values (RFC2409-5-22).

pub mod phase1;
pub mod phase2;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::wire::ikev1::{Attribute, AttributeValue, Transform};

/// Why one offered transform was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Number of the proposal.
    pub proposal: u8,
    /// Number of the transform.
    pub transform: u8,
    /// The attribute that does not fit, by its RFC name.
    pub attribute: &'static str,
    /// What our policy accepts.
    pub expected: String,
    /// What was offered.
    pub offered: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal { proposal, transform, attribute, expected, offered } = self;
        write!(f, "proposal {proposal} transform {transform}: {attribute} is {offered}, expected {expected}")
    }
}

/// Lifetimes of one transform as offered; `None` where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfferedLifetime {
    /// Seconds.
    pub seconds: Option<u32>,
    /// Kilobytes.
    pub kilobytes: Option<u32>,
}

impl OfferedLifetime {
    /// Reads pairs of type and duration: the type comes first (RFC 2407 section 4.5, RFC 2409 appendix A). `None` when one
    /// is without the other, the type is unknown or zero is offered. Durations above 32 bits count as 32 bits.
    pub fn read(attributes: &[Attribute], type_kind: u16, duration_kind: u16) -> Option<Self> {
        let mut lifetime = OfferedLifetime::default();
        let mut life_type = None;
        for attribute in attributes {
            if attribute.kind == type_kind {
                if life_type.replace(attribute.as_basic()?).is_some() {
                    return None;
                }
            } else if attribute.kind == duration_kind {
                let duration = u32::try_from(attribute.as_u64()?).unwrap_or(u32::MAX);
                let place = match life_type.take()? {
                    1 => &mut lifetime.seconds,
                    2 => &mut lifetime.kilobytes,
                    _ => return None,
                };
                if duration == 0 || place.replace(duration).is_some() {
                    return None;
                }
            }
        }
        life_type.is_none().then_some(lifetime)
    }

    /// The stricter of the two, limit by limit.
    pub fn shortest(self, other: OfferedLifetime) -> Self {
        let min = |a: Option<u32>, b: Option<u32>| a.into_iter().chain(b).min();
        OfferedLifetime {
            seconds: min(self.seconds, other.seconds),
            kilobytes: min(self.kilobytes, other.kilobytes),
        }
    }
}

/// The candidates of our policy that fit what was read of a transform so far.
struct Narrowing<T> {
    proposal: u8,
    transform: u8,
    candidates: Vec<T>,
}

impl<T: Copy> Narrowing<T> {
    fn refuse(
        &self,
        attribute: &'static str,
        expected: impl fmt::Display,
        offered: impl fmt::Display,
    ) -> Refusal {
        Refusal {
            proposal: self.proposal,
            transform: self.transform,
            attribute,
            expected: expected.to_string(),
            offered: offered.to_string(),
        }
    }

    /// Keeps the candidates whose `value` is `offered`; refuses when none is left.
    fn keep<V: PartialEq + fmt::Display>(
        &mut self,
        attribute: &'static str,
        offered: Option<V>,
        as_offered: impl fmt::Display,
        value: impl Fn(&T) -> V,
    ) -> Result<(), Refusal> {
        let fitting: Vec<T> = self
            .candidates
            .iter()
            .filter(|candidate| offered.as_ref() == Some(&value(candidate)))
            .copied()
            .collect();
        if fitting.is_empty() {
            let mut names: Vec<String> = Vec::new();
            for candidate in &self.candidates {
                let name = value(candidate).to_string();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            return Err(self.refuse(attribute, names.join(" or "), as_offered));
        }
        self.candidates = fitting;
        Ok(())
    }
}

/// A value that may be absent, in an explanation.
#[derive(Clone, Copy, PartialEq, Eq)]
struct OrNone<V>(Option<V>);

impl<V: fmt::Display> fmt::Display for OrNone<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("absent"),
        }
    }
}

/// The basic value of an attribute that may occur once.
fn basic(transform: &Transform, kind: impl Into<u16>) -> Result<Option<u16>, &'static str> {
    let kind = kind.into();
    let mut found = transform.attributes.iter().filter(|attribute| attribute.kind == kind);
    match (found.next(), found.next()) {
        (None, _) => Ok(None),
        (Some(attribute), None) => attribute.as_basic().map(Some).ok_or("in variable form"),
        _ => Err("given twice"),
    }
}

/// Whether two lists hold the same attributes, in any order. Life types belong to the duration that follows, so the order of
/// attributes of one kind counts.
///
/// The form of a number does not: strongSwan answers a duration of four octets in the short form, and means the same.
fn same_attributes(a: &[Attribute], b: &[Attribute]) -> bool {
    let of_kind = |list: &[Attribute], kind: u16| -> Vec<(Option<u64>, Option<AttributeValue>)> {
        let meaning = |a: &Attribute| match a.as_u64() {
            Some(number) => (Some(number), None),
            None => (None, Some(a.value.clone())),
        };
        list.iter().filter(|attribute| attribute.kind == kind).map(meaning).collect()
    };
    a.len() == b.len() && a.iter().all(|x| of_kind(a, x.kind) == of_kind(b, x.kind))
}

#[cfg(test)]
mod tests;
