//! `logstrata inspect`: what is in a file of a store.

use super::Failure;
use logstrata_engine::{Error, inspect};
use std::error::Error as _;
use std::io::{self, Write as _};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  logstrata inspect data/segments/0000000000000001.l0
  logstrata inspect data/segments/0000000000000001.l0 --dump | grep trace_id
  logstrata inspect data/wal/0000000000000002-00000000.wal
  logstrata inspect data/keys/0000000000000001.keys
  logstrata inspect data/MANIFEST-0000000001

A running server keeps writing: what is shown of its log and manifest is of this moment.";

/// Show what is in a file of a store: a level-0 file, a segment, a pack, a file of the log, one of keys, or a manifest
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The file; its name tells what it is
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Also every event, one JSON object a line, or every key
    #[arg(long)]
    dump: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let io = crate::encryption::io_of_environment().map_err(Failure::Usage)?;
    inspect(&io, &args.file, args.dump, &mut out).map_err(unless_pipe_closed)?;
    Ok(out.flush()?)
}

/// The reader of the output may have seen enough.
fn unless_pipe_closed(error: Error) -> Failure {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    match cause.map(io::Error::kind) {
        Some(io::ErrorKind::BrokenPipe) => Failure::PipeClosed,
        _ => error.into(),
    }
}
