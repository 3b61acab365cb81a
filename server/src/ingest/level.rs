//! Level names and numbers of other systems, mapped to the six levels of Logstrata.
//!
//! Names, in any case (OpenTelemetry's `INFO2`, `ERROR4` count as `INFO`, `ERROR`):
//!
//! | level | names |
//! | --- | --- |
//! | trace | trace, trc, t, verbose, vrb, v, finest, finer, silly, all |
//! | debug | debug, dbg, d, fine, config |
//! | info | info, information, informational, inf, i, notice, note, n, default |
//! | warn | warn, warning, wrn, w |
//! | error | error, err, eror, e, severe, failure |
//! | critical | critical, crit, c, fatal, ftl, f, panic, dpanic, alert, emerg, emergency, assert, a |
//!
//! Numbers, where the field's name says that they are OpenTelemetry's (1 to 24):
//! 1-4 trace, 5-8 debug, 9-12 info, 13-16 warn, 17-20 error, 21-24 critical.
//!
//! All other numbers, the first row that matches:
//!
//! | numbers | read as |
//! | --- | --- |
//! | 0 to 7 | syslog: 0-2 critical, 3 error, 4 warn, 5-6 info, 7 debug |
//! | 10, 20, 30, 40, 50, 60 | Python: debug, info, warn, error, critical, critical. pino and bunyan count one step lower (their 30 is info); who sends from there configures names |
//! | 8 to 24 | OpenTelemetry |
//! | 300, 400, 500, 700, 800, 900, 1000 | java.util.logging: trace, trace, debug, debug, info, warn, error |
//! | 5000, 10000, 20000, 30000, 40000, 50000 | log4j and logback: trace, debug, info, warn, error, critical |

use logstrata_engine::Level;

/// The longest name in the table is `informational`.
const NAME_BYTES_MAX: usize = 16;

/// Which table a number belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// The field's name says OpenTelemetry.
    OpenTelemetry,
    /// Told by the number itself.
    Any,
}

/// How a level was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Spelling {
    /// A number of the tables.
    Number,
    /// A name of another system.
    Foreign,
    /// One of the six names, in any case: nothing is lost if the text is not kept.
    Own,
}

/// The level that a text means, if it is a name or a number of the tables.
pub fn parse_level(text: &[u8]) -> Option<Level> {
    parse(text, Scale::Any).map(|(level, _)| level)
}

/// The level that a name means, in any case; numbers are of no system for sure.
pub fn level_of_name(name: &str) -> Option<Level> {
    from_name(name.as_bytes()).map(|(level, _)| level)
}

pub(crate) fn parse(text: &[u8], scale: Scale) -> Option<(Level, Spelling)> {
    let text = text.trim_ascii();
    if text.first().is_some_and(u8::is_ascii_digit) {
        return from_number(text, scale).map(|level| (level, Spelling::Number));
    }
    from_name(text)
}

/// The level of a name in any case, and whether it is one of our own.
pub(crate) fn from_name(text: &[u8]) -> Option<(Level, Spelling)> {
    let mut buffer = [0; NAME_BYTES_MAX];
    let name = buffer.get_mut(..text.len())?;
    name.copy_from_slice(text);
    name.make_ascii_lowercase();
    if let Some(level) = from_lowercase(name) {
        let own = level.name().as_bytes() == name;
        return Some((level, if own { Spelling::Own } else { Spelling::Foreign }));
    }
    // OpenTelemetry numbers the four steps of each level: INFO, INFO2, INFO3, INFO4.
    let (step, stem) = name.split_last()?;
    let stepped = matches!(step, b'2'..=b'4') && stem.len() >= 4;
    stepped.then(|| from_lowercase(stem))?.map(|level| (level, Spelling::Foreign))
}

fn from_lowercase(name: &[u8]) -> Option<Level> {
    Some(match name {
        b"info" | b"information" | b"informational" | b"inf" | b"i" | b"notice" | b"note"
        | b"n" | b"default" => Level::Info,
        b"debug" | b"dbg" | b"d" | b"fine" | b"config" => Level::Debug,
        b"warn" | b"warning" | b"wrn" | b"w" => Level::Warn,
        b"error" | b"err" | b"eror" | b"e" | b"severe" | b"failure" => Level::Error,
        b"critical" | b"crit" | b"c" | b"fatal" | b"ftl" | b"f" | b"panic" | b"dpanic"
        | b"alert" | b"emerg" | b"emergency" | b"assert" | b"a" => Level::Critical,
        b"trace" | b"trc" | b"vrb" | b"t" | b"verbose" | b"v" | b"finest" | b"finer" | b"silly"
        | b"all" => Level::Trace,
        _ => return None,
    })
}

fn from_number(text: &[u8], scale: Scale) -> Option<Level> {
    let number: u32 = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(match (scale, number) {
        (Scale::OpenTelemetry, _) => return from_open_telemetry(number),
        (_, 0..=2) => Level::Critical,
        (_, 3) => Level::Error,
        (_, 4) => Level::Warn,
        (_, 5 | 6) => Level::Info,
        (_, 7) => Level::Debug,
        (_, 10) => Level::Debug,
        (_, 20) => Level::Info,
        (_, 30) => Level::Warn,
        (_, 40) => Level::Error,
        (_, 50 | 60) => Level::Critical,
        (_, 8..=24) => return from_open_telemetry(number),
        (_, 300 | 400 | 5_000) => Level::Trace,
        (_, 500 | 700 | 10_000) => Level::Debug,
        (_, 800 | 20_000) => Level::Info,
        (_, 900 | 30_000) => Level::Warn,
        (_, 1_000 | 40_000) => Level::Error,
        (_, 50_000) => Level::Critical,
        _ => return None,
    })
}

fn from_open_telemetry(number: u32) -> Option<Level> {
    Some(match number {
        1..=4 => Level::Trace,
        5..=8 => Level::Debug,
        9..=12 => Level::Info,
        13..=16 => Level::Warn,
        17..=20 => Level::Error,
        21..=24 => Level::Critical,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_many_systems() {
        for (level, names) in [
            (Level::Trace, "trace TRACE3 Verbose V FINEST finer"),
            (Level::Debug, "debug DEBUG D fine CONFIG debug4"),
            (Level::Info, "info Information notice NOTICE I inf INFO2"),
            (Level::Warn, "warn WARNING W wrn warn4"),
            (Level::Error, "error ERR e SEVERE Error2 FAILURE"),
            (Level::Critical, "critical CRIT fatal F panic alert emerg emergency FATAL4"),
        ] {
            for name in names.split(' ') {
                assert_eq!(parse_level(name.as_bytes()), Some(level), "{name}");
            }
        }
        for name in ["", "bad", "info5", "i2", "err or", "informationalistic", "informational text"]
        {
            assert_eq!(parse_level(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn only_the_six_names_say_all() {
        for level in Level::ALL {
            let upper = level.name().to_ascii_uppercase();
            assert_eq!(parse(upper.as_bytes(), Scale::Any), Some((level, Spelling::Own)));
        }
        assert_eq!(parse(b"warning", Scale::Any), Some((Level::Warn, Spelling::Foreign)));
        assert_eq!(parse(b"4", Scale::Any), Some((Level::Warn, Spelling::Number)));
    }

    #[test]
    fn numbers_by_table() {
        for (numbers, scale, levels) in [
            (
                "0 1 2 3 4 5 6 7",
                Scale::Any,
                "critical critical critical error warn info info debug",
            ),
            ("10 20 30 40 50 60", Scale::Any, "debug info warn error critical critical"),
            ("8 9 13 17 21 24", Scale::Any, "debug info warn error critical critical"),
            ("1 5 10 13 20 21", Scale::OpenTelemetry, "trace debug info warn error critical"),
            ("300 500 800 900 1000", Scale::Any, "trace debug info warn error"),
            (
                "5000 10000 20000 30000 40000 50000",
                Scale::Any,
                "trace debug info warn error critical",
            ),
        ] {
            for (number, level) in numbers.split(' ').zip(levels.split(' ')) {
                let read = parse(number.as_bytes(), scale).map(|(level, _)| level.name());
                assert_eq!(read, Some(level), "{number} {scale:?}");
            }
        }
        for number in ["25", "70", "100", "4294967296", "3.0", "-1", "1e1"] {
            assert_eq!(parse_level(number.as_bytes()), None, "{number}");
        }
        assert_eq!(parse(b"0", Scale::OpenTelemetry), None);
    }
}
