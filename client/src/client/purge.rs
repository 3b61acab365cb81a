//! Purges, asked of a server.

use super::{Client, decode};
use crate::error::Result;
use crate::query_string::encode;
use crate::wire::{PURGE_PATH, PurgeAnswer, PurgeQuery};
use hyper::Method;

impl Client {
    /// Purges what was counted by a dry run that gave this confirmation; without one, that dry run.
    ///
    /// # Errors
    /// [`crate::Error::Server`], [`crate::Error::Transport`];
    /// [`crate::wire::ErrorKind::Conflict`] if it is not what was counted any more.
    pub async fn purge(&self, query: &PurgeQuery, confirm: Option<&str>) -> Result<PurgeAnswer> {
        let PurgeQuery { older_than, level, class, q, exact } = query;
        let said = [("older_than", older_than), ("level", level), ("class", class), ("q", q)];
        let mut pairs: Vec<(&str, &str)> =
            said.iter().filter_map(|(name, text)| Some((*name, text.as_deref()?))).collect();
        pairs.extend(exact.then_some(("exact", "true")));
        pairs.push(confirm.map_or(("dry_run", "true"), |confirm| ("confirm", confirm)));
        decode(&self.call(Method::DELETE, PURGE_PATH, &encode(pairs)).await?)
    }
}
