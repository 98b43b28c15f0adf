//! A durable multi-stage workflow engine inside a Rust program, with the semantics of Temporal.
