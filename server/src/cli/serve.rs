//! `logstrata serve`: the server, from its configuration to its end.
#![expect(
    clippy::disallowed_methods,
    reason = "the demo's directory is made before there is a store"
)]

use super::config::ConfigArgs;
use super::output::{colours_on, print};
use super::{Failure, block_on, demo};
use crate::config::Config;
use logstrata_engine::io::FileStorage;
use logstrata_engine::{Engine, Options};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

const EXAMPLES: &str = "\
Examples:
  logstrata serve --demo
  logstrata serve --data /var/lib/logstrata
  logstrata serve --config /etc/logstrata.toml --listen 127.0.0.1:7700

Once it accepts requests, it prints `listening on http://ADDRESS` on the standard output. Its log
goes to the standard error. SIGTERM and SIGINT make it finish what is in flight, but for tails,
which end, and exports, which break off after two seconds; then it syncs and exits.";

/// Run the server
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Use a fresh directory with a small set of logs in it, and say what to try
    #[arg(long, conflicts_with = "data")]
    demo: bool,
}

pub(super) fn run(mut args: Args) -> Result<(), Failure> {
    if args.demo {
        args.config.data = Some(fresh_directory()?);
    }
    let config = args.config.resolve()?;
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|error| Failure::Usage(format!("server.log: {error}")))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours_on(&std::io::stderr()))
        .init();
    crate::panics::log();
    block_on(serve(&config, args.demo))
}

/// Connections that wait to be accepted at most; the system may allow less. With the usual 128, a burst
/// of clients is told to come back in a second.
const BACKLOG: u32 = 4_096;

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A server that starts again must not wait for the connections of the one before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn serve(config: &Config, demo: bool) -> Result<(), Failure> {
    // Signals that come while the store is opened are kept for later.
    let failed = |error: std::io::Error| Failure::Failed(format!("cannot handle signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    // Bound before the store is opened: a port that is taken is known at once, and whoever
    // connects meanwhile waits instead of being refused.
    let listener = listen(config.listen)
        .map_err(|error| Failure::Failed(format!("cannot listen on {}: {error}", config.listen)))?;
    let address = listener.local_addr()?;
    let keys = crate::encryption::keys_of(config).map_err(Failure::Usage)?;
    let settings = config
        .archive()
        .map(|settings| logstrata_archive::Settings { keys: keys.clone(), ..settings.clone() });
    let mut archive = settings.map(logstrata_archive::Opened::new).transpose()?;
    let (exporting, export) = config.export().unzip();
    if let Some(exporting) = exporting {
        archive = archive.map(|archive| archive.with_export(exporting));
    }
    let mut options = Options::new(&config.data);
    options.limits = config.limits.clone();
    let disk = Arc::new(FileStorage { mmap: config.mmap });
    options.io.storage = crate::encryption::storage(disk, keys.as_ref());
    options.redaction = config.redaction();
    options.limits.files_open_max = crate::files::raise_limit();
    let (limits, clock) = (options.limits.clone(), options.io.clock.clone());
    let runtime = tokio::runtime::Handle::current();
    let cold = archive.as_ref().map(|place| place.cold(runtime, &options.io, &options.dir));
    let cold = cold.map(Arc::new);
    let reads = cold.clone();
    let opening = tokio::task::spawn_blocking(move || {
        let engine = match reads {
            Some(cold) => Engine::open_with(options.clone(), cold)?,
            None => {
                let engine = Engine::open(options.clone())?;
                // Of an archive that there was before.
                logstrata_archive::clear_cache(&options.io, &options.dir);
                engine
            }
        };
        if demo {
            demo::load(&engine, &options)?;
        }
        Ok::<_, logstrata_engine::Error>(engine)
    });
    let engine = opening
        .await
        .map_err(|_| Failure::Failed("opening the store failed by a defect".into()))??;
    for error in engine.keys_lost() {
        tracing::warn!(
            %error,
            "keys behind the damage are forgotten: a batch that is sent again may be stored twice"
        );
    }
    if engine.was_plain() {
        tracing::warn!(
            "the manifest was plain, and is encrypted now: fine if the store is from before its keys; \
             once nothing is plain any more, encryption.require refuses what is"
        );
    }
    tracing::info!(%address, data = %config.data.display(), "serving");
    announce(config, address, demo);
    let behaviour = crate::Behaviour {
        query_time_max: config.query_deadline,
        query_slow: config.query_slow,
        dedup_bodies: config.dedup_bodies,
        report: config.report.clone(),
        archive,
        export,
        cold,
    };
    crate::run(listener, engine, limits, clock, behaviour, shutdown).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Says where the server is. That nobody listens is no reason not to serve.
fn announce(config: &Config, address: SocketAddr, demo: bool) {
    if demo {
        let _ = print(&demo::introduction(address, &config.data));
    }
    let _ = print(&format!("listening on http://{address}\n"));
}

/// A new directory for the demo. It stays, so that one can go on with it.
fn fresh_directory() -> Result<String, Failure> {
    let base = std::env::temp_dir();
    let mut number = std::process::id();
    loop {
        let path: PathBuf = base.join(format!("logstrata-demo-{number}"));
        match std::fs::create_dir(&path) {
            Ok(()) => {
                return path.into_os_string().into_string().map_err(|_| {
                    Failure::Failed("the directory for temporary files is not UTF-8".into())
                });
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                number = number.wrapping_add(1);
            }
            Err(error) => {
                return Err(Failure::Failed(format!("cannot create {}: {error}", path.display())));
            }
        }
    }
}
