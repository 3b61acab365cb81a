//! The command line: one subcommand a file.

mod archive;
mod asked;
mod cleanup;
mod config;
mod context;
mod demo;
mod encryption;
mod explain;
mod export;
mod fields;
mod histogram;
mod ingest;
mod inspect;
mod output;
mod patterns;
mod repair;
mod retention;
mod search;
mod serve;
mod show;
mod stats;
mod table;
mod tail;
mod target;
mod trace;
mod verify;

use clap::{Parser, Subcommand};
use std::io;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  logstrata serve --demo                         try it with built-in logs
  logstrata serve --data /var/lib/logstrata      run it
  logstrata ingest app.ndjson /var/log/*.log     store files
  logstrata search 'level:error timeout' --from now-1h
  logstrata stats --group-by service --agg 'p95(duration_ms)'
  logstrata tail level:error                     see events as they are stored
  logstrata histogram 'level:error' --from now-1d
  logstrata fields                               which fields there are";

/// A log server in one binary.
#[derive(Debug, Parser)]
#[command(name = "logstrata", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Ingest(ingest::Args),
    Search(search::Args),
    Stats(stats::Args),
    Tail(tail::Args),
    Export(export::Args),
    Histogram(histogram::Args),
    Context(context::Args),
    Trace(trace::Args),
    Fields(fields::Args),
    Patterns(patterns::Args),
    Inspect(inspect::Args),
    Verify(verify::Args),
    Repair(repair::Args),
    Archive(archive::Args),
    Config(config::Args),
    Retention(retention::Args),
    Encryption(encryption::Args),
    Cleanup(cleanup::Args),
}

/// What a command that has ended has found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// All is well: exit code 0.
    Well,
    /// Something is damaged, and that has been said: exit code 1.
    Damage,
    /// Something could not be told, and that has been said: exit code 2.
    Unknown,
}

impl Ending {
    fn code(self) -> ExitCode {
        match self {
            Self::Well => ExitCode::SUCCESS,
            Self::Damage => ExitCode::from(1),
            Self::Unknown => ExitCode::from(2),
        }
    }
}

/// Why a command ends early.
#[derive(Debug)]
enum Failure {
    /// It can't be done as it was asked for: exit code 2.
    Usage(String),
    /// It went wrong: exit code 1.
    Failed(String),
    /// Nobody reads the output any more: no failure, nothing to say.
    PipeClosed,
}

impl From<io::Error> for Failure {
    /// Of writing to the output.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::PipeClosed,
            _ => Self::Failed(format!("cannot write the output: {error}")),
        }
    }
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<logstrata_engine::Error> for Failure {
    fn from(error: logstrata_engine::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<logstrata_client::Error> for Failure {
    fn from(error: logstrata_client::Error) -> Self {
        let hint = match &error {
            logstrata_client::Error::Transport { connecting: true, .. } => {
                " (is a server running? `logstrata serve` starts one; --server names another)"
            }
            _ => "",
        };
        Self::Failed(format!("{error}{hint}"))
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(args) => serve::run(args),
        Command::Ingest(args) => ingest::run(args),
        Command::Search(args) => search::run(&args),
        Command::Stats(args) => stats::run(&args),
        Command::Tail(args) => tail::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Histogram(args) => histogram::run(&args),
        Command::Context(args) => context::run(&args),
        Command::Trace(args) => trace::run(&args),
        Command::Fields(args) => fields::run(&args),
        Command::Patterns(args) => patterns::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Verify(args) => match verify::run(&args) {
            Ok(ending) => return ending.code(),
            Err(failure) => Err(failure),
        },
        Command::Archive(args) => match archive::run(&args) {
            Ok(ending) => return ending.code(),
            Err(failure) => Err(failure),
        },
        Command::Repair(args) => repair::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Cleanup(args) => match cleanup::run(args) {
            Ok(code) => return code,
            Err(failure) => Err(failure),
        },
        Command::Retention(args) => retention::run(args),
        Command::Encryption(args) => encryption::run(args),
    };
    let (message, code) = match result {
        Ok(()) | Err(Failure::PipeClosed) => return ExitCode::SUCCESS,
        Err(Failure::Failed(message)) => (message, 1),
        Err(Failure::Usage(message)) => (message, 2),
    };
    output::complain("error", &message);
    ExitCode::from(code)
}

/// A runtime for a command that talks to a server.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(format!("cannot start: {error}")))?;
    runtime.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_query_may_begin_with_a_minus_but_no_option_is_taken_for_one() {
        for arguments in [["search", "-level:info"], ["stats", "-health"], ["search", "-a b"]] {
            let parsed = Cli::try_parse_from(["logstrata"].iter().chain(&arguments));
            let query = match parsed.expect("a query").command {
                Command::Search(args) => args.asked.query,
                Command::Stats(args) => args.asked.query,
                other => panic!("{other:?}"),
            };
            assert_eq!(query, arguments[1]);
        }
        for option in ["--limt", "--jsn"] {
            assert!(Cli::try_parse_from(["logstrata", "search", option]).is_err(), "{option}");
        }
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let pipe = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(matches!(pipe, Failure::PipeClosed));
        let disk = Failure::from(io::Error::from(io::ErrorKind::StorageFull));
        assert!(matches!(disk, Failure::Failed(_)));
    }
}
