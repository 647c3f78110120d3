//! A recorded run as a film: forward to any time, and back by beginning again, with the core to look at in between.

use std::collections::VecDeque;
use std::path::Path;

use ipsec_core::{Event, Instant, Ipsec};
use ipsec_policy::Profile;
use ipsec_sim::trace::describe;

use super::{Player, Recorded, name};
use crate::live::file::File;
use crate::record::{InputRecord, Line, digest};

/// A recording under way. Looking at it changes nothing.
pub struct Playback {
    recorded: Recorded,
    release: &'static Profile,
    player: Player,
    /// The line that comes next.
    line: usize,
    now: Instant,
    story: Vec<String>,
    /// Digests that the recording has, and those that the core made, as far as they have no counterpart yet.
    expected: VecDeque<String>,
    made: VecDeque<(String, String)>,
    difference: Option<String>,
}

impl Playback {
    /// The recording of these two files, at its beginning.
    ///
    /// # Errors
    /// When a file cannot be read, is of another version, or is not a recording.
    pub fn open(run: &Path, secrets: &Path) -> Result<Playback, String> {
        let recorded = Recorded::read(run, secrets)?;
        let first = recorded.policies.first().ok_or("the secrets have no policy")?;
        let release = File::parse(&first.file)?.profile()?;
        let player = recorded.player()?;
        Ok(Playback {
            recorded,
            release,
            player,
            line: 0,
            now: Instant::EPOCH,
            story: Vec::new(),
            expected: VecDeque::new(),
            made: VecDeque::new(),
            difference: None,
        })
    }

    /// Begins again.
    ///
    /// # Errors
    /// As [`Playback::open`].
    pub fn restart(&mut self) -> Result<(), String> {
        self.player = self.recorded.player()?;
        (self.line, self.now, self.difference) = (0, Instant::EPOCH, None);
        (self.story, self.expected, self.made) = Default::default();
        Ok(())
    }

    /// Whose habits the node had.
    pub fn release(&self) -> &'static Profile {
        self.release
    }

    /// The node's IPsec now.
    pub fn ipsec(&self) -> &Ipsec {
        &self.player.ipsec
    }

    /// The time since the start of the node.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// When the last input came.
    pub fn end(&self) -> Instant {
        let last = self.recorded.lines.iter().rev().find_map(|(_, line)| time(line));
        last.unwrap_or(Instant::EPOCH)
    }

    /// When the next input comes.
    pub fn next(&self) -> Option<Instant> {
        self.recorded.lines.get(self.line..)?.iter().find_map(|(_, line)| time(line))
    }

    /// What happened so far, line by line.
    pub fn story(&self) -> &[String] {
        &self.story
    }

    /// The first output that is not the recorded one: then another program recorded, and what is shown may differ too.
    pub fn difference(&self) -> Option<&str> {
        self.difference.as_deref()
    }

    /// Hands in what came up to this time; earlier times change nothing.
    ///
    /// # Errors
    /// When an input cannot be repeated.
    pub fn run_until(&mut self, time: Instant) -> Result<(), String> {
        while let Some((number, line)) = self.recorded.lines.get(self.line) {
            match line {
                Line::In(at, _) if Instant::from_nanos(*at) > time => break,
                Line::In(at, input) => {
                    let (at, input) = (Instant::from_nanos(*at), input.clone());
                    self.player.hand_in(at.as_nanos(), &input).map_err(|e| format!("line {number}: {e}"))?;
                    self.now = self.now.max(at);
                    self.tell_input(at, &input);
                    self.tell_outputs(at);
                }
                Line::Out(digest) => self.expected.push_back(digest.clone()),
            }
            self.line += 1;
            self.compare();
        }
        self.now = self.now.max(time);
        Ok(())
    }

    fn compare(&mut self) {
        while let (Some(expected), Some((made, what))) = (self.expected.front(), self.made.front()) {
            if expected != made && self.difference.is_none() {
                self.difference = Some(format!("another output than was recorded: {what}"));
            }
            self.expected.pop_front();
            self.made.pop_front();
        }
    }

    fn tell_input(&mut self, at: Instant, input: &InputRecord) {
        let what = match input {
            InputRecord::SetPolicy => "a policy is put in force",
            InputRecord::Initiate(..) => "somebody asks for a negotiation",
            InputRecord::RekeyPair(_) | InputRecord::RenewIsakmpSa(_) => "somebody asks for new keys",
            InputRecord::DeletePair(_) => "somebody deletes SAs",
            InputRecord::Shutdown => "the node stops",
            _ => return,
        };
        self.story.push(format!("{at:>12}  {what}"));
    }

    fn tell_outputs(&mut self, at: Instant) {
        while let Some(output) = self.player.next_output() {
            if let ipsec_core::Output::Event(event) = &output {
                self.tell(at, event);
            }
            self.made.extend(digest(&output).map(|digest| (digest, name(&output))));
        }
    }

    fn tell(&mut self, at: Instant, event: &Event) {
        if let Some((verb, text)) = describe(event) {
            self.story.push(format!("{at:>12}  {verb:<11}{text}"));
        }
    }
}

fn time(line: &Line) -> Option<Instant> {
    match line {
        Line::In(at, _) => Some(Instant::from_nanos(*at)),
        Line::Out(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [machine]
        outside = ["eth1"]
        [[connection]]
        name = "to NetB"
        local-address = "203.0.113.1"
        remote-address = "203.0.113.2"
        local = ["10.1.0.0/16"]
        remote = ["10.2.0.0/16"]
        key = "-actual key-"
    "#;

    /// Somebody asks for a negotiation at one second, and nobody answers.
    const RUN: &str = r#"{"version":1,"program":"0.1.0","configuration":"","mtu":1400,"interfaces":[{"name":"eth1","outside":true,"addresses":[["203.0.113.1",24]]}],"routes":[{"destination":["203.0.113.0",24],"interface":0,"source":null}]}
{"in":[1000000000,{"initiate":[0,{"local":"10.1.0.1","remote":"10.2.0.1","protocol":1,"local_port":null,"remote_port":null}]}]}
{"in":[2500000000,"timeout"]}
{"in":[9000000000,"timeout"]}
"#;

    fn playback(name: &str, run: &str) -> Playback {
        let folder = std::env::temp_dir().join(format!("ipseclab-playback-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (path, secrets) = (folder.join("run.rec"), folder.join("run.rec.secrets"));
        std::fs::write(&path, run).unwrap();
        let zeros = vec![0; 32];
        let lines = [
            serde_json::json!({ "seed": [1, zeros] }).to_string(),
            serde_json::json!({ "sources": { "file": FILE, "others": {} } }).to_string(),
        ];
        std::fs::write(&secrets, lines.join("\n")).unwrap();
        let opened = Playback::open(&path, &secrets).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        opened
    }

    #[test]
    fn it_goes_on_and_begins_again() {
        let mut film = playback("again", RUN);
        let seconds = Instant::from_secs;
        assert_eq!((film.next(), film.end()), (Some(seconds(1)), seconds(9)));
        let acquires = |film: &Playback| film.ipsec().status().ike_counters().acquires;
        film.run_until(Instant::from_millis(999)).unwrap();
        assert_eq!((acquires(&film), film.story().len()), (0, 0));
        film.run_until(seconds(5)).unwrap();
        assert_eq!((acquires(&film), film.now(), film.next()), (1, seconds(5), Some(seconds(9))));
        let told = film.story().to_vec();
        assert!(told[0].ends_with("somebody asks for a negotiation") && told.len() > 1, "{told:?}");
        film.restart().unwrap();
        assert_eq!((acquires(&film), film.now(), film.story().len()), (0, Instant::EPOCH, 0));
        film.run_until(seconds(5)).unwrap();
        assert_eq!((acquires(&film), film.story()), (1, &told[..]));
        assert_eq!((film.release().name, film.difference()), ("rfc", None));
    }

    /// Outputs are those of the recording, in their order, or else that is told.
    #[test]
    fn another_output_is_a_difference() {
        let with = |digest: &str| {
            let first = RUN.find("{\"in\":[25").unwrap();
            let (before, after) = RUN.split_at(first);
            let mut film = playback(digest, &format!("{before}{{\"out\":\"{digest}\"}}\n{after}"));
            film.run_until(film.end()).unwrap();
            film.difference().map(str::to_owned)
        };
        let difference = with("0000000000000000").unwrap();
        assert!(difference.contains("another output than was recorded"), "{difference}");
    }
}
