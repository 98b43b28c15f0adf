//! The checksums that fjall and its trees use, XXH3, and we with them.

/// The checksum of a batch in fjall's journal, and of a slot of our tail's file.
pub(super) fn short(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

/// The checksum of a whole file of a tree.
pub(super) fn long(bytes: &[u8]) -> u128 {
    xxhash_rust::xxh3::xxh3_128(bytes)
}
