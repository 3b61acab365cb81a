//! What a panic tells the log: where it was, and of its message the words of the program. Values in
//! a message can be what somebody sent, and that passes no rule of redaction.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};

/// Messages that quote code, not values, in their beginning.
const CODE_FIRST: [&str; 2] = ["called `", "assertion `"];

/// Has panics of all threads written to the log in this way, and in no other.
pub(crate) fn log() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let why = words(panic.payload());
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or_default();
        tracing::error!(place, thread, why, "a defect: the program panicked");
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            tracing::error!(place, "called from:\n{backtrace}");
        }
    }));
}

/// The words of a panic's message, up to its first value.
fn words(payload: &dyn Any) -> &str {
    if let Some(message) = payload.downcast_ref::<&'static str>() {
        return message;
    }
    let Some(message) = payload.downcast_ref::<String>() else { return "" };
    let quotes_code = CODE_FIRST.iter().any(|begin| message.starts_with(begin));
    let is_value = |c: char| matches!(c, '"' | '\n') || (c == '`' && !quotes_code);
    let ends = [message.find(": "), message.find(" '"), message.find(is_value)];
    message[..ends.into_iter().flatten().min().unwrap_or(message.len())].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_does_not_quote_what_was_sent() {
        let of = |message: &str| words(&message.to_owned()).to_owned();
        for (message, expected) in [
            (
                "byte index 5 is not a char boundary; it is inside 'é' (bytes 4..6) of `secreté`",
                "byte index 5 is not a char boundary; it is inside",
            ),
            ("byte index 9 is out of bounds of `secret`", "byte index 9 is out of bounds of"),
            (
                "called `Result::unwrap()` on an `Err` value: Parse(\"secret\")",
                "called `Result::unwrap()` on an `Err` value",
            ),
            (
                "assertion `left == right` failed\n  left: \"secret\"\n right: 1",
                "assertion `left == right` failed",
            ),
            ("assertion `left == right` failed: secret", "assertion `left == right` failed"),
            ("a plain value always serializes: secret", "a plain value always serializes"),
            ("what can't be: secret", "what can't be"),
            ("index out of bounds", "index out of bounds"),
        ] {
            assert_eq!(of(message), expected);
        }
        assert_eq!(words(&"A3: written by us"), "A3: written by us");
        assert_eq!(words(&7), "");
    }
}
