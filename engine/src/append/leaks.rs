//! Secrets that once got through the door, and ordinary data that it once destroyed.

use super::tests::{message, of_field};
use crate::event::Kind;

/// What must not be left of a text; all but the word `hunter2` is harmless.
fn hides(texts: &[&str]) {
    for text in texts {
        assert!(text.contains("hunter2"), "{text}");
        let stored = message(text);
        assert!(!stored.contains("hunter2"), "{text} became {stored}");
        assert_eq!(message(&stored), stored, "again");
        // As one string of a list, in which it is escaped once more.
        let list = serde_json::to_string(&[text]).expect("text");
        let stored = of_field("list", Kind::Json, &list).1;
        assert!(!stored.contains("hunter2"), "{list} became {stored}");
        let inside = message(&list);
        assert!(!inside.contains("hunter2"), "{list} became {inside}");
    }
}

fn keeps(texts: &[&str]) {
    for text in texts {
        assert_eq!(message(text), *text);
    }
}

#[test]
fn json_in_json_in_json_is_read() {
    hides(&[
        r#"{\"password\":\"hunter2\"}"#,
        r#"{\\\"password\\\":\\\"hunter2\\\",\\\"x\\\":1}"#,
        r#"{\\\\\\\"password\\\\\\\":\\\\\\\"hunter2\\\\\\\"}"#,
        r#"{\"password\":\"a\\\"hunter2\"}"#,
        r"{\u0022password\u0022:\u0022hunter2\u0022}",
        "{&quot;password&quot;:&quot;hunter2&quot;}",
    ]);
    let text = r#"{\"password\":\"a\\\"b\",\"user\":\"bob\"}"#;
    assert_eq!(message(text), r#"{\"password\":\"[redacted:password]\",\"user\":\"bob\"}"#);
}

#[test]
fn addresses_within_addresses_are_read() {
    hides(&[
        "GET /x?redirect=%2Fy%3Faccess_token%3Dhunter2%26x%3D1",
        "/x?to=%252Fy%253Faccess_token%253Dhunter2",
        "password%3Dhunter2%26user%3Dbob",
        "%7B%22password%22%3A%22hunter2%22%7D",
    ]);
    let text = "a=%3Fpassword%3Dx%26user%3Dbob&b=1";
    assert_eq!(message(text), "a=%3Fpassword%3D[redacted:password]%26user%3Dbob&b=1");
    assert_eq!(message("?password=a%26b&x"), "?password=[redacted:password]&x");
}

#[test]
fn lists_and_objects_under_a_secret_key_go_as_a_whole() {
    hides(&[
        r#"{"token":["a","hunter2"],"x":1}"#,
        r#"{"password":{"value":"hunter2"}}"#,
        r#"{"password":{"a":[{"b":"]}hunter2"}]}}"#,
        "{authorization: [ 'hunter2' ], x: 1}",
        "{ 'set-cookie': [ 'sid=hunter2; Path=/' ] }",
        "headers={cookie=[a=b; c=hunter2], host=[x]}",
        "password=[hunter2]",
        "password={hunter2}",
        r#"{"token":["cut","hunter2"#,
    ]);
    assert_eq!(message("cookie=[a=b; c=d], h=[x]"), "cookie=[redacted:cookie], h=[x]");
    keeps(&["\"token\":[]", "unexpected token: { at 3", "unexpected token: [ a"]);
}

#[test]
fn names_beside_their_values_are_read() {
    hides(&[
        r#"{"name":"password","value":"hunter2"}"#,
        r#"{"name": "DB_PASSWORD", "value": "hunter2"}"#,
        r#"{\"name\":\"password\",\"value\":\"hunter2\"}"#,
        r#"<add key="Password" value="hunter2"/>"#,
        r#"<password type="x">hunter2</password>"#,
        "<wsse:Password>hunter2</wsse:Password>",
        r#"<wsse:Password Type="text">hunter2</wsse:Password>"#,
        "-storepassword hunter2",
        "--password  hunter2",
    ]);
    keeps(&["<password/>hunter2", r#"<password a="b"/> x"#, "--password --other"]);
}

#[test]
fn schemes_of_authorization_stand_in_many_ways() {
    hides(&[
        "authorization: bearer\thunter2",
        "Authorization: Bearer: hunter2",
        "Authorization: Bearer   hunter2",
        "sent Bearer  hunter2hunter2",
        "sent bearer\thunter2hunter2",
        "bearer=hunter2hunter2",
        "bearer: hunter2hunter2",
        "token=Bearer hunter2",
        "X-Auth-Token: Bearer hunter2",
        "Authorization: SSWS 00hunter2",
        "Authorization: ApiKey-v1 hunter2hunter2",
        "cookie=a=1; b=hunter2",
    ]);
    // Of `user:hunter2`, wherever it stands.
    for text in ["auth: Basic dXNlcjpodW50ZXIy", "Basic  dXNlcjpodW50ZXIy"] {
        assert!(message(text).ends_with(" [redacted:authorization]"), "{text}");
    }
    keeps(&["Basic authentication", "basic information about x", "a bearer, authenticated"]);
}

#[test]
fn headers_and_long_words_are_no_prose() {
    hides(&[
        "X-Api-Key: hunterhunterhunter2",
        "x-auth-token: hunter2",
        "token: abcdefghijklmnop_hunter2",
        r#"{"cvv": 123, "password": "hunter2"}"#,
    ]);
    assert_eq!(message("X-API-KEY: ABCDEFGH"), "X-API-KEY: [redacted:api_key]");
    let long = "token: abcdefghijklmnopqrstuvwxyz";
    assert_eq!(message(long), "token: [redacted:token]");
    assert_eq!(message("cvv=123"), "cvv=[redacted:card]");
    keeps(&["api_key: sekretvalue", "unexpected token: org.example.tokens.Comma"]);
}

#[test]
fn keys_of_joined_words_count() {
    hides(&[
        "PGPASSWORD=hunter2 psql",
        "adminpassword=hunter2",
        "usertoken=hunter2",
        "mysecret=hunter2",
        "authkey=hunter2",
        "creds=hunter2",
    ]);
    keeps(&["nextpagetoken=x pagetoken=y", "tokens=5 secretary=x passwords_seen=", "cookies_ok"]);
}

#[test]
fn the_letter_of_an_escape_is_no_part_of_the_key() {
    hides(&[r"GET /\r\npassword: hunter2", r"a\nauthorization: Basic hunter2", r"\ttoken=hunter2"]);
}

#[test]
fn names_of_objects_are_no_tokens() {
    keeps(&[
        "Window{token=Token{78af589 ActivityRecord{18e8bb2 u0 com.x/.Y t12}}}",
        "appToken=AppWindowToken{a1b2 token=Token{c3d4 ActivityRecord{e5}}}",
        "token=android.os.BinderProxy@a1b2c3d, x",
        "token=null mToken=Token{1}",
    ]);
    assert_eq!(message("token=Token{hunter2 x}"), "token=[redacted:token] x}");
    assert_eq!(message("token=abc@1234"), "token=[redacted:token]");
    assert_eq!(message("password=Abc@1234"), "password=[redacted:password]");
}

#[test]
fn verdicts_about_passwords_stay() {
    keeps(&[
        "password: required",
        "password: must be at least 8 characters",
        "Password: invalid, try again",
        "password_changed=true password.length=8",
        "tokens used: 12, author: bob1234567",
    ]);
}

#[test]
fn a_marker_in_an_address_stays_whole() {
    let text = "https://ghp_012345678901234567890123456789012345@github.com";
    assert_eq!(message(text), "https://[redacted:github_token]@github.com");
    assert_eq!(message("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."), "[redacted:jwt]");
}
