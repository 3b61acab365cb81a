//! What the operations of the archive are.

use crate::openapi::{Content, Operation, Parameter, Tag, Takes};
use logstrata_client::wire::{
    ArchiveAnswer, ArchiveExportAnswer, ArchiveExportQuery, ArchiveQuery, ArchiveRunAnswer,
    ArchiveRunQuery, ArchiveVerifyAnswer, ArchiveVerifyQuery, ErrorKind,
};

/// Why the archive may not do what it is told: 503 if the object store does not play along.
const ARCHIVE_ERRORS: &[ErrorKind] = &[
    ErrorKind::NotFound,
    ErrorKind::Busy,
    ErrorKind::Closed,
    ErrorKind::Corrupt,
    ErrorKind::Io,
    ErrorKind::Unsupported,
];

pub(in crate::api) static ARCHIVE: Operation = Operation {
    id: "archive",
    tag: Tag::Admin,
    summary: "What is copied to the archive, what waits, and what went wrong",
    parameters: ArchiveQuery::PARAMETERS,
    special: &[Parameter {
        default: "true",
        ..Parameter::new("files", Takes::Switch, "false", "Whether every file is told.")
    }],
    answers: &[Content::json::<ArchiveAnswer>()],
    errors: ARCHIVE_ERRORS,
    ..Operation::PLAIN
};

pub(in crate::api) static ARCHIVE_RUN: Operation = Operation {
    id: "archiveRun",
    tag: Tag::Admin,
    summary: "Copies every sealed file to the archive, whatever its age",
    about: "What is in memory only is not sealed: flush it before. 503 `io` tells what the object \
        store answers.",
    parameters: ArchiveRunQuery::PARAMETERS,
    special: &[Parameter {
        default: "false",
        ..Parameter::new(
            "adopt",
            Takes::Switch,
            "true",
            "A catalog with another history of this store is taken over.",
        )
    }],
    example: &[("adopt", "false")],
    answers: &[Content::json::<ArchiveRunAnswer>()],
    errors: ARCHIVE_ERRORS,
    ..Operation::PLAIN
};

pub(in crate::api) static ARCHIVE_EXPORT: Operation = Operation {
    id: "archiveExport",
    tag: Tag::Admin,
    summary: "Exports days that were not, as files for others to read",
    about: "All that are as old as `archive.export_after`, or one that is over. Everything sealed is \
        copied to the archive before. What is exported stays as it is: events that came late since go to \
        files of their own.",
    parameters: ArchiveExportQuery::PARAMETERS,
    special: &[Parameter::new(
        "day",
        Takes::Like("^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
        "2024-02-29",
        "Only this UTC day.",
    )],
    example: &[("day", "2024-02-29")],
    answers: &[Content::json::<ArchiveExportAnswer>()],
    errors: ARCHIVE_ERRORS,
    ..Operation::PLAIN
};

pub(in crate::api) static ARCHIVE_VERIFY: Operation = Operation {
    id: "archiveVerify",
    tag: Tag::Admin,
    summary: "Holds the archive against itself",
    about: "The catalog from its first object, the manifest in it, and whether every object is there. \
        Copying waits meanwhile.",
    parameters: ArchiveVerifyQuery::PARAMETERS,
    special: &[Parameter {
        default: "false",
        ..Parameter::new("deep", Takes::Switch, "true", "Every object is read and compared.")
    }],
    example: &[("deep", "false")],
    answers: &[Content::json::<ArchiveVerifyAnswer>()],
    errors: ARCHIVE_ERRORS,
    ..Operation::PLAIN
};
