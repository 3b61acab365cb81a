//! Every setting: its name, its environment variable, what it does.

/// A setting.
#[derive(Debug)]
pub(super) struct Key {
    /// Section and name in the file.
    pub(super) name: &'static str,
    /// The environment variable.
    pub(super) env: &'static str,
    /// What it does, for `logstrata config`.
    pub(super) about: &'static str,
}

const fn key(name: &'static str, env: &'static str, about: &'static str) -> Key {
    Key { name, env, about }
}

/// Every setting, in the order in which it is printed; the same sections lie together.
pub(super) const KEYS: [Key; 46] = [
    key(
        "server.listen",
        "LOGSTRATA_LISTEN",
        "Where the server listens. Loopback only: there is no authentication yet.",
    ),
    key(
        "server.log",
        "LOGSTRATA_LOG",
        "The server's own log: off, error, warn, info, debug or trace, also for single targets.",
    ),
    key("storage.data", "LOGSTRATA_DATA", "The store's directory."),
    key(
        "storage.mmap",
        "LOGSTRATA_MMAP",
        "Whether directories and filters of files are mapped into memory; false: they are read.",
    ),
    key(
        "storage.compaction",
        "LOGSTRATA_COMPACTION",
        "Whether files are merged by themselves; false: only when POST /api/v1/admin/compact asks.",
    ),
    key(
        "disk.budget",
        "LOGSTRATA_DISK_BUDGET",
        "What the store may take of the disk: a size, a part like 80%, or off.",
    ),
    key(
        "disk.evict",
        "LOGSTRATA_DISK_EVICT",
        "Whether what is least worth keeping is dropped then, before it is due; false: events are refused.",
    ),
    key(
        "redaction.enabled",
        "LOGSTRATA_REDACTION_ENABLED",
        "Whether secrets are replaced before events are stored: true or false.",
    ),
    key(
        "redaction.disable",
        "LOGSTRATA_REDACTION_DISABLE",
        "Rules of redaction that are off, as a list or separated by commas.",
    ),
    key(
        "ingest.dedup",
        "LOGSTRATA_INGEST_DEDUP",
        "Batches without an Idempotency-Key: off, or body to store equal ones once in ten minutes.",
    ),
    key(
        "retention.preset",
        "LOGSTRATA_RETENTION_PRESET",
        "Which rules stand behind those of [[retention.class]]: levels or audit.",
    ),
    key(
        "retention.report",
        "LOGSTRATA_RETENTION_REPORT",
        "When the keeper reports how each class stands: a cron expression, UTC.",
    ),
    key("query.deadline", "LOGSTRATA_QUERY_DEADLINE", "What a query may take, at most."),
    key(
        "query.slow",
        "LOGSTRATA_QUERY_SLOW",
        "Queries that take so long are logged and kept for /api/v1/admin/slow-queries; off: none.",
    ),
    key(
        "limits.memory",
        "LOGSTRATA_MEMORY",
        "Memory of the server; the bounds below that are in memory follow from it.",
    ),
    key(
        "limits.disk_reserve",
        "LOGSTRATA_DISK_RESERVE",
        "Free space of the disk below which events are refused; auto is in proportion.",
    ),
    key(
        "limits.body_bytes",
        "LOGSTRATA_BODY_BYTES",
        "A request's body after decompression, at most.",
    ),
    key("limits.event_bytes", "LOGSTRATA_EVENT_BYTES", "One event, at most."),
    key(
        "limits.memtable_bytes",
        "LOGSTRATA_MEMTABLE_BYTES",
        "Recent events in memory before they become a file.",
    ),
    key(
        "limits.generation_bytes",
        "LOGSTRATA_GENERATION_BYTES",
        "Write-ahead log before recent events become a file.",
    ),
    key(
        "limits.generation_age",
        "LOGSTRATA_GENERATION_AGE",
        "How long recent events stay out of files, at most.",
    ),
    key(
        "limits.wal_bytes",
        "LOGSTRATA_WAL_BYTES",
        "The whole write-ahead log, at most; bounds the time of recovery.",
    ),
    key(
        "limits.queue_bytes",
        "LOGSTRATA_QUEUE_BYTES",
        "Batches that wait for the log; beyond it, requests are answered 429.",
    ),
    key("limits.query_bytes", "LOGSTRATA_QUERY_BYTES", "Memory of one query, at most."),
    key(
        "limits.cache_bytes",
        "LOGSTRATA_CACHE_BYTES",
        "Memory for the directories and filters of files.",
    ),
    key(
        "encryption.key_file",
        "LOGSTRATA_ENCRYPTION_KEY_FILE",
        "Keys that the store is encrypted under, one name:key a line, the first for what is written; \
         nothing: plain.",
    ),
    key(
        "encryption.require",
        "LOGSTRATA_ENCRYPTION_REQUIRE",
        "Whether plain bytes are refused where they could be encrypted: once nothing of before the keys is \
         left.",
    ),
    key(
        "archive.url",
        "LOGSTRATA_ARCHIVE_URL",
        "Where sealed files are copied to: s3://bucket/prefix, gs://, az:// or file:///dir; nothing: \
         no archive.",
    ),
    key(
        "archive.endpoint",
        "LOGSTRATA_ARCHIVE_ENDPOINT",
        "The address of an S3-compatible store, like http://127.0.0.1:8333.",
    ),
    key("archive.region", "LOGSTRATA_ARCHIVE_REGION", "The region of the bucket."),
    key(
        "archive.path_style",
        "LOGSTRATA_ARCHIVE_PATH_STYLE",
        "S3: whether the bucket stands in the path of URLs: true, false (in the host), or auto.",
    ),
    key(
        "archive.storage_class",
        "LOGSTRATA_ARCHIVE_STORAGE_CLASS",
        "S3: the storage class of objects, like STANDARD_IA.",
    ),
    key(
        "archive.sse",
        "LOGSTRATA_ARCHIVE_SSE",
        "S3: encryption by the store: AES256, aws:kms or aws:kms:<key id>.",
    ),
    key(
        "archive.credentials_file",
        "LOGSTRATA_ARCHIVE_CREDENTIALS_FILE",
        "S3: a file as of the AWS command line; GCS: a service account's key. Otherwise the \
         environment, or the machine's role.",
    ),
    key(
        "archive.bandwidth",
        "LOGSTRATA_ARCHIVE_BANDWIDTH",
        "Bytes a second that are sent at most, like 10MiB; off: as many as there are.",
    ),
    key(
        "archive.part_bytes",
        "LOGSTRATA_ARCHIVE_PART_BYTES",
        "Larger files are sent in parts of this size; two are in memory.",
    ),
    key(
        "archive.copy_after",
        "LOGSTRATA_ARCHIVE_COPY_AFTER",
        "A sealed file is copied once it is as old as this, and with it all others.",
    ),
    key(
        "archive.local_keep",
        "LOGSTRATA_ARCHIVE_LOCAL_KEEP",
        "How long a copied file stays on the disk behind its last day, unless its class says so; forever: \
         it stays.",
    ),
    key(
        "archive.cache_bytes",
        "LOGSTRATA_ARCHIVE_CACHE_BYTES",
        "What is kept on the disk at most of what queries fetched from the archive; off: nothing.",
    ),
    key(
        "archive.shared",
        "LOGSTRATA_ARCHIVE_SHARED",
        "Whether other servers may write below the prefix; false: a store that ignores If-None-Match \
         will do.",
    ),
    key(
        "archive.read_back",
        "LOGSTRATA_ARCHIVE_READ_BACK",
        "Whether each object is read again and compared once it is written.",
    ),
    key(
        "archive.export_after",
        "LOGSTRATA_ARCHIVE_EXPORT_AFTER",
        "A UTC day is exported as files for others once it began this long ago, like 7d; off: none.",
    ),
    key(
        "archive.export_format",
        "LOGSTRATA_ARCHIVE_EXPORT_FORMAT",
        "What these files are: ndjson.zst or parquet.",
    ),
    key(
        "archive.export_schedule",
        "LOGSTRATA_ARCHIVE_EXPORT_SCHEDULE",
        "When days are exported: a cron expression.",
    ),
    key(
        "archive.export_time_zone",
        "LOGSTRATA_ARCHIVE_EXPORT_TIME_ZONE",
        "By which clock: UTC, +02:00, or a name like Europe/Berlin. Days are UTC days all the same.",
    ),
    key(
        "archive.export_folder",
        "LOGSTRATA_ARCHIVE_EXPORT_FOLDER",
        "The folder of these files below the prefix.",
    ),
];

/// Those of them that are `true` or `false`.
pub(super) const SWITCHES: [&str; 6] = [
    "storage.mmap",
    "storage.compaction",
    "disk.evict",
    "redaction.enabled",
    "archive.shared",
    "archive.read_back",
];
