//! Every effect of an order.

use std::sync::Arc;

use entracte::prelude::*;

use crate::contract::{CHARGE, DECLINED, Payment, REFUND, Receipt, Refund, SHIP, Tracking};
use crate::gateway::{Gateway, GatewayError};

/// Payments through whatever gateway is injected.
#[derive(Debug)]
pub(crate) struct Payments<G> {
    pub(crate) gateway: G,
}

impl<G: Gateway> Activities for Payments<G> {
    fn register(registry: &mut ActivityRegistry<Self>) {
        registry.add(CHARGE, Self::charge).add(REFUND, Self::refund);
    }
}

impl<G: Gateway> Payments<G> {
    async fn charge(
        self: Arc<Self>,
        _ctx: ActivityContext,
        payment: Payment,
    ) -> ActivityResult<Receipt> {
        match self.gateway.charge(&payment).await {
            Err(GatewayError::Declined { reason }) => Err(Failure::non_retryable(DECLINED, reason)),
            Err(error @ GatewayError::Refused { .. }) => {
                Err(Failure::non_retryable("Refused", error.to_string()))
            }
            // Whatever else went wrong may go right the next time, with the same key.
            other => Ok(other?),
        }
    }

    async fn refund(
        self: Arc<Self>,
        _ctx: ActivityContext,
        payment: Payment,
    ) -> ActivityResult<Refund> {
        Ok(self.gateway.refund(&payment).await?)
    }
}

/// Where parcels leave.
#[derive(Debug)]
pub(crate) struct Warehouse {
    /// Whether there is a carrier.
    pub(crate) has_carrier: bool,
}

impl Activities for Warehouse {
    fn register(registry: &mut ActivityRegistry<Self>) {
        registry.add(SHIP, Self::ship);
    }
}

impl Warehouse {
    async fn ship(
        self: Arc<Self>,
        _ctx: ActivityContext,
        order: String,
    ) -> ActivityResult<Tracking> {
        if !self.has_carrier {
            return Err(Failure::non_retryable("NoCarrier", "no carrier takes it"));
        }
        Ok(Tracking { tracking: format!("parcel-of-{order}") })
    }
}
