//! Random events and random queries about them, from one vocabulary, so that queries find things.

mod queries;
mod sentences;
mod stages;
mod values;

pub use queries::{filter_text, search, stats, time_range};
pub use sentences::{Shapes, sentence_filter};
pub use stages::{followed_text, query, staged_text};

use crate::dice::Dice;
use logstrata_engine::query::{EventField, EventRecord};
use logstrata_engine::{
    Batch, BatchBuilder, EventId, Kind, Level, Limits, Seq, Timestamp, days_from_civil, field,
};
use std::collections::HashMap;

/// The field that tells events apart, whatever else they have.
pub const MARK: &str = "mark";

/// When workloads take place.
pub const START: Timestamp = Timestamp(1_795_219_200_000_000_000);

/// An event before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its time; that of arrival if there is none.
    pub timestamp: Option<Timestamp>,
    /// Its level; info if there is none.
    pub level: Option<Level>,
    /// Column names, kinds and lexemes; a name can come twice.
    pub fields: Vec<(String, Kind, Vec<u8>)>,
}

impl Draft {
    /// The event as it must be found again.
    pub fn stored(&self, arrival: Timestamp, incarnation: u16, seq: Seq) -> EventRecord {
        let timestamp = self.timestamp.unwrap_or(arrival);
        let mut times_seen: HashMap<&str, usize> = HashMap::new();
        let fields = self.fields.iter().map(|(name, kind, text)| {
            let seen = times_seen.entry(name).or_default();
            let stored = field::with_ordinal(name, *seen);
            *seen += 1;
            EventField { name: stored.into(), kind: *kind, text: text.clone() }
        });
        let event = EventRecord {
            id: EventId::new(timestamp, incarnation, seq),
            timestamp,
            level: self.level.unwrap_or(Level::Info),
            fields: fields.collect(),
            as_sent: None,
        };
        crate::model::by_name(event)
    }

    /// What tells it apart.
    pub fn mark(&self) -> &[u8] {
        let field = self.fields.iter().find(|(name, ..)| name == MARK);
        &field.expect("every draft has a mark").2
    }
}

/// The batch of these events.
pub fn batch(drafts: &[Draft], limits: &Limits, arrival: Timestamp) -> Batch {
    let mut builder = BatchBuilder::new(limits, arrival);
    for draft in drafts {
        let mut event = builder.event();
        if let Some(timestamp) = draft.timestamp {
            event.timestamp = timestamp;
        }
        if let Some(level) = draft.level {
            event.level = level;
        }
        for (name, kind, text) in &draft.fields {
            event.field(name, *kind, text);
        }
        event.finish().expect("workloads stay within the limits");
    }
    builder.build()
}

/// Makes events, each with a mark of its own.
#[derive(Debug, Default, Clone)]
pub struct Drafts {
    made: u64,
}

impl Drafts {
    /// Some events; `now` is about when they happened.
    pub fn some(&mut self, dice: &mut Dice, count: usize, now: Timestamp) -> Vec<Draft> {
        (0..count).map(|_| self.one(dice, now)).collect()
    }

    fn one(&mut self, dice: &mut Dice, now: Timestamp) -> Draft {
        self.made += 1;
        let level = dice.chance(90).then(|| Level::ALL[dice.weighted(&[5, 20, 50, 12, 10, 3])]);
        let mut fields = values::fields(dice);
        let at = dice.below(fields.len() + 1);
        fields.insert(at, (MARK.to_owned(), Kind::Number, self.made.to_string().into_bytes()));
        Draft { timestamp: time(dice, now), level, fields }
    }
}

/// Mostly about now; sometimes late, in the future, or of a broken clock; sometimes none.
fn time(dice: &mut Dice, now: Timestamp) -> Option<Timestamp> {
    const MINUTE: i64 = 60_000_000_000;
    const DAY: i64 = 24 * 60 * MINUTE;
    let start = |year| Timestamp(days_from_civil(year, 1, 1) * DAY);
    Some(match dice.weighted(&[60, 10, 10, 8, 3, 3, 2, 1, 1, 2]) {
        0 => Timestamp(now.0 - (dice.roll() % MINUTE as u64) as i64),
        1 => return None,
        // Several events at one nanosecond.
        2 => Timestamp(now.0 - now.0.rem_euclid(MINUTE)),
        3 => Timestamp(now.0 - (dice.roll() % (3 * DAY) as u64) as i64),
        4 => Timestamp(now.0 + (dice.roll() % (2 * DAY) as u64) as i64),
        5 => Timestamp(start(1970).0 + dice.below(5) as i64 - 2),
        6 => start(2100),
        7 => Timestamp::MIN,
        8 => Timestamp::MAX,
        _ => start(1999 + dice.below(3) as i64),
    })
}
