//! Which names of senders mean which known field: the alias table, in the order in which they win.
//!
//! `A1`: within one field, the earlier alias wins over the later one. `A2`: an alias of two parts,
//! `service.name`, means the nested object and the flat key with a dot alike. `A3`: what does not
//! win is kept under its own name.

/// A known field, as a place to be filled. The order is that in which they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Slot {
    Timestamp,
    Level,
    Service,
    Category,
    Action,
    Message,
    TraceId,
    SpanId,
    ParentSpanId,
    CorrelationId,
    UserId,
    ResourceType,
    ResourceId,
    Ip,
    ErrorType,
    ErrorMessage,
    ErrorStack,
}

/// The number of [`Slot`]s.
pub(crate) const SLOTS: usize = Slot::ErrorStack as usize + 1;

/// Which values an alias takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Strings, numbers and booleans.
    Scalars,
    /// Strings only: the name has other uses.
    Strings,
    /// Level names, and numbers of OpenTelemetry.
    OpenTelemetry,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Alias {
    /// The sender's name, two parts joined by a dot.
    pub(crate) name: &'static str,
    pub(crate) slot: Slot,
    pub(crate) takes: Takes,
}

const fn scalars(slot: Slot, name: &'static str) -> Alias {
    Alias { name, slot, takes: Takes::Scalars }
}

const fn strings(slot: Slot, name: &'static str) -> Alias {
    Alias { name, slot, takes: Takes::Strings }
}

const fn open_telemetry(name: &'static str) -> Alias {
    Alias { name, slot: Slot::Level, takes: Takes::OpenTelemetry }
}

/// All aliases; those of one slot in the order in which they win. `docs/ingest.md` shows the same
/// table, and a test compares the two.
pub(crate) static ALIASES: [Alias; ALIAS_COUNT] = [
    scalars(Slot::Timestamp, "timestamp"),
    scalars(Slot::Timestamp, "@timestamp"),
    scalars(Slot::Timestamp, "time"),
    scalars(Slot::Timestamp, "ts"),
    scalars(Slot::Timestamp, "datetime"),
    scalars(Slot::Timestamp, "eventTime"),
    scalars(Slot::Timestamp, "event_time"),
    scalars(Slot::Timestamp, "timeUnixNano"),
    scalars(Slot::Timestamp, "time_unix_nano"),
    scalars(Slot::Timestamp, "@t"),
    scalars(Slot::Timestamp, "__REALTIME_TIMESTAMP"),
    scalars(Slot::Timestamp, "created_at"),
    scalars(Slot::Timestamp, "createdAt"),
    scalars(Slot::Timestamp, "date"),
    scalars(Slot::Level, "level"),
    scalars(Slot::Level, "severity"),
    scalars(Slot::Level, "lvl"),
    scalars(Slot::Level, "log.level"),
    scalars(Slot::Level, "level_name"),
    scalars(Slot::Level, "levelname"),
    scalars(Slot::Level, "loglevel"),
    scalars(Slot::Level, "logLevel"),
    scalars(Slot::Level, "log_level"),
    scalars(Slot::Level, "severity_text"),
    scalars(Slot::Level, "severityText"),
    open_telemetry("severity_number"),
    open_telemetry("severityNumber"),
    scalars(Slot::Level, "levelno"),
    scalars(Slot::Level, "@l"),
    scalars(Slot::Level, "PRIORITY"),
    scalars(Slot::Service, "service"),
    scalars(Slot::Service, "service.name"),
    scalars(Slot::Service, "service_name"),
    scalars(Slot::Service, "serviceName"),
    scalars(Slot::Service, "app"),
    scalars(Slot::Service, "application"),
    scalars(Slot::Service, "logger"),
    scalars(Slot::Service, "logger_name"),
    scalars(Slot::Service, "loggerName"),
    scalars(Slot::Service, "log.logger"),
    scalars(Slot::Service, "sourceModule"),
    scalars(Slot::Service, "source"),
    scalars(Slot::Service, "SYSLOG_IDENTIFIER"),
    scalars(Slot::Category, "category"),
    scalars(Slot::Category, "event.category"),
    scalars(Slot::Action, "action"),
    scalars(Slot::Action, "event.action"),
    scalars(Slot::Message, "message"),
    scalars(Slot::Message, "msg"),
    scalars(Slot::Message, "log"),
    scalars(Slot::Message, "body"),
    scalars(Slot::Message, "short_message"),
    scalars(Slot::Message, "MESSAGE"),
    scalars(Slot::Message, "textPayload"),
    scalars(Slot::Message, "@m"),
    scalars(Slot::Message, "@mt"),
    scalars(Slot::Message, "text"),
    strings(Slot::Message, "event"),
    scalars(Slot::TraceId, "trace_id"),
    scalars(Slot::TraceId, "traceId"),
    scalars(Slot::TraceId, "traceID"),
    scalars(Slot::TraceId, "traceid"),
    scalars(Slot::TraceId, "trace.id"),
    scalars(Slot::TraceId, "dd.trace_id"),
    scalars(Slot::TraceId, "otelTraceID"),
    scalars(Slot::SpanId, "span_id"),
    scalars(Slot::SpanId, "spanId"),
    scalars(Slot::SpanId, "spanID"),
    scalars(Slot::SpanId, "spanid"),
    scalars(Slot::SpanId, "span.id"),
    scalars(Slot::SpanId, "dd.span_id"),
    scalars(Slot::SpanId, "otelSpanID"),
    scalars(Slot::ParentSpanId, "parent_span_id"),
    scalars(Slot::ParentSpanId, "parentSpanId"),
    scalars(Slot::ParentSpanId, "parentSpanID"),
    scalars(Slot::CorrelationId, "correlation_id"),
    scalars(Slot::CorrelationId, "correlationId"),
    scalars(Slot::CorrelationId, "correlationID"),
    scalars(Slot::CorrelationId, "correlation.id"),
    scalars(Slot::UserId, "user_id"),
    scalars(Slot::UserId, "userId"),
    scalars(Slot::UserId, "userID"),
    scalars(Slot::UserId, "actorId"),
    scalars(Slot::UserId, "actor_id"),
    scalars(Slot::UserId, "user.id"),
    scalars(Slot::UserId, "usr.id"),
    scalars(Slot::UserId, "enduser.id"),
    scalars(Slot::ResourceType, "resource_type"),
    scalars(Slot::ResourceType, "resourceType"),
    scalars(Slot::ResourceType, "entity_type"),
    scalars(Slot::ResourceType, "entityType"),
    scalars(Slot::ResourceId, "resource_id"),
    scalars(Slot::ResourceId, "resourceId"),
    scalars(Slot::ResourceId, "entity_id"),
    scalars(Slot::ResourceId, "entityId"),
    scalars(Slot::Ip, "ip"),
    scalars(Slot::Ip, "client_ip"),
    scalars(Slot::Ip, "clientIp"),
    scalars(Slot::Ip, "clientIP"),
    scalars(Slot::Ip, "client.ip"),
    scalars(Slot::Ip, "remote_addr"),
    scalars(Slot::Ip, "remote_ip"),
    scalars(Slot::Ip, "remoteIp"),
    scalars(Slot::Ip, "ip_address"),
    scalars(Slot::Ip, "ipAddress"),
    scalars(Slot::Ip, "source.ip"),
    scalars(Slot::ErrorType, "error.type"),
    scalars(Slot::ErrorType, "error.name"),
    scalars(Slot::ErrorType, "error.kind"),
    scalars(Slot::ErrorType, "error.class"),
    scalars(Slot::ErrorType, "err.type"),
    scalars(Slot::ErrorType, "err.name"),
    scalars(Slot::ErrorType, "exception.type"),
    scalars(Slot::ErrorType, "exception.class"),
    scalars(Slot::ErrorType, "exception.name"),
    scalars(Slot::ErrorType, "error_type"),
    scalars(Slot::ErrorType, "errorType"),
    scalars(Slot::ErrorMessage, "error.message"),
    scalars(Slot::ErrorMessage, "error.msg"),
    scalars(Slot::ErrorMessage, "err.message"),
    scalars(Slot::ErrorMessage, "err.msg"),
    scalars(Slot::ErrorMessage, "exception.message"),
    scalars(Slot::ErrorMessage, "exception.msg"),
    scalars(Slot::ErrorMessage, "error_message"),
    scalars(Slot::ErrorMessage, "errorMessage"),
    strings(Slot::ErrorMessage, "error"),
    strings(Slot::ErrorMessage, "err"),
    scalars(Slot::ErrorStack, "error.stack"),
    scalars(Slot::ErrorStack, "error.stack_trace"),
    scalars(Slot::ErrorStack, "error.stacktrace"),
    scalars(Slot::ErrorStack, "error.trace"),
    scalars(Slot::ErrorStack, "err.stack"),
    scalars(Slot::ErrorStack, "err.stack_trace"),
    scalars(Slot::ErrorStack, "exception.stack"),
    scalars(Slot::ErrorStack, "exception.stack_trace"),
    scalars(Slot::ErrorStack, "exception.stacktrace"),
    scalars(Slot::ErrorStack, "exception.trace"),
    strings(Slot::ErrorStack, "stack_trace"),
    strings(Slot::ErrorStack, "stacktrace"),
    strings(Slot::ErrorStack, "stackTrace"),
    strings(Slot::ErrorStack, "stack"),
    strings(Slot::ErrorStack, "exc_info"),
    strings(Slot::ErrorStack, "exception"),
    strings(Slot::ErrorStack, "@x"),
];

const ALIAS_COUNT: usize = 144;

impl Slot {
    /// The column that the slot's value is stored in; the slots of `timestamp` and `level` give
    /// the attribute that keeps a text which the field itself can't say.
    pub(crate) fn column(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp_text",
            Self::Level => "level_text",
            Self::Service => "service",
            Self::Category => "category",
            Self::Action => "action",
            Self::Message => "message",
            Self::TraceId => "trace_id",
            Self::SpanId => "span_id",
            Self::ParentSpanId => "parent_span_id",
            Self::CorrelationId => "correlation_id",
            Self::UserId => "user_id",
            Self::ResourceType => "resource_type",
            Self::ResourceId => "resource_id",
            Self::Ip => "ip",
            Self::ErrorType => "error.type",
            Self::ErrorMessage => "error.message",
            Self::ErrorStack => "error.stack",
        }
    }
}

/// The known field that a sender's name may stand for (two parts joined by a dot), for hints like
/// "`msg` is stored as `message`". `None` if it is an attribute, or known by that very name.
pub fn canonical_name(name: &str) -> Option<&'static str> {
    let alias = ALIASES.get(lookup(name.as_bytes())?)?;
    let canonical = match alias.slot {
        Slot::Timestamp => "timestamp",
        Slot::Level => "level",
        slot => slot.column(),
    };
    (canonical != name).then_some(canonical)
}

/// A power of two, sparse enough for short probes.
const BUCKETS: usize = 1024;

/// Open addressing over [`ALIASES`]: index plus one, zero is free. Fixed at compile time, so no
/// sender can lengthen its probes.
static TABLE: [u8; BUCKETS] = build_table();

const fn bucket(name: &[u8]) -> usize {
    if name.is_empty() {
        return 0;
    }
    let (len, first, middle, last) = (
        name.len(),
        name[0] as usize,
        name[name.len() / 2] as usize,
        name[name.len() - 1] as usize,
    );
    (len * 73 + first * 31 + middle * 199 + last * 7) % BUCKETS
}

const fn build_table() -> [u8; BUCKETS] {
    let mut table = [0; BUCKETS];
    let mut index = 0;
    while index < ALIAS_COUNT {
        let mut at = bucket(ALIASES[index].name.as_bytes());
        while table[at] != 0 {
            at = (at + 1) % BUCKETS;
        }
        index += 1;
        table[at] = index as u8;
    }
    table
}

const _: () = assert!(ALIAS_COUNT < 255, "indices plus one fit u8");

/// The index in [`ALIASES`] of a name.
pub(crate) fn lookup(name: &[u8]) -> Option<usize> {
    let mut at = bucket(name);
    loop {
        let index = usize::from(TABLE[at]).checked_sub(1)?;
        if ALIASES[index].name.as_bytes() == name {
            return Some(index);
        }
        at = (at + 1) % BUCKETS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use logstrata_engine::field::KNOWN_FIELDS;

    #[test]
    fn every_alias_is_found_and_nothing_else() {
        for (index, alias) in ALIASES.iter().enumerate() {
            assert_eq!(lookup(alias.name.as_bytes()), Some(index), "{}", alias.name);
            assert!(alias.name.matches('.').count() <= 1, "{}: A2", alias.name);
        }
        for name in ["", "messag", "messages", "Message", "id", "log.", ".", "error.code"] {
            assert_eq!(lookup(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn the_first_alias_of_a_slot_is_its_own_name_and_slots_are_together() {
        let mut slots = Vec::new();
        for alias in &ALIASES {
            if slots.last() != Some(&alias.slot) {
                assert_eq!(canonical_name(alias.name), None, "{}", alias.name);
                slots.push(alias.slot);
            }
        }
        assert_eq!(slots.len(), SLOTS);
        let columns: Vec<_> = slots.iter().map(|slot| slot.column()).skip(2).collect();
        assert_eq!(columns, KNOWN_FIELDS);
        assert_eq!(canonical_name("msg"), Some("message"));
        assert_eq!(canonical_name("service.name"), Some("service"));
        assert_eq!(canonical_name("order_id"), None);
    }

    #[test]
    fn the_page_for_users_shows_this_table() {
        let page = include_str!("../../../docs/ingest.md");
        let rows = page.lines().skip_while(|line| !line.starts_with("| Field |")).skip(2);
        let mut names = rows.take_while(|line| line.starts_with('|')).flat_map(|row| {
            let (field, names) = row.trim_matches('|').split_once('|').expect("two cells");
            names.split(',').map(|name| (field.trim().trim_matches('`'), name.trim()))
        });
        for alias in &ALIASES {
            let field = canonical_name(alias.name).unwrap_or(alias.name);
            let mark = if alias.takes == Takes::Strings { "*" } else { "" };
            assert_eq!(names.next(), Some((field, format!("`{}`{mark}", alias.name).as_str())));
        }
        assert_eq!(names.next(), None);
    }

    #[test]
    fn probes_are_short() {
        let longest = TABLE.split(|index| *index == 0).map(<[u8]>::len).max();
        assert!(longest.is_some_and(|run| run <= 6), "{longest:?}");
    }
}
