//! Senders of batches, with keys and without.

use super::{Key, Keyed, Sent, Simulation};
use crate::workload;
use logstrata_engine::io::{Clock, Op, Place};
use logstrata_engine::{Appended, BatchKey, BodyHash, Claim, ErrorKind, Level, Stored};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What became of a batch, once it is known.
type Answer = Arc<Mutex<Option<logstrata_engine::Result<Appended>>>>;

/// How many senders have to come together.
const SENDERS_MAX: usize = 6;

impl Simulation {
    /// Appends a batch of so many events, with a key or without, and waits for it.
    pub fn append(&mut self, count: usize, keyed: bool) {
        let sent = self.draft(count, keyed);
        self.send_and_wait(sent);
    }

    /// A batch that nobody has sent yet.
    fn draft(&mut self, count: usize, keyed: bool) -> Sent {
        let arrival = self.clock.now();
        let mut drafts = self.expected.drafts.some(&mut self.dice, count, arrival);
        if self.is_calm {
            for (number, draft) in drafts.iter_mut().enumerate() {
                draft.timestamp = Some(arrival);
                draft.level = Some([Level::Info, Level::Error][number % 2]);
            }
        }
        let key = keyed.then(|| {
            self.expected.names += 1;
            let name = format!("batch {}", self.expected.names);
            let marks: Vec<&[u8]> = drafts.iter().map(workload::Draft::mark).collect();
            Key {
                name: BatchKey::named("", name.as_bytes()),
                body: BodyHash::new(&marks),
                answer: format!("answer of {name}").into_bytes(),
            }
        });
        Sent { drafts, arrival, key }
    }

    fn send_and_wait(&mut self, sent: Sent) {
        let answer = self.send(&sent);
        await_answer(&answer);
        self.settle();
        self.receive(sent, &answer);
    }

    /// Sends a batch whose key, if it has one, must be free.
    fn send(&self, sent: &Sent) -> Answer {
        let answer = Answer::default();
        let batch = workload::batch(&sent.drafts, &self.limits, sent.arrival);
        let told = Arc::clone(&answer);
        let done = move |result| *told.lock().expect("not poisoned") = Some(result);
        match &sent.key {
            None => self.engine().submit(batch, done),
            Some(key) => match self.engine().claim(key.name, key.body, || {}) {
                Claim::New(ticket) => {
                    self.engine().submit_once(batch, ticket.with_answer(&key.answer), done);
                }
                other => panic!("a key that nobody has used: {other:?}"),
            },
        }
        answer
    }

    /// What a sender makes of its answer.
    fn receive(&mut self, sent: Sent, answer: &Answer) {
        let result = answer.lock().expect("not poisoned").take();
        let events = sent.drafts.len();
        match result.expect("awaited") {
            Ok(appended) => {
                assert_eq!(appended.count, events);
                self.note(format!("  {events} events acknowledged: {:?}", appended.ids));
                self.acknowledged(sent, appended);
            }
            Err(error) => {
                self.note(format!("  {events} events not acknowledged: {error}"));
                assert!(self.troubled || self.disk.halted(), "without a fault: {error}");
                let refused = matches!(error.kind(), ErrorKind::Full | ErrorKind::Io);
                if refused && !self.disk.halted() {
                    // For ever: every check finds it if it comes back.
                    self.tally.refused += 1;
                } else {
                    let closed = error.kind() == ErrorKind::Closed;
                    assert!(closed || self.disk.halted(), "a surprising refusal: {error}");
                    self.expected.unknown.push(sent);
                }
            }
        }
    }

    fn acknowledged(&mut self, sent: Sent, appended: Appended) {
        let Sent { drafts, arrival, key } = sent;
        let Some(ids) = appended.ids else { return assert!(drafts.is_empty()) };
        self.tally.acknowledged += 1;
        self.expected.stored(&drafts, arrival, ids.0);
        let last = self.expected.model.events().last().map(|event| event.id);
        assert_eq!(last, Some(ids.1), "the ids of a batch are dense");
        if let Some(key) = key {
            let count = drafts.len();
            self.expected.keyed.push(Keyed { key, count, ids, arrival, may_be_forgotten: false });
        }
    }

    /// Several senders at once: all but the first become one group. Only while nothing fails.
    pub fn append_several(&mut self) {
        let senders = self.dice.within(2..SENDERS_MAX);
        let sent: Vec<_> = (0..senders).map(|_| self.any_draft()).collect();
        let answers = self.send_while_held(&sent);
        self.disk.release();
        answers.iter().for_each(await_answer);
        self.settle();
        for (sent, answer) in sent.into_iter().zip(answers) {
            self.receive(sent, &answer);
        }
    }

    pub(super) fn any_draft(&mut self) -> Sent {
        let (count, keyed) = (self.dice.within(1..8), self.dice.chance(50));
        self.draft(count, keyed)
    }

    /// Sends these while the log is in the midst of syncing the first.
    pub(super) fn send_while_held(&mut self, sent: &[Sent]) -> Vec<Answer> {
        self.disk.hold(Op::Sync, Place::Part("/wal/".into()));
        let mut answers = vec![self.send(&sent[0])];
        self.disk.await_held();
        answers.extend(sent[1..].iter().map(|sent| self.send(sent)));
        if !self.disk.halted() {
            self.check_in_flight(&sent[0]);
        }
        answers
    }

    /// Whoever sends a batch again that is on its way is told so.
    fn check_in_flight(&self, sent: &Sent) {
        let Some(key) = &sent.key else { return };
        let woken = Arc::new(AtomicBool::new(false));
        let wakes = Arc::clone(&woken);
        let wake = move || wakes.store(true, Ordering::SeqCst);
        let claim = self.engine().claim(key.name, key.body, wake);
        assert!(matches!(claim, Claim::InFlight), "{claim:?}");
        assert!(!woken.load(Ordering::SeqCst), "nothing has landed yet");
    }

    /// Batches that are in flight when the process dies: unknown, unless they are answered.
    pub(super) fn lose_touch(&mut self, sent: Vec<Sent>, answers: &[Answer]) {
        for (sent, answer) in sent.into_iter().zip(answers) {
            let told = answer.lock().expect("not poisoned").clone();
            match told {
                Some(Ok(appended)) => self.acknowledged(sent, appended),
                _ => self.expected.unknown.push(sent),
            }
        }
    }

    /// Sends a batch again that was stored: it gets the first answer. Another batch of its key is
    /// refused.
    pub fn send_again(&mut self) {
        let Some(keyed) = self.pick_keyed() else { return };
        let claim = self.engine().claim(keyed.key.name, keyed.key.body, || {});
        self.note(format!("  again: {}", name_of(&claim)));
        check_stored(&claim, &keyed);
        drop(claim);
        let body = BodyHash::new(&[b"something else"]);
        let claim = self.engine().claim(keyed.key.name, body, || {});
        assert!(matches!(claim, Claim::Conflict) || keyed.may_be_forgotten, "{claim:?}");
        self.tally.answers += 2;
    }

    fn pick_keyed(&mut self) -> Option<Keyed> {
        let count = self.expected.keyed.len();
        (count > 0).then(|| self.expected.keyed[self.dice.below(count)].clone())
    }

    /// Every key that must be remembered gives its answer.
    pub(super) fn check_keys(&self) {
        for keyed in &self.expected.keyed {
            let claim = self.engine().claim(keyed.key.name, keyed.key.body, || {});
            check_stored(&claim, keyed);
        }
    }

    /// The store is open again: what was unknown is known now. Senders with keys try again.
    pub(super) fn learn(&mut self) {
        let stored = self.by_mark();
        self.forget_gone(&stored.keys().cloned().collect());
        let mut missing = Vec::new();
        let mut found = Vec::new();
        for sent in std::mem::take(&mut self.expected.unknown) {
            let ids: Vec<_> = sent.drafts.iter().filter_map(|d| stored.get(d.mark())).collect();
            match ids.first() {
                None => missing.push(sent),
                Some(first) => {
                    assert_eq!(ids.len(), sent.drafts.len(), "a part of a batch is stored");
                    found.push((**first, sent));
                }
            }
        }
        // Senders are not answered in the order in which they sent.
        found.sort_by_key(|(first, _)| first.seq());
        for (first, sent) in found {
            self.tally.unknown_kept += 1;
            self.found(first, sent);
        }
        for sent in missing {
            self.tally.unknown_lost += 1;
            self.note(format!("  {} events were not kept", sent.drafts.len()));
            if sent.key.is_some() && !self.troubled {
                self.send_and_wait(sent);
            }
        }
    }

    /// A batch whose outcome was unknown is there.
    fn found(&mut self, first: logstrata_engine::EventId, sent: Sent) {
        self.note(format!("  {} events were kept", sent.drafts.len()));
        self.expected.stored(&sent.drafts, sent.arrival, first);
        let last = self.expected.model.events().last().expect("a batch has events").id;
        let Some(key) = sent.key else { return };
        let (count, ids, arrival) = (sent.drafts.len(), (first, last), sent.arrival);
        let keyed = Keyed { key, count, ids, arrival, may_be_forgotten: false };
        let claim = self.engine().claim(keyed.key.name, keyed.key.body, || {});
        check_stored(&claim, &keyed);
        self.expected.keyed.push(keyed);
    }
}

/// Every batch is answered.
fn await_answer(answer: &Answer) {
    while answer.lock().expect("not poisoned").is_none() {
        std::thread::yield_now();
    }
}

fn name_of(claim: &Claim) -> &'static str {
    match claim {
        Claim::New(_) => "forgotten",
        Claim::Stored(_) => "stored",
        Claim::Conflict => "conflict",
        Claim::InFlight => "in flight",
        Claim::Busy => "busy",
    }
}

fn check_stored(claim: &Claim, keyed: &Keyed) {
    match claim {
        Claim::Stored(Stored { count, ids, answer }) => {
            assert_eq!((*count, *ids), (keyed.count, keyed.ids), "the first answer");
            assert_eq!(**answer, *keyed.key.answer);
        }
        Claim::New(_) if keyed.may_be_forgotten => {}
        other => panic!("a key that must be remembered: {other:?}, {keyed:?}"),
    }
}
