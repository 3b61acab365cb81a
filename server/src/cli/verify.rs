//! `logstrata verify`: whether a store is what was written.
#![expect(clippy::disallowed_methods, reason = "reads a root from a file of its owner's")]

mod root;

use super::output::{self, push_clean};
use super::{Ending, Failure};
use logstrata_engine::{Checked, Finding, Report, Severity, VerifyOptions, current_root, verify};
use root::RootText;
use serde::Serialize;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  logstrata verify /var/lib/logstrata                       all bytes, the chain, the counts
  logstrata verify /var/lib/logstrata --deep                and every event
  logstrata verify /var/lib/logstrata --export-root > root.json
  logstrata verify /var/lib/logstrata --since-root root.json

Nothing is changed, and a server may have the store open. Exit status: 0 if all is well, 1 if damage
was found, 2 if something could not be read or is of a later version.";

/// Verify that a store is what was written: every byte, every count, the chain of its history
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The store's directory
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Also decode every event: digests of runs, and every term in its filter or index
    #[arg(long)]
    deep: bool,
    /// Also let notes count as damage: a store at rest has none, unless a crash or a flush was cut off
    #[arg(long)]
    strict: bool,
    /// Print the outcome as one JSON object
    #[arg(long)]
    json: bool,
    /// Print the current root, to be kept elsewhere, and verify nothing
    #[arg(long, conflicts_with_all = ["deep", "strict", "json", "since_root"])]
    export_root: bool,
    /// Also prove that the store goes on from the root in this file
    #[arg(long, value_name = "FILE")]
    since_root: Option<PathBuf>,
}

/// The outcome for programs.
#[derive(Debug, Serialize)]
struct Outcome<'a> {
    status: &'static str,
    damage: u64,
    unread: u64,
    notes: u64,
    checked: CheckedText,
    root: Option<RootText>,
    findings: Vec<FindingText<'a>>,
}

#[derive(Debug, Serialize)]
struct CheckedText {
    files: u64,
    bytes: u64,
    sections: u64,
    blocks: u64,
    events: u64,
    decoded: u64,
    digests: u64,
    runs_without_digest: u64,
    edits: u64,
    log_files: u64,
    log_events: u64,
    keys: u64,
    replaced: u64,
    evicted: u64,
}

#[derive(Debug, Serialize)]
struct FindingText<'a> {
    severity: &'static str,
    file: String,
    offset: Option<u64>,
    what: &'a str,
    expected: &'a str,
    found: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<EventsText<'a>>,
}

#[derive(Debug, Serialize)]
struct EventsText<'a> {
    partition: &'a str,
    first_seq: u64,
    last_seq: Option<u64>,
    count: Option<u64>,
}

pub(super) fn run(args: &Args) -> Result<Ending, Failure> {
    // Whatever keeps it from being done is another thing than damage.
    let io = crate::encryption::io_of_environment().map_err(Failure::Usage)?;
    if args.export_root {
        let root = current_root(&io, &args.dir).map_err(|error| match error.corruption() {
            Some(_) => Failure::Failed(error.to_string()),
            None => Failure::Usage(error.to_string()),
        })?;
        print(&RootText::of(&root).to_json())?;
        return Ok(Ending::Well);
    }
    let since = args.since_root.as_deref().map(read_root).transpose()?;
    let options = VerifyOptions { deep: args.deep, since };
    let mut progress = Progress::new();
    let report = verify(&io, &args.dir, &options, &mut |path| progress.file(path))
        .map_err(|error| Failure::Usage(error.to_string()))?;
    progress.clear();
    let text = if args.json { to_json(&report, args.strict) } else { to_text(&report, args) };
    print(&text)?;
    Ok(ending(&report, args.strict))
}

/// Writes the outcome. Whether somebody reads all of it is no matter: the exit status says it, too.
fn print(text: &str) -> Result<(), Failure> {
    match output::print(text).map_err(Failure::from) {
        Err(Failure::Failed(message)) => Err(Failure::Usage(message)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn read_root(path: &Path) -> Result<logstrata_engine::Root, Failure> {
    let usage = |what: String| Failure::Usage(format!("{}: {what}", path.display()));
    let text = std::fs::read(path).map_err(|error| usage(error.to_string()))?;
    RootText::parse(&text).map_err(usage)
}

fn ending(report: &Report, is_strict: bool) -> Ending {
    match report.severity() {
        Some(Severity::Damage) => Ending::Damage,
        Some(Severity::Unread) => Ending::Unknown,
        Some(Severity::Note) if is_strict => Ending::Damage,
        Some(Severity::Note) | None => Ending::Well,
    }
}

fn to_json(report: &Report, is_strict: bool) -> String {
    let status = match ending(report, is_strict) {
        Ending::Well => "sound",
        Ending::Damage => "damaged",
        Ending::Unknown => "unknown",
    };
    let outcome = Outcome {
        status,
        damage: report.count(Severity::Damage),
        unread: report.count(Severity::Unread),
        notes: report.count(Severity::Note),
        checked: checked(&report.checked),
        root: report.root.as_ref().map(RootText::of),
        findings: report.findings.iter().map(finding_text).collect(),
    };
    let mut text = serde_json::to_string(&outcome).expect("numbers and texts");
    text.push('\n');
    text
}

fn checked(all: &Checked) -> CheckedText {
    CheckedText {
        files: all.files,
        bytes: all.bytes,
        sections: all.sections,
        blocks: all.blocks,
        events: all.events,
        decoded: all.decoded,
        digests: all.digests,
        runs_without_digest: all.runs_without_digest,
        edits: all.edits,
        log_files: all.log_files,
        log_events: all.log_events,
        keys: all.keys,
        replaced: all.replaced,
        evicted: all.evicted,
    }
}

fn finding_text(finding: &Finding) -> FindingText<'_> {
    FindingText {
        severity: name(finding.severity),
        file: finding.file.to_string_lossy().into_owned(),
        offset: finding.offset,
        what: &finding.what,
        expected: &finding.expected,
        found: &finding.found,
        events: finding.events.as_ref().map(|events| EventsText {
            partition: &events.partition,
            first_seq: events.first_seq,
            last_seq: events.last_seq,
            count: events.events,
        }),
    }
}

fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Unread => "unread",
        Severity::Damage => "damage",
    }
}

/// The outcome for people: what is wrong first, then what was looked at.
fn to_text(report: &Report, args: &Args) -> String {
    let mut out = String::new();
    for finding in &report.findings {
        write_finding(finding, &mut out);
    }
    for severity in [Severity::Damage, Severity::Unread, Severity::Note] {
        let omitted = report.omitted[severity as usize];
        if omitted > 0 {
            line(&mut out, &format!("and {omitted} more of severity {}", name(severity)));
        }
    }
    let all = &report.checked;
    line(
        &mut out,
        &format!(
            "{} files of {} bytes, {} sections, {} events; the log with {} more; {} keys",
            all.files, all.bytes, all.sections, all.events, all.log_events, all.keys
        ),
    );
    let deep = match args.deep {
        true => {
            format!("{} events decoded, {} digests of runs found again", all.decoded, all.digests)
        }
        false => "events not decoded (--deep does)".to_owned(),
    };
    line(&mut out, &format!("{} edits of the manifest followed; {deep}", all.edits));
    if all.runs_without_digest > 0 {
        let runs = all.runs_without_digest;
        line(&mut out, &format!("{runs} runs have no digest: they are older than digests"));
    }
    if all.replaced > 0 {
        let replaced = all.replaced;
        line(
            &mut out,
            &format!("{replaced} files were replaced meanwhile; what replaced them was verified"),
        );
    }
    if all.evicted > 0 {
        let evicted = all.evicted;
        line(
            &mut out,
            &format!(
                "{evicted} files are in the archive only: `logstrata archive verify` looks at them"
            ),
        );
    }
    if let Some(root) = &report.root {
        let root = RootText::of(root);
        let place = format!("edit {} of manifest {}", root.edit, root.manifest);
        line(&mut out, &format!("root {} ({place}, events below {})", root.hash, root.next_seq));
    }
    let notes = report.count(Severity::Note);
    let notes = if notes > 0 { format!(", {notes} notes") } else { String::new() };
    line(
        &mut out,
        &match ending(report, args.strict) {
            Ending::Well => format!("sound{notes}"),
            Ending::Damage => {
                format!("DAMAGED: {} findings{notes}", report.count(Severity::Damage))
            }
            Ending::Unknown => {
                format!("unknown: {} could not be read{notes}", report.count(Severity::Unread))
            }
        },
    );
    out
}

fn write_finding(finding: &Finding, out: &mut String) {
    let Finding { file, offset, what, expected, found, .. } = finding;
    let offset = offset.map_or(String::new(), |offset| format!(" at offset {offset}"));
    let severity = name(finding.severity);
    line(out, &format!("{severity}: {}: {what}{offset}", file.display()));
    line(out, &format!("  expected {expected}"));
    line(out, &format!("  found    {found}"));
    if let Some(events) = &finding.events {
        let last = events.last_seq.map_or("the last".to_owned(), |last| last.to_string());
        let (first, partition) = (events.first_seq, &events.partition);
        let count = events.events.map_or(String::new(), |count| format!("{count} "));
        line(out, &format!("  {count}events of {partition}, sequence numbers {first} to {last}"));
    }
}

/// A line without anything that could drive a terminal: names of tenants are foreign.
fn line(out: &mut String, text: &str) {
    push_clean(out, text, false);
    out.push('\n');
}

/// Says on a terminal which file is read.
struct Progress {
    is_shown: bool,
}

impl Progress {
    fn new() -> Self {
        Self { is_shown: io::stderr().is_terminal() }
    }

    fn file(&mut self, path: &Path) {
        if self.is_shown {
            let mut text = String::new();
            push_clean(&mut text, &path.to_string_lossy(), false);
            // Progress that nobody sees is no failure.
            let _ = write!(io::stderr(), "\r\x1b[K{text}");
        }
    }

    fn clear(&self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
