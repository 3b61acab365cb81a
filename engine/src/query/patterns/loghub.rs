//! Real logs of sixteen systems: how well the groups agree with those that people made, and what
//! holds without labels. The labels lie in `engine/testdata/loghub`, the logs beside the repository.
#![expect(clippy::disallowed_methods, reason = "the logs are read from the disk")]

use super::group::groups;
use super::words::{sentence_of, shape_of};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Systems, the accuracy that is demanded of each (what was measured, less four messages), and what
/// stands before a message, as LogPAI's benchmark has it.
#[rustfmt::skip]
const SYSTEMS: [(&str, f64, &str); 16] = [
    ("Android", 0.971, r"<Date> <Time> <Pid> <Tid> <Level> <Component>: "),
    ("Apache", 0.998, r"\[<Time>\] \[<Level>\] "),
    ("BGL", 0.992, r"<Label> <Timestamp> <Date> <Node> <Time> <NodeRepeat> <Type> <Component> <Level> "),
    ("HDFS", 0.998, r"<Date> <Time> <Pid> <Level> <Component>: "),
    ("HPC", 0.949, r"<LogId> <Node> <Component> <State> <Time> <Flag> "),
    ("Hadoop", 0.970, r"<Date> <Time> <Level> \[<Process>\] <Component>: "),
    ("HealthApp", 0.981, r"<Time>\|<Component>\|<Pid>\|"),
    ("Linux", 0.817, r"<Month> <Date> <Time> <Level> <Component>(\[<PID>\])?: "),
    ("Mac", 0.952, r"<Month> <Date> <Time> <User> <Component>\[<PID>\]( \(<Address>\))?: "),
    ("OpenSSH", 0.998, r"<Date> <Day> <Time> <Component> sshd\[<Pid>\]: "),
    ("OpenStack", 0.998, r"<Logrecord> <Date> <Time> <Pid> <Level> <Component> \[<ADDR>\] "),
    ("Proxifier", 0.998, r"\[<Time>\] <Program> - "),
    ("Spark", 0.995, r"<Date> <Time> <Level> <Component>: "),
    ("Thunderbird", 0.978, r"<Label> <Timestamp> <Date> <User> <Month> <Day> <Time> <Location> <Component>(\[<PID>\])?: "),
    ("Windows", 0.998, r"<Date> <Time>, <Level> <Component> "),
    ("Zookeeper", 0.993, r"<Date> <Time> - <Level> \[<Node>:<Component>@<Id>\] - "),
];
/// What is demanded of the mean of all.
const MEAN_FLOOR: f64 = 0.974;
const LINES: usize = 2_000;

/// Loghub's folder: that beside the repository, or the one that `LOGSTRATA_LOGHUB` names. None where
/// nobody can be expected to have it.
fn logs() -> Option<PathBuf> {
    let shared = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared"));
    let named = std::env::var_os("LOGSTRATA_LOGHUB").map(PathBuf::from);
    let expected = named.is_some() || shared.exists() || std::env::var_os("CI").is_some();
    if !expected {
        eprintln!("skipped: the Loghub samples are not beside this repository");
    }
    expected.then(|| named.unwrap_or_else(|| shared.join("data/loghub")))
}

fn lines(logs: &Path, system: &str) -> Vec<String> {
    let path = logs.join(system).join(format!("{system}_2k.log"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines: Vec<_> =
        String::from_utf8_lossy(&bytes).lines().map(|line| line.trim().to_owned()).collect();
    assert_eq!(lines.len(), LINES, "{system}");
    lines
}

/// What is left of lines without their headers.
fn messages<'a>(lines: &'a [String], header: &str) -> Vec<&'a str> {
    let field = Regex::new("<[A-Za-z]+>").expect("valid");
    let header = field.replace_all(header, ".*?").replace(' ', r"\s+");
    let header = Regex::new(&format!("^{header}")).expect("valid");
    let message = |line: &'a String| {
        &line[header.find(line).unwrap_or_else(|| panic!("no header: {line}")).end()..]
    };
    lines.iter().map(message).collect()
}

/// The label of each line, from runs like `7*3`.
fn labels(text: &str) -> Vec<&str> {
    let run = |word| {
        let (label, times) = str::split_once(word, '*').unwrap_or((word, "1"));
        std::iter::repeat_n(label, times.parse().expect("a number"))
    };
    text.split_whitespace().flat_map(run).collect()
}

/// The messages that fall into each pattern, by their numbers.
fn grouped(messages: &[&str]) -> BTreeSet<Vec<usize>> {
    let mut shapes: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
    let (mut sentence, mut shape) = (Vec::new(), Vec::new());
    for (number, message) in messages.iter().enumerate() {
        sentence_of(message.as_bytes(), &mut sentence);
        shape_of(&sentence, &mut shape);
        shapes.entry(shape.clone()).or_default().push(number);
    }
    let counted: Vec<(&[u8], u64)> =
        shapes.iter().map(|(shape, messages)| (&**shape, messages.len() as u64)).collect();
    let members: Vec<&Vec<usize>> = shapes.values().collect();
    let of_group = |group: super::group::Group| {
        let mut all: Vec<_> =
            group.shapes.iter().flat_map(|shape| members[*shape].clone()).collect();
        all.sort_unstable();
        all
    };
    let found = groups(&counted, &mut || Ok(())).expect("no deadline");
    found.into_iter().map(of_group).collect()
}

/// The share of the messages whose group is exactly that of a label, as LogPAI's benchmark has it.
fn accuracy(messages: &[&str], labels: &[&str]) -> f64 {
    assert_eq!(messages.len(), labels.len());
    let mut labelled: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, label) in labels.iter().enumerate() {
        labelled.entry(label).or_default().push(number);
    }
    let truth: BTreeSet<&Vec<usize>> = labelled.values().collect();
    let found = grouped(messages);
    let right: usize = found.iter().filter(|group| truth.contains(group)).map(Vec::len).sum();
    right as f64 / messages.len() as f64
}

#[test]
fn accuracy_is_the_share_of_messages_in_exact_groups() {
    let lines = ["1 took 1, x", "2 took 2, x", "3 closed", "4 closed"].map(str::to_owned);
    let messages = messages(&lines, "<Number> ");
    assert_eq!(messages, ["took 1, x", "took 2, x", "closed", "closed"]);
    assert!((accuracy(&messages, &labels("1*2 2 3")) - 0.5).abs() < 1e-9);
}

#[test]
fn groups_are_those_that_people_made() {
    let Some(logs) = logs() else { return };
    let mut sum = 0.0;
    for (system, floor, header) in SYSTEMS {
        let path = format!("{}/testdata/loghub/{system}.labels", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("the labels are part of the repository");
        let accuracy = accuracy(&messages(&lines(&logs, system), header), &labels(&text));
        println!("{system:<12} {accuracy:.4}");
        assert!(accuracy >= floor, "{system}: {accuracy}");
        sum += accuracy;
    }
    let mean = sum / SYSTEMS.len() as f64;
    println!("{:<12} {mean:.4}", "mean");
    assert!(mean >= MEAN_FLOOR, "{mean}");
}

/// Whole lines, with their times and processes in front of the message.
#[test]
fn lines_of_every_system_have_few_patterns_whatever_their_order() {
    let Some(logs) = logs() else { return };
    for (name, ..) in SYSTEMS {
        let lines = lines(&logs, name);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let found = grouped(&lines);
        let counted: usize = found.iter().map(Vec::len).sum();
        assert_eq!(counted, lines.len(), "{name}: each line is in one pattern");
        assert!(found.len() * 3 < lines.len(), "{name}: {} patterns", found.len());
        let backwards: Vec<&str> = lines.iter().rev().copied().collect();
        let turned = |group: Vec<usize>| {
            group.into_iter().rev().map(|number| lines.len() - 1 - number).collect()
        };
        let backwards: BTreeSet<Vec<usize>> = grouped(&backwards).into_iter().map(turned).collect();
        assert!(backwards == found, "{name}: the order matters");
    }
}
