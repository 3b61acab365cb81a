//! `logstrata config`: the effective configuration; also where the sources are read.
#![expect(clippy::disallowed_methods, reason = "the configuration is read before there is a store")]

use super::Failure;
use super::output::print;
use crate::config::{Config, Sources};
use std::path::PathBuf;

/// Print the effective configuration, each value with its origin
///
/// Flags override the environment, which overrides the file, which overrides the defaults. What is
/// printed is a valid configuration file.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Where the configuration comes from.
#[derive(Debug, Default, clap::Args)]
pub(super) struct ConfigArgs {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "LOGSTRATA_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// The store's directory, created if needed [default: logstrata-data]
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<String>,
    /// Where to listen; loopback only [default: 127.0.0.1:7600]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<String>,
    /// Read files instead of mapping parts of them into memory
    #[arg(long)]
    no_mmap: bool,
    /// Memory that the server may take [default: a quarter of the machine's, or half of its
    /// container's]
    #[arg(long, value_name = "SIZE")]
    pub(super) memory: Option<String>,
    /// What the store may take of the disk: a size, or a part like 80% [default: off]
    #[arg(long, value_name = "SIZE")]
    pub(super) disk_budget: Option<String>,
    /// Free space of the disk below which events are refused [default: in proportion]
    #[arg(long, value_name = "SIZE")]
    pub(super) disk_reserve: Option<String>,
}

impl ConfigArgs {
    /// Reads the file and the environment, and lays them over each other.
    pub(super) fn resolve(&self) -> Result<Config, Failure> {
        let mut sources = Sources::default();
        if let Some(path) = &self.config {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::Usage(format!("cannot read {}: {error}", path.display()))
            })?;
            sources.file = Some((path.clone(), text));
        }
        sources.env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, value)| name.starts_with("LOGSTRATA_") && !value.is_empty())
            .collect();
        sources.memory = crate::machine::memory_budget();
        let flags = [
            ("storage.data", "--data", &self.data),
            ("server.listen", "--listen", &self.listen),
            ("limits.memory", "--memory", &self.memory),
            ("limits.disk_reserve", "--disk-reserve", &self.disk_reserve),
            ("disk.budget", "--disk-budget", &self.disk_budget),
        ];
        for (key, flag, value) in flags {
            sources.flags.extend(value.iter().map(|value| (key, flag, value.clone())));
        }
        if self.no_mmap {
            sources.flags.push(("storage.mmap", "--no-mmap", "false".into()));
        }
        Ok(Config::resolve(&sources)?)
    }
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    Ok(print(&args.config.resolve()?.to_toml())?)
}
