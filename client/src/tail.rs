//! A query that is followed: events as they are stored.

use crate::error::{Error, Result};
use crate::sse::{Block, Parser};
use crate::wire::{ErrorBody, ErrorDetail, MISSED, Missed, TAIL_ERROR, TAIL_WARNING, Warned};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::time::Duration;
use tokio::time::timeout;

/// A server is not there any more that has said nothing for so long: it tells the position after 15 s.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// Events as they are stored. Dropping it ends it.
#[derive(Debug)]
pub struct Tail {
    body: Incoming,
    parser: Parser,
    last_id: Option<String>,
}

/// What a tail tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// An event as the server wrote it.
    Event(String),
    /// What may surprise, for people: told before all events.
    Warning(String),
    /// Events that it left out, because they were not read in time.
    Missed(Missed),
}

impl Tail {
    pub(crate) fn new(body: Incoming, after: Option<String>) -> Self {
        Self { body, parser: Parser::default(), last_id: after }
    }

    /// The id behind which another tail goes on where this one is now.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// What comes next, when it comes; `None` if the server has ended the tail well.
    ///
    /// # Errors
    /// [`Error::Transport`] if the connection broke or the server has been silent for 45 s, [`Error::Server`] if the server can't go on.
    pub async fn next(&mut self) -> Result<Option<Told>> {
        let foreign = |why: String| Error::Protocol(format!("the tail is not understood: {why}"));
        loop {
            while let Some(block) = self.parser.next().map_err(foreign)? {
                if let Some(told) = self.told(block)? {
                    return Ok(Some(told));
                }
            }
            let Ok(frame) = timeout(SILENCE_MAX, self.body.frame()).await else {
                let message = format!("the server has said nothing for {SILENCE_MAX:?}");
                return Err(Error::Transport { connecting: false, message });
            };
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| Error::Transport {
                connecting: false,
                message: format!("lost the connection: {error}"),
            })?;
            if let Ok(data) = frame.into_data() {
                self.parser.push(&data).map_err(foreign)?;
            }
        }
    }

    fn told(&mut self, block: Block) -> Result<Option<Told>> {
        if let Some(id) = block.id {
            self.last_id = Some(id);
        }
        let Some(data) = block.data else { return Ok(None) };
        let foreign = |error| Error::Protocol(format!("the tail is not understood: {error}"));
        match block.kind.as_deref() {
            None | Some("message") => Ok(Some(Told::Event(data))),
            Some(MISSED) => Ok(Some(Told::Missed(serde_json::from_str(&data).map_err(foreign)?))),
            Some(TAIL_WARNING) => {
                let Warned { message } = serde_json::from_str(&data).map_err(foreign)?;
                Ok(Some(Told::Warning(message)))
            }
            Some(TAIL_ERROR) => {
                let error: ErrorDetail = serde_json::from_str(&data).map_err(foreign)?;
                Err(Error::refused(ErrorBody { error, ingest: None }))
            }
            // What a later version tells besides.
            Some(_) => Ok(None),
        }
    }
}
