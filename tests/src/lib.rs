//! Integration tests of Entracte: one file per behaviour, on real disks and real processes.
