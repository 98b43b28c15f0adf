//! The drawing on a terminal that is none.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Modifier;

use super::*;

fn row(depth: usize, text: &str, tone: Tone) -> Row {
    Row { depth, text: text.to_owned(), tone, key: Key::new(text), run: None, node: None }
}

fn tree() -> Vec<Row> {
    vec![
        row(0, "engine running, 5s", Tone::Organ),
        row(1, "season, 5s", Tone::Run),
        row(2, "play-1, 4s", Tone::Run),
        row(3, "perform #2, 1s", Tone::Attempt),
    ]
}

fn draw(screen: &mut Screen, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen.draw(frame)).unwrap();
    terminal
}

#[test]
fn the_tree_stands_beside_what_the_selected_run_waits_for() {
    let mut screen = Screen::default();
    screen.show(tree());
    screen.go(3);
    screen.set_waits(vec!["act-1.1 (act)".to_owned(), "waits for perform #2".to_owned()]);
    screen.say("killed perform #1");
    let terminal = draw(&mut screen, 62, 14);
    terminal.backend().assert_buffer_lines_eq_text(
        "\
┌ 4 actors ─────────────────────────┐┌ the run ──────────────┐
│  engine running, 5s               ││act-1.1 (act)          │
│    season, 5s                     ││waits for perform #2   │
│      play-1, 4s                   ││                       │
│>       perform #2, 1s             ││                       │
│                                   ││                       │
└───────────────────────────────────┘└───────────────────────┘
┌ what happened ─────────────────────────────────────────────┐
│killed perform #1                                           │
│                                                            │
│                                                            │
│                                                            │
└────────────────────────────────────────────────────────────┘
 ↑↓ select  c cancel  x kill actor  r restart engine  k crash ",
    );
    let selected = &terminal.backend().buffer()[(9, 4)];
    assert!(selected.modifier.contains(Modifier::REVERSED));
}

trait Drawn {
    fn assert_buffer_lines_eq_text(&self, expected: &str);
}

impl Drawn for TestBackend {
    fn assert_buffer_lines_eq_text(&self, expected: &str) {
        let buffer = self.buffer();
        let width = usize::from(buffer.area.width);
        let cells: Vec<_> = buffer.content.iter().map(|cell| cell.symbol()).collect();
        let drawn: Vec<_> = cells.chunks(width).map(|line| line.concat()).collect();
        assert_eq!(drawn.join("\n"), expected);
    }
}

#[test]
fn the_selection_follows_what_it_stands_for_and_stays_in_its_place_without_it() {
    let mut screen = Screen::default();
    screen.show(tree());
    screen.go(2);
    assert_eq!(screen.selected().unwrap().text, "play-1, 4s");
    // Something comes before it.
    let mut more = tree();
    more.insert(1, row(1, "journal, 5s", Tone::Organ));
    screen.show(more);
    assert_eq!(screen.selected().unwrap().text, "play-1, 4s");
    // It goes, and what has moved up is selected; the ends are ends.
    screen.show(vec![row(0, "engine running, 6s", Tone::Organ)]);
    assert_eq!(screen.selected().unwrap().text, "engine running, 6s");
    screen.go(-9);
    screen.go(9);
    assert_eq!(screen.selected().unwrap().text, "engine running, 6s");
    screen.show(Vec::new());
    assert!(screen.selected().is_none());
}

#[test]
fn any_size_can_be_drawn_and_only_the_last_messages_are_kept() {
    let mut screen = Screen::default();
    screen.show(tree());
    for number in 0..10 {
        screen.say(format!("message {number}"));
    }
    for (width, height) in [(1, 1), (5, 3), (20, 6), (200, 60)] {
        draw(&mut screen, width, height);
    }
    assert_eq!(screen.messages, ["message 6", "message 7", "message 8", "message 9"]);
}

#[test]
fn a_long_tree_is_scrolled_to_the_selection() {
    let mut screen = Screen::default();
    screen.show((0..100).map(|number| row(0, &format!("run-{number}"), Tone::Run)).collect());
    screen.go(99);
    let terminal = draw(&mut screen, 40, 14);
    let text: String =
        terminal.backend().buffer().content.iter().map(|cell| cell.symbol()).collect();
    assert!(text.contains("> run-99") && !text.contains("run-80"), "{text}");
}
