//! Published state: written with the turn that publishes it, and read from the store.

use std::sync::Arc;

use entracte_model::{Event, Payload, RunId};
use entracte_store::keys::PublishedKey;
use entracte_store::rows::PublishedRow;
use entracte_store::{Store, StoreExt};
use entracte_workflow::TurnFailure;

use super::effect::{Effect, Query};
use super::state::{Change, RunState};
use crate::errors::QueryError;

/// What a turn has published, by name.
pub(super) type Published = Vec<(Arc<str>, Payload)>;

impl RunState {
    /// Why a turn fails that publishes this, if it does (rule LIM-4).
    pub(super) fn refuse_published(&self, published: &Published) -> Option<TurnFailure> {
        let limit = self.shared.options.payload_bytes_max;
        let (name, value) = published.iter().find(|(_, value)| value.data().len() > limit)?;
        let (query, bytes) = (name.to_string(), value.data().len());
        Some(TurnFailure::PublishedTooLarge { query, bytes, limit })
    }

    /// Writes what a turn has published in the turn's own batch.
    pub(super) fn record_published(
        &self,
        published: Published,
        events: &[Event],
        change: &mut Change,
    ) {
        let Some(last) = events.last() else { return };
        for (name, value) in published {
            let key = PublishedKey { run_id: self.run_id, name: name.to_string() };
            let row = PublishedRow { event_id: last.id, time: last.time, value };
            change.rows.put_published(&key, &row);
        }
    }

    /// Lets the queries be answered that came, once every input has had its turn that was
    /// acknowledged before them and can have it (rule QRY-2): when that is durable, the store
    /// has the answers.
    pub(super) fn release_queries(&mut self) {
        let takes_turns = self.parked.is_none() && !self.is_closed();
        if takes_turns && !self.inputs.is_empty() && self.asleep_until().is_none() {
            return;
        }
        for query in std::mem::take(&mut self.queries) {
            self.after_commit(Effect::AnswerQuery(query));
        }
    }

    pub(super) fn answer_query(&self, Query { name, reply }: Query) {
        let _ = reply.send(published(&*self.shared.store, self.run_id, &name));
    }
}

/// What a run has published under a name, as far as it is durable.
pub(crate) fn published(
    store: &dyn Store,
    run_id: RunId,
    query: &str,
) -> Result<Payload, QueryError> {
    let key = PublishedKey { run_id, name: query.to_owned() };
    if let Some(row) = store.get_published(&key)? {
        return Ok(row.value);
    }
    let published = store.published(run_id)?.into_iter().map(|(key, _)| key.name).collect();
    Err(QueryError::NotPublished { run_id, query: key.name, published })
}
