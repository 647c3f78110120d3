//! Programs beside netsh that stand in scripts about IPsec.

use super::{Error, Flow, Machine, NoteKind, Position, Source, is_netsh, shorten, split_word};

/// Programs whose work has nothing to do with IPsec policy, or nothing that a script could be told about here.
const OTHERS: &[&str] = &[
    "arp",
    "assoc",
    "at",
    "attrib",
    "bcdedit",
    "cacls",
    "cipher",
    "control",
    "copy",
    "cscript",
    "del",
    "dir",
    "dism",
    "driverquery",
    "dsquery",
    "erase",
    "explorer",
    "fc",
    "fsutil",
    "ftp",
    "ftype",
    "gpresult",
    "gpupdate",
    "hostname",
    "icacls",
    "iisreset",
    "ipconfig",
    "logoff",
    "md",
    "mkdir",
    "move",
    "mshta",
    "msg",
    "msiexec",
    "nbtstat",
    "net",
    "net1",
    "netdiag",
    "netdom",
    "netstat",
    "nltest",
    "nslookup",
    "ntdsutil",
    "ocsetup",
    "pathping",
    "ping",
    "powershell",
    "psexec",
    "qwinsta",
    "rd",
    "reg",
    "regedit",
    "regsvr32",
    "ren",
    "rmdir",
    "robocopy",
    "route",
    "runas",
    "rundll32",
    "rwinsta",
    "sc",
    "schtasks",
    "secedit",
    "servermanagercmd",
    "setx",
    "shutdown",
    "sleep",
    "start",
    "subst",
    "systeminfo",
    "takeown",
    "taskkill",
    "tasklist",
    "telnet",
    "tracert",
    "tree",
    "type",
    "vol",
    "w32tm",
    "wevtutil",
    "where",
    "whoami",
    "wmic",
    "wscript",
    "wuauclt",
    "xcopy",
];

/// Names of the service, as `net` and `sc` take them.
const SERVICE: [&str; 3] = ["policyagent", "ipsec services", "ipsec policy agent"];

/// `cmd`, by whatever name.
pub(super) fn is_shell(word: &str) -> bool {
    let word = word.trim_matches('"').to_ascii_lowercase();
    matches!(word.rsplit('\\').next(), Some("cmd" | "cmd.exe" | "%comspec%"))
}

impl Machine<'_, '_> {
    /// `cmd /c netsh ...` and `start /wait netsh ...`: the netsh line in it; another program is named.
    pub(super) fn through(
        &mut self,
        shell: &str,
        rest: &Source,
        written: &Source,
        unknown: Option<(String, Position)>,
    ) -> Result<Flow, Error> {
        let mut command = rest.clone();
        loop {
            let (word, behind) = split_word(&command);
            let text = word.text().to_ascii_lowercase();
            let title = shell == "start" && text.len() > 1 && text.starts_with('"') && text.ends_with('"');
            if text.starts_with('/') || (title && !is_netsh(&text)) {
                command = behind;
                // The directory of `start /d`.
                if shell == "start" && text == "/d" {
                    command = split_word(&command).1;
                }
            } else {
                break;
            }
        }
        // `cmd /c "netsh ..."`
        let whole = command.text();
        if shell == "cmd" && whole.len() > 1 && whole.starts_with('"') && whole.ends_with('"') {
            command = command.slice(1..whole.len() - 1).trim();
        }
        let (word, behind) = split_word(&command);
        if is_netsh(word.text()) { self.netsh(&behind, written, unknown) } else { Ok(self.unsure(written)) }
    }

    /// What is said about a line that is not netsh's, and how it ends.
    pub(super) fn other_program(&mut self, name: &str, source: &Source) -> Flow {
        let text = source.trim().text().to_ascii_lowercase();
        if asks_for_administrator(name, &text) {
            let why = "taken to succeed, for it asks whether an administrator runs the script";
            self.session.note(
                source.trim().start(),
                NoteKind::Remark,
                format!("{why}: {}", shorten(source.trim().text())),
            );
            self.set_errorlevel(Some(0));
            return Flow::Next;
        }
        let service = matches!(name, "net" | "net1" | "sc") && SERVICE.iter().any(|s| text.contains(s));
        let why = if service {
            "about the IPSec service, not carried out"
        } else if OTHERS.contains(&name) {
            "another program, not carried out"
        } else {
            "not understood, not carried out"
        };
        self.not_understood_because(source, why);
        self.set_errorlevel(None);
        Flow::Unsure
    }
}

/// Commands that scripts try because they fail for everybody but administrators. Whoever runs `netsh ipsec` is one.
fn asks_for_administrator(name: &str, text: &str) -> bool {
    match name {
        "net" | "net1" => {
            text.split_whitespace().nth(1).is_some_and(|w| w.len() > 3 && "sessions".starts_with(w))
        }
        "fltmc" | "openfiles" => true,
        "cacls" | "icacls" => text.contains("config\\system"),
        "fsutil" => text.contains("dirty"),
        _ => false,
    }
}
