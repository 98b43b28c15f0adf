//! Checksums of files.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use entracte::prelude::*;
use sha2::{Digest, Sha256};

/// The SHA-256 of a file in hexadecimal digits. Tells after each piece how many bytes it had;
/// an error of that ends it.
pub(crate) fn sha256(
    path: &Path,
    mut read_so_far: impl FnMut(u64) -> ActivityResult<()>,
) -> ActivityResult<String> {
    let mut hasher = Sha256::new();
    let read = || format!("read `{}`", path.display());
    let mut file = File::open(path).with_context(read)?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let bytes = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error).with_context(read)?,
        };
        hasher.update(&buffer[..bytes]);
        read_so_far(u64::try_from(bytes).unwrap_or(u64::MAX))?;
    }
    Ok(hex(&hasher.finalize()))
}

/// The SHA-256 of a text in hexadecimal digits.
pub(crate) fn sha256_of_text(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_the_standard_s() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        let mut told = 0;
        let found = sha256(&path, |bytes| {
            told += bytes;
            Ok(())
        });
        // The example of FIPS 180-2.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(found.unwrap(), abc);
        assert_eq!(sha256_of_text("abc"), abc);
        assert_eq!(told, 3);
        let failure = sha256(&path, |_| Err(Failure::canceled())).unwrap_err();
        assert_eq!(failure.to_string(), "canceled");
    }
}
