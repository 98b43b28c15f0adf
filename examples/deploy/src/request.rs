//! What is to be deployed, as a file says it.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::contract::DeployRequest;

/// Says why a request cannot be carried out. Nothing was done yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("request `{}` cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("request `{}` is not valid: {reason}", path.display())]
    Toml { path: PathBuf, reason: String },
    #[error(
        "request `{}` names the site `{name}`; a name has 1 to {NAME_CHARS_MAX} of the \
         characters a-z, 0-9 and -", path.display()
    )]
    Name { path: PathBuf, name: String },
    #[error("site `{}` cannot be read", site.display())]
    Site { site: PathBuf, source: io::Error },
    #[error("site `{}` has no home page index.html", site.display())]
    NoHomePage { site: PathBuf },
}

/// The longest name of a site: it becomes part of the workflow id.
const NAME_CHARS_MAX: usize = 60;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestFile {
    name: String,
    site: PathBuf,
    host: IpAddr,
}

/// Reads a request and checks that its site is there.
pub(crate) fn load(path: &Path) -> Result<DeployRequest, RequestError> {
    let text = fs::read_to_string(path)
        .map_err(|source| RequestError::Read { path: path.to_path_buf(), source })?;
    let RequestFile { name, site, host } = toml::from_str(&text).map_err(|error| {
        let reason = error.to_string().trim_end().to_owned();
        RequestError::Toml { path: path.to_path_buf(), reason }
    })?;
    let fits = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-';
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(fits) {
        return Err(RequestError::Name { path: path.to_path_buf(), name });
    }
    let site = path.parent().unwrap_or(Path::new("")).join(site);
    // Absolute, because the run may go on from another working directory.
    let site = fs::canonicalize(&site).map_err(|source| RequestError::Site { site, source })?;
    if !site.join("index.html").is_file() {
        return Err(RequestError::NoHomePage { site });
    }
    Ok(DeployRequest { name, site, host })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a request beside a site with a home page and loads it.
    fn load_text(text: &str) -> Result<DeployRequest, String> {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("site")).unwrap();
        fs::write(dir.path().join("site/index.html"), "hello").unwrap();
        fs::create_dir(dir.path().join("empty")).unwrap();
        let path = dir.path().join("request.toml");
        fs::write(&path, text).unwrap();
        load(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn the_request_of_the_example_is_valid() {
        let request =
            load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/request.toml"))).unwrap();
        assert_eq!(request.name, "hello");
        assert!(request.host.is_loopback());
    }

    #[test]
    fn the_site_is_found_relative_to_the_request() {
        let request = load_text("name = \"a\"\nsite = \"site\"\nhost = \"127.0.0.1\"").unwrap();
        assert!(request.site.is_absolute());
        assert!(request.site.ends_with("site"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("name = 1", "invalid type: integer `1`"),
            ("name = \"a\"\nsite = \"site\"", "missing field `host`"),
            ("name = \"a\"\nsite = \"site\"\nhost = \"here\"", "invalid IP address"),
            ("nom = \"a\"", "unknown field `nom`"),
            ("name = \"A b\"\nsite = \"site\"\nhost = \"::1\"", "names the site `A b`"),
            ("name = \"a\"\nsite = \"gone\"\nhost = \"::1\"", "gone` cannot be read"),
            ("name = \"a\"\nsite = \"empty\"\nhost = \"::1\"", "has no home page"),
        ];
        for (text, wanted) in cases {
            let error = load_text(text).unwrap_err();
            assert!(error.contains(wanted), "{text:?} gives {error:?}");
        }
    }

    #[test]
    fn a_request_that_is_missing_is_named() {
        let error = load(Path::new("no-such-request.toml")).unwrap_err();
        assert_eq!(error.to_string(), "request `no-such-request.toml` cannot be read");
    }
}
