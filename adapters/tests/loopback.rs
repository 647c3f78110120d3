//! Two nodes in one process, on the loopback interface and other ports than IKE's: no privileges are needed.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ipsec_adapters::control::{Report, Request, Sas, ask};
use ipsec_adapters::node::Ports;
use ipsec_adapters::{Host, Node, Outside, Settings};
use ipsec_core::config::{Config, PolicyDatabases};
use ipsec_core::crypto::{Cipher, Group, HashAlg, Mac, Secret};
use ipsec_core::interface::{Boundary, ConnectionKind, Egress, Interface, InterfaceId};
use ipsec_core::pad::{AuthMethod, MainModeProposal, Pad, PadEntry};
use ipsec_core::selector::{AddressRange, Prefix, Selector};
use ipsec_core::spd::{
    Action, Direction, EntryId, EspTransform, Lifetime, Mode, Offer, Pfs, Populate, Protect, Spd, SpdEntry,
};

/// Transport mode between the two for everything; the name is the only thing that `renamed` changes.
fn policy(us: IpAddr, peer: IpAddr, name: &str) -> PolicyDatabases {
    let esp = EspTransform { cipher: Cipher::TripleDes, mac: Some(Mac::HmacSha1_96) };
    let protect = Protect {
        mode: Mode::Transport,
        offers: vec![Offer { ah: None, esp: Some(esp), lifetime: Lifetime::default() }],
        pfs: Pfs::No,
        accept_clear_inbound: false,
        fallback: false,
        populate: Populate::default(),
    };
    let entry = SpdEntry {
        id: EntryId(0),
        name: name.to_owned(),
        selector: Selector::between(AddressRange::single(us), AddressRange::single(peer)),
        direction: Direction::Both,
        connection: None,
        action: Action::Protect(protect),
    };
    let proposal = MainModeProposal { cipher: Cipher::TripleDes, hash: HashAlg::Sha1, group: Group::Modp768 };
    let pad = PadEntry {
        local: vec![AddressRange::single(us)],
        peer: vec![AddressRange::single(peer)],
        methods: vec![AuthMethod::PreSharedKey(Secret::new(*b"loopback"))],
        proposals: vec![proposal],
        ..PadEntry::default()
    };
    PolicyDatabases { spd: Arc::new(Spd::new(vec![entry])), pad: Arc::new(Pad { entries: vec![pad] }) }
}

fn node(us: IpAddr, peer: IpAddr, ports: Ports, control: Option<PathBuf>) -> Node {
    let interface = Interface {
        id: InterfaceId(0),
        name: "lo".to_owned(),
        kind: ConnectionKind::Lan,
        boundary: Boundary::Unprotected,
        addresses: vec![Prefix::new(us, 32)],
        egress: Egress::Whole,
    };
    let outside = Outside { interfaces: vec![interface], mtu: 1500 };
    let policy = policy(us, peer, "all");
    let routes = outside.routes(&policy.spd, None);
    let config = Config::new(outside.interfaces.clone(), routes, policy);
    let settings = Settings { bind: vec![us], ports, control, ..Settings::default() };
    Node::open(config, outside, settings).unwrap()
}

/// Works on both until `done`; generous, because a busy computer may be slow.
fn work(a: &mut Node, b: &mut Node, host: &mut dyn Host, mut done: impl FnMut(&Node, &Node) -> bool) {
    for _ in 0..20_000 {
        if done(a, b) {
            return;
        }
        a.turn(host, Some(Duration::from_millis(2))).unwrap();
        b.turn(&mut (), Some(Duration::from_millis(2))).unwrap();
    }
    panic!("it did not come to that");
}

/// Two addresses that no other run of this test uses at the same time.
fn addresses() -> (IpAddr, IpAddr) {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    ([127, high, low, 2].into(), [127, high, low, 3].into())
}

fn pairs(node: &Node) -> usize {
    node.ipsec().status().pairs().count()
}

#[test]
fn two_nodes_agree_over_real_sockets() {
    let ((us, peer), ports) = (addresses(), Ports { ike: 25_500, nat_traversal: 25_501 });
    let mut a = node(us, peer, ports, None);
    let mut b = node(peer, us, ports, None);
    assert_eq!(a.initiate("nothing", &mut ()).unwrap_err(), "no rule `nothing` protects outgoing traffic");
    a.initiate("all", &mut ()).unwrap();
    let both = |p: &ipsec_core::sad::Pair| p.inbound.is_some() && p.outbound.is_some();
    let whole = |n: &Node| n.ipsec().status().pairs().filter(|p| both(p)).count() == 1;
    work(&mut a, &mut b, &mut (), |a, b| whole(a) && whole(b));
    // Each end's outbound SPI is the other's inbound one.
    let spi = |node: &Node, inbound: bool| {
        let pair = node.ipsec().status().pairs().next().cloned().unwrap();
        let bundle = if inbound { pair.inbound } else { pair.outbound };
        bundle.unwrap().sas()[0].spi()
    };
    assert_eq!((spi(&a, true), spi(&a, false)), (spi(&b, false), spi(&b, true)));
    // The end of one tells the other.
    a.stop(&mut ());
    work(&mut a, &mut b, &mut (), |a, b| pairs(a) == 0 && pairs(b) == 0);
}

/// A program whose policy is another at each reading.
struct Renamed(usize);

impl Host for Renamed {
    fn reload(&mut self) -> Result<PolicyDatabases, String> {
        self.0 += 1;
        match self.0 {
            1 => Err("it cannot be read".to_owned()),
            _ => Ok(policy(addresses().0, addresses().1, "renamed")),
        }
    }
}

#[test]
fn the_control_socket_tells_and_obeys() {
    let ((us, peer), ports) = (addresses(), Ports { ike: 25_510, nat_traversal: 25_511 });
    let path = std::env::temp_dir().join(format!("ipseclab-control-{}", std::process::id()));
    let mut a = node(us, peer, ports, Some(path.clone()));
    let mut b = node(peer, us, ports, None);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let finished = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let done = Finished(&finished);
            operator(&path);
            drop(done);
        });
        work(&mut a, &mut b, &mut Renamed(0), |_, _| finished.load(Ordering::SeqCst));
    });
    drop(a);
    assert!(!path.exists(), "the socket outlives its node");
}

/// Says so, also when the operator fails.
struct Finished<'a>(&'a AtomicBool);

impl Drop for Finished<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn operator(path: &std::path::Path) {
    let order = |request: Request| ask(path, &request).unwrap();
    let sas = || -> Sas {
        let answer = order(Request::Sas);
        let Some(Ok(Report::Sas(sas))) = answer.report.map(serde_json::from_value) else { panic!() };
        sas
    };
    assert!(sas().pairs.is_empty());
    assert_eq!(order(Request::Rekey { pair: 9 }).error.as_deref(), Some("there is no pair 9"));
    assert!(order(Request::Initiate { rule: "all".to_owned() }).ok);
    let newest = |known: &[u64]| loop {
        let new = sas().pairs.into_iter().find(|p| !known.contains(&p.pair) && !p.outbound.is_empty());
        if let Some(pair) = new {
            return pair;
        }
    };
    let first = newest(&[]);
    assert_eq!((first.rule.as_str(), first.mode.as_str()), ("all", "transport"));
    assert_eq!(first.outbound[0].suite, "ESP 3DES-CBC HMAC-SHA1-96");
    assert_eq!(sas().isakmp[0].proposal, "3DES-CBC, SHA-1, MODP-768");
    assert!(order(Request::Rekey { pair: first.pair }).ok);
    let second = newest(&[first.pair]);
    // A policy that cannot be read changes nothing; one that still allows the SAs leaves them.
    assert_eq!(order(Request::Reload).error.as_deref(), Some("it cannot be read"));
    assert!(order(Request::Reload).ok);
    let kept = sas().pairs.into_iter().find(|p| p.pair == second.pair).unwrap();
    assert_eq!((kept.rule.as_str(), &kept.inbound), ("renamed", &second.inbound));
    assert!(order(Request::Delete { pair: second.pair }).ok);
    assert!(sas().pairs.iter().all(|p| p.pair != second.pair));
    garbage(path);
}

/// What is not understood is answered, and the connection stays.
fn garbage(path: &std::path::Path) {
    use std::io::{BufRead as _, BufReader, Write as _};
    let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
    stream.write_all(b"{\"command\":\"fly\"}\n{\"command\":\"sta").unwrap();
    stream.write_all(b"tus\"}\n").unwrap();
    let answers: Vec<String> = BufReader::new(stream).lines().take(2).map(Result::unwrap).collect();
    assert!(
        answers[0].starts_with("{\"ok\":false,\"error\":\"not understood: unknown variant `fly`"),
        "{}",
        answers[0]
    );
    assert!(answers[1].starts_with("{\"ok\":true"), "{}", answers[1]);
}
