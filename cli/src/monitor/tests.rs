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
    act(&mut App::new(&scenario, &OPTIONS, "gwa").unwrap_or_else(|e| panic!("{e}")));
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
        let at = |app: &App<'_>| app.watch.now().as_millis();
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
        let digest = app.watch.digest();
        press(app, &[KeyCode::Right, KeyCode::Left]);
        assert_eq!((at(app), app.watch.digest()), (3_000, digest));
        let before = app.watch.now();
        press(app, &[KeyCode::Char('n')]);
        assert!(app.watch.now() > before && app.watch.now() < before + Duration::from_secs(1));
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
        assert_eq!((app.watch.now().as_millis(), looked(app)), (7_500, Some(5_000)));
        press(app, &[KeyCode::Char('['), KeyCode::Char('[')]);
        assert_eq!(app.interval(), Duration::from_secs(1));
        press(app, &[KeyCode::Tab]);
        assert_eq!((app.nodes[app.chosen].as_str(), looked(app)), ("gwb", Some(7_500)));
        press(app, &[KeyCode::Char('1')]);
        assert_eq!(app.nodes[app.chosen], "gwa");
    });
}
