//! Queries with stages: each stage on events in memory and on disk, held against a look at each event.

use logstrata_engine::query::{Answer, Order, QueryRequest, TimeRange, parse_query};
use logstrata_engine::{BatchBuilder, Control, Engine, Kind, Limits, Timestamp};
use logstrata_tests::known::{
    Known, SECOND, SERVICES, ask, counted, error, events, known, numbers, rows, store, time,
};
use logstrata_tests::workload::START;
use std::collections::BTreeMap;

#[test]
fn tables_have_the_columns_that_were_asked_for() {
    let known = known(300);
    let engine = store(&known);
    assert_eq!(rows(&engine, "| stats count()"), ["count", "300"]);
    assert_eq!(
        rows(&engine, "nothing | stats count() as n, sum(took_ms)"),
        ["n sum(took_ms)", "0 -"]
    );

    let mut expected = vec!["service errors slowest".to_owned()];
    for service in SERVICES {
        let errors: Vec<_> = known.iter().filter(|k| k.is_error && k.service == service).collect();
        let slowest = errors.iter().map(|k| k.took_ms).max().expect("there are some");
        expected.push(format!("{service} {} {slowest}", errors.len()));
    }
    let query = "level:error | stats count() as errors, max(took_ms) as slowest by service \
                 | sort service";
    assert_eq!(rows(&engine, query), expected);

    let users = known.iter().filter(|k| k.user.is_some()).count();
    assert_eq!(rows(&engine, "* | stats count(user_id), uniq(user_id)")[1], format!("{users} 7"));
}

#[test]
fn top_and_uniq_are_of_events_that_have_the_fields() {
    let known = known(300);
    let engine = store(&known);
    let counts = counted(known.iter().filter_map(|k| k.user.clone()));
    let lines = counts.iter().map(|(user, count)| format!("{user} {count}"));
    let expected: Vec<String> = ["user_id count".to_owned()].into_iter().chain(lines).collect();
    assert_eq!(rows(&engine, "| top 3 user_id"), expected[..4]);
    assert_eq!(rows(&engine, "| top user_id | fields user_id, count"), expected);
    assert_eq!(
        rows(&engine, "| uniq user_id | stats count()".split(" | stats").next().unwrap()),
        expected
    );
    let pairs =
        counted(known.iter().filter_map(|k| Some(format!("{} {}", k.service, k.user.clone()?))));
    assert_eq!(rows(&engine, "| uniq service, user_id").len(), pairs.len() + 1);
}

#[test]
fn rows_of_a_table_are_filtered_sorted_and_cut() {
    let known = known(300);
    let engine = store(&known);
    let counts = counted(known.iter().filter_map(|k| k.user.clone()));
    let least = counts[3].1;
    let many: Vec<String> = counts.iter().filter(|c| c.1 >= least).map(|c| c.0.clone()).collect();
    let mut expected = many.clone();
    expected.sort();
    expected.reverse();
    let query = format!("| uniq user_id | where count:>={least} | sort -user_id | fields user_id");
    assert_eq!(rows(&engine, &query)[1..], expected);
    assert_eq!(rows(&engine, &format!("{query} | limit 2"))[1..], expected[..2]);
    assert_eq!(
        rows(&engine, "| uniq user_id | where u3 OR user_id:u5 | sort user_id | fields user_id"),
        ["user_id", "u3", "u5"]
    );
    assert_eq!(
        rows(&engine, "| stats count() by level | where level:>=warn | fields level"),
        ["level", "error"]
    );
}

#[test]
fn bins_of_time_and_of_numbers() {
    let known = known(300);
    let engine = store(&known);
    let bins = counted(known.iter().map(|k| (k.took_ms / 100 * 100).to_string()));
    let mut lines: Vec<_> =
        bins.iter().map(|(bin, count)| (bin.parse::<i64>().unwrap(), *count)).collect();
    lines.sort_unstable();
    let lines: Vec<String> = lines.iter().map(|(bin, count)| format!("{bin} {count}")).collect();
    let query = "| stats count() by bin(took_ms, 100) | sort \"bin(took_ms,100)\"";
    assert_eq!(rows(&engine, query)[1..], lines);

    let minute = |k: &Known| time(k).0.div_euclid(60 * SECOND);
    let minutes = counted(known.iter().map(|k| minute(k).to_string())).len();
    let table = rows(&engine, "| stats count() by bin(1m), level");
    assert_eq!(table[0], "time level count");
    // A step with a unit is of the unit that the field's name tells.
    let query = "| stats count() by bin(took_ms, 0.1s) as step | sort step";
    assert_eq!(rows(&engine, query)[1..], lines);
    assert!(error(&engine, "| stats count() by bin(n, 1s)").contains("does not tell a unit"));
    assert!(error(&engine, "| stats count() by bin(took_ms, 1MB)").contains("`1MB`"));
    // Every mix of groups, each event in one of them.
    let mixed = rows(
        &engine,
        "| stats count() by service, bin(took_ms, 250), bin(10m), level, bin(n, 7.5)",
    );
    assert_eq!(mixed[0], "service bin(took_ms,250) time level bin(n,7.5) count");
    let key = |k: &Known| {
        let time = Timestamp(time(k).0.div_euclid(600 * SECOND) * 600 * SECOND);
        let level = if k.is_error { "error" } else { "info" };
        let n = (k.number as f64 / 7.5).floor() * 7.5;
        format!("{} {} {time} {level} {n}", k.service, k.took_ms / 250 * 250)
    };
    let mut expected: Vec<String> = counted(known.iter().map(key))
        .into_iter()
        .map(|(key, count)| format!("{key} {count}"))
        .collect();
    expected.sort();
    let mut got = mixed[1..].to_vec();
    got.sort();
    assert_eq!(got, expected);
    let times: std::collections::BTreeSet<&str> =
        table[1..].iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(times.len(), minutes);
}

#[test]
fn a_table_is_made_of_the_rows_of_another() {
    let known = known(300);
    let engine = store(&known);
    let sums = |key: &dyn Fn(&Known) -> String| -> Vec<String> {
        let counts: BTreeMap<String, usize> = counted(known.iter().map(key)).into_iter().collect();
        counts.into_iter().map(|(key, count)| format!("{key} {count}")).collect()
    };
    // Counts of counts are the counts of all.
    let twice =
        "| stats count() by level, service, bin(took_ms, 50) | stats sum(count) as count by";
    // Levels stand by their rank.
    let mut by_level = sums(&|k| if k.is_error { "error" } else { "info" }.to_owned());
    by_level.reverse();
    assert_eq!(rows(&engine, &format!("{twice} level | sort level"))[1..], by_level);
    let by_service = sums(&|k| k.service.to_owned());
    assert_eq!(rows(&engine, &format!("{twice} service | sort service"))[1..], by_service);
    let wide = rows(&engine, &format!("{twice} bin(\"bin(took_ms,50)\", 100) as step | sort step"));
    assert_eq!(wide, rows(&engine, "| stats count() by bin(took_ms, 100) as step | sort step"));
    let hours =
        rows(&engine, "| stats count() by bin(1m), user_id | stats sum(count) as count by bin(1h)");
    assert_eq!(hours, rows(&engine, "| stats count() by bin(1h)"));

    let users = counted(known.iter().filter_map(|k| k.user.clone()));
    let top: usize = users[..3].iter().map(|(_, count)| count).sum();
    assert_eq!(
        rows(&engine, "| top 3 user_id | stats sum(count), max(count), uniq(user_id)")[1],
        format!("{top} {} 3", users[0].1)
    );
    // Three tables, with all that can stand between them.
    let most = "| uniq service, user_id | where count:>2 | sort -count | limit 500 | fields service, user_id \
                | uniq service | top 1 count | fields count";
    let pairs =
        counted(known.iter().filter_map(|k| Some(format!("{} {}", k.service, k.user.clone()?))));
    let services = counted(
        pairs
            .iter()
            .filter(|(_, count)| *count > 2)
            .map(|(pair, _)| pair.split(' ').next().unwrap().to_owned()),
    );
    assert_eq!(rows(&engine, most).len(), 2, "{services:?}");
    assert_eq!(
        rows(&engine, "nothing | stats count() by service | stats count(), sum(count)")[1],
        "0 -"
    );

    assert!(
        error(&engine, "| stats count() by service | stats avg(took_ms)")
            .contains("no column `took_ms`")
    );
    assert!(
        error(&engine, "| stats count() by service | stats count() by bin(5m)")
            .contains("no column `time`")
    );
    assert!(
        error(&engine, "| top user_id | extract \"u<n>\" from user_id")
            .contains("`extract` can't stand")
    );
    assert!(error(&engine, "| top user_id | stats nothing(count)").contains("nothing"));
}

/// Fields that a stage computes were said to be in no event.
#[test]
fn what_is_computed_is_no_unknown_field() {
    let engine = store(&known(30));
    let warnings = |text: &str| match ask(&engine, text, None) {
        Ok(Answer::Rows(answer)) => answer.warnings,
        Ok(Answer::Events { page, .. }) => page.warnings,
        Err(error) => panic!("{text}: {error}"),
    };
    let extract = "| extract \"took <ms:int>ms\"";
    assert_eq!(warnings(&format!("{extract} | stats sum(ms) by bin(ms, 10)")), [""; 0]);
    assert_eq!(warnings(&format!("{extract} | where ms:>5 | sort -ms | limit 3")), [""; 0]);
    let unknown = ["no event has a field `took_m`; did you mean `took_ms`?"];
    assert_eq!(warnings("| stats count() by bin(took_m, 10)"), unknown);
    assert_eq!(warnings(&format!("{extract} | where took_m:5 | stats count()")), unknown);
}

#[test]
fn what_is_extracted_is_a_field_for_all_that_follows() {
    let known = known(300);
    let engine = store(&known);
    let extract = "| extract \"user=<user:word> took <ms:int>ms\"";
    let slow = known.iter().filter(|k| k.took_ms >= 400).count();
    assert_eq!(
        rows(&engine, &format!("{extract} | where ms:>=400 | stats count()"))[1],
        slow.to_string()
    );
    let users = counted(known.iter().map(|k| k.user.clone().unwrap_or("-".into())));
    let lines: Vec<String> = users.iter().map(|(user, count)| format!("{user} {count}")).collect();
    assert_eq!(rows(&engine, &format!("{extract} | stats count() by user"))[1..], lines);
    let total: i64 = known.iter().map(|k| k.took_ms).sum();
    assert_eq!(rows(&engine, &format!("{extract} | stats sum(ms)"))[1], total.to_string());

    // Shown with the events, numbers as numbers.
    let shown = events(&engine, &format!("n:7 {extract}"), None);
    let ms = shown[0].get("ms").expect("extracted");
    assert_eq!((ms.kind, ms.text), (Kind::Number, known[7].took_ms.to_string().as_bytes()));
    let slowest = |k: &Known| std::cmp::Reverse((k.took_ms, k.number));
    let mut order = known.clone();
    order.sort_by_key(slowest);
    let expected: Vec<i64> = order.iter().take(5).map(|k| k.number).collect();
    assert_eq!(
        numbers(&events(&engine, &format!("{extract} | sort -ms | limit 5"), None)),
        expected
    );
    // Of what was extracted before.
    let again = format!("{extract} | extract \"u<nr:int>\" from user | where nr:3 | stats count()");
    let threes = known.iter().filter(|k| k.user.as_deref() == Some("u3")).count();
    assert_eq!(rows(&engine, &again)[1], threes.to_string());
}

#[test]
fn events_are_sorted_by_several_keys_and_those_without_come_last() {
    let known = known(300);
    let engine = store(&known);
    let mut order = known.clone();
    // Of equal ones the newest first.
    order.sort_by_key(|k| {
        (k.user.is_none(), k.user.clone(), std::cmp::Reverse((k.took_ms, k.number)))
    });
    let expected: Vec<i64> = order.iter().map(|k| k.number).collect();
    let all = events(&engine, "| sort user_id, -took_ms", Some(1_000));
    assert_eq!(numbers(&all), expected);
    order.sort_by_key(|k| {
        (
            k.user.is_none(),
            std::cmp::Reverse(k.user.clone()),
            k.took_ms,
            std::cmp::Reverse(k.number),
        )
    });
    let expected: Vec<i64> = order.iter().map(|k| k.number).collect();
    assert_eq!(
        numbers(&events(&engine, "* | sort -user_id, took_ms | limit 17", None)),
        expected[..17]
    );
    assert_eq!(numbers(&events(&engine, "| sort timestamp | limit 3", None)), [0, 1, 2]);
}

#[test]
fn a_limit_ends_the_pages() {
    let known = known(300);
    let engine = store(&known);
    match ask(&engine, "service:pay | limit 5", None) {
        Ok(Answer::Events { page, .. }) => {
            assert_eq!(page.events.len(), 5);
            assert_eq!(page.next_cursor, None);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(events(&engine, "*", None).len(), 100);
    assert_eq!(
        events(&engine, "| where service:pay | where level:error", Some(300)).len(),
        known.iter().filter(|k| k.service == "pay" && k.is_error).count()
    );
}

/// The cursor of a page that was shorter than the query's own limit went on behind that.
#[test]
fn a_limit_of_the_query_holds_over_all_pages() {
    let engine = store(&known(300));
    for (text, page, pages) in
        [("| limit 7", 3, vec![3, 3, 1]), ("| limit 6", 3, vec![3, 3]), ("| limit 2", 3, vec![2])]
    {
        let mut request = QueryRequest {
            text: text.to_owned(),
            query: parse_query(text).expect("a query"),
            range: TimeRange::default(),
            limit: Some(page),
            order: Order::NewestFirst,
            cursor: None,
        };
        let mut found = Vec::new();
        let mut all = Vec::new();
        loop {
            let answer = engine.query_with(&request, &Control::default()).expect("answered");
            let Answer::Events { page, .. } = answer else { panic!("{answer:?}") };
            found.push(page.events.len());
            all.extend(numbers(&page.events));
            request.cursor = page.next_cursor;
            if request.cursor.is_none() {
                break;
            }
        }
        assert_eq!(found, pages, "{text}");
        let count = pages.iter().sum::<usize>() as i64;
        assert!(all.into_iter().eq((300 - count..300).rev()), "{text}");
    }
}

/// Behind a table, and as what a text is extracted from, `id` was the name of nothing.
#[test]
fn an_attribute_that_was_sent_as_id_is_one_in_every_stage() {
    let engine = store(&known(300));
    assert_eq!(
        rows(&engine, "| uniq id | where id:id3 | fields id, count"),
        ["id count", "id3 60"]
    );
    let extract = "| extract \"id<nr:int>\" from id";
    assert_eq!(rows(&engine, &format!("{extract} | where nr:>=3 | stats count()"))[1], "120");
    let shown = events(&engine, &format!("n:8 {extract}"), None);
    assert_eq!(shown[0].get("nr").expect("is shown").text, b"3");
}

/// Their order was that of the kinds of values, of which any is told that a group has.
#[test]
fn groups_with_equal_counts_stand_by_their_texts() {
    let engine = store(&known(300));
    assert_eq!(rows(&engine, "| uniq parity"), ["parity count", "0 150", "1 150"]);
}

#[test]
fn what_does_not_fit_is_said_with_its_place() {
    let engine = store(&known(10));
    for (query, part) in [
        ("| foo", "no stage is called `foo`; there are where"),
        ("a | ", "expected a stage behind `|`"),
        ("a || b", "`||` is written OR"),
        ("| stats foo(a)", "no figure is called `foo`"),
        ("| stats sum()", "sum() needs a field"),
        ("| stats p101(a)", "no figure is called `p101`"),
        ("| stats quantile(a, 2)", "rank from 0 to 1"),
        ("| stats sum(a, 2)", "a field and nothing else"),
        ("| stats count( by a", "expected `)`"),
        ("| stats count() by bin(0s)", "expected a duration above 0"),
        ("| stats count() by bin(a, -1)", "a step above 0"),
        ("| stats count() by timestamp", "bin(5m)"),
        ("| stats count(), count()", "two columns are called `count`"),
        ("| stats count() x", "expected `|` or the end"),
        ("| top 5", "the name of a field"),
        ("| limit 0", "a number above 0"),
        ("| limit 10001", "at most 10000"),
        ("| limit 5 | stats count()", "can't stand behind `limit`"),
        ("| limit 5 | where a", "put it before"),
        ("| sort n | extract \"<n>\"", "`extract` of `n` behind a sort by it"),
        ("| stats count() | top 5 a", "no column `a`"),
        ("| stats count() | sort n", "no column `n`; there are `count`"),
        ("| stats count() | where cuont:>0", "no column `cuont`; there are `count`"),
        ("| fields n, n", "`n` stands here twice"),
        ("| sort n, -n", "`n` stands here twice"),
        ("| uniq n, n", "`n` stands here twice"),
        ("| extract \"abc\"", "a place"),
        ("| extract abc", "in quotes"),
        ("| where", "expected a term, found the end"),
        ("| where a OR | limit 5", "expected a term after OR, found `|`"),
        ("(a | limit 5)", "expected `)`"),
    ] {
        let error = error(&engine, query);
        assert!(error.contains(part), "{query}: {error}");
    }
}

#[test]
fn what_an_extraction_does_not_match_it_leaves_and_what_it_hides_nothing_finds() {
    let engine = store(&known(1));
    let mut batch = BatchBuilder::new(&Limits::tiny(), START);
    for (n, message, user) in
        [("10", "user=ann", "bob"), ("11", "nothing here", "carl"), ("12", "bob: user=eve", "bob")]
    {
        let mut event = batch.event();
        event.timestamp = START;
        event.field("message", Kind::String, message.as_bytes());
        event.field("user", Kind::String, user.as_bytes());
        event.field("n", Kind::Number, n.as_bytes());
        event.finish().expect("small");
    }
    engine.append(batch.build()).expect("appended");
    let found = |engine: &Engine, stages: &str| {
        let text = format!("user:* | extract \"user=<user>\" {stages}");
        let mut numbers = numbers(&events(engine, &text, None));
        numbers.sort_unstable();
        numbers
    };
    for _ in 0..2 {
        assert_eq!(found(&engine, "| where user:carl"), [11]);
        assert_eq!(found(&engine, "| where user:ann"), [10]);
        assert_eq!(found(&engine, "| where user:bob"), [0; 0]);
        // A bare term finds what is shown: `bob` stands in one message.
        assert_eq!(found(&engine, "| where bob"), [12]);
        assert_eq!(found(&engine, "| where -bob"), [10, 11]);
        let shown = events(&engine, "user:* | extract \"user=<user>\" | where user:carl", None);
        assert_eq!(shown[0].get("user").map(|field| field.text), Some(&b"carl"[..]));
        engine.flush().expect("flushed");
    }
}
