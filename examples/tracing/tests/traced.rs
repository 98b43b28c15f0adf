//! The trace id is in every log line of every attempt, attempts are counted, and whoever has no
//! token gets nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::io;
use std::sync::{Arc, Mutex};

use entracte::prelude::*;
use entracte::{EventAttributes, Headers};
use traced::attempts::Outcome;
use traced::guard::TOKEN;
use traced::orders::{CHARGE, ORDER, PRINT_LABEL};
use traced::trace::TRACE_ID;
use traced::{Attempts, Guard, install};
use tracing_subscriber::fmt::MakeWriter;

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn of(&self, message: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(message)).map(str::to_owned).collect()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn headers(entries: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in entries {
        headers.insert(*name, *value).unwrap();
    }
    headers
}

#[tokio::test]
async fn wrk_3_a_trace_id_a_count_and_a_token_around_every_attempt() {
    let lines = Lines::default();
    // For all threads: blocking activities have one of their own.
    tracing_subscriber::fmt().with_ansi(false).with_writer(lines.clone()).init();
    let attempts = Attempts::default();
    let guard = Guard::new(["let-me-in"]);
    let engine = install(Engine::in_memory(), &attempts, guard).start().await.unwrap();

    let own = headers(&[(TRACE_ID, "trace-7"), (TOKEN, "let-me-in")]);
    let run = engine.start_workflow(ORDER, 4_200).headers(own).await.unwrap();
    assert_eq!(run.result().await.unwrap(), "label, receipt for 4200 cents");
    for (message, activity, attempt) in
        [("the line is busy", "charge", 1), ("charged", "charge", 2), ("printed", "print-label", 1)]
    {
        let found = lines.of(&format!(": {message}"));
        assert_eq!(found.len(), 1, "{message}: {found:?}");
        let span = format!("activity.name={activity} activity.attempt={attempt}");
        assert!(found[0].contains(r#"trace_id="trace-7""#), "{found:?}");
        assert!(found[0].contains(&span), "{found:?}");
    }

    // Without a trace id of its own, a client gets one; without a token, it gets no further.
    let run = engine.start_workflow(ORDER, 100).await.unwrap();
    let error = run.result().await.unwrap_err();
    assert_eq!(error.failure().unwrap().application_type(), Some("Unauthorised"));
    assert_eq!(error.to_string(), "charge the card: there is no token");
    let history = run.history().await.unwrap();
    let trace_ids: Vec<_> = history
        .iter()
        .filter_map(|event| match &event.attributes {
            EventAttributes::WorkflowExecutionStarted(it) => Some(&it.headers),
            EventAttributes::ActivityTaskScheduled(it) => Some(&it.headers),
            _ => None,
        })
        .map(|headers| headers.get::<String>(TRACE_ID).unwrap().unwrap())
        .collect();
    assert_eq!(trace_ids.len(), 2);
    assert_eq!(trace_ids[0].len(), 36);
    assert_eq!(trace_ids[0], trace_ids[1]);
    let wrong = headers(&[(TOKEN, "open")]);
    let run = engine.start_workflow(ORDER, 100).headers(wrong).await.unwrap();
    let error = run.result().await.unwrap_err();
    assert_eq!(error.to_string(), "charge the card: the token is not known");

    assert_eq!(attempts.count(CHARGE.name(), Outcome::Failed), 3);
    assert_eq!(attempts.count(CHARGE.name(), Outcome::Completed), 1);
    assert_eq!(attempts.count(PRINT_LABEL.name(), Outcome::Completed), 1);
    assert_eq!(
        attempts.to_string(),
        "1 completed charge\n3 failed charge\n1 completed print-label\n"
    );
}
