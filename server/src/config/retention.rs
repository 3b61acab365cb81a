//! `[[retention.class]]`: the rules that say how long each kind of event is kept.

use super::ConfigError;
use crate::units::{format_duration, parse_duration};
use logstrata_engine::{ClassClock, Keep, Policy, Preset, RetentionRule};
use std::fmt::Write as _;
use std::path::Path;

/// Where they stand in the file.
pub(super) const CLASSES: &str = "retention.class";

/// What a class may say.
const NAMES: [&str; 6] = ["name", "match", "keep", "local_keep", "export", "clock"];

/// What is for ever.
const FOREVER: &str = "forever";

/// The classes of a file, in their order.
pub(super) fn classes(path: &Path, text: &str) -> Result<Vec<RetentionRule>, ConfigError> {
    let wrong = |why: String| ConfigError(format!("{}: {why}", path.display()));
    let root: toml::Table = text.parse().map_err(|error| wrong(format!("{error}")))?;
    let Some(list) = root.get("retention").and_then(|section| section.get("class")) else {
        return Ok(Vec::new());
    };
    let list =
        list.as_array().ok_or_else(|| wrong(format!("a class begins with [[{CLASSES}]]")))?;
    let numbered = (1..).zip(list);
    numbered.map(|(number, class)| read(number, class).map_err(wrong)).collect()
}

/// The class that is the `number`-th of the file.
fn read(number: usize, class: &toml::Value) -> Result<RetentionRule, String> {
    let table = class.as_table().ok_or_else(|| format!("a class begins with [[{CLASSES}]]"))?;
    let name = table.get("name").and_then(toml::Value::as_str);
    let name = name.ok_or_else(|| format!("{CLASSES} number {number} has no name"))?;
    let wrong = |why: String| format!("{CLASSES} {name:?}: {why}");
    if let Some(unknown) = table.keys().find(|key| !NAMES.contains(&key.as_str())) {
        return Err(wrong(format!("unknown key {unknown:?}; a class knows: {}", NAMES.join(", "))));
    }
    let text = |key: &str| match table.get(key) {
        None => Ok(None),
        Some(toml::Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(wrong(format!("{key} has to be a string"))),
    };
    let keep = |key: &str| {
        let text = text(key)?;
        text.map(|text| parse_keep(text).map_err(|why| wrong(format!("{key}: {why}")))).transpose()
    };
    Ok(RetentionRule {
        name: name.to_owned(),
        matches: text("match")?.map(str::to_owned),
        keep: keep("keep")?.ok_or_else(|| wrong("it says not how long it is kept".into()))?,
        local_keep: keep("local_keep")?,
        export: match table.get("export") {
            None => false,
            Some(toml::Value::Boolean(export)) => *export,
            Some(_) => return Err(wrong("export has to be true or false".into())),
        },
        clock: match text("clock")? {
            None | Some("event") => ClassClock::Event,
            Some("arrival") => ClassClock::Arrival,
            Some(other) => return Err(wrong(format!("clock: {other:?} is not event or arrival"))),
        },
    })
}

fn parse_keep(text: &str) -> Result<Keep, String> {
    if text == FOREVER {
        return Ok(Keep::Forever);
    }
    let time = parse_duration(text).map_err(|why| format!("{why}; or {FOREVER}"))?;
    Keep::new(time).ok_or_else(|| format!("{text:?} is not between 1d and 36500d; or {FOREVER}"))
}

/// The rules of all.
pub(super) fn policy(preset: Preset, classes: &[RetentionRule]) -> Result<Policy, ConfigError> {
    Policy::new(preset, classes).map_err(|error| {
        let rule = classes.get(error.rule);
        let name = rule.map_or("", |rule| &rule.name);
        let mut message = format!("{CLASSES} {name:?}: {error}");
        if let (Some(span), Some(text)) = (&error.span, rule.and_then(|rule| rule.matches.as_ref()))
        {
            let before = text.get(..span.start).map_or(0, |before| before.chars().count());
            let _ = write!(message, "\n  {}\n  {}^", text.replace('\n', " "), " ".repeat(before));
        }
        ConfigError(message)
    })
}

/// Whether what is to be exported is: it would be kept for ever otherwise, or go unexported.
pub(super) fn check_exports(
    classes: &[RetentionRule],
    is_exporting: bool,
) -> Result<(), ConfigError> {
    match classes.iter().find(|class| class.export && !is_exporting) {
        None => Ok(()),
        Some(class) => Err(ConfigError(format!(
            "{CLASSES} {:?}: export needs a daily export, and there is none: set archive.url and \
             archive.export_after",
            class.name
        ))),
    }
}

/// Appends the classes as they are written in the file.
pub(super) fn write(classes: &[RetentionRule], out: &mut String) {
    let keep = |keep: Keep| keep.duration().map_or_else(|| FOREVER.to_owned(), format_duration);
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    for class in classes {
        let mut line = |key: &str, value: String| {
            writeln!(out, "{key} = {value}").expect("a string takes everything");
        };
        line("\n[[retention.class]]\nname", quoted(&class.name));
        if let Some(matches) = &class.matches {
            line("match", quoted(matches));
        }
        line("keep", quoted(&keep(class.keep)));
        if let Some(local) = class.local_keep {
            line("local_keep", quoted(&keep(local)));
        }
        if class.export {
            line("export", "true".to_owned());
        }
        if class.clock == ClassClock::Arrival {
            line("clock", quoted(class.clock.name()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "logstrata.toml";

    fn read_all(text: &str) -> Result<Vec<RetentionRule>, String> {
        let classes = classes(Path::new(PATH), text).map_err(|error| error.0)?;
        policy(Preset::Levels, &classes).map_err(|error| error.0)?;
        Ok(classes)
    }

    #[test]
    fn classes_are_read_and_written() {
        let text = "[retention]\npreset = 'levels'\n\
            [[retention.class]]\nname = 'payments'\nmatch = 'category:payment OR category:order'\n\
            keep = '365d'\nlocal_keep = '7d'\nexport = true\n\
            [[retention.class]]\nname = 'old'\nmatch = 'service:\"im\\\"port\"'\nkeep = 'forever'\n\
            clock = 'arrival'\n\
            [[retention.class]]\nname = 'info'\nkeep = '8w'\n";
        let classes = read_all(text).expect("valid");
        let names: Vec<_> = classes.iter().map(|class| (&*class.name, class.keep)).collect();
        let kept = [Keep::days(365), Keep::Forever, Keep::days(56)];
        assert_eq!(names, [("payments", kept[0]), ("old", kept[1]), ("info", kept[2])]);
        let mut written = String::new();
        write(&classes, &mut written);
        assert_eq!(read_all(&written).expect("valid"), classes, "{written}");
    }

    #[test]
    fn what_nobody_would_export_is_refused() {
        let classes = read_all("[[retention.class]]\nname = 'info'\nkeep = '5d'\nexport = true\n");
        let classes = classes.expect("valid");
        let error = check_exports(&classes, false).expect_err("no export");
        assert!(error.0.contains("\"info\": export needs"), "{}", error.0);
        check_exports(&classes, true).expect("there is one");
        check_exports(&[], false).expect("nothing is to be exported");
    }

    #[test]
    fn what_is_wrong_is_named_in_its_place() {
        for (class, part) in [
            ("keep = '5d'", "number 1 has no name"),
            ("name = 'a'\nkeep = 5", "\"a\": keep has to be a string"),
            ("name = 'a'\nmatch = 'service:a'", "says not how long"),
            ("name = 'a'\nkeep = '5d'", "says not what it matches"),
            ("name = 'a'\nkeep = '12h'\nmatch = 'service:a'", "not between 1d and 36500d"),
            ("name = 'a'\nkeep = '5 days'\nmatch = 'service:a'", "is no duration"),
            ("name = 'a'\nkeep = '5d'\nmtach = 'service:a'", "unknown key \"mtach\""),
            ("name = 'a'\nkeep = '5d'\nclock = 'x'", "\"x\" is not event or arrival"),
            ("name = 'a'\nkeep = '5d'\nexport = 'yes'", "export has to be true or false"),
            ("name = 'info'\nkeep = '5d'\nmatch = 'service:a'", "is a class of the preset"),
            ("name = 'A'\nkeep = '5d'\nmatch = 'service:a'", "a-z"),
        ] {
            let error = read_all(&format!("[[retention.class]]\n{class}")).expect_err(class);
            assert!(error.contains(part), "{class}: {error}");
        }
        assert!(
            read_all("[retention]\nclass = 5")
                .expect_err("no list")
                .contains("[[retention.class]]")
        );
        let text = "[[retention.class]]\nname = 'a'\nkeep = '5d'\nmatch = 'service:é message:x'";
        let error = read_all(text).expect_err("not exact");
        let end = "\n  service:é message:x\n            ^";
        assert!(
            error.contains("not at message (at byte 11 of match)") && error.ends_with(end),
            "{error}"
        );
    }
}
