//! The rules of a store: those of whoever runs it, then those of a preset.

use super::classify::{Classifier, compile};
use super::rule::{ClassClock, ClassRule, Keep, Rule, check_name};
use crate::event::Level;
use crate::limits::CLASSES_MAX;
use crate::partition::DEFAULT_TENANT;
use crate::query::ast::Span;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// Rules that are there without being written down. The first that matches counts, and each level has
/// a class of its name, so that every event is of a class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Preset {
    /// Trace and debug 7 days, info 30, warn 90, error 180, critical 365, what has an `error.type` 365.
    #[default]
    Levels,
    /// Nothing under 90 days; critical, what has an `error.type`, and the categories payment and order 365.
    Audit,
}

impl Preset {
    /// The name in configuration and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Levels => "levels",
            Self::Audit => "audit",
        }
    }

    /// The preset of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Levels, Self::Audit].into_iter().find(|preset| preset.name() == name)
    }

    fn rules(self) -> Vec<ClassRule> {
        let mut rules = vec![class("exceptions", "error.type:*", 365)];
        if self == Self::Audit {
            rules.push(class("orders", "category:(payment OR order)", 365));
        }
        // The worst first, as they are read. A store of before there were rules has these classes.
        rules.extend(Level::ALL.iter().rev().map(|level| {
            let days = match (self, level) {
                (_, Level::Critical) => 365,
                (Self::Audit, _) => 90,
                (Self::Levels, Level::Error) => 180,
                (Self::Levels, Level::Warn) => 90,
                (Self::Levels, Level::Info) => 30,
                (Self::Levels, Level::Debug | Level::Trace) => 7,
            };
            class(level.name(), &format!("level:{}", level.name()), days)
        }));
        rules
    }
}

fn class(name: &str, matches: &str, days: u32) -> ClassRule {
    ClassRule {
        name: name.to_owned(),
        matches: matches.to_owned(),
        keep: Keep::days(days),
        local_keep: None,
        export: false,
        clock: ClassClock::Event,
    }
}

/// The rules of a store, made ready. A clone is the same policy.
#[derive(Clone)]
pub struct Policy(Arc<Inner>);

struct Inner {
    /// Whether somebody said so: otherwise the rules that a store has count before these.
    is_configured: bool,
    preset: Preset,
    rules: Vec<ClassRule>,
    classifier: Classifier,
}

/// Why a rule can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// Which of the rules that were given.
    pub rule: usize,
    /// Where in the text that says what it matches; `None` if something else is wrong with it.
    pub span: Option<Span>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.span {
            Some(span) => write!(f, "{} (at byte {} of match)", self.message, span.start),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for PolicyError {}

impl Policy {
    /// The rules of a preset behind others. One without a match changes the class of the preset that
    /// has its name.
    ///
    /// # Errors
    /// Names a rule that can't be used: a name that is taken, or a match that looks at more than what is
    /// certain when an event comes in.
    pub fn new(preset: Preset, own: &[Rule]) -> Result<Self, PolicyError> {
        let mut behind = preset.rules();
        let mut rules: Vec<ClassRule> = Vec::new();
        for (at, rule) in own.iter().enumerate() {
            let wrong = |message: String| PolicyError { rule: at, span: None, message };
            check_name(&rule.name).map_err(wrong)?;
            let of_preset = behind.iter_mut().find(|class| class.name == rule.name);
            let Rule { keep, local_keep, export, clock, .. } = *rule;
            match (of_preset, &rule.matches) {
                (Some(class), None) => {
                    (class.keep, class.local_keep) = (keep, local_keep);
                    (class.export, class.clock) = (export, clock);
                }
                (Some(_), Some(_)) => {
                    let (name, preset) = (&rule.name, preset.name());
                    return Err(wrong(format!(
                        "{name} is a class of the preset {preset}: give this one another name, or \
                         leave out its match to change only how long {name} is kept"
                    )));
                }
                (None, None) => {
                    let message = format!("{} says not what it matches", rule.name);
                    return Err(wrong(message));
                }
                (None, Some(matches)) => {
                    compile(matches).map_err(|(message, span)| PolicyError {
                        rule: at,
                        span,
                        message,
                    })?;
                    rules.push(ClassRule {
                        name: rule.name.clone(),
                        matches: matches.clone(),
                        keep,
                        local_keep,
                        export,
                        clock,
                    });
                }
            }
            let twice = own.iter().take(at).any(|before| before.name == rule.name);
            if twice {
                return Err(wrong(format!("there are two rules for {}", rule.name)));
            }
            if rules.len() > CLASSES_MAX {
                return Err(wrong(format!("there can be {CLASSES_MAX} classes at most")));
            }
            let class = rules.iter().chain(&behind).find(|class| class.name == rule.name);
            class.map_or(Ok(()), ClassRule::check).map_err(wrong)?;
        }
        rules.append(&mut behind);
        let classifier = Classifier::new(&rules, DEFAULT_TENANT);
        Ok(Self(Arc::new(Inner { is_configured: true, preset, rules, classifier })))
    }

    /// The preset.
    pub fn preset(&self) -> Preset {
        self.0.preset
    }

    /// Whether somebody said that these rules are to count.
    pub(crate) fn is_configured(&self) -> bool {
        self.0.is_configured
    }

    /// All rules, in the order in which they are tried; the name of each is that of its class.
    pub fn rules(&self) -> &[ClassRule] {
        &self.0.rules
    }

    pub(crate) fn classifier(&self) -> &Classifier {
        &self.0.classifier
    }

    /// The rule of the class at this place.
    pub(crate) fn class(&self, index: usize) -> &ClassRule {
        &self.0.rules[index]
    }
}

/// The rules of the preset, of which nobody said that they are to count: a store that has others keeps
/// those.
impl Default for Policy {
    fn default() -> Self {
        static LEVELS: LazyLock<Policy> = LazyLock::new(|| {
            let levels = Policy::new(Preset::Levels, &[]).expect("no rule of ours is wrong");
            let inner = Arc::into_inner(levels.0).expect("nobody else has it yet");
            Policy(Arc::new(Inner { is_configured: false, ..inner }))
        });
        LEVELS.clone()
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("rules", &self.0.rules).finish_non_exhaustive()
    }
}
