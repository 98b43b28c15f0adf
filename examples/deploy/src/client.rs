//! HTTP requests, as a health check makes them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// Says why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GetError {
    #[error("cannot connect to {address}")]
    Connect { address: SocketAddr, source: io::Error },
    #[error("the request for `/{path}` failed")]
    Http { path: String, source: hyper::Error },
    #[error("`/{path}` cannot be requested")]
    Request { path: String, source: hyper::http::Error },
    #[error("no answer for `/{path}` within {REQUEST_TIMEOUT:?}")]
    Timeout { path: String },
}

const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// What stands in the path of an address as it is.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Requests a file by its path, which has no slash before it.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<Page, GetError> {
    timeout(REQUEST_TIMEOUT, exchange(address, path))
        .await
        .unwrap_or_else(|_| Err(GetError::Timeout { path: path.to_owned() }))
}

async fn exchange(address: SocketAddr, path: &str) -> Result<Page, GetError> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|source| GetError::Connect { address, source })?;
    let http = |source| GetError::Http { path: path.to_owned(), source };
    let request = Request::get(format!("/{}", utf8_percent_encode(path, PATH)))
        .header(HOST, address.to_string())
        .body(Empty::<Bytes>::new())
        .map_err(|source| GetError::Request { path: path.to_owned(), source })?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
    // The connection ends with its sender; what goes wrong on it comes out of the request.
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(http)?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(http)?.to_bytes();
    Ok(Page { status, body })
}
