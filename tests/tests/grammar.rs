//! What a query says, written down again in quotes and parentheses, says the same.

use logstrata_engine::Seq;
use logstrata_engine::query::parse_query;
use logstrata_tests::adverse;
use logstrata_tests::dice::{Dice, for_each_seed};
use logstrata_tests::printer::{printed, without_places};
use logstrata_tests::workload::{self, Drafts, START};

fn check(text: &str) {
    let query = parse_query(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let again = printed(&query);
    let same = parse_query(&again).unwrap_or_else(|error| panic!("{text} as {again}: {error}"));
    assert_eq!(without_places(same), without_places(query.clone()), "{text} as {again}");
    let shown = query.to_string();
    let same = parse_query(&shown).unwrap_or_else(|error| panic!("{text} as {shown}: {error}"));
    assert_eq!(without_places(same), without_places(query), "{text} as {shown}");
}

#[test]
fn a_query_that_is_written_down_again_says_the_same() {
    for_each_seed("--test grammar", 40, |seed| {
        let mut dice = Dice::new(seed);
        let drafts = Drafts::default().some(&mut dice, 60, START);
        let stored =
            drafts.iter().enumerate().map(|(at, draft)| draft.stored(START, 1, Seq(at as u64 + 1)));
        let events: Vec<_> = stored.collect();
        for _ in 0..200 {
            check(&workload::staged_text(&mut dice, &events));
            check(&adverse::filter_text(&mut dice, &events));
        }
    });
}

/// What is written in unusual ways.
#[test]
fn unusual_spellings_say_the_same_again() {
    for text in [
        "--a ---b - NOT NOT c",
        "a:(b OR (c -d)) OR NOT (e f)",
        r#"a\:b C:\temp "x\"y" \* a\* \-x"#,
        "level:(>=warn OR info) x:{1 TO *] y:[* TO \"5 6\"}",
        "ip:10.0.0.0/8 ip:(::1/128 OR fe80::/10)",
        r#"p:/a\/b/ q:~"^\d \"x\"" service:a\ b*"#,
        "| extract \"<<<a>>\" from \"odd name\" | where a:* | sort - b, c|limit 5",
        "| stats | where count:>5",
        "| stats count(), QUANTILE( a , 0.5 ) , p99(b) as \"as\" by bin( 5m ),bin(c , 1e2), d",
        "| stats count() by bin(took_ms, 1s) as slow, bin(\"a b\", 1e-3)",
        "| stats avg(ms) by a | where -avg(ms):>1.5s | top 3 a | stats by count | sort -count",
        "| uniq \"a,b\" , c",
        "main() f(x)(y)",
    ] {
        check(text);
    }
}
