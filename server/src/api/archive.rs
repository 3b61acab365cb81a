//! `GET /api/v1/archive`, and what is done by `POST` below it: `run`, `export`, `verify`.

use super::{Call, Outcome};
use crate::api::retention::parse_day;
use crate::serve::State;
use crate::status::{ApiError, json};
use logstrata_archive::{Archive, ErrorKind as Archived, FileStatus, Pass, Status};
use logstrata_client::wire::{
    ArchiveAnswer, ArchiveDay, ArchiveExportAnswer, ArchiveExportQuery, ArchiveFailure,
    ArchiveFile, ArchiveQuery, ArchiveRunAnswer, ArchiveRunQuery, ArchiveVerifyAnswer,
    ArchiveVerifyQuery, ErrorKind, FileCount, Restorable,
};
use logstrata_engine::{Day, Timestamp};
use serde::Serialize;
use std::sync::Arc;

pub(super) async fn get(call: Call) -> Outcome {
    let params = call.params(ArchiveQuery::PARAMETERS)?;
    let with_files = params.get("files").is_none() || params.switch("files")?;
    let archive = of(&call.state)?;
    // The engine is held by the state until this has ended, as for every gate.
    let read =
        call.state.status.run(move || archive.status().map(|status| tell(status, with_files)));
    answer(&read.await??)
}

pub(super) async fn run(call: Call) -> Outcome {
    let (state, params) = call.params_of_query(ArchiveRunQuery::PARAMETERS).await?;
    let adopt = params.switch("adopt")?;
    let pass = of(&state)?.run_now(adopt).await?;
    let Pass { files, bytes, deleted, evicted } = pass;
    answer(&ArchiveRunAnswer { files, bytes, deleted, evicted })
}

pub(super) async fn export(call: Call) -> Outcome {
    let (state, params) = call.params_of_query(ArchiveExportQuery::PARAMETERS).await?;
    let day = params.get("day").map(|text| parse_day("day", text)).transpose()?;
    let done = of(&state)?.export_now(day).await.map_err(|error| {
        // Of the archive's settings nothing is invalid once it is open: this is about the request.
        match error.kind() {
            Archived::Invalid => ApiError::invalid(error.to_string()),
            _ => error.into(),
        }
    })?;
    answer(&ArchiveExportAnswer {
        days: done.days,
        files: done.files,
        events: done.events,
        bytes: done.bytes,
    })
}

pub(super) async fn verify(call: Call) -> Outcome {
    let (state, params) = call.params_of_query(ArchiveVerifyQuery::PARAMETERS).await?;
    let deep = params.switch("deep")?;
    let found = of(&state)?.verify(deep).await?;
    answer(&ArchiveVerifyAnswer {
        edits: found.edits,
        checked: FileCount { files: found.files, bytes: found.bytes },
        orphans: found.orphans,
        damage: found.damage,
    })
}

fn of(state: &State) -> Result<Arc<Archive>, ApiError> {
    state.archive.clone().ok_or_else(|| {
        ApiError::new(ErrorKind::NotFound, "there is no archive: archive.url is not set")
    })
}

fn answer(answer: &impl Serialize) -> Outcome {
    Ok(json(serde_json::to_vec(answer).expect("plain values always serialize")))
}

impl From<logstrata_archive::Error> for ApiError {
    fn from(error: logstrata_archive::Error) -> Self {
        let message = error.to_string();
        match error.kind() {
            Archived::Corrupt => Self::new(ErrorKind::Corrupt, message),
            Archived::Unsupported => Self::new(ErrorKind::Unsupported, message),
            Archived::Engine => Self::new(ErrorKind::Io, message),
            // Neither the request nor this server is wrong, and a later try may work.
            Archived::Unreachable
            | Archived::Refused
            | Archived::Missing
            | Archived::Conflict
            | Archived::Busy
            | Archived::Invalid => Self::new(ErrorKind::Io, message).unavailable(),
        }
    }
}

fn tell(status: Status, with_files: bool) -> ArchiveAnswer {
    let text = |time: Timestamp| time.to_string();
    let count = |is_wanted: fn(&FileStatus) -> bool| {
        let files = status.files.iter().filter(|file| is_wanted(file));
        files.fold(FileCount::default(), |sum, file| FileCount {
            files: sum.files + 1,
            bytes: sum.bytes + file.bytes,
        })
    };
    let state = match (&status.error, &status.copying, status.catalog) {
        (Some(_), ..) => "failing",
        (None, Some(_), _) => "copying",
        (None, None, None) => "starting",
        (None, None, Some(_)) => "idle",
    };
    let restorable = status.restorable.map(|(place, at, next_seq)| Restorable {
        at: at.to_string(),
        next_seq,
        manifest: place.manifest,
        edit: place.edit,
        catalog: status.catalog.unwrap_or_default(),
    });
    let exports = |day: Day| status.exports.iter().filter(move |manifest| manifest.is_of(day));
    let days = status.days.iter().map(|day| ArchiveDay {
        exported: exports(day.day).map(|manifest| manifest.exported.clone()).max(),
        files_exported: exports(day.day).map(|manifest| manifest.files.len() as u64).sum(),
        events_exported: exports(day.day).map(|manifest| manifest.events).sum(),
        day: day.day.to_string(),
        state: state_of(day.events_copied > 0, day.events_copied == day.events).to_owned(),
        events: day.events,
        events_copied: day.events_copied,
        bytes: day.bytes,
        bytes_copied: day.bytes_copied,
        copied: day.copied.map(text),
    });
    let (copied, waiting) =
        (count(|file| file.copied.is_some()), count(|file| file.copied.is_none()));
    let days = days.collect();
    let failed = status.export_error;
    let files = status.files.into_iter().filter(|_| with_files).map(|file| ArchiveFile {
        state: state_of(file.copied.is_some(), file.copied.is_some()).to_owned(),
        name: file.name,
        bytes: file.bytes,
        created: file.created.map(text),
        copied: file.copied.map(text),
        local: file.is_local,
    });
    ArchiveAnswer {
        place: status.place,
        store: status.store.iter().map(|byte| format!("{byte:02x}")).collect(),
        state: state.to_owned(),
        copied,
        waiting,
        removed: FileCount { files: status.removed.0, bytes: status.removed.1 },
        copying: status.copying,
        lag_seconds: status.lag_seconds,
        worked: status.worked.map(text),
        error: status
            .error
            .map(|(at, error)| ArchiveFailure { at: at.to_string(), message: error.to_string() }),
        restorable,
        warnings: status.warnings,
        export_error: failed.map(|(at, message)| ArchiveFailure { at: at.to_string(), message }),
        days,
        files: files.collect(),
    }
}

fn state_of(some: bool, all: bool) -> &'static str {
    match (some, all) {
        (_, true) => "copied",
        (true, false) => "partly",
        (false, false) => "waiting",
    }
}
