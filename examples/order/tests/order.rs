//! The program as a whole: real processes, a real payment service, killed and started again.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]

mod harness;

use std::os::unix::process::ExitStatusExt;

use crate::harness::{Sandbox, said, until};

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;

#[test]
fn an_order_is_approved_paid_and_shipped() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.run(&[]);
    sandbox.assert_shipped(&outcome);
    let statuses = said(&outcome, "status");
    assert_eq!(statuses.first(), Some(&"awaiting approval"), "{outcome:#?}");
    assert_eq!(statuses.last(), Some(&"shipped, parcel-of-order-1"), "{outcome:#?}");
    for line in ["signal `approve` comes", "charge is done", "the order is on its way"] {
        assert!(outcome.stdout.contains(line), "{outcome:#?}");
    }
}

#[test]
fn every_order_pays_for_itself() {
    let sandbox = Sandbox::new();
    sandbox.assert_shipped(&sandbox.run(&["--approve-after", "0s"]));
    let again = sandbox.run(&["--approve-after", "0s"]);
    assert!(again.status.success(), "{again:#?}");
    let other = sandbox.run(&["--approve-after", "0s", "--id", "order-2"]);
    assert!(other.status.success(), "{other:#?}");
    let charged = sandbox.books().charged;
    assert_eq!(charged.len(), 3);
    assert!(charged[0] != charged[1] && charged[1] != charged[2], "{charged:?}");
}

#[test]
fn a_declined_card_ends_the_order() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.run(&["--decline"]);
    // Nothing was charged; the key is called off all the same.
    sandbox.assert_failed(&outcome, "charge the card: the card has no funds", [0, 0, 1]);
    assert_eq!(said(&outcome, "payments"), ["declined 4200 cents", "has nothing to pay back"]);
}

#[test]
fn a_lost_answer_is_asked_for_again_and_the_card_charged_once() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.run(&["--timeout"]);
    sandbox.assert_shipped(&outcome);
    assert_eq!(
        said(&outcome, "payments"),
        [
            "charged 4200 cents, receipt-1",
            "does not answer",
            "knows this payment already: receipt-1"
        ]
    );
    let told = "charge is done in attempt 2, after: activity StartToClose timeout";
    assert!(outcome.stdout.contains(told), "{outcome:#?}");
}

#[test]
fn a_charge_of_which_nobody_hears_is_paid_back() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.run(&["--timeout", "9"]);
    sandbox.assert_failed(
        &outcome,
        "charge the card: activity StartToClose timeout: activity StartToClose timeout",
        [1, 1, 0],
    );
}

#[test]
fn requests_that_arrive_twice_are_one_charge_and_one_refund() {
    let sandbox = Sandbox::new();
    sandbox.assert_shipped(&sandbox.run(&["--twice"]));
    let sandbox = Sandbox::new();
    let outcome = sandbox.run(&["--twice", "--ship-fails"]);
    sandbox.assert_failed(&outcome, "ship it: no carrier takes it", [1, 1, 0]);
    assert_eq!(
        said(&outcome, "payments"),
        [
            "charged 4200 cents, receipt-1",
            "knows this payment already: receipt-1",
            "paid 4200 cents back",
            "paid 4200 cents back"
        ]
    );
}

#[test]
fn without_an_answer_the_deadline_decides() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.run(&["--no-approval", "--deadline", "100ms"]);
    sandbox.assert_failed(&outcome, "nobody answered in 100ms", [0, 0, 0]);
    assert!(outcome.stdout.contains("the deadline passes"), "{outcome:#?}");
}

#[test]
fn an_approval_behind_the_deadline_comes_too_late() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.run(&["--deadline", "1ms", "--approve-after", "2s"]);
    sandbox.assert_failed(&outcome, "nobody answered in 1ms", [0, 0, 0]);
    assert_eq!(said(&outcome, "approver"), ["came too late"]);
}

#[test]
fn a_rejected_order_is_not_charged() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.run(&["--reject"]);
    sandbox.assert_failed(&outcome, "the approver said no", [0, 0, 0]);
}

#[test]
fn a_busy_service_is_asked_again() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.run(&["--busy"]);
    sandbox.assert_shipped(&outcome);
    assert_eq!(said(&outcome, "payments")[..2], ["is busy", "is busy"]);
}

#[test]
fn a_crash_between_the_charge_and_its_answer_charges_nobody_twice() {
    let sandbox = Sandbox::new();
    let crash = sandbox.run(&["--crash-after-charge"]);
    assert_eq!(crash.status.signal(), Some(SIGABRT), "{crash:#?}");
    assert_eq!(sandbox.books().counts(), [1, 0, 0]);
    let outcome = sandbox.run(&[]);
    assert!(said(&outcome, "order")[0].starts_with("goes on, run "), "{outcome:#?}");
    assert_eq!(said(&outcome, "payments"), ["knows this payment already: receipt-1"]);
    sandbox.assert_shipped(&outcome);
}

#[test]
fn a_kill_between_the_charge_and_its_answer_charges_nobody_twice() {
    let sandbox = Sandbox::new();
    let mut running = sandbox.start(&["--timeout", "9"]);
    until(&mut running, "payments", "does not answer");
    let killed = running.kill();
    assert_eq!(killed.status.signal(), Some(SIGKILL), "{killed:#?}");
    assert_eq!(sandbox.books().counts(), [1, 0, 0]);
    let outcome = sandbox.run(&[]);
    assert_eq!(said(&outcome, "payments"), ["knows this payment already: receipt-1"]);
    sandbox.assert_shipped(&outcome);
}

#[test]
fn a_kill_between_the_charge_and_its_answer_can_still_be_paid_back() {
    let sandbox = Sandbox::new();
    let mut running = sandbox.start(&["--timeout", "9"]);
    until(&mut running, "payments", "does not answer");
    running.kill();
    let outcome = sandbox.run(&["--ship-fails"]);
    sandbox.assert_failed(&outcome, "ship it: no carrier takes it", [1, 1, 0]);
}

#[test]
fn a_kill_while_the_order_waits_is_survived_and_the_answer_taken_once() {
    let sandbox = Sandbox::new();
    let mut running = sandbox.start(&["--approve-after", "1h", "--deadline", "1h"]);
    until(&mut running, "status", "awaiting approval");
    running.kill();
    // Killed again when the answer has been acknowledged.
    let mut running = sandbox.start(&["--approve-after", "0s", "--timeout", "9"]);
    until(&mut running, "approver", "said yes");
    running.kill();
    let outcome = sandbox.run(&["--approve-after", "0s"]);
    sandbox.assert_shipped(&outcome);
    let comes = outcome.stdout.matches("signal `approve` comes").count();
    assert_eq!(comes, 1, "{outcome:#?}");
}

#[test]
fn a_kill_while_it_is_paid_back_is_survived() {
    let sandbox = Sandbox::new();
    let mut running = sandbox.start(&["--ship-fails", "--approve-after", "0s"]);
    until(&mut running, "payments", "charged 4200 cents, receipt-1");
    until(&mut running, "payments", "paid 4200 cents back");
    running.kill();
    let outcome = sandbox.run(&["--ship-fails", "--approve-after", "0s"]);
    let books = sandbox.books();
    if said(&outcome, "order")[0].starts_with("goes on") {
        sandbox.assert_failed(&outcome, "ship it: no carrier takes it", [1, 1, 0]);
    } else {
        // It was over before it could be killed; this was another order.
        assert_eq!(books.counts(), [2, 2, 0], "{outcome:#?}");
        assert_eq!(books.charged, books.refunded);
    }
}

#[test]
fn the_help_names_what_can_go_wrong() {
    let help = Sandbox::new().run(&["--help"]);
    for option in [
        "--decline",
        "--timeout",
        "--twice",
        "--busy",
        "--no-approval",
        "--reject",
        "--deadline",
        "--ship-fails",
        "--crash-after-charge",
    ] {
        assert!(help.stdout.contains(option), "{help:#?}");
    }
    let wrong = Sandbox::new().run(&["--deadline", "soon"]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:#?}");
}
