//! The same seed gives the same run, another seed another one.

use ipsec_core::Instant;
use ipsec_sim::digest::{Digest, DigestSink};
use ipsec_sim::trace::Trace;
use ipsec_sim::{Action, Faults, Payload, app::tcp::Answer};

use crate::topologies::{BOB, chain, to_bob};

fn run(seed: u64) -> (Digest, String) {
    let faults = Faults {
        loss: 100_000,
        duplication: 100_000,
        reordering: 100_000,
        corruption: 10_000,
        ..Faults::NONE
    };
    let mut chain = chain(seed, 576, faults, Instant::from_secs(30));
    chain.ping(to_bob().size(1472).count(20));
    let listen = Action::TcpListen { port: 80, answer: Answer::Echo };
    chain.builder.schedule(Instant::EPOCH, chain.bob, listen);
    let remote = format!("{BOB}:80").parse().unwrap();
    let send = Payload::Pattern(20_000);
    let connect = Action::TcpConnect { remote, local_port: None, send, expect: 20_000 };
    chain.builder.schedule(Instant::EPOCH, chain.alice, connect);
    let mut network = chain.builder.build().unwrap();
    let mut sinks = (DigestSink::new(), Trace::new(network.names()));
    network.run_until(Instant::from_secs(60), &mut sinks);
    assert_eq!(network.finish(&mut sinks), []);
    (sinks.0.digest(), sinks.1.text())
}

#[test]
fn one_seed_one_digest_one_trace() {
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).0, run(2).0);
}

#[test]
fn time_never_moves_back_in_the_trace() {
    let trace = run(3).1;
    let times: Vec<&str> = trace.lines().filter_map(|l| l.get(..12)).collect();
    assert!(times.len() > 100 && times.is_sorted());
}
