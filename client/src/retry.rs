//! Which refusals are worth another try, and when.

use crate::error::{Error, Result};
use crate::wire::ErrorKind;
use std::time::Duration;

/// How a refused request is repeated. Refusals that say "not now" are. After a broken connection
/// nobody knows whether the request took effect: repeating it could store events twice, unless they
/// are sent under a key ([`crate::Client::ingest_once`]).
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// Tries in all, the first included.
    pub tries_max: u32,
    /// The wait before the second try; each further one is twice as long.
    pub first_wait: Duration,
    /// The longest wait, unless the server asks for more: that is heeded up to a minute.
    pub wait_max: Duration,
    /// Whether requests have keys, and so may be repeated after a broken connection.
    pub has_keys: bool,
}

/// What a server can make a client wait, whatever its own longest wait is.
const AFTER_MAX: Duration = Duration::from_secs(60);

impl Default for Retry {
    fn default() -> Self {
        Self {
            tries_max: 12,
            first_wait: Duration::from_millis(50),
            wait_max: Duration::from_secs(5),
            has_keys: false,
        }
    }
}

impl Retry {
    /// The wait before the next try, after `tries` tries of which the last ended in `error`;
    /// `None` if there should be none.
    pub fn wait(&self, tries: u32, error: &Error) -> Option<Duration> {
        let (passes, after) = match error {
            Error::Server(refusal) => {
                let kind = refusal.error.kind;
                (matches!(kind, ErrorKind::Busy | ErrorKind::Full), refusal.retry_after)
            }
            Error::Transport { connecting: false, .. } => (self.has_keys, None),
            // Nothing was sent. A server that was there before is most likely restarted.
            Error::Transport { connecting: true, .. } => (tries > 1, None),
            _ => return None,
        };
        if !passes || tries >= self.tries_max {
            return None;
        }
        let doubled = self.first_wait.saturating_mul(1 << tries.saturating_sub(1).min(16));
        let after = after.unwrap_or_default().min(AFTER_MAX);
        Some(doubled.min(self.wait_max).max(after))
    }

    /// Calls until the answer is not "not now", or the tries are used up.
    ///
    /// # Errors
    /// The last call's.
    pub async fn run<T, F: Future<Output = Result<T>>>(
        &self,
        mut call: impl FnMut() -> F,
    ) -> Result<T> {
        let mut tries = 0;
        loop {
            let error = match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            tries += 1;
            match self.wait(tries, &error) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Refusal;
    use crate::wire::ErrorDetail;

    fn refusal(kind: ErrorKind, retry_after: Option<Duration>) -> Error {
        Error::Server(Box::new(Refusal {
            status: 0,
            error: ErrorDetail::new(kind, "no"),
            ingest: None,
            retry_after,
        }))
    }

    #[test]
    fn waits_double_up_to_the_longest_and_heed_the_server() {
        let retry = Retry {
            tries_max: 9,
            first_wait: Duration::from_millis(100),
            wait_max: Duration::from_secs(1),
            has_keys: false,
        };
        let busy = refusal(ErrorKind::Busy, None);
        let waits: Vec<_> = (1..=9).map(|n| retry.wait(n, &busy).map(|w| w.as_millis())).collect();
        let rising = [100, 200, 400, 800, 1_000, 1_000, 1_000, 1_000].map(Some);
        assert_eq!(waits[..8], rising);
        assert_eq!(waits[8], None, "the tries are used up");
        let later = refusal(ErrorKind::Full, Some(Duration::from_millis(700)));
        assert_eq!(retry.wait(1, &later), Some(Duration::from_millis(700)));
        // They were cut down to the longest wait of the client.
        let much_later = refusal(ErrorKind::Full, Some(Duration::from_secs(30)));
        assert_eq!(retry.wait(1, &much_later), Some(Duration::from_secs(30)));
        let never = refusal(ErrorKind::Full, Some(Duration::from_secs(1_000_000)));
        assert_eq!(retry.wait(1, &never), Some(AFTER_MAX));
    }

    #[test]
    fn what_will_not_pass_is_not_repeated() {
        let retry = Retry::default();
        for kind in [ErrorKind::Invalid, ErrorKind::Io, ErrorKind::TooLarge, ErrorKind::Closed] {
            assert_eq!(retry.wait(1, &refusal(kind, None)), None, "{kind:?}");
        }
        let broken = Error::Transport { connecting: false, message: String::new() };
        assert_eq!(retry.wait(1, &broken), None);
        let keyed = Retry { has_keys: true, ..retry };
        assert!(keyed.wait(1, &broken).is_some(), "a key makes it safe");
        let unreachable = Error::Transport { connecting: true, message: String::new() };
        assert_eq!(keyed.wait(1, &unreachable), None);
        assert!(keyed.wait(2, &unreachable).is_some(), "it was there before: it is restarted");
    }
}
