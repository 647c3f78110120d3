//! Runs one fuzz body on files: `cargo run -p ipsec-fuzz --example replay -- netsh crash-...`.

use std::fs;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().expect("a target");
    let target = ipsec_fuzz::TARGETS.iter().find(|t| t.name == name).expect("a known target");
    for file in arguments {
        let sample = fs::read(&file).expect("a readable sample");
        println!("{file}: {} octets", sample.len());
        (target.body)(&sample);
    }
}
