//! Which tools a release has: `netsh ipsec` came with Windows Server 2003 and replaced the ones before it.
//!
//! | tool | 2000 | XP | 2003 |
//! |---|---|---|---|
//! | `netsh ipsec` | - | - | yes |
//! | `netdiag /test:ipsec` | yes | yes | netdiag is there, "no longer includes IPSec functionality" |
//! | `ipsecmon` | yes | - | - |
//! | `ipsecpol` | Resource Kit | - | - |
//! | `ipseccmd` | - | Support Tools | - |
//! | IP Security Monitor snap-in | - | yes | yes |
//!
//! KB 816514 tells administrators of Windows Server 2003 to run `netdiag /test:ipsec /debug` all the same. So what it prints
//! can be had for every release; whether the *command* answers is the question here, and [`answer`] takes the article's side
//! when asked to.

use core::fmt;

use crate::defaults::{Defaulted, confirmed, inferred, unconfirmed};
use crate::profile::{
    Profile, WINDOWS_2000, WINDOWS_2000_SP4_ROLLUP, WINDOWS_2003, WINDOWS_XP, WINDOWS_XP_SP2,
};

/// A tool that concerns IPsec.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Tool {
    /// The context `ipsec` of `netsh`.
    NetshIpsec,
    /// `netdiag /test:ipsec`.
    Netdiag,
    /// `ipsecmon`, the monitor of Windows 2000.
    IpsecMon,
    /// `ipsecpol`.
    IpsecPol,
    /// `ipseccmd`.
    IpsecCmd,
    /// The snap-in "IP Security Monitor".
    MonitorSnapIn,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::NetshIpsec,
        Self::Netdiag,
        Self::IpsecMon,
        Self::IpsecPol,
        Self::IpsecCmd,
        Self::MonitorSnapIn,
    ];

    /// The tool that a command line begins with.
    #[must_use]
    pub fn of_command(word: &str) -> Option<Self> {
        let word = word.trim_matches('"').to_ascii_lowercase();
        let name = word.rsplit(['\\', '/']).next().unwrap_or("");
        match name.strip_suffix(".exe").unwrap_or(name) {
            "netsh" => Some(Self::NetshIpsec),
            "netdiag" => Some(Self::Netdiag),
            "ipsecmon" => Some(Self::IpsecMon),
            "ipsecpol" => Some(Self::IpsecPol),
            "ipseccmd" => Some(Self::IpsecCmd),
            _ => None,
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NetshIpsec => "netsh ipsec",
            Self::Netdiag => "netdiag /test:ipsec",
            Self::IpsecMon => "ipsecmon",
            Self::IpsecPol => "ipsecpol",
            Self::IpsecCmd => "ipseccmd",
            Self::MonitorSnapIn => "IP Security Monitor",
        })
    }
}

const DEPLOYMENT: &str = "Windows Server 2003 deployment guide, \"New in Windows Server 2003\"";

/// The three generations that differ in tools.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Generation {
    Windows2000,
    Xp,
    Server2003,
}

fn generation(release: &Profile) -> Option<Generation> {
    let is = |all: &[&Profile]| all.iter().any(|p| p.name == release.name);
    if is(&[&WINDOWS_2000, &WINDOWS_2000_SP4_ROLLUP]) {
        Some(Generation::Windows2000)
    } else if is(&[&WINDOWS_XP, &WINDOWS_XP_SP2]) {
        Some(Generation::Xp)
    } else if is(&[&WINDOWS_2003]) {
        Some(Generation::Server2003)
    } else {
        None
    }
}

/// What `ver` prints. The numbers are those of the releases' message tables (5.0, 5.1.2600, 5.2.3790); the words around
/// them, and W2K's two noughts, are common knowledge.
pub(crate) fn version(release: &Profile) -> Option<&'static str> {
    Some(match generation(release)? {
        Generation::Windows2000 => "Microsoft Windows 2000 [Version 5.00.2195]",
        Generation::Xp => "Microsoft Windows XP [Version 5.1.2600]",
        Generation::Server2003 => "Microsoft Windows [Version 5.2.3790]",
    })
}

/// Whether it is a release of Windows.
pub(crate) fn is_windows(release: &Profile) -> bool {
    generation(release).is_some()
}

/// Whether two computers run "the same version of the Windows operating system": remote management and monitoring of IPsec
/// is only supported between such (deployment guide, "Considerations"). What is no Windows is only like itself.
#[must_use]
pub fn same_windows(a: &Profile, b: &Profile) -> bool {
    generation(a) == generation(b) && (generation(a).is_some() || a.name == b.name)
}

/// Whether the release has the tool, counting those of its Resource Kit and Support Tools. What is no Windows has all.
#[must_use]
pub fn has(release: &Profile, tool: Tool) -> Defaulted<bool> {
    use Generation::{Server2003, Windows2000, Xp};
    let Some(generation) = generation(release) else {
        return inferred(true, "no release of Windows: nothing is missing");
    };
    match (tool, generation) {
        (Tool::NetshIpsec, of) => confirmed(of == Server2003, DEPLOYMENT),
        (Tool::Netdiag, of) => confirmed(of != Server2003, DEPLOYMENT),
        (Tool::IpsecMon, of) => confirmed(of == Windows2000, DEPLOYMENT),
        (Tool::IpsecPol, of) => confirmed(of == Windows2000, "Windows 2000 Resource Kit; deployment guide"),
        (Tool::IpsecCmd, Windows2000) => unconfirmed(false, "it came with Windows XP"),
        (Tool::IpsecCmd, of) => confirmed(of == Xp, DEPLOYMENT),
        (Tool::MonitorSnapIn, Windows2000) => confirmed(false, "Windows 2000 has ipsecmon in its place"),
        (Tool::MonitorSnapIn, _) => confirmed(true, DEPLOYMENT),
    }
}

/// What the release answers to a command that it lacks, and what it has in its place; `None` when it has the tool.
/// `as_article`: KB 816514's administrator of Windows Server 2003 has a netdiag that knows IPsec.
#[must_use]
pub fn answer(release: &Profile, tool: Tool, as_article: bool) -> Option<Missing> {
    if has(release, tool).value || (as_article && tool == Tool::Netdiag) {
        return None;
    }
    let instead = match generation(release)? {
        Generation::Windows2000 if tool == Tool::MonitorSnapIn => Tool::IpsecMon,
        Generation::Windows2000 => Tool::IpsecPol,
        Generation::Xp if tool == Tool::IpsecMon => Tool::MonitorSnapIn,
        Generation::Xp => Tool::IpsecCmd,
        Generation::Server2003 if tool == Tool::IpsecMon => Tool::MonitorSnapIn,
        Generation::Server2003 => Tool::NetshIpsec,
    };
    Some(Missing { tool, release: release.title, instead })
}

/// A release lacks a tool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Missing {
    /// The tool.
    pub tool: Tool,
    /// The release.
    pub release: &'static str,
    /// What it has in its place.
    pub instead: Tool,
}

impl fmt::Display for Missing {
    /// What `cmd` and netsh say (their wording is unconfirmed), and what we say about it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tool {
            Tool::NetshIpsec => write!(f, "The following command was not found: ipsec.")?,
            Tool::Netdiag => write!(f, "netdiag has no IPSec test.")?,
            Tool::MonitorSnapIn => write!(f, "There is no snap-in of this name.")?,
            tool => write!(
                f,
                "'{tool}' is not recognized as an internal or external command, operable program or batch file."
            )?,
        }
        write!(f, " ({}: use {})", self.release, self.instead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::ALL;

    /// "IPSecmon.exe, which was included in Windows 2000, is not included with Windows Server 2003 (it has been replaced by
    /// the new IP Security Monitor snap-in)"; "Netdiag.exe [...] no longer includes IPSec functionality"; "Replacing
    /// IPSecpol.exe and IPSeccmd.exe, the new IPSec context of the Netsh command-line tool".
    #[test]
    fn windows_server_2003_has_netsh_and_the_snap_in() {
        let has = |tool| super::has(&WINDOWS_2003, tool).value;
        let those: Vec<Tool> = Tool::ALL.into_iter().filter(|t| has(*t)).collect();
        assert_eq!(those, [Tool::NetshIpsec, Tool::MonitorSnapIn]);
        let instead = |tool| answer(&WINDOWS_2003, tool, false).map(|m| m.instead);
        assert_eq!(instead(Tool::IpsecMon), Some(Tool::MonitorSnapIn));
        assert_eq!(instead(Tool::IpsecPol), Some(Tool::NetshIpsec));
        assert_eq!(instead(Tool::Netdiag), Some(Tool::NetshIpsec));
        assert_eq!(answer(&WINDOWS_2003, Tool::Netdiag, true), None);
    }

    /// What stands in for a tool is there, on every release.
    #[test]
    fn nobody_is_sent_to_a_tool_that_is_not_there() {
        for release in ALL {
            for tool in Tool::ALL {
                let Some(missing) = answer(release, tool, false) else { continue };
                assert!(super::has(release, missing.instead).value, "{missing}");
                assert!(!super::has(release, tool).value);
            }
        }
    }
}
