//! The picture: everything at once where there is room, else one panel after the other.

use ipsec_core::Instant;
use ipsec_machine::monitor::{Association, AssociationKind, MonitorKind, Snapshot, View};
use ipsec_policy::live::Counter;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use super::app::{App, Panel};

/// From this size on everything is shown at once.
const ROOMY: (u16, u16) = (150, 44);
/// A column of counters: label and number.
const LABEL: usize = 31;
const NUMBER: usize = 7;

impl App<'_> {
    /// Draws the whole screen.
    pub(super) fn draw(&mut self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let rows = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Min(1),
            Constraint::Length(1),
        ]);
        let [title, nodes, body, keys] = rows.areas(area);
        frame.render_widget(self.title(title.width), title);
        frame.render_widget(self.node_line(), nodes);
        frame.render_widget(self.key_line(), keys);
        let roomy = area.width >= ROOMY.0 && area.height >= ROOMY.1;
        if roomy {
            let [above, story] =
                Layout::vertical([Constraint::Percentage(58), Constraint::Min(10)]).areas(body);
            let wide = (2 * (LABEL + NUMBER + 1) + 4) as u16;
            let [left, right] =
                Layout::horizontal([Constraint::Min(40), Constraint::Length(wide)]).areas(above);
            self.panel(frame, left, Panel::Associations);
            self.panel(frame, right, Panel::Statistics);
            self.panel(frame, story, Panel::Story);
        } else {
            self.panel(frame, body, self.panel);
        }
        if self.help {
            help(frame, area);
        }
    }

    fn title(&self, width: u16) -> Paragraph<'static> {
        let left = format!(" {}", self.source.name());
        let state = match (&self.error, self.has_ended(), self.paused) {
            (Some(error), ..) => error.clone(),
            (None, true, _) => "ended".to_string(),
            (None, false, true) => "paused".to_string(),
            (None, false, false) => format!("{}x", self.speed),
        };
        let right = format!("{} of {}  {state} ", seconds(self.source.now()), seconds(self.source.end()));
        let room = usize::from(width).saturating_sub(right.chars().count());
        let left: String = left.chars().take(room).collect();
        Paragraph::new(format!("{left:room$}{right}")).style(Style::new().add_modifier(Modifier::REVERSED))
    }

    fn node_line(&self) -> Line<'static> {
        let mut spans = vec![Span::raw(" ")];
        for (n, node) in self.nodes.iter().enumerate() {
            let release = self.source.release(node);
            let text = if n == self.chosen { format!(" {node} ({release}) ") } else { format!(" {node} ") };
            let span = Span::raw(text);
            spans.push(if n == self.chosen { span.reversed() } else { span });
        }
        spans.push(Span::raw("  "));
        if let Some(view) = &self.view {
            spans.push(Span::raw(format!(
                "{}, looked at {}, every {} s",
                view.shown().kind.title(),
                seconds(view.shown().at),
                self.interval().as_secs()
            )));
        }
        Line::from(spans)
    }

    fn key_line(&self) -> Line<'static> {
        if let Some(typed) = &self.typed {
            return Line::raw(format!(" Go to second: {typed}_   enter: go there, esc: stay"));
        }
        let keys = [
            ("space", if self.paused { "run" } else { "pause" }),
            ("\u{2192}", "step"),
            ("\u{2190}", "back"),
            ("+-", "speed"),
            ("[]", "refresh"),
            ("tab", "node"),
            ("v", "view"),
            ("?", "help"),
            ("q", "quit"),
        ];
        let mut spans = vec![Span::raw(" ")];
        for (key, what) in keys {
            spans.push(Span::raw(key).bold());
            spans.push(Span::raw(format!(" {what} ")));
        }
        Line::from(spans)
    }

    /// One panel; the chosen one is scrolled, no further than it has lines.
    fn panel(&mut self, frame: &mut Frame<'_>, area: Rect, panel: Panel) {
        let inside = usize::from(area.height.saturating_sub(2));
        let lines = match (panel, self.view.as_ref().map(View::shown)) {
            (Panel::Story, _) => story(self.source.story()),
            (_, None) => vec![Line::raw("no node has IPsec")],
            (Panel::Associations, Some(shown)) => associations(shown),
            (Panel::Statistics, Some(shown)) => statistics(shown, area.width),
        };
        let (most, chosen) = (lines.len().saturating_sub(inside), panel == self.panel);
        if chosen {
            self.scroll = self.scroll.min(u16::try_from(most).unwrap_or(u16::MAX));
            self.page = u16::try_from(inside).unwrap_or(u16::MAX).max(1);
        }
        let scroll = if chosen { usize::from(self.scroll) } else { 0 };
        // The story follows its end; everything else begins at its beginning.
        let down = if panel == Panel::Story { most - scroll } else { scroll };
        let mut title = format!(" {} ", panel.title());
        if most > 0 {
            let last = (down + inside).min(lines.len());
            title = format!(" {}, lines {} to {last} of {} ", panel.title(), down + 1, lines.len());
        }
        let title = if chosen { Span::raw(title).bold() } else { Span::raw(title) };
        let visible: Vec<Line<'_>> = lines.into_iter().skip(down).take(inside).collect();
        frame.render_widget(Paragraph::new(visible).block(Block::bordered().title(title)), area);
    }
}

/// Seconds with one decimal.
fn seconds(at: Instant) -> String {
    let tenths = at.as_millis() / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

fn associations(shown: &Snapshot) -> Vec<Line<'static>> {
    let policy = shown.policy.as_deref().unwrap_or("none");
    let mut lines = vec![Line::raw(format!("Active policy: {policy}")), Line::raw("")];
    if shown.kind != MonitorKind::Ipsecmon {
        lines.push(Line::from(format!("Main mode: {}", shown.main_modes.len()).bold()));
        for sa in &shown.main_modes {
            let role = if sa.initiator { "initiator" } else { "responder" };
            let (peer, security, left) = (sa.peer, &sa.security, sa.seconds_left);
            lines.push(Line::raw(format!("  {peer:15}  {security:13} {role}  {left} s left")));
        }
        lines.push(Line::raw(""));
    }
    let soft = |a: &&Association| a.kind == AssociationKind::Soft;
    let pairs = shown.associations.iter().filter(|a| !soft(a));
    lines.push(Line::from(format!("Quick mode: {}", pairs.clone().count()).bold()));
    pairs.for_each(|a| lines.extend(pair(a)));
    let clear: Vec<&Association> = shown.associations.iter().filter(soft).collect();
    if !clear.is_empty() {
        lines.push(Line::raw(""));
        lines.push(Line::from(format!("Soft associations, in clear: {}", clear.len()).bold().yellow()));
        for a in clear {
            let text =
                format!("  {:24} {:15}  security None  {} s left", a.filter, a.destination, a.seconds_left);
            lines.push(Line::from(text.yellow()));
        }
    }
    lines
}

fn pair(a: &Association) -> [Line<'static>; 3] {
    let kind = if a.kind == AssociationKind::Tunnel { "tunnel" } else { "transport" };
    let udp = if a.in_udp { " in UDP" } else { "" };
    let port = |port: u16| if port == 0 { String::new() } else { format!(":{port}") };
    let peer = a.peer_tunnel_endpoint.map_or(String::new(), |peer| format!("  via {peer}"));
    let spis = |all: &[u32]| all.iter().map(|spi| format!("{spi:#010x}")).collect::<Vec<_>>().join("+");
    [
        Line::from(vec![
            Span::raw(format!("  {:22} ", a.filter)).bold(),
            Span::raw(format!("{:22} {kind}{udp}  {} s left", a.security, a.seconds_left)),
        ]),
        Line::raw(format!(
            "    {}{} -> {}{}  {}{peer}",
            a.source,
            port(a.source_port),
            a.destination,
            port(a.destination_port),
            a.protocol
        )),
        Line::raw(format!(
            "    SPI in {} out {}; bytes in {} out {}",
            spis(&a.inbound_spis),
            spis(&a.outbound_spis),
            a.bytes_received,
            a.bytes_sent
        )),
    ]
}

/// Two columns where there is room, else one under the other.
fn statistics(shown: &Snapshot, width: u16) -> Vec<Line<'static>> {
    let [ike, driver] = shown.kind.counters();
    let column = |title: &'static str, list: Vec<(Counter, &'static str)>| {
        let mut lines = vec![(title.to_string(), None)];
        lines.extend(list.into_iter().map(|(c, label)| (label.to_string(), Some(shown.counts.of(c)))));
        lines
    };
    let (left, right) = (column("Main mode", ike), column("Quick mode", driver));
    let cell = |cell: Option<&(String, Option<u64>)>| match cell {
        None => Span::raw(" ".repeat(LABEL + NUMBER)),
        Some((title, None)) => Span::raw(format!("{title:width$}", width = LABEL + NUMBER)).bold(),
        Some((label, Some(n))) => {
            let text = Span::raw(format!("{label:LABEL$}{n:>NUMBER$}"));
            if *n == 0 { text.dim() } else { text }
        }
    };
    if usize::from(width) < 2 * (LABEL + NUMBER) + 3 {
        return left.iter().chain(&right).map(|c| Line::from(cell(Some(c)))).collect();
    }
    let rows = left.len().max(right.len());
    (0..rows).map(|row| Line::from(vec![cell(left.get(row)), Span::raw(" "), cell(right.get(row))])).collect()
}

fn story(lines: &[String]) -> Vec<Line<'static>> {
    lines.iter().map(|line| Line::raw(line.clone())).collect()
}

const HELP: &str = "\
space       pause, or go on
right       one refresh interval on       left     one back
n           on to the next event          e, end   to the end
g           go to a second                r, home  to the beginning
+ -         simulated seconds in a second
[ ]         refresh interval, on the simulated clock
tab, 1-9    another node
v           associations, statistics, what happened
up down     scroll; page up, page down
q           quit

What is shown is what the node's monitor saw when it last looked.";

fn help(frame: &mut Frame<'_>, area: Rect) {
    let lines = HELP.lines().count() as u16;
    let width = HELP.lines().map(|line| line.chars().count()).max().unwrap_or(0) as u16;
    let (width, height) = ((width + 4).min(area.width), (lines + 2).min(area.height));
    let place = Rect { x: (area.width - width) / 2, y: (area.height - height) / 2, width, height };
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(HELP).block(Block::bordered().title(" Keys ")), place);
}
