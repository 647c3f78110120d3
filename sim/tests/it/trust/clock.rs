//! Clocks that jump forward: a computer that slept. What was due meanwhile happens at once, and the next packet gets
//! through.

use ipsec_core::{Duration, Event, Input};

use super::{OUTSIDE, Two, echo, seconds, with_lifetimes};

const JUMPS: [u64; 8] = [1, 60, 700, 1_000, 3_700, 30_000, 86_400, 30 * 86_400];

fn jumped(two: &Two, who: &[usize], jump: u64, at_once: bool) -> Two {
    let mut two = two.clone();
    for &node in who {
        two.now[node] = two.now[node] + Duration::from_secs(jump);
        if !at_once {
            two.handle(node, Input::Timeout);
            two.settle();
        }
    }
    two
}

#[test]
fn a_jump_of_any_length_at_either_end_leaves_a_tunnel_that_works() {
    let (two, _) = Two::established(with_lifetimes(1, seconds(900), 7_200));
    let mut cases = 0;
    for jump in JUMPS {
        for who in [&[0][..], &[1], &[0, 1]] {
            // The timer comes first, or a packet does.
            for at_once in [false, true] {
                let mut two = jumped(&two, who, jump, at_once);
                let what = format!("{jump} s at {who:?}, packet first: {at_once}");
                // Whoever slept speaks first; then the other.
                let order = if who == [0] { [0, 1] } else { [1, 0] };
                for from in order {
                    let ends =
                        if from == 0 { ["10.1.0.10", "10.2.0.10"] } else { ["10.2.0.10", "10.1.0.10"] };
                    two.handle(from, Input::Outbound(OUTSIDE, echo(ends[0], ends[1], 100)));
                    two.settle();
                    assert_eq!(two.delivered[1 - from].len(), 1, "{what}: {:#?}", two.events);
                }
                let bad = |e: &&Event| matches!(e, Event::Failed(_) | Event::InstallFailed { .. });
                assert_eq!(two.events.iter().flatten().filter(bad).count(), 0, "{what}");
                for node in &two.nodes {
                    assert!(node.status().pairs().count() <= 3, "{what}");
                    assert!(node.poll_timeout().is_some_and(|t| t > two.now[0].min(two.now[1])), "{what}");
                }
                cases += 1;
            }
        }
    }
    println!("clock jumps: {cases} cases");
}
