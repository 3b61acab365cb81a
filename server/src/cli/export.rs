//! `logstrata export`: all that a query answers, as a file.
//!
//! E1: a file has its name only once it is whole, and the mode of the one that had it; what is not whole is
//! removed, also where a signal ends the command. What is no file, a pipe or a device, is written to as it
//! is.

#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "files of the caller")]

use super::asked::Asked;
use super::output::complain;
use super::target::{Target, TargetArgs, of_api};
use super::{Failure, block_on};
use crate::export::{Exporter, FileType};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use logstrata_client::Client;
use logstrata_client::wire::ExportQuery;
use logstrata_engine::{Cancel, Control, Engine, Options};
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

const EXAMPLES: &str = "\
Examples:
  logstrata export > all.ndjson
  logstrata export 'level:error' --from now-1d --format csv -o errors.csv
  logstrata export --format ndjson --compress zstd -o all.ndjson.zst
  logstrata export 'service:pay' --format parquet -o pay.parquet
  logstrata export '| stats count() by service' --format csv

A file that breaks off is removed, also by Ctrl-C: FILE is there when it is whole, and not before. A pipe or
a device is written to as it is.";

/// Write all that a query answers to a file
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    asked: Asked,
    /// What the file is
    #[arg(long, default_value = "ndjson", value_parser = ["ndjson", "json", "csv", "txt", "parquet"])]
    format: String,
    /// Compress the file
    #[arg(long, value_parser = ["gzip", "zstd"])]
    compress: Option<String>,
    /// Only these fields, separated by commas; for csv and parquet the columns
    #[arg(long, value_name = "NAMES")]
    fields: Option<String>,
    /// The newest (desc) or the oldest (asc) first
    #[arg(long, default_value = "desc", value_parser = ["desc", "asc"])]
    order: String,
    /// The file; the standard output if left out, or `-`
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let query = ExportQuery {
        q: args.asked.query.clone(),
        from: given(&args.asked.from),
        to: given(&args.asked.to),
        format: Some(args.format.clone()),
        compress: args.compress.clone(),
        fields: given(&args.fields),
        order: Some(args.order.clone()),
        timeout: None,
        tier: args.asked.tier(),
    };
    let is_binary = args.compress.is_some() || args.format == "parquet";
    FileType::of(&query).map_err(|error| Failure::Usage(error.detail().message.clone()))?;
    let path = args.output.as_deref().filter(|path| *path != Path::new("-"));
    if path.is_none() && is_binary && io::stdout().is_terminal() {
        let message = "this is no text for a terminal: name a file with -o";
        return Err(Failure::Usage(message.into()));
    }
    let target = args.target.open_existing()?;
    let progress = progress_bar();
    let control = Control::default();
    // Before there is a file that a signal could leave half.
    let ended = path.filter(|path| !is_device(path)).map(|_| cancel_by_signal(&control.cancel));
    let mut output = Output::open(path)?;
    let mut write = |bytes: &[u8]| {
        output.write(bytes)?;
        progress.inc(bytes.len() as u64);
        Ok(())
    };
    let written = match &target {
        Target::Server(client) => block_on(async {
            tokio::select! {
                written = download(client, &query, &mut write) => written,
                failure = ended_by_signal(ended) => Err(failure),
            }
        }),
        Target::Store { engine, options } => {
            let written = read(engine, options, &query, &control, &mut write);
            if control.cancel.is_cancelled() { Err(interrupted()) } else { written }
        }
    };
    progress.finish_and_clear();
    written?;
    output.finish()?;
    target.close()
}

async fn download(
    client: &Client,
    query: &ExportQuery,
    write: &mut impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut file = client.export(query).await?;
    file.warnings().iter().for_each(|warning| complain("warning", warning));
    while let Some(piece) = file.next().await? {
        write(&piece)?;
    }
    Ok(())
}

fn read(
    engine: &Engine,
    options: &Options,
    query: &ExportQuery,
    control: &Control,
    write: &mut impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut exporter = Exporter::new(engine, &*options.io.clock, query).map_err(of_api)?;
    while let Some(piece) = exporter.next(engine, control).map_err(of_api)? {
        write(piece.as_ref())?;
    }
    exporter.warnings().iter().for_each(|warning| complain("warning", warning));
    Ok(())
}

fn interrupted() -> Failure {
    Failure::Failed("interrupted: what was written is removed".into())
}

/// From here on the first signal that asks the process to end cancels this instead, and is told. Only where
/// there is a file to be removed: without one a signal ends the process as always, as it may be waiting for
/// whoever reads its output.
fn cancel_by_signal(cancel: &Cancel) -> oneshot::Receiver<()> {
    let ((tell, told), (ready, is_ready)) = (oneshot::channel(), mpsc::channel());
    let cancel = cancel.clone();
    std::thread::spawn(move || {
        // Without a runtime, or handlers, a signal does what it did before.
        let _ = block_on(async {
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            let _ = ready.send(());
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            cancel.cancel();
            let _ = tell.send(());
            Ok(())
        });
    });
    let _ = is_ready.recv();
    told
}

/// Comes with the signal.
async fn ended_by_signal(told: Option<oneshot::Receiver<()>>) -> Failure {
    if let Some(told) = told
        && told.await.is_ok()
    {
        return interrupted();
    }
    std::future::pending().await
}

/// What was written so far, on the standard error if that is a terminal. Nobody knows yet how much it
/// will be.
fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let template = "{spinner} {bytes} {binary_bytes_per_sec} {elapsed}";
    bar.set_style(ProgressStyle::with_template(template).expect("the template is valid"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Where the file goes.
enum Output {
    Standard,
    /// What was there and is no file.
    Device(File, PathBuf),
    File(Part),
}

/// A file beside the one that it becomes. Removed if it does not.
struct Part {
    file: File,
    part: PathBuf,
    path: PathBuf,
    is_whole: bool,
}

impl Output {
    fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::Standard) };
        if is_device(path) {
            let device = OpenOptions::new().write(true).open(path);
            let device = device.map_err(|error| unwritten(path, &error))?;
            return Ok(Self::Device(device, path.to_owned()));
        }
        let path = &target_of(path);
        let Some(name) = path.file_name() else {
            return Err(Failure::Usage(format!("{} is no file", path.display())));
        };
        let mut part = name.to_owned();
        part.push(format!(".{}.part", std::process::id()));
        let part = path.with_file_name(part);
        let file = File::create_new(&part).map_err(|error| unwritten(&part, &error))?;
        let part = Part { file, part, path: path.clone(), is_whole: false };
        if let Ok(found) = fs::metadata(path).as_ref()
            && found.is_file()
        {
            let moded = part.file.set_permissions(found.permissions());
            moded.map_err(|error| unwritten(&part.part, &error))?;
        }
        Ok(Self::File(part))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Standard => Ok(io::stdout().write_all(bytes)?),
            Self::Device(device, path) => {
                device.write_all(bytes).map_err(|error| unwritten(path, &error))
            }
            Self::File(part) => {
                part.file.write_all(bytes).map_err(|error| unwritten(&part.part, &error))
            }
        }
    }

    /// Nothing is missing.
    fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Standard => Ok(io::stdout().flush()?),
            Self::Device(..) => Ok(()),
            Self::File(mut part) => {
                part.file.sync_all().map_err(|error| unwritten(&part.part, &error))?;
                let renamed = fs::rename(&part.part, &part.path);
                renamed.map_err(|error| unwritten(&part.path, &error))?;
                part.is_whole = true;
                Ok(())
            }
        }
    }
}

/// Whether something is there that is no file.
fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// The file that a path names: links are followed, one to nothing once.
fn target_of(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| match fs::read_link(path) {
        Ok(target) => path.parent().unwrap_or(Path::new("")).join(target),
        Err(_) => path.to_owned(),
    })
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_whole {
            // What can't be removed has a name that says what it is.
            let _ = fs::remove_file(&self.part);
        }
    }
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("cannot write {}: {error}", path.display()))
}
