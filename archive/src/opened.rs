//! An object store that an archive can be in, before there is an engine.

use crate::archive::Archive;
use crate::error::Result;
use crate::export::{ExportSettings, Exports};
use crate::settings::Settings;
use crate::store::Store;

/// An object store that can be archived to, and how.
#[derive(Debug, Clone)]
pub struct Opened {
    pub(crate) store: Store,
    pub(crate) settings: Settings,
    pub(crate) export: Option<ExportSettings>,
}

impl Opened {
    /// What the settings mean. Nothing is connected to yet.
    ///
    /// # Errors
    /// `Invalid`; `Refused` for credentials that can't be read; `Missing` for a directory that is not
    /// there.
    pub fn new(settings: Settings) -> Result<Self> {
        Ok(Self { store: Store::open(&settings)?, settings, export: None })
    }

    /// The same, with a daily export.
    #[must_use]
    pub fn with_export(mut self, export: ExportSettings) -> Self {
        self.export = Some(export);
        self
    }
}

impl Archive {
    /// The same, with a daily export: from here on what is to be exported is not dropped before.
    pub(crate) fn with_export(mut self, export: ExportSettings) -> Self {
        self.engine.wait_for_exports(export.after);
        self.exports = Some(Exports::new(export));
        self
    }
}
