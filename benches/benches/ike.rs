//! A whole negotiation between two nodes: main mode and quick mode, both sides, Diffie-Hellman included.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ipsec_core::crypto::Group;
use ipsec_core::spd::Pfs;
use ipsec_core::{Command, Duration, Input};
use ipsec_fuzz::pair::{Agreement, Pair};

fn negotiated(mut pair: Pair) -> Pair {
    pair.send(0, 64);
    pair.run_honestly(Duration::from_secs(1));
    assert_eq!(pair.quick_modes, [1, 1]);
    pair
}

fn ike(c: &mut Criterion) {
    let mut group = c.benchmark_group("ike");
    for dh in Group::ALL {
        let mut agreement = Agreement::usual();
        agreement.main_mode.group = dh;
        group.bench_function(BenchmarkId::new("main+quick", dh), |b| {
            b.iter(|| negotiated(Pair::agreed(&agreement, 1)));
        });
        agreement.pfs = Pfs::SameGroup;
        group.bench_function(BenchmarkId::new("main+quick PFS", dh), |b| {
            b.iter(|| negotiated(Pair::agreed(&agreement, 1)));
        });
    }
    // Under a main mode that is there already: delete the SAs, and let the next packet ask for new ones.
    let up = negotiated(Pair::agreed(&Agreement::usual(), 1));
    let pair_id = up.ends[0].status().pairs().next().expect("a pair").id;
    group.bench_function("quick", |b| {
        b.iter(|| {
            let mut pair = up.clone();
            pair.input(0, Input::Command(Command::DeletePair(pair_id)));
            pair.send(0, 64);
            pair.run_honestly(Duration::from_secs(1));
            assert_eq!(pair.quick_modes, [2, 2]);
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = ipsec_benches::short();
    targets = ike
}
criterion_main!(benches);
