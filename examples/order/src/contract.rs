//! The contract between the workflow, its activities and its clients: durable names, types and
//! options.

use std::fmt;
use std::time::Duration;

use entracte::prelude::*;
use serde::{Deserialize, Serialize};

/// The workflow: from an order to a parcel on its way.
pub(crate) const ORDER: Workflow<Order, Tracking> = Workflow::new("order");
/// The approver's answer.
pub(crate) const APPROVE: Signal<Approval> = Signal::new("approve");
/// Where an order stands.
pub(crate) const STATUS: Query<Status> = Query::new("status");

/// Charges the card. An answer that takes more than two seconds is not waited for: the next
/// attempt asks again, with the same key.
pub(crate) const CHARGE: Activity<Payment, Receipt> =
    Activity::new("charge").start_to_close_timeout(Duration::from_secs(1)).retry_policy(
        RetryPolicy::exponential(Duration::from_millis(200))
            .maximum_attempts(5)
            .non_retryable(&[DECLINED]),
    );
/// Pays back what was charged, if anything was. It is tried until it works: the money is not
/// ours.
pub(crate) const REFUND: Activity<Payment, Refund> =
    Activity::new("refund").start_to_close_timeout(Duration::from_secs(5)).retry_policy(
        RetryPolicy::exponential(Duration::from_millis(200))
            .maximum_interval(Duration::from_secs(60)),
    );
/// Hands the order to a carrier.
pub(crate) const SHIP: Activity<String, Tracking> = Activity::new("ship")
    .start_to_close_timeout(Duration::from_secs(30))
    .retry_policy(RetryPolicy::exponential(Duration::from_millis(200)).maximum_attempts(3));

/// The type of the failure when the card is declined.
pub(crate) const DECLINED: &str = "Declined";

/// What is ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) cents: u64,
    /// How long it waits for its approval.
    pub(crate) deadline: Duration,
}

/// What the approver says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Approval {
    pub(crate) approved: bool,
    pub(crate) by: String,
}

/// What is to be charged, or paid back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Payment {
    /// What the payment service knows the payment by: whoever uses it again means the same one.
    pub(crate) key: String,
    pub(crate) order: String,
    pub(crate) cents: u64,
}

/// What the payment service says of a charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) receipt: String,
}

/// What the payment service says of a refund.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refund {
    /// Zero if nothing had been charged.
    pub(crate) refunded: u64,
}

/// What the carrier says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tracking {
    pub(crate) tracking: String,
}

/// Where an order stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    AwaitingApproval,
    Charging,
    Shipping {
        receipt: String,
    },
    /// Something failed: what was charged is paid back.
    PayingBack,
    Shipped {
        tracking: String,
    },
    /// Over, and nothing was shipped.
    Failed {
        why: String,
    },
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AwaitingApproval => f.write_str("awaiting approval"),
            Self::Charging => f.write_str("charging the card"),
            Self::Shipping { receipt } => write!(f, "paid, {receipt}; shipping"),
            Self::PayingBack => f.write_str("paying back what was charged"),
            Self::Shipped { tracking } => write!(f, "shipped, {tracking}"),
            Self::Failed { why } => write!(f, "failed: {why}"),
        }
    }
}
