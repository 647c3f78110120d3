//! The live monitor as a value: keys and ticks go in, a picture comes out. No clock and no terminal.

use std::time::Duration;

use ipsec_core::Instant;
use ipsec_machine::monitor::View;
use ipsec_scenarios::{LoadError, RunOptions, Scenario, Watch};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// How long nobody must press a key for time to go on by as much.
pub(super) const TICK: Duration = Duration::from_millis(50);
/// Simulated seconds in a second that `+` and `-` choose from.
const SPEEDS: [u32; 9] = [1, 2, 5, 10, 30, 60, 300, 900, 3600];
/// Seconds of simulated time that `]` and `[` choose from for the refresh interval.
const INTERVALS: [u64; 6] = [1, 2, 5, 15, 45, 300];

/// What fills the screen when there is not room for everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Panel {
    /// Security associations.
    Associations,
    /// Counters.
    Statistics,
    /// What happened.
    Story,
}

impl Panel {
    pub(super) const ALL: [Panel; 3] = [Panel::Associations, Panel::Statistics, Panel::Story];

    pub(super) fn title(self) -> &'static str {
        match self {
            Panel::Associations => "Security associations",
            Panel::Statistics => "Statistics",
            Panel::Story => "What happened",
        }
    }
}

/// The display.
pub(super) struct App<'a> {
    pub(super) scenario: &'a Scenario,
    options: &'a RunOptions,
    pub(super) watch: Watch<'a>,
    /// The nodes with IPsec, and which of them is shown.
    pub(super) nodes: Vec<String>,
    pub(super) chosen: usize,
    /// What its monitor shows.
    pub(super) view: Option<View>,
    interval: Duration,
    pub(super) speed: u32,
    pub(super) paused: bool,
    pub(super) panel: Panel,
    /// Lines that the panel is scrolled by.
    pub(super) scroll: u16,
    pub(super) help: bool,
    /// Why the scenario does not go on.
    pub(super) error: Option<String>,
}

impl<'a> App<'a> {
    /// The scenario at its beginning, with the monitor of this node.
    pub(super) fn new(
        scenario: &'a Scenario,
        options: &'a RunOptions,
        node: &str,
    ) -> Result<Self, LoadError> {
        let watch = Watch::new(scenario, options)?;
        let nodes: Vec<String> = watch.nodes().map(str::to_string).collect();
        let chosen = nodes.iter().position(|n| n == node).unwrap_or(0);
        let mut app = App {
            scenario,
            options,
            watch,
            nodes,
            chosen,
            view: None,
            interval: Duration::from_secs(1),
            speed: 1,
            paused: false,
            panel: Panel::Associations,
            scroll: 0,
            help: false,
            error: None,
        };
        app.open();
        Ok(app)
    }

    pub(super) fn set_interval(&mut self, interval: Duration) {
        self.interval = interval.max(Duration::from_secs(1));
        if let Some(view) = &mut self.view {
            view.set_interval(self.interval);
        }
    }

    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    pub(super) fn set_speed(&mut self, speed: u32) {
        self.speed = speed.max(1);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.watch.now() >= self.watch.end()
    }

    /// Opens the monitor of the chosen node.
    fn open(&mut self) {
        let name = self.nodes.get(self.chosen).map_or("", String::as_str);
        let both = self.watch.computer(name).zip(self.watch.ipsec(name));
        self.view = both.map(|(computer, ipsec)| View::open(computer, ipsec, self.watch.now()));
        self.set_interval(self.interval);
        self.scroll = 0;
    }

    /// The monitor looks, if its interval has passed.
    fn look(&mut self) {
        let name = self.nodes.get(self.chosen).map_or("", String::as_str);
        let both = self.watch.computer(name).zip(self.watch.ipsec(name));
        if let (Some(view), Some((computer, ipsec))) = (&mut self.view, both) {
            view.look(computer, ipsec, self.watch.now());
        }
    }

    /// Runs until this time, look by look, at most to the scenario's end.
    fn run_until(&mut self, time: Instant) {
        let time = time.min(self.watch.end());
        while self.error.is_none() && self.watch.now() < time {
            let next = self.view.as_ref().map_or(time, View::next).min(time).max(self.watch.now());
            let to = if next > self.watch.now() { next } else { time };
            if let Err(e) = self.watch.run_until(to) {
                self.error = Some(e.to_string());
            }
            self.look();
        }
    }

    /// A tick without a key: simulated time goes on.
    pub(super) fn tick(&mut self) {
        if !self.paused && !self.help && !self.has_ended() {
            self.run_until(self.watch.now() + TICK * self.speed);
        }
    }

    /// Runs the scenario again from its beginning, up to this time.
    fn again(&mut self, until: Instant) {
        match Watch::new(self.scenario, self.options) {
            Ok(watch) => self.watch = watch,
            Err(e) => self.error = Some(e.to_string()),
        }
        self.open();
        self.run_until(until);
    }

    fn choose(&mut self, node: usize) {
        if node < self.nodes.len() && node != self.chosen {
            self.chosen = node;
            self.open();
        }
    }

    /// A key was pressed; `true` to quit.
    pub(super) fn key(&mut self, key: KeyEvent) -> bool {
        let now = self.watch.now();
        let control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return true,
            _ if control_c => return true,
            _ if self.help => self.help = false,
            KeyCode::Char('?' | 'h') => self.help = true,
            KeyCode::Char(' ') => self.paused = !self.paused,
            KeyCode::Char('n') => {
                self.paused = true;
                self.run_until(self.watch.next().unwrap_or(now));
            }
            KeyCode::Right => {
                self.paused = true;
                self.run_until(now + self.interval);
            }
            KeyCode::Left => {
                self.paused = true;
                let back = now.saturating_since(Instant::EPOCH).saturating_sub(self.interval);
                self.again(Instant::EPOCH + back);
            }
            KeyCode::Home | KeyCode::Char('r') => self.again(Instant::EPOCH),
            KeyCode::End | KeyCode::Char('e') => self.run_until(self.watch.end()),
            KeyCode::Char('+' | '=') => {
                self.speed = SPEEDS.into_iter().find(|s| *s > self.speed).unwrap_or(self.speed);
            }
            KeyCode::Char('-') => {
                self.speed = SPEEDS.into_iter().rev().find(|s| *s < self.speed).unwrap_or(self.speed);
            }
            KeyCode::Char(']') => {
                let longer = INTERVALS.into_iter().find(|s| Duration::from_secs(*s) > self.interval);
                longer.into_iter().for_each(|s| self.set_interval(Duration::from_secs(s)));
            }
            KeyCode::Char('[') => {
                let shorter = INTERVALS.into_iter().rev().find(|s| Duration::from_secs(*s) < self.interval);
                shorter.into_iter().for_each(|s| self.set_interval(Duration::from_secs(s)));
            }
            KeyCode::Tab => self.choose((self.chosen + 1) % self.nodes.len().max(1)),
            KeyCode::BackTab => {
                self.choose((self.chosen + self.nodes.len().max(1) - 1) % self.nodes.len().max(1));
            }
            KeyCode::Char(digit @ '1'..='9') => self.choose(digit as usize - '1' as usize),
            KeyCode::Char('v') => {
                let place = Panel::ALL.iter().position(|p| *p == self.panel).unwrap_or(0);
                self.panel = Panel::ALL[(place + 1) % Panel::ALL.len()];
                self.scroll = 0;
            }
            KeyCode::Down | KeyCode::Char('j') => self.scroll = self.scroll.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            _ => {}
        }
        false
    }
}
