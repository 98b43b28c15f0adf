//! The example as its users run it: keys are changed, and lost.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::Path;
use std::process::{Command, Output};

const CARD: &str = "4000567856785678";

fn key(id: &str, digit: char) -> String {
    format!("{id}={}", digit.to_string().repeat(64))
}

fn run(data: &Path, keys: &[String], order: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_encrypted"));
    command.args(["--data", data.to_str().unwrap(), "--keys", &keys.join(",")]);
    command.args(["--order", order, "--card", CARD]).output().unwrap()
}

fn receipt(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

/// Whether a text stands in any file below a directory.
fn is_on_disk(directory: &Path, text: &str) -> bool {
    std::fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_on_disk(&path, text);
        }
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(text.len()).any(|part| part == text.as_bytes())
    })
}

#[test]
fn keys_can_be_changed_and_nothing_is_on_the_disk() {
    let data = tempfile::tempdir().unwrap();
    let (old, new) = (key("2025", 'a'), key("2026", 'b'));
    let expected = "receipt for the card that ends with 5678";
    assert_eq!(receipt(&run(data.path(), std::slice::from_ref(&old), "one")), expected);
    let both = [new, old];
    assert_eq!(receipt(&run(data.path(), &both, "one")), expected, "it is read with the old key");
    assert_eq!(receipt(&run(data.path(), &both, "two")), expected);
    for text in [CARD, expected, "aaaaaaaaaaaaaaaa"] {
        assert!(!is_on_disk(data.path(), text), "{text}");
    }
    // The id is not a payload.
    assert!(is_on_disk(data.path(), "one"));
}

#[test]
fn a_wrong_key_is_named_and_loses_nothing() {
    let data = tempfile::tempdir().unwrap();
    let (good, other_id, other_key) = (key("k", 'a'), key("other", 'a'), key("k", 'b'));
    let before = receipt(&run(data.path(), std::slice::from_ref(&good), "one"));
    for wrong in [other_id, other_key] {
        let output = run(data.path(), &[wrong], "one");
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("the codec of the payloads does not fit the store"), "{text}");
        assert!(text.contains("the key `k`"), "{text}");
    }
    assert_eq!(receipt(&run(data.path(), &[good], "one")), before);
}

#[test]
fn a_key_that_is_none_is_refused_without_being_shown() {
    let data = tempfile::tempdir().unwrap();
    let output = run(&data.path().join("none"), &["k=secret".to_owned()], "one");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("`k` is not `id=64 hexadecimal digits`") && !text.contains("secret"));
    assert!(!data.path().join("none").exists());
}
