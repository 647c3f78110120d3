//! Random pairs of policies on two computers, run in the simulator and held against the [reference
//! model](ipsec_sim::model).
//!
//! A [`Trial`] is drawn from one number: what the two computers are, a netsh script for each, and a few flows. Each flow
//! runs in a network of its own, where nothing happened before; what became of its request and its reply is then compared
//! with what the model says.
//!
//! ```
//! use ipsec_scenarios::random::{Bench, Trial};
//!
//! let trial = Trial::draw(1).unwrap();
//! assert_eq!(Bench::default().judge(&trial).disagreements.len(), 0);
//! ```

mod dice;
mod network;
mod observe;
mod script;
mod tally;

use std::fmt;

use ipsec_core::interface::ConnectionKind;
use ipsec_core::selector::Prefix;
use ipsec_policy::compile::{LocalAddresses, LocalInterface, compile, listing};
use ipsec_policy::netsh::run_script;
use ipsec_policy::{Store, exempt::ExemptLevel};
use ipsec_sim::model::{Flow, Model, Outcome, Side};

use dice::Dice;
pub use network::Bench;
pub use tally::Tally;

/// One computer of a trial.
#[derive(Clone, Debug)]
struct Place {
    /// Its address outside.
    address: Prefix,
    /// Its inside address, if it is a gateway.
    inside: Option<Prefix>,
    /// The host behind it.
    host: Prefix,
    /// What its outside link is.
    kind: ConnectionKind,
}

impl Place {
    fn draw(number: u8, dice: &mut Dice) -> Place {
        let prefix = |text: &str, len| Prefix::new(text.parse().expect("an address"), len);
        let inside = prefix(&format!("10.{number}.0.1"), 16);
        Place {
            address: prefix(&format!("203.0.113.{number}"), 24),
            inside: dice.chance(45).then_some(inside),
            host: prefix(&format!("10.{number}.0.10"), 16),
            kind: if dice.chance(85) { ConnectionKind::Lan } else { ConnectionKind::RemoteAccess },
        }
    }

    /// What the policy compiler knows of the computer.
    fn local(&self) -> LocalAddresses {
        let outside = LocalInterface { kind: self.kind, addresses: vec![self.address], leased: false };
        let inside = self.inside.map(|p| LocalInterface {
            kind: ConnectionKind::Lan,
            addresses: vec![p],
            leased: false,
        });
        LocalAddresses {
            interfaces: [outside].into_iter().chain(inside).collect(),
            exempt: ExemptLevel::IsakmpOnly,
            inbound_groups: false,
            ..LocalAddresses::default()
        }
    }
}

/// Two computers, their policies, and flows to try.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The number it was drawn from.
    pub seed: u64,
    /// The policies as netsh scripts.
    pub scripts: [String; 2],
    /// The policies as compiled filters in match order.
    pub listings: [String; 2],
    /// The flows.
    pub flows: Vec<Flow>,
    /// The computers, as the model sees them.
    pub sides: [Side; 2],
    places: [Place; 2],
}

impl Trial {
    /// Draws a trial. The same number gives the same trial.
    ///
    /// # Errors
    /// When a drawn script is refused or cannot be compiled, which is a fault of the generator or of the policy crate.
    pub fn draw(seed: u64) -> Result<Trial, String> {
        let mut dice = Dice::new(seed);
        let places = [Place::draw(1, &mut dice), Place::draw(2, &mut dice)];
        let scripts = script::pair(&places, &mut dice);
        let flows = (0..5).map(|_| flow(&places, &mut dice)).collect();
        let mut sides = Vec::new();
        let mut listings = Vec::new();
        for (place, script) in places.iter().zip(&scripts) {
            let mut store = Store::new();
            run_script(&mut store, "random.netsh", script.as_bytes()).map_err(|e| e.to_string())?;
            let local = place.local();
            let policy = compile(&store, &local).map_err(|e| e.to_string())?;
            listings.push(listing(&store, &local).map_err(|e| e.to_string())?);
            sides.push(Side {
                address: place.address.address,
                network: place.inside,
                kind: place.kind,
                policy: Some(policy),
            });
        }
        let two = "one for each place";
        let sides = sides.try_into().expect(two);
        let listings = listings.try_into().expect(two);
        Ok(Trial { seed, scripts, listings, flows, sides, places })
    }

    /// What the model says of a flow.
    pub fn predict(&self, flow: Flow) -> Option<Outcome> {
        Model::new([&self.sides[0], &self.sides[1]]).exchange(flow)
    }

    /// The command that runs this trial again.
    pub fn replay(&self) -> String {
        format!("cargo run --release -p ipsec-scenarios --example model -- --seed {}", self.seed)
    }
}

/// A flow from one side to the other.
fn flow(places: &[Place; 2], dice: &mut Dice) -> Flow {
    let from = usize::from(dice.chance(50));
    let protocol = dice.pick(&[1, 6, 17]);
    let ports = (protocol != 1).then(|| (dice.pick(&[7, 5000]), dice.pick(&script::PORTS)));
    let mut end = |place: &Place, asked: bool| match (place.inside, dice.below(100)) {
        (Some(_), 0..75) => place.host.address,
        // Only ping sends from an address of its choice, and a UDP server answers from the one that the route gives.
        (Some(inside), 75..85) if protocol == 1 || asked && protocol == 6 => inside.address,
        _ => place.address.address,
    };
    let (source, destination) = (end(&places[from], false), end(&places[1 - from], true));
    Flow { source, destination, protocol, ports }
}

/// The model and the simulator do not agree about a flow.
#[derive(Clone, Debug)]
pub struct Disagreement {
    /// Which flow.
    pub flow: Flow,
    /// What the model says.
    pub model: Outcome,
    /// What happened.
    pub simulator: Outcome,
    /// Rules of the simulator that did not hold in the run.
    pub violations: Vec<String>,
    /// The run, line by line.
    pub trace: String,
}

/// What came of a trial.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// What happened to each flow.
    pub outcomes: Vec<Outcome>,
    /// Where model and simulator differ.
    pub disagreements: Vec<Disagreement>,
}

/// A disagreement with everything needed to look into it.
pub struct Report<'a>(pub &'a Trial, pub &'a Disagreement);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report(trial, what) = self;
        writeln!(f, "trial {}: model and simulator differ about {}", trial.seed, what.flow)?;
        for (number, side) in trial.sides.iter().enumerate() {
            let behind = side.network.map_or_else(String::new, |n| format!(", gateway of {n}"));
            writeln!(f, "-- side {number}: {}{behind}, {:?}", side.address, side.kind)?;
            writeln!(f, "{}", trial.scripts[number])?;
            write!(f, "{}", trial.listings[number])?;
        }
        write!(f, "-- run\n{}", what.trace)?;
        writeln!(f, "model:     {}\nsimulator: {}", what.model, what.simulator)?;
        what.violations.iter().try_for_each(|v| writeln!(f, "violated: {v}"))?;
        writeln!(f, "again: {}", trial.replay())
    }
}
