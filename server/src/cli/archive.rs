//! `logstrata archive`: what is copied to the object store, and the way back.

use super::config::ConfigArgs;
use super::output::{complain, print, size};
use super::{Ending, Failure, block_on};
use logstrata_archive::{Error, RestoreOptions, RestoreReport, restore};
use logstrata_client::Client;
use logstrata_client::wire::{
    ArchiveAnswer, ArchiveExportQuery, ArchiveQuery, ArchiveRunQuery, ArchiveVerifyQuery, FileCount,
};
use logstrata_engine::io::Io;
use logstrata_engine::{VerifyOptions, verify};
use std::fmt::Write as _;

const EXAMPLES: &str = "\
Examples:
  logstrata archive status
  logstrata archive run                          copy everything sealed now
  logstrata archive export --day 2026-11-14      write that day's files for others now
  logstrata archive verify --deep                read every object again
  logstrata archive restore --data /var/lib/logstrata --config /etc/logstrata.toml";

/// Show, run, verify or restore the archive in the object store
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show what is copied, what waits, and what went wrong
    Status {
        /// Also every file
        #[arg(long)]
        files: bool,
        /// One JSON object
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Copy everything sealed now
    Run {
        /// Take over a catalog with another history of this store: after a repair, or when the server
        /// that wrote it is gone for ever
        #[arg(long)]
        adopt: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Write days that were not exported yet as files for others to read
    Export {
        /// Only this UTC day, YYYY-MM-DD, whatever its age
        #[arg(long, value_name = "DAY")]
        day: Option<String>,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Verify the catalog, its manifest, and that every object is there. Exit status 1 if not
    Verify {
        /// Also read every object and compare its bytes
        #[arg(long)]
        deep: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Make a store anew from the object store alone, and verify it
    Restore {
        #[command(flatten)]
        config: ConfigArgs,
        /// Which store, if there are several below the prefix: 32 hexadecimal digits
        #[arg(long, value_name = "UUID")]
        store: Option<String>,
        /// Leave out the verification of every event at the end
        #[arg(long)]
        no_verify: bool,
    },
}

/// Which server.
#[derive(Debug, clap::Args)]
struct ServerArgs {
    /// The server's address
    #[arg(
        long,
        value_name = "URL",
        env = "LOGSTRATA_SERVER",
        default_value = "http://127.0.0.1:7600"
    )]
    server: String,
}

impl ServerArgs {
    fn client(&self) -> Result<Client, Failure> {
        Client::new(&self.server).map_err(|error| Failure::Usage(error.to_string()))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}

pub(super) fn run(args: &Args) -> Result<Ending, Failure> {
    match &args.command {
        Command::Status { files, json, server } => {
            let query = ArchiveQuery { files: Some(*files) };
            let client = server.client()?;
            let answer = block_on(async { Ok(client.archive(&query).await?) })?;
            if *json {
                let text = serde_json::to_string(&answer).expect("plain values always serialize");
                print(&format!("{text}\n"))?;
            } else {
                answer.warnings.iter().for_each(|warning| complain("warning", warning));
                print(&shown(&answer))?;
            }
            Ok(Ending::Well)
        }
        Command::Run { adopt, server } => {
            let query = ArchiveRunQuery { adopt: Some(*adopt) };
            let client = server.client()?;
            let pass = block_on(async { Ok(client.archive_run(&query).await?) })?;
            let (files, bytes) = (pass.files, size(pass.bytes));
            print(&format!(
                "{files} files copied ({bytes}), {} objects deleted, {} local copies gone\n",
                pass.deleted, pass.evicted
            ))?;
            Ok(Ending::Well)
        }
        Command::Export { day, server } => {
            let query = ArchiveExportQuery { day: day.clone() };
            let client = server.client()?;
            let done = block_on(async { Ok(client.archive_export(&query).await?) })?;
            let (days, files, events) = (done.days, done.files, done.events);
            let bytes = size(done.bytes);
            print(&format!("{days} days exported: {events} events, {files} files ({bytes})\n"))?;
            Ok(Ending::Well)
        }
        Command::Verify { deep, server } => {
            let query = ArchiveVerifyQuery { deep: Some(*deep) };
            let client = server.client()?;
            let found = block_on(async { Ok(client.archive_verify(&query).await?) })?;
            found.damage.iter().for_each(|damage| complain("damage", damage));
            let (edits, checked) = (found.edits, counted(found.checked));
            let damages = found.damage.len();
            print(&format!(
                "{edits} objects of the catalog, {checked}, {} orphans, {damages} damages\n",
                found.orphans
            ))?;
            Ok(if found.damage.is_empty() { Ending::Well } else { Ending::Damage })
        }
        Command::Restore { config, store, no_verify } => {
            restored(config, store.as_deref(), !no_verify)
        }
    }
}

fn restored(config: &ConfigArgs, store: Option<&str>, verifies: bool) -> Result<Ending, Failure> {
    let config = config.resolve()?;
    let Some(settings) = config.archive() else {
        return Err(Failure::Usage("archive.url is not set: --config names a file with it".into()));
    };
    let keys = crate::encryption::keys_of(&config).map_err(Failure::Usage)?;
    let settings = logstrata_archive::Settings { keys: keys.clone(), ..settings.clone() };
    let (mut io, dir) = (Io::system(), config.data.clone());
    io.storage = crate::encryption::storage(io.storage, keys.as_ref());
    let limits = config.limits.clone();
    let options = RestoreOptions { store: store.map(str::to_owned), limits };
    let report = block_on(async {
        let mut progress = |entry: &logstrata_archive::Entry| {
            complain("fetching", &format!("{} ({})", entry.name, size(entry.len)));
        };
        Ok(restore(&settings, &io, &dir, &options, &mut progress).await?)
    })?;
    tell(&report, &dir)?;
    if !verifies {
        return Ok(Ending::Well);
    }
    let deep = VerifyOptions { deep: true, since: None };
    let found = verify(&io, &dir, &deep, &mut |_| {})?;
    for finding in &found.findings {
        let place = finding.file.display();
        let what = format!("{place}: {} {}, not {}", finding.what, finding.found, finding.expected);
        complain("damage", &what);
    }
    let (events, findings) = (found.checked.decoded, found.findings.len());
    print(&format!("verified: {events} events read, {findings} findings\n"))?;
    Ok(if found.findings.is_empty() { Ending::Well } else { Ending::Damage })
}

fn tell(report: &RestoreReport, dir: &std::path::Path) -> Result<(), Failure> {
    let RestoreReport { events, files, bytes, as_of, .. } = report;
    let (dir, bytes) = (dir.display(), size(*bytes));
    Ok(print(&format!("{dir}: {events} events as of {as_of}, {files} files fetched ({bytes})\n"))?)
}

fn shown(answer: &ArchiveAnswer) -> String {
    let mut out = String::new();
    let mut line = |name: &str, text: &str| {
        writeln!(out, "{name:<12}{text}").expect("a string takes everything");
    };
    line("archive", &answer.place);
    line("store", &answer.store);
    line("state", &answer.state);
    if let Some(error) = &answer.error {
        line("error", &format!("{} (at {})", error.message, error.at));
    }
    if let Some(error) = &answer.export_error {
        line("export", &format!("{} (at {})", error.message, error.at));
    }
    line("copied", &counted(answer.copied));
    line("waiting", &counted(answer.waiting));
    line("given up", &counted(answer.removed));
    line("lag", &format!("{} s", answer.lag_seconds));
    if let Some(restorable) = &answer.restorable {
        line("restorable", &format!("as of {}", restorable.at));
    }
    for day in &answer.days {
        let (events, copied) = (day.events, day.events_copied);
        let bytes = size(day.bytes);
        let exported = match day.exported {
            Some(_) => format!(", {} exported ({} files)", day.events_exported, day.files_exported),
            None => String::new(),
        };
        line(&day.day, &format!("{:<8} {copied} of {events} events, {bytes}{exported}", day.state));
    }
    for file in &answer.files {
        let (name, bytes) = (&file.name, size(file.bytes));
        let copied = file.copied.as_deref().unwrap_or("-");
        line(&file.state, &format!("{name} {bytes} {copied}"));
    }
    let mut clean = String::new();
    for line in out.lines() {
        super::output::push_clean(&mut clean, line, false);
        clean.push('\n');
    }
    clean
}

fn counted(count: FileCount) -> String {
    format!("{} files, {}", count.files, size(count.bytes))
}
