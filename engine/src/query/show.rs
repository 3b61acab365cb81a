//! A query written out as it was understood.
//!
//! `W1` what is written out has the syntax that it was written from.

use super::ast::{Figure, Filter, Group, Leaf, Query, Range, Stage, StageKind, Test};
use crate::timestamp::{NS_PER_DAY, NS_PER_SECOND};
use std::fmt::{self, Display, Formatter};

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.filter.fmt(f)?;
        self.stages.iter().try_for_each(|stage| write!(f, " | {stage}"))
    }
}

impl Display for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::And(all) => list(f, all, " AND ", within),
            Self::Or(any) => list(f, any, " OR ", within),
            Self::Not(inner) => {
                f.write_str("NOT ")?;
                within(inner, f)
            }
            Self::Leaf(leaf) => leaf.fmt(f),
        }
    }
}

/// A filter as a part of another.
fn within(filter: &Filter, f: &mut Formatter<'_>) -> fmt::Result {
    match filter {
        Filter::And(_) | Filter::Or(_) => write!(f, "({filter})"),
        _ => filter.fmt(f),
    }
}

impl Display for Leaf {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(field) = &self.field {
            // `C:\*` and `std::fs` are words: behind a name in quotes nothing is.
            let begins_plain = |text: &str| text.starts_with(char::is_alphanumeric);
            match &self.test {
                Test::Wildcard(wildcard) if !begins_plain(&wildcard.pieces[0]) => {
                    quoted(f, &field.name)?;
                }
                Test::Network(_, text) if !begins_plain(text) => quoted(f, &field.name)?,
                _ => name(f, &field.name)?,
            }
            f.write_str(if matches!(self.test, Test::Same(_)) { "==" } else { ":" })?;
        }
        match &self.test {
            Test::Text(text) | Test::Same(text) => value(f, text),
            Test::Wildcard(wildcard) => {
                list(f, &wildcard.pieces, "*", |piece, f| escaped(piece, f))
            }
            Test::Range(range) => range.fmt(f),
            Test::Network(_, text) => f.write_str(text),
            Test::Exists => f.write_str("*"),
            Test::Regex(pattern) => {
                f.write_str("~")?;
                quoted(f, &pattern.source)
            }
        }
    }
}

impl Display for Range {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sign = |sign: &str, inclusive| format!("{sign}{}", if inclusive { "=" } else { "" });
        match (&self.lower, &self.upper) {
            (Some(bound), None) => {
                f.write_str(&sign(">", bound.inclusive))?;
                value(f, &bound.text)
            }
            (None, Some(bound)) => {
                f.write_str(&sign("<", bound.inclusive))?;
                value(f, &bound.text)
            }
            (lower, upper) => {
                let inclusive = |bound: &Option<super::ast::Bound>| {
                    bound.as_ref().is_none_or(|bound| bound.inclusive)
                };
                f.write_str(if inclusive(lower) { "[" } else { "{" })?;
                match lower {
                    Some(bound) => value(f, &bound.text)?,
                    None => f.write_str("*")?,
                }
                f.write_str(" TO ")?;
                match upper {
                    Some(bound) => value(f, &bound.text)?,
                    None => f.write_str("*")?,
                }
                f.write_str(if inclusive(upper) { "]" } else { "}" })
            }
        }
    }
}

impl Display for Stage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let names = |f: &mut Formatter<'_>, fields: &[super::ast::Field]| {
            list(f, fields, ", ", |field, f| name(f, &field.name))
        };
        match &self.kind {
            StageKind::Where(filter) => write!(f, "where {filter}"),
            StageKind::Extract(extract) => {
                f.write_str("extract ")?;
                quoted(f, &extract.source)?;
                extract.from.iter().try_for_each(|from| {
                    f.write_str(" from ")?;
                    name(f, &from.name)
                })
            }
            StageKind::Stats { figures, by } => {
                f.write_str(if figures.is_empty() { "stats" } else { "stats " })?;
                list(f, figures, ", ", |figure, f| figure.fmt(f))?;
                f.write_str(if by.is_empty() { "" } else { " by " })?;
                list(f, by, ", ", |group, f| group.fmt(f))
            }
            StageKind::Top { limit, fields } => {
                write!(f, "top {limit} ")?;
                names(f, fields)
            }
            StageKind::Uniq(fields) => {
                f.write_str("uniq ")?;
                names(f, fields)
            }
            StageKind::Sort(keys) => {
                f.write_str("sort ")?;
                list(f, keys, ", ", |key, f| {
                    f.write_str(if key.descending { "-" } else { "" })?;
                    name(f, &key.field.name)
                })
            }
            StageKind::Fields(fields) => {
                f.write_str("fields ")?;
                names(f, fields)
            }
            StageKind::Limit(limit) => write!(f, "limit {limit}"),
        }
    }
}

impl Display for Figure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.function)?;
        if let Some(field) = &self.field {
            name(f, &field.name)?;
        }
        self.argument.iter().try_for_each(|argument| write!(f, ", {argument}"))?;
        f.write_str(") as ")?;
        name(f, &self.name)
    }
}

impl Display for Group {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => name(f, &field.name),
            Self::Time(width) => write!(f, "bin({})", duration(*width)),
            Self::Bin(bin) => {
                f.write_str("bin(")?;
                name(f, &bin.field.name)?;
                write!(f, ", {})", bin.width)?;
                if bin.name != format!("bin({},{})", bin.field.name, bin.width) {
                    f.write_str(" as ")?;
                    name(f, &bin.name)?;
                }
                Ok(())
            }
        }
    }
}

/// A duration in nanoseconds, in the widest unit of which it is a multiple.
pub(crate) fn duration(ns: i64) -> String {
    const UNITS: [(i64, &str); 6] = [
        (NS_PER_DAY, "d"),
        (3_600 * NS_PER_SECOND, "h"),
        (60 * NS_PER_SECOND, "m"),
        (NS_PER_SECOND, "s"),
        (NS_PER_SECOND / 1_000, "ms"),
        (NS_PER_SECOND / 1_000_000, "us"),
    ];
    let unit = UNITS.iter().find(|(unit, _)| ns != 0 && ns % unit == 0);
    unit.map_or_else(|| format!("{ns}ns"), |(unit, name)| format!("{}{name}", ns / unit))
}

fn list<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    by: &str,
    mut write: impl FnMut(&T, &mut Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            f.write_str(by)?;
        }
        write(item, f)?;
    }
    Ok(())
}

/// The name of a field: in quotes, unless it means nothing else.
fn name(f: &mut Formatter<'_>, name: &str) -> fmt::Result {
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
        && !["AND", "OR", "NOT", "TO", "as", "by", "from", "bin"]
            .iter()
            .any(|word| word.eq_ignore_ascii_case(name));
    if is_plain { f.write_str(name) } else { quoted(f, name) }
}

/// A text that is looked for: in quotes, unless it means nothing else.
fn value(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    let is_plain = !text.is_empty()
        && text.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !["AND", "OR", "NOT", "TO"].contains(&text);
    if is_plain { f.write_str(text) } else { quoted(f, text) }
}

fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A piece of a word, with what would mean something escaped.
fn escaped(piece: &str, f: &mut Formatter<'_>) -> fmt::Result {
    piece.chars().try_for_each(|c| match c.is_alphanumeric() || c == '_' {
        true => write!(f, "{c}"),
        false => write!(f, "\\{c}"),
    })
}

#[cfg(test)]
mod tests {
    use crate::query::{parse, parse_query};

    #[test]
    fn what_is_plain_stands_without_quotes() {
        for (text, shown) in [
            ("", "*"),
            ("a b OR -c", "(a AND b) OR NOT c"),
            ("status:>=500 took_ms:<1.5s", "status:>=500 AND took_ms:<\"1.5s\""),
            ("n:[1 TO 5} m:{a TO *]", "n:[1 TO 5} AND m:>a"),
            (
                r#""odd name":x user_id:* k=="A \"b\"""#,
                r#""odd name":x AND user_id:* AND k=="A \"b\"""#,
            ),
            ("conn*x ip:10.0.0.0/8 m:/a.b/", "conn*x AND ip:10.0.0.0/8 AND m:~\"a.b\""),
            ("\"AND\"", "\"AND\""),
        ] {
            let query = parse(text).unwrap();
            assert_eq!(query.to_string(), shown);
            let again = parse(shown).unwrap().to_string();
            assert_eq!(again, shown, "{text}");
        }
    }

    #[test]
    fn stages_are_read_back_as_they_were_written() {
        for (text, shown) in [
            ("a | where b OR c", "a | where b OR c"),
            (
                "|extract \"x=<x:int> \\\"q\\\"\" from path",
                "* | extract \"x=<x:int> \\\"q\\\"\" from path",
            ),
            (
                "| stats count(), P95(d) as slow, quantile(d, 0.5) by service,bin(5m), bin(d,100)",
                "* | stats count() as count, p95(d) as slow, quantile(d, 0.5) as \"quantile(d,0.5)\" \
                 by service, bin(5m), bin(d, 100)",
            ),
            ("| stats", "* | stats"),
            (
                "| stats count() by bin(took_ms, 1s) as slow, bin( d , 1e2 ), bin(\"as\", 0.5)",
                "* | stats count() as count by bin(took_ms, 1000) as slow, bin(d, 100) as \"bin(d,1e2)\", \
                 bin(\"as\", 0.5)",
            ),
            (
                "| stats avg(ms) by a | where avg(ms):>100 | stats max(avg(ms)) | sort -max(avg(ms))",
                "* | stats avg(ms) as \"avg(ms)\" by a | where \"avg(ms)\":>100 | stats max(\"avg(ms)\") as \
                 \"max(avg(ms))\" | sort -\"max(avg(ms))\"",
            ),
            ("| top user_id | sort -count, user_id", "* | top 10 user_id | sort -count, user_id"),
            ("| uniq a,b|fields a|limit 5", "* | uniq a, b | fields a | limit 5"),
        ] {
            let query = parse_query(text).unwrap();
            assert_eq!(query.to_string(), shown);
            assert_eq!(parse_query(shown).unwrap().to_string(), shown, "{text}");
        }
    }
}
