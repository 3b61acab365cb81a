//! What a [`Client`] asks of the archive.

use crate::client::{Client, decode};
use crate::error::{Error, Result};
use crate::wire::{
    ARCHIVE_EXPORT_PATH, ARCHIVE_PATH, ARCHIVE_RUN_PATH, ARCHIVE_VERIFY_PATH, ArchiveAnswer,
    ArchiveExportAnswer, ArchiveExportQuery, ArchiveQuery, ArchiveRunAnswer, ArchiveRunQuery,
    ArchiveVerifyAnswer, ArchiveVerifyQuery,
};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request};

impl Client {
    /// What is copied, what waits, what went wrong.
    ///
    /// # Errors
    /// [`crate::wire::ErrorKind::NotFound`] if the server has no archive; see [`crate::Error`].
    pub async fn archive(&self, query: &ArchiveQuery) -> Result<ArchiveAnswer> {
        decode(&self.call(Method::GET, ARCHIVE_PATH, &query.encode()).await?)
    }

    /// Copies everything sealed now.
    ///
    /// # Errors
    /// As [`Client::archive`]; `Io` for what the object store answers.
    pub async fn archive_run(&self, query: &ArchiveRunQuery) -> Result<ArchiveRunAnswer> {
        decode(&self.call_by_form(ARCHIVE_RUN_PATH, query.encode()).await?)
    }

    /// Exports days now.
    ///
    /// # Errors
    /// As [`Client::archive_run`]; `Invalid` for a day that is not over, or if nothing is exported.
    pub async fn archive_export(&self, query: &ArchiveExportQuery) -> Result<ArchiveExportAnswer> {
        decode(&self.call_by_form(ARCHIVE_EXPORT_PATH, query.encode()).await?)
    }

    /// Holds the archive against itself.
    ///
    /// # Errors
    /// As [`Client::archive_run`].
    pub async fn archive_verify(&self, query: &ArchiveVerifyQuery) -> Result<ArchiveVerifyAnswer> {
        decode(&self.call_by_form(ARCHIVE_VERIFY_PATH, query.encode()).await?)
    }

    /// Sends parameters as the body of a POST.
    async fn call_by_form(&self, path: &str, form: String) -> Result<Bytes> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{path}", self.base))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(form.into()))
            .map_err(|error| Error::Address(error.to_string()))?;
        self.send(request).await
    }
}
