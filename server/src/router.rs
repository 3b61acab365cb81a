//! The table of paths and methods, and how a request finds its row.

use crate::openapi::Operation;
use crate::status::ApiError;
use hyper::Method;
use logstrata_client::wire::ErrorKind;

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route<H> {
    /// The method; `GET` answers `HEAD` too.
    pub(crate) method: &'static str,
    /// The path; what is in braces, once at most, stands for one segment.
    pub(crate) path: &'static str,
    /// What answers.
    pub(crate) handler: H,
    /// What it is, for callers.
    pub(crate) operation: &'static Operation,
}

/// The table, ready to be searched.
#[derive(Debug)]
pub(crate) struct Router<H> {
    paths: matchit::Router<Vec<Route<H>>>,
}

/// The row of a request.
#[derive(Debug, Clone)]
pub(crate) struct Matched<H> {
    /// The row's path: a label of bounded variety.
    pub(crate) path: &'static str,
    /// What answers.
    pub(crate) handler: H,
    /// What it is, for callers.
    pub(crate) operation: &'static Operation,
    /// The segment that stands for what is in braces, percent-encoded as it came.
    pub(crate) id: Option<String>,
}

impl<H: Copy> Router<H> {
    /// # Panics
    /// If two rows contradict each other; the table is part of the program.
    pub(crate) fn new(routes: &[Route<H>]) -> Self {
        let mut by_path: Vec<(&'static str, Vec<Route<H>>)> = Vec::new();
        for route in routes {
            match by_path.iter_mut().find(|(path, _)| *path == route.path) {
                Some((_, rows)) => rows.push(*route),
                None => by_path.push((route.path, vec![*route])),
            }
        }
        let mut paths = matchit::Router::new();
        for (path, rows) in by_path {
            paths.insert(path, rows).expect("the table's paths do not contradict each other");
        }
        Self { paths }
    }

    /// The row of this method and path.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Result<Matched<H>, ApiError> {
        let Ok(found) = self.paths.at(path) else {
            return Err(ApiError::new(ErrorKind::NotFound, "there is nothing at this path"));
        };
        let wanted = if method == Method::HEAD { "GET" } else { method.as_str() };
        let Some(route) = found.value.iter().find(|route| route.method == wanted) else {
            return Err(ApiError::method_not_allowed(allow(found.value)));
        };
        let id = found.params.iter().next().map(|(_, segment)| segment.to_owned());
        let Route { path, handler, operation, .. } = *route;
        Ok(Matched { path, handler, operation, id })
    }
}

fn allow<H>(rows: &[Route<H>]) -> String {
    let mut methods: Vec<_> = rows.iter().map(|route| route.method).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.sort_unstable();
    methods.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::StatusCode;

    fn router() -> Router<&'static str> {
        let operation = &Operation::PLAIN;
        let route = |method, path, handler| Route { method, path, handler, operation };
        Router::new(&[
            route("POST", "/logs", "ingest"),
            route("GET", "/logs", "search"),
            route("GET", "/logs/stats", "stats"),
            route("GET", "/logs/{id}", "event"),
            route("GET", "/logs/{id}/context", "context"),
            route("GET", "/logs/trace/{trace_id}", "trace"),
        ])
    }

    #[test]
    fn a_row_is_found_by_method_and_path() {
        let router = router();
        let find = |method, path| {
            let found = router.find(&method, path).expect("is in the table");
            (found.handler, found.path, found.id)
        };
        assert_eq!(find(Method::POST, "/logs"), ("ingest", "/logs", None));
        assert_eq!(find(Method::GET, "/logs"), ("search", "/logs", None));
        assert_eq!(find(Method::HEAD, "/logs"), ("search", "/logs", None));
        assert_eq!(find(Method::GET, "/logs/stats"), ("stats", "/logs/stats", None));
        let event = ("event", "/logs/{id}", Some("01ABC".to_owned()));
        assert_eq!(find(Method::GET, "/logs/01ABC"), event);
        let context = ("context", "/logs/{id}/context", Some("trac".to_owned()));
        assert_eq!(find(Method::GET, "/logs/trac/context"), context);
        let trace = |id: &str| ("trace", "/logs/trace/{trace_id}", Some(id.to_owned()));
        assert_eq!(find(Method::GET, "/logs/trace/a%2Fb"), trace("a%2Fb"));
        assert_eq!(find(Method::GET, "/logs/trace/context"), trace("context"));
    }

    #[test]
    fn other_paths_and_methods_are_refused() {
        let router = router();
        let refused = |method, path| {
            router.find(&method, path).expect_err("is not in the table").into_answer()
        };
        for path in ["/", "/log", "/logs/", "/logs/a/b", "//logs"] {
            assert_eq!(refused(Method::GET, path).status(), StatusCode::NOT_FOUND, "{path}");
        }
        let answer = refused(Method::DELETE, "/logs");
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.headers()["allow"], "GET, HEAD, POST");
        assert_eq!(refused(Method::POST, "/logs/stats").headers()["allow"], "GET, HEAD");
    }
}
