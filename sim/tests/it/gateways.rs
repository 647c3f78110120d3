//! Two security gateways with a tunnel between them, after KB 816514: what the networks see, and what tshark does.

use std::sync::Arc;

use ipsec_core::config::PolicyDatabases;
use ipsec_core::crypto::{Cipher, Group, HashAlg, Mac, Secret};
use ipsec_core::interface::Boundary;
use ipsec_core::pad::{AuthMethod, MainModeProposal, Pad, PadEntry, PadEntryId};
use ipsec_core::selector::{AddressRange, Selector};
use ipsec_core::spd::{
    Action as Policy, Direction, EntryId, EspTransform, Lifetime, Mode, Offer, Pfs, Populate, Protect, Spd,
    SpdEntry,
};
use ipsec_core::{Duration, Instant};
use ipsec_sim::capture::Capture;
use ipsec_sim::packet_filter::{Filter, PacketFilter};
use ipsec_sim::statistics::Statistics;
use ipsec_sim::topology::parse_prefix;
use ipsec_sim::trace::Trace;
use ipsec_sim::{
    Action, AppId, Builder, Faults, InterfaceConfig, IpsecConfig, LinkConfig, NodeConfig, NodeId, Ping,
};

use crate::capture::{folder, tshark};

pub(crate) const A: &str = "203.0.113.1";
pub(crate) const B: &str = "203.0.113.2";

fn range(text: &str) -> AddressRange {
    AddressRange::from(parse_prefix(text).unwrap())
}

pub(crate) fn esp(cipher: Cipher, mac: Mac) -> Offer {
    Offer { ah: None, esp: Some(EspTransform { cipher, mac: Some(mac) }), lifetime: Lifetime::default() }
}

fn entry(id: u32, selector: Selector, direction: Direction, action: Policy) -> SpdEntry {
    SpdEntry { id: EntryId(id), name: String::new(), selector, direction, connection: None, action }
}

/// The two one-way halves of a Windows tunnel, then the default permit.
pub(crate) fn policy(local: (&str, &str), remote: (&str, &str), offer: Offer, key: &str) -> PolicyDatabases {
    let protect = Policy::Protect(Protect {
        mode: Mode::Tunnel { local: Some(local.0.parse().unwrap()), remote: remote.0.parse().unwrap() },
        offers: vec![offer],
        pfs: Pfs::No,
        accept_clear_inbound: false,
        fallback: false,
        populate: Populate::default(),
    });
    let selector = Selector::between(range(local.1), range(remote.1));
    let spd = Spd::new(vec![
        entry(0, selector.clone(), Direction::Outbound, protect.clone()),
        entry(1, selector, Direction::Inbound, protect),
        entry(2, Selector::any(), Direction::Both, Policy::Bypass),
    ]);
    let pad = Pad {
        entries: vec![PadEntry {
            id: PadEntryId(0),
            name: String::new(),
            local: vec![range(local.0)],
            peer: vec![range(remote.0)],
            methods: vec![AuthMethod::PreSharedKey(Secret::from(key.as_bytes()))],
            proposals: vec![MainModeProposal {
                cipher: Cipher::TripleDes,
                hash: HashAlg::Sha1,
                group: Group::Modp1024,
            }],
            lifetime_seconds: 28_800,
            quick_modes: 0,
            ..PadEntry::default()
        }],
    };
    PolicyDatabases { spd: Arc::new(spd), pad: Arc::new(pad) }
}

pub(crate) struct Gateways {
    pub(crate) builder: Builder,
    pub(crate) ha: NodeId,
    pub(crate) gwa: NodeId,
    pub(crate) gwb: NodeId,
    pub(crate) hb: NodeId,
}

/// ha 10.1.0.10 - gwa | outside | gwb - hb 10.2.0.10.
pub(crate) fn gateways(seed: u64, offer: Offer, faults: Faults, until: Instant) -> Gateways {
    let mut builder = Builder::new(seed);
    let neta = builder.link(LinkConfig::new("neta"));
    let outside =
        builder.link(LinkConfig::outside("outside").latency(Duration::from_millis(10)).faults(faults, until));
    let netb = builder.link(LinkConfig::new("netb"));
    let host = |name, link, address, router| {
        let interface = InterfaceConfig::new("lan", link, address);
        NodeConfig::host(name).interface(interface).route("0.0.0.0/0", router, 0)
    };
    let gateway = |name, link, inside, own: (&str, &str), far: (&str, &str)| {
        let pair = |a: (&str, &str), b: (&str, &str)| {
            let prefix = |t| parse_prefix(t).unwrap();
            PacketFilter::drop_except(vec![
                Filter::between(prefix(a.1), prefix(b.1)),
                Filter::between(prefix(a.0), prefix(b.0)),
            ])
        };
        NodeConfig::router(name)
            .interface(InterfaceConfig::new("inside", link, inside).boundary(Boundary::Protected))
            .interface(
                InterfaceConfig::new("outside", outside, &format!("{}/24", own.0))
                    .boundary(Boundary::Unprotected)
                    .filters(pair(far, own), pair(own, far)),
            )
            .route(far.1, far.0, 1)
            .ipsec(IpsecConfig::new(policy(own, far, offer, "the key")))
    };
    let (a, b) = ((A, "10.1.0.0/16"), (B, "10.2.0.0/16"));
    let ha = builder.node(host("ha", neta, "10.1.0.10/16", "10.1.0.1"));
    let gwa = builder.node(gateway("gwa", neta, "10.1.0.1/16", a, b));
    let gwb = builder.node(gateway("gwb", netb, "10.2.0.1/16", b, a));
    let hb = builder.node(host("hb", netb, "10.2.0.10/16", "10.2.0.1"));
    Gateways { builder, ha, gwa, gwb, hb }
}

pub(crate) fn des_md5() -> Offer {
    esp(Cipher::Des, Mac::HmacMd5_96)
}

impl Gateways {
    pub(crate) fn ping(&mut self, ping: Ping) -> AppId {
        self.builder.schedule(Instant::EPOCH, self.ha, Action::Ping(ping))
    }
}

pub(crate) fn to_hb() -> Ping {
    Ping::new("10.2.0.10".parse().unwrap())
}

#[test]
fn pings_cross_in_the_tunnel() {
    let mut gateways = gateways(1, des_md5(), Faults::NONE, Instant::NEVER);
    let id = gateways.ping(to_hb());
    let mut network = gateways.builder.build().unwrap();
    let mut sinks = (Statistics::default(), Trace::new(network.names()));
    network.run_until(Instant::from_secs(30), &mut sinks);
    let trace = sinks.1.text();
    assert_eq!(network.finish(&mut ()), [], "{trace}");
    assert_eq!(network.ping(id).unwrap().received, 4, "{trace}");
    let statistics = sinks.0;
    assert_eq!((statistics.main_modes, statistics.quick_modes), (2, 2), "{trace}");
    assert_eq!((statistics.sealed, statistics.opened), (8, 8), "{trace}");
}

#[test]
fn tshark_decrypts_and_authenticates_every_suite() {
    let mut suites: Vec<Offer> =
        [Cipher::Null, Cipher::Des, Cipher::TripleDes, Cipher::Aes128, Cipher::Aes256]
            .into_iter()
            .flat_map(|c| [Mac::HmacMd5_96, Mac::HmacSha1_96, Mac::HmacSha256_128].map(|m| esp(c, m)))
            .collect();
    suites.push(Offer { ah: Some(Mac::HmacSha1_96), ..des_md5() });
    for (n, offer) in suites.into_iter().enumerate() {
        let mut gateways = gateways(n as u64, offer, Faults::NONE, Instant::NEVER);
        gateways.ping(to_hb().size(100));
        let mut network = gateways.builder.build().unwrap();
        let mut capture = Capture::new(network.names());
        network.run_until(Instant::from_secs(30), &mut capture);
        assert_eq!(network.finish(&mut ()), []);
        let folder = folder(&format!("suite{n}"));
        capture.write(&folder).unwrap();
        let Some(judged) = judge(&folder, "outside.pcapng") else { return };
        // Two messages of main mode and three of quick mode, and whatever notifications there are.
        assert!(judged.encrypted >= 5, "{offer:?}: {judged:?}");
        let Judgement { encrypted, .. } = judged;
        let expected = Judgement { pings: 8, sealed: 8, encrypted, ..Judgement::default() };
        assert_eq!(judged, expected, "{offer:?}");
    }
}

/// What tshark says about a capture.
#[derive(Debug, Default, PartialEq, Eq)]
struct Judgement {
    pings: usize,
    sealed: usize,
    icv_not_good: usize,
    encrypted: usize,
    not_decrypted: usize,
    clear: usize,
    malformed: usize,
}

fn judge(folder: &std::path::Path, file: &str) -> Option<Judgement> {
    let fields =
        ["isakmp.flag_e", "isakmp.hash", "esp.icv_good", "icmp.type", "_ws.malformed", "frame.protocols"];
    let arguments = ["-T", "fields"].into_iter().chain(fields.into_iter().flat_map(|f| ["-e", f]));
    let lines = tshark(folder, file, &arguments.collect::<Vec<_>>())?;
    let mut judgement = Judgement::default();
    for line in lines {
        let [flag_e, hash, icv, icmp, malformed, protocols] =
            line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let (esp, ah) = (protocols.contains(":esp"), protocols.contains(":ah"));
        judgement.pings += usize::from(matches!(icmp, "0" | "8"));
        judgement.sealed += usize::from(esp);
        judgement.icv_not_good += usize::from(esp && icv != "1");
        // Every encrypted message carries a HASH, which only shows when it was decrypted.
        judgement.encrypted += usize::from(flag_e == "1");
        judgement.not_decrypted += usize::from(flag_e == "1" && hash.is_empty());
        judgement.clear += usize::from(!icmp.is_empty() && !esp && !ah);
        judgement.malformed += usize::from(!malformed.is_empty());
    }
    Some(judgement)
}

#[test]
fn with_faults_the_capture_without_copies_decrypts() {
    for seed in 0..5 {
        let parts = 200_000;
        let faults = Faults { loss: parts, duplication: parts, ..Faults::NONE };
        let mut gateways = gateways(seed, des_md5(), faults, Instant::from_secs(60));
        gateways.ping(to_hb().count(30));
        let mut network = gateways.builder.build().unwrap();
        let mut capture = Capture::new(network.names());
        network.run_until(Instant::from_secs(150), &mut capture);
        let folder = folder(&format!("faults{seed}"));
        capture.write(&folder).unwrap();
        let Some(judged) = judge(&folder, "outside.nodup.pcapng") else { return };
        let failed = (judged.not_decrypted, judged.icv_not_good, judged.malformed, judged.clear);
        assert_eq!(failed, (0, 0, 0, 0), "seed {seed}: {judged:?}");
        assert!(judged.encrypted >= 5 && judged.sealed >= 30, "seed {seed}: {judged:?}");
    }
}

#[test]
fn faults_end_and_the_tunnel_stands() {
    for seed in 0..20 {
        let parts = 100_000;
        let faults =
            Faults { loss: parts, duplication: parts, reordering: parts, corruption: 0, ..Faults::NONE };
        let mut gateways = gateways(seed, des_md5(), faults, Instant::from_secs(120));
        gateways.ping(to_hb().count(60));
        let late = Action::Ping(to_hb());
        let late = gateways.builder.schedule(Instant::from_secs(240), gateways.ha, late);
        let mut network = gateways.builder.build().unwrap();
        let mut trace = Trace::new(network.names());
        network.run_until(Instant::from_secs(300), &mut trace);
        let text = trace.text();
        assert_eq!(network.finish(&mut ()), [], "seed {seed}\n{text}");
        assert_eq!(network.ping(late).unwrap().received, 4, "seed {seed}\n{text}");
    }
}

#[test]
fn without_the_gateway_pair_in_the_filters_ike_is_silent() {
    let mut gateways = gateways(1, des_md5(), Faults::NONE, Instant::NEVER);
    let id = gateways.ping(to_hb());
    gateways.builder.node_mut(gateways.gwa).unwrap().interfaces[1].output.filters.pop();
    let mut network = gateways.builder.build().unwrap();
    let mut statistics = Statistics::default();
    network.run_until(Instant::from_secs(100), &mut statistics);
    assert_eq!(network.ping(id).unwrap().received, 0);
    // Windows' schedule: sends after 0, 1, 3, 7, 15, 31 and 63 s; every one is dropped above IPsec.
    assert_eq!(statistics.drops["output filter"], 7);
    assert_eq!(network.finish(&mut ()), []);
}

#[test]
fn errors_about_protected_packets_go_back_protected() {
    let mut gateways = gateways(1, des_md5(), Faults::NONE, Instant::NEVER);
    let expired = gateways.ping(to_hb().ttl(2).count(2));
    let missing = gateways.ping(Ping::new("10.2.9.9".parse().unwrap()).count(1));
    // The far net is larger than what gwb has a route for.
    let gwb = gateways.builder.node_mut(gateways.gwb).unwrap();
    gwb.interfaces[0].addresses = vec![parse_prefix("10.2.0.1/24").unwrap()];
    let mut network = gateways.builder.build().unwrap();
    network.run_until(Instant::from_secs(30), &mut ());
    assert_eq!(network.finish(&mut ()), []);
    let line = |id| network.ping(id).unwrap().lines[1].clone();
    assert_eq!(line(expired), "Reply from 10.2.0.1: TTL expired in transit.");
    assert_eq!(line(missing), "Reply from 10.2.0.1: Destination net unreachable.");
}

#[test]
fn a_host_behind_the_gateway_learns_the_tunnel_s_mtu() {
    let mut gateways = gateways(1, des_md5(), Faults::NONE, Instant::NEVER);
    let listen = Action::TcpListen { port: 80, answer: ipsec_sim::app::tcp::Answer::Nothing };
    gateways.builder.schedule(Instant::EPOCH, gateways.hb, listen);
    let remote = "10.2.0.10:80".parse().unwrap();
    let send = ipsec_sim::Payload::Pattern(50_000);
    let connect = Action::TcpConnect { remote, local_port: None, send, expect: 0 };
    let client = gateways.builder.schedule(Instant::EPOCH, gateways.ha, connect);
    let big = gateways.builder.schedule(Instant::EPOCH, gateways.ha, Action::Ping(to_hb().size(5_000)));
    let mut network = gateways.builder.build().unwrap();
    let mut trace = Trace::new(network.names());
    network.run_until(Instant::from_secs(60), &mut trace);
    assert_eq!(network.finish(&mut ()), [], "{}", trace.text());
    assert!(network.tcp(client).unwrap().succeeded(), "{}", trace.text());
    assert_eq!(network.ping(big).unwrap().received, 4, "{}", trace.text());
}
