//! What the operations of retention are.

use super::STORE_ERRORS;
use crate::openapi::{Content, Operation, Parameter, Tag, Takes, bodies};
use logstrata_client::wire::{
    ErrorKind, HoldMadeAnswer, HoldQuery, HoldsAnswer, ReleasedHoldAnswer, RetentionAnswer,
    RetentionRunAnswer,
};

pub(in crate::api) static RETENTION: Operation = Operation {
    id: "retention",
    tag: Tag::Retention,
    summary: "How each class of events stands: its rule, what is stored of it, what is due next",
    answers: &[Content::json::<RetentionAnswer>()],
    errors: &[ErrorKind::Busy],
    ..Operation::PLAIN
};

pub(in crate::api) static RETENTION_RUN: Operation = Operation {
    id: "retentionRun",
    tag: Tag::Retention,
    summary: "Drops what is due, at once",
    about: "With `dry_run` nothing is changed, and the answer says what would go. What is held stays; \
        while the clock is not trusted everything stays, `suspended` says why, and what is due is \
        `waiting`. Events that are due and `in_memory` are written to files first, by a run that is none \
        for show.",
    parameters: &["dry_run", "force"],
    special: &[
        Parameter::new("dry_run", Takes::Switch, "true", "Nothing is changed."),
        Parameter::new("force", Takes::Switch, "true", "Also what was not exported yet goes."),
    ],
    in_url: true,
    answers: &[Content::json::<RetentionRunAnswer>()],
    errors: STORE_ERRORS,
    ..Operation::PLAIN
};

pub(in crate::api) static RETENTION_RESUME: Operation = Operation {
    id: "retentionResume",
    tag: Tag::Retention,
    summary: "Says that the server's clock is right, so that drops go on",
    answers: &[Content::json_as(bodies::resumed)],
    errors: STORE_ERRORS,
    ..Operation::PLAIN
};

pub(in crate::api) static HOLDS: Operation = Operation {
    id: "holds",
    tag: Tag::Retention,
    summary: "What is held",
    parameters: &["released"],
    special: &[Parameter::new(
        "released",
        Takes::Flag,
        "true",
        "Also the last holds that ended, a thousand at most, with who released them.",
    )],
    answers: &[Content::json::<HoldsAnswer>()],
    errors: &[ErrorKind::Busy],
    ..Operation::PLAIN
};

/// A day of the calendar, UTC.
const DAY: Takes = Takes::Like("^[0-9]{4}-[0-9]{2}-[0-9]{2}$");

pub(in crate::api) static HOLD: Operation = Operation {
    id: "hold",
    tag: Tag::Retention,
    summary: "Holds something: nothing drops it until the hold is released",
    about: "What fits all that is said is held; at least one of class, tenant, days and query has to be \
        said, and class and tenant have to be ones that there are. A query holds every section that has a \
        matching event. The hold is in force before what it `covers` is counted, which is `null` if that \
        takes more than two seconds: a hold that covers nothing may be misspelt, as `warnings` tell of \
        fields that no event has.",
    parameters: HoldQuery::PARAMETERS,
    special: &[
        Parameter::new("class", Takes::Text, "debug", "Only this class, which has to be one."),
        Parameter::new("tenant", Takes::Text, "", "Only this tenant, which has to have events."),
        Parameter::new("from_day", DAY, "", "Only days from this one on, UTC."),
        Parameter::new("to_day", DAY, "", "Only days up to this one, itself included."),
        Parameter::new("q", Takes::Text, "", "Only sections with an event that matches this."),
        Parameter::new("owner", Takes::Text, "ann", "Who wants it. Has to be said."),
        Parameter::new("reason", Takes::Text, "case 7", "Why. Has to be said."),
        Parameter::new("review", DAY, "", "When somebody should look whether it is still needed."),
    ],
    answers: &[Content::json::<HoldMadeAnswer>()],
    errors: STORE_ERRORS,
    example: &[("class", "debug"), ("owner", "ann"), ("reason", "case 7")],
    ..Operation::PLAIN
};

pub(in crate::api) static RELEASE: Operation = Operation {
    id: "releaseHold",
    tag: Tag::Retention,
    summary: "Ends a hold",
    segment: Some(&Parameter::new(
        "id",
        Takes::Like("^[0-9]{1,19}$"),
        "1",
        "The number of the hold.",
    )),
    about: "Who says so, when and why is kept in the chain; of the last thousand holds it is shown, too.",
    parameters: &["by", "reason"],
    special: &[
        Parameter::new("by", Takes::Text, "ann", "Who says so. Has to be said."),
        Parameter::new("reason", Takes::Text, "", "Why."),
    ],
    answers: &[Content::json::<ReleasedHoldAnswer>()],
    example: &[("by", "ann")],
    errors: &[
        ErrorKind::NotFound,
        ErrorKind::Busy,
        ErrorKind::Full,
        ErrorKind::Closed,
        ErrorKind::Corrupt,
        ErrorKind::Io,
        ErrorKind::Unsupported,
    ],
    ..Operation::PLAIN
};
