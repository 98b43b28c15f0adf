//! What keys do.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What somebody at the keyboard wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Move the selection.
    Go(isize),
    /// Ask the selected run to cancel.
    Cancel,
    /// Kill the selected actor.
    Kill,
    /// Restart the engine in order.
    Restart,
    /// Kill the engine and open it again.
    Crash,
    /// Leave.
    Quit,
    /// Panic, if that is allowed.
    Panic,
}

/// What a key does.
pub(crate) fn action(key: KeyEvent) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let is_interrupt = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char('c') if is_interrupt => Action::Quit,
        KeyCode::Up => Action::Go(-1),
        KeyCode::Down => Action::Go(1),
        KeyCode::PageUp => Action::Go(-10),
        KeyCode::PageDown => Action::Go(10),
        KeyCode::Home => Action::Go(isize::MIN),
        KeyCode::End => Action::Go(isize::MAX),
        KeyCode::Char('c') => Action::Cancel,
        KeyCode::Char('x') => Action::Kill,
        KeyCode::Char('r') => Action::Restart,
        KeyCode::Char('k') => Action::Crash,
        KeyCode::Char('q') | KeyCode::Esc => Action::Quit,
        KeyCode::Char('!') => Action::Panic,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_c_quits_and_c_cancels() {
        let key = |modifiers| action(KeyEvent::new(KeyCode::Char('c'), modifiers));
        assert_eq!(key(KeyModifiers::NONE), Some(Action::Cancel));
        assert_eq!(key(KeyModifiers::CONTROL), Some(Action::Quit));
        assert_eq!(action(KeyEvent::new(KeyCode::Tab, KeyModifiers::NONE)), None);
    }
}
