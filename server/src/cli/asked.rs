//! What searches and statistics ask for alike.

/// Which events.
#[derive(Debug, clap::Args)]
pub(super) struct Asked {
    /// What the events must be like; every event if left out
    #[arg(default_value = "", hide_default_value = true, allow_hyphen_values = true,
        value_parser = query_text)]
    pub(super) query: String,
    /// Only events since then: RFC 3339, epoch, or like now-15m
    #[arg(long, value_name = "TIME")]
    pub(super) from: Option<String>,
    /// Only events before then
    #[arg(long, value_name = "TIME")]
    pub(super) to: Option<String>,
    /// Leave the archive alone: only what is on the server's machine
    #[arg(long)]
    pub(super) hot: bool,
}

impl Asked {
    /// The parameter `tier`.
    pub(super) fn tier(&self) -> Option<String> {
        self.hot.then(|| "hot".to_owned())
    }
}

/// The argument that is a query. It may begin with `-`, which is NOT; what begins with two is
/// rather an option that does not exist.
pub(super) fn query_text(text: &str) -> Result<String, String> {
    if text.starts_with("--") {
        return Err("there is no such option; text to search for is quoted: '\"--text\"'".into());
    }
    Ok(text.to_owned())
}
