//! `-n`: `ESP[3DES,SHA]5000K/3600SP2`, `AH[MD5]`, `AH[SHA]+ESP[DES,NONE]`, `PASS`, `BLOCK`, `INPASS`.

use super::words::Word;
use super::{Negotiation, bad};
use crate::defaults;
use crate::dynamic::PfsGroup;
use crate::netsh::command::value;
use crate::netsh::error::Fault;
use crate::security_method::{Lifetime, SecurityMethod};

const EXPECTED: &str =
    "PASS, BLOCK, INPASS, or methods such as ESP[3DES,SHA]5000K/3600SP or AH[MD5], blanks between them";
const LIMITS: &str = "limits with their units, and P, P1, P2 or P3 for PFS: 5000K/3600SP2";

/// All items together; one PFS group holds for all methods, the last one written.
pub(super) fn negotiation(list: &[Word]) -> Result<Negotiation, Fault> {
    let (mut methods, mut pfs, mut inpass) = (Vec::new(), PfsGroup::NoPfs, false);
    for word in list {
        match (word.text.to_ascii_uppercase().as_str(), list.len()) {
            ("PASS", 1) => return Ok(Negotiation::Pass),
            ("BLOCK", 1) => return Ok(Negotiation::Block),
            ("PASS" | "BLOCK", _) => return Err(bad("-n", word, "PASS or BLOCK without anything beside it")),
            ("INPASS", _) => inpass = true,
            _ => {
                let (method, group) = method(word)?;
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
fn method(word: &Word) -> Result<(SecurityMethod, Option<PfsGroup>), Fault> {
    let text = word.text.as_str();
    let end = text.rfind(']').map_or(text.len(), |at| at + 1);
    let algorithms = word.part(0..end);
    let [method]: [SecurityMethod; 1] = value::qm_methods(&algorithms.text)
        .ok()
        .and_then(|all| all.try_into().ok())
        .ok_or_else(|| bad("-n", &algorithms, EXPECTED))?;
    let behind = word.part(end..text.len());
    let (lifetime, pfs) = limits(&behind.text).ok_or_else(|| bad("-n", &behind, LIMITS))?;
    Ok((SecurityMethod { lifetime, ..method }, pfs))
}

fn limits(text: &str) -> Option<(Lifetime, Option<PfsGroup>)> {
    let text = text.trim_start_matches(':').to_ascii_uppercase();
    match text.find('P') {
        Some(at) => Some((lifetime(text.get(..at)?)?, Some(group(text.get(at..)?)?))),
        None => Some((lifetime(&text)?, None)),
    }
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
