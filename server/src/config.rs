//! What an operator sets: flags override the environment, which overrides the TOML file, which
//! overrides the defaults. Every value knows where it came from, so that a wrong one can be named.
//!
//! All settings stand in [`keys`]; a key of the file that is not there is an error.

mod archive;
mod keys;
mod retention;

use crate::keeper::Schedule;
use crate::units::{format_bytes, format_duration, parse_bytes, parse_duration};
use keys::{KEYS, SWITCHES};
use logstrata_engine::{Consumer, DiskBudget, Limits, Pool, Preset, RetentionRule, Rule, Rules};
use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A batch is one record of the log, and the engine takes records of at most 256 MiB; a batch can
/// take three times the bytes of the body that it came in.
const BODY_BYTES_MAX: u64 = 80 << 20;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File(PathBuf),
    Env(&'static str),
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Env(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// What the operator gave, before it is understood.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// The configuration file and its text.
    pub(crate) file: Option<(PathBuf, String)>,
    /// The environment, by variable.
    pub(crate) env: HashMap<String, String>,
    /// Flags as (key, flag, value).
    pub(crate) flags: Vec<(&'static str, &'static str, String)>,
    /// The memory of a server that is not told, in bytes.
    pub(crate) memory: Option<usize>,
}

/// The effective configuration.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Where the server listens; a loopback address.
    pub(crate) listen: SocketAddr,
    /// The filter of the server's own log.
    pub(crate) log: String,
    /// The store's directory.
    pub(crate) data: PathBuf,
    /// Whether parts of files are mapped into memory.
    pub(crate) mmap: bool,
    /// Whether files are merged by themselves.
    compacts: bool,
    /// What the store may take of the disk.
    disk_budget: Option<DiskBudget>,
    /// Whether it drops then what is least worth keeping.
    evict: bool,
    /// Whether secrets are replaced.
    redacts: bool,
    /// Rules that are off.
    redaction_disabled: Vec<Rule>,
    /// The engine's bounds.
    pub(crate) limits: Limits,
    /// Whether batches without a key are known by their bodies.
    pub(crate) dedup_bodies: bool,
    /// The rules of retention behind the configured ones.
    preset: Preset,
    /// Those, in their order.
    classes: Vec<RetentionRule>,
    /// When the keeper reports.
    pub(crate) report: Schedule,
    /// What a query may take at most.
    pub(crate) query_deadline: Duration,
    /// From here on a query is slow.
    pub(crate) query_slow: Option<Duration>,
    /// The file of the keys that the store is encrypted under.
    pub(crate) key_file: Option<PathBuf>,
    /// Whether nothing plain is read where it could be encrypted.
    pub(crate) requires_encryption: bool,
    archive: archive::ArchiveKeys,
    origins: HashMap<&'static str, Origin>,
}

/// A configuration that can't be used: what is wrong and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigError(pub(crate) String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Config {
    /// The defaults.
    fn initial(memory: Option<usize>) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7600)),
            log: "info".into(),
            data: "logstrata-data".into(),
            mmap: true,
            compacts: true,
            disk_budget: None,
            evict: false,
            redacts: true,
            redaction_disabled: Vec::new(),
            limits: memory.map_or_else(Limits::default, Limits::for_memory),
            dedup_bodies: false,
            preset: Preset::default(),
            classes: Vec::new(),
            report: Schedule::default(),
            query_deadline: Duration::from_secs(60),
            query_slow: Some(Duration::from_secs(1)),
            key_file: None,
            requires_encryption: false,
            archive: archive::ArchiveKeys::default(),
            origins: HashMap::new(),
        }
    }

    /// Lays the sources over each other and over the defaults.
    pub(crate) fn resolve(sources: &Sources) -> Result<Self, ConfigError> {
        let file = match &sources.file {
            Some((path, text)) => file_values(path, text)?,
            None => HashMap::new(),
        };
        let mut config = Self::initial(sources.memory);
        if let Some((path, text)) = &sources.file {
            config.classes = retention::classes(path, text)?;
        }
        for key in &KEYS {
            let flag = sources.flags.iter().find(|(name, _, _)| *name == key.name);
            let (value, origin) = if let Some((_, flag, value)) = flag {
                (value, Origin::Flag(flag))
            } else if let Some(value) = sources.env.get(key.env) {
                (value, Origin::Env(key.env))
            } else if let (Some(value), Some((path, _))) = (file.get(key.name), &sources.file) {
                (value, Origin::File(path.clone()))
            } else {
                continue;
            };
            config
                .set(key.name, value)
                .map_err(|why| ConfigError(format!("{} (from {origin}): {why}", key.name)))?;
            config.origins.insert(key.name, origin);
        }
        config.limits.compaction.is_automatic = config.compacts;
        (config.limits.disk_budget, config.limits.evict) = (config.disk_budget, config.evict);
        config.limits.retention = retention::policy(config.preset, &config.classes)?;
        config.validate()?;
        Ok(config)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let bytes = || parse_bytes(value);
        let memory = || {
            usize::try_from(parse_bytes(value)?).map_err(|_| format!("{value} is too much memory"))
        };
        match name {
            "server.listen" => self.listen = parse_listen(value)?,
            "server.log" => value.clone_into(&mut self.log),
            "storage.data" if value.is_empty() => return Err("a directory is wanted".into()),
            "storage.data" => self.data = value.into(),
            "storage.mmap" => {
                self.mmap = value.parse().map_err(|_| format!("{value:?} is not true or false"))?;
            }
            "storage.compaction" => {
                self.compacts =
                    value.parse().map_err(|_| format!("{value:?} is not true or false"))?;
            }
            "disk.budget" => self.disk_budget = parse_budget(value)?,
            "disk.evict" => {
                self.evict =
                    value.parse().map_err(|_| format!("{value:?} is not true or false"))?;
            }
            "redaction.enabled" => {
                self.redacts = value.parse().map_err(|_| "true or false is wanted".to_owned())?;
            }
            "redaction.disable" => self.redaction_disabled = parse_rules(value)?,
            "ingest.dedup" => {
                self.dedup_bodies = match value {
                    "body" => true,
                    "off" => false,
                    _ => return Err(format!("{value:?} is not body or off")),
                }
            }
            "retention.preset" => {
                self.preset = Preset::from_name(value)
                    .ok_or_else(|| format!("{value:?} is not levels or audit"))?;
            }
            "retention.report" => self.report = Schedule::new(value)?,
            "query.deadline" => self.query_deadline = parse_duration(value)?,
            "query.slow" if value == "off" => self.query_slow = None,
            "query.slow" => self.query_slow = Some(parse_duration(value)?),
            // It is the first of the limits in `KEYS`: the others change what follows from it.
            "limits.memory" => self.limits = Limits::for_memory(memory()?),
            "limits.disk_reserve" if value == "auto" => self.limits.disk_reserve_bytes = None,
            "limits.disk_reserve" => self.limits.disk_reserve_bytes = Some(bytes()?),
            "limits.body_bytes" => self.limits.body_bytes_max = memory()?,
            "limits.event_bytes" => self.limits.event_bytes_max = memory()?,
            "limits.memtable_bytes" => self.limits.memtable_bytes_max = memory()?,
            "limits.generation_bytes" => self.limits.generation_bytes_max = bytes()?,
            "limits.generation_age" => {
                let age = parse_duration(value)?.as_millis();
                self.limits.generation_age_ms_max = u64::try_from(age).unwrap_or(u64::MAX);
            }
            "limits.wal_bytes" => self.limits.wal_bytes_max = bytes()?,
            "limits.queue_bytes" => self.limits.queue_bytes_max = memory()?,
            "limits.query_bytes" => self.limits.query_bytes_max = memory()?,
            "limits.cache_bytes" => self.limits.cache_bytes_max = bytes()?,
            "encryption.key_file" => {
                self.key_file = Some(value.into()).filter(|_| !value.is_empty())
            }
            "encryption.require" => {
                self.requires_encryption =
                    value.parse().map_err(|_| format!("{value:?} is not true or false"))?;
            }
            other => match other.strip_prefix("archive.") {
                Some(name) => self.archive.set(name, value)?,
                None => unreachable!("{other} is in KEYS, but nothing sets it"),
            },
        }
        Ok(())
    }

    /// Where sealed files are copied to, if they are.
    pub(crate) fn archive(&self) -> Option<&logstrata_archive::Settings> {
        self.archive.settings()
    }

    /// How days are exported there, and when, if they are.
    pub(crate) fn export(&self) -> Option<(logstrata_archive::ExportSettings, Schedule)> {
        self.archive.export()
    }

    /// The rules of redaction that are on.
    pub(crate) fn redaction(&self) -> Rules {
        match self.redacts {
            true => {
                self.redaction_disabled.iter().fold(Rules::default(), |on, rule| on.without(*rule))
            }
            false => Rules::none(),
        }
    }

    /// The value of a key as it is written in the file.
    fn text(&self, name: &str) -> String {
        let limits = &self.limits;
        match name {
            "server.listen" => self.listen.to_string(),
            "server.log" => self.log.clone(),
            "storage.data" => self.data.display().to_string(),
            "storage.mmap" => self.mmap.to_string(),
            "storage.compaction" => self.compacts.to_string(),
            "disk.budget" => match self.disk_budget {
                None => "off".into(),
                Some(DiskBudget::Bytes(bytes)) => format_bytes(bytes),
                Some(DiskBudget::Percent(percent)) => format!("{percent}%"),
            },
            "disk.evict" => self.evict.to_string(),
            "redaction.enabled" => self.redacts.to_string(),
            "redaction.disable" => {
                self.redaction_disabled.iter().map(|rule| rule.name()).collect::<Vec<_>>().join(",")
            }
            "ingest.dedup" => if self.dedup_bodies { "body" } else { "off" }.into(),
            "retention.preset" => self.preset.name().to_owned(),
            "retention.report" => self.report.to_string(),
            "query.deadline" => format_duration(self.query_deadline),
            "query.slow" => self.query_slow.map_or_else(|| "off".into(), format_duration),
            "limits.memory" => format_bytes(limits.memory_bytes_max as u64),
            "limits.disk_reserve" => {
                limits.disk_reserve_bytes.map_or_else(|| "auto".into(), format_bytes)
            }
            "limits.body_bytes" => format_bytes(limits.body_bytes_max as u64),
            "limits.event_bytes" => format_bytes(limits.event_bytes_max as u64),
            "limits.memtable_bytes" => format_bytes(limits.memtable_bytes_max as u64),
            "limits.generation_bytes" => format_bytes(limits.generation_bytes_max),
            "limits.generation_age" => {
                format_duration(Duration::from_millis(limits.generation_age_ms_max))
            }
            "limits.wal_bytes" => format_bytes(limits.wal_bytes_max),
            "limits.queue_bytes" => format_bytes(limits.queue_bytes_max as u64),
            "limits.query_bytes" => format_bytes(limits.query_bytes_max as u64),
            "limits.cache_bytes" => format_bytes(limits.cache_bytes_max),
            "encryption.key_file" => {
                self.key_file.as_ref().map_or_else(String::new, |file| file.display().to_string())
            }
            "encryption.require" => self.requires_encryption.to_string(),
            other => match other.strip_prefix("archive.") {
                Some(name) => self.archive.text(name),
                None => unreachable!("{other} is in KEYS, but nothing shows it"),
            },
        }
    }

    /// What the engine takes for granted between its bounds.
    fn validate(&self) -> Result<(), ConfigError> {
        let limits = &self.limits;
        let cache = usize::try_from(limits.cache_bytes_max).unwrap_or(usize::MAX);
        let budget = limits.memory_bytes_max.saturating_sub(cache);
        let ingest = Pool::guaranteed(Consumer::Ingest, budget);
        let rules = [
            (self.query_deadline >= Duration::from_millis(1), "query.deadline has to be above 0"),
            (limits.memory_bytes_max >= 64 << 20, "limits.memory has to be at least 64MiB"),
            (limits.body_bytes_max >= 1 << 10, "limits.body_bytes has to be at least 1KiB"),
            (
                limits.body_bytes_max as u64 <= BODY_BYTES_MAX,
                "limits.body_bytes can be at most 80MiB: a batch is one record of the log",
            ),
            (limits.event_bytes_max >= 1 << 10, "limits.event_bytes has to be at least 1KiB"),
            (
                limits.event_bytes_max <= limits.body_bytes_max,
                "limits.event_bytes can't be above limits.body_bytes",
            ),
            (limits.memtable_bytes_max >= 1 << 20, "limits.memtable_bytes has to be at least 1MiB"),
            (
                limits.wal_file_bytes <= limits.generation_bytes_max,
                "limits.generation_bytes has to be at least 64MiB, one file of the log",
            ),
            (
                limits.generation_bytes_max <= limits.wal_bytes_max / 2,
                "limits.wal_bytes has to be at least twice limits.generation_bytes",
            ),
            (limits.generation_age_ms_max >= 1_000, "limits.generation_age has to be at least 1s"),
            (limits.queue_bytes_max >= 1 << 20, "limits.queue_bytes has to be at least 1MiB"),
            (limits.query_bytes_max >= 1 << 20, "limits.query_bytes has to be at least 1MiB"),
            (limits.cache_bytes_max >= 1 << 20, "limits.cache_bytes has to be at least 1MiB"),
            (
                limits.cache_bytes_max <= limits.memory_bytes_max as u64 / 2,
                "limits.cache_bytes can be at most half of limits.memory",
            ),
            // What can never be had would be answered with 429 for ever.
            (
                limits.body_bytes_max.saturating_mul(3) <= ingest,
                "limits.body_bytes: three times as much has to fit into ingest's share, 40% of \
                 limits.memory without limits.cache_bytes",
            ),
            (
                limits.memtable_bytes_max.saturating_mul(2).saturating_add(limits.queue_bytes_max)
                    <= ingest,
                "limits.memtable_bytes: twice as much and limits.queue_bytes have to fit into \
                 ingest's share, 40% of limits.memory without limits.cache_bytes",
            ),
        ];
        self.archive.check().map_err(ConfigError)?;
        retention::check_exports(&self.classes, self.export().is_some())?;
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, why)) => Err(ConfigError(why.into())),
            None => Ok(()),
        }
    }

    /// As TOML, each value with its origin.
    pub(crate) fn to_toml(&self) -> String {
        let mut out = String::new();
        let mut section = "";
        for key in &KEYS {
            let (in_section, name) = split(key.name);
            if in_section != section {
                let gap = if section.is_empty() { "" } else { "\n" };
                writeln!(out, "{gap}[{in_section}]").expect("a string takes everything");
                section = in_section;
            }
            let text = self.text(key.name);
            let value = if SWITCHES.contains(&key.name) {
                toml::Value::Boolean(text == "true")
            } else {
                toml::Value::String(text)
            };
            let origin = self.origins.get(key.name).unwrap_or(&Origin::Default);
            writeln!(out, "# {} Environment: {}", key.about, key.env)
                .and_then(|()| writeln!(out, "{name} = {value} # {origin}"))
                .expect("a string takes everything");
        }
        retention::write(&self.classes, &mut out);
        out
    }
}

fn split(name: &str) -> (&str, &str) {
    name.split_once('.').expect("every key has a section")
}

/// The values of the file by key.
fn file_values(path: &Path, text: &str) -> Result<HashMap<&'static str, String>, ConfigError> {
    let wrong = |why: String| ConfigError(format!("{}: {why}", path.display()));
    let root: toml::Table = text.parse().map_err(|error| wrong(format!("{error}")))?;
    let mut values = HashMap::new();
    for (section, content) in root {
        let names = || KEYS.iter().filter_map(|key| key.name.strip_prefix(&format!("{section}.")));
        if names().next().is_none() {
            let known = "server, storage, disk, ingest, query, redaction, retention, limits, encryption and \
                 archive";
            return Err(wrong(format!("unknown section or key {section:?}; sections: {known}")));
        }
        let toml::Value::Table(content) = content else {
            return Err(wrong(format!("{section:?} has to be a section: [{section}]")));
        };
        for (name, value) in content {
            let full = format!("{section}.{name}");
            if full == retention::CLASSES {
                continue; // A list of tables: it is read by itself.
            }
            let Some(key) = KEYS.iter().find(|key| key.name == full) else {
                let known = names().collect::<Vec<_>>().join(", ");
                return Err(wrong(format!("unknown key {full:?}; [{section}] knows: {known}")));
            };
            let value = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(value) if SWITCHES.contains(&key.name) => value.to_string(),
                toml::Value::Boolean(value) if key.name == "archive.path_style" => {
                    value.to_string()
                }
                _ if SWITCHES.contains(&key.name) => {
                    return Err(wrong(format!("{full} has to be true or false")));
                }
                toml::Value::Array(list)
                    if key.name == "redaction.disable" && list.iter().all(toml::Value::is_str) =>
                {
                    list.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>().join(",")
                }
                _ => return Err(wrong(format!("{full} has to be a string or a whole number"))),
            };
            values.insert(key.name, value);
        }
    }
    Ok(values)
}

/// A size, or a part of the disk like `80%`; `off` is none.
fn parse_budget(text: &str) -> Result<Option<DiskBudget>, String> {
    if text == "off" {
        return Ok(None);
    }
    let Some(percent) = text.strip_suffix('%') else {
        let bytes =
            parse_bytes(text).map_err(|why| format!("{why}; or a part like 80%; or off"))?;
        let enough = bytes >= 1 << 30;
        return match enough {
            true => Ok(Some(DiskBudget::Bytes(bytes))),
            false => Err("a budget is at least 1GiB: the log alone may take that".into()),
        };
    };
    match percent.trim().parse() {
        Ok(percent @ 1..=100) => Ok(Some(DiskBudget::Percent(percent))),
        _ => Err(format!("{text:?} is no part of a disk: 1% to 100%")),
    }
}

/// Names of rules, separated by commas.
fn parse_rules(text: &str) -> Result<Vec<Rule>, String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let rule = |name| {
        Rule::from_name(name).ok_or_else(|| {
            let known = Rule::ALL.map(Rule::name).join(", ");
            format!("there is no rule {name:?}; rules: {known}")
        })
    };
    names.map(rule).collect()
}

/// An address to listen on: `127.0.0.1:7600`, `[::1]:7600`, `localhost:7600`. Loopback only.
fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("{}:{port}", IpAddr::from(Ipv4Addr::LOCALHOST)),
        None => text.to_owned(),
    };
    let address: SocketAddr = numeric.parse().map_err(|_| {
        format!("{text:?} is no address: an IP address and a port are wanted, like 127.0.0.1:7600")
    })?;
    if !address.ip().is_loopback() {
        return Err(format!(
            "refusing to listen on {address}: this version has no authentication, so anyone who \
             reaches it could read and write every log. Listen on a loopback address \
             (127.0.0.1 or [::1]) and put a proxy with authentication in front of it"
        ));
    }
    Ok(address)
}

#[cfg(test)]
mod tests;
