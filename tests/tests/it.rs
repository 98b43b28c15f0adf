//! The integration tests, one file per behaviour.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "it/acknowledged.rs"]
mod acknowledged;
#[path = "it/activities.rs"]
mod activities;
#[path = "it/async_completion.rs"]
mod async_completion;
#[path = "it/async_completion_survives.rs"]
mod async_completion_survives;
#[path = "it/attempts_model.rs"]
mod attempts_model;
#[path = "it/blocking.rs"]
mod blocking;
#[path = "it/both_clocks.rs"]
mod both_clocks;
#[path = "it/bulk.rs"]
mod bulk;
#[path = "it/cancellation.rs"]
mod cancellation;
#[path = "it/cancelled_backoff.rs"]
mod cancelled_backoff;
#[path = "it/chain_children.rs"]
mod chain_children;
#[path = "it/chain_faults.rs"]
mod chain_faults;
#[path = "it/chain_relay.rs"]
mod chain_relay;
#[path = "it/children.rs"]
mod children;
#[path = "it/children_survive.rs"]
mod children_survive;
#[path = "it/continue_as_new.rs"]
mod continue_as_new;
#[path = "it/crash_everywhere.rs"]
mod crash_everywhere;
#[path = "it/deep_failure.rs"]
mod deep_failure;
#[path = "it/describing.rs"]
mod describing;
#[path = "it/determinism.rs"]
mod determinism;
#[path = "it/dynamic.rs"]
mod dynamic;
#[path = "it/ending.rs"]
mod ending;
#[path = "it/external_signal_chain.rs"]
mod external_signal_chain;
#[path = "it/external_signals.rs"]
mod external_signals;
#[path = "it/failures.rs"]
mod failures;
#[path = "it/fairness_key_rates.rs"]
mod fairness_key_rates;
#[path = "it/group_commit.rs"]
mod group_commit;
#[path = "it/headers.rs"]
mod headers;
#[path = "it/heartbeats.rs"]
mod heartbeats;
#[path = "it/interceptors.rs"]
mod interceptors;
#[path = "it/journal_first.rs"]
mod journal_first;
#[path = "it/kept_handle.rs"]
mod kept_handle;
#[path = "it/killed_actors.rs"]
mod killed_actors;
#[path = "it/killed_journal.rs"]
mod killed_journal;
#[path = "it/killed_kinds.rs"]
mod killed_kinds;
#[path = "it/leftovers.rs"]
mod leftovers;
#[path = "it/limits.rs"]
mod limits;
#[path = "it/local_activities.rs"]
mod local_activities;
#[path = "it/local_activities_cancelled.rs"]
mod local_activities_cancelled;
#[path = "it/local_activities_gate.rs"]
mod local_activities_gate;
#[path = "it/local_activities_interrupted.rs"]
mod local_activities_interrupted;
#[path = "it/local_activities_recovery.rs"]
mod local_activities_recovery;
#[path = "it/mailboxes.rs"]
mod mailboxes;
#[path = "it/parked_parent.rs"]
mod parked_parent;
#[path = "it/parking.rs"]
mod parking;
#[path = "it/payload_limits.rs"]
mod payload_limits;
#[path = "it/pending_operations.rs"]
mod pending_operations;
#[path = "it/pending_operations_survive.rs"]
mod pending_operations_survive;
#[path = "it/queries.rs"]
mod queries;
#[path = "it/recovery.rs"]
mod recovery;
#[path = "it/refused_terminates.rs"]
mod refused_terminates;
#[path = "it/reopened_closed.rs"]
mod reopened_closed;
#[path = "it/repeated_cancel.rs"]
mod repeated_cancel;
#[path = "it/repeated_signal.rs"]
mod repeated_signal;
#[path = "it/repeated_terminate.rs"]
mod repeated_terminate;
#[path = "it/run_task_queues.rs"]
mod run_task_queues;
#[path = "it/run_task_queues_survive.rs"]
mod run_task_queues_survive;
#[path = "it/sagas.rs"]
mod sagas;
#[path = "it/scopes.rs"]
mod scopes;
#[path = "it/shutdown.rs"]
mod shutdown;
#[path = "it/signals.rs"]
mod signals;
#[path = "it/signals_lost_nowhere.rs"]
mod signals_lost_nowhere;
#[path = "it/starting.rs"]
mod starting;
#[path = "it/storage_errors.rs"]
mod storage_errors;
#[path = "it/supervision.rs"]
mod supervision;
#[path = "it/task_queues.rs"]
mod task_queues;
#[path = "it/task_queues_faults.rs"]
mod task_queues_faults;
#[path = "it/timeouts.rs"]
mod timeouts;
#[path = "it/timers.rs"]
mod timers;
#[path = "it/tree.rs"]
mod tree;
#[path = "it/tree_model.rs"]
mod tree_model;
#[path = "it/unknown_cancel.rs"]
mod unknown_cancel;
#[path = "it/unread_signals.rs"]
mod unread_signals;
#[path = "it/unreadable.rs"]
mod unreadable;
#[path = "it/verifying.rs"]
mod verifying;
#[path = "it/waking.rs"]
mod waking;
#[path = "it/watching.rs"]
mod watching;
#[path = "it/workflow_retries.rs"]
mod workflow_retries;
#[path = "it/workflow_retries_backoff.rs"]
mod workflow_retries_backoff;
#[path = "it/zero_interval.rs"]
mod zero_interval;
