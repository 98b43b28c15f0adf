//! Deploys a small site in five durable stages, and survives being killed at any of them.
