//! What ends a query within an item: some tests take long on one block.
//!
//! - `N1` once it has fired it stays so, and whoever asks gets the same error.
//! - `N2` what is done after it has fired counts for nothing: whoever looks at values between two checks
//!   checks [`Interrupt::outcome`] before it hands on what it found.

use super::control::Bounds;
use crate::error::{Error, Result};
use std::sync::{Arc, OnceLock};

/// Before values that are shorter nobody looks: many of them are done with in the time of a look.
const LONG_BYTES_MIN: usize = 256;

/// Tells work within an item whether its query is to end. Clones are of the same query.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    bounds: Bounds,
    fired: OnceLock<Error>,
}

impl Interrupt {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self(Some(Arc::new(Inner { bounds, fired: OnceLock::new() })))
    }

    /// To be called before each test of a block.
    ///
    /// # Errors
    /// `Cancelled`, `Deadline`.
    pub(crate) fn check(&self) -> Result<()> {
        self.look();
        self.outcome()
    }

    /// What was seen by all looks so far.
    ///
    /// # Errors
    /// As [`Interrupt::check`].
    pub(crate) fn outcome(&self) -> Result<()> {
        let fired = self.0.as_ref().and_then(|inner| inner.fired.get());
        fired.map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Whether to leave a value alone, before work that takes long on a long one.
    pub(crate) fn leaves_out(&self, value: &[u8]) -> bool {
        value.len() >= LONG_BYTES_MIN && self.look()
    }

    fn look(&self) -> bool {
        let Some(inner) = &self.0 else { return false };
        if inner.fired.get().is_none()
            && let Err(error) = inner.bounds.check()
        {
            // Another thread may be faster: one error is as good as the other.
            drop(inner.fired.set(error));
        }
        inner.fired.get().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::super::control::{Cancel, Control};
    use super::*;
    use crate::error::ErrorKind;
    use crate::io::ManualClock;
    use crate::timestamp::Timestamp;
    use std::time::Duration;

    #[test]
    fn it_fires_once_and_for_good_and_only_long_values_look() {
        let clock = Arc::new(ManualClock::new(Timestamp(0)));
        let deadline = Some(Duration::from_secs(1));
        let control = Control { deadline, ..Control::default() };
        let interrupt = Interrupt::new(Bounds::new(Arc::clone(&clock) as _, &control));
        let (short, long) = ([0; LONG_BYTES_MIN - 1], [0; LONG_BYTES_MIN]);
        assert!(!interrupt.leaves_out(&long));
        clock.advance(Duration::from_secs(1));
        assert!(!interrupt.leaves_out(&short));
        assert!(interrupt.outcome().is_ok(), "nobody has looked");
        assert!(interrupt.clone().leaves_out(&long));
        assert_eq!(interrupt.outcome().unwrap_err().kind(), ErrorKind::Deadline);
        control.cancel.cancel();
        assert_eq!(interrupt.check().unwrap_err().kind(), ErrorKind::Deadline, "N1");
    }

    #[test]
    fn cancelling_fires_and_nothing_else_does_without_a_deadline() {
        let cancel = Cancel::default();
        let control = Control { cancel: cancel.clone(), ..Control::default() };
        let clock = Arc::new(ManualClock::new(Timestamp(0)));
        let interrupt = Interrupt::new(Bounds::new(Arc::clone(&clock) as _, &control));
        clock.advance(Duration::from_secs(1_000_000));
        assert!(interrupt.check().is_ok());
        cancel.cancel();
        assert_eq!(interrupt.check().unwrap_err().kind(), ErrorKind::Cancelled);
        assert!(Interrupt::default().check().is_ok());
    }
}
