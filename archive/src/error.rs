//! What can go wrong with the archive, said so that an operator knows where and what to do.

use std::fmt;
use std::sync::Arc;

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Settings that can't work.
    Invalid,
    /// The store can't be reached, or fails itself. It is tried again.
    Unreachable,
    /// The store refuses the credentials, or they have too few rights.
    Refused,
    /// There is no such bucket, or nothing of a Logstrata store in it.
    Missing,
    /// Another server archives the same store, or has archived another history of it.
    Conflict,
    /// What the store gave back is not what was put there.
    Corrupt,
    /// Bytes of a later version.
    Unsupported,
    /// Too much is asked for at a time, or the server is shut down. It may be asked for again.
    Busy,
    /// The engine's part failed: the local disk, or a store that is closed.
    Engine,
}

/// Why the archive did not do what it was asked.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// What the archive returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where virtual machines ask for their credentials.
const METADATA_HOSTS: [&str; 3] = ["169.254.169.254", "169.254.170.2", "metadata.google.internal"];

/// What a store says of itself is foreign and may be long.
const FOREIGN_CHARS_MAX: usize = 400;

impl Error {
    /// An error of this kind.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Bytes that are not what was put there.
    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// What a store answered when it was asked to `action` at `place`.
    pub(crate) fn of_store(action: &str, place: &str, error: object_store::Error) -> Self {
        use object_store::Error as E;
        let text = error.to_string();
        let has = |word: &str| text.contains(word);
        let (kind, advice) = match &error {
            _ if has("NoSuchBucket") => {
                (ErrorKind::Missing, "there is no such bucket: create it, or correct archive.url")
            }
            // The place where virtual machines have their credentials: asked when nothing else is set.
            _ if METADATA_HOSTS.iter().any(|host| has(host)) => (
                ErrorKind::Refused,
                "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
                 archive.credentials_file, or give the machine a role",
            ),
            _ if has("InvalidObjectState") => (
                ErrorKind::Missing,
                "the object is in a storage class that has to be thawed before it can be read: restore \
                 it to another class, and take away the lifecycle rule that moved it",
            ),
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => (
                ErrorKind::Refused,
                "the credentials are wrong or lack rights: they need to read, write, list and \
                 delete below the prefix",
            ),
            E::NotFound { .. } => {
                (ErrorKind::Missing, "there is no such bucket or object: correct archive.url")
            }
            E::NotImplemented { .. } | E::NotSupported { .. } => {
                (ErrorKind::Unsupported, "the store can't do that")
            }
            _ => (
                ErrorKind::Unreachable,
                "the store can't be reached or fails: check archive.endpoint and the network; it \
                 is tried again",
            ),
        };
        let said: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut said: String = said.chars().take(FOREIGN_CHARS_MAX).collect();
        if said.is_empty() {
            "nothing".clone_into(&mut said);
        }
        let message = format!("cannot {action} {place}: {advice} ({said})");
        Self { kind, message, source: Some(Arc::new(error)) }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

impl From<logstrata_engine::Error> for Error {
    fn from(error: logstrata_engine::Error) -> Self {
        let kind = match error.kind() {
            logstrata_engine::ErrorKind::Corrupt => ErrorKind::Corrupt,
            logstrata_engine::ErrorKind::Unsupported => ErrorKind::Unsupported,
            logstrata_engine::ErrorKind::Invalid => ErrorKind::Invalid,
            _ => ErrorKind::Engine,
        };
        Self { kind, message: error.to_string(), source: Some(Arc::new(error)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Error {
        let error = object_store::Error::Generic { store: "S3", source: text.into() };
        Error::of_store("read", "x", error)
    }

    #[test]
    fn what_a_store_says_is_told_apart() {
        for (text, kind, advice) in [
            (
                "error sending request to http://169.254.169.254/latest/api/token",
                ErrorKind::Refused,
                "no credentials",
            ),
            (
                "http://metadata.google.internal/computeMetadata/v1",
                ErrorKind::Refused,
                "no credentials",
            ),
            ("filer: cannot update metadata of chunk", ErrorKind::Unreachable, "tried again"),
            ("<Code>InvalidObjectState</Code>", ErrorKind::Missing, "thawed"),
            ("<Code>NoSuchBucket</Code>", ErrorKind::Missing, "no such bucket"),
        ] {
            let error = told(text);
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(advice), "{error}");
        }
    }
}
