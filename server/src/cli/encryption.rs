//! `logstrata encryption`: what of a store is under which key. Asks a server.

use super::output::{print, size};
use super::{Failure, block_on};
use logstrata_client::Client;
use logstrata_client::wire::{EncryptionAnswer, FileCount, FilesUnderKey};
use std::fmt::Write as _;

const EXAMPLES: &str = "\
Examples:
  logstrata encryption status
  logstrata encryption status --json";

/// Under which keys a store is encrypted
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    /// The server's address
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "LOGSTRATA_SERVER",
        default_value = "http://127.0.0.1:7600"
    )]
    server: String,
    /// The server's answer as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show what is under which key, and what is plain
    Status,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let client = Client::new(&args.server).map_err(|error| Failure::Usage(error.to_string()))?;
    let Command::Status = args.command;
    let answer = block_on(async { Ok(client.encryption().await?) })?;
    let out = match args.json {
        true => serde_json::to_string(&answer).expect("plain values serialize") + "\n",
        false => table(&answer),
    };
    Ok(print(&out)?)
}

/// A line for each key, and for what is plain.
fn table(answer: &EncryptionAnswer) -> String {
    const PLAIN: &str = "(plain)";
    let all = [&answer.files, &answer.away, &answer.key_files];
    let mut keys: Vec<Option<&str>> = answer.keys.iter().map(|key| Some(&**key)).collect();
    let named = all.into_iter().flatten().map(|under| under.key.as_deref());
    let others = [answer.manifest.as_deref()].into_iter();
    for key in named.chain(others).chain(answer.log.iter().map(|key| key.as_deref())) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let mut out = format!(
        "{:16}  {:>22}  {:>22}  {:>22}  {:8}  LOG\n",
        "KEY", "FILES", "AWAY", "KEY FILES", "MANIFEST"
    );
    for key in keys {
        let of = |files: &[FilesUnderKey]| {
            let count = files.iter().find(|under| under.key.as_deref() == key);
            count.map_or_else(|| "-".to_owned(), |under| told(under.count))
        };
        let [files, away, key_files] = all.map(|files| of(files));
        let mark = |is_it: bool| if is_it { "yes" } else { "-" };
        let manifest = mark(answer.manifest.as_deref() == key);
        let log = mark(answer.log.iter().any(|other| other.as_deref() == key));
        let is_given = key.is_none_or(|key| answer.keys.iter().any(|given| given == key));
        let note = if is_given { "" } else { "  NOT GIVEN" };
        writeln!(
            out,
            "{:16}  {files:>22}  {away:>22}  {key_files:>22}  {manifest:8}  {log}{note}",
            key.unwrap_or(PLAIN)
        )
        .expect("a string takes everything");
    }
    if answer.unreadable.files > 0 {
        writeln!(out, "not known: {}", told(answer.unreadable)).expect("a string takes everything");
    }
    out
}

fn told(count: FileCount) -> String {
    format!("{} ({})", count.files, size(count.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_line_also_one_that_was_not_given() {
        let under = |key: Option<&str>, files| FilesUnderKey {
            key: key.map(str::to_owned),
            count: FileCount { files, bytes: 1 << 20 },
        };
        let answer = EncryptionAnswer {
            keys: vec!["two".to_owned()],
            files: vec![under(None, 1), under(Some("two"), 2)],
            away: vec![under(Some("one"), 3)],
            key_files: Vec::new(),
            manifest: Some("two".to_owned()),
            log: vec![Some("two".to_owned())],
            unreadable: FileCount { files: 4, bytes: 0 },
        };
        let text = table(&answer);
        let line = |start: &str| text.lines().find(|line| line.starts_with(start)).expect("a line");
        assert!(line("two").contains("2 (1.0 MiB)") && line("two").ends_with("yes"), "{text}");
        assert!(
            line("one").contains("3 (1.0 MiB)") && line("one").ends_with("NOT GIVEN"),
            "{text}"
        );
        assert!(line("(plain)").contains("1 (1.0 MiB)"), "{text}");
        assert!(line("not known").contains('4'), "{text}");
    }
}
