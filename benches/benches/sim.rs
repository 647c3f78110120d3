//! The simulator: steps and datagrams a second in clear and through IPsec, and a whole run of KB 816514.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ipsec_core::Instant;
use ipsec_fuzz::pair::{Agreement, config};
use ipsec_scenarios::{RunOptions, embedded, run};
use ipsec_sim::app::tcp::Answer;
use ipsec_sim::app::{Action, Payload};
use ipsec_sim::link::LinkConfig;
use ipsec_sim::network::Network;
use ipsec_sim::statistics::Statistics;
use ipsec_sim::topology::{Builder, InterfaceConfig, IpsecConfig, NodeConfig};

/// Octets one host sends the other by TCP.
const OCTETS: u64 = 1_000_000;

/// Two hosts on a link, and a TCP transfer between them.
fn network(protected: bool) -> Network {
    let mut builder = Builder::new(1);
    let link = builder.link(LinkConfig::new("outside"));
    let nodes = [0, 1].map(|end| {
        let address = format!("203.0.113.{}/24", end + 1);
        let node = NodeConfig::host(["a", "b"][end]).interface(InterfaceConfig::new("lan", link, &address));
        let policy = config(end, &Agreement::usual()).policy;
        builder.node(if protected { node.ipsec(IpsecConfig::new(policy)) } else { node })
    });
    let answer = Answer::Bytes(b"done".to_vec());
    builder.schedule(Instant::EPOCH, nodes[1], Action::TcpListen { port: 6667, answer });
    let (remote, send) = ("203.0.113.2:6667".parse().expect("an address"), Payload::Pattern(OCTETS));
    let connect = Action::TcpConnect { remote, local_port: None, send, expect: 4 };
    builder.schedule(Instant::from_secs(1), nodes[0], connect);
    builder.build().expect("a good topology")
}

fn simulate(mut network: Network) -> (u64, u64) {
    let mut statistics = Statistics::default();
    let steps = network.run_until(Instant::from_secs(60), &mut statistics);
    assert!(statistics.octets > OCTETS, "the transfer came to nothing: {statistics:?}");
    (steps, statistics.transmitted)
}

fn sim(c: &mut Criterion) {
    let mut group = c.benchmark_group("sim");
    for (name, protected) in [("clear", false), ("ipsec", true)] {
        let (steps, datagrams) = simulate(network(protected));
        group.throughput(Throughput::Elements(steps));
        group.bench_function(BenchmarkId::new("steps", name), |b| {
            b.iter(|| simulate(network(black_box(protected))))
        });
        group.throughput(Throughput::Elements(datagrams));
        group.bench_function(BenchmarkId::new("datagrams", name), |b| {
            b.iter(|| simulate(network(black_box(protected))));
        });
    }
    group.finish();
}

fn scenario(c: &mut Criterion) {
    let mut group = c.benchmark_group("scenario");
    for name in ["kb816514", "kb301284"] {
        let name = embedded::resolve(name).expect("a known scenario");
        let scenario = embedded::scenario(name).expect("a good scenario");
        for (what, record) in [("run", false), ("run and record", true)] {
            let options = RunOptions { record, ..RunOptions::default() };
            group.bench_function(BenchmarkId::new(what, name), |b| {
                b.iter(|| assert!(run(&scenario, &options).expect("it runs").report.held));
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = ipsec_benches::short();
    targets = sim, scenario
}
criterion_main!(benches);
