//! The payment service over HTTP: a small server, and the gateway that is its client.
//!
//! `POST /charges` and `POST /refunds` take a [`Payment`] as JSON and answer with a [`Receipt`]
//! or a [`Refund`]; 402 is a declined card, 409 a request that cannot be carried out, 503 one
//! that can be made again.

use std::io;
use std::net::SocketAddr;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::header::CONTENT_TYPE;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::bank::{Answer, Bank};
use crate::contract::{Payment, Receipt, Refund};
use crate::gateway::{Gateway, GatewayError, receipt_of, refund_of};

/// What stands in the body of an answer that is none of the good ones.
#[derive(Debug, Serialize, Deserialize)]
struct Refusal {
    error: String,
}

/// Starts the server on a free port of this machine; it ends with the runtime.
pub(crate) async fn serve(bank: Bank) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = Router::new()
        .route("/charges", post(async |bank, payment| answer(bank, payment, Bank::charge).await))
        .route("/refunds", post(async |bank, payment| answer(bank, payment, Bank::refund).await))
        .with_state(bank);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

async fn answer(
    State(bank): State<Bank>,
    Json(payment): Json<Payment>,
    serve: fn(&Bank, &Payment) -> Answer,
) -> Response {
    // It writes to the disk.
    let served = tokio::task::spawn_blocking(move || serve(&bank, &payment)).await;
    let refusal = |status, error| (status, Json(Refusal { error })).into_response();
    match served {
        Ok(Answer::Charged { receipt }) => Json(Receipt { receipt }).into_response(),
        Ok(Answer::Refunded { cents }) => Json(Refund { refunded: cents }).into_response(),
        Ok(Answer::Declined { reason }) => refusal(StatusCode::PAYMENT_REQUIRED, reason),
        Ok(Answer::Refused { reason }) => refusal(StatusCode::CONFLICT, reason),
        Ok(Answer::Busy { reason }) => refusal(StatusCode::SERVICE_UNAVAILABLE, reason),
        // Until the client hangs up.
        Ok(Answer::Silence) => std::future::pending().await,
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// The payment service as its clients reach it.
#[derive(Debug)]
pub(crate) struct HttpGateway {
    client: Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    /// Whether every request is sent twice, as a network does that repeats what it holds lost.
    twice: bool,
}

impl HttpGateway {
    pub(crate) fn new(address: SocketAddr, twice: bool) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, address, twice }
    }

    async fn post(&self, path: &str, payment: &Payment) -> Result<Answered, GatewayError> {
        let first = self.post_once(path, payment).await?;
        if !self.twice {
            return Ok(first);
        }
        let second = self.post_once(path, payment).await?;
        if first == second {
            return Ok(second);
        }
        Err(GatewayError::Unexpected(format!("it answered {first:?}, then {second:?}")))
    }

    async fn post_once(&self, path: &str, payment: &Payment) -> Result<Answered, GatewayError> {
        let unexpected =
            |error: &dyn std::fmt::Display| GatewayError::Unexpected(error.to_string());
        let body = serde_json::to_vec(payment).map_err(|error| unexpected(&error))?;
        let request = Request::post(format!("http://{}{path}", self.address))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body.into()))
            .map_err(|error| unexpected(&error))?;
        let unreachable =
            |error: &dyn std::fmt::Display| GatewayError::Unreachable(error.to_string());
        let response = self.client.request(request).await.map_err(|error| unreachable(&error))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| unreachable(&error))?;
        Ok(Answered { status, body: body.to_bytes() })
    }
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
struct Answered {
    status: StatusCode,
    body: Bytes,
}

impl Answered {
    /// Reads the answer, whose good form is given.
    fn read<'a, T: Deserialize<'a>>(
        &'a self,
        good: impl FnOnce(T) -> Answer,
    ) -> Result<Answer, GatewayError> {
        let unreadable = |error| {
            let text = String::from_utf8_lossy(&self.body);
            GatewayError::Unexpected(format!("{error} in {} `{text}`", self.status))
        };
        if self.status.is_success() {
            return serde_json::from_slice(&self.body).map(good).map_err(unreadable);
        }
        let refusal: Refusal = serde_json::from_slice(&self.body).map_err(unreadable)?;
        let reason = refusal.error;
        Ok(match self.status {
            StatusCode::PAYMENT_REQUIRED => Answer::Declined { reason },
            StatusCode::CONFLICT => Answer::Refused { reason },
            _ => Answer::Busy { reason },
        })
    }
}

impl Gateway for HttpGateway {
    async fn charge(&self, payment: &Payment) -> Result<Receipt, GatewayError> {
        let answered = self.post("/charges", payment).await?;
        receipt_of(answered.read(|Receipt { receipt }| Answer::Charged { receipt })?).await
    }

    async fn refund(&self, payment: &Payment) -> Result<Refund, GatewayError> {
        let answered = self.post("/refunds", payment).await?;
        refund_of(answered.read(|Refund { refunded }| Answer::Refunded { cents: refunded })?).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::bank::Trouble;
    use crate::ledger::Ledger;

    async fn service(trouble: Trouble, twice: bool) -> (Arc<Ledger>, HttpGateway) {
        let ledger = Arc::new(Ledger::default());
        let bank = Bank::new(Arc::clone(&ledger), trouble, |_| {});
        let address = serve(bank).await.unwrap();
        (ledger, HttpGateway::new(address, twice))
    }

    fn payment(cents: u64) -> Payment {
        Payment { key: "key".to_owned(), order: "order".to_owned(), cents }
    }

    #[tokio::test]
    async fn a_payment_is_charged_and_paid_back_over_http() {
        let (ledger, gateway) = service(Trouble::default(), true).await;
        for _ in 0..2 {
            assert_eq!(gateway.charge(&payment(5)).await.unwrap().receipt, "receipt-1");
        }
        let error = gateway.charge(&payment(6)).await.unwrap_err();
        assert!(matches!(&error, GatewayError::Refused { .. }), "{error:?}");
        assert_eq!(gateway.refund(&payment(5)).await.unwrap().refunded, 5);
        assert_eq!(ledger.entries().len(), 2);
    }

    #[tokio::test]
    async fn what_goes_wrong_is_told_apart() {
        let trouble = Trouble { decline: true, busy: 1.into(), ..Trouble::default() };
        let (ledger, gateway) = service(trouble, false).await;
        let error = gateway.charge(&payment(5)).await.unwrap_err();
        assert_eq!(error.to_string(), "the payment service is busy");
        let error = gateway.charge(&payment(5)).await.unwrap_err();
        assert!(matches!(&error, GatewayError::Declined { .. }), "{error:?}");
        assert_eq!(error.to_string(), "the card has no funds");
        assert_eq!(ledger.entries(), []);

        let (ledger, gateway) =
            service(Trouble { silent: 1.into(), ..Trouble::default() }, false).await;
        let payment = payment(5);
        let waits = tokio::time::timeout(Duration::from_millis(200), gateway.charge(&payment));
        assert!(waits.await.is_err(), "it is made, and not answered");
        assert_eq!(ledger.entries().len(), 1);
        assert_eq!(gateway.charge(&payment).await.unwrap().receipt, "receipt-1");

        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = HttpGateway::new(nobody, false).charge(&payment).await.unwrap_err();
        assert!(matches!(&error, GatewayError::Unreachable(_)), "{error:?}");
    }
}
