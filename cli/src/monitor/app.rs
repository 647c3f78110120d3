//! The live monitor as a value: keys and ticks go in, a picture comes out. No clock and no terminal.

use std::time::Duration;

use ipsec_core::Instant;
use ipsec_machine::monitor::View;
use ipsec_scenarios::value::Span;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::source::Source;

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
    pub(super) source: Source<'a>,
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
    /// Lines that a page of it has, as it was drawn last.
    pub(super) page: u16,
    /// The seconds to go to, as far as they are typed.
    pub(super) typed: Option<String>,
    pub(super) help: bool,
    /// Why the scenario does not go on.
    pub(super) error: Option<String>,
}

impl<'a> App<'a> {
    /// A source as it is, with the monitor of this node.
    pub(super) fn new(source: Source<'a>, node: &str) -> Self {
        let nodes = source.nodes();
        let chosen = nodes.iter().position(|n| n == node).unwrap_or(0);
        let mut app = App {
            source,
            nodes,
            chosen,
            view: None,
            interval: Duration::from_secs(1),
            speed: 1,
            paused: false,
            panel: Panel::Associations,
            scroll: 0,
            page: 1,
            typed: None,
            help: false,
            error: None,
        };
        app.open();
        app
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
        self.source.now() >= self.source.end()
    }

    fn node(&self) -> &str {
        self.nodes.get(self.chosen).map_or("", String::as_str)
    }

    /// Opens the monitor of the chosen node.
    fn open(&mut self) {
        self.view = self.source.snapshot(self.node()).map(View::showing);
        self.set_interval(self.interval);
        self.scroll = 0;
    }

    /// The monitor looks, if its interval has passed.
    fn look(&mut self) {
        let now = self.source.now();
        if self.view.as_ref().is_some_and(|view| now >= view.next())
            && let Some(shown) = self.source.snapshot(self.node())
            && let Some(view) = &mut self.view
        {
            view.look_by(now, || shown);
        }
    }

    /// Runs until this time, look by look, at most to the end.
    fn run_until(&mut self, time: Instant) {
        let time = time.min(self.source.end());
        while self.error.is_none() && self.source.now() < time {
            let now = self.source.now();
            let next = self.view.as_ref().map_or(time, View::next).min(time);
            self.error = self.source.run_until(if next > now { next } else { time }).err();
            self.look();
        }
        self.error = self.error.take().or_else(|| self.source.difference());
    }

    /// A tick without a key: simulated time goes on.
    pub(super) fn tick(&mut self) {
        if !self.paused && !self.help && self.typed.is_none() && !self.has_ended() {
            self.run_until(self.source.now() + TICK * self.speed);
        }
    }

    /// Goes to this time and stands there: on, or by running again from the beginning.
    pub(super) fn seek(&mut self, time: Instant) {
        self.paused = true;
        if time < self.source.now() {
            self.error = self.source.restart().err();
            self.open();
        }
        self.run_until(time);
    }

    fn choose(&mut self, node: usize) {
        if node < self.nodes.len() && node != self.chosen {
            self.chosen = node;
            self.open();
        }
    }

    /// A key was pressed; `true` to quit.
    pub(super) fn key(&mut self, key: KeyEvent) -> bool {
        let now = self.source.now();
        let control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            _ if control_c => return true,
            _ if self.typed.is_some() => self.type_time(key.code),
            KeyCode::Char('q') | KeyCode::Esc => return true,
            _ if self.help => self.help = false,
            KeyCode::Char('?' | 'h') => self.help = true,
            KeyCode::Char(' ') => self.paused = !self.paused,
            KeyCode::Char('n') => {
                self.paused = true;
                self.run_until(self.source.next().unwrap_or(now));
            }
            KeyCode::Right => {
                self.paused = true;
                self.run_until(now + self.interval);
            }
            KeyCode::Left => {
                let back = now.saturating_since(Instant::EPOCH).saturating_sub(self.interval);
                self.seek(Instant::EPOCH + back);
            }
            KeyCode::Char('g') => self.typed = Some(String::new()),
            KeyCode::Home | KeyCode::Char('r') => {
                let paused = self.paused;
                self.seek(Instant::EPOCH);
                self.paused = paused;
            }
            KeyCode::End | KeyCode::Char('e') => self.run_until(self.source.end()),
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
            KeyCode::PageDown => self.scroll = self.scroll.saturating_add(self.page),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(self.page),
            _ => {}
        }
        false
    }

    /// The seconds to go to are typed: digits and a point, Enter to go there, anything else to stay.
    fn type_time(&mut self, code: KeyCode) {
        let typed = self.typed.get_or_insert_default();
        match code {
            KeyCode::Char(c @ ('0'..='9' | '.')) if typed.len() < 12 => typed.push(c),
            KeyCode::Backspace => {
                typed.pop();
            }
            KeyCode::Enter => {
                let time = typed.parse::<Span>().or_else(|_| format!("{typed}s").parse());
                self.typed = None;
                if let Ok(time) = time {
                    self.seek(Instant::EPOCH + time.0);
                }
            }
            _ => self.typed = None,
        }
    }
}
