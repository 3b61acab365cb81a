//! The file of counts, and how two of them compare.
//!
//! A line `with: …` names what they were counted with; each other line is a workload's name, blanks, and its
//! count with a comma before each three digits. Lines that begin with `#` are for people.

use crate::{RENEW, Result};
use std::fmt;
use std::path::Path;

/// The instructions of workloads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    /// What they were counted with.
    pub(crate) with: String,
    /// By name, in the order of the workloads.
    pub(crate) counts: Vec<(String, u64)>,
}

impl Counts {
    /// Those of a file; none if there is no file.
    ///
    /// # Errors
    /// It can't be read, or a line is none of these.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Stores them.
    ///
    /// # Errors
    /// The file can't be written.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        Ok(std::fs::write(path, self.to_string())?)
    }

    /// These with what was found: what was not looked for stays, if it was counted with the same.
    pub(crate) fn renewed(self, found: Self) -> Self {
        if self.with != found.with {
            return found;
        }
        let Self { with, mut counts } = self;
        for (name, count) in found.counts {
            match counts.iter_mut().find(|(known, _)| *known == name) {
                Some((_, stored)) => *stored = count,
                None => counts.push((name, count)),
            }
        }
        Self { with, counts }
    }

    fn of(&self, name: &str) -> Option<u64> {
        self.counts.iter().find(|(known, _)| known == name).map(|(_, count)| *count)
    }

    fn parse(text: &str) -> Result<Self> {
        let mut parsed = Self::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(with) = line.strip_prefix("with: ") {
                parsed.with = with.to_owned();
                continue;
            }
            let count = line.rsplit_once(' ').and_then(|(name, count)| {
                Some((name.trim_end().to_owned(), count.replace(',', "").parse().ok()?))
            });
            parsed.counts.push(count.ok_or_else(|| format!("counts.txt: {line:?} is no count"))?);
        }
        Ok(parsed)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# The instructions that each workload takes (benches/instructions). Written by:"
        )?;
        writeln!(f, "#   {RENEW}")?;
        writeln!(f, "with: {}", self.with)?;
        for (name, count) in &self.counts {
            writeln!(f, "{name:<40} {:>16}", grouped(*count))?;
        }
        Ok(())
    }
}

/// What was found beside what was stored.
#[derive(Debug)]
pub(crate) struct Verdict {
    rows: Vec<Row>,
    /// What each was counted with, if that is not the same.
    other: Option<(String, String)>,
    tolerance: f64,
}

#[derive(Debug)]
struct Row {
    name: String,
    stored: Option<u64>,
    found: u64,
}

impl Row {
    /// How much of the stored count was found.
    fn ratio(&self) -> Option<f64> {
        self.stored.map(|stored| self.found as f64 / stored as f64)
    }

    fn word(&self, tolerance: f64) -> &'static str {
        match self.ratio() {
            None => "new",
            Some(ratio) if ratio > 1.0 + tolerance => "SLOWER",
            Some(ratio) if ratio < 1.0 - tolerance => "faster",
            Some(_) => "",
        }
    }
}

impl Verdict {
    /// Holds what was found against what is stored.
    pub(crate) fn of(stored: &Counts, found: &Counts, tolerance: f64) -> Self {
        let rows = found.counts.iter().map(|(name, count)| Row {
            name: name.clone(),
            stored: stored.of(name),
            found: *count,
        });
        let other = (stored.with != found.with && !stored.counts.is_empty())
            .then(|| (stored.with.clone(), found.with.clone()));
        Self { rows: rows.collect(), other, tolerance }
    }

    /// Whether a workload is slower than it was, or has no count yet.
    pub(crate) fn fails(&self) -> bool {
        let is_bad = |row: &Row| matches!(row.word(self.tolerance), "SLOWER" | "new");
        self.other.is_none() && self.rows.iter().any(is_bad)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<40} {:>16} {:>16} {:>7}", "instructions", "stored", "found", "ratio")?;
        for row in &self.rows {
            let stored = row.stored.map_or("-".to_owned(), grouped);
            let ratio = row.ratio().map_or("-".to_owned(), |ratio| format!("{ratio:.3}"));
            let (found, word) = (grouped(row.found), row.word(self.tolerance));
            let line = format!("{:<40} {stored:>16} {found:>16} {ratio:>7}  {word}", row.name);
            writeln!(f, "{}", line.trim_end())?;
        }
        if let Some((stored, found)) = &self.other {
            writeln!(f, "warning: not comparable, so nothing fails here:")?;
            writeln!(f, "  stored with {stored}\n  found with  {found}")?;
        }
        let percent = 100.0 * self.tolerance;
        write!(f, "SLOWER or faster is by more than {percent:.0} %.")
    }
}

/// A number with a comma before each three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(with: &str, counts: &[(&str, u64)]) -> Counts {
        let counts = counts.iter().map(|(name, count)| ((*name).to_owned(), *count));
        Counts { with: with.to_owned(), counts: counts.collect() }
    }

    #[test]
    fn a_file_reads_as_it_was_written() {
        let written = counts("rustc 1", &[("seal a block", 1_234_567), ("needle", 89)]);
        assert_eq!(Counts::parse(&written.to_string()).unwrap(), written);
        assert!(written.to_string().ends_with("              89\n"));
        assert!(Counts::parse("needle many\n").is_err());
    }

    #[test]
    fn more_than_the_tolerance_fails_and_less_is_told() {
        let stored = counts("a", &[("x", 1_000), ("y", 1_000), ("z", 1_000)]);
        let fine = counts("a", &[("x", 1_030), ("y", 500), ("z", 970)]);
        let verdict = Verdict::of(&stored, &fine, 0.03);
        assert!(!verdict.fails() && verdict.to_string().contains("faster"));
        let slower = counts("a", &[("x", 1_031)]);
        let verdict = Verdict::of(&stored, &slower, 0.03);
        assert!(verdict.fails() && verdict.to_string().contains("1.031  SLOWER"));
        assert!(Verdict::of(&stored, &counts("a", &[("w", 1)]), 0.03).fails());
    }

    #[test]
    fn another_compiler_warns() {
        let (stored, found) = (counts("a", &[("x", 1_000)]), counts("b", &[("x", 2_000)]));
        let verdict = Verdict::of(&stored, &found, 0.03);
        assert!(!verdict.fails() && verdict.to_string().contains("stored with a"));
    }

    #[test]
    fn what_was_not_counted_keeps_its_count() {
        let stored = counts("a", &[("x", 1), ("y", 2)]);
        let renewed = stored.clone().renewed(counts("a", &[("y", 3), ("z", 4)]));
        assert_eq!(renewed, counts("a", &[("x", 1), ("y", 3), ("z", 4)]));
        assert_eq!(stored.renewed(counts("b", &[("y", 3)])), counts("b", &[("y", 3)]));
    }
}
