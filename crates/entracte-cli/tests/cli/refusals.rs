//! When there is no looking.

use std::fs;
use std::path::Path;

use crate::sandbox::{Sandbox, run_on};

/// Checks that no command looks at a path, and why not.
fn refused(path: &Path, why: &str) {
    for command in ["inspect", "verify", "export"] {
        let outcome = run_on(command, path, &[]);
        assert_eq!(outcome.code, Some(2), "{command}: {outcome:?}");
        assert_eq!(outcome.stdout, "", "{command}");
        assert!(outcome.stderr.starts_with("error: "), "{command}: {outcome:?}");
        assert!(outcome.stderr.contains(why), "{command}: {outcome:?}");
    }
}

#[test]
fn what_is_no_store_is_not_looked_at() {
    let sandbox = Sandbox::empty();
    let path = sandbox.path();
    refused(path, "holds no store");
    assert_eq!(fs::read_dir(path).unwrap().count(), 0, "nothing was made");
    refused(&path.join("nowhere"), "No such file or directory");
    fs::write(path.join("a-file"), "text").unwrap();
    refused(&path.join("a-file"), "is not a directory");
    fs::create_dir(path.join("foreign")).unwrap();
    fs::write(path.join("foreign").join("a-file"), "text").unwrap();
    refused(&path.join("foreign"), "holds no store");
    assert_eq!(fs::read_dir(path.join("foreign")).unwrap().count(), 1);
}

#[test]
fn a_store_that_is_open_is_not_looked_at() {
    let sandbox = Sandbox::crashed();
    let store = sandbox.open();
    for command in ["inspect", "verify", "export"] {
        let outcome = sandbox.look(command, &[]);
        assert_eq!(outcome.code, Some(2), "{command}: {outcome:?}");
        assert!(outcome.stderr.trim_end().ends_with("is open already"), "{command}: {outcome:?}");
    }
    drop(store);
    assert_eq!(sandbox.run("verify", &[]).code, Some(0));
}

#[test]
fn a_store_of_a_newer_format_is_not_looked_at() {
    let sandbox = Sandbox::crashed();
    fs::write(sandbox.store_path().join("FORMAT"), "entracte store format 99\n").unwrap();
    for command in ["inspect", "verify", "export"] {
        let outcome = sandbox.look(command, &[]);
        assert_eq!(outcome.code, Some(2), "{command}: {outcome:?}");
        assert!(outcome.stderr.contains("has the format 99, newer than"), "{outcome:?}");
    }
}

#[test]
fn wrong_arguments_are_no_look_either() {
    let path = Path::new("anything");
    for (command, more) in [("mend", &[][..]), ("verify", &["--fast"]), ("export", &["--output"])] {
        let outcome = run_on(command, path, more);
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        assert!(outcome.stderr.contains("--help"), "{outcome:?}");
    }
}

#[test]
fn the_help_says_that_nothing_is_changed() {
    for command in ["inspect", "verify", "export"] {
        let outcome = run_on(command, Path::new("--help"), &[]);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        let text = outcome.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        let says = ["Nothing is changed", "the original is not changed"];
        assert!(says.iter().any(|says| text.contains(says)), "{command}: {text}");
    }
}
