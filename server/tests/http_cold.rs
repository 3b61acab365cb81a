//! Files that left the disk, by the real binary over an archive in a directory: every answer is the same as
//! before, `verify` and a restore know them, and without the archive what is here still comes.
#![expect(clippy::disallowed_methods, reason = "the archive is a directory, and goes away")]

mod common;

use common::{Server, dir, logstrata};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use tempfile::TempDir;

/// Days of events, and events of each: the first of them leave the disk.
const DAYS: usize = 3;
const EACH: usize = 200;

/// A machine, and the directory that is its archive.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { dir: dir() };
        std::fs::create_dir(place.archive()).expect("is created");
        place
    }

    fn archive(&self) -> PathBuf {
        self.dir.path().join("archive")
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A configuration under which what is of 2020 leaves the disk as soon as it may, and all else stays.
    fn config(&self) -> PathBuf {
        let path = self.dir.path().join("logstrata.toml");
        let url = self.archive();
        let file = format!(
            "[retention]\n[[retention.class]]\nname = 'here'\nmatch = 'service:here'\nkeep = 'forever'\n\
             local_keep = 'forever'\n[[retention.class]]\nname = 'web'\nmatch = 'service:web'\nkeep = 'forever'\n\
             [archive]\nurl = 'file://{}'\nlocal_keep = '1d'\n",
            url.display()
        );
        std::fs::write(&path, file).expect("is written");
        path
    }

    fn serve(&self) -> Server {
        let config = self.config();
        let mut command = logstrata();
        let command = command.arg("serve").arg("--config").arg(config);
        Server::start_with(command.arg("--data").arg(self.data()))
    }

    /// The files in which sections are, but for level-0 ones.
    fn files(&self) -> usize {
        let listed = std::fs::read_dir(self.data().join("segments")).expect("is there");
        listed.count()
    }

    /// The hashes of the objects that are in the archive.
    fn objects(&self) -> BTreeSet<String> {
        let stores = std::fs::read_dir(self.archive()).expect("is there");
        let folders = stores.map(|entry| entry.expect("is there").path().join("seg"));
        folders.flat_map(|folder| hashes(&folder)).collect()
    }

    /// What `verify --deep` says, whose outcome has to be good.
    fn verified(&self) -> String {
        let mut command = logstrata();
        let output = command.args(["verify", "--deep"]).arg(self.data()).output().expect("runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
        text
    }

    /// A store that was made of the archive alone.
    fn restored(&self) -> PathBuf {
        let to = self.dir.path().join("restored");
        let mut command = logstrata();
        let command = command.args(["archive", "restore", "--data"]).arg(&to);
        let output = command.arg("--config").arg(self.config()).output().expect("runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        to
    }
}

fn post(server: &Server, path: &str) -> Value {
    let answer = server.request("POST", path, &[("Content-Type", "application/json")], b"{}");
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

/// An id that has digits and letters in no order.
fn trace(number: usize) -> u128 {
    (number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
}

/// Events of some days of 2020, each day in files of its own; the last stays here.
fn filled(server: &Server) {
    for day in 0..DAYS {
        let lines: String = (0..EACH)
            .map(|number| {
                let (service, second) = (if day + 1 == DAYS { "here" } else { "web" }, number % 60);
                let minute = number / 60;
                format!(
                    "{{\"timestamp\":\"2020-01-0{}T10:{minute:02}:{second:02}Z\",\"service\":\"{service}\",\
                     \"trace_id\":\"{:032x}\",\"ms\":{number},\"message\":\"request {number} of day \
                     {day} was answered\"}}\n",
                    day + 1,
                    trace(day * EACH + number)
                )
            })
            .collect();
        assert_eq!(server.post_lines(&lines).status, 200);
        post(server, "/api/v1/admin/flush");
    }
    post(server, "/api/v1/admin/compact");
}

/// What is asked, and what of each answer must not change.
fn answers(server: &Server) -> Vec<Value> {
    let one = server.get("/api/v1/logs?q=%22of+day+0%22&limit=1").json()["logs"][0].clone();
    let id = one["id"].as_str().expect("an id");
    let trace = one["trace_id"].as_str().expect("a trace");
    let asked = [
        ("/api/v1/logs?limit=1000".to_owned(), "logs"),
        ("/api/v1/logs?limit=7&order=asc&q=ms:%3E=190".to_owned(), "logs"),
        (format!("/api/v1/logs?q=trace_id:{trace}"), "logs"),
        ("/api/v1/logs?q=service:web+%7C+stats+count(),+max(ms)+by+service".to_owned(), "rows"),
        ("/api/v1/logs/histogram?interval=1h&from=2020-01-01&to=2020-01-04".to_owned(), "buckets"),
        ("/api/v1/logs/facets?fields=service".to_owned(), "fields"),
        (format!("/api/v1/logs/{id}"), "message"),
        (format!("/api/v1/logs/{id}/context?before=3&after=3"), "after"),
        (format!("/api/v1/logs/trace/{trace}"), "logs"),
    ];
    let answer = |(path, part): &(String, &str)| {
        let answer = server.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let answer = answer.json();
        assert!(answer.get("partial").is_none(), "{path}: {answer}");
        assert!(!answer[*part].is_null(), "{path}: {answer}");
        answer[*part].clone()
    };
    asked.iter().map(answer).collect()
}

fn without_ids(mut value: Vec<Value>) -> Vec<Value> {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.remove("id");
                members.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    value.iter_mut().for_each(strip);
    value
}

/// A place of which two days have left the disk, what was answered before, and the files there were.
fn evicted() -> (Place, Server, Vec<Value>) {
    let place = Place::new();
    let server = place.serve();
    filled(&server);
    let before = answers(&server);
    let files = place.files();
    let run = post(&server, "/api/v1/archive/run");
    assert!(run["files"].as_u64().expect("a number") > 0, "{run}");
    let left = files - place.files();
    assert!(left >= 1 && place.files() >= 1, "{left} of {files} files left");
    assert_eq!(run["evicted"], left, "{run}");
    (place, server, before)
}

#[test]
fn what_left_the_disk_is_answered_as_before() {
    let (place, server, before) = evicted();
    assert_eq!(answers(&server), before);
    let found = post(&server, "/api/v1/archive/verify");
    assert_eq!(found["damage"], serde_json::json!([]), "{found}");
    assert!(server.stop().success());
    place.verified();
    let server = place.serve();
    assert_eq!(answers(&server), before);
    // It is not written anew.
    let files = place.files();
    post(&server, "/api/v1/admin/compact");
    assert_eq!(place.files(), files);
    assert!(server.stop().success());

    // A store that is made anew gives its events other ids.
    let server = Server::start(&place.restored());
    assert_eq!(without_ids(answers(&server)), without_ids(before));
}

/// The number of events, and the answer.
fn count(server: &Server, query: &str) -> (u64, Value) {
    let answer = server.get(&format!("/api/v1/logs/stats?agg=count{query}"));
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    let answer = answer.json();
    let rows = answer["rows"].as_array().expect("a list").iter();
    (rows.map(|row| row["count"].as_u64().expect("a number")).sum(), answer)
}

#[test]
fn an_answer_says_how_much_came_from_where() {
    let (_place, server, _) = evicted();
    let page = server.get("/api/v1/logs?limit=1000").json();
    let tiers = &page["tiers"];
    assert!(tiers["local"]["blocks"].as_u64() > Some(0), "{page}");
    assert!(tiers["archive"]["blocks"].as_u64() > Some(0), "{page}");
    // What was fetched is kept, and what is kept is bounded and told.
    let again = server.get("/api/v1/logs?limit=1000").json();
    assert_eq!(again["tiers"]["archive"]["requests"], 0, "{again}");
    assert!(again["tiers"]["archive"]["bytes_cached"].as_u64() > Some(0), "{again}");
    assert!(server.metric("logstrata_archive_fetched_bytes_total") > 0);
    assert!(server.metric("logstrata_archive_cache_bytes") > 0);
    // What is hot is on this machine, and nothing is missed.
    let all = (DAYS * EACH) as u64;
    assert_eq!(count(&server, "").0, all);
    let (hot, answer) = count(&server, "&tier=hot&partial=false");
    assert_eq!(hot, EACH as u64);
    assert_eq!(answer["tiers"]["archive"]["blocks"], 0, "{answer}");
    assert_eq!(answer["tiers"]["archive"]["requests"], 0, "{answer}");
    assert_eq!(server.get("/api/v1/logs?tier=cold").status, 400);
    let hot = server.get("/api/v1/logs/export?tier=hot");
    assert_eq!((hot.status, hot.text().lines().count()), (200, EACH));
    let everything = server.get("/api/v1/logs/export");
    assert_eq!(everything.text().lines().count(), DAYS * EACH);
    // Without anything in the archive only, nobody is told of tiers.
    let dir = dir();
    let plain = Server::start(dir.path());
    assert!(plain.get("/api/v1/logs").json().get("tiers").is_none());
}

#[test]
fn while_the_archive_is_away_what_is_here_comes_and_is_marked() {
    let (place, server, before) = evicted();
    assert!(server.stop().success());
    let server = place.serve();
    let away = place.dir.path().join("away");
    std::fs::rename(place.archive(), &away).expect("is renamed");
    // A directory would be made anew.
    std::fs::write(place.archive(), "no directory").expect("is written");
    for path in ["?limit=1000", "/stats?q=trace_id:x&agg=count", "/stats?q=ms:%3E0&agg=max(ms)"] {
        let url = format!("/api/v1/logs{path}");
        let answer = server.get(&url);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let answer = answer.json();
        assert_eq!(answer["partial"][0]["kind"], "archive", "{path}: {answer}");
        let strict = server.get(&format!("{url}&partial=false"));
        assert_eq!(strict.status, 503, "{path}: {}", strict.text());
        assert_eq!(strict.header("retry-after"), Some("30"));
        let hot = server.get(&format!("{url}&partial=false&tier=hot"));
        assert_eq!(hot.status, 200, "{path}: {}", hot.text());
    }
    let page = server.get("/api/v1/logs?limit=1000").json();
    assert_eq!(page["logs"].as_array().map(Vec::len), Some(EACH));
    assert_eq!(server.get("/readyz").status, 200, "events are accepted");
    std::fs::remove_file(place.archive()).expect("is removed");
    std::fs::rename(&away, place.archive()).expect("is renamed");
    assert!(server.stop().success());
    assert_eq!(answers(&place.serve()), before);
}

#[test]
fn who_asks_is_told_what_is_where() {
    let (_place, server, _) = evicted();
    let status = server.get("/api/v1/retention").json();
    let classes = status["classes"].as_array().expect("a list");
    let bytes = |name: &str| -> u64 {
        classes.iter().map(|class| class[name].as_u64().expect("a number")).sum()
    };
    let stored = classes.iter().map(|class| class["stored"]["bytes"].as_u64().expect("a number"));
    let stored: u64 = stored.sum();
    assert!(0 < bytes("bytes_local") && bytes("bytes_local") < stored, "{status}");
    assert_eq!(bytes("bytes_remote"), stored, "{status}");
    let files = server.get("/api/v1/archive").json()["files"].clone();
    let local = |is_local: bool| {
        let files = files.as_array().expect("a list").iter();
        files.filter(|file| file["local"] == is_local && file["state"] == "copied").count()
    };
    assert!(local(true) > 0 && local(false) > 0, "{files}");
}

/// The hashes that the names of files begin with, below a directory.
fn hashes(dir: &std::path::Path) -> BTreeSet<String> {
    let listed = std::fs::read_dir(dir).into_iter().flatten();
    let names = listed.map(|entry| entry.expect("is there").file_name().into_string());
    names.filter_map(|name| name.ok()?.get(..64).map(str::to_owned)).collect()
}

/// What queries and the purge itself had fetched of a purged file stayed in the cache, over restarts, and also
/// when there was to be no cache any more.
#[test]
fn nothing_of_what_was_purged_stays_in_the_cache() {
    let (place, server, _) = evicted();
    let cache = place.data().join("cache");
    assert_eq!(server.get("/api/v1/logs?limit=1000").status, 200);
    let before = hashes(&cache);
    let rule = "q=%22request+7+of+day+0%22&exact=true";
    let purge = |parameters: &str| {
        let answer =
            server.request("DELETE", &format!("/api/v1/logs/purge?{parameters}"), &[], b"");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let counted = purge(&format!("{rule}&dry_run=true"));
    let confirm = counted["confirm"].as_str().expect("a confirmation");
    let done = purge(&format!("{rule}&confirm={confirm}"));
    assert_eq!((&done["purged"]["events"], &done["archive"]), (&1.into(), &"erased".into()));
    let objects: BTreeSet<String> = place.objects();
    let after = hashes(&cache);
    assert!(after.len() < before.len(), "{before:?}, then {after:?}");
    assert!(after.is_subset(&objects), "{after:?} of {objects:?}");
    assert!(server.stop().success());
    // A piece of a file that is not there any more, as a crash leaves it.
    let gone = before.difference(&after).next().expect("a file went");
    let left = cache.join(format!("{gone}-00000000.piece"));
    std::fs::write(&left, "what was purged").expect("is written");
    let server = place.serve();
    assert!(!left.exists());
    assert_eq!(count(&server, "").0, (DAYS * EACH) as u64 - 1);
    assert!(!hashes(&cache).is_empty());
    assert!(server.stop().success());
    // Without an archive nobody reads it.
    drop(Server::start(&place.data()));
    assert!(hashes(&cache).is_empty());
}
