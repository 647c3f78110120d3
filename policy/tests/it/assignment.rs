//! One policy is assigned at a time, whatever people type.

use ipsec_policy::Store;
use ipsec_policy::netsh::run_script;
use proptest::prelude::*;

/// What somebody does to one of four policies, by its number.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Add { assign: bool },
    Assign,
    Unassign,
    Edit,
    Delete,
    DeleteAll,
    Examples,
}

fn deed() -> impl Strategy<Value = (usize, Deed)> {
    let deeds = prop_oneof![
        3 => any::<bool>().prop_map(|assign| Deed::Add { assign }),
        4 => Just(Deed::Assign),
        2 => Just(Deed::Unassign),
        1 => Just(Deed::Edit),
        1 => Just(Deed::Delete),
        1 => Just(Deed::DeleteAll),
        1 => Just(Deed::Examples),
    ];
    (0..4_usize, deeds)
}

fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

fn line(policy: usize, deed: Deed) -> String {
    match deed {
        Deed::Add { assign } => format!("add policy name=P{policy} assign={}", yes_no(assign)),
        Deed::Assign => format!("set policy name=P{policy} assign=yes"),
        Deed::Unassign => format!("set policy name=P{policy} assign=no"),
        Deed::Edit => format!("set policy name=P{policy} description=edited"),
        Deed::Delete => format!("delete policy name=P{policy}"),
        Deed::DeleteAll => "delete all".to_owned(),
        Deed::Examples => "restorepolicyexamples release=win2003".to_owned(),
    }
}

/// Which policies are there, and which one is assigned: "Only one IPSec policy can be assigned at one time" (KB 301284).
#[derive(Default)]
struct Model {
    there: [bool; 4],
    assigned: Option<usize>,
}

impl Model {
    /// Does it, unless netsh must refuse.
    fn follow(&mut self, policy: usize, deed: Deed) {
        let there = self.there[policy];
        match deed {
            Deed::Add { assign } if !there => {
                self.there[policy] = true;
                self.assigned = if assign { Some(policy) } else { self.assigned };
            }
            Deed::Assign if there => self.assigned = Some(policy),
            Deed::Unassign if there => self.assigned = self.assigned.filter(|p| *p != policy),
            Deed::Delete if there => {
                self.there[policy] = false;
                self.assigned = self.assigned.filter(|p| *p != policy);
            }
            Deed::DeleteAll => *self = Model::default(),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn at_most_one_policy_is_assigned(deeds in prop::collection::vec(deed(), 1..24)) {
        let (mut store, mut model) = (Store::new(), Model::default());
        for (policy, deed) in deeds {
            let script = format!("netsh ipsec static {}", line(policy, deed));
            // What is refused changes nothing, here and in the model.
            let _ = run_script(&mut store, "s", script.as_bytes());
            model.follow(policy, deed);
            let assigned = store.assigned().map(|p| p.name.clone());
            prop_assert_eq!(assigned, model.assigned.map(|p| format!("P{p}")), "{}", script);
            let shown = run_script(&mut store, "s", b"netsh ipsec static show policy all").unwrap().text;
            let yes = shown.lines().filter(|line| {
                line.split_once(':').is_some_and(|(label, value)| label.trim() == "Assigned" && value.trim() == "YES")
            });
            prop_assert_eq!(yes.count(), usize::from(model.assigned.is_some()), "{}", shown);
        }
    }
}
