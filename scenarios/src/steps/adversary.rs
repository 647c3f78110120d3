//! What somebody on a link sends who should not.

use std::net::IpAddr;

use serde::Deserialize;
use toml::Spanned;

use crate::value::Span;

/// A forged echo request, or another packet where ports are given.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inject {
    /// The link it appears on.
    pub link: Spanned<String>,
    /// The node that gets it.
    pub node: Spanned<String>,
    /// Its source address, whoever that really is.
    pub from: IpAddr,
    /// Its destination address.
    pub to: IpAddr,
    /// A TCP SYN with these ports, source and destination.
    pub tcp: Option<(u16, u16)>,
    /// A UDP datagram with these ports, source and destination.
    pub udp: Option<(u16, u16)>,
    /// A packet of this other protocol: 46 is RSVP.
    pub protocol: Option<u8>,
}

/// First messages of aggressive mode, one after another, each with a cookie of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flood {
    /// The link they appear on.
    pub link: Spanned<String>,
    /// The node that gets them.
    pub node: Spanned<String>,
    /// Their source address, whoever that really is; also who they say they are from.
    pub from: IpAddr,
    /// How many.
    pub count: u32,
    /// One each.
    pub interval: Span,
}

/// A false message under the cookies that were last read on the link, in fragments of MS-IKEE section 2.2.3.1. It looks like an
/// encrypted message of main mode.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgeFragments {
    /// The link they appear on.
    pub link: Spanned<String>,
    /// The node that gets them.
    pub node: Spanned<String>,
    /// Their source address, whoever that really is.
    pub from: IpAddr,
    /// How many the message has.
    pub fragments: u8,
    /// How many messages under each fragment ID.
    pub messages: u32,
    /// How many fragment IDs, from 1 on: the first that a peer uses.
    pub ids: u16,
}
