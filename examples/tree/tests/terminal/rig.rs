//! A program on a pseudo-terminal, with somebody who reads its screen.

use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use tempfile::TempDir;

use crate::{HOME, PATIENCE};

pub(crate) struct Rig {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    _data: TempDir,
}

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).unwrap()
}

impl Rig {
    /// Starts the program on a terminal of 30 lines of 100 characters.
    pub(crate) fn start(args: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let pty = native_pty_system().openpty(size(30, 100)).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_tree"));
        command.arg("--data");
        command.arg(data.path().join("engine"));
        command.args(args);
        command.env("TERM", "xterm-256color");
        command.env("RUST_BACKTRACE", "0");
        let child = pty.slave.spawn_command(command).unwrap();
        // Only the program holds the other end: what is read ends with it.
        drop(pty.slave);
        let mut reader = pty.master.try_clone_reader().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        let keyboard = pty.master.take_writer().unwrap();
        let screen = vt100::Parser::new(cells(30), cells(100), 0);
        Self { child, master: pty.master, keyboard, output, screen, _data: data }
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Makes the terminal another size.
    pub(crate) fn resize(&mut self, rows: u16, cols: u16) {
        self.screen.screen_mut().set_size(cells(rows), cells(cols));
        self.master.resize(size(rows, cols)).unwrap();
    }

    /// What stands on the screen, all its lines.
    fn text(&self) -> String {
        let (_, cols) = self.screen.screen().size();
        self.screen.screen().rows(0, cols.get()).collect::<Vec<_>>().join("\n")
    }

    /// Waits until the screen shows something.
    pub(crate) fn until(&mut self, what: &str, shows: impl Fn(&str) -> bool) {
        let begun = Instant::now();
        while !shows(&self.text()) {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.screen.process(&bytes),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("{what} is not shown:\n{}", self.text())
                }
            }
        }
    }

    /// Goes to the top, then on until a line is selected that begins like this.
    pub(crate) fn select(&mut self, wanted: &str, down: &str) {
        self.press(HOME);
        self.until("the top", |screen| screen.contains("> engine"));
        let is_selected =
            |screen: &str| selected(screen).is_some_and(|line| line.starts_with(wanted));
        while !is_selected(&self.text()) {
            let before = selected(&self.text()).unwrap_or_default();
            let before = before.split([',', ' ']).next().unwrap_or_default().to_owned();
            self.press(down);
            self.until("the next line", |screen| {
                selected(screen).is_some_and(|line| !line.starts_with(&before))
            });
        }
    }

    /// Waits for the program's end, and reads everything that it has left on the screen.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.screen.process(&bytes),
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().unwrap(),
                Err(RecvTimeoutError::Timeout) => panic!("it does not end:\n{}", self.text()),
            }
        }
    }

    /// Checks that the shell finds its terminal as it was: its own screen, its cursor, and lines
    /// that are echoed.
    pub(crate) fn assert_restored(&self) {
        let screen = self.screen.screen();
        assert!(!screen.alternate_screen(), "the program's screen is still there");
        assert!(!screen.hide_cursor(), "there is no cursor");
        let modes = self.master.get_termios().unwrap().local_flags;
        let modes = format!("{modes:?}");
        assert!(modes.contains("ICANON") && modes.contains("ECHO"), "{modes}");
    }
}

/// What stands in the tree, without what is beside it.
pub(crate) fn tree(screen: &str) -> String {
    let column = |line: &str| line.split('│').nth(1).unwrap_or_default().trim_end().to_owned();
    screen.lines().map(column).collect::<Vec<_>>().join("\n")
}

/// The line that is selected, without what stands before it.
fn selected(screen: &str) -> Option<String> {
    let line = screen.lines().find_map(|line| line.split_once("> "))?.1;
    Some(line.trim_start().to_owned())
}
