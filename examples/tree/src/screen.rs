//! What is shown, and what is selected.

use std::collections::VecDeque;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, List, ListItem, ListState, Paragraph, Wrap};

use crate::rows::{Key, Row, Tone};

/// How many messages are kept.
const MESSAGES_MAX: usize = 4;

const KEYS: &str = " ↑↓ select  c cancel  x kill actor  r restart engine  k crash engine  q quit";

/// What is shown, and what is selected.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    rows: Vec<Row>,
    list: ListState,
    selected: Option<Key>,
    waits: Vec<String>,
    messages: VecDeque<String>,
}

impl Screen {
    /// Shows another tree. What was selected stays so if it is still there; otherwise the
    /// selection stays in its place.
    pub(crate) fn show(&mut self, rows: Vec<Row>) {
        let place = self.list.selected().unwrap_or_default();
        let same = rows.iter().position(|row| Some(&row.key) == self.selected.as_ref());
        self.rows = rows;
        self.select(same.unwrap_or(place));
    }

    /// Moves the selection up or down.
    pub(crate) fn go(&mut self, by: isize) {
        let place = self.list.selected().unwrap_or_default();
        self.select(place.saturating_add_signed(by));
    }

    fn select(&mut self, place: usize) {
        let place = place.min(self.rows.len().saturating_sub(1));
        self.list.select((!self.rows.is_empty()).then_some(place));
        self.selected = self.rows.get(place).map(|row| row.key.clone());
    }

    /// The line that is selected.
    pub(crate) fn selected(&self) -> Option<&Row> {
        self.rows.get(self.list.selected()?)
    }

    /// Says what the selected run waits for.
    pub(crate) fn set_waits(&mut self, waits: Vec<String>) {
        self.waits = waits;
    }

    /// Says what has happened.
    pub(crate) fn say(&mut self, message: impl Into<String>) {
        self.messages.push_back(message.into());
        if self.messages.len() > MESSAGES_MAX {
            self.messages.pop_front();
        }
    }

    /// Draws everything.
    pub(crate) fn draw(&mut self, frame: &mut Frame<'_>) {
        let messages = u16::try_from(MESSAGES_MAX).unwrap_or_default() + 2;
        let [upper, lower, keys] = Layout::vertical([
            Constraint::Min(3),
            Constraint::Length(messages),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        let [tree, waits] =
            Layout::horizontal([Constraint::Percentage(60), Constraint::Percentage(40)])
                .areas(upper);
        let title = format!(" {} actors ", self.rows.len());
        let list = List::new(self.rows.iter().map(item))
            .block(Block::bordered().title(title))
            .highlight_style(Style::new().add_modifier(Modifier::REVERSED))
            .highlight_symbol("> ");
        frame.render_stateful_widget(list, tree, &mut self.list);
        let lines = self.waits.iter().map(|line| Line::from(line.as_str())).collect::<Vec<_>>();
        let text = Paragraph::new(lines).wrap(Wrap { trim: false });
        frame.render_widget(text.block(Block::bordered().title(" the run ")), waits);
        let lines = self.messages.iter().map(|line| Line::from(line.as_str())).collect::<Vec<_>>();
        let text = Paragraph::new(lines).block(Block::bordered().title(" what happened "));
        frame.render_widget(text, lower);
        frame.render_widget(Line::from(Span::styled(KEYS, Color::DarkGray)), keys);
    }
}

fn item(row: &Row) -> ListItem<'_> {
    let color = match row.tone {
        Tone::Organ => Color::DarkGray,
        Tone::Run => Color::Cyan,
        Tone::Trouble => Color::Red,
        Tone::Ending => Color::Magenta,
        Tone::Attempt => Color::Green,
        Tone::Timer => Color::Yellow,
    };
    let indent = "  ".repeat(row.depth);
    ListItem::new(Line::from(vec![Span::raw(indent), Span::styled(row.text.as_str(), color)]))
}

#[cfg(test)]
mod tests;
