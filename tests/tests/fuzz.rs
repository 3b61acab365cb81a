//! The fuzz targets on a stable compiler: all seeds, and changes of each by the same dice each time;
//! `LOGSTRATA_SEEDS=100` throws a hundred.
#![expect(clippy::disallowed_methods, reason = "lists the programs")]

use logstrata_tests::dice::{Dice, for_each_seed};
use logstrata_tests::fuzz::{TARGETS, Target, mutate, seeds};
use logstrata_tests::server::root;

/// Runs a target over its seeds and over changes of them.
fn replay(name: &str) {
    let target: &Target = TARGETS.iter().find(|target| target.name == name).expect("in the table");
    let seeds = seeds(name);
    assert!(seeds.len() > 1, "{name} has no seeds");
    run(target, &[]);
    seeds.iter().for_each(|seed| run(target, seed));
    for_each_seed(name, 1, |number| {
        let mut dice = Dice::new(number);
        for seed in &seeds {
            for _ in 0..target.changes {
                let input = mutate(seed, &seeds[dice.below(seeds.len())], &mut dice);
                run(target, &input);
            }
        }
    });
}

fn run(target: &Target, input: &[u8]) {
    let _tells = TellsInput(input);
    (target.run)(input);
}

/// Tells the input if it is dropped by a panic.
struct TellsInput<'a>(&'a [u8]);

impl Drop for TellsInput<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input: {}", self.0.escape_ascii());
        }
    }
}

macro_rules! replays {
    ($($name:ident)*) => {
        $(#[test] fn $name() { replay(stringify!($name)); })*
        const REPLAYED: &[&str] = &[$(stringify!($name)),*];
    };
}

replays! {
    as_sent block_decode body_decompress catalog chain cursor encryption export_manifest filter_decode ingest_json
    ingest_text keys
    manifest manifest_file parameters query_parse redact segment_directory segment_file
    segment_index wal_files wal_group
}

#[test]
fn each_target_has_a_program_and_is_replayed() {
    let names = TARGETS.map(|target| target.name);
    assert_eq!(REPLAYED, names);
    let programs = std::fs::read_dir(root().join("fuzz/fuzz_targets")).expect("a directory");
    let mut programs: Vec<_> = programs
        .map(|entry| entry.expect("an entry").path())
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    programs.sort();
    assert_eq!(programs, names);
    let manifest = std::fs::read_to_string(root().join("fuzz/Cargo.toml")).expect("readable");
    let readme = std::fs::read_to_string(root().join("fuzz/README.md")).expect("readable");
    for name in names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        assert!(readme.contains(&format!("| `{name}` |")), "{name}");
    }
}
