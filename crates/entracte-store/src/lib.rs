//! The storage of the Entracte journal: a small trait, its key layout, and fjall, in-memory and simulated stores.
