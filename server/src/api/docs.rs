//! `GET /api/v1/openapi.json`, `/docs`, `/docs/style.css`: the API, as a document and as a page.
//!
//! They are made once, and are the same until another program answers: caches keep them and ask.

use super::{Call, Outcome, routes};
use crate::openapi::{STYLE, document, page};
use crate::status::{Answer, with_type};
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue,
    IF_NONE_MATCH, REFERRER_POLICY,
};
use logstrata_client::wire::JSON;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

/// The page has a style of this server, and nothing else at all.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);

/// The document, and the page that is made of it.
static MADE: LazyLock<[Kept; 2]> = LazyLock::new(|| {
    let document = document(&routes());
    let json = serde_json::to_vec(&document).expect("plain values always serialize");
    let page = page(&document).into_bytes();
    [Kept::new(JSON, json.into()), Kept::new("text/html; charset=utf-8", page.into())]
});
static MADE_STYLE: LazyLock<Kept> =
    LazyLock::new(|| Kept::new("text/css; charset=utf-8", Bytes::from_static(STYLE.as_bytes())));

/// What does not change while the program runs.
struct Kept {
    media_type: &'static str,
    body: Bytes,
    /// Another for other bytes.
    tag: HeaderValue,
}

pub(super) async fn openapi(call: Call) -> Outcome {
    call.params(&[])?;
    Ok(MADE[0].answer(&call.head.headers))
}

pub(super) async fn docs(call: Call) -> Outcome {
    call.params(&[])?;
    Ok(MADE[1].answer(&call.head.headers))
}

pub(super) async fn style(call: Call) -> Outcome {
    call.params(&[])?;
    Ok(MADE_STYLE.answer(&call.head.headers))
}

impl Kept {
    fn new(media_type: &'static str, body: Bytes) -> Self {
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let tag = format!("\"{:016x}\"", hasher.finish());
        Self { media_type, body, tag: HeaderValue::try_from(tag).expect("digits in quotes") }
    }

    /// It, or that it is what the caller has.
    fn answer(&self, asked: &HeaderMap) -> Answer {
        let mut answer = with_type(self.media_type, self.body.clone());
        if self.is_at_hand(asked) {
            answer = with_type(self.media_type, Bytes::new());
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            answer.headers_mut().remove(CONTENT_TYPE);
        }
        let headers = answer.headers_mut();
        headers.insert(ETAG, self.tag.clone());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        headers.insert(CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        answer
    }

    fn is_at_hand(&self, asked: &HeaderMap) -> bool {
        let values = asked.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
        tags.any(|tag| tag == "*" || tag.trim_start_matches("W/").as_bytes() == self.tag.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(kept: &Kept, asked: &str) -> StatusCode {
        let mut headers = HeaderMap::new();
        headers.insert(IF_NONE_MATCH, asked.parse().expect("a header"));
        kept.answer(&headers).status()
    }

    #[test]
    fn a_copy_at_hand_is_not_sent_again() {
        let kept = Kept::new("text/plain", Bytes::from_static(b"a"));
        let tag = kept.tag.to_str().expect("ASCII").to_owned();
        for asked in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".into()] {
            assert_eq!(status(&kept, &asked), StatusCode::NOT_MODIFIED, "{asked}");
        }
        let other = Kept::new("text/plain", Bytes::from_static(b"b"));
        assert_eq!(status(&other, &tag), StatusCode::OK);
        assert_eq!(status(&kept, "x"), StatusCode::OK);
    }
}
