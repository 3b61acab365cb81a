//! Secrets that an earlier door let through, and ordinary text that it destroyed. In each text below
//! the secret is a word that begins with `hunter2`.

use super::tests::{JWT, message, of_field, redacted, scan};
use crate::event::Kind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Texts whose secret must not be there any more.
fn hidden(texts: &[&str]) {
    for text in texts {
        let after = message(text);
        assert!(!after.contains("hunter2"), "{text}\n{after}");
        assert!(after.contains("[redacted:"), "{text}\n{after}");
        assert_eq!(scan(after.as_bytes()), None, "twice: {after}");
    }
}

fn kept(texts: &[&str]) {
    for text in texts {
        assert_eq!(message(text), *text);
    }
}

#[test]
fn values_with_a_type_around_their_quotes() {
    hidden(&[
        "config: Config { password: Some(\"hunter2\"), x: 1 }",
        "token: Some(\"hunter2ab\")",
        "password=SecretStr('hunter2')",
        "secret=Secret(String(\"hunter2\"))",
        "{'password': b'hunter2'}",
        "{u'password': u'hunter2'}",
        "password=$'hunter2'",
        "db.password = @\"hunter2\";",
    ]);
    assert_eq!(
        message("p: Some(1), password: Some(\"a b\"), x: 1"),
        "p: Some(1), password: Some(\"[redacted:password]\"), x: 1"
    );
}

#[test]
fn values_in_quotes_of_every_kind() {
    hidden(&[
        r#"{\"password\":\"a\\\"hunter2\",\"x\":1}"#,
        r#"{\\\"password\\\":\\\"hunter2\\\",\\\"x\\\":1}"#,
        r#"{\\\"password\\\":\\\"a\\\\\\\"hunter2\\\"}"#,
        "password='a''hunter2'",
        "password = \"\"\"hunter2\"\"\"",
        "\"{\"\"password\"\":\"\"hunter2\"\"}\"",
        "&quot;password&quot;:&quot;hunter2&quot;",
        r"\u0022password\u0022:\u0022hunter2\u0022",
        "--token  hunter2",
        "--password \"a hunter2\"",
    ]);
    assert_eq!(
        message(r#"\"password\":\"a\\\"b\",\"x\":1"#),
        r#"\"password\":\"[redacted:password]\",\"x\":1"#
    );
    kept(&["password=\"\", user='a'", "password=\"\". Then", "password='' and ''"]);
}

#[test]
fn a_key_in_pem_as_the_value_of_a_pair() {
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nhunter2\nhunter2\n-----END RSA PRIVATE KEY-----";
    hidden(&[
        &format!("private_key={pem}"),
        &format!("SECRET_KEY={pem} x"),
        &format!("password={}", pem.replace('\n', "\\n")),
        &format!("token={}", &pem[..45]),
        &pem.replace(' ', "%20").replace('\n', "%0A"),
        &pem.replace(' ', "+"),
        "client-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQphunter2=",
        "data: LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCghunter2==",
        "data: LS0tLS1CRUdJTiBPUEVOU1NIIFBSSVZBVEUgS0VZLS0tLS0Khunter2",
    ]);
    kept(&["ca: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJ"]);
}

#[test]
fn authorization_with_any_scheme() {
    hidden(&[
        "token=Bearer hunter2",
        "X-Auth-Token=Bearer hunter2a",
        "secret=Basic hunter2",
        "Authorization: Token token=\"hunter2\"",
        "Authorization: Digest username=\"Mufasa\", realm=\"r\", response=\"hunter2\"",
        "'Authorization: OAuth oauth_token=\"a\", oauth_signature=\"hunter2\"'",
        "Authorization: AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host;date, Signature=hunter2",
        "Authorization: Splunk hunter2abc",
        "authorization=Custom hunter2abc",
        "Authorization: Bearer \"hunter2\"",
    ]);
    assert_eq!(
        message("curl -H \"Authorization: Basic dXNlcjpwYXM=\" -H \"Accept: x\""),
        "curl -H \"Authorization: Basic [redacted:authorization]\" -H \"Accept: x\""
    );
    kept(&["Authorization: required for this user"]);
}

#[test]
fn bearers_with_odd_spacing() {
    hidden(&[
        "Bearer   hunter2abc",
        "Bearer\thunter2abc",
        "Bearer%20hunter2abc",
        "Bearer+hunter2abc",
        "bearer: hunter2abc",
        "bearer=hunter2abc",
        "Bearer \"hunter2abc\"",
        "access_token=Bearer%20hunter2abc",
    ]);
    kept(&[
        "WWW-Authenticate: Bearer realm=\"example\", error=\"invalid_token\"",
        "the bearer of bad news",
        "bearer: authentication",
    ]);
}

#[test]
fn tokens_of_five_parts() {
    let head = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0";
    for token in [format!("{head}..hunter2.hunter2.hunter2"), format!("{head}.a.b.hunter2.hunter2")]
    {
        assert_eq!(message(&format!("a {token}, b")), "a [redacted:jwt], b");
    }
    kept(&["eyJabcdefghij. Then, eyJabcdefghij..."]);
}

#[test]
fn keys_in_one_word() {
    hidden(&[
        "PGPASSWORD=hunter2 psql",
        "rootpassword: hunter2",
        "bearertoken=hunter2",
        "customeraccountpassword=hunter2",
        "mail_pass=hunter2",
    ]);
    kept(&[
        "max_token=512 password_changed=true tokens used: 12 author=x",
        "user ALL=(ALL) NOPASSWD: ALL",
        "cookie_domain=example.org token_lifetime=3600 nexttoken=abc123456",
    ]);
}

#[test]
fn values_in_brackets() {
    hidden(&[
        "map[Cookie:[sid=hunter2 b=c] X-Api-Key:[hunter2abc]]",
        "{Cookie=[sid=hunter2], X-Api-Key=[hunter2]}",
        "cookies={sid=hunter2, b=c}",
        "{\"credentials\":{\"user\":\"u\",\"x\":{\"y\":\"hunter2\"}},\"n\":1}",
        "{\"cookies\":[\"a=hunter2\",\"]hunter2\"]}",
        r#"{\"token\":{\"value\":\"hunter2\"}}"#,
        "password=[hunter2",
        "password[]=hunter2",
        "passwords[0]=hunter2",
    ]);
    assert_eq!(
        message("{\"credentials\":{\"user\":\"u\"},\"n\":1}"),
        "{\"credentials\":{\"[redacted:credentials]\"},\"n\":1}"
    );
    kept(&[
        "Unexpected token: { in line 7",
        "unexpected token: [",
        "password={} token={0} secret={name}",
        "\"credentials\":{}, \"cookies\":[]",
    ]);
}

#[test]
fn pairs_in_urls() {
    hidden(&[
        "user%5Bpassword%5D=hunter2&x=1",
        "q=password%3Dhunter2%26x%3D1",
        "body=%7B%22password%22%3A%22hunter2%22%2C%22x%22%3A1%7D",
        "url=mysql%3A%2F%2Fu%3Ahunter2%40h%2Fdb",
        "a\\ntoken=hunter2",
    ]);
    assert_eq!(message("q=password%3Dabc%26x%3D1"), "q=password%3D[redacted:password]%26x%3D1");
    kept(&["next=https%3A%2F%2Fh%3A80%2Fp%3Fmail%3Da%40b&x"]);
}

#[test]
fn elements_of_xml() {
    hidden(&[
        "<wsse:Password Type=\"http://x#PasswordText\">hunter2</wsse:Password>",
        "<ns:password>hunter2</ns:password>",
        "<password><![CDATA[hunter2]]></password>",
        "&lt;password&gt;hunter2&lt;/password&gt;",
        "<password>hunter2",
        "<property name=\"password\" value=\"hunter2\"/>",
        "<add key='ApiKey' value='hunter2'/>",
    ]);
    kept(&[
        "usage: login <password> <token>",
        "usage: login <token> to log in",
        "<token/> <password name=\"x\"/>text",
    ]);
}

#[test]
fn values_beside_their_names() {
    hidden(&[
        "{\"name\":\"DB_PASSWORD\",\"value\":\"hunter2\"}",
        "{\"name\": \"DB_PASSWORD\",\n    \"value\": \"hunter2\"}",
        "{\"key\":\"password\",\"value\":{\"stringValue\":\"hunter2\"}}",
    ]);
    for (json, expected) in [
        (
            r#"[{"name":"DB_PASSWORD","value":"x","n":"y"},{"value":"z"}]"#,
            r#"[{"name":"DB_PASSWORD","value":"[redacted:password]","n":"y"},{"value":"z"}]"#,
        ),
        (
            r#"[{"key":"token","value":{"stringValue":"x"}}]"#,
            r#"[{"key":"token","value":{"stringValue":"[redacted:token]"}}]"#,
        ),
        (
            r#"[{"name":"Cookie","meta":{"name":"x"},"value":"a"}]"#,
            r#"[{"name":"Cookie","meta":{"name":"x"},"value":"[redacted:cookie]"}]"#,
        ),
    ] {
        assert_eq!(of_field("env", Kind::Json, json).1, expected);
    }
    for json in [
        r#"[{"name":"token_count","value":"5"},{"name":"a","value":"b"}]"#,
        r#"[{"name":"a new password was set","value":"b"}]"#,
        r#"[{"title":"password","value":"b"}]"#,
    ] {
        assert_eq!(of_field("env", Kind::Json, json).1, json);
    }
}

#[test]
fn secrets_in_names() {
    let github = "ghp_0123456789abcdefABCDEF0123456789abcd";
    let key = format!("[{{\"{github}\":1,\"a\\n{github}\":2}}]");
    assert_eq!(
        of_field("list", Kind::Json, &key).1,
        "[{\"[redacted:github_token]\":1,\"a\\n[redacted:github_token]\":2}]"
    );
    let number = (Kind::Number, &b"1"[..]);
    let jwt = format!("sessions.{}.age", JWT.replace('.', "\\."));
    let other = github.replace("01", "10");
    let fields: Vec<_> = [github, &jwt, &other, "[redacted:github_token]"]
        .into_iter()
        .chain(["4111 1111 1111 1111", "x.password=hunter2", "password.count"])
        .map(|name| (name, number.0, number.1))
        .collect();
    let names: Vec<_> = redacted(&fields).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(
        names,
        [
            "[redacted:github_token]\x001",
            "sessions.[redacted:jwt].age",
            "[redacted:github_token]\x002",
            "[redacted:github_token]",
            "[redacted:card]",
            "x.password=[redacted:password]",
            "password.count",
        ]
    );
}

#[test]
fn secrets_in_base64() {
    let marked = STANDARD.encode(b"password=[redacted:password] \xff");
    let sent = STANDARD.encode(b"password=hunter2 \xff");
    assert_eq!(of_field("message_base64", Kind::String, &sent).1, marked);
    assert_eq!(of_field("message_base64\x001", Kind::String, &sent).1, marked);
    let json = format!("{{\"message_base64\":\"{sent}\",\"m\":1}}");
    let expected = format!("{{\"message_base64\":\"{marked}\",\"m\":1}}");
    assert_eq!(of_field("\0as_sent", Kind::Json, &json).1, expected);
    for plain in [STANDARD.encode(b"nothing \xff"), "not base64".into()] {
        assert_eq!(of_field("message_base64", Kind::String, &plain).1, plain);
    }
    assert_eq!(
        of_field("message_base64", Kind::String, "password=abc").1,
        "password=[redacted:password]"
    );
}

#[test]
fn names_of_objects_and_parse_errors_stay() {
    kept(&[
        "token=Token{78af589 ActivityRecord{21e016 u0 com.tencent.qt.qtl/.Login t761}}",
        "token=android.os.BinderProxy@5e1c96b, x",
        "Unexpected token: \"}\"",
    ]);
    hidden(&["token=hunter2@5e1c96b", "password=Ab.Hunter@hunter2", "secret=Token{hunter2}"]);
}
