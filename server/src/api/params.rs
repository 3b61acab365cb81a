//! Parameters of the query string: each known, each at most once.

use crate::status::ApiError;
use logstrata_client::decode_query_string;
use std::str::FromStr;

/// The parameters of a request.
#[derive(Debug)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
}

impl Params {
    /// Decodes a query string of which only `known` parameters are allowed.
    pub(crate) fn parse(
        query: Option<&str>,
        known: &'static [&'static str],
    ) -> Result<Self, ApiError> {
        let pairs = decode_query_string(query.unwrap_or_default())
            .map_err(|error| ApiError::invalid(error.to_string()))?;
        for (place, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let known = match known {
                    [] => "none is known here".to_owned(),
                    known => format!("known are {}", known.join(", ")),
                };
                return Err(ApiError::invalid(format!("unknown parameter {name:?}: {known}")));
            }
            if pairs.iter().take(place).any(|(before, _)| before == name) {
                return Err(ApiError::invalid(format!("the parameter {name:?} is there twice")));
            }
        }
        Ok(Self { pairs })
    }

    /// The value of a parameter; an empty one counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A whole number from `min` to `max`.
    pub(crate) fn number<T: FromStr + PartialOrd + std::fmt::Display>(
        &self,
        name: &str,
        min: T,
        max: T,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse::<T>() {
            Ok(number) if number >= min && number <= max => Ok(Some(number)),
            _ => Err(ApiError::invalid(format!(
                "{name} has to be a whole number from {min} to {max}"
            ))),
        }
    }

    /// Whether a switch is on that is on by its name alone: `?raw`.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        let bare = self.pairs.iter().any(|(known, value)| known == name && value.is_empty());
        Ok(bare || self.switch(name)?)
    }

    /// Whether a switch is on; `false` if it is absent.
    pub(crate) fn switch(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err(ApiError::invalid(format!("{name} has to be true or false"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(query: &str) -> String {
        let error = Params::parse(Some(query), &["q", "limit"]).expect_err("must be refused");
        error.detail().message.clone()
    }

    #[test]
    fn values_are_decoded_and_empty_ones_absent() {
        let params = Params::parse(Some("q=a+%C3%A9%26b&limit="), &["q", "limit"]).expect("valid");
        assert_eq!(params.get("q"), Some("a é&b"));
        assert_eq!(params.get("limit"), None);
        assert_eq!(Params::parse(None, &[]).expect("nothing").get("q"), None);
    }

    #[test]
    fn unknown_double_and_damaged_parameters_are_named() {
        assert_eq!(error_of("q=1&querry=2"), "unknown parameter \"querry\": known are q, limit");
        assert_eq!(error_of("q=1&q=1"), "the parameter \"q\" is there twice");
        assert!(error_of("q=%GG").contains('%'));
        let none = Params::parse(Some("x=1"), &[]).expect_err("unknown");
        assert!(none.detail().message.contains("none is known here"));
    }

    #[test]
    fn numbers_and_switches_have_their_bounds() {
        let limit = |text: &str| {
            let params = Params::parse(Some(&format!("limit={text}")), &["limit"]).expect("known");
            params.number("limit", 1usize, 100).map_err(|error| error.detail().message.clone())
        };
        assert_eq!(limit("7"), Ok(Some(7)));
        assert_eq!(limit(""), Ok(None));
        for text in ["0", "101", "-1", "1.5", "x", "99999999999999999999999"] {
            assert_eq!(limit(text), Err("limit has to be a whole number from 1 to 100".into()));
        }
        let switch = |text: &str| {
            Params::parse(Some(&format!("s={text}")), &["s"]).expect("known").switch("s").ok()
        };
        assert_eq!([switch("true"), switch("1")], [Some(true); 2]);
        assert_eq!([switch("false"), switch("0"), switch("")], [Some(false); 3]);
        assert_eq!(switch("yes"), None);
    }
}
