//! Where the words, quotes and slashes of a query end, and what they say.
//!
//! All functions take the whole query and the byte offset at which the piece begins, and look at
//! each byte a bounded number of times.

/// Where the word that begins at `start` ends: before a blank or a parenthesis that is not the
/// word's own. `f(x)` is a word of its own parentheses, `a(b c)` is a word and a group.
pub(super) fn word_end(text: &str, start: usize) -> usize {
    let mut at = start;
    while let Some(c) = text[at..].chars().next() {
        match c {
            ')' => break,
            '(' => match balanced_end(text, at) {
                Some(end) => at = end,
                None => break,
            },
            c if c.is_whitespace() => break,
            '\\' => at += 1 + escaped(text, at + 1).map_or(0, char::len_utf8),
            c => at += c.len_utf8(),
        }
    }
    at
}

/// The end of the parentheses that open at `open`, if no blank is in them.
fn balanced_end(text: &str, open: usize) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = open;
    while let Some(c) = text[at..].chars().next() {
        at += c.len_utf8();
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return Some(at),
            ')' => depth -= 1,
            c if c.is_whitespace() => return None,
            '\\' => at += escaped(text, at).map_or(0, char::len_utf8),
            _ => {}
        }
    }
    None
}

/// The character at `at` if a backslash before it takes its meaning away. Before letters, digits
/// and `_` a backslash is itself, so that `C:\temp` and `DOMAIN\user` are what they look like.
fn escaped(text: &str, at: usize) -> Option<char> {
    text[at..].chars().next().filter(|c| !c.is_alphanumeric() && *c != '_')
}

/// A word without its escapes.
pub(super) fn unescape(word: &str) -> String {
    let mut plain = String::with_capacity(word.len());
    let mut at = 0;
    while let Some(c) = word[at..].chars().next() {
        at += c.len_utf8();
        let meant = if c == '\\' { escaped(word, at) } else { None };
        at += meant.map_or(0, char::len_utf8);
        plain.push(meant.unwrap_or(c));
    }
    plain
}

/// The place of the colon in a word that names a field before it.
///
/// A name begins with a letter, `_` or `@`, so that times and addresses are not fields; what looks
/// like `scheme://`, `module::name` or `C:\` is no field either.
pub(super) fn field_colon(word: &str) -> Option<usize> {
    let mut at = 0;
    while let Some(c) = word[at..].chars().next() {
        match c {
            ':' => break,
            '\\' => at += escaped(word, at + 1)?.len_utf8(),
            '_' | '@' => {}
            c if c.is_alphabetic() => {}
            c if at > 0 && (c.is_alphanumeric() || matches!(c, '.' | '-' | '/' | '$')) => {}
            _ => return None,
        }
        at += c.len_utf8();
    }
    let behind = word[at..].strip_prefix(':')?;
    let drive = at == 1 && behind.starts_with('\\');
    let named = at > 0 && !drive && !behind.starts_with("//") && !behind.starts_with(':');
    named.then_some(at)
}

/// The text of the quotes that open at `open`, and where they end; `None` if they are not closed.
/// `\"` and `\\` are `"` and `\`; every other backslash is itself.
pub(super) fn quoted(text: &str, open: usize) -> Option<(String, usize)> {
    let mut plain = String::new();
    let mut chars = text[open..].char_indices().skip(1).peekable();
    while let Some((offset, c)) = chars.next() {
        match c {
            '"' => return Some((plain, open + offset + 1)),
            '\\' => plain.push(chars.next_if(|(_, c)| matches!(c, '"' | '\\')).map_or(c, |n| n.1)),
            c => plain.push(c),
        }
    }
    None
}

/// The pattern of the slashes that open at `open`, and where they end. It is a pattern only if the
/// next slash ends the value, so that `/api/v1/orders` and `/var/log/` are paths. A slash behind
/// a blank or a colon begins something else, and ends nothing.
pub(super) fn slashes(text: &str, open: usize) -> Option<(String, usize)> {
    let mut pattern = String::new();
    let mut last = '/';
    let mut chars = text[open..].char_indices().skip(1).peekable();
    while let Some((offset, c)) = chars.next() {
        match c {
            '/' => {
                let end = open + offset + 1;
                let next = text[end..].chars().next();
                let ends = next.is_none_or(|c| c.is_whitespace() || c == ')');
                let begins = pattern.is_empty() || last.is_whitespace() || last == ':';
                return (ends && !begins).then_some((pattern, end));
            }
            '\\' => match chars.next() {
                Some((_, '/')) => pattern.push('/'),
                Some((_, escaped)) => pattern.extend(['\\', escaped]),
                None => return None,
            },
            c => pattern.push(c),
        }
        last = c;
    }
    None
}
