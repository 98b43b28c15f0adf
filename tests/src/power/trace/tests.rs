use std::fs;

use bytes::Bytes;

use super::*;

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("\\x{byte:02x}")).collect()
}

/// A trace with `/data` as its directory; strings in single quotes are turned into what
/// `strace` writes.
fn read(lines: &[&str]) -> Result<Vec<Event>, TraceError> {
    let mut trace = Trace::new(Path::new("/data"), Path::new("/told"));
    for line in lines {
        let mut parts = line.split('\'');
        let mut text = parts.next().unwrap_or_default().to_owned();
        while let (Some(string), Some(rest)) = (parts.next(), parts.next()) {
            text += &format!("\"{}\"{rest}", hex(string));
        }
        trace.line(&text)?;
    }
    Ok(trace.into_events())
}

fn wrote(inode: u64, offset: u64, data: &str) -> Event {
    let data = Bytes::copy_from_slice(data.as_bytes());
    Event::Write { inode: Inode(inode), offset, data }
}

const OPEN: &str = "1  open('/data/a', O_WRONLY|O_CREAT, 0666) = 3";

#[test]
fn writes_go_on_where_the_last_one_ended() {
    let events = read(&[
        OPEN,
        "1  write(3, 'abc', 3) = 2",
        "1  dup(3) = 4",
        "1  write(4, 'de', 2) = 2",
        "1  lseek(3, 1, SEEK_SET) = 1",
        "1  write(4, 'f', 1) = 1",
        "1  pwrite64(3, 'g', 1, 9) = 1",
        "1  write(3, 'h', 1) = 1",
    ]);
    let writes = [wrote(1, 0, "ab"), wrote(1, 2, "de"), wrote(1, 1, "f"), wrote(1, 9, "g")];
    assert_eq!(events.unwrap()[1..5], writes);
}

#[test]
fn appended_writes_go_to_the_end() {
    let events = read(&[
        OPEN,
        "1  pwrite64(3, 'abc', 3, 0) = 3",
        "1  open('/data/a', O_WRONLY|O_APPEND) = 4",
        "1  write(4, 'd', 1) = 1",
        "1  ftruncate(3, 1) = 0",
        "1  write(4, 'e', 1) = 1",
    ]);
    let cut = Event::SetLength { inode: Inode(1), length: 1 };
    assert_eq!(events.unwrap()[2..], [wrote(1, 3, "d"), cut, wrote(1, 1, "e")]);
}

#[test]
fn calls_of_threads_that_cross_are_put_together() {
    let events = read(&[
        OPEN,
        "1  fdatasync(3 <unfinished ...>",
        "2  write(3, 'a', 1 <unfinished ...>",
        "2  <... write resumed>) = 1",
        "1  <... fdatasync resumed>) = 0",
    ]);
    let sync = SyncId(1);
    let begun = Event::SyncBegin { sync, inode: Inode(1) };
    assert_eq!(events.unwrap()[1..], [begun, wrote(1, 0, "a"), Event::SyncEnd { sync }]);
}

#[test]
fn a_number_that_is_closed_can_be_given_away_before_the_close_has_ended() {
    let events = read(&[
        OPEN,
        "1  close(3 <unfinished ...>",
        "2  open('/data/b', O_WRONLY|O_CREAT, 0666) = 3",
        "1  <... close resumed>) = 0",
        "2  write(3, 'a', 1) = 1",
    ]);
    assert_eq!(events.unwrap().last(), Some(&wrote(2, 0, "a")));
}

#[test]
fn what_is_told_is_told_when_the_call_begins() {
    let events = read(&[
        "1  open('/told', O_WRONLY|O_CREAT|O_APPEND, 0666) = 5",
        "1  write(5, 'begin 1', 7 <unfinished ...>",
    ]);
    assert_eq!(events.unwrap(), [Event::Told { text: "begin 1".into() }]);
}

#[test]
fn failed_calls_do_nothing() {
    let events = read(&[
        "1  mkdir('/data', 0777) = -1 EEXIST (File exists)",
        "1  open('/data/a', O_WRONLY) = -1 ENOENT (No such file or directory)",
        "1  rename('/data/a', '/data/b') = -1 ENOENT (No such file or directory)",
        "1  write(3, 'a', 1) = -1 EBADF (Bad file descriptor)",
    ]);
    assert_eq!(events.unwrap(), []);
}

#[test]
fn relative_paths_lead_from_their_directory() {
    let at = format!("AT_FDCWD<{}>", hex("/data/x"));
    let events = read(&[
        "1  mkdir('/data/x', 0777) = 0",
        &format!("1  openat({at}, '../y/./b', O_WRONLY|O_CREAT, 0666) = -1 ENOENT (No)"),
        &format!("1  openat({at}, '../b', O_WRONLY|O_CREAT, 0666) = 3"),
    ]);
    let created = Event::Create {
        directory: Inode::ROOT,
        name: "b".into(),
        inode: Inode(2),
        is_directory: false,
    };
    assert_eq!(events.unwrap().last(), Some(&created));
}

#[test]
fn what_is_not_understood_is_refused() {
    let refused = [
        "1  link('/data/a', '/data/b') = 0",
        "1  mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 3, 0) = 0x7f00",
        "1  copy_file_range(5, NULL, 3, NULL, 10, 0) = 10",
        "1  rename('/data/a', '/elsewhere') = 0",
        "1  rename('/elsewhere', '/data/b') = 0",
        "1  fallocate(3, FALLOC_FL_PUNCH_HOLE|FALLOC_FL_KEEP_SIZE, 0, 10) = 0",
        "1  fsync(3) = -1 EIO (Input/output error)",
        "1  fork() = 2",
        "1  io_uring_setup(8, {}) = 4",
        "1  open('/data/unknown', O_RDONLY) = 4",
        "1  write(3, 'abc', 5) = 5",
    ];
    for line in refused {
        assert!(read(&[OPEN, line]).is_err(), "{line}");
    }
    let allowed = [
        "1  mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f00",
        "1  link('/x', '/y') = 0",
        "1  clone3({flags=CLONE_VM|CLONE_THREAD}, 88) = 2",
    ];
    for line in allowed {
        assert!(read(&[OPEN, line]).is_ok(), "{line}");
    }
}

#[test]
fn what_a_kill_has_interrupted_is_looked_up() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    fs::write(root.join("a"), "xxab").unwrap();
    let mut trace = Trace::new(&root, Path::new("/told"));
    let path = |name: &str| format!("\"{}\"", hex(&root.join(name).display().to_string()));
    let text = |text: &str| format!("\"{}\"", hex(text));
    for line in [
        format!("1  open({}, O_WRONLY|O_CREAT, 0666) = 3", path("a")),
        format!("1  write(3, {}, 2) = 2", text("xx")),
        format!("1  write(3, {}, 4 <unfinished ...>", text("abcd")),
        format!("2  mkdir({}, 0777 <unfinished ...>", path("never")),
        "3  fsync(3)            = ?".to_owned(),
    ] {
        trace.line(&line).unwrap();
    }
    trace.process_ended(true).unwrap();
    let events = trace.into_events();
    assert!(events.contains(&wrote(1, 2, "ab")), "{events:?}");
    assert!(!events.iter().any(|event| matches!(event, Event::SyncEnd { .. })));
    let is_directory = |event: &Event| matches!(event, Event::Create { is_directory: true, .. });
    assert!(!events.iter().any(is_directory), "{events:?}");
}
