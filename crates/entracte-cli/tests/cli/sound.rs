//! A store in which nothing is wrong, though its engine has crashed.

use std::fs;

use entracte::store::StoreExt;
use entracte::{Event, RunId};

use crate::sandbox::Sandbox;

#[test]
fn a_crashed_store_with_open_runs_is_sound() {
    let sandbox = Sandbox::crashed();
    let verified = sandbox.look("verify", &[]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let mut lines = verified.stdout.lines();
    let counts = lines.next().unwrap();
    assert!(counts.starts_with("3 runs (2 running, 1 completed), "), "{counts}");
    assert_eq!(lines.collect::<Vec<_>>(), ["no problems"]);
    assert_eq!(verified.stderr, "");

    let json = sandbox.look("verify", &["--json"]);
    assert_eq!(json.code, Some(0), "{json:?}");
    let report = json.json();
    assert_eq!(report["sound"], true);
    assert_eq!(report["problems"].as_array().unwrap().len(), 0);
    assert_eq!(report["counts"]["runs"]["running"], 2);
    assert_eq!(report["counts"]["pending_activities"], 1);
    assert_eq!(report["counts"]["inbox"], 1);
}

#[test]
fn a_store_is_inspected_without_being_opened() {
    let sandbox = Sandbox::crashed();
    let inspected = sandbox.look("inspect", &[]);
    assert_eq!(inspected.code, Some(0), "{inspected:?}");
    assert!(inspected.stdout.ends_with("no damage\n"), "{inspected:?}");
    let json = sandbox.look("inspect", &["--json"]).json();
    assert_eq!(json["damage"].as_array().unwrap().len(), 0, "{json}");
    let last = json["last"].as_u64().unwrap();
    assert!(last > 0, "{json}");
    assert!(inspected.stdout.contains(&format!("readable up to commit {last}, ")), "{inspected:?}");
}

#[test]
fn all_events_are_exported() {
    let sandbox = Sandbox::crashed();
    let exported = sandbox.look("export", &[]);
    assert_eq!(exported.code, Some(0), "{exported:?}");
    let lines = exported.lines();
    let store = sandbox.open();
    let runs = store.list_runs(None, usize::MAX).unwrap();
    assert_eq!(lines.len(), runs.len());
    let mut count = 0;
    for (line, (run_id, row)) in lines.iter().zip(runs) {
        let id: RunId = serde_json::from_value(line["run_id"].clone()).unwrap();
        let events: Vec<Event> = serde_json::from_value(line["events"].clone()).unwrap();
        assert_eq!((id, &events), (run_id, &store.read_history(run_id).unwrap()));
        assert_eq!(line["workflow_id"], row.workflow_id.to_string());
        assert_eq!(line["status"], row.status.to_string());
        count += events.len();
    }
    let summary = format!("3 runs with {count} events; 0 problems\n");
    assert_eq!(exported.stderr, summary);
    let input = &lines[0]["events"][0]["attributes"]["input"][0];
    assert_eq!(input["value"], 42, "payloads are shown as values");
}

#[test]
fn an_export_can_go_to_a_file() {
    let sandbox = Sandbox::crashed();
    let lines = sandbox.look("export", &[]).stdout;
    let elsewhere = Sandbox::empty();
    let path = elsewhere.path().join("export.jsonl");
    let output = ["--json", "--output", path.to_str().unwrap()];
    let exported = sandbox.look("export", &output);
    assert_eq!(exported.code, Some(0), "{exported:?}");
    assert_eq!(exported.json()["runs"], 3);
    assert_eq!(exported.stderr, "");
    assert_eq!(fs::read_to_string(&path).unwrap(), lines);
    let again = sandbox.look("export", &output);
    assert_eq!(again.code, Some(2), "no file is overwritten: {again:?}");
    assert!(again.stderr.starts_with("error: cannot write "), "{again:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), lines);
}

#[test]
fn a_scratch_copy_can_be_made_elsewhere() {
    let (sandbox, elsewhere) = (Sandbox::crashed(), Sandbox::empty());
    let verified = sandbox.look("verify", &["--scratch", elsewhere.path().to_str().unwrap()]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0, "it is gone afterwards");
    let nowhere = elsewhere.path().join("nowhere");
    let refused = sandbox.look("verify", &["--scratch", nowhere.to_str().unwrap()]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.starts_with("error: cannot make a scratch copy at "), "{refused:?}");
}
