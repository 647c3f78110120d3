//! What happens, for people who read logs. Nothing secret is among it.

use ipsec_core::ike::failure::Phase;
use ipsec_core::sad::Spi;
use ipsec_core::spd::Spd;
use ipsec_core::wire::ikev1::NotifyType;
use ipsec_core::{DropReason, Event};

/// Says in one line what happened. What happens to single packets is for debugging only.
#[allow(unreachable_patterns, reason = "an event that is new in the core needs no words here to be shown")]
pub(crate) fn event(event: &Event, spd: &Spd) {
    let name = |entry| spd.get(entry).map_or_else(|| "?".to_owned(), |e| e.name.clone());
    match event {
        Event::Dropped { reason, flow, .. } => dropped(reason, flow.as_ref().map(|f| (f.local, f.remote))),
        Event::Held { entry, .. } => tracing::debug!(rule = name(*entry), "a packet waits for IKE"),
        Event::Protected { .. } | Event::Opened { .. } | Event::Bypassed { .. } => {}
        Event::MainModeStarted { peer, exchange, initiator, cky_i, .. } => {
            tracing::info!(%peer, initiator, %cky_i, "{} began", exchange.name());
        }
        Event::MainModeEstablished(info) => tracing::info!(
            peer = %info.peer, initiator = info.initiator, cky_i = %info.cky_i, cky_r = %info.cky_r,
            lifetime_seconds = info.lifetime_seconds,
            "ISAKMP SA established by {}: {}, {}, {}",
            info.exchange.name(), info.proposal.cipher, info.proposal.hash, info.proposal.group
        ),
        Event::QuickModeEstablished(info) => tracing::info!(
            pair = info.pair.0, rule = name(info.entry), peer = %info.peer, initiator = info.initiator,
            replaces = info.replaces.map(|pair| pair.0), inbound_spis = spis(&info.inbound_spis),
            outbound_spis = spis(&info.outbound_spis),
            "IPsec SAs established for {}", info.selector
        ),
        Event::Failed(failure) => tracing::warn!(
            peer = %failure.peer, initiator = failure.initiator, rule = failure.entry.map(name),
            "{} failed: {}", phase(failure.phase), failure.reason
        ),
        Event::Retransmitted { peer, cky_i, message_id, attempt } => {
            tracing::debug!(%peer, %cky_i, message_id, attempt, "no answer, sent again");
        }
        Event::IkeIgnored { peer, reason } => {
            tracing::debug!(%peer, "an IKE datagram changed nothing: {reason}")
        }
        Event::Notified { peer, notify } => tracing::info!(%peer, "the peer says {}", NotifyType(*notify)),
        Event::InstallFailed { pair, why } => tracing::error!(pair = pair.0, "SAs were not installed: {why}"),
        Event::SoftAssociation { entry, peer } => {
            tracing::warn!(rule = name(*entry), %peer, "no answer to IKE: traffic passes in clear for a while");
        }
        Event::SoftAssociationEnded { entry, peer } => {
            tracing::info!(rule = name(*entry), %peer, "no traffic in clear any more");
        }
        Event::PathMtu { pair, mtu } => tracing::info!(pair = pair.0, mtu, "path MTU learned"),
        Event::PeerMoved { pair, from, to } => tracing::info!(pair = pair.0, %from, %to, "the peer moved"),
        Event::PairDeleted { pair, why } => tracing::info!(pair = pair.0, ?why, "IPsec SAs deleted"),
        Event::IsakmpSaDeleted { cky_i, cky_r, why } => {
            tracing::info!(%cky_i, %cky_r, ?why, "ISAKMP SA deleted");
        }
        // Never printed.
        Event::Keys(_) => {}
        other => tracing::debug!("{other:?}"),
    }
}

fn spis(spis: &[Spi]) -> String {
    spis.iter().map(Spi::to_string).collect::<Vec<_>>().join(", ")
}

/// Aggressive mode, too, is of phase 1.
fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::MainMode => "phase 1",
        Phase::QuickMode => "quick mode",
    }
}

fn dropped(reason: &DropReason, flow: Option<(std::net::IpAddr, std::net::IpAddr)>) {
    let (local, remote) = flow.unzip();
    tracing::debug!(
        reason = reason.name(),
        rfc = reason.rfc(),
        local = local.map(tracing::field::display),
        remote = remote.map(tracing::field::display),
        "dropped: {reason}"
    );
}
