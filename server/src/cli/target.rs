//! What a command works on: a server, or a store's directory while no server has it open.

use super::{Failure, block_on};
use crate::api;
use crate::api::Written;
use crate::status::ApiError;
use logstrata_client::Client;
use logstrata_client::wire::{
    PatternsAnswer, PatternsQuery, SearchAnswer, SearchQuery, StatsAnswer, StatsQuery,
};
use logstrata_engine::io::Clock;
use logstrata_engine::{Control, Engine, Options, Tolerance};
use serde::de::DeserializeOwned;
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
    Server(Box<Client>),
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
                Ok(Target::Server(Box::new(Client::new(&self.server).map_err(usage)?)))
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

/// A query of the command line: without a deadline, of what fits into the memory that it may take.
fn control(explain: bool) -> Control {
    Control { tolerance: Tolerance::Limits, explain, ..Control::default() }
}

impl Target {
    /// A page of events.
    pub(super) fn search(&self, query: &SearchQuery) -> Result<SearchAnswer, Failure> {
        self.ask(
            async |client| client.search(query).await,
            |engine, clock, _| api::search::answer(engine, clock, query, &control(query.explain)),
        )
    }

    /// A table of figures.
    pub(super) fn stats(&self, query: &StatsQuery) -> Result<StatsAnswer, Failure> {
        self.ask(
            async |client| client.stats(query).await,
            |engine, clock, _| api::stats::answer(engine, clock, query, &control(query.explain)),
        )
    }

    /// The sentences with holes behind a result.
    pub(super) fn patterns(&self, query: &PatternsQuery) -> Result<PatternsAnswer, Failure> {
        self.ask(
            async |client| client.patterns(query).await,
            |engine, clock, control| api::patterns::answer(engine, clock, query, control),
        )
    }

    /// What a server answers, or the same handler for the store.
    pub(super) fn ask<T: DeserializeOwned>(
        &self,
        remote: impl AsyncFnOnce(&Client) -> Result<T, logstrata_client::Error>,
        local: impl FnOnce(&Engine, &dyn Clock, &Control) -> Result<Written, ApiError>,
    ) -> Result<T, Failure> {
        match self {
            Self::Server(client) => block_on(async { Ok(remote(client).await?) }),
            Self::Store { engine, options } => {
                let answer = local(engine, &*options.io.clock, &control(false));
                let answer = answer.map_err(of_api)?;
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

pub(super) fn of_api(error: ApiError) -> Failure {
    let detail = error.detail();
    let excerpt = detail.excerpt.as_deref().map(|excerpt| format!("\n{excerpt}"));
    Failure::Failed(format!("{}{}", detail.message, excerpt.unwrap_or_default()))
}
