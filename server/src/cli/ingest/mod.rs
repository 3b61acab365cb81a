//! `logstrata ingest`: files become events, piece by piece, several pieces on their way at once.

mod encode;
mod json;
mod source;
mod store;
mod tally;
mod text;
mod upload;

use super::Failure;
use super::output::{complain, print};
use super::target::{Target, TargetArgs};
use crate::ingest::{Format, detect};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use logstrata_engine::io::Io;
use logstrata_engine::{Arrival, Batch, Limits};
use source::Source;
use std::path::PathBuf;
use std::time::Duration;
use store::Store;
use tally::Tally;
use upload::Upload;

const EXAMPLES: &str = "\
Examples:
  logstrata ingest app.ndjson events.json.gz
  logstrata ingest /var/log/nginx/*.log --service nginx
  kubectl logs deploy/pay | logstrata ingest --service pay -
  logstrata ingest --data ./store HDFS_2k.log      without a server

Files are NDJSON, JSON (an object, an array, {\"logs\":[…]}) or plain text, plain or compressed with
gzip or zstd; each is recognised by its content. A line of plain text is an event; its time and
level are found where the format has them, a line without a time has that of the line before.

The service of plain text is the file's name in lower case, without directories, compression,
extension, rotation number and a trailing `_2k`: HDFS_2k.log is hdfs, pay.log.1.gz is pay.

The exit code is 1 if anything was rejected.";

/// Store files
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Files; `-` is the standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The service of events that name none; for plain text instead of the file's name
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    #[command(flatten)]
    target: TargetArgs,
}

/// A part of a file: about as much as goes into one request.
struct Piece {
    payload: Payload,
    /// The file, for messages.
    file: String,
    /// The service of events that name none.
    service: Option<String>,
}

enum Payload {
    /// JSON objects, one a line; `lines_before` lines of the file come before them.
    Lines { bytes: Vec<u8>, lines_before: u64 },
    /// Decoded plain text.
    Events(Batch),
    /// Lines of plain text that can't be events, and why.
    Rejected(Vec<(u64, String)>),
}

/// Where pieces go.
trait Sink {
    /// Takes a piece; waits while too many are on their way.
    fn send(&mut self, piece: Piece, tally: &mut Tally) -> Result<(), Failure>;
    /// Waits for all pieces.
    fn finish(&mut self, tally: &mut Tally) -> Result<(), Failure>;
}

/// What reading files needs besides the files.
struct Reading {
    service: Option<String>,
    limits: Limits,
    arrival: Arrival,
    progress: ProgressBar,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let mut store;
    let mut upload;
    let (sink, limits, arrival): (&mut dyn Sink, _, _) = match args.target.open()? {
        Target::Server(client) => {
            upload = Upload::new(*client)?;
            (&mut upload, Limits::default(), Io::system().clock.now().into())
        }
        Target::Store { engine, options } => {
            let arrival = engine.arrival();
            store = Store::new(*engine, options.limits.clone(), arrival);
            (&mut store, options.limits, arrival)
        }
    };
    let progress = progress_bar(&args.files);
    let reading = Reading { service: args.service, limits, arrival, progress };
    let mut tally = Tally::default();
    let mut result = Ok(());
    for path in &args.files {
        match Source::open(path, &reading.progress) {
            Ok(source) => result = read(source, &reading, sink, &mut tally),
            Err(why) => tally.unread(why),
        }
        if result.is_err() {
            break;
        }
    }
    // What was sent is waited for, also after a failure: the figures say what is stored.
    let result = result.and(sink.finish(&mut tally));
    reading.progress.finish_and_clear();
    report(&tally, result)
}

/// Reads one file. Only what stops everything is an error; a file that breaks off is noted.
fn read(
    mut source: Source,
    reading: &Reading,
    sink: &mut dyn Sink,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let service = reading.service.clone();
    let mut send = |piece: Piece| {
        sink.send(piece, tally)?;
        reading.progress.set_message(format!("{} events", tally.accepted));
        Ok(())
    };
    let read = match source.head().map(detect) {
        Ok(Format::Ndjson) => json::read_lines(&mut source, service, &mut send),
        Ok(Format::Json) => json::read_document(&mut source, service, &mut send),
        Ok(Format::Text) => text::read(&mut source, reading, &mut send),
        Err(error) => Err(Stop::File(error)),
    };
    match read {
        Ok(()) => Ok(()),
        Err(Stop::All(failure)) => Err(failure),
        Err(Stop::File(error)) => {
            tally.unread(format!("cannot read {}: {error}", source.name()));
            Ok(())
        }
    }
}

/// Why reading a file ends early.
enum Stop {
    /// This file can't be read further.
    File(std::io::Error),
    /// Nothing can be stored any more.
    All(Failure),
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::All(failure)
    }
}

/// A bar over the bytes of all files on the standard error, if that is a terminal.
fn progress_bar(files: &[PathBuf]) -> ProgressBar {
    let total = source::total_bytes(files);
    let target = ProgressDrawTarget::stderr();
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::with_draw_target(Some(total), target),
            "{wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} ETA {eta} {msg}",
        ),
        None => (
            ProgressBar::with_draw_target(None, target),
            "{spinner} {bytes} {binary_bytes_per_sec} {elapsed} {msg}",
        ),
    };
    bar.set_style(ProgressStyle::with_template(template).expect("the template is valid"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn report(tally: &Tally, result: Result<(), Failure>) -> Result<(), Failure> {
    for reason in tally.reasons() {
        complain("rejected", reason);
    }
    let mut stored = format!("stored {} events", tally.accepted);
    if tally.rejected > 0 {
        stored.push_str(&format!(", rejected {}", tally.rejected));
    }
    print(&format!("{stored}\n"))?;
    if tally.expired > 0 {
        let count = tally.expired;
        complain(
            "warning",
            &format!(
                "{count} of them are older than they are kept: a server drops them within the hour. To \
                 keep them, give them a class with clock = \"arrival\" (docs/retention.md)"
            ),
        );
    }
    result?;
    match (tally.rejected, tally.unread_files()) {
        (0, 0) => Ok(()),
        (0, _) => Err(Failure::Failed("not every file was read to its end".into())),
        (rejected, _) => Err(Failure::Failed(format!("{rejected} events were rejected"))),
    }
}
