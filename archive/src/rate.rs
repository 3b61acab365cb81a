//! A bound on the bytes a second that are sent.

use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Lets bytes through at a rate.
#[derive(Debug)]
pub(crate) struct Rate {
    bytes_per_second: Option<u64>,
    /// When the next byte may go.
    next: Mutex<Option<Instant>>,
}

impl Rate {
    /// At most so many bytes a second; without a number as many as there are.
    pub(crate) fn new(bytes_per_second: Option<u64>) -> Self {
        Self { bytes_per_second, next: Mutex::new(None) }
    }

    /// Waits until `bytes` may go. One after the other: whoever waits keeps the others waiting.
    pub(crate) async fn take(&self, bytes: u64) {
        let Some(rate) = self.bytes_per_second else { return };
        let mut next = self.next.lock().await;
        let start = next.map_or_else(Instant::now, |next| next.max(Instant::now()));
        sleep_until(start).await;
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
        *next = Some(start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_go_at_the_rate_and_without_one_at_once() {
        let began = Instant::now();
        let rate = Rate::new(Some(1_000));
        for _ in 0..5 {
            rate.take(500).await;
        }
        // The first go at once, the last are not waited for.
        assert_eq!(began.elapsed(), Duration::from_secs(2));
        Rate::new(None).take(u64::MAX).await;
        assert_eq!(began.elapsed(), Duration::from_secs(2));
    }
}
