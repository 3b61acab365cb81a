//! A small life of a store, cut off at every single operation of its disk. What the crash leaves is
//! opened and holds every acknowledged batch once, each batch whole, in order, with its key; it
//! works, and a crash while it is opened changes nothing of that.
//!
//! An operation is named by what it does, to which file, for the how-manieth time: that is the same
//! in every run, whereas the order of the operations of different threads is not. The files that wait
//! to become the log (`free-N.wal`) count as one: one thread makes them, another recycles, and which
//! gets which number, and how many are made, depends on that order. A life in which such an operation
//! did not come is lived again, a few times.
//!
//! `CRASH_POINTS=full` crosses every operation with every step of opening, and more remains.

use logstrata_engine::io::{Fault, Op, Place, Rule, Step};
use logstrata_tests::simulation::{Leaves, Simulation};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Every so many operations, opening is cut off at each of its steps, too.
const STRIDE: usize = 24;

/// How the names of the files begin that wait to become the log.
const WAITING: &str = "free-";

/// A life is lived at most this often for an operation on a waiting file to come.
const LIVES: usize = 8;

/// The things that the workload does.
const LIFE: [fn(&mut Simulation); 22] = [
    |store| store.append(5, false),
    |store| store.append(8, true),
    Simulation::log_is_idle,
    |store| store.append(1, false),
    // A block is full, and the file of the log.
    |store| store.append(60, true),
    |store| store.append(40, false),
    Simulation::flush,
    |store| store.append(3, true),
    Simulation::restart,
    |store| store.append(30, false),
    Simulation::append_several,
    Simulation::flush,
    |store| store.append(9, true),
    // Goes into a file that was recycled.
    |store| store.append(50, false),
    Simulation::flush,
    |store| store.append(12, false),
    Simulation::compact,
    |store| store.append(4, true),
    Simulation::restart,
    Simulation::send_again,
    Simulation::flush,
    Simulation::compact,
];

/// An operation of the workload.
type Point = (Step, u64);

/// The store at the end of its life, or where it died.
fn live(point: Option<&Point>) -> Simulation {
    let mut store = Simulation::calm(1);
    if let Some((Step { op, path }, skip)) = point {
        let place = match is_of_waiting_files(path) {
            true => Place::Begins(path.to_string_lossy().into_owned()),
            false => Place::At(path.clone()),
        };
        store.disk().inject(Rule {
            op: Some(*op),
            place,
            skip: *skip,
            times: 1,
            fault: Fault::Halt,
        });
    }
    for act in LIFE {
        if !store.disk().halted() {
            act(&mut store);
        }
    }
    store
}

/// Every operation of the workload behind the first opening, counted from there.
fn points() -> Vec<Point> {
    let opening = Simulation::calm(1).disk().journal().len();
    let journal = live(None).disk().journal();
    let mut seen: HashMap<Step, u64> = HashMap::new();
    let points = journal[opening..].iter().map(|step| {
        let mut step = step.clone();
        if is_of_waiting_files(&step.path) {
            step.path.set_file_name(WAITING);
        }
        let count = seen.entry(step.clone()).or_default();
        *count += 1;
        (step, *count - 1)
    });
    points.collect()
}

/// Whether the order of the threads decides if it comes. A file of the log that had to grow, because
/// none waited yet, is removed in place of being recycled.
fn is_up_to_threads(step: &Step) -> bool {
    let is_log = step.path.extension().is_some_and(|extension| extension == "wal");
    is_of_waiting_files(&step.path) || (step.op == Op::Remove && is_log)
}

fn is_of_waiting_files(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with(WAITING)
}

/// Whether all of it is wanted.
fn is_full() -> bool {
    std::env::var("CRASH_POINTS").is_ok_and(|value| value == "full")
}

/// What a crash at this point may leave.
fn remains(number: usize, full: bool) -> Vec<Leaves> {
    let seed = number as u64;
    let others = [Leaves::Kill, Leaves::Everything, Leaves::Pages(50, seed)];
    let mut remains = vec![Leaves::Nothing, Leaves::Sectors(50, seed)];
    if full {
        let more = |n: u64| Leaves::Sectors([10, 50, 90][n as usize % 3], n * 7_919 + seed);
        remains.extend(others.into_iter().chain((1..20).map(more)));
    } else {
        remains.push(others[number % others.len()]);
    }
    remains
}

/// A crash at every step of opening what is left. How many there were.
fn crash_while_opening(dead: &Simulation, number: usize) -> u64 {
    for step in 0.. {
        let says = Says(format!("a crash at step {step} of opening"));
        let mut opening = dead.crashed(Leaves::Sectors(50, number as u64));
        if !opening.open_until(step) {
            return step;
        }
        for leaves in [Leaves::Nothing, Leaves::Sectors(50, step)] {
            let says = Says(format!("{leaves:?} is left of that"));
            opening.crashed(leaves).recover();
            drop(says);
        }
        drop(says);
    }
    unreachable!("opening ends")
}

/// What was tried.
#[derive(Debug, Default)]
struct Tried {
    points: BTreeMap<Op, u64>,
    recoveries: u64,
    crashes_while_opening: u64,
    /// Operations on waiting files that did not come in [`LIVES`] lives.
    missed: u64,
}

impl Tried {
    fn add(&mut self, other: Self) {
        for (op, count) in other.points {
            *self.points.entry(op).or_default() += count;
        }
        self.recoveries += other.recoveries;
        self.crashes_while_opening += other.crashes_while_opening;
        self.missed += other.missed;
    }
}

/// A crash at this point, and all that follows.
fn crash_at(point: &Point, number: usize, full: bool) -> Tried {
    let says = Says(format!("a crash at {point:?}, point {number}"));
    let mut tried = Tried { points: [(point.0.op, 1)].into(), ..Tried::default() };
    let is_up_to_threads = is_up_to_threads(&point.0);
    let lives = if is_up_to_threads { LIVES } else { 1 };
    let Some(mut dead) = (0..lives).map(|_| live(Some(point))).find(|life| life.disk().halted())
    else {
        assert!(is_up_to_threads, "the operation did not come");
        tried.missed = 1;
        drop(says);
        return tried;
    };
    dead.end_process();
    for leaves in remains(number, full) {
        let says = Says(format!("{leaves:?} is left"));
        dead.crashed(leaves).recover();
        tried.recoveries += 1;
        drop(says);
    }
    if full || number.is_multiple_of(STRIDE) {
        tried.crashes_while_opening += crash_while_opening(&dead, number);
    }
    drop(says);
    tried
}

#[test]
fn every_crash_point() {
    let full = is_full();
    let points = points();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    let mut tried = Tried::default();
    std::thread::scope(|scope| {
        let points = &points;
        let work = |first: usize| {
            let mine = points.iter().enumerate().skip(first).step_by(threads);
            mine.map(|(number, point)| crash_at(point, number, full)).collect::<Vec<_>>()
        };
        let workers: Vec<_> = (0..threads).map(|first| scope.spawn(move || work(first))).collect();
        for worker in workers {
            worker.join().expect("no crash point fails").into_iter().for_each(|t| tried.add(t));
        }
    });
    assert_eq!(tried.points.values().sum::<u64>(), points.len() as u64);
    assert!(tried.missed * 20 <= points.len() as u64, "{tried:?}");
    println!("{} crash points: {tried:?}", points.len());
}

/// A store that is created is there or not, and never in the way of itself.
#[test]
fn every_crash_point_of_the_first_opening() {
    let full = is_full();
    for step in 0.. {
        let says = Says(format!("a crash at step {step} of the first opening"));
        let mut unborn = Simulation::unborn(1);
        if !unborn.open_until(step) {
            assert!(step > 20, "{step} steps");
            break;
        }
        for leaves in remains(step as usize, full) {
            let says = Says(format!("{leaves:?} is left"));
            unborn.crashed(leaves).recover();
            drop(says);
        }
        drop(says);
    }
}

/// Tells where it was if it is dropped by a panic.
struct Says(String);

impl Drop for Says {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}
