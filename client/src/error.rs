//! What can go wrong with a call, told by who has to act.

use crate::wire::{ErrorBody, ErrorDetail, ErrorKind, IngestAnswer};
use std::fmt;
use std::time::Duration;

/// The result of every call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed.
#[derive(Debug)]
pub enum Error {
    /// The server's address is not one.
    Address(String),
    /// The server was not reached, or the connection broke. Whether the request took effect is
    /// unknown unless `connecting`.
    Transport {
        /// The connection was never made, so the request had no effect.
        connecting: bool,
        /// What happened.
        message: String,
    },
    /// The server's answer is not of this API.
    Protocol(String),
    /// The server refused.
    Server(Box<Refusal>),
}

/// What the server said when it refused.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The error as the server put it.
    pub error: ErrorDetail,
    /// The lines that were refused, if the request was an ingest.
    pub ingest: Option<IngestAnswer>,
    /// When to try again, if the server said so.
    pub retry_after: Option<Duration>,
}

impl Error {
    /// What a server said that had begun to answer.
    pub(crate) fn refused(body: ErrorBody) -> Self {
        let ErrorBody { error, ingest } = body;
        Self::Server(Box::new(Refusal { status: 200, error, ingest, retry_after: None }))
    }

    /// The server's kind, if it was the server that refused.
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Server(refusal) => Some(refusal.error.kind),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(message) | Self::Protocol(message) | Self::Transport { message, .. } => {
                f.write_str(message)
            }
            Self::Server(refusal) => {
                f.write_str(&refusal.error.message)?;
                match &refusal.error.excerpt {
                    Some(excerpt) => write!(f, "\n{excerpt}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for Error {}
