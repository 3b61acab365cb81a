use super::*;
use crate::limits::{QUERY_NAME_BYTES_MAX, QUERY_REGEXES_MAX, QUERY_TERMS_MAX};
use crate::query::ast::{Bound, Range, Test};
use proptest::prelude::*;

/// A compact form of the syntax, for tables.
fn show(filter: &Filter) -> String {
    let list = |word: &str, members: &[Filter]| {
        let members: Vec<String> = members.iter().map(show).collect();
        format!("({word} {})", members.join(" "))
    };
    match filter {
        Filter::All => "*".into(),
        Filter::And(all) => list("and", all),
        Filter::Or(any) => list("or", any),
        Filter::Not(inner) => format!("(not {})", show(inner)),
        Filter::Leaf(leaf) => {
            let field = leaf.field.as_ref().map_or("", |field| &field.name);
            match &leaf.test {
                Test::Text(text) if leaf.field.is_none() => format!("'{text}'"),
                Test::Text(text) => format!("{field}='{text}'"),
                Test::Same(text) => format!("{field}=='{text}'"),
                Test::Wildcard(wildcard) => format!("{field}%'{}'", wildcard.pieces.join("'*'")),
                Test::Network(_, text) => format!("{field}in'{text}'"),
                Test::Range(range) => format!("{field}{}", show_range(range)),
                Test::Exists => format!("{field}?"),
                Test::Regex(pattern) => format!("{field}~'{}'", pattern.source),
            }
        }
    }
}

fn show_range(range: &Range) -> String {
    let side = |bound: &Option<Bound>, sign: &str| match bound {
        Some(bound) => {
            format!("{sign}{}'{}'", if bound.inclusive { "=" } else { "" }, bound.text)
        }
        None => String::new(),
    };
    format!("{}{}", side(&range.lower, ">"), side(&range.upper, "<"))
}

#[test]
fn texts_and_their_syntax() {
    for (text, expected) in [
        // Everything.
        ("", "*"),
        (" \t\n\u{a0}", "*"),
        ("*", "*"),
        ("(*)", "*"),
        ("-*", "(not *)"),
        ("**:*", "*"),
        ("*:* -a", "(and * (not 'a'))"),
        ("\"*:*\"", "'*:*'"),
        ("*:*:*", "%''*':'*':'*''"),
        // Words and phrases.
        ("timeout", "'timeout'"),
        ("  timeout  ", "'timeout'"),
        ("\"connection refused\"", "'connection refused'"),
        (r#""say \"hi\" C:\temp \\""#, r#"'say "hi" C:\temp \'"#),
        ("\"AND\"", "'AND'"),
        ("and or not And", "(and 'and' 'or' 'not' 'And')"),
        ("ANDROID ORDER NOTE", "(and 'ANDROID' 'ORDER' 'NOTE')"),
        ("\"a\"\"b\"c", "(and 'a' 'b' 'c')"),
        ("日本語 größe", "(and '日本語' 'größe')"),
        // Operators.
        ("a b", "(and 'a' 'b')"),
        ("a AND b", "(and 'a' 'b')"),
        ("a OR b", "(or 'a' 'b')"),
        ("a b OR c d", "(or (and 'a' 'b') (and 'c' 'd'))"),
        ("a OR b AND c", "(or 'a' (and 'b' 'c'))"),
        ("(a OR b) AND c", "(and (or 'a' 'b') 'c')"),
        ("(a OR b)c", "(and (or 'a' 'b') 'c')"),
        ("a(b OR c)", "(and 'a' (or 'b' 'c'))"),
        ("((a))", "'a'"),
        ("(a b) AND (c (d e))", "(and 'a' 'b' 'c' 'd' 'e')"),
        ("a OR (b OR c) OR d", "(or 'a' 'b' 'c' 'd')"),
        ("NOT a", "(not 'a')"),
        ("NOT(a)", "(not 'a')"),
        ("NOT\"a\"", "(not 'a')"),
        ("-a", "(not 'a')"),
        ("-\"a b\"", "(not 'a b')"),
        ("-(a OR b)", "(not (or 'a' 'b'))"),
        ("a -b NOT c", "(and 'a' (not 'b') (not 'c'))"),
        ("NOT NOT a", "'a'"),
        ("NOT -a", "'a'"),
        ("-(-a)", "'a'"),
        ("--verbose", "'verbose'"),
        ("NOT a AND b OR c", "(or (and (not 'a') 'b') 'c')"),
        // Fields.
        ("status:500", "status='500'"),
        ("service:\"api gateway\"", "service='api gateway'"),
        ("-level:debug", "(not level='debug')"),
        ("NOT level:debug", "(not level='debug')"),
        ("status:>500", "status>'500'"),
        ("status:>=500", "status>='500'"),
        ("status:<500", "status<'500'"),
        ("status:<=\"500\"", "status<='500'"),
        ("delta:>-5", "delta>'-5'"),
        ("delta:-5", "delta='-5'"),
        ("user_id:*", "user_id?"),
        ("user_id:\\*", "user_id='*'"),
        ("user_id:\"*\"", "user_id='*'"),
        ("user_id:a*", "user_id%'a'*''"),
        ("user_id:*a", "user_id%''*'a'"),
        ("user_id:**a***b**", "user_id%''*'a'*'b'*''"),
        ("user_id:\"a*\"", "user_id='a*'"),
        ("user_id:a\\*", "user_id='a*'"),
        ("user_id:**", "user_id?"),
        ("conn*", "%'conn'*''"),
        ("-GET*/orders", "(not %'GET'*'/orders')"),
        ("** x", "(and * 'x')"),
        // Exactly, ranges, networks.
        ("service==Foo", "service=='Foo'"),
        ("service:==Foo", "service=='Foo'"),
        ("-service==\"a b\" c", "(and (not service=='a b') 'c')"),
        ("\"odd name\"==x", "odd name=='x'"),
        ("a==b*", "a=='b*'"),
        ("a=b==c", "'a=b==c'"),
        ("1==1", "'1==1'"),
        ("a:[1 TO 5]", "a>='1'<='5'"),
        ("a:{1 TO 5]", "a>'1'<='5'"),
        ("a:[ 1.5  TO \"x y\" } b", "(and a>='1.5'<'x y' 'b')"),
        ("a:[* TO 5}", "a<'5'"),
        ("a:[5 TO *]", "a>='5'"),
        ("a:([1 TO 2] OR {7 TO 8})", "(or a>='1'<='2' a>'7'<'8')"),
        ("a:[1]", "a='[1]'"),
        ("a:{id}", "a='{id}'"),
        ("a:[x y", "(and a='[x' 'y')"),
        ("[1 TO 5]", "(and '[1' 'TO' '5]')"),
        ("ip:10.0.0.0/8", "ipin'10.0.0.0/8'"),
        ("ip:(10.0.0.0/8 OR fe80::/10)", "(or ipin'10.0.0.0/8' ipin'fe80::/10')"),
        ("ip:\"10.0.0.0/8\"", "ip='10.0.0.0/8'"),
        ("ip:10.0.0.0/33", "ip='10.0.0.0/33'"),
        ("ip:::1/128 ip:::/0", "(and ipin'::1/128' ipin'::/0')"),
        ("ip:::1", "ip='::1'"),
        ("10.0.0.0/8", "'10.0.0.0/8'"),
        ("user_id:\"\"", "user_id=''"),
        ("order.items.0.id:7", "order.items.0.id='7'"),
        ("app.kubernetes.io/name:x", "app.kubernetes.io/name='x'"),
        ("@type:x", "@type='x'"),
        ("größe:5", "größe='5'"),
        ("key:value:with:colons", "key='value:with:colons'"),
        ("\"odd name\":x", "odd name='x'"),
        ("\"5xx\":3", "5xx='3'"),
        ("odd\\ name:x", "odd name='x'"),
        ("url:http://x/y:80", "url='http://x/y:80'"),
        ("file:C:\\temp", "file='C:\\temp'"),
        ("level:(error OR critical)", "(or level='error' level='critical')"),
        ("a:(b -c d:e)", "(and a='b' (not a='c') d='e')"),
        ("a:(>=5 <9 OR * OR \"x y\")", "(or (and a>='5' a<'9') a? a='x y')"),
        ("a:(b (c OR d)) e", "(and a='b' (or a='c' a='d') 'e')"),
        ("(level:error)", "level='error'"),
        ("(a:b) c", "(and a='b' 'c')"),
        // Patterns and paths.
        ("message:/blk_[0-9]+77/", "message~'blk_[0-9]+77'"),
        ("message:/timed (out|up)/ x", "(and message~'timed (out|up)' 'x')"),
        ("(message:/a(b)/)", "message~'a(b)'"),
        ("path:/a\\/b\\.c/", "path~'a/b\\.c'"),
        ("path:~\"^/api/v[0-9]+\"", "path~'^/api/v[0-9]+'"),
        (r#"message:~"\"\d+\"""#, r#"message~'"\d+"'"#),
        ("path:(/a+/ OR /b/c)", "(or path~'a+' path='/b/c')"),
        ("path:/api/v1/orders", "path='/api/v1/orders'"),
        ("path:/api/v1/", "path='/api/v1/'"),
        ("path:/var/log/", "path='/var/log/'"),
        ("path:/", "path='/'"),
        ("path:/tmp file:/ x", "(and path='/tmp' file='/' 'x')"),
        ("path:/api/v1/users/{id}", "path='/api/v1/users/{id}'"),
        ("path:\"/re/\"", "path='/re/'"),
        ("path:\\/re/", "path='/re/'"),
        ("path:~/.ssh", "path='~/.ssh'"),
        ("/api/", "'/api/'"),
        // What people type without thinking.
        ("http://x/y:80/z", "'http://x/y:80/z'"),
        ("https://user@host/?q=(a)", "'https://user@host/?q=(a)'"),
        ("12:30:45", "'12:30:45'"),
        ("2026-11-21T12:30:45Z", "'2026-11-21T12:30:45Z'"),
        ("don't", "'don't'"),
        ("foo@bar.com", "'foo@bar.com'"),
        ("user-id", "'user-id'"),
        ("a=b", "'a=b'"),
        ("10.0.0.1:8080", "'10.0.0.1:8080'"),
        ("[::1]:80", "'[::1]:80'"),
        ("::1", "'::1'"),
        ("a|b c|stat", "(and 'a|b' 'c|stat')"),
        ("at Foo.run(Foo.java):12", "(and 'at' 'Foo.run(Foo.java):12')"),
        ("fe80::1", "'fe80::1'"),
        ("std::fs::read()", "'std::fs::read()'"),
        ("[ERROR]", "'[ERROR]'"),
        ("C:\\temp\\new", "'C:\\temp\\new'"),
        ("CORP\\alice", "'CORP\\alice'"),
        ("/var/log/app.log:12", "'/var/log/app.log:12'"),
        ("{id}", "'{id}'"),
        ("{\"a\":1}", "'{\"a\":1}'"),
        ("\"a\":1", "a='1'"),
        ("f(x,(y)) z", "(and 'f(x,(y))' 'z')"),
        ("(f(x) OR y)", "(or 'f(x)' 'y')"),
        ("a - b", "(and 'a' '-' 'b')"),
        ("a -> b --> c", "(and 'a' '->' 'b' '-->' 'c')"),
        ("a & b", "(and 'a' '&' 'b')"),
        ("100% ,;!", "(and '100%' ',;!')"),
        ("5\" disk", "(and '5\"' 'disk')"),
        ("\\-x \\(y\\) a\\:b \\\"q", "(and '-x' '(y)' 'a:b' '\"q')"),
        ("a\\", "'a\\'"),
        ("a\\ b", "'a b'"),
        (">5", "'>5'"),
    ] {
        match parse(text) {
            Ok(filter) => assert_eq!(show(&filter), expected, "{text}"),
            Err(e) => panic!("{text}: {e}"),
        }
    }
}

#[test]
fn errors_say_what_and_where() {
    for (text, span, message) in [
        ("a \"b c", 2..3, "expected `\"` to close this quote"),
        ("a:\"b", 2..3, "expected `\"` to close this quote"),
        ("a:~\"b", 3..4, "expected `\"` to close this quote"),
        ("a (b c", 2..3, "expected `)` to close this parenthesis"),
        ("a:(b", 2..3, "expected `)` to close this parenthesis"),
        ("(", 0..1, "expected `)` to close this parenthesis"),
        ("a) b", 1..2, "no parenthesis is open that `)` could close"),
        (")", 0..1, "expected a term, found `)`"),
        ("()", 1..2, "expected a term, found `)`"),
        ("a:( )", 4..5, "expected a term, found `)`"),
        ("a AND", 2..5, "expected a term after AND, found the end"),
        ("a OR ", 2..4, "expected a term after OR, found the end"),
        ("a NOT", 2..5, "expected a term after NOT, found the end"),
        ("AND a", 0..3, "expected a term, found AND"),
        ("OR", 0..2, "expected a term, found OR"),
        ("a AND OR b", 6..8, "expected a term after AND, found OR"),
        ("a OR AND b", 5..8, "expected a term after OR, found AND"),
        ("(a OR) b", 3..5, "expected a term after OR, found `)`"),
        ("a || b", 2..4, "`||` is written OR"),
        ("(a || b) c", 3..5, "`||` is written OR"),
        ("NOT AND", 4..7, "expected a term after NOT, found AND"),
        ("-(", 1..2, "expected `)` to close this parenthesis"),
        ("-\"", 1..2, "expected `\"` to close this quote"),
        (
            "a status: 500",
            2..9,
            "expected a value right behind `status:`; to search for this text, quote it",
        ),
        ("(a:)", 1..3, "expected a value right behind `a:`; to search for this text, quote it"),
        ("a:>", 0..3, "expected a value right behind `a:>`; to search for this text, quote it"),
        ("a:>= 5", 0..4, "expected a value right behind `a:>=`; to search for this text, quote it"),
        (
            "x a\\ b*",
            2..7,
            "a word with `*` has no blanks; for texts with gaps there are patterns: ~\"a .*b\"",
        ),
        ("a==", 0..3, "expected a value right behind `a==`; to search for this text, quote it"),
        ("x a:[1 TO ]", 4..10, "expected the end of the range behind TO: a value, or `*`"),
        ("x a:[1 TO 5", 4..5, "expected `]` or `}` to close this range"),
        ("a:[1 TO 5 6]", 2..3, "expected `]` or `}` to close this range"),
        ("\"\"", 0..2, "expected text between the quotes"),
        ("x a:/(b/", 2..8, "bad regular expression: unclosed group"),
        (
            "a:~\"[z-a]\"",
            0..10,
            "bad regular expression: invalid character class range, the start must be <= the end",
        ),
        (
            "a:~\"(.{999}){999}\"",
            0..18,
            "bad regular expression: it compiles to more than 1048576 bytes",
        ),
        ("x timestamp:>5", 2..11, "the time range is given by `from` and `to`"),
        ("\"timestamp\":*", 0..11, "the time range is given by `from` and `to`"),
    ] {
        let e = parse(text).expect_err(text);
        assert_eq!((e.message.as_str(), e.span), (message, span), "{text}");
    }
}

#[test]
fn limits_are_errors_and_what_is_within_is_not() {
    let nested = |depth| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(show(&parse(&nested(QUERY_DEPTH_MAX)).expect("within")), "'a'");
    let e = parse(&nested(QUERY_DEPTH_MAX + 1)).expect_err("too deep");
    assert_eq!(e.message, "parentheses nest more than 64 deep");
    assert_eq!(e.span, QUERY_DEPTH_MAX..QUERY_DEPTH_MAX + 1);

    assert!(parse(&"a ".repeat(QUERY_TERMS_MAX)).is_ok());
    let e = parse(&"a ".repeat(QUERY_TERMS_MAX + 1)).expect_err("too many");
    assert_eq!((e.message.as_str(), e.span.start), ("more than 1024 terms", QUERY_TERMS_MAX * 2));

    assert!(parse(&"a:/x/ ".repeat(QUERY_REGEXES_MAX)).is_ok());
    let e = parse(&"a:/x/ ".repeat(QUERY_REGEXES_MAX + 1)).expect_err("too many");
    assert_eq!(e.message, "more than 32 regular expressions");

    let named = |len| format!("{}:(b c)", "a".repeat(len));
    assert!(parse(&named(QUERY_NAME_BYTES_MAX)).is_ok());
    let e = parse(&named(QUERY_NAME_BYTES_MAX + 1)).expect_err("too long");
    assert_eq!(e.message, "the name of a field has more than 1024 bytes");

    assert!(parse(&"a".repeat(QUERY_BYTES_MAX)).is_ok());
    let e = parse(&"a".repeat(QUERY_BYTES_MAX + 1)).expect_err("too long");
    assert_eq!(e.message, "the query has 65537 bytes, at most 65536 are allowed");
}

#[test]
fn no_text_takes_more_than_linear_time_or_deep_stacks() {
    for unit in [
        "-",
        "- ",
        "NOT ",
        "(",
        "a(",
        "-(",
        "-NOT(",
        "\\",
        "/",
        "a:/",
        "\"",
        "a:(",
        "f(x",
        "f(x)",
        "*",
        "a:[",
        "a:[1 TO ",
        "a:[1 TO 2] ",
        "a*",
        "a==",
    ] {
        let text = unit.repeat(QUERY_BYTES_MAX / unit.len());
        drop(parse(&text));
    }
    let text = format!("{}a", "-NOT ".repeat(QUERY_BYTES_MAX / 5 - 1));
    drop(parse(&text));
    assert_eq!(show(&parse(&format!("{}a", "NOT ".repeat(16_001))).expect("odd")), "(not 'a')");
}

#[test]
fn spans_cover_the_term_and_the_field() {
    let text = "x -größe:(\"a b\" OR >5)  status:500";
    let mut places = Vec::new();
    let mut open = vec![parse(text).expect("valid")];
    while let Some(filter) = open.pop() {
        match filter {
            Filter::All => {}
            Filter::And(many) | Filter::Or(many) => open.extend(many.into_iter().rev()),
            Filter::Not(inner) => open.push(*inner),
            Filter::Leaf(leaf) => {
                places.push((leaf.field.map(|field| &text[field.span]), &text[leaf.span]));
            }
        }
    }
    assert_eq!(
        places,
        [
            (None, "x"),
            (Some("größe"), "\"a b\""),
            (Some("größe"), ">5"),
            (Some("status"), "status:500"),
        ]
    );
}

/// Texts that look like queries.
fn queries() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => prop::sample::select(vec![
            " ", " ", " ", "a", "bc", "é", "0", "1.5", ":", "\"", "(", ")", "/", "\\", "-", "*",
            "~", ">", "<", "=", "AND", "OR", "NOT", " AND ", " OR ", " NOT ", "a:", "x.y:", "b:(",
            ":/", "/ ", "~\"", "\" ", "{", "@", "::", "://", "日", "==", "a==", ":[", " TO ", "]",
            "}", "[1 TO 2}", ":10.0.0.0/8", "*",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,3}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn check_syntax(filter: &Filter) {
    let check_members = |members: &[Filter]| {
        assert!(members.len() > 1, "P2");
        members.iter().for_each(check_syntax);
    };
    match filter {
        Filter::And(all) => {
            assert!(!all.iter().any(|member| matches!(member, Filter::And(_))), "P2");
            check_members(all);
        }
        Filter::Or(any) => {
            assert!(!any.iter().any(|member| matches!(member, Filter::Or(_))), "P2");
            check_members(any);
        }
        Filter::Not(inner) => {
            assert!(!matches!(**inner, Filter::Not(_)), "P2");
            check_syntax(inner);
        }
        Filter::All | Filter::Leaf(_) => {}
    }
}

fn check(text: &str) -> Result<(), TestCaseError> {
    match parse(text) {
        Err(e) => prop_assert!(text.get(e.span.clone()).is_some(), "{}: {:?}", text, e),
        Ok(filter) => {
            check_syntax(&filter);
            let written = filter.to_string();
            let again = parse(&written);
            let again = again.map_err(|e| TestCaseError::fail(format!("{written}: {e}")))?;
            prop_assert_eq!(show(&again), show(&filter), "{}", written);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_is_a_query_or_an_error(text in "\\PC{0,40}") {
        check(&text)?;
    }

    #[test]
    fn a_written_query_has_the_syntax_it_was_written_from(text in queries()) {
        check(&text)?;
    }
}
