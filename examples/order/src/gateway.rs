//! The way to a payment service, as the activities need it.

use crate::bank::Answer;
use crate::contract::{Payment, Receipt, Refund};

/// Says why a payment service did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GatewayError {
    /// The card is declined, and would be again.
    #[error("{reason}")]
    Declined { reason: String },
    /// The request makes no sense to the service, and would not later.
    #[error("the payment service refused: {reason}")]
    Refused { reason: String },
    /// The service cannot answer now.
    #[error("{reason}")]
    Busy { reason: String },
    /// What came is no answer of the service.
    #[error("the payment service cannot be understood: {0}")]
    Unexpected(String),
    /// The service was not reached, or the connection broke.
    #[error("the payment service cannot be reached: {0}")]
    Unreachable(String),
}

/// A payment service. Both requests can be repeated: it knows a payment by its key.
pub(crate) trait Gateway: Send + Sync + 'static {
    /// Charges the card.
    fn charge(
        &self,
        payment: &Payment,
    ) -> impl Future<Output = Result<Receipt, GatewayError>> + Send;

    /// Pays back what was charged, if anything was.
    fn refund(
        &self,
        payment: &Payment,
    ) -> impl Future<Output = Result<Refund, GatewayError>> + Send;
}

/// What a charge's answer means; none that comes is waited for without end.
pub(crate) async fn receipt_of(answer: Answer) -> Result<Receipt, GatewayError> {
    match failed(answer).await? {
        Answer::Charged { receipt } => Ok(Receipt { receipt }),
        other => Err(GatewayError::Unexpected(format!("{other:?}"))),
    }
}

/// What a refund's answer means.
pub(crate) async fn refund_of(answer: Answer) -> Result<Refund, GatewayError> {
    match failed(answer).await? {
        Answer::Refunded { cents } => Ok(Refund { refunded: cents }),
        other => Err(GatewayError::Unexpected(format!("{other:?}"))),
    }
}

async fn failed(answer: Answer) -> Result<Answer, GatewayError> {
    match answer {
        Answer::Silence => std::future::pending().await,
        Answer::Declined { reason } => Err(GatewayError::Declined { reason }),
        Answer::Refused { reason } => Err(GatewayError::Refused { reason }),
        Answer::Busy { reason } => Err(GatewayError::Busy { reason }),
        answer @ (Answer::Charged { .. } | Answer::Refunded { .. }) => Ok(answer),
    }
}
