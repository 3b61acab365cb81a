use super::anchors::Anchors;
use super::text::{self, Scratch};
use super::*;
use crate::batch::BatchBuilder;
use crate::event::Kind;
use crate::limits::Limits;
use crate::timestamp::Timestamp;
use proptest::prelude::*;

pub(super) const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";

/// One event with these fields, through the door.
pub(super) fn redacted(fields: &[(&str, Kind, &[u8])]) -> Vec<(String, Kind, Vec<u8>)> {
    let mut builder = BatchBuilder::new(&Limits::default(), Timestamp(0));
    let mut event = builder.event();
    for (name, kind, text) in fields {
        event.field(name, *kind, text);
    }
    event.finish().unwrap();
    let redacted = Redacted::new(builder.build(), &Redactor::new(Rules::default()));
    redacted.batch().check_invariants();
    let columns = &redacted.batch().parts[0].rows.columns;
    let field = |column: &crate::batch::RowColumn| {
        let value = column.value(0);
        (column.name.to_string(), value.kind, value.text.to_vec())
    };
    columns.iter().map(field).collect()
}

pub(super) fn of_field(name: &str, kind: Kind, text: &str) -> (Kind, String) {
    let [(_, kind, text)] = &*redacted(&[(name, kind, text.as_bytes())]) else {
        panic!("one field")
    };
    (*kind, String::from_utf8(text.clone()).unwrap())
}

pub(super) fn message(text: &str) -> String {
    of_field("message", Kind::String, text).1
}

pub(super) fn scan(text: &[u8]) -> Option<Vec<u8>> {
    let rules = Rules::default();
    text::redact(text, &Anchors::new(rules), rules, &mut Scratch::default(), |_| {})
}

#[test]
fn pairs_in_texts() {
    for (text, expected) in [
        ("login password=hunter2 ok", "login password=[redacted:password] ok"),
        ("PASSWORD = hunter2", "PASSWORD = [redacted:password]"),
        ("pwd: a", "pwd: [redacted:password]"),
        ("{\"password\":\"a b\\\"c\",\"x\":1}", "{\"password\":\"[redacted:password]\",\"x\":1}"),
        (r#"\"password\":\"abc\",\"y\":2"#, r#"\"password\":\"[redacted:password]\",\"y\":2"#),
        ("'apiKey' => 'k'", "'apiKey' => '[redacted:api_key]'"),
        ("?api_key=abc&x=1", "?api_key=[redacted:api_key]&x=1"),
        ("user[password]=x&y=1", "user[password]=[redacted:password]&y=1"),
        ("run --db-password s3cret --x", "run --db-password [redacted:password] --x"),
        ("<password>abc</password>", "<password>[redacted:password]</password>"),
        ("(token=abc)", "(token=[redacted:token])"),
        ("token: 0123456789", "token: [redacted:token]"),
        ("Server=a;Password=b;X=c", "Server=a;Password=[redacted:password];X=c"),
        ("client_secret=a\\nnext", "client_secret=[redacted:secret]\\nnext"),
        ("api key: abcdefg1", "api key: [redacted:api_key]"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [redacted:authorization]"),
        (
            "Authorization: Basic dTpw\r\nHost: x",
            "Authorization: Basic [redacted:authorization]\r\nHost: x",
        ),
        (
            "\"authorization\":\"Bearer abc\"",
            "\"authorization\":\"Bearer [redacted:authorization]\"",
        ),
        (
            "authorization: Digest a=\"b\", c=\"d\"",
            "authorization: Digest [redacted:authorization]",
        ),
        ("-H 'Cookie: a=1; b=2' x", "-H 'Cookie: [redacted:cookie]' x"),
        ("Set-Cookie: sid=abc; Path=/\nX", "Set-Cookie: [redacted:cookie]\nX"),
    ] {
        assert_eq!(message(text), expected, "{text}");
        assert_eq!(message(expected), expected, "again");
    }
}

#[test]
fn shapes_in_texts() {
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----";
    for (text, expected) in [
        ("got Bearer abcdef12345.", "got Bearer [redacted:authorization]".to_owned()),
        (
            "to postgres://u:p%40w@db:5432/x?y",
            "to postgres://u:[redacted:uri_password]@db:5432/x?y".into(),
        ),
        ("redis://:pw@h", "redis://:[redacted:uri_password]@h".into()),
        ("amqp://u:p/w#@h/v", "amqp://u:[redacted:uri_password]@h/v".into()),
        ("id AKIAIOSFODNN7EXAMPLE.", "id [redacted:aws_key].".into()),
        (&format!("jwt {JWT}, x"), "jwt [redacted:jwt], x".into()),
        (&format!("\\n{JWT}"), "\\n[redacted:jwt]".into()),
        (&format!("key {pem} end"), "key [redacted:private_key] end".into()),
        (&pem.replace('\n', "\\n"), "[redacted:private_key]".into()),
        (&pem[..40], "[redacted:private_key]".into()),
        ("ghp_0123456789abcdefABCDEF0123456789abcd", "[redacted:github_token]".into()),
        ("github_pat_0123456789abcdefABCDEF_0", "[redacted:github_token]".into()),
        ("xoxb-123456789012-abcdef", "[redacted:slack_token]".into()),
        ("AIzaSyA0123456789abcdefghijklmnopqrstuv", "[redacted:google_key]".into()),
        ("sk_live_0123456789abcdef", "[redacted:stripe_key]".into()),
        ("paid 4111 1111 1111 1111 now", "paid [redacted:card] now".into()),
    ] {
        assert_eq!(message(text), expected, "{text}");
        assert_eq!(message(&expected), expected, "again");
    }
}

#[test]
fn prose_and_ids_stay() {
    for text in [
        "Failed password for root from 1.2.3.4 port 22",
        "unexpected token: comma",
        "token == null",
        "std::token::Foo",
        "password=",
        "password=null",
        "password: ****",
        "primary_key=7 token_count=5 password_changed_at=2020 author=x",
        "the bearer of news, bearer authentication",
        "http://host:80/path@x http://[::1]:80/ http://u@h",
        "Asia and Akia, eyJ and eyJabc.def",
        "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----",
        "ghp_short xoxo-kisses AIza sk_live_ cookie: a",
        "blk_4939101994162863442 at 1700000000000000000",
        "550e8400-e29b-41d4-a716-446655440000",
    ] {
        assert_eq!(message(text), text);
    }
}

#[test]
fn fields_go_by_their_keys() {
    let marker = |rule: &str| (Kind::String, format!("[redacted:{rule}]"));
    assert_eq!(of_field("user.password", Kind::String, "x"), marker("password"));
    assert_eq!(of_field("access_token", Kind::Number, "12"), marker("token"));
    assert_eq!(of_field("cookies", Kind::Json, "[\"a\"]"), marker("cookie"));
    assert_eq!(of_field("password\x001", Kind::String, "x"), marker("password"));
    for (kind, text) in [(Kind::Bool, "true"), (Kind::Null, "null"), (Kind::Json, "[ ]")] {
        assert_eq!(of_field("password", kind, text), (kind, text.to_owned()));
    }
    assert_eq!(of_field("token_count", Kind::Number, "12"), (Kind::Number, "12".to_owned()));
    assert_eq!(of_field("card_number", Kind::Number, "4111111111111111"), marker("card"));
    let number = (Kind::Number, "4111111111111111".to_owned());
    assert_eq!(of_field("amount", Kind::Number, &number.1), number);
    assert_eq!(of_field("order_id", Kind::String, &number.1).1, number.1);
    assert_eq!(of_field("order", Kind::String, &number.1), marker("card"));
}

#[test]
fn keys_and_strings_inside_json() {
    for (json, expected) in [
        (r#"[{"password":"x","n":1}]"#, r#"[{"password":"[redacted:password]","n":1}]"#),
        (r#"[{"p\u0061ssword" : "x"}]"#, r#"[{"p\u0061ssword" : "[redacted:password]"}]"#),
        (
            r#"[{"token":{"a":1,"b":true,"count":5}}]"#,
            r#"[{"token":{"a":"[redacted:token]","b":true,"count":5}}]"#,
        ),
        (r#"[{"secret":["a",{"b":[1]}],"c":"d"}]"#, r#"[{"secret":"[redacted:secret]","c":"d"}]"#),
        (r#"["a\n password=x"]"#, r#"["a\n password=[redacted:password]"]"#),
        (r#"["http:\/\/u:p@h"]"#, r#"["http://u:[redacted:uri_password]@h"]"#),
        (
            r#"[{"card":4111111111111111,"n":4111111111111111}]"#,
            r#"[{"card":"[redacted:card]","n":4111111111111111}]"#,
        ),
        (r#"["4111111111111111"]"#, r#"["[redacted:card]"]"#),
        (r#"[{"secret":[1,"#, r#"[{"secret":"[redacted:secret]""#),
    ] {
        assert_eq!(of_field("list", Kind::Json, json), (Kind::Json, expected.to_owned()), "{json}");
        assert_eq!(of_field("list", Kind::Json, expected).1, expected, "again");
    }
    for json in [r#"[{"author":"x","tokens":5}, [], {}]"#, "]]}}", r#"{"a":"#, "[\"\\ud800\"]"] {
        assert_eq!(of_field("list", Kind::Json, json).1, json);
    }
}

#[test]
fn a_match_never_spans_two_values() {
    let mut builder = BatchBuilder::new(&Limits::default(), Timestamp(0));
    let values = ["pass", "word=x", "411111111", "1111111", "4111111111111111", "", "token=a", "b"];
    for value in values {
        let mut event = builder.event();
        event.field("f", Kind::String, value.as_bytes());
        event.finish().unwrap();
    }
    let redactor = Redactor::new(Rules::default());
    let redacted = Redacted::new(builder.build(), &redactor);
    let column = &redacted.batch().parts[0].rows.columns[0];
    let after: Vec<_> = (0..values.len()).map(|index| column.value(index).text).collect();
    let expected: [&[u8]; 8] = [
        b"pass",
        b"word=x",
        b"411111111",
        b"1111111",
        b"[redacted:card]",
        b"",
        b"token=[redacted:token]",
        b"b",
    ];
    assert_eq!(after, expected);
    let hits: Vec<_> = redactor.hits().into_iter().filter(|(_, hits)| *hits > 0).collect();
    assert_eq!(hits, [(Rule::Token, 1), (Rule::Card, 1)]);
}

#[test]
fn rules_can_be_switched_off() {
    for rule in Rule::ALL {
        assert_eq!(Rule::from_name(rule.name()), Some(rule));
        assert!(!Rules::default().without(rule).is_on(rule));
    }
    let rules = Rules::default().without(Rule::Password);
    let text = b"password=x token=y";
    let after = text::redact(text, &Anchors::new(rules), rules, &mut Scratch::default(), |_| {});
    assert_eq!(after.as_deref(), Some(&b"password=x token=[redacted:token]"[..]));
}

/// Texts that repeat a piece end in time linear in their length: a test that takes minutes fails.
#[test]
fn repeated_pieces_are_read_a_few_times_only() {
    for piece in [
        "token:",
        "token=[redacted:jwt]",
        "cookie: ",
        "eyJ",
        "eyJaaaaaaaaaa.",
        "a://b:c",
        "a://b:",
        "-----BEGIN ",
        "ghp_",
        "AKIA",
        "xoxb-",
        "\"token\":\"",
        "\\\"token\\\":\\\"",
        "4111 ",
        "41-",
        "bearer ",
        "Authorization: ",
        "password",
        "<token>",
        "--secret ",
        "token=`[redacted:jwt]",
        "token=[",
        "token: [",
        "token=[[redacted:jwt]",
        "\"token\":{\"",
        "token%3D{",
        "token: {",
        "&lt;token&gt; ",
        "<token a ",
        "<password><![CDATA[",
        "\"password\",\"value\":",
        "token=\"\"a",
        "token='''",
        "token=\\\\",
        "\\\"",
        "Authorization: a b=\"",
        "Authorization: Digest a=b, ",
        "authorization=x y1234567 ",
        "cookie=a=1; ",
        "token=a(",
        "token=Token{",
        "x%3A%2F%2Fa%3A",
        "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVkt",
        "%204111",
    ] {
        let text = piece.repeat(500_000 / piece.len());
        scan(text.as_bytes());
    }
}

/// Pieces of which texts are made that come near to every rule.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "password",
            "token",
            "secret",
            "cookie",
            "Authorization",
            "api_key",
            "bearer ",
            "Basic ",
            "=",
            ":",
            ": ",
            "\"",
            "'",
            "\\\"",
            " ",
            ",",
            "&",
            "]",
            "[",
            "[redacted:",
            "[redacted:jwt]",
            "eyJhbGciOiJIUzI1NiJ9",
            ".",
            "a1b2c3d4e5",
            "://",
            "http://u:p@h",
            "@",
            "/",
            "AKIAIOSFODNN7EXAMPLE",
            "ghp_0123456789abcdefABCDEF0123",
            "xoxb-0123456789ab",
            "4111111111111111",
            "4111 1111 1111 1111",
            "-----BEGIN PRIVATE KEY-----",
            "-----END PRIVATE KEY-----",
            "-----",
            "\n",
            "\\n",
            "<",
            ">",
            "--",
            "{",
            "}",
            "(",
            ")",
            "\\",
            "\\\\\"",
            "\"\"",
            "'''",
            "%22",
            "%3D",
            "%3A%2F%2F",
            "%40",
            "&quot;",
            "&lt;",
            "&gt;",
            "</",
            "<![CDATA[",
            "value",
            "; ",
            "a=1",
            "Some",
            "b'",
            "Token{12ab ",
        ])
        .prop_map(str::to_owned),
        "[a-z0-9]{1,12}",
    ]
}

fn pieces() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn twice_is_once(text in pieces()) {
        if let Some(once) = scan(text.as_bytes()) {
            prop_assert_eq!(scan(&once), None, "{}", String::from_utf8_lossy(&once));
        }
    }

    #[test]
    fn any_bytes_pass(text: Vec<u8>, before in pieces(), json in pieces()) {
        scan(&[before.as_bytes(), &text].concat());
        redacted(&[("a", Kind::Json, &[json.as_bytes(), &text].concat())]);
        fuzz(&text);
    }

    #[test]
    fn twice_is_once_in_names_and_json(text in pieces()) {
        fuzz(text.as_bytes());
    }

    #[test]
    fn texts_without_anchors_stay(
        fields in prop::collection::vec(("[b-d]{1,2}", "[a-d ,:=\"{}\\[\\]é@/-]{0,40}"), 1..6),
    ) {
        let fields: Vec<_> =
            fields.iter().filter(|(_, text)| !text.contains("://")).collect();
        let sent: Vec<_> =
            fields.iter().map(|(name, text)| (&**name, Kind::String, text.as_bytes())).collect();
        let stored = redacted(&sent);
        prop_assert_eq!(stored.len(), sent.len());
        for (_, _, text) in stored {
            prop_assert!(sent.iter().any(|(_, _, sent)| *sent == text));
        }
    }

    /// The searcher of columns and that of single values agree.
    #[test]
    fn a_column_is_its_values(texts in prop::collection::vec(pieces(), 1..8)) {
        let mut builder = BatchBuilder::new(&Limits::default(), Timestamp(0));
        for text in &texts {
            let mut event = builder.event();
            event.field("message", Kind::String, text.as_bytes());
            event.finish().unwrap();
        }
        let redacted = Redacted::new(builder.build(), &Redactor::new(Rules::default()));
        let column = &redacted.batch().parts[0].rows.columns[0];
        for (index, text) in texts.iter().enumerate() {
            let alone = scan(text.as_bytes()).unwrap_or_else(|| text.clone().into_bytes());
            prop_assert_eq!(column.value(index).text, &*alone);
        }
    }
}
