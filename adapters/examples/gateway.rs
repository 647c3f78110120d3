//! An IPsec node in a program of its own: `gateway FILE`, as root, prints each pair of SAs and, at the end, what went
//! through them. The file is that of `ipseclab live`; programs that make their own SPD and PAD call `Node::open`.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use ipsec_adapters::Host;
use ipsec_adapters::live::Live;
use ipsec_core::Event;
use ipsec_core::sad::PairId;

/// Packets opened and sealed on each pair.
#[derive(Default)]
struct Tally(BTreeMap<PairId, (u64, u64)>);

impl Host for Tally {
    fn event(&mut self, event: &Event) {
        match event {
            Event::QuickModeEstablished(info) => {
                println!("pair {}: {} with {}", info.pair.0, info.selector, info.peer);
            }
            Event::Opened { pair, .. } => self.0.entry(*pair).or_default().0 += 1,
            Event::Protected { pair, .. } => self.0.entry(*pair).or_default().1 += 1,
            _ => {}
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("which file?")?;
    let mut tally = Tally::default();
    Live::read(Path::new(&file))?.open()?.run(&mut tally)?;
    for (pair, (opened, sealed)) in tally.0 {
        println!("pair {}: {opened} packets opened, {sealed} sealed", pair.0);
    }
    Ok(())
}
