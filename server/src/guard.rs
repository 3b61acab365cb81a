//! Loopback without authentication is not closed: any web page can send requests to it, and by
//! DNS rebinding read the answers. So only requests that name a loopback host are taken, and none
//! that a page of another origin caused.

use crate::status::ApiError;
use hyper::header::{HOST, HeaderMap, HeaderValue, ORIGIN};
use hyper::{Uri, Version};
use logstrata_client::wire::ErrorKind;
use std::net::Ipv4Addr;

/// Refuses what does not come from this machine's own programs.
pub(crate) fn check(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
    let host = host(version, headers)?;
    if let Some(host) = host
        && !is_loopback_host(host)
    {
        return Err(forbidden("the Host header names another host than this one"));
    }
    // `GET http://evil.example/ HTTP/1.1` names a host, too.
    if let Some(authority) = uri.authority()
        && !is_loopback_host(authority.as_str())
    {
        return Err(forbidden("the request line names another host than this one"));
    }
    if headers.get_all(ORIGIN).iter().any(|origin| !is_own_origin(origin, host)) {
        return Err(forbidden("a web page of another origin sent this"));
    }
    let own_site = |site: &HeaderValue| matches!(site.as_bytes(), b"same-origin" | b"none");
    if !headers.get_all("sec-fetch-site").iter().all(own_site) {
        return Err(forbidden("a web page of another site sent this"));
    }
    Ok(())
}

fn host(version: Version, headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version < Version::HTTP_11 => Ok(None),
        (None, _) => Err(ApiError::invalid("the Host header is missing")),
        (Some(_), Some(_)) => Err(ApiError::invalid("there are two Host headers")),
        (Some(host), None) => match host.to_str() {
            Ok(host) => Ok(Some(host)),
            Err(_) => Err(ApiError::invalid("the Host header is not ASCII")),
        },
    }
}

fn forbidden(why: &str) -> ApiError {
    let rule = "this server has no authentication yet, so it takes only requests for \
                localhost, 127.0.0.1 and [::1] that no foreign web page sent";
    ApiError::new(ErrorKind::Forbidden, format!("{why}: {rule}"))
}

/// `localhost`, an address of 127.0.0.0/8 or `[::1]`, with any port or none. No name of a foreign
/// page is a numeric address.
fn is_loopback_host(host: &str) -> bool {
    let (name, port) = match host.rfind(':') {
        Some(colon) if !host.ends_with(']') => (&host[..colon], Some(&host[colon + 1..])),
        _ => (host, None),
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok() && !port.starts_with('+');
    port.is_none_or(is_port)
        && (name.eq_ignore_ascii_case("localhost")
            || name == "[::1]"
            || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback()))
}

/// Whether a page that this very server sent is the origin.
fn is_own_origin(origin: &HeaderValue, host: Option<&str>) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
    match (origin, host) {
        (Some(origin), Some(host)) => origin.eq_ignore_ascii_case(host),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::StatusCode;

    fn status(version: Version, uri: &str, headers: &[(&'static str, &str)]) -> Option<StatusCode> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).expect("valid"));
        }
        let uri = uri.parse().expect("valid");
        check(version, &uri, &map).err().map(|error| error.into_answer().status())
    }

    fn with(headers: &[(&'static str, &str)]) -> Option<StatusCode> {
        status(Version::HTTP_11, "/", headers)
    }

    const REFUSED: Option<StatusCode> = Some(StatusCode::FORBIDDEN);
    const WRONG: Option<StatusCode> = Some(StatusCode::BAD_REQUEST);

    #[test]
    fn only_loopback_hosts_are_served() {
        for host in
            ["localhost", "LocalHost:80", "127.0.0.1:7600", "127.0.0.2:7600", "[::1]", "[::1]:7600"]
        {
            assert_eq!(with(&[("host", host)]), None, "{host}");
        }
        for host in [
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com:7600",
            "localhost:",
            "localhost:+1",
            "localhost:80:80",
            "localhost:x",
            "128.0.0.1",
            "127.1",
            "0.0.0.0",
            "::1",
            "[::1].evil",
            "",
            "user@localhost",
        ] {
            assert_eq!(with(&[("host", host)]), REFUSED, "{host}");
        }
    }

    #[test]
    fn the_host_is_named_once() {
        assert_eq!(with(&[]), WRONG);
        assert_eq!(with(&[("host", "localhost"), ("host", "localhost")]), WRONG);
        assert_eq!(status(Version::HTTP_10, "/", &[]), None);
    }

    #[test]
    fn the_request_line_can_not_name_another_host() {
        let host = [("host", "localhost")];
        assert_eq!(status(Version::HTTP_11, "http://evil.example/", &host), REFUSED);
        assert_eq!(status(Version::HTTP_11, "http://localhost:7600/", &host), None);
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let host = ("host", "localhost:7600");
        assert_eq!(with(&[host, ("origin", "http://localhost:7600")]), None);
        for origin in [
            "http://localhost:3000",
            "https://localhost:7600",
            "http://127.0.0.1:7600",
            "http://evil.example",
            "null",
            "",
        ] {
            assert_eq!(with(&[host, ("origin", origin)]), REFUSED, "{origin}");
        }
        for (site, expected) in [
            ("same-origin", None),
            ("none", None),
            ("cross-site", REFUSED),
            ("same-site", REFUSED),
            ("later-invention", REFUSED),
        ] {
            assert_eq!(with(&[host, ("sec-fetch-site", site)]), expected, "{site}");
        }
    }
}
