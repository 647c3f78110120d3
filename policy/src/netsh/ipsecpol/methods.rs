//! `-n`: `ESP[3DES,SHA]5000K/3600SP2`, `AH[MD5]`, `AH[SHA]+ESP[DES,NONE]`, `PASS`, `BLOCK`, `INPASS`.

use super::words::Word;
use super::{Negotiation, bad};
use crate::defaults;
use crate::dynamic::PfsGroup;
use crate::netsh::command::value;
use crate::netsh::error::Fault;
use crate::security_method::{Lifetime, SecurityMethod};

const EXPECTED: &str = "PASS, BLOCK, INPASS, or methods such as ESP[3DES,SHA]5000K/3600SP or AH[MD5]";

/// All items together; one PFS group holds for all methods, the last one written.
pub(super) fn negotiation(list: &[Word]) -> Result<Negotiation, Fault> {
    let (mut methods, mut pfs, mut inpass) = (Vec::new(), PfsGroup::NoPfs, false);
    for word in list {
        match (word.text.to_ascii_uppercase().as_str(), list.len()) {
            ("PASS", 1) => return Ok(Negotiation::Pass),
            ("BLOCK", 1) => return Ok(Negotiation::Block),
            ("INPASS", _) => inpass = true,
            _ => {
                let (method, group) = method(&word.text).ok_or_else(|| bad("-n", word, EXPECTED))?;
                methods.push(method);
                pfs = group.unwrap_or(pfs);
            }
        }
    }
    if methods.is_empty() {
        methods = defaults::IPSECPOL_METHODS.value.to_vec();
    }
    Ok(Negotiation::Methods { methods, pfs, inpass })
}

/// The algorithms are written as for netsh; limits and PFS stand behind the last bracket.
fn method(text: &str) -> Option<(SecurityMethod, Option<PfsGroup>)> {
    let end = text.rfind(']')? + 1;
    let [method] = value::qm_methods(text.get(..end)?).ok()?.try_into().ok()?;
    let rest = text.get(end..)?.trim_start_matches(':').to_ascii_uppercase();
    let (limits, pfs) = match rest.find('P') {
        Some(at) => (rest.get(..at)?, Some(group(rest.get(at..)?)?)),
        None => (rest.as_str(), None),
    };
    Some((SecurityMethod { lifetime: lifetime(limits)?, ..method }, pfs))
}

fn group(text: &str) -> Option<PfsGroup> {
    match text.strip_prefix("PFS").or_else(|| text.strip_prefix('P'))? {
        "" => Some(PfsGroup::MainMode),
        "1" => Some(PfsGroup::Group1),
        "2" => Some(PfsGroup::Group2),
        "3" => Some(PfsGroup::Group3),
        _ => None,
    }
}

fn lifetime(text: &str) -> Option<Lifetime> {
    let mut lifetime = Lifetime::default();
    for part in text.split('/').filter(|p| !p.is_empty()) {
        let (number, field) = match (part.strip_suffix('K'), part.strip_suffix('S')) {
            (Some(number), _) => (number, &mut lifetime.kilobytes),
            (_, Some(number)) => (number, &mut lifetime.seconds),
            _ => return None,
        };
        *field = number.parse().ok()?;
    }
    Some(lifetime)
}
