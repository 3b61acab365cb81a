//! What a command works on: a server, or a store's directory while no server has it open.

use super::{Failure, block_on};
use crate::api;
use crate::status::ApiError;
use logstrata_client::Client;
use logstrata_client::wire::{SearchAnswer, SearchQuery, StatsAnswer, StatsQuery};
use logstrata_engine::{Control, Engine, Options};
use std::path::{Path, PathBuf};

/// Which server or store.
#[derive(Debug, clap::Args)]
pub(super) struct TargetArgs {
    /// The server's address
    #[arg(
        long,
        value_name = "URL",
        env = "LOGSTRATA_SERVER",
        default_value = "http://127.0.0.1:7600"
    )]
    server: String,
    /// Open a store's directory instead of asking a server; none may have it open
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// A server, or an open store.
pub(super) enum Target {
    Server(Client),
    Store { engine: Box<Engine>, options: Box<Options> },
}

impl TargetArgs {
    /// As [`TargetArgs::open`], for reading: the store has to be there.
    pub(super) fn open_existing(&self) -> Result<Target, Failure> {
        self.data.as_deref().map_or(Ok(()), check_is_store)?;
        self.open()
    }

    /// Opens the store, or makes it, or prepares to talk to the server.
    pub(super) fn open(&self) -> Result<Target, Failure> {
        match &self.data {
            None => {
                let usage = |error: logstrata_client::Error| Failure::Usage(error.to_string());
                Ok(Target::Server(Client::new(&self.server).map_err(usage)?))
            }
            Some(dir) => {
                let options = Box::new(Options::new(dir));
                let engine = Box::new(Engine::open(Options::clone(&options))?);
                Ok(Target::Store { engine, options })
            }
        }
    }
}

/// Refuses a directory without a store: a search of a mistyped name must not make one there.
fn check_is_store(dir: &Path) -> Result<(), Failure> {
    match dir.join("LOCK").try_exists() {
        Ok(false) => Err(Failure::Failed(format!("{} is no store", dir.display()))),
        // Opening it tells better what is wrong.
        Ok(true) | Err(_) => Ok(()),
    }
}

impl Target {
    /// A page of events.
    pub(super) fn search(&self, query: &SearchQuery) -> Result<SearchAnswer, Failure> {
        match self {
            Self::Server(client) => block_on(async { Ok(client.search(query).await?) }),
            Self::Store { engine, options } => {
                let clock = &*options.io.clock;
                let answer = api::search::answer(engine, clock, query, &Control::default())
                    .map_err(of_api)?;
                Ok(serde_json::from_slice(answer.as_ref()).expect("the server's own encoding"))
            }
        }
    }

    /// A table of figures.
    pub(super) fn stats(&self, query: &StatsQuery) -> Result<StatsAnswer, Failure> {
        match self {
            Self::Server(client) => block_on(async { Ok(client.stats(query).await?) }),
            Self::Store { engine, options } => {
                let clock = &*options.io.clock;
                let answer = api::stats::answer(engine, clock, query, &Control::default())
                    .map_err(of_api)?;
                Ok(serde_json::from_slice(answer.as_ref()).expect("the server's own encoding"))
            }
        }
    }

    /// Closes the store.
    pub(super) fn close(self) -> Result<(), Failure> {
        match self {
            Self::Server(_) => Ok(()),
            Self::Store { engine, .. } => Ok(engine.close()?),
        }
    }
}

fn of_api(error: ApiError) -> Failure {
    let detail = error.detail();
    let excerpt = detail.excerpt.as_deref().map(|excerpt| format!("\n{excerpt}"));
    Failure::Failed(format!("{}{}", detail.message, excerpt.unwrap_or_default()))
}
