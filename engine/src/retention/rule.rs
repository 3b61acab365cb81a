//! The nouns: how long something is kept, and the rule of a class.

use crate::limits::CLASS_NAME_BYTES_MAX;
use crate::timestamp::{Day, NS_PER_DAY, Timestamp};
use std::time::Duration;

/// How long events are kept, from the end of their partition day on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keep {
    /// So many nanoseconds.
    For(i64),
    /// Until somebody removes them.
    Forever,
}

impl Keep {
    /// The shortest that a class may be kept: a level-0 file lives for a day.
    pub const MIN: Self = Self::days(1);
    /// The longest that is not for ever.
    pub const MAX: Self = Self::days(36_500);

    /// So many days.
    pub const fn days(days: u32) -> Self {
        Self::For(days as i64 * NS_PER_DAY)
    }

    /// So long; `None` beyond what can be kept, or below a day.
    pub fn new(time: Duration) -> Option<Self> {
        let keep = Self::For(i64::try_from(time.as_nanos()).ok()?);
        (Self::MIN..=Self::MAX).contains(&keep).then_some(keep)
    }

    /// How long, unless it is for ever.
    pub fn duration(self) -> Option<Duration> {
        match self {
            Self::For(ns) => Some(Duration::from_nanos(ns.unsigned_abs())),
            Self::Forever => None,
        }
    }
}

/// When the events of a partition day that are kept so long are due (`R2`); `None` if they never are,
/// or not within the time that can be told.
pub(crate) fn due(day: Day, keep: Keep) -> Option<Timestamp> {
    let Keep::For(keep) = keep else { return None };
    let end = (i64::from(day.0) + 1).checked_mul(NS_PER_DAY)?;
    Some(Timestamp(end.checked_add(keep)?))
}

/// What gives an event its partition day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ClassClock {
    /// Its timestamp, if that is plausible.
    #[default]
    Event,
    /// Its arrival: for old events that are to be kept from now on.
    Arrival,
}

impl ClassClock {
    /// The name in configuration and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Arrival => "arrival",
        }
    }
}

/// How long a class is kept, and which events are of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassRule {
    /// The name of the class: 1 to 64 of `a-z`, `0-9`, `_` and `-`.
    pub name: String,
    /// Which events are of the class, in the language of queries.
    pub matches: String,
    /// How long they are kept.
    pub keep: Keep,
    /// How long at least they are kept on this machine, if they are in an archive.
    pub local_keep: Option<Keep>,
    /// Whether they may go only once they were exported.
    pub export: bool,
    /// What gives them their day.
    pub clock: ClassClock,
}

/// A rule that somebody gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The name of the class.
    pub name: String,
    /// Which events are of it; `None` for a class of the preset, of which only the rest changes.
    pub matches: Option<String>,
    /// How long they are kept.
    pub keep: Keep,
    /// How long at least they are kept on this machine, if they are in an archive.
    pub local_keep: Option<Keep>,
    /// Whether they may go only once they were exported.
    pub export: bool,
    /// What gives them their day.
    pub clock: ClassClock,
}

impl Rule {
    /// The rule of a class that matches this.
    pub fn new(name: &str, matches: &str, keep: Keep) -> Self {
        Self {
            name: name.to_owned(),
            matches: Some(matches.to_owned()),
            keep,
            local_keep: None,
            export: false,
            clock: ClassClock::Event,
        }
    }
}

impl ClassRule {
    /// Whether the rule is sound by itself, whoever wrote it.
    pub(crate) fn check(&self) -> Result<(), String> {
        check_name(&self.name)?;
        let times = [Some(self.keep), self.local_keep];
        let sound = |keep: &Keep| *keep == Keep::Forever || (Keep::MIN..=Keep::MAX).contains(keep);
        if times.iter().flatten().all(sound) {
            return Ok(());
        }
        Err(format!("{} is kept {:?}, {:?} of it here", self.name, self.keep, self.local_keep))
    }
}

/// Whether a class may be called so: the name becomes a part of the names of files elsewhere.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let sound =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if (1..=CLASS_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(sound) {
        return Ok(());
    }
    Err(format!(
        "a class is called by 1 to {CLASS_NAME_BYTES_MAX} of a-z, 0-9, _ and -, not {name:?}"
    ))
}
