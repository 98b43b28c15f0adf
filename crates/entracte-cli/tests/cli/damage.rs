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

#[test]
fn what_can_be_read_becomes_a_store_that_opens() {
    let sandbox = Sandbox::crashed();
    let path = &journals(&sandbox)[0];
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.iter().rposition(|byte| *byte != 0).unwrap() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
    let elsewhere = Sandbox::empty();
    let target = elsewhere.store_path();
    let target = target.to_str().unwrap();
    let salvaged = sandbox.look("salvage", &[target]);
    assert_eq!(salvaged.code, Some(1), "{salvaged:?}");
    assert!(salvaged.stdout.contains("the original had synced up to"), "{salvaged:?}");
    assert!(!salvaged.stdout.contains("cannot be opened"), "{salvaged:?}");
    let verified = elsewhere.look("verify", &[]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let again = sandbox.look("salvage", &[target]);
    assert_eq!(again.code, Some(2), "it does not write over a store: {again:?}");
}

fn journals(sandbox: &Sandbox) -> Vec<PathBuf> {
    let files = fs::read_dir(sandbox.store_path().join("journal")).unwrap();
    let paths = files.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "jnl")).collect()
}

#[test]
fn a_damaged_journal_is_told_and_stays_as_it_is() {
    for damage in ["cut", "flipped", "emptied"] {
        let sandbox = Sandbox::crashed();
        for path in journals(&sandbox) {
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
        for command in ["inspect", "verify"] {
            let told = sandbox.look(command, &[]);
            assert_eq!(told.code, Some(1), "{damage}: {told:?}");
            let json = sandbox.look(command, &["--json"]);
            assert_eq!(json.code, Some(1), "{damage}: {json:?}");
            let json = json.json();
            let texts = json["damage"].as_array().unwrap();
            assert!(!texts.is_empty(), "{damage}: {json}");
            for text in texts {
                assert!(told.stdout.contains(text.as_str().unwrap()), "{damage}: {told:?}");
            }
        }
        let exported = sandbox.look("export", &[]);
        assert_eq!(exported.code, Some(1), "{damage}: {exported:?}");
        assert_eq!(exported.lines().last().unwrap()["problem"], "damage", "{exported:?}");
    }
}

/// What a power cut leaves of a commit that nobody was told of.
#[test]
fn a_torn_end_is_no_damage() {
    let sandbox = Sandbox::crashed();
    let path = journals(&sandbox).pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    bytes.truncate(end);
    bytes.extend([1; 20]);
    fs::write(&path, bytes).unwrap();
    let inspected = sandbox.look("inspect", &[]);
    assert_eq!(inspected.code, Some(0), "{inspected:?}");
    assert!(inspected.stdout.contains(&format!("at byte {end}: ")), "{end}: {inspected:?}");
    for command in ["verify", "export"] {
        let outcome = sandbox.look(command, &[]);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
    }
}
