//! Retention over HTTP, of the real binary: classes, what is due, holds, configuration, command line.
#![expect(clippy::disallowed_methods, reason = "a configuration file is written")]

mod common;

use common::{Server, dir, logstrata};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;

const JSON: (&str, &str) = ("Content-Type", "application/json");
const RETENTION: &str = "/api/v1/retention";
const RUN: &str = "/api/v1/retention/run";
const HOLDS: &str = "/api/v1/retention/holds";

const CLASSES: &str = "[retention]\npreset = 'audit'\nreport = '0 4 * * *'\n\
    [[retention.class]]\nname = 'payments'\nmatch = 'category:payment'\nkeep = 'forever'\n\
    [[retention.class]]\nname = 'noise'\nmatch = 'service:probe'\nkeep = '1d'\n\
    [[retention.class]]\nname = 'info'\nkeep = '60d'\n";

/// A server with these rules.
fn configured(dir: &Path, file: &str) -> Server {
    let path = dir.join("logstrata.toml");
    std::fs::write(&path, file).expect("is written");
    let data = dir.join("data");
    Server::start_with(logstrata().arg("serve").arg("--config").arg(path).arg("--data").arg(data))
}

fn started() -> (TempDir, Server) {
    let dir = dir();
    let server = configured(dir.path(), CLASSES);
    (dir, server)
}

/// Events of a long time ago.
fn old(server: &Server) -> Value {
    let answer = server.post_lines(
        "{\"timestamp\":\"2020-01-01T10:00:00Z\",\"service\":\"probe\",\"message\":\"1\"}\n\
         {\"timestamp\":\"2020-01-01T11:00:00Z\",\"category\":\"payment\",\"message\":\"2\"}\n\
         {\"timestamp\":\"2020-01-02T10:00:00Z\",\"level\":\"warn\",\"message\":\"3\"}\n\
         {\"service\":\"probe\",\"message\":\"4\"}\n",
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn class<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let classes = answer["classes"].as_array().expect("a list");
    classes.iter().find(|class| class["name"] == name).expect("is there")
}

fn post(server: &Server, path: &str, body: &Value) -> (u16, Value) {
    let answer = server.request("POST", path, &[JSON], body.to_string().as_bytes());
    (answer.status, answer.json())
}

/// A hold as it is listed, of the answer to whoever made it.
fn listed(mut made: Value) -> Value {
    let members = made.as_object_mut().expect("an object");
    assert!(members.remove("covers").is_some() && members.remove("warnings").is_some());
    made
}

/// Whoever sends a batch again is told what it was told first, also when the rules or the time have
/// changed.
#[test]
fn what_was_due_on_arrival_is_told_again() {
    let (_dir, server) = started();
    let event = b"{\"timestamp\":\"2005-06-03T15:42:50Z\",\"level\":\"debug\",\"message\":\"a\"}";
    let headers = [("Content-Type", "application/x-ndjson"), ("Idempotency-Key", "one")];
    let send = || server.request("POST", "/api/v1/logs", &headers, event);
    let (first, again) = (send(), send());
    assert_eq!(first.json()["expired_on_arrival"], 1, "{}", first.text());
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.text(), first.text());
}

#[test]
fn classes_are_those_of_the_configuration() {
    let (_dir, server) = started();
    assert_eq!(old(&server)["expired_on_arrival"], 2);
    assert_eq!(server.metric("logstrata_expired_on_arrival_total"), 2);
    let answer = server.get(RETENTION).json();
    assert_eq!((&answer["preset"], &answer["suspended"]), (&json!("audit"), &Value::Null));
    let names: Vec<_> =
        answer["classes"].as_array().expect("a list").iter().map(|class| &class["name"]).collect();
    assert_eq!(names[..4], ["payments", "noise", "exceptions", "orders"]);
    let [payments, noise, info] = ["payments", "noise", "info"].map(|name| class(&answer, name));
    assert_eq!(
        (&payments["keep"], &payments["matches"]),
        (&json!("forever"), &json!("category:payment"))
    );
    assert_eq!((&noise["keep"], &info["keep"]), (&json!("1d"), &json!("60d")));
    assert_eq!((&noise["events_in_memory"], &payments["events_in_memory"]), (&json!(2), &json!(1)));
    assert_eq!(server.request("POST", "/api/v1/admin/flush", &[], b"").status, 200);
    let answer = server.get(RETENTION).json();
    let noise = class(&answer, "noise");
    assert_eq!((&noise["stored"]["events"], &noise["stored"]["sections"]), (&json!(2), &json!(2)));
    assert_eq!(
        (&noise["oldest"], &noise["next_drop"]),
        (&json!("2020-01-01"), &json!("2020-01-03T00:00:00Z"))
    );
    assert_eq!(class(&answer, "payments")["next_drop"], Value::Null);
}

#[test]
fn a_run_drops_what_a_dry_run_said() {
    let (_dir, server) = started();
    old(&server);
    let run = |query: &str| {
        let answer = server.request("POST", &format!("{RUN}{query}"), &[], b"");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let planned = run("?dry_run=true");
    assert_eq!((&planned["in_memory"], &planned["dropped"]["events"]), (&json!(2), &json!(0)));
    assert_eq!(server.request("POST", "/api/v1/admin/flush", &[], b"").status, 200);
    let mut planned = run("?dry_run=true");
    assert_eq!((&planned["dry_run"], &planned["dropped"]["events"]), (&json!(true), &json!(2)));
    let days: Vec<_> = planned["days"].as_array().expect("a list").iter().collect();
    assert_eq!((&days[0]["class"], &days[0]["day"]), (&json!("noise"), &json!("2020-01-01")));
    assert_eq!(
        (&days[1]["class"], &days[1]["due"]),
        (&json!("warn"), &json!("2020-04-02T00:00:00Z"))
    );
    assert_eq!(server.messages("").len(), 4);
    planned["dry_run"] = json!(false);
    assert_eq!(run(""), planned);
    let mut left = server.messages("");
    left.sort_unstable();
    assert_eq!(left, ["2", "4"]);
    assert_eq!(run("")["dropped"]["events"], 0);
    assert_eq!(server.metric("logstrata_events_dropped_total"), 2);
    assert_eq!(server.metric("logstrata_sections_dropped_total"), 2);
    assert_eq!(server.metric("logstrata_drops_suspended"), 0);
    // What looks like a dry run is no run.
    assert_eq!(run("?dry_run")["dry_run"], json!(true));
    for (query, body) in [("?dry_run=maybe", ""), ("", "{\"dry_run\":true}")] {
        let refused = server.request("POST", &format!("{RUN}{query}"), &[], body.as_bytes());
        assert_eq!(refused.status, 400, "{query} {body}");
    }
}

#[test]
fn what_is_held_is_there_after_a_restart() {
    let (dir, server) = started();
    old(&server);
    let hold = json!({ "class": "noise", "to_day": "2020-12-31", "owner": "ann", "reason": "case 7",
        "review": "2027-01-01" });
    let (status, held) = post(&server, HOLDS, &hold);
    assert_eq!((status, &held["id"], &held["owner"]), (200, &json!(1), &json!("ann")));
    let (status, by_query) =
        post(&server, HOLDS, &json!({ "q": "message:3", "owner": "ann", "reason": "case 8" }));
    assert_eq!((status, &by_query["id"]), (200, &json!(2)));
    assert_eq!(server.metric("logstrata_holds"), 2);
    assert!(server.stop().success());

    let server = configured(dir.path(), CLASSES);
    let holds = server.get(HOLDS).json();
    let (held, by_query) = (listed(held), listed(by_query));
    assert_eq!(holds["holds"], json!([held, by_query]));
    let run = server.request("POST", RUN, &[], b"").json();
    assert_eq!((&run["dropped"]["events"], &run["held"]["events"]), (&json!(0), &json!(2)));
    assert_eq!((&run["days"][0]["holds"], &run["days"][1]["holds"]), (&json!([1]), &json!([2])));
    let nobody = server.request("DELETE", &format!("{HOLDS}/2"), &[], b"");
    assert!(nobody.status == 400 && nobody.error().1.contains("say who"), "{}", nobody.text());
    let release = format!("{HOLDS}/2?by=bob&reason=closed");
    let released = server.request("DELETE", &release, &[], b"").json();
    assert_eq!(
        (&released["released_by"], &released["release_reason"], &released["id"]),
        (&json!("bob"), &json!("closed"), &json!(2))
    );
    assert_eq!(released["q"], by_query["q"]);
    assert_eq!(server.get(HOLDS).json(), json!({ "holds": [held] }));
    let all = json!({ "holds": [held], "released": [released] });
    assert_eq!(server.get(&format!("{HOLDS}?released=true")).json(), all);
    let gone = server.request("DELETE", &format!("{HOLDS}/2?by=bob"), &[], b"");
    assert_eq!((gone.status, gone.error().0.as_str()), (404, "not_found"));
    assert_eq!(server.request("POST", RUN, &[], b"").json()["dropped"]["events"], 1);
    assert_eq!(server.messages("q=message:1"), ["1"]);
}

/// A hold that was misspelt was accepted, and held nothing.
#[test]
fn a_hold_that_holds_nothing_shows_it() {
    let (_dir, server) = started();
    old(&server);
    for (scope, part) in [
        (json!({ "class": "payment" }), "did you mean \"payments\"?"),
        (json!({ "class": "Payments" }), "did you mean \"payments\"?"),
        (json!({ "tenant": "acme" }), "known are default"),
    ] {
        let mut hold = scope;
        (hold["owner"], hold["reason"]) = (json!("ann"), json!("case 7"));
        let (status, answer) = post(&server, HOLDS, &hold);
        let message = answer["error"]["message"].as_str().expect("text");
        assert!(status == 400 && message.contains(part), "{hold}: {message}");
    }
    let made = |query: &str| {
        let hold = json!({ "q": query, "owner": "ann", "reason": "case 8" });
        let (status, made) = post(&server, HOLDS, &hold);
        assert_eq!(status, 200, "{made}");
        (made["covers"].clone(), made["warnings"].to_string())
    };
    let covers = |sections, events, bytes: &Value, in_memory| json!({ "sections": sections, "events": events, "bytes": bytes, "in_memory": in_memory });
    let (covered, warnings) = made("servise:probe");
    assert_eq!(covered, covers(0, 0, &json!(0), 0));
    assert!(warnings.contains("did you mean `service`?"), "{warnings}");
    assert!(made("level:warning").1.contains("no level is called `warning`"));
    // Two events of two days.
    assert_eq!(made("service:probe"), (covers(0, 0, &json!(0), 2), "[]".to_owned()));
    assert_eq!(server.request("POST", "/api/v1/admin/flush", &[], b"").status, 200);
    let (covered, warnings) = made("service:probe");
    assert_eq!((&covered, &*warnings), (&covers(2, 2, &covered["bytes"], 0), "[]"));
}

#[test]
fn a_hold_that_makes_no_sense_is_refused() {
    let (_dir, server) = started();
    for (hold, part) in [
        (json!({ "owner": "ann", "reason": "x" }), "say what is held"),
        (json!({ "class": "noise", "reason": "x" }), "owner and a reason"),
        (json!({ "class": "noise", "owner": "ann" }), "owner and a reason"),
        (json!({ "q": "service:(", "owner": "ann", "reason": "x" }), "byte"),
        (json!({ "from_day": "2026-02-30", "owner": "ann", "reason": "x" }), "from_day"),
        (
            json!({ "from_day": "2026-02-03", "to_day": "2026-02-02", "owner": "a", "reason": "x" }),
            "behind",
        ),
        (json!({ "klass": "noise", "owner": "ann", "reason": "x" }), "unknown parameter"),
    ] {
        let (status, answer) = post(&server, HOLDS, &hold);
        assert_eq!(status, 400, "{hold}");
        let message = answer["error"]["message"].as_str().expect("text");
        assert!(message.contains(part), "{hold}: {message}");
    }
    assert_eq!(server.get(HOLDS).json()["holds"], json!([]));
    for path in ["x", "-1", "18446744073709551616"] {
        assert_eq!(
            server.request("DELETE", &format!("{HOLDS}/{path}?by=bob"), &[], b"").status,
            400,
            "{path}"
        );
    }
}

/// `R3`: also over a restart with another configuration.
#[test]
fn a_class_that_is_gone_from_the_configuration_keeps_its_rule() {
    let (dir, server) = started();
    old(&server);
    assert!(server.stop().success());
    let server = configured(dir.path(), "");
    let answer = server.get(RETENTION).json();
    let payments = class(&answer, "payments");
    assert_eq!((&payments["configured"], &payments["keep"]), (&json!(false), &json!("forever")));
    assert_eq!(class(&answer, "info")["keep"], "30d");
}

fn refused(dir: &Path, file: &str) -> String {
    let path = dir.join("bad.toml");
    std::fs::write(&path, file).expect("is written");
    let output = logstrata().arg("config").arg("--config").arg(path).output().expect("runs");
    assert_eq!(output.status.code(), Some(2), "{file}");
    String::from_utf8(output.stderr).expect("UTF-8")
}

#[test]
fn a_wrong_rule_is_named_in_its_place() {
    let dir = dir();
    let error = refused(
        dir.path(),
        "[[retention.class]]\nname = 'a'\nmatch = 'service:a order.id:7'\nkeep = '5d'\n",
    );
    assert!(
        error.contains("\"a\"") && error.contains("order.id") && error.contains('^'),
        "{error}"
    );
    assert!(refused(dir.path(), "[retention]\npreset = 'x'\n").contains("levels or audit"));
    assert!(refused(dir.path(), "[retention]\nreport = 'daily'\n").contains("cron"));
    assert!(refused(dir.path(), "[retention]\nkeep = '5d'\n").contains("unknown key"));
}

#[test]
fn the_command_line_does_the_same() {
    let (_dir, server) = started();
    old(&server);
    let run = |arguments: &[&str]| -> Output {
        let mut command = logstrata();
        command.arg("retention").args(["--server", &server.url()]).args(arguments);
        command.output().expect("runs")
    };
    let said = |arguments: &[&str]| {
        let output = run(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let shown = said(&["show"]);
    assert!(shown.starts_with("CLASS") && shown.contains("payments"), "{shown}");
    let planned = said(&["run", "--dry-run"]);
    assert!(planned.starts_with("2 events in memory are due, too"), "{planned}");
    assert!(planned.ends_with("would go\n"), "{planned}");
    let hold = ["hold", "add", "--class", "warn", "--owner", "ann", "--reason", "case 7"];
    let made = said(&hold);
    assert!(made.starts_with("hold 1: class warn (ann, since "), "{made}");
    assert!(
        made.ends_with("\ncovers 0 sections, 0 events, 0 B, and 1 events in memory\n"),
        "{made}"
    );
    let misspelt = ["hold", "add", "--query", "userid:u-1", "--owner", "ann", "--reason", "case 8"];
    let output = run(&misspelt);
    let warned = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(warned.contains("did you mean `user_id`?"), "{warned}");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("covers 0 sections, 0 events"), "{told}");
    assert!(said(&["hold", "list"]).contains("case 7"));
    let ran = said(&["run"]);
    assert!(ran.contains("2020-01-02 warn: 0 sections") && ran.contains("1 events held"), "{ran}");
    let released = said(&["hold", "release", "1", "--by", "bob", "--reason", "closed"]);
    assert!(
        released.starts_with("released: hold 1") && released.ends_with(": closed\n"),
        "{released}"
    );
    assert!(!said(&["hold", "list"]).contains("case 7"));
    assert!(said(&["hold", "list", "--released"]).ends_with(&released));
    assert_eq!(run(&["hold", "release", "1", "--by", "bob"]).status.code(), Some(1));
    let json: Value = serde_json::from_str(&said(&["show", "--json"])).expect("JSON");
    assert_eq!(json["preset"], "audit");
    assert_eq!(said(&["resume"]), "drops go on\n");
}
