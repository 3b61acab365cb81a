//! Keys for S3, all from one source: a session's token never goes with another source's key.

use crate::error::{Error, ErrorKind, Result};
use object_store::aws::AmazonS3ConfigKey as Key;
use std::path::Path;

/// What a file of the AWS command line gives.
#[derive(PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

impl Credentials {
    /// Those of the section `[default]` of a credentials file.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "the operator's file, read once")]
        let text = std::fs::read_to_string(file).map_err(|error| {
            let file = file.display();
            let what = format!("cannot read archive.credentials_file {file}: {error}");
            Error::new(ErrorKind::Refused, what)
        })?;
        Self::parse(&text).ok_or_else(|| {
            let file = file.display();
            let wanted = "aws_access_key_id and aws_secret_access_key in its section [default]";
            let what = format!("archive.credentials_file {file} lacks {wanted}");
            Error::new(ErrorKind::Refused, what)
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut section = "default";
        let (mut id, mut secret, mut token) = (None, None, None);
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                section = name.trim();
            } else if let (Some((name, value)), "default") = (line.split_once('='), section) {
                let value = Some(value.trim().to_owned());
                match name.trim() {
                    "aws_access_key_id" => id = value,
                    "aws_secret_access_key" => secret = value,
                    "aws_session_token" => token = value,
                    _ => {}
                }
            }
        }
        Some(Self { id: id?, secret: secret?, token })
    }
}

/// What the environment sets of S3; without its keys if these are `given` otherwise.
pub(crate) fn environment(given: bool) -> impl Iterator<Item = (Key, String)> {
    let all = std::env::vars_os();
    let texts =
        all.filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
    settings_of(texts, given)
}

fn settings_of(
    variables: impl Iterator<Item = (String, String)>,
    given: bool,
) -> impl Iterator<Item = (Key, String)> {
    let ours = variables.filter(|(name, _)| name.starts_with("AWS_"));
    let known =
        ours.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value)));
    known.filter(move |(key, _)| {
        !given || !matches!(key, Key::AccessKeyId | Key::SecretAccessKey | Key::Token)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_those_of_the_default_section() {
        let both = "[other]\naws_access_key_id=no\naws_secret_access_key=no\n[default]\n\
                    aws_access_key_id = id\naws_secret_access_key = a=b\n";
        let found = Credentials::parse(both).unwrap();
        assert_eq!((&*found.id, &*found.secret, found.token), ("id", "a=b", None));
        let session = format!("{both}aws_session_token = t\n[other]\naws_session_token = no\n");
        assert_eq!(Credentials::parse(&session).unwrap().token.as_deref(), Some("t"));
        assert!(Credentials::parse("[other]\naws_access_key_id=no\n").is_none());
        assert!(Credentials::parse("aws_access_key_id=id\n").is_none());
        let missing = Credentials::read(Path::new("no/such/file"));
        assert_eq!(missing.err().unwrap().kind(), ErrorKind::Refused);
    }

    #[test]
    fn a_token_of_the_environment_does_not_go_with_keys_of_a_file() {
        let variables = || {
            [
                ("AWS_ACCESS_KEY_ID", "id"),
                ("AWS_SECRET_ACCESS_KEY", "secret"),
                ("AWS_SESSION_TOKEN", "token"),
                ("AWS_REGION", "here"),
                ("HOME", "there"),
            ]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        let values = |given| settings_of(variables(), given).map(|set| set.1).collect::<Vec<_>>();
        assert_eq!(values(false), ["id", "secret", "token", "here"]);
        assert_eq!(values(true), ["here"]);
    }
}
