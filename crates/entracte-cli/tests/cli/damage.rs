//! Stores in which something is wrong.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;

use entracte::store::Space;

use crate::sandbox::Sandbox;

#[test]
fn problems_are_told_and_the_exit_code_says_so() {
    let sandbox = Sandbox::planted(|batch| batch.put(Space::State, [0xee, 1], "nonsense"));
    let text = "key ee01 in the space state is of no known kind";
    let verified = sandbox.look("verify", &[]);
    assert_eq!(verified.code, Some(1), "{verified:?}");
    let lines: Vec<_> = verified.stdout.lines().skip(1).collect();
    assert_eq!(lines, ["1 problem:", &format!("- {text}")]);

    let json = sandbox.look("verify", &["--json"]);
    assert_eq!(json.code, Some(1), "{json:?}");
    let problem = &json.json()["problems"][0];
    assert_eq!(problem["problem"], "unknown_key");
    assert_eq!(problem["message"], text);

    let exported = sandbox.look("export", &[]);
    assert_eq!(exported.code, Some(1), "{exported:?}");
    assert_eq!(exported.lines().last().unwrap(), problem);
    assert_eq!(exported.lines().len(), 4, "all runs are there");
}

fn journals(sandbox: &Sandbox) -> Vec<PathBuf> {
    let files = fs::read_dir(sandbox.store_path().join("journal")).unwrap();
    let paths = files.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "jnl")).collect()
}

/// Whatever becomes of a damaged journal when it is opened, becomes of the copy.
#[test]
fn a_damaged_journal_stays_as_it_is() {
    for damage in ["cut", "flipped", "emptied"] {
        let sandbox = Sandbox::crashed();
        let journals = journals(&sandbox);
        assert!(!journals.is_empty());
        for path in journals {
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            match damage {
                "cut" => file.set_len(300).unwrap(),
                "emptied" => file.set_len(0).unwrap(),
                _ => {
                    let mut bytes = fs::read(&path).unwrap();
                    bytes[400] ^= 1;
                    fs::write(&path, bytes).unwrap();
                }
            }
        }
        let inspected = sandbox.look("inspect", &[]);
        assert!(matches!(inspected.code, Some(0 | 1)), "{damage}: {inspected:?}");
        for command in ["verify", "export"] {
            let outcome = sandbox.look(command, &[]);
            assert!(matches!(outcome.code, Some(0..=2)), "{damage}: {outcome:?}");
        }
    }
}
