//! What the operation of purges is.

use crate::openapi::{Content, Operation, Parameter, Tag, Takes};
use logstrata_client::wire::{ErrorKind, PurgeAnswer, PurgeQuery};

pub(in crate::api) static PURGE: Operation = Operation {
    id: "purge",
    tag: Tag::Retention,
    summary: "Purges events that fit all that is said, or tells what would go",
    about: "First with `dry_run=true`, which changes nothing and answers with a confirmation; then with \
        the same parameters and that confirmation as `confirm`. It takes what was counted and nothing \
        that came later. Sections of which only some events match stay, and are told, unless `exact=true`. \
        What is held stays. At least one of age, level, class and query has to be said.",
    parameters: PurgeQuery::PARAMETERS,
    special: &[
        Parameter::new("older_than", Takes::Text, "30d", "Only events that are older."),
        Parameter::new("level", Takes::Text, "debug", "Only these levels, joined by commas."),
        Parameter::new("class", Takes::Text, "", "Only this class."),
        Parameter::new("q", Takes::Text, "", "Only events that match this."),
        Parameter::new(
            "exact",
            Takes::Switch,
            "",
            "Events of sections that are only touched go, too.",
        ),
        Parameter::new("dry_run", Takes::Switch, "true", "Nothing is changed."),
        Parameter::new("confirm", Takes::Text, "", "What the dry run answered."),
    ],
    in_url: true,
    example: &[("older_than", "3650d"), ("dry_run", "true")],
    answers: &[Content::json::<PurgeAnswer>()],
    errors: &[
        ErrorKind::Busy,
        ErrorKind::Full,
        ErrorKind::Closed,
        ErrorKind::Corrupt,
        ErrorKind::Io,
        ErrorKind::Unsupported,
        ErrorKind::Conflict,
    ],
    ..Operation::PLAIN
};
