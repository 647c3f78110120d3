//! Network namespaces, and programs in them. All of it is gone when the case ends.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What a case reports when something is not as it should be.
pub(crate) type Outcome = Result<(), String>;

/// The namespaces of one case, and a folder for its files.
pub(crate) struct Lab {
    prefix: String,
    spaces: Vec<&'static str>,
    folder: PathBuf,
    children: Vec<(String, Child)>,
}

impl Lab {
    /// A lab with these namespaces, each with its loopback interface up.
    pub(crate) fn new(spaces: &[&'static str]) -> Result<Lab, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let prefix = format!("il{}n{number}", std::process::id());
        let folder = std::env::temp_dir().join(&prefix);
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let lab = Lab { prefix, spaces: spaces.to_vec(), folder, children: Vec::new() };
        for space in spaces {
            run(&["ip", "netns", "add", &lab.space(space)])?;
            lab.run(space, &["ip", "link", "set", "lo", "up"])?;
        }
        Ok(lab)
    }

    /// The name of a namespace, as `ip netns` knows it.
    pub(crate) fn space(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A file of this case.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file of this case.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let path = self.path(name);
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(path)
    }

    /// Connects two namespaces by a link; each end is `(namespace, interface, addresses)`.
    pub(crate) fn link(&self, a: (&str, &str, &[&str]), b: (&str, &str, &[&str])) -> Outcome {
        let (space_a, space_b) = (self.space(a.0), self.space(b.0));
        let ends = ["type", "veth", "peer", "name", b.1, "netns", &space_b];
        run(&[&["ip", "link", "add", a.1, "netns", &space_a], &ends[..]].concat())?;
        for (space, interface, addresses) in [a, b] {
            for address in addresses {
                let nodad: &[&str] = if address.contains(':') { &["nodad"] } else { &[] };
                self.run(space, &[&["ip", "address", "add", address, "dev", interface], nodad].concat())?;
            }
            self.run(space, &["ip", "link", "set", interface, "up"])?;
        }
        Ok(())
    }

    /// Runs a program in a namespace; its standard output, or what it complains about.
    pub(crate) fn run(&self, space: &str, words: &[&str]) -> Result<String, String> {
        run(&[&["ip", "netns", "exec", &self.space(space)], words].concat())
    }

    /// Starts a program in a namespace with a log of this name; it ends with the case at the latest.
    pub(crate) fn start(&mut self, space: &str, log: &str, words: &[&str]) -> Result<u32, String> {
        let path = self.path(log);
        let file = File::options().create(true).append(true).open(&path).map_err(|e| e.to_string())?;
        let errors = file.try_clone().map_err(|e| e.to_string())?;
        let child = Command::new("ip")
            .args(["netns", "exec", &self.space(space)])
            .args(words)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .map_err(|e| e.to_string())?;
        let process = child.id();
        self.children.push((log.to_owned(), child));
        Ok(process)
    }

    /// Sends a signal to a program that was started here, and waits for its end if the signal is an end.
    pub(crate) fn signal(&mut self, process: u32, signal: &str) -> Outcome {
        run(&["kill", &format!("-{signal}"), &process.to_string()])?;
        if matches!(signal, "KILL" | "TERM")
            && let Some(place) = self.children.iter().position(|(_, child)| child.id() == process)
        {
            let (_, mut child) = self.children.remove(place);
            child.wait().map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    /// The ends of all logs, for whoever wonders why a case failed.
    pub(crate) fn logs(&self) -> String {
        let mut text = String::new();
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return text };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
        paths.sort();
        for path in paths.iter().filter(|p| p.extension().is_some_and(|e| e == "log")) {
            let log = std::fs::read_to_string(path).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines.get(lines.len().saturating_sub(40)..).unwrap_or_default();
            text += &format!("\n--- {}\n{}\n", path.display(), tail.join("\n"));
        }
        text
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for (_, child) in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        for space in &self.spaces {
            let _ = run(&["ip", "netns", "delete", &self.space(space)]);
        }
        if std::env::var_os("IPSECLAB_KEEP").is_none() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// Runs a program; its standard output, or what it complains about.
pub(crate) fn run(words: &[&str]) -> Result<String, String> {
    let (program, arguments) = words.split_first().ok_or("no program")?;
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|e| format!("{program}: {e}"))?;
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(format!("`{}` failed: {}{}", words.join(" "), text(&output.stdout), text(&output.stderr)))
}

/// Asks until the answer is there. Patience is long, because a busy computer may be slow: some asking takes seconds itself.
#[expect(clippy::disallowed_methods, reason = "other programs work in real time")]
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> Result<T, String> {
    let end = std::time::Instant::now() + Duration::from_secs(40);
    while std::time::Instant::now() < end {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        pause(100);
    }
    Err(format!("it did not come to this: {what}"))
}

/// Lets other programs work.
#[expect(clippy::disallowed_methods, reason = "other programs work in real time")]
pub(crate) fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// This program, to be run in a namespace.
pub(crate) fn myself() -> Result<String, String> {
    let path = std::env::current_exe().map_err(|e| e.to_string())?;
    Ok(Path::new(&path).display().to_string())
}
