//! The section `[archive]`: where sealed files are copied to, and how.

use crate::export::DayFormat;
use crate::keeper::{Schedule, zone_of};
use crate::units::{format_bytes, format_duration, parse_bytes, parse_duration};
use jiff::tz::TimeZone;
use logstrata_archive::{ExportSettings, Settings};
use std::sync::Arc;
use std::time::Duration;

/// A file of the daily export ends with the event that brings it to so many bytes, or is of this number.
const FILE_BYTES_MAX: u64 = 512 << 20;
const FILE_EVENTS_MAX: u64 = 10_000_000;
const DAY: Duration = Duration::from_secs(86_400);

/// What an operator sets of the archive. Without a URL there is none.
#[derive(Debug, Clone, Default)]
pub(super) struct ArchiveKeys(Settings, ExportKeys);

/// What an operator sets of the daily export.
#[derive(Debug, Clone)]
struct ExportKeys {
    after: Option<Duration>,
    format: DayFormat,
    schedule: Schedule,
    /// As it was written, and what that means.
    time_zone: (String, TimeZone),
    folder: String,
}

impl ArchiveKeys {
    /// Sets the key `archive.<name>`. An empty text is nothing.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        if let Some(name) = name.strip_prefix("export_") {
            return self.1.set(name, value);
        }
        let settings = &mut self.0;
        let given = || Some(value.to_owned()).filter(|value| !value.is_empty());
        let switch = || value.parse().map_err(|_| format!("{value:?} is not true or false"));
        match name {
            "url" => value.clone_into(&mut settings.url),
            "endpoint" => settings.endpoint = given(),
            "region" => settings.region = given(),
            "path_style" if value == "auto" => settings.path_style = None,
            "path_style" => settings.path_style = Some(switch()?),
            "storage_class" => settings.storage_class = given(),
            "sse" => settings.sse = given(),
            "credentials_file" => settings.credentials_file = given().map(Into::into),
            "bandwidth" if value == "off" => settings.bandwidth = None,
            "bandwidth" => settings.bandwidth = Some(parse_bytes(value)?),
            "part_bytes" => settings.part_bytes = parse_bytes(value)?,
            "copy_after" => settings.copy_after = parse_duration(value)?,
            "local_keep" if value == "forever" => settings.local_keep = None,
            "local_keep" => settings.local_keep = Some(parse_duration(value)?),
            "cache_bytes" if value == "off" => settings.cache_bytes = 0,
            "cache_bytes" => settings.cache_bytes = parse_bytes(value)?,
            "shared" => settings.shared = switch()?,
            "read_back" => settings.read_back = switch()?,
            other => unreachable!("archive.{other} is in KEYS, but nothing sets it"),
        }
        Ok(())
    }

    /// The value of the key `archive.<name>` as it is written in the file.
    pub(super) fn text(&self, name: &str) -> String {
        if let Some(name) = name.strip_prefix("export_") {
            return self.1.text(name);
        }
        let settings = &self.0;
        let given = |value: &Option<String>| value.clone().unwrap_or_default();
        match name {
            "url" => settings.url.clone(),
            "endpoint" => given(&settings.endpoint),
            "region" => given(&settings.region),
            "path_style" => settings.path_style.map_or_else(|| "auto".into(), |on| on.to_string()),
            "storage_class" => given(&settings.storage_class),
            "sse" => given(&settings.sse),
            "credentials_file" => settings
                .credentials_file
                .as_ref()
                .map_or_else(String::new, |file| file.display().to_string()),
            "bandwidth" => settings.bandwidth.map_or_else(|| "off".into(), format_bytes),
            "part_bytes" => format_bytes(settings.part_bytes),
            "copy_after" => format_duration(settings.copy_after),
            "local_keep" => settings.local_keep.map_or_else(|| "forever".into(), format_duration),
            "cache_bytes" if settings.cache_bytes == 0 => "off".into(),
            "cache_bytes" => format_bytes(settings.cache_bytes),
            "shared" => settings.shared.to_string(),
            "read_back" => settings.read_back.to_string(),
            other => unreachable!("archive.{other} is in KEYS, but nothing shows it"),
        }
    }

    /// Whether they can mean a store.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.settings() {
            Some(settings) => settings.check().map_err(|error| error.to_string()),
            None if self.1.after.is_some() => {
                Err("archive.export_after needs an archive.url to export to".to_owned())
            }
            None => Ok(()),
        }
    }

    /// The settings, if there is to be an archive.
    pub(super) fn settings(&self) -> Option<&Settings> {
        Some(&self.0).filter(|settings| !settings.url.is_empty())
    }

    /// How days are exported to it, and when; `None` if they are not.
    pub(super) fn export(&self) -> Option<(ExportSettings, Schedule)> {
        let keys = &self.1;
        let settings = ExportSettings {
            after: keys.after?,
            folder: keys.folder.clone(),
            format: Arc::new(keys.format),
            file_bytes_max: FILE_BYTES_MAX,
            file_events_max: FILE_EVENTS_MAX,
        };
        Some((settings, keys.schedule.clone().in_zone(keys.time_zone.1.clone())))
    }
}

impl Default for ExportKeys {
    fn default() -> Self {
        Self {
            after: None,
            format: DayFormat::default(),
            schedule: Schedule::new("0 2 * * *").expect("is an expression"),
            time_zone: ("UTC".to_owned(), TimeZone::UTC),
            folder: "export".to_owned(),
        }
    }
}

impl ExportKeys {
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "after" if value == "off" => self.after = None,
            "after" => {
                let after = parse_duration(value)?;
                if after < DAY {
                    return Err("a day is exported once it is over: at least 1d".to_owned());
                }
                self.after = Some(after);
            }
            "format" => {
                self.format = DayFormat::from_name(value)
                    .ok_or_else(|| format!("{value:?} is not ndjson.zst or parquet"))?;
            }
            "schedule" => self.schedule = Schedule::new(value)?,
            "time_zone" => self.time_zone = (value.to_owned(), zone_of(value)?),
            "folder" => {
                let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
                let is_part = |part: &str| !part.is_empty() && part.bytes().all(is_plain);
                if !value.split('/').all(is_part) {
                    return Err(format!(
                        "{value:?} is no folder: letters, digits, _ and -, with / between parts"
                    ));
                }
                value.clone_into(&mut self.folder);
            }
            other => unreachable!("archive.export_{other} is in KEYS, but nothing sets it"),
        }
        Ok(())
    }

    fn text(&self, name: &str) -> String {
        match name {
            "after" => self.after.map_or_else(|| "off".into(), format_duration),
            "format" => self.format.name().to_owned(),
            "schedule" => self.schedule.to_string(),
            "time_zone" => self.time_zone.0.clone(),
            "folder" => self.folder.clone(),
            other => unreachable!("archive.export_{other} is in KEYS, but nothing shows it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_an_export_is_said() {
        let mut keys = ArchiveKeys::default();
        assert!(keys.export().is_none());
        for (name, bad) in [
            ("export_after", "1h"),
            ("export_format", "csv"),
            ("export_schedule", "daily"),
            ("export_time_zone", "+2"),
            ("export_time_zone", "Europe/Nowhere"),
            ("export_folder", "../x"),
            ("export_folder", "a//b"),
        ] {
            assert!(keys.set(name, bad).is_err(), "{name} {bad}");
        }
        for (name, good) in [
            ("export_after", "7d"),
            ("export_format", "parquet"),
            ("export_time_zone", "-03:30"),
            ("export_time_zone", "America/Sao_Paulo"),
            ("export_folder", "others/logs"),
        ] {
            keys.set(name, good).expect(good);
            assert_eq!(keys.text(name), good);
        }
        let (settings, schedule) = keys.export().expect("is on");
        let next = schedule.next(logstrata_engine::Timestamp(0)).expect("comes").to_string();
        assert_eq!(next, "1970-01-01T05:00:00Z");
        assert_eq!((settings.after, settings.format.extension()), (DAY * 7, "parquet"));
    }
}
