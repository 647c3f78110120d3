//! Random pairs of policies in the simulator agree with the reference model. Ten thousand of them by command: see
//! `examples/model.rs`.

use ipsec_scenarios::random::{Bench, Report, Tally, Trial};
use ipsec_sim::model::OutcomeKind;

#[test]
fn two_hundred_random_pairs_agree_with_the_model() {
    let (mut bench, mut tally) = (Bench::default(), Tally::default());
    for seed in 0..200 {
        let trial = Trial::draw(seed).unwrap();
        let verdict = bench.judge(&trial);
        tally.add(&verdict);
        if let Some(first) = verdict.disagreements.first() {
            panic!("{}", Report(&trial, first));
        }
    }
    println!("{tally}");
    // The trials are worth something only if they differ.
    assert_eq!((tally.pairs, tally.flows), (200, 1_000));
    for (kind, least) in [
        (OutcomeKind::Clear, 100),
        (OutcomeKind::Protected, 100),
        (OutcomeKind::Mixed, 1),
        (OutcomeKind::OneWay, 50),
        (OutcomeKind::Refused, 100),
    ] {
        assert!(tally.kinds.get(&kind).is_some_and(|n| *n >= least), "{kind}: {tally}");
    }
}
