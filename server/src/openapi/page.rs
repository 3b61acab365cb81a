//! The document as a page for people: no script, nothing from elsewhere.

use serde_json::{Map, Value};
use std::fmt::Write as _;

/// How the page looks.
pub(crate) const STYLE: &str = include_str!("style.css");

/// The methods of a path, in the order in which they are shown.
const METHODS: [&str; 3] = ["get", "post", "delete"];

/// An operation, where the document has it.
struct Shown<'a> {
    path: &'a str,
    method: &'a str,
    operation: &'a Value,
}

/// The page of a document.
pub(crate) fn page(document: &Value) -> String {
    let mut out = String::with_capacity(128 << 10);
    let info = &document["info"];
    let operations = operations(document);
    head(&mut out, info);
    index(&mut out, document, &operations);
    out.push_str("<main>\n");
    put(&mut out, format_args!("<p>{}</p>\n", prose(text(&info["description"]))));
    for tag in list(&document["tags"]) {
        let name = text(&tag["name"]);
        let about = prose(text(&tag["description"]));
        put(&mut out, format_args!("<h2 id=\"tag-{0}\">{0}</h2>\n<p>{about}</p>\n", escaped(name)));
        for shown in operations.iter().filter(|shown| is_of(shown, name)) {
            section(&mut out, document, shown);
        }
    }
    out.push_str("<h2 id=\"schemas\">schemas</h2>\n");
    for (name, schema) in members(&document["components"]["schemas"]) {
        component(&mut out, name, schema);
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn operations<'a>(document: &'a Value) -> Vec<Shown<'a>> {
    let of_path = |(path, item): (&'a String, &'a Value)| {
        METHODS
            .iter()
            .filter_map(move |method| Some(Shown { path, method, operation: item.get(*method)? }))
    };
    members(&document["paths"]).flat_map(of_path).collect()
}

fn is_of(shown: &Shown<'_>, tag: &str) -> bool {
    list(&shown.operation["tags"]).any(|name| name == tag)
}

fn head(out: &mut String, info: &Value) {
    let title = escaped(text(&info["title"]));
    let version = escaped(text(&info["version"]));
    put(
        out,
        format_args!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{title} {version}: API</title>\n\
             <link rel=\"stylesheet\" href=\"/docs/style.css\">\n</head>\n<body>\n\
             <header><h1>{title} <small>{version}</small></h1>\n\
             <p>{} <a href=\"/api/v1/openapi.json\">OpenAPI 3.1</a></p></header>\n",
            prose(text(&info["summary"]))
        ),
    );
}

fn index(out: &mut String, document: &Value, operations: &[Shown<'_>]) {
    out.push_str("<nav aria-label=\"Operations\"><details open><summary>Operations</summary>\n");
    for tag in list(&document["tags"]) {
        let name = text(&tag["name"]);
        put(out, format_args!("<p><a href=\"#tag-{0}\">{0}</a></p>\n<ul>\n", escaped(name)));
        for shown in operations.iter().filter(|shown| is_of(shown, name)) {
            let id = escaped(text(&shown.operation["operationId"]));
            let summary = escaped(text(&shown.operation["summary"]));
            let path = breakable(shown.path);
            put(
                out,
                format_args!(
                    "<li><a href=\"#{id}\" title=\"{summary}\"><b class=\"{0}\">{0}</b> {path}</a></li>\n",
                    shown.method
                ),
            );
        }
        out.push_str("</ul>\n");
    }
    out.push_str("<p><a href=\"#schemas\">schemas</a></p>\n</details></nav>\n");
}

fn section(out: &mut String, document: &Value, shown: &Shown<'_>) {
    let Shown { path, method, operation } = shown;
    let id = escaped(text(&operation["operationId"]));
    put(
        out,
        format_args!(
            "<section id=\"{id}\">\n<h3><a href=\"#{id}\"><b class=\"{method}\">{method}</b> \
             <code>{}</code></a></h3>\n<p><strong>{}.</strong> {}</p>\n",
            breakable(path),
            prose(text(&operation["summary"])),
            prose(text(&operation["description"]))
        ),
    );
    parameters(out, operation);
    body(out, &operation["requestBody"]);
    for sample in list(&operation["x-codeSamples"]) {
        put(out, format_args!("<pre><code>{}</code></pre>\n", escaped(text(&sample["source"]))));
    }
    answers(out, document, &operation["responses"]);
    out.push_str("</section>\n");
}

fn parameters(out: &mut String, operation: &Value) {
    if operation.get("parameters").is_none() {
        return;
    }
    let columns = ["parameter", "in", "takes", "default", "meaning"];
    table(out, &columns, list(&operation["parameters"]).map(|row| parameter(row, &row["schema"])));
}

fn parameter(row: &Value, schema: &Value) -> [String; 5] {
    let name = format!("<code>{}</code>", escaped(text(&row["name"])));
    let example = row.get("example").map(|value| {
        format!(" <span class=\"example\">Example: <code>{}</code></span>", escaped(&plain(value)))
    });
    let about = prose(text(&row["description"])) + &example.unwrap_or_default();
    [name, escaped(text(&row["in"])), kind(schema), default(schema), about]
}

fn default(schema: &Value) -> String {
    let value =
        schema.get("default").map(|value| format!("<code>{}</code>", escaped(&plain(value))));
    value.unwrap_or_default()
}

fn body(out: &mut String, body: &Value) {
    if body.is_null() {
        return;
    }
    put(out, format_args!("<h4>Body</h4>\n<p>{}</p>\n", prose(text(&body["description"]))));
    let kinds = members(&body["content"]).map(|(media_type, content)| {
        let schema = &content["schema"];
        let takes = match schema.get("properties") {
            Some(_) => "the parameters below".to_owned(),
            None => kind(schema),
        };
        [format!("<code>{}</code>", escaped(media_type)), takes, about_of(schema)]
    });
    table(out, &["type", "holds", "meaning"], kinds);
    let of_parameters =
        members(&body["content"]).find_map(|(_, content)| content["schema"].get("properties"));
    if let Some(properties) = of_parameters {
        table(out, &["member", "takes", "default", "meaning"], members(properties).map(property));
    }
}

fn property((name, schema): (&String, &Value)) -> [String; 4] {
    let name = format!("<code>{}</code>", escaped(name));
    [name, kind(schema), default(schema), about_of(schema)]
}

fn about_of(schema: &Value) -> String {
    prose(text(&schema["description"]))
}

fn answers(out: &mut String, document: &Value, responses: &Value) {
    let rows = members(responses).map(|(status, response)| {
        let response = resolved(document, response);
        let contents = members(&response["content"]).map(|(media_type, content)| {
            let schema = &content["schema"];
            format!("<code>{}</code> {} {}", escaped(media_type), kind(schema), about_of(schema))
        });
        let contents: Vec<String> = contents.collect();
        let headers = members(&response["headers"]).map(|(name, header)| {
            let about = prose(text(&header["description"]));
            format!("<br>Header <code>{}</code>: {about}", escaped(name))
        });
        let about = prose(text(&response["description"])) + &headers.collect::<String>();
        [escaped(status), about, contents.join("<br>")]
    });
    table(out, &["status", "meaning", "body"], rows);
}

/// The same, or what it refers to.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let target = value.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
    target.and_then(|path| document.pointer(path)).unwrap_or(value)
}

fn component(out: &mut String, name: &str, schema: &Value) {
    let name = escaped(name);
    put(
        out,
        format_args!(
            "<section id=\"schema-{name}\">\n<h3>{name}</h3>\n<p>{}</p>\n",
            about_of(schema)
        ),
    );
    match schema.get("properties") {
        Some(properties) => {
            let required: Vec<&Value> = list(&schema["required"]).collect();
            let rows = members(properties).map(|(name, schema)| {
                let always = required.iter().any(|required| *required == name);
                let [name, takes, _, about] = property((name, schema));
                [name, takes, if always { "always" } else { "" }.to_owned(), about]
            });
            table(out, &["member", "holds", "there", "meaning"], rows);
        }
        None => put(out, format_args!("<p>{}</p>\n", kind(schema))),
    }
    out.push_str("</section>\n");
}

/// What a schema holds, in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        let name = escaped(name);
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    let choices = ["oneOf", "anyOf", "allOf"].iter().find_map(|word| schema.get(*word));
    if let Some(choices) = choices {
        return list(choices).map(kind).collect::<Vec<_>>().join(" or ");
    }
    if let Some(word) = schema.get("const") {
        return format!("<code>{}</code>", escaped(&plain(word)));
    }
    if let Some(words) = schema.get("enum") {
        let words = list(words).map(|word| format!("<code>{}</code>", escaped(&plain(word))));
        return words.collect::<Vec<_>>().join(" ");
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().map(text).collect(),
        Value::String(one) => vec![one],
        _ => return "any value".to_owned(),
    };
    let words = types.iter().map(|kind_name| match *kind_name {
        "array" => format!("list of {}", kind(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("object of {}", kind(&schema["additionalProperties"]))
        }
        "object" if schema["properties"].is_object() => of_members(schema),
        "string" => of_text(schema),
        "integer" => format!("whole number{}", bounds(schema)),
        other => other.to_owned(),
    });
    words.collect::<Vec<_>>().join(" or ")
}

fn of_members(schema: &Value) -> String {
    let each = members(&schema["properties"])
        .map(|(name, schema)| format!("<code>{}</code>: {}", escaped(name), kind(schema)));
    format!("object with {}", each.collect::<Vec<_>>().join(", "))
}

fn of_text(schema: &Value) -> String {
    if let Some(inside) = schema.get("contentSchema") {
        return format!("the JSON of {}", kind(inside));
    }
    match (schema["pattern"].as_str(), schema["format"].as_str()) {
        (Some(pattern), _) => format!("text like <code>{}</code>", escaped(pattern)),
        (None, Some(format)) => escaped(format),
        (None, None) => "text".to_owned(),
    }
}

fn bounds(schema: &Value) -> String {
    match (schema["minimum"].as_u64(), schema["maximum"].as_u64()) {
        (Some(min), Some(max)) => format!(", {min} to {max}"),
        (Some(min @ 1..), None) => format!(", from {min}"),
        _ => String::new(),
    }
}

fn table<const N: usize>(
    out: &mut String,
    columns: &[&str],
    rows: impl Iterator<Item = [String; N]>,
) {
    out.push_str("<div class=\"table\"><table>\n<thead><tr>");
    for column in columns {
        put(out, format_args!("<th scope=\"col\">{column}</th>"));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for cell in row {
            put(out, format_args!("<td>{cell}</td>"));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes everything");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A value as people read it.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

/// Text that is nothing but text in HTML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// The same, with what is in backticks as code.
fn prose(text: &str) -> String {
    let parts = escaped(text);
    let parts = parts.split('`').enumerate().map(|(place, part)| match place % 2 {
        0 => part.to_owned(),
        _ => format!("<code>{part}</code>"),
    });
    parts.collect()
}

/// A path that may be broken behind its slashes.
fn breakable(path: &str) -> String {
    escaped(path).replace('/', "/<wbr>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_of_the_document_is_markup() {
        assert_eq!(escaped("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
        assert_eq!(prose("a `<b>` c"), "a <code>&lt;b&gt;</code> c");
    }

    #[test]
    fn schemas_are_told_in_a_few_words() {
        for (schema, words) in [
            (json!({ "type": "integer", "minimum": 1, "maximum": 5 }), "whole number, 1 to 5"),
            (json!({ "type": ["string", "null"] }), "text or null"),
            (json!({ "type": "array", "items": { "type": "boolean" } }), "list of boolean"),
            (
                json!({ "$ref": "#/components/schemas/Event" }),
                "<a href=\"#schema-Event\">Event</a>",
            ),
            (json!({ "enum": ["a", null] }), "<code>a</code> <code>null</code>"),
            (json!({}), "any value"),
            (
                json!({ "type": "object", "properties": { "a": { "const": 1 } } }),
                "object with <code>a</code>: <code>1</code>",
            ),
            (json!({ "type": "string", "contentSchema": { "type": "null" } }), "the JSON of null"),
        ] {
            assert_eq!(kind(&schema), words);
        }
    }
}
