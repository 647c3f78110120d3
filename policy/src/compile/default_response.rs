//! The default response rule: filter list `<Dynamic>`, action negotiate, "filters are created from received IKE packets"
//! (Microsoft's FAQ, cc987611). The core has its part of it: [`Spd::with_default_response`].
//!
//! Whoever may ask is authenticated by the rule's own methods, where no other rule is about the pair of addresses. Within a
//! filter nothing is sent in clear once it is there; clear packets that come in are taken, as with the other default actions.
//! The latter is our own reading: the filter that Server (Request Security) asks for is about all traffic, but it answers
//! pings in clear ("All ICMP traffic … is permitted with no request for security"), which Client (Respond Only) must then take.

use ipsec_core::spd::{Mode, Pfs, Populate, Protect, Spd};

use super::{CompileError, expand};
use crate::policy::Policy;

/// What events, traces and the PAD call the rule.
pub const NAME: &str = "Default Response";

/// Adds the rule of the first of these policies that has it switched on.
pub(super) fn add<'a>(spd: Spd, policies: impl Iterator<Item = &'a Policy>) -> Result<Spd, CompileError> {
    let Some(policy) = policies.into_iter().find(|policy| policy.default_response.active) else {
        return Ok(spd);
    };
    let rule = &policy.default_response;
    if rule.methods.is_empty() {
        return Err(CompileError::NoSecurityMethods { rule: NAME.into(), action: NAME.into() });
    }
    let protect = Protect {
        mode: Mode::Transport,
        offers: rule.methods.iter().map(expand::offer).collect(),
        pfs: if rule.qm_pfs { Pfs::SameGroup } else { Pfs::No },
        accept_clear_inbound: true,
        fallback: false,
        populate: Populate::default(),
    };
    Ok(spd.with_default_response(NAME, protect))
}
