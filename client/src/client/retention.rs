//! How long events are kept, asked of a server.

use super::{Client, decode, path_of};
use crate::error::{Error, Result};
use crate::query_string::encode;
use crate::wire::{
    HOLD_PATH, HOLDS_PATH, HoldMadeAnswer, HoldQuery, HoldsAnswer, RETENTION_PATH,
    RETENTION_RESUME_PATH, RETENTION_RUN_PATH, ReleasedHoldAnswer, RetentionAnswer,
    RetentionRunAnswer,
};
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request};

impl Client {
    /// How retention stands: classes, what is stored of them, what is held.
    ///
    /// # Errors
    /// [`Error::Server`], [`Error::Transport`].
    pub async fn retention(&self) -> Result<RetentionAnswer> {
        decode(&self.call(Method::GET, RETENTION_PATH, "").await?)
    }

    /// Drops what is due, or tells what would go; by `force` also what was not exported yet.
    ///
    /// # Errors
    /// As [`Client::retention`].
    pub async fn retention_run(&self, dry_run: bool, force: bool) -> Result<RetentionRunAnswer> {
        let query = format!("dry_run={dry_run}&force={force}");
        decode(&self.call(Method::POST, RETENTION_RUN_PATH, &query).await?)
    }

    /// Says that the server's clock is right: what is due is dropped again.
    ///
    /// # Errors
    /// As [`Client::retention`].
    pub async fn retention_resume(&self) -> Result<()> {
        self.call(Method::POST, RETENTION_RESUME_PATH, "").await.map(drop)
    }

    /// What is held, and by `released` also the last holds that ended.
    ///
    /// # Errors
    /// As [`Client::retention`].
    pub async fn holds(&self, released: bool) -> Result<HoldsAnswer> {
        let query = if released { "released=true" } else { "" };
        decode(&self.call(Method::GET, HOLDS_PATH, query).await?)
    }

    /// Holds something; returns also what that is as of now.
    ///
    /// # Errors
    /// As [`Client::retention`]; [`crate::wire::ErrorKind::Invalid`] for what can't be held.
    pub async fn hold(&self, hold: &HoldQuery) -> Result<HoldMadeAnswer> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{HOLDS_PATH}", self.base))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(hold.encode().into()))
            .map_err(|error| Error::Address(error.to_string()))?;
        decode(&self.send(request).await?)
    }

    /// Ends a hold on the word of somebody, who may say why; returns it.
    ///
    /// # Errors
    /// As [`Client::retention`]; [`crate::wire::ErrorKind::NotFound`] if there is none of this number.
    pub async fn release_hold(
        &self,
        id: u64,
        by: &str,
        reason: Option<&str>,
    ) -> Result<ReleasedHoldAnswer> {
        let path = path_of(HOLD_PATH, &id.to_string())?;
        let said = encode([("by", by)].into_iter().chain(reason.map(|reason| ("reason", reason))));
        decode(&self.call(Method::DELETE, &path, &said).await?)
    }
}
