//! A life of a store, step by step, as its seed decides.

use super::{Simulation, Tally};

/// Steps of a life.
pub const STEPS: usize = 80;

/// Lives the life of this seed. The transcript is told if it ends badly.
pub fn run(seed: u64) -> (Tally, Vec<String>) {
    let mut simulation = TellsTranscript(Simulation::new(seed));
    let simulation = &mut simulation.0;
    // Some disks never fail, some stores are never killed, and some don't wait for each other.
    simulation.hurries = seed % 8 == 7;
    let fails = !seed.is_multiple_of(4) && !simulation.hurries;
    let dies = !seed.is_multiple_of(5);
    for number in 0..STEPS {
        simulation.step(number, fails, dies);
    }
    simulation.end();
    (std::mem::take(&mut simulation.tally), std::mem::take(&mut simulation.transcript))
}

impl Simulation {
    fn step(&mut self, number: usize, fails: bool, dies: bool) {
        const CALM: [usize; 12] = [28, 6, 6, 10, 8, 4, 4, 7, 3, 3, 3, 3];
        let mut weights = CALM.to_vec();
        weights.extend(if dies { [3, 3, 3] } else { [0; 3] });
        weights.extend(if fails { [12, 8] } else { [0; 2] });
        weights.push(4);
        let step = self.dice.weighted(&weights);
        self.note(format!("{number}: step {step}"));
        match step {
            0 => {
                let (count, keyed) = (self.dice.within(1..12), self.dice.chance(40));
                self.append(count, keyed);
            }
            1 if !self.troubled && !self.is_doomed() => self.append_several(),
            2 => {
                let count = self.dice.within(20..60);
                self.append(count, false);
            }
            3 => self.flush(),
            4 => self.compact(),
            5 => self.jump(),
            6 => self.log_is_idle(),
            7 => self.search(),
            8 => self.stats(),
            9 => self.get(),
            10 => self.send_again(),
            11 => self.reopen(),
            12 => {
                let leaves = self.any_leaves();
                self.crash(leaves);
            }
            13 if !self.troubled && !self.is_doomed() => {
                let leaves = self.any_leaves();
                self.crash_in_flight(leaves);
            }
            14 => self.arm(),
            15 => self.inject(),
            16 => self.heal(),
            17 if !self.troubled => self.drop_due(),
            _ => {}
        }
        self.settle();
        if self.disk.halted() {
            let leaves = self.any_leaves();
            self.crash(leaves);
        }
    }

    /// Whether the process is to die at some operation.
    fn is_doomed(&self) -> bool {
        self.disk.is_planned()
    }

    /// Lets the log be idle for a while.
    pub fn log_is_idle(&mut self) {
        self.engine().log_is_idle();
        self.settle();
    }

    /// Flushes what is in memory.
    pub fn flush(&mut self) {
        let flushed = self.engine().flush();
        self.note(format!("  flush: {:?}", flushed.as_ref().map_err(ToString::to_string)));
        assert!(flushed.is_ok() || self.troubled || self.disk.halted(), "{flushed:?}");
        self.settle();
    }

    /// Compacts all there is.
    pub fn compact(&mut self) {
        let compacted = self.engine().compact_now();
        self.note(format!("  compact: {:?}", compacted.as_ref().map_err(ToString::to_string)));
        assert!(compacted.is_ok() || self.troubled || self.disk.halted(), "{compacted:?}");
        self.settle();
    }

    /// The disk is well; the store is opened a last time, works, and holds what it must.
    fn end(&mut self) {
        self.note("the end");
        self.disk.heal();
        self.heal();
        self.reopen();
        self.check_works();
        self.reopen();
        self.end_process();
    }
}

/// Tells what happened if it is dropped by a panic.
struct TellsTranscript(Simulation);

impl Drop for TellsTranscript {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.transcript.iter().for_each(|line| eprintln!("{line}"));
        }
    }
}
