//! Field names: how nested and odd keys become one column name, and which fields are exact.
//!
//! A column's name is the path of keys from the event's top, each key escaped, joined by dots:
//! `{"order":{"id":7}}` is `order.id`, `{"order.id":7}` is `order\.id`. In queries both are
//! `order.id`. A key that comes twice in one event gets an ordinal behind a NUL byte: the second
//! `a` is `a\0` followed by `1`. Escaped keys hold no NUL, so the two can't be confused.

use std::borrow::Cow;

/// The hidden column: how an event differs, as it was sent, from what its fields tell (kept by the
/// decoders, see `docs/ingest.md`). No key of a sender gives this name: in names, a NUL byte stands
/// before an ordinal only. No query looks into it and no answer shows it.
pub const AS_SENT: &str = "\0as_sent";

/// The fields that have a meaning to Logstrata, in the order in which answers show them.
/// `id`, `timestamp` and `level` come before them.
pub const KNOWN_FIELDS: [&str; 15] = [
    "service",
    "category",
    "action",
    "message",
    "trace_id",
    "span_id",
    "parent_span_id",
    "correlation_id",
    "user_id",
    "resource_type",
    "resource_id",
    "ip",
    "error.type",
    "error.message",
    "error.stack",
];

/// Fields whose value is one thing: `field:value` compares the whole value. In all others it looks
/// for the value's words.
pub fn is_exact(display_name: &str) -> bool {
    KNOWN_FIELDS.contains(&display_name)
        && !matches!(display_name, "message" | "error.message" | "error.stack")
}

/// Appends one key to a column name under construction.
pub fn push_key(name: &mut String, key: &str, first: bool) {
    if !first {
        name.push('.');
    }
    for c in key.chars() {
        match c {
            '.' => name.push_str("\\."),
            '\\' => name.push_str("\\\\"),
            '\0' => name.push_str("\\0"),
            c => name.push(c),
        }
    }
}

/// The column name of the `ordinal`-th repetition of a name in one event; 0 is the name itself.
pub fn with_ordinal(name: &str, ordinal: usize) -> String {
    if ordinal == 0 { name.to_owned() } else { format!("{name}\0{ordinal}") }
}

/// Whether a column is for the decoders alone.
pub fn is_hidden(name: &str) -> bool {
    name == AS_SENT
}

/// Whether people mean this column by a name that they type.
pub(crate) fn is_called(column: &str, typed: &str) -> bool {
    !is_hidden(column) && display_name(column) == typed
}

/// A column name without its repetition.
pub fn without_ordinal(name: &str) -> &str {
    name.split('\0').next().unwrap_or(name)
}

/// The keys of a column name, unescaped, from the top of the event.
pub fn keys(name: &str) -> Vec<Cow<'_, str>> {
    let name = without_ordinal(name);
    if !name.contains('\\') {
        return name.split('.').map(Cow::Borrowed).collect();
    }
    let mut keys = vec![String::new()];
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        let key = keys.last_mut().expect("starts with one key");
        match c {
            '.' => keys.push(String::new()),
            '\\' => key.push(match chars.next() {
                Some('0') => '\0',
                Some(escaped) => escaped,
                None => '\\',
            }),
            c => key.push(c),
        }
    }
    keys.into_iter().map(Cow::Owned).collect()
}

/// The name that people type in queries: the keys joined by dots, nothing escaped.
pub fn display_name(name: &str) -> Cow<'_, str> {
    let name = without_ordinal(name);
    if name.contains('\\') { Cow::Owned(keys(name).join(".")) } else { Cow::Borrowed(name) }
}

/// The column name of a column below a name that people type: what is left of it behind that name, the
/// repetition included. `None` if it is not below it, or is itself called so.
pub fn below(column: &str, typed: &str) -> Option<String> {
    let shown = display_name(column);
    let left = shown.strip_prefix(typed)?.strip_prefix('.')?;
    // The keys that are left, the first perhaps in part: a typed name may end within a key.
    let mut length = 0;
    let mut keys = keys(column);
    let first = keys.iter().rposition(|key| {
        length += key.len() + 1;
        length > left.len()
    })?;
    let mut name = String::new();
    for (depth, key) in keys.split_off(first).iter().enumerate() {
        let cut = if depth == 0 { length - 1 - left.len() } else { 0 };
        push_key(&mut name, &key[cut..], depth == 0);
    }
    name.push_str(&column[without_ordinal(column).len()..]);
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name_of(path: &[String]) -> String {
        let mut name = String::new();
        for (depth, key) in path.iter().enumerate() {
            push_key(&mut name, key, depth == 0);
        }
        name
    }

    #[test]
    fn a_typed_name_may_end_within_a_key() {
        assert_eq!(below("a\\.b.c", "a"), Some("b.c".into()));
        assert_eq!(below("a\\.b\\.c.d\x001", "a.b"), Some("c.d\x001".into()));
        assert_eq!(below("ab.c", "a"), None);
    }

    proptest! {
        #[test]
        fn any_path_of_keys_comes_back(path in prop::collection::vec("[a.\\\\\0é]{0,4}", 1..5)) {
            let name = name_of(&path);
            prop_assert!(!name.contains('\0'));
            prop_assert_eq!(keys(&name), path.clone());
            let again = with_ordinal(&name, 3);
            prop_assert_eq!(keys(&again), path.clone());
            prop_assert_eq!(display_name(&name), path.join("."));
        }

        /// Typed names were compared with escaped ones, so that what is below a key with a dot was not.
        #[test]
        fn what_is_below_a_typed_name_keeps_its_keys(
            path in prop::collection::vec("[a.\\\\\0é]{0,4}", 2..5),
            at in any::<prop::sample::Index>(),
        ) {
            let (above, rest) = path.split_at(1 + at.index(path.len() - 1));
            let name = with_ordinal(&name_of(&path), 2);
            let found = below(&name, &above.join("."));
            prop_assert_eq!(found, Some(with_ordinal(&name_of(rest), 2)));
            prop_assert_eq!(below(&name, &path.join(".")), None);
        }

        #[test]
        fn different_paths_have_different_names(
            a in prop::collection::vec("[a.\\\\\0]{0,3}", 1..4),
            b in prop::collection::vec("[a.\\\\\0]{0,3}", 1..4),
        ) {
            prop_assert_eq!(a == b, name_of(&a) == name_of(&b));
        }
    }
}
