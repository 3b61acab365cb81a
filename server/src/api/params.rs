//! Parameters of the query string: each known, each at most once.

use crate::openapi::Takes;
use crate::serve::Peer;
use crate::status::ApiError;
use hyper::Method;
use hyper::http::request::Parts;
use logstrata_client::decode_query_string;
use logstrata_client::wire::{ErrorKind, JSON};
use serde_json::Value;
use std::net::SocketAddr;
use std::str::FromStr;

const FORM: &str = "application/x-www-form-urlencoded";

/// The members of a JSON object, also those that are there twice.
struct Members(Vec<(String, Value)>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> serde::de::Visitor<'de> for Each {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// A member as a parameter, if it is what that takes.
fn plain(takes: Option<Takes>, name: String, value: Value) -> Result<(String, String), ApiError> {
    let wanted = match (&value, takes) {
        (Value::Array(_) | Value::Object(_), _) => "a plain value",
        (Value::Null, _) => return Ok((name, String::new())),
        (
            Value::Bool(_) | Value::Number(_),
            Some(Takes::Text | Takes::Like(_) | Takes::OneOf(_)),
        ) => "text",
        (Value::Bool(_), Some(Takes::Time)) => "text, or a number",
        (Value::Bool(_) | Value::String(_), Some(Takes::Whole { .. })) => "a number",
        (Value::Number(_) | Value::String(_), Some(Takes::Switch | Takes::Flag)) => "true or false",
        (Value::String(text), _) => return Ok((name, text.clone())),
        (value, _) => return Ok((name, value.to_string())),
    };
    Err(ApiError::invalid(format!("the parameter {name:?} has to be {wanted}")))
}

/// The parameters of a request.
#[derive(Debug)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
    /// Of which request they are.
    pub(super) origin: Origin,
}

/// Where parameters came from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origin {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) peer: Option<SocketAddr>,
}

impl Params {
    /// Decodes a query string of which only `known` parameters are allowed.
    pub(crate) fn parse(
        query: Option<&str>,
        known: &'static [&'static str],
    ) -> Result<Self, ApiError> {
        let pairs = decode_query_string(query.unwrap_or_default())
            .map_err(|error| ApiError::invalid(error.to_string()))?;
        Self::of_pairs(pairs, known)
    }

    /// Decodes a body: a JSON object, or a form as HTML sends it. `takes` says what a parameter takes.
    pub(crate) fn of_body(
        content_type: Option<&str>,
        body: &[u8],
        known: &'static [&'static str],
        takes: impl Fn(&str) -> Option<Takes>,
    ) -> Result<Self, ApiError> {
        let essence = content_type.unwrap_or(JSON).split(';').next().unwrap_or_default().trim();
        let text =
            std::str::from_utf8(body).map_err(|_| ApiError::invalid("the body is not UTF-8"))?;
        if essence.eq_ignore_ascii_case(FORM) {
            return Self::parse(Some(text.trim()), known);
        }
        if !essence.eq_ignore_ascii_case(JSON) {
            let message = format!("a query is sent as {JSON} or {FORM}, not as {essence}");
            return Err(ApiError::new(ErrorKind::UnsupportedMediaType, message));
        }
        let members: Members = serde_json::from_str(text).map_err(|error| {
            ApiError::invalid(format!("expected a JSON object of parameters: {error}"))
        })?;
        let plain = |(name, value): (String, Value)| {
            let is_known = known.contains(&name.as_str());
            plain(is_known.then(|| takes(&name)).flatten(), name, value)
        };
        Self::of_pairs(members.0.into_iter().map(plain).collect::<Result<_, _>>()?, known)
    }

    fn of_pairs(
        pairs: Vec<(String, String)>,
        known: &'static [&'static str],
    ) -> Result<Self, ApiError> {
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
        Ok(Self { pairs, origin: Origin::default() })
    }

    /// The same, of this request.
    pub(super) fn of_request(mut self, head: &Parts) -> Self {
        self.origin = Origin {
            method: if head.method == Method::POST { "POST" } else { "GET" },
            path: head.uri.path().to_owned(),
            peer: head.extensions.get::<Peer>().map(|peer| peer.0),
        };
        self
    }

    /// The value of a parameter; an empty one counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The same, to be kept.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
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
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(ApiError::invalid(format!("{name} has to be true or false"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(name: &str) -> Option<Takes> {
        Some(match name {
            "limit" => Takes::Whole { min: 1, max: 9, default: None },
            "from" => Takes::Time,
            _ => Takes::Text,
        })
    }

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
    fn bodies_are_objects_or_forms() {
        let params = |kind: Option<&str>, body: &str| {
            Params::of_body(kind, body.as_bytes(), &["q", "limit"], takes)
                .map_err(|error| error.detail().message.clone())
        };
        let json = params(None, r#"{"q":"a \"b\"","limit":5}"#).expect("an object");
        assert_eq!((json.get("q"), json.get("limit")), (Some("a \"b\""), Some("5")));
        assert_eq!(params(None, r#"{"q":null}"#).expect("absent").get("q"), None);
        let epoch =
            Params::of_body(None, br#"{"from":1700000000.25}"#, &["from"], takes).expect("a time");
        assert_eq!(epoch.get("from"), Some("1700000000.25"));
        let form = params(Some("application/x-www-form-urlencoded; charset=utf-8"), "q=a%20b");
        assert_eq!(form.expect("a form").get("q"), Some("a b"));
        for (kind, body, part) in [
            (None, "[]", "an object"),
            (None, r#"{"q":["a"]}"#, "plain value"),
            (None, r#"{"q":7}"#, "has to be text"),
            (None, r#"{"limit":"7"}"#, "has to be a number"),
            (None, r#"{"x":1}"#, "unknown parameter"),
            (None, r#"{"q":"1","q":"2"}"#, "twice"),
            (Some("text/plain"), "q=a", "text/plain"),
        ] {
            let error = params(kind, body).expect_err(body);
            assert!(error.contains(part), "{body}: {error}");
        }
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
        assert_eq!([switch("true"), switch("1"), switch("0")], [Some(true), None, None]);
        assert_eq!([switch("false"), switch("")], [Some(false); 2]);
        assert_eq!(switch("yes"), None);
    }
}
