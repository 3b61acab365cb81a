//! Where the words, quotes and slashes of a query end, and what they say.
//!
//! All functions take the whole query and the byte offset at which the piece begins, and look at
//! each byte a bounded number of times.

/// The stages, by name.
pub(super) const STAGES: [&str; 8] =
    ["where", "extract", "stats", "top", "uniq", "sort", "fields", "limit"];

/// Where the word that begins at `start` ends: before a blank, a parenthesis that is not the word's
/// own, or a pipe with the name of a stage behind it. `f(x)` is a word of its own parentheses,
/// `a(b c)` is a word and a group; `a|b` is a word, `a|top b` is one and a stage.
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
            '|' if names_a_stage(&text[at + 1..]) => break,
            '\\' => at += 1 + escaped(text, at + 1).map_or(0, char::len_utf8),
            c => at += c.len_utf8(),
        }
    }
    at
}

/// Whether the name of a stage comes next, and then a blank or the end.
fn names_a_stage(text: &str) -> bool {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (name, behind) = text.split_at(end);
    STAGES.iter().any(|stage| stage.eq_ignore_ascii_case(name))
        && behind.chars().next().is_none_or(char::is_whitespace)
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
    gapped(word).join("*")
}

/// What stands before, between and behind the `*` of a word, without escapes.
pub(super) fn gapped(word: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::with_capacity(word.len());
    let mut at = 0;
    while let Some(c) = word[at..].chars().next() {
        at += c.len_utf8();
        let meant = if c == '\\' { escaped(word, at) } else { None };
        at += meant.map_or(0, char::len_utf8);
        match c {
            '*' => pieces.push(std::mem::take(&mut piece)),
            c => piece.push(meant.unwrap_or(c)),
        }
    }
    pieces.push(piece);
    pieces
}

/// Where the name of a field ends that a word begins with: at its colon, or at `==`.
///
/// A name begins with a letter, `_` or `@`, so that times and addresses are not fields; what looks
/// like `scheme://`, `module::name` or `C:\` is no field either, but `ip:::1` is. The columns of a table
/// may end in parentheses: `avg(duration_ms)`.
pub(super) fn name_end(word: &str, of_table: bool) -> Option<usize> {
    let mut at = 0;
    while let Some(c) = word[at..].chars().next() {
        match c {
            ':' => break,
            '=' if at > 0 && word[at..].starts_with("==") => return Some(at),
            '\\' => at += escaped(word, at + 1)?.len_utf8(),
            '_' | '@' => {}
            '(' if of_table && at > 0 => {
                at = balanced_end(word, at)?;
                let ends = word[at..].starts_with(':') || word[at..].starts_with("==");
                if !ends {
                    return None;
                }
                continue;
            }
            c if c.is_alphabetic() => {}
            c if at > 0 && (c.is_alphanumeric() || matches!(c, '.' | '-' | '/' | '$')) => {}
            _ => return None,
        }
        at += c.len_utf8();
    }
    let behind = word[at..].strip_prefix(':')?;
    let drive = at == 1 && behind.starts_with('\\');
    let path = behind.starts_with(':') && !behind.starts_with("::");
    let named = at > 0 && !drive && !path && !behind.starts_with("//");
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

/// Where an end of a range ends: before a blank, or a bracket that closes the range.
pub(super) fn bound_end(text: &str, start: usize) -> usize {
    let end = |(offset, c): (usize, char)| {
        (c.is_whitespace() || matches!(c, ']' | '}')).then_some(start + offset)
    };
    text[start..].char_indices().find_map(end).unwrap_or(text.len())
}

/// Where a name in a stage ends: before a blank, a comma, a pipe or a parenthesis that is not its own.
pub(super) fn name_in_list_end(text: &str, start: usize) -> usize {
    let end = word_end(text, start);
    let mut depth = 0usize;
    let ends = |(offset, c): (usize, char)| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' | '|' if depth == 0 => return Some(start + offset),
            _ => {}
        }
        None
    };
    text[start..end].char_indices().find_map(ends).unwrap_or(end)
}
