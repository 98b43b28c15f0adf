//! The HTTP server that a deployment starts: the files of one release, and nothing else.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::console;

/// The arguments that make this program a server, before the configuration's path.
pub(crate) const COMMAND: [&str; 2] = ["serve", "--config"];
/// The first words a server prints, when it listens.
pub(crate) const LISTENING: &str = "listening on ";

/// A server's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerConfig {
    /// Where to listen.
    pub(crate) address: SocketAddr,
    /// The directory of the files, relative to the configuration.
    pub(crate) root: PathBuf,
}

/// Says why a server cannot serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("server configuration `{}` cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("server configuration `{}` is not valid: {reason}", path.display())]
    Toml { path: PathBuf, reason: String },
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: io::Error },
}

impl ServerConfig {
    /// Reads a configuration; the root comes out relative to the working directory.
    pub(crate) fn load(path: &Path) -> Result<Self, ServerError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ServerError::Read { path: path.to_path_buf(), source })?;
        let mut config: Self = toml::from_str(&text).map_err(|error| ServerError::Toml {
            path: path.to_path_buf(),
            reason: error.to_string(),
        })?;
        config.root = path.parent().unwrap_or(Path::new("")).join(config.root);
        Ok(config)
    }
}

/// Serves until the process is stopped.
pub(crate) async fn run(path: &Path) -> Result<(), ServerError> {
    let ServerConfig { address, root } = ServerConfig::load(path)?;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| ServerError::Listen { address, source })?;
    console::line(format_args!("{LISTENING}{address}"));
    serve(listener, root).await;
    Ok(())
}

/// Answers every connection that comes in.
async fn serve(listener: TcpListener, root: PathBuf) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // One connection went wrong, or too many are open: the next may work.
            Err(error) => {
                console::line(format_args!("a connection was not accepted: {error}"));
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        let root = root.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(&root, request));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                console::line(format_args!("a connection failed: {error}"));
            }
        });
    }
}

async fn answer<B>(root: &Path, request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED);
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(refusal);
    }
    let Some(path) = file_path(root, request.uri().path()) else {
        return Ok(plain(StatusCode::NOT_FOUND));
    };
    Ok(match tokio::fs::read(&path).await {
        Ok(content) => {
            let mut page = Response::new(Full::new(content.into()));
            page.headers_mut().insert(CONTENT_TYPE, content_type(&path));
            page
        }
        Err(error) => plain(match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory => StatusCode::NOT_FOUND,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }),
    })
}

/// An answer that says its status and nothing more.
fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(format!("{status}\n").into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// The file that an address means; none if it leads out of the root.
fn file_path(root: &Path, address: &str) -> Option<PathBuf> {
    let decoded = percent_decode_str(address).decode_utf8().ok()?;
    let relative = Path::new(decoded.strip_prefix('/')?);
    if decoded.contains('\0')
        || !relative.components().all(|part| matches!(part, Component::Normal(_)))
    {
        return None;
    }
    let path = root.join(relative);
    Some(if decoded.ends_with('/') { path.join("index.html") } else { path })
}

fn content_type(path: &Path) -> HeaderValue {
    HeaderValue::from_static(match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("txt") => "text/plain; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client;

    #[test]
    fn addresses_stay_inside_the_root() {
        let path = |address| file_path(Path::new("/site"), address);
        assert_eq!(path("/").as_deref(), Some(Path::new("/site/index.html")));
        assert_eq!(path("/about/").as_deref(), Some(Path::new("/site/about/index.html")));
        assert_eq!(path("/a%20b.css").as_deref(), Some(Path::new("/site/a b.css")));
        for escape in ["/../x", "/a/../../x", "/%2e%2e/x", "//etc/passwd", "/a%00b", "x", "/%ff"] {
            assert_eq!(path(escape), None, "{escape}");
        }
    }

    #[tokio::test]
    async fn files_are_served_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("about")).unwrap();
        std::fs::write(dir.path().join("index.html"), "home").unwrap();
        std::fs::write(dir.path().join("about/x y.css"), "style").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener, dir.path().to_path_buf()));
        let cases = [
            ("", StatusCode::OK, "home"),
            ("index.html", StatusCode::OK, "home"),
            ("about/x y.css", StatusCode::OK, "style"),
            ("about", StatusCode::NOT_FOUND, "404 Not Found\n"),
            ("about/", StatusCode::NOT_FOUND, "404 Not Found\n"),
            ("../index.html", StatusCode::NOT_FOUND, "404 Not Found\n"),
            ("index.html/x", StatusCode::NOT_FOUND, "404 Not Found\n"),
        ];
        for (path, status, body) in cases {
            let page = client::get(address, path).await.unwrap();
            assert_eq!((page.status, &page.body[..]), (status, body.as_bytes()), "{path}");
        }
        server.abort();
    }

    #[test]
    fn the_root_is_relative_to_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("server.toml");
        std::fs::write(&path, "address = \"127.0.0.1:80\"\nroot = \"site\"").unwrap();
        let config = ServerConfig::load(&path).unwrap();
        assert_eq!(config.root, dir.path().join("site"));
        assert_eq!(config.address.port(), 80);
    }
}
