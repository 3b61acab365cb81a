//! Faults, crashes, and the life after them.

use super::Simulation;
use logstrata_engine::Timestamp;
use logstrata_engine::io::{Clock, Fault, FaultyStorage, MemoryStorage, Op, Place, Rule, Unit};
use std::io::ErrorKind;
use std::time::Duration;

/// What a crash leaves of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    /// Everything: only the process died.
    Kill,
    /// Nothing.
    Nothing,
    /// Everything: the system had just written all of it back.
    Everything,
    /// Any sectors and names, in so many of a hundred cases, by this seed.
    Sectors(usize, u64),
    /// Any pages and names.
    Pages(usize, u64),
}

impl Leaves {
    /// The disk after it.
    pub fn of(self, memory: &MemoryStorage) -> MemoryStorage {
        let coin = |percent: usize, seed: u64| {
            let mut dice = crate::dice::Dice::new(seed);
            move || dice.chance(percent)
        };
        match self {
            Self::Kill => memory.copy(),
            Self::Nothing => memory.power_cut(),
            Self::Everything => memory.crash(|| true),
            Self::Sectors(percent, seed) => memory.crash(coin(percent, seed)),
            Self::Pages(percent, seed) => memory.crash_by(Unit::Page, coin(percent, seed)),
        }
    }
}

/// Parts of the names of files, from all to few.
const PLACES: [&str; 7] = ["/wal", "/segments", "/keys", "/store/MANIFEST", ".seg", ".pack", ".l0"];

impl Simulation {
    /// Closes the store and opens it again.
    pub fn reopen(&mut self) {
        self.close();
        if self.disk.halted() {
            // The process died while it closed.
            self.crash(Leaves::Kill);
        } else if self.troubled {
            self.recover_on(self.memory.clone());
        } else {
            self.open_again();
        }
    }

    fn close(&mut self) {
        let engine = self.engine.take().expect("open between two openings");
        let closed = engine.close();
        assert!(closed.is_ok() || self.troubled || self.disk.halted(), "{closed:?}");
    }

    /// As [`Simulation::reopen`] on a disk that works, or until the process dies.
    pub fn restart(&mut self) {
        self.close();
        if !self.disk.halted() && self.try_open().is_ok() {
            self.learn();
            self.check_all();
        }
        assert!(self.engine.is_some() || self.disk.halted(), "the store does not open");
    }

    /// The process dies, with this left of the disk; the store is opened on it.
    pub fn crash(&mut self, leaves: Leaves) {
        self.tally.crashes += 1;
        self.note(format!("  crash: {leaves:?}"));
        let memory = leaves.of(&self.memory);
        self.recover_on(memory);
    }

    /// The process dies while batches are in flight.
    pub fn crash_in_flight(&mut self, leaves: Leaves) {
        self.tally.crashes += 1;
        self.note(format!("  crash with batches in flight: {leaves:?}"));
        let sent: Vec<_> = (0..self.dice.within(1..5)).map(|_| self.any_draft()).collect();
        let answers = self.send_while_held(&sent);
        let memory = leaves.of(&self.memory);
        self.end_process();
        self.lose_touch(sent, &answers);
        self.recover_on(memory);
    }

    /// What a crash leaves, by chance.
    pub fn any_leaves(&mut self) -> Leaves {
        let seed = self.dice.roll();
        let percent = [10, 50, 50, 90][self.dice.below(4)];
        match self.dice.below(5) {
            0 => Leaves::Kill,
            1 => Leaves::Nothing,
            2 => Leaves::Everything,
            3 => Leaves::Pages(percent, seed),
            _ => Leaves::Sectors(percent, seed),
        }
    }

    /// Ends the process, if there is one, and opens the store on this disk; sometimes that fails or
    /// is cut off, too.
    fn recover_on(&mut self, memory: MemoryStorage) {
        self.end_process();
        self.on_disk(memory);
        for _ in 0..2 {
            match self.dice.weighted(&[70, 20, 10]) {
                0 => break,
                1 => self.crash_while_opening(),
                _ => self.fail_while_opening(),
            }
        }
        self.open_again();
    }

    fn on_disk(&mut self, memory: MemoryStorage) {
        self.disk = FaultyStorage::seeded(memory.clone(), self.dice.roll());
        self.memory = memory;
        self.troubled = false;
    }

    fn crash_while_opening(&mut self) {
        let step = self.dice.below(24) as u64;
        let reached = self.open_until(step);
        let leaves = self.any_leaves();
        self.note(format!("  crash at step {step} of opening ({reached}): {leaves:?}"));
        self.tally.crashes += 1;
        self.on_disk(leaves.of(&self.memory));
    }

    /// Opens the store; at the step of this number the process dies. Whether there was such a step.
    pub fn open_until(&mut self, step: u64) -> bool {
        self.disk.fail(step, Fault::Halt);
        let opened = self.try_open();
        let reached = self.disk.halted();
        assert!(opened.is_ok() || reached, "an opening failed without a fault: {opened:?}");
        self.end_process();
        reached
    }

    fn fail_while_opening(&mut self) {
        let rule = self.any_rule();
        self.note(format!("  opening with {rule:?}"));
        self.troubled = true;
        match self.dice.chance(20) {
            true => self.disk.set_room(Some(self.dice.below(20_000) as u64)),
            false => self.disk.inject(rule),
        }
        let opened = self.try_open();
        if let Err(error) = &opened {
            self.note(format!("  opening failed: {error}"));
        }
        self.end_process();
        let memory = self.memory.clone();
        self.on_disk(memory);
    }

    /// Opens the store, which must work, and compares all of it.
    fn open_again(&mut self) {
        if let Err(error) = self.try_open() {
            assert!(self.disk.halted(), "the store does not open: {error}");
            let leaves = self.any_leaves();
            return self.crash(leaves);
        }
        self.learn();
        self.check_all();
    }

    /// Opens a store that a crash has left, and checks that it holds what it must and works.
    ///
    /// # Panics
    /// If not.
    pub fn recover(&mut self) {
        self.open_again();
        self.check_works();
        self.end_process();
    }

    /// What a crash now would leave, as a store of its own that is not open yet.
    pub fn crashed(&self, leaves: Leaves) -> Self {
        self.branch(leaves.of(&self.memory), 1)
    }

    /// This fails from now on.
    pub fn inject_rule(&mut self, rule: Rule) {
        self.troubled = true;
        self.disk.inject(rule);
    }

    /// The disk has room for so many bytes more.
    pub fn fill_up_to(&mut self, bytes: u64) {
        self.troubled = true;
        self.disk.set_room(Some(bytes));
    }

    /// Something fails from now on.
    pub(super) fn inject(&mut self) {
        self.troubled = true;
        if self.dice.chance(15) {
            let room = self.dice.below(30_000) as u64;
            self.note(format!("  the disk has room for {room} bytes"));
            return self.disk.set_room(Some(room));
        }
        let rule = self.any_rule();
        self.note(format!("  {rule:?}"));
        if rule.fault == Fault::Flip || matches!(rule.op, Some(Op::Read | Op::Map | Op::Open)) {
            self.forget_keys(|_| true);
        }
        self.disk.inject(rule);
    }

    fn any_rule(&mut self) -> Rule {
        let ops = [
            Op::Write,
            Op::Sync,
            Op::SyncDir,
            Op::Rename,
            Op::Create,
            Op::Remove,
            Op::Open,
            Op::Read,
            Op::Map,
        ];
        let op = ops[self.dice.weighted(&[30, 15, 8, 8, 8, 8, 5, 12, 6])];
        let needs_space = !matches!(op, Op::Open | Op::Read | Op::Map | Op::Remove);
        let kinds = [ErrorKind::Other, ErrorKind::StorageFull];
        let kind = kinds[self.dice.below(2) * usize::from(needs_space)];
        let fault = match (op, self.dice.below(5)) {
            // What damage of the log and of the manifest does is known to their own tests: in their
            // last group and edit it can't be told from a tear.
            (Op::Read | Op::Map, 0..4) => Fault::Flip,
            // A name that is changed without room for it is no disk's way.
            (Op::Rename | Op::Create | Op::Remove, 3) => Fault::Done(ErrorKind::Other),
            (_, 0) => Fault::Error(kind),
            (_, 1) => Fault::Refused(kind),
            (_, 2) => Fault::Short(kind),
            _ => Fault::Torn(kind),
        };
        let place = match (fault, self.dice.below(8)) {
            (Fault::Flip, place) => PLACES[[1, 2][place % 2]],
            (_, place @ 0..7) => PLACES[place],
            _ => "",
        };
        let skip = [0, 0, 0, 1, 2, 5][self.dice.below(6)];
        let times = [1, 1, 2, 5, u64::MAX][self.dice.below(5)];
        Rule { op: Some(op), place: Place::Part(place.into()), skip, times, fault }
    }

    /// The process is to die at the n-th operation of some kind.
    pub fn arm(&mut self) {
        let op = [None, Some(Op::Write), Some(Op::Sync), Some(Op::Rename), Some(Op::SyncDir)]
            [self.dice.below(5)];
        let place = Place::Part(["", "/wal/", "/segments/", "MANIFEST"][self.dice.below(4)].into());
        let skip = self.dice.below(20) as u64;
        let rule = Rule { op, place, skip, times: 1, fault: Fault::Halt };
        self.note(format!("  {rule:?}"));
        self.disk.inject(rule);
    }

    /// The disk works again. Unless the store had to close, it goes on without being opened.
    pub fn heal(&mut self) {
        self.disk.heal();
        if let Some(reason) = self.closed() {
            self.note(format!("  closed: {reason}"));
            self.check_closed();
            let leaves = self.any_leaves();
            return self.crash(leaves);
        }
        if !self.troubled || self.disk.halted() {
            return;
        }
        self.engine().flush().expect("a flush works again once the disk does");
        self.engine().compact_now().expect("compaction works again once the disk does");
        self.settle();
        let status = self.engine().status();
        assert!(status.not_writable.is_none() && status.flush_failing.is_none(), "{status:?}");
        let flips = self.disk.injected().keys().any(|(_, fault)| *fault == "flip");
        // What seems to be damaged is left alone until the store is opened again.
        let done = status.level_zero_files == 0 && status.compaction_failing.is_none();
        assert!(done || flips, "compaction has stopped: {status:?}");
        self.troubled = false;
        self.check_all();
    }

    /// Panics unless the store has closed: it takes nothing, says so, and reads on.
    pub fn check_closed(&mut self) {
        assert!(self.closed().is_some(), "the store says that it is closed");
        let faults = self.disk.injected();
        let full = faults.keys().all(|(_, what)| *what == "no space");
        assert!(!full, "a disk that was only full has closed the store: {faults:?}");
        let events = self.expected.model.events().len();
        let unknown = self.expected.unknown.len();
        self.append(1, false);
        assert_eq!(self.expected.unknown.len(), unknown + 1, "nothing is acknowledged");
        // It was refused at the door: it is nowhere.
        self.expected.unknown.pop();
        assert_eq!(self.by_mark().len(), events, "reads go on");
    }

    /// Lets the clock go on, or jump back or forth.
    pub fn jump(&mut self) {
        const HOUR: i64 = 3_600_000_000_000;
        let now = self.clock.now();
        let hours = |bound: u64, roll: u64| (roll % bound) as i64 * HOUR;
        match self.dice.below(6) {
            0 => self.clock.set(Timestamp(now.0 - hours(48, self.dice.roll()))),
            1 => self.clock.set(Timestamp(now.0 + hours(48, self.dice.roll()))),
            2 => self.clock.set(Timestamp(now.0 + hours(24 * 400, self.dice.roll()))),
            3 => self.clock.advance(Duration::from_secs(self.dice.roll() % 7_200)),
            _ => self.clock.advance(Duration::from_millis(self.dice.roll() % 2_000)),
        }
        let now = self.clock.now();
        self.note(format!("  the clock shows {now:?}"));
        self.forget_old_keys();
    }

    /// Keys of a day ago may be forgotten.
    pub(super) fn forget_old_keys(&mut self) {
        const DAY: i64 = 86_400_000_000_000;
        let now = self.clock.now();
        self.forget_keys(|arrival| now.0 - arrival.0 >= DAY);
    }

    fn forget_keys(&mut self, are_old: impl Fn(Timestamp) -> bool) {
        for keyed in &mut self.expected.keyed {
            keyed.may_be_forgotten |= are_old(keyed.arrival);
        }
    }
}
