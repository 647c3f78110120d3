//! ike-scan looks at a live node with the habits of a release of Windows, and says which one it is.

use super::{Case, explained};
use crate::lab::{Lab, Outcome};
use crate::node::Node;
use crate::topology::gateways;

/// The release, and the name that ike-scan's list of vendor IDs has for it.
const RELEASES: [(&str, &str); 4] = [
    ("windows-2000", "Windows-2000"),
    ("windows-xp", "Windows-XP-SP1"),
    ("windows-xp-sp2", "Windows-2003-or-XP-SP2"),
    ("windows-2003", "Windows-2003-or-XP-SP2"),
];

pub(crate) fn all() -> Vec<(String, Case)> {
    vec![
        ("ike_scan_names_the_release_by_octets".to_owned(), Box::new(by_octets)),
        ("ike_scan_names_the_release_by_seconds".to_owned(), Box::new(by_seconds)),
    ]
}

fn responder(lab: &mut Lab, release: &str) -> Result<Node, String> {
    let policy = format!(
        "ike.profile = \"{release}\"\n[[connection]]\nname = \"net\"\nlocal-address = \"203.0.113.1\"\n\
         remote-address = \"203.0.113.2\"\nlocal = [\"10.1.0.0/16\"]\nremote = [\"10.2.0.0/16\"]\nkey = \"k\"\n\
         proposals = [\"3des-sha1-modp1024\"]\n"
    );
    Node::start(lab, "gwa", &policy)
}

fn scan(lab: &Lab, options: &[&str]) -> Result<String, String> {
    let words = [&["ike-scan", "--sport=0", "--trans=5,2,1,2"], options, &["203.0.113.1"]].concat();
    lab.run("gwb", &words)
}

fn by_octets() -> Outcome {
    explained(gateways()?, |lab| {
        for (release, name) in RELEASES {
            let node = responder(lab, release)?;
            let found = scan(lab, &[])?;
            if !found.contains(&format!("({name})")) {
                return Err(format!("{release} is not called {name}: {found}"));
            }
            node.stop(lab)?;
        }
        Ok(())
    })
}

/// Nobody answers message 2, and the responder repeats it: 1, 2, 4, 8, 16 and 32 seconds after each other.
fn by_seconds() -> Outcome {
    explained(gateways()?, |lab| {
        let _node = responder(lab, "windows-2003")?;
        let found = scan(lab, &["--showbackoff=35"])?;
        let guess = "Windows 2000, 2003 or XP";
        if found.contains(guess) { Ok(()) } else { Err(format!("no `{guess}`: {found}")) }
    })
}
