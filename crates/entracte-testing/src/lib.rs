//! Test engines for Entracte workflows: virtual time, replay after every event, simulated crashes.
