//! The actors that run Entracte workflows: runs, attempts, timers, the journal and the directory.
