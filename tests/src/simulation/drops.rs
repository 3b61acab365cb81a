//! What is due is dropped, and nothing else ever goes.

use super::{Expected, Simulation};
use crate::model::matches;
use crate::workload::{Draft, MARK};
use logstrata_engine::io::Clock;
use logstrata_engine::query::EventRecord;
use logstrata_engine::query::parse;
use logstrata_engine::{EventId, Level, RunKind, Timestamp, days_from_civil};
use std::collections::{BTreeMap, BTreeSet};

const DAY: i64 = 86_400_000_000_000;

/// When events are due, by their marks.
pub(super) type Dues = BTreeMap<Vec<u8>, Timestamp>;

/// When an event of the preset `levels` that came in at a time is due.
pub(super) fn due(event: &EventRecord, arrival: Timestamp) -> Timestamp {
    let exception = parse("error.type:*").expect("a query");
    let keep = match event.level {
        _ if matches(&exception, event) => 365,
        Level::Trace | Level::Debug => 7,
        Level::Info => 30,
        Level::Warn => 90,
        Level::Error => 180,
        Level::Critical => 365,
    };
    let earliest = days_from_civil(2000, 1, 1) * DAY;
    let own = event.timestamp.0;
    let time = if own >= earliest && own <= arrival.0 + DAY { own } else { arrival.0 };
    Timestamp((time.div_euclid(DAY) + 1 + keep) * DAY)
}

impl Expected {
    /// A batch is known to be there.
    pub(super) fn stored(&mut self, drafts: &[Draft], arrival: Timestamp, first: EventId) {
        let known = self.model.events().len();
        self.model.append(drafts, arrival, first);
        for event in &self.model.events()[known..] {
            let mark = event.get(MARK).expect("every event has a mark").text.to_vec();
            self.dues.insert(mark, due(event, arrival));
        }
    }
}

impl Simulation {
    /// Days pass, somebody vouches for the clock, and what is due is dropped. Only while nothing fails;
    /// the process may die of it.
    pub fn drop_due(&mut self) {
        let days = [0, 1, 10, 40, 200][self.dice.below(5)];
        let now = Timestamp(self.clock.now().0 + days * DAY);
        self.clock.set(now);
        self.forget_old_keys();
        let kind = [RunKind::Requested, RunKind::Scheduled][self.dice.weighted(&[80, 20])];
        let dues = self.expected.dues.iter().filter(|(_, due)| **due <= now);
        self.expected.may_be_gone = dues.map(|(mark, _)| mark.clone()).collect();
        let resumed = self.engine().resume_drops();
        let run = self.engine().drop_due(kind);
        let told = run.as_ref().map(|run| run.dropped().events).map_err(ToString::to_string);
        self.note(format!("  {days} days later {kind:?} drops {told:?}"));
        self.settle();
        if self.disk.halted() {
            return;
        }
        let (run, ()) = (run.expect("nothing fails"), resumed.expect("nothing fails"));
        assert_eq!(run.suspended, None);
        let Some(marks) = self.marks() else { return };
        let before = self.expected.model.events().len();
        self.forget_gone(&marks);
        let gone = before - self.expected.model.events().len();
        assert_eq!(gone as u64, run.dropped().events);
        if kind == RunKind::Requested {
            let stays = |(_, due): (_, &Timestamp)| *due > now;
            assert!(self.expected.dues.iter().all(stays), "what was due is still there");
        }
        self.tally.dropped += gone as u64;
        self.tally.answers += 1;
    }

    /// The marks of what is stored; `None` if the process died of the question.
    fn marks(&mut self) -> Option<BTreeSet<Vec<u8>>> {
        let found = self.try_all();
        match found {
            Ok(events) => {
                let mark = |event: &EventRecord| event.get(MARK).expect("a mark").text.to_vec();
                Some(events.iter().map(mark).collect())
            }
            Err(error) => {
                assert!(self.disk.halted(), "searched: {error}");
                None
            }
        }
    }

    /// What may be gone and is not stored is no longer expected.
    pub(super) fn forget_gone(&mut self, stored: &BTreeSet<Vec<u8>>) {
        let mut may_be_gone = std::mem::take(&mut self.expected.may_be_gone);
        may_be_gone.retain(|mark| !stored.contains(mark));
        let mark = |event: &EventRecord| event.get(MARK).expect("a mark").text.to_vec();
        self.expected.model.retain(|event| !may_be_gone.contains(&mark(event)));
        self.expected.dues.retain(|mark, _| !may_be_gone.contains(mark));
    }
}
