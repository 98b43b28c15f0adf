//! Which disk a round writes to: a sync that costs nothing measures nothing.

use std::path::Path;

/// The name of the file system that holds a directory, such as `ext4`; none where the operating
/// system does not list its mounts in `/proc/self/mountinfo`.
#[must_use]
pub fn file_system(directory: &Path) -> Option<String> {
    let directory = directory.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    file_system_among(&mounts, &directory)
}

/// Says whether a file system of this name lives in memory.
#[must_use]
pub fn is_in_memory(file_system: &str) -> bool {
    matches!(file_system, "tmpfs" | "ramfs")
}

/// The mount whose point is the longest prefix of the directory holds it; of two at the same
/// point the later one lies on top.
fn file_system_among(mounts: &str, directory: &Path) -> Option<String> {
    mounts
        .lines()
        .filter_map(|line| {
            let (mount, source) = line.split_once(" - ")?;
            let point = unescape(mount.split(' ').nth(4)?);
            let name = source.split(' ').next()?;
            directory.starts_with(&point).then_some((point.len(), name))
        })
        .max_by_key(|(length, _)| *length)
        .map(|(_, name)| name.to_owned())
}

/// The kernel writes these four characters of a path as octal numbers.
fn unescape(point: &str) -> String {
    point.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
25 22 0:22 / /tmp rw,nosuid - tmpfs tmpfs rw
31 22 8:1 / /mnt/big\\040disk rw shared:7 master:2 - xfs /dev/sda1 rw
32 22 8:2 / /mnt/big\\040disk rw - btrfs /dev/sda2 rw
";

    #[test]
    fn the_deepest_mount_holds_a_directory() {
        let of = |path: &str| file_system_among(MOUNTS, Path::new(path));
        assert_eq!(of("/home/ada").as_deref(), Some("ext4"));
        assert_eq!(of("/tmp/load").as_deref(), Some("tmpfs"));
        assert_eq!(of("/tmpfiles").as_deref(), Some("ext4"));
    }

    #[test]
    fn a_later_mount_lies_on_top_and_blanks_are_understood() {
        let of = |path: &str| file_system_among(MOUNTS, Path::new(path));
        assert_eq!(of("/mnt/big disk/load").as_deref(), Some("btrfs"));
    }
}
