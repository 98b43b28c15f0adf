//! What authors of workflows and activities write against, and the pure machine that runs workflows.
