//! SPD lookup with 10, 1,000 and 10,000 filters, beside a scan of the entries.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ipsec_core::interface::ConnectionKind;
use ipsec_core::selector::{AddressRange, FlowKey, PortRange, Prefix, Selector};
use ipsec_core::spd::{Action, Direction, EntryId, Spd, SpdEntry};

/// Me.
const LOCAL: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// Filters as a Windows policy of that size has them: me to a host and port, me to subnets, and at last anything passes.
fn entries(count: u32) -> Vec<SpdEntry> {
    let me = AddressRange::single(LOCAL.into());
    let entry = |id, selector| SpdEntry {
        id: EntryId(id),
        name: String::new(),
        selector,
        direction: Direction::Both,
        connection: None,
        action: Action::Bypass,
    };
    let filters = (0..count - 1).map(|id| {
        let mut selector = Selector::between(me, AddressRange::single(remote(id)));
        if id % 2 == 0 {
            selector.protocol = Some(6);
            selector.remote_ports = PortRange::single(6667);
        } else {
            selector.remote = vec![Prefix::new(remote(id), 28).into()];
        }
        entry(id, selector)
    });
    filters.chain([entry(count - 1, Selector::any())]).collect()
}

/// The `n`th of hosts that are 16 addresses apart.
fn remote(n: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0000 + n * 16).into()
}

/// Flows that match filters all over the list, and some that match only the last.
fn flows(count: u32) -> Vec<FlowKey> {
    let flow = |n: u32| FlowKey {
        local: LOCAL.into(),
        remote: remote(n),
        protocol: 6,
        local_port: Some(1034),
        remote_port: Some(6667),
    };
    (0..64).map(|i| flow(i * (count + count / 8) / 64)).collect()
}

fn lookup(c: &mut Criterion) {
    let mut group = c.benchmark_group("spd");
    for count in [10, 1_000, 10_000] {
        let (spd, flows) = (Spd::new(entries(count)), flows(count));
        group.throughput(criterion::Throughput::Elements(flows.len() as u64));
        let scan = |flow: &FlowKey| spd.entries().iter().find(|e| e.selector.matches(flow));
        for flow in &flows {
            let found = spd.outbound(flow, ConnectionKind::Lan);
            assert_eq!(found.map(|e| e.id), scan(flow).map(|e| e.id));
        }
        group.bench_function(BenchmarkId::new("lookup", count), |b| {
            b.iter(|| {
                flows
                    .iter()
                    .map(|f| black_box(spd.outbound(f, ConnectionKind::Lan)).map_or(0, |e| e.id.0))
                    .max()
            });
        });
        group.bench_function(BenchmarkId::new("scan", count), |b| {
            b.iter(|| flows.iter().map(|f| black_box(scan(f)).map_or(0, |e| e.id.0)).max());
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = ipsec_benches::short();
    targets = lookup
}
criterion_main!(benches);
