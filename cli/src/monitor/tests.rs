use ipsec_scenarios::embedded;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::app::{App, TICK};
use super::*;

const OPTIONS: RunOptions =
    RunOptions { seed: 1, faults: ipsec_scenarios::FaultPlan::NONE, record: true, oakley: false };

/// Lets `act` play with the monitor of the article's gateway.
fn with_app(act: impl FnOnce(&mut App<'_>)) {
    let scenario = embedded::scenario("kb816514-neta-netb-tunnel").unwrap_or_else(|e| panic!("{e}"));
    let source = Source::run(&scenario, &OPTIONS, None).unwrap_or_else(|e| panic!("{e}"));
    act(&mut App::new(source, "gwa"));
}

fn press(app: &mut App<'_>, keys: &[KeyCode]) -> bool {
    keys.iter().any(|code| app.key(KeyEvent::new(*code, KeyModifiers::NONE)))
}

/// The rows of the screen.
fn screen(app: &mut App<'_>, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal.draw(|frame| app.draw(frame)).expect("a picture");
    let buffer = terminal.backend().buffer();
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..height).map(row).collect()
}

#[test]
fn a_small_terminal_shows_one_panel_whole() {
    with_app(|app| {
        press(app, &[KeyCode::End]);
        let rows = screen(app, 80, 24);
        assert!(
            rows[0].starts_with(" kb816514-neta-netb-tunnel")
                && rows[0].ends_with("45.0 s of 45.0 s  ended ")
        );
        assert!(rows[1].contains("gwa (windows-2003)") && rows[1].contains(" gwb "), "{}", rows[1]);
        let all = rows.join("\n");
        for wanted in ["Main mode: 1", "3DES-SHA1-2", "NetA to NetB", "ESP[DES,MD5]", "via 203.0.113.2"] {
            assert!(all.contains(wanted), "{wanted}\n{all}");
        }
        assert!(rows[23].contains("q quit"), "{}", rows[23]);
        press(app, &[KeyCode::Char('v')]);
        let all = screen(app, 80, 24).join("\n");
        assert!(all.contains("Total Acquire                        1"), "{all}");
        // The last counter is further down.
        assert!(!all.contains("Invalid Packets Received"), "{all}");
        press(app, &[KeyCode::Down; 9]);
        assert!(screen(app, 80, 24).join("\n").contains("Invalid Packets Received"));
    });
}

#[test]
fn a_large_terminal_shows_everything_at_once() {
    with_app(|app| {
        press(app, &[KeyCode::End]);
        let all = screen(app, 200, 60).join("\n");
        for wanted in [
            "Security associations",
            "Statistics",
            "What happened",
            "NetA to NetB",
            "Offloaded Bytes Received",
        ] {
            assert!(all.contains(wanted), "{wanted}\n{all}");
        }
        assert!(all.contains("> ipconfig") && all.contains("WIN2003extIP"), "{all}");
    });
}

/// The whole picture, as it was read line by line before it was kept; `UPDATE_EXPECT=1` draws it anew.
#[test]
fn the_screens_are_those_that_were_reviewed() {
    with_app(|app| {
        app.seek(Instant::from_secs(18));
        for (width, height) in [(80, 24), (200, 60), (40, 10)] {
            let rows = screen(app, width, height);
            let found: String = rows.iter().map(|row| row.trim_end().to_owned() + "\n").collect();
            let name = format!("src/monitor/screens/{width}x{height}.txt");
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
            if std::env::var_os("UPDATE_EXPECT").is_some() {
                std::fs::write(&path, &found).expect("written");
            }
            let wanted = std::fs::read_to_string(&path).expect("the screen");
            for (n, (found, wanted)) in found.lines().zip(wanted.lines()).enumerate() {
                assert_eq!(found, wanted, "{width}x{height}, line {}", n + 1);
            }
            assert_eq!(found, wanted);
        }
    });
}

/// `g`, seconds, Enter: forward or back, and what is no time changes nothing.
#[test]
fn any_second_can_be_gone_to() {
    with_app(|app| {
        let at = |app: &App<'_>| app.source.now().as_millis();
        let type_in = |app: &mut App<'_>, text: &str| {
            press(app, &[KeyCode::Char('g')]);
            let keys: Vec<KeyCode> = text.chars().map(KeyCode::Char).collect();
            press(app, &keys);
            assert!(screen(app, 80, 24)[23].contains(&format!("Go to second: {text}_")));
            assert!(!press(app, &[KeyCode::Enter]));
            at(app)
        };
        assert_eq!(type_in(app, "18"), 18_000);
        let shown = screen(app, 200, 60);
        assert_eq!(type_in(app, "2"), 2_000);
        assert!(app.paused && screen(app, 200, 60).join("\n").contains("Quick mode: 0"));
        assert_eq!(type_in(app, "18"), 18_000);
        assert_eq!(screen(app, 200, 60), shown, "the same moment looks the same");
        assert_eq!(type_in(app, "9999"), 45_000);
        assert_eq!(type_in(app, ".."), 45_000);
        // Escape leaves the typing and not the monitor; a tick waits while somebody types.
        press(app, &[KeyCode::Home, KeyCode::Char('g')]);
        app.paused = false;
        app.tick();
        assert_eq!(at(app), 0);
        assert!(!press(app, &[KeyCode::Char('3'), KeyCode::Esc]));
        assert_eq!((at(app), app.typed.is_none()), (0, true));
        assert!(press(app, &[KeyCode::Esc]));
    });
}

/// Scrolling ends with the lines, so that the way back begins at once; on a large screen it moves the chosen panel.
#[test]
fn scrolling_ends_where_the_lines_end() {
    with_app(|app| {
        press(app, &[KeyCode::End, KeyCode::Char('v')]);
        assert!(screen(app, 80, 24)[2].contains("Statistics, lines 1 to 19 of 24"));
        press(app, &[KeyCode::Down; 50]);
        assert!(screen(app, 80, 24)[2].contains("lines 6 to 24 of 24"));
        press(app, &[KeyCode::Up]);
        assert!(screen(app, 80, 24)[2].contains("lines 5 to 23 of 24"));
        press(app, &[KeyCode::PageUp]);
        assert!(screen(app, 80, 24)[2].contains("lines 1 to 19 of 24"));
        press(app, &[KeyCode::PageDown]);
        assert!(screen(app, 80, 24)[2].contains("lines 6 to 24 of 24"));
        // The story begins at its end.
        press(app, &[KeyCode::Char('v')]);
        let last = screen(app, 80, 24)[2].clone();
        press(app, &[KeyCode::Down]);
        assert_ne!(screen(app, 80, 24)[2], last);
        press(app, &[KeyCode::PageDown; 9]);
        assert!(screen(app, 80, 24)[2].contains("lines 1 to 19 of"));
        // From one size to another nothing is lost.
        assert_eq!(screen(app, 40, 10).len(), 10);
        assert!(screen(app, 200, 60).join("\n").contains("Statistics"));
    });
}

/// What is shown of a recorded run is what was recorded, or else the title says so.
#[test]
fn a_recording_that_differs_says_so() {
    let scenario = embedded::scenario("kb816514-neta-netb-tunnel").unwrap_or_else(|e| panic!("{e}"));
    let run = ipsec_scenarios::run(&scenario, &OPTIONS).unwrap_or_else(|e| panic!("{e}"));
    for (digest, differs) in [(run.report.digest, false), ("0".repeat(64), true)] {
        let source = Source::run(&scenario, &OPTIONS, Some(digest)).unwrap_or_else(|e| panic!("{e}"));
        let mut app = App::new(source, "gwa");
        app.seek(Instant::from_secs(44));
        assert_eq!(app.error, None);
        press(&mut app, &[KeyCode::End]);
        assert_eq!(app.error.as_ref().is_some_and(|e| e.contains("was recorded")), differs);
    }
}

#[test]
fn no_size_makes_it_fail() {
    with_app(|app| {
        press(app, &[KeyCode::End]);
        for (width, height) in [(1, 1), (4, 2), (20, 5), (79, 23), (149, 60), (300, 100)] {
            for panel in 0..3 {
                press(app, &[KeyCode::Char('v'), KeyCode::Char('?')]);
                assert_eq!(screen(app, width, height).len(), usize::from(height), "{panel}");
                press(app, &[KeyCode::Char('?')]);
            }
        }
    });
}

/// Time goes on by ticks and speed, stands while paused, and goes back by running again.
#[test]
fn keys_and_ticks_move_the_simulated_clock() {
    with_app(|app| {
        let at = |app: &App<'_>| app.source.now().as_millis();
        let tick = TICK.as_millis() as u64;
        app.tick();
        assert_eq!(at(app), tick);
        press(app, &[KeyCode::Char('+'), KeyCode::Char('+')]);
        app.tick();
        assert_eq!((app.speed, at(app)), (5, 6 * tick));
        press(app, &[KeyCode::Char(' ')]);
        app.tick();
        assert_eq!(at(app), 6 * tick);
        press(app, &[KeyCode::Home, KeyCode::Right, KeyCode::Right, KeyCode::Right]);
        assert_eq!(at(app), 3_000);
        let digest = |app: &App<'_>| match &app.source {
            Source::Run { watch, .. } => watch.digest(),
            Source::Live(..) => unreachable!("a scenario"),
        };
        let before = digest(app);
        press(app, &[KeyCode::Right, KeyCode::Left]);
        assert_eq!((at(app), digest(app)), (3_000, before));
        let before = app.source.now();
        press(app, &[KeyCode::Char('n')]);
        assert!(app.source.now() > before && app.source.now() < before + Duration::from_secs(1));
        assert!(press(app, &[KeyCode::Char('q')]));
    });
}

/// The refresh interval runs on the simulated clock: between two looks the picture stands.
#[test]
fn the_monitor_looks_at_its_interval() {
    with_app(|app| {
        let looked = |app: &App<'_>| app.view.as_ref().map(|view| view.shown().at.as_millis());
        app.set_interval(Duration::from_secs(5));
        app.set_speed(30);
        (0..5).for_each(|_| app.tick());
        assert_eq!((app.source.now().as_millis(), looked(app)), (7_500, Some(5_000)));
        press(app, &[KeyCode::Char('['), KeyCode::Char('[')]);
        assert_eq!(app.interval(), Duration::from_secs(1));
        press(app, &[KeyCode::Tab]);
        assert_eq!((app.nodes[app.chosen].as_str(), looked(app)), ("gwb", Some(7_500)));
        press(app, &[KeyCode::Char('1')]);
        assert_eq!(app.nodes[app.chosen], "gwa");
    });
}
