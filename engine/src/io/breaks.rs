//! Breaks of threads whose work can wait.
//!
//! A thread that computes has its processor until its time slice ends, which the system looks at every few
//! milliseconds only. Whoever is woken meanwhile waits so long: a request, the writer, and the thread of the
//! kernel that sends a sync to the disk. A lower priority does not end that. It counts within a group of
//! threads (a service, a session), and those of the kernel are of another one. A thread that sleeps for a
//! moment now and then does: whoever waits has the processor at once.

#![expect(clippy::disallowed_methods, reason = "this is the door")]

use std::cell::Cell;
use std::time::{Duration, Instant};

/// How long a thread works between two breaks.
const WORK: Duration = Duration::from_micros(300);
/// How long a break is at least. The system makes it 50 µs longer.
const BREAK: Duration = Duration::from_micros(20);

thread_local! {
    /// When the last break of this thread ended, if it takes any.
    static WORKS_SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Whether the calling thread takes breaks from now on. At first no thread does.
pub(crate) fn take_breaks(takes: bool) {
    WORKS_SINCE.set(takes.then(Instant::now));
}

/// Called by long computations, about every tenth of a millisecond: takes a break if one is due.
#[inline]
pub(crate) fn may_break() {
    if let Some(since) = WORKS_SINCE.get() {
        break_if_due(since);
    }
}

fn break_if_due(since: Instant) {
    if since.elapsed() >= WORK {
        std::thread::sleep(BREAK);
        WORKS_SINCE.set(Some(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Works until a break was taken, and returns for how long; `None` if none came in ten times as long.
    fn work_until_a_break() -> Option<Duration> {
        let began = Instant::now();
        let mark = WORKS_SINCE.get();
        while began.elapsed() < WORK * 10 {
            may_break();
            if WORKS_SINCE.get() != mark {
                return Some(began.elapsed());
            }
        }
        None
    }

    #[test]
    fn only_a_thread_that_takes_breaks_has_them_and_only_after_its_work() {
        assert_eq!(work_until_a_break(), None);
        take_breaks(true);
        assert!(work_until_a_break().is_some_and(|worked| worked >= WORK + BREAK));
        assert!(work_until_a_break().is_some_and(|worked| worked >= BREAK));
        std::thread::spawn(|| assert_eq!(work_until_a_break(), None)).join().unwrap();
        take_breaks(false);
        assert_eq!(work_until_a_break(), None);
    }
}
