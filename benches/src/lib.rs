//! Load programs for Entracte, beside the floor they are measured against.
