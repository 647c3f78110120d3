//! Fragments of IKE messages (MS-IKEE section 2.2.3.1) from somebody who reads the link, but has no key.

use ipsec_core::Instant;
use ipsec_core::wire::ikev1::{FRAGMENT_HEADER_LEN, Fragment};
use ipsec_core::wire::isakmp::{Cookie, ExchangeType, Flags, HEADER_LEN, Header, PayloadType, encode_chain};
use ipsec_sim::adversary::Injection;

use crate::error::{LoadError, missing};
use crate::flood::{from_500, target};
use crate::scenario::Scenario;
use crate::steps::ForgeFragments;

/// Octets of data in a full fragment: it makes an IPv4 datagram of 576 octets (MS-IKEE section 3.3.6.1).
const ROOM: usize = 576 - 20 - 8 - HEADER_LEN - FRAGMENT_HEADER_LEN;

/// What the step puts on its link, all at once.
///
/// # Errors
/// When the node is not on the link, or no ISAKMP SA could be read there before.
pub(crate) fn injections(
    scenario: &Scenario,
    at: Instant,
    forge: &ForgeFragments,
    cookies: Option<(Cookie, Cookie)>,
) -> Result<Vec<Injection>, LoadError> {
    let (link, destination) =
        target(scenario, "forge_fragments", forge.link.get_ref(), forge.node.get_ref())?;
    let Some(cookies) = cookies else {
        let message = format!("forge_fragments: nobody has read cookies on link `{}`", forge.link.get_ref());
        return Err(missing("steps.toml", message));
    };
    let messages = (1..=forge.ids).flat_map(|id| (0..forge.messages).map(move |n| (id, n)));
    let fragments = messages.flat_map(|(id, n)| fragments(id, n, forge.fragments, cookies));
    let injection = |message: Vec<u8>| Injection {
        at,
        link,
        next_hop: destination,
        bytes: from_500(forge.from, destination, &message),
    };
    Ok(fragments.map(injection).collect())
}

/// A message of main mode with random-looking octets for an encrypted identity, in so many full fragments.
fn fragments(id: u16, number: u32, count: u8, (cky_i, cky_r): (Cookie, Cookie)) -> Vec<Vec<u8>> {
    let header = |flags| Header::new(cky_i, cky_r, ExchangeType::MAIN_MODE, flags, 0);
    let body = (HEADER_LEN..usize::from(count) * ROOM).map(|at| (at as u32 * 167 + number) as u8);
    let whole =
        header(Flags::ENCRYPTION).encode_with(PayloadType::IDENTIFICATION, &body.collect::<Vec<u8>>());
    let part = |(number, data): (u8, &[u8])| {
        let fragment = Fragment { id, number, last: number == count, data: data.to_vec() };
        let (first, body) = encode_chain(&[fragment.to_payload()]);
        header(Flags::NONE).encode_with(first, &body)
    };
    (1..=count).zip(whole.chunks(ROOM)).map(part).collect()
}
