//! Which keys say that their value is a secret. Whole segments count, and ends of words that no
//! other word has: `primary_key`, `author` and `keyboard` are harmless, `dbPassword`, `PGPASSWORD`
//! and `x-api-key` are not.
//!
//! A path of keys is read segment by segment, through nested objects, so `{"api":{"key":…}}` and
//! `api_key` are the same. A segment that tells *about* the secret takes the verdict back:
//! `token_count`, `password_changed_at`.

use super::rules::Rule;

/// Longer segments are no words of the tables.
const SEGMENT_BYTES_MAX: usize = 32;

/// What is known after some segments of a path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct KeyState {
    /// A secret, and something behind it that did not take the verdict back.
    settled: Option<Rule>,
    /// A secret, unless the next segment tells about it.
    pending: Option<Rule>,
    last: Last,
    says_card: bool,
    is_base64: bool,
}

/// What the last segment may be the beginning of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Last {
    #[default]
    Other,
    /// `api`, `access` and the like: with `key` behind it, a key.
    OfApiKey,
    Private,
    Secret,
    Auth,
    Pass,
    /// `db`, `smtp` and the like: with `pass` behind it, a password.
    OfPass,
    /// `page`, `max` and the like: with `token` behind it, a place in a list or a number of them.
    OfPlace,
    /// Ends in an id: digits are no card.
    Id,
}

impl KeyState {
    /// The state of a path alone: a column name, or the key of a pair in a text.
    pub(super) fn of(path: &[u8]) -> Self {
        Self::default().with(path)
    }

    /// The state with one more key, of any number of segments.
    pub(super) fn with(mut self, key: &[u8]) -> Self {
        // Of a repetition, what stands before its ordinal.
        let name = key.split(|byte| *byte == 0).next().unwrap_or_default();
        self.is_base64 = name.ends_with(b"_base64");
        let mut start = 0;
        for at in 0..=key.len() {
            if at == key.len() || !is_letter(key[at]) {
                self.feed(&key[start..at]);
                start = at + 1;
            } else if at > start && begins_segment(key, at) {
                self.feed(&key[start..at]);
                start = at;
            }
        }
        self
    }

    /// The rule that redacts the value at this path, if any.
    pub(super) fn rule(&self) -> Option<Rule> {
        self.settled.or(self.pending)
    }

    /// Whether numbers here may be those of cards.
    pub(super) fn says_card(&self) -> bool {
        self.says_card
    }

    /// Whether the value is another in base64: `message_base64`.
    pub(super) fn is_base64(&self) -> bool {
        self.is_base64
    }

    /// Whether digits here are an id, not a card.
    pub(super) fn is_id(&self) -> bool {
        self.last == Last::Id && !self.says_card
    }

    fn feed(&mut self, segment: &[u8]) {
        let mut buffer = [0; SEGMENT_BYTES_MAX];
        let Some(word) = buffer.get_mut(..segment.len()) else {
            self.settle();
            self.last = Last::Other;
            return;
        };
        word.copy_from_slice(segment);
        word.make_ascii_lowercase();
        let word = &*word;
        // Digits and doubled separators.
        if word.is_empty() {
            return;
        }
        let secret_id = self.last == Last::Secret && word == b"id";
        if is_about(word) && !secret_id {
            self.pending = None;
        }
        self.settle();
        self.pending = self.rule_of(word);
        self.says_card |= matches!(
            word,
            b"card" | b"cards" | b"cc" | b"pan" | b"creditcard" | b"cardnumber" | b"ccnumber"
        );
        self.last = last_of(word);
    }

    fn settle(&mut self) {
        self.settled = self.settled.or(self.pending.take());
    }

    fn rule_of(&self, word: &[u8]) -> Option<Rule> {
        Some(match word {
            b"passwords"
            | b"passwds"
            | b"pwd"
            | b"passwordhash"
            | b"passwordconfirm"
            | b"passwordconfirmation" => Rule::Password,
            b"word" if self.last == Last::Pass => Rule::Password,
            b"pass" if matches!(self.last, Last::OfPass | Last::Auth) => Rule::Password,
            b"secrets" => Rule::Secret,
            b"token" if self.last == Last::OfPlace => return None,
            b"apikeys" => Rule::ApiKey,
            b"key" | b"keys" if self.last == Last::Private => Rule::PrivateKey,
            b"key" | b"keys" if matches!(self.last, Last::OfApiKey | Last::Auth) => Rule::ApiKey,
            b"authorization" | b"authorisation" => Rule::Authorization,
            b"header" if self.last == Last::Auth => Rule::Authorization,
            b"cookies" => Rule::Cookie,
            b"credentials" | b"creds" => Rule::Credentials,
            b"cvv" | b"cvc" => Rule::Card,
            _ => return of_ending(word),
        })
    }
}

/// The rule of a word that ends in a secret's name: `accesstoken`, `pgpassword`.
fn of_ending(word: &[u8]) -> Option<Rule> {
    const ENDINGS: [(&[u8], Rule); 13] = [
        (b"password", Rule::Password),
        (b"passwd", Rule::Password),
        (b"passphrase", Rule::Password),
        (b"passcode", Rule::Password),
        (b"secret", Rule::Secret),
        (b"secretkey", Rule::Secret),
        (b"token", Rule::Token),
        (b"apikey", Rule::ApiKey),
        (b"accesskey", Rule::ApiKey),
        (b"authkey", Rule::ApiKey),
        (b"privatekey", Rule::PrivateKey),
        (b"cookie", Rule::Cookie),
        (b"credential", Rule::Credentials),
    ];
    let (before, rule) =
        ENDINGS.iter().find_map(|(ending, rule)| Some((word.strip_suffix(*ending)?, *rule)))?;
    // `NOPASSWD` and `nexttoken`.
    let is_other = before == b"no" || rule == Rule::Token && last_of(before) == Last::OfPlace;
    (!is_other).then_some(rule)
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte >= 0x80
}

/// Whether a segment begins at `at` although no separator stands before it: `dbPassword`,
/// `APIKey`.
fn begins_segment(key: &[u8], at: usize) -> bool {
    let lower_follows = || key.get(at + 1).is_some_and(u8::is_ascii_lowercase);
    key[at].is_ascii_uppercase() && (!key[at - 1].is_ascii_uppercase() || lower_follows())
}

fn last_of(word: &[u8]) -> Last {
    match word {
        b"api" | b"access" | b"signing" | b"encryption" | b"master" | b"shared" | b"account"
        | b"ssh" | b"license" | b"app" | b"subscription" => Last::OfApiKey,
        b"private" => Last::Private,
        b"secret" => Last::Secret,
        b"auth" => Last::Auth,
        b"pass" => Last::Pass,
        b"db" | b"database" | b"user" | b"smtp" | b"ftp" | b"mysql" | b"redis" | b"admin"
        | b"root" | b"proxy" | b"mail" | b"email" | b"imap" | b"postgres" | b"pg" | b"mssql"
        | b"oracle" | b"mongo" | b"mongodb" | b"rabbitmq" | b"amqp" | b"ldap" | b"wifi"
        | b"vpn" | b"keystore" | b"truststore" => Last::OfPass,
        b"page" | b"continuation" | b"cancellation" | b"next" | b"sync" | b"max" | b"min"
        | b"num" | b"total" | b"prompt" | b"completion" => Last::OfPlace,
        b"id" | b"ids" | b"uuid" | b"guid" | b"hash" | b"sha" | b"digest" | b"timestamp" => {
            Last::Id
        }
        _ => Last::Other,
    }
}

/// Whether a segment behind a secret's name makes the value something about it.
fn is_about(word: &[u8]) -> bool {
    matches!(
        word,
        b"address"
            | b"age"
            | b"alg"
            | b"algorithm"
            | b"arn"
            | b"at"
            | b"attempt"
            | b"attempts"
            | b"audience"
            | b"balance"
            | b"bucket"
            | b"budget"
            | b"changed"
            | b"consent"
            | b"count"
            | b"counter"
            | b"counts"
            | b"created"
            | b"date"
            | b"disabled"
            | b"domain"
            | b"duration"
            | b"enabled"
            | b"endpoint"
            | b"engine"
            | b"error"
            | b"errors"
            | b"exp"
            | b"expiration"
            | b"expired"
            | b"expires"
            | b"expiry"
            | b"failed"
            | b"failures"
            | b"field"
            | b"file"
            | b"format"
            | b"id"
            | b"ids"
            | b"index"
            | b"invalid"
            | b"issuer"
            | b"kind"
            | b"len"
            | b"length"
            | b"lifetime"
            | b"limit"
            | b"limits"
            | b"line"
            | b"manager"
            | b"method"
            | b"name"
            | b"path"
            | b"policy"
            | b"prefix"
            | b"present"
            | b"price"
            | b"provider"
            | b"rate"
            | b"region"
            | b"required"
            | b"reset"
            | b"revoked"
            | b"rotated"
            | b"rotation"
            | b"samesite"
            | b"scope"
            | b"scopes"
            | b"secure"
            | b"size"
            | b"source"
            | b"state"
            | b"status"
            | b"strength"
            | b"symbol"
            | b"time"
            | b"timestamp"
            | b"ttl"
            | b"type"
            | b"updated"
            | b"uri"
            | b"url"
            | b"usage"
            | b"used"
            | b"valid"
            | b"validity"
            | b"verified"
            | b"version"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of `docs/redaction.md`: the keys of each rule, and those of none.
    fn examples() -> Vec<(String, Option<Rule>)> {
        let page = include_str!("../../../docs/redaction.md");
        let rows = page.lines().skip_while(|line| !line.starts_with("| Key |")).skip(2);
        let rows = rows.take_while(|line| line.starts_with('|'));
        let cells = rows.map(|row| row.trim_matches('|').split_once('|').expect("two cells"));
        let of_row = |(keys, rule): (&str, &str)| {
            let rule = rule.trim().trim_matches('`');
            let rule = (rule != "kept").then(|| Rule::from_name(rule).expect("a rule's name"));
            let keys = keys.split(',').map(|key| key.trim().trim_matches('`').to_owned());
            keys.map(|key| (key, rule)).collect::<Vec<_>>()
        };
        cells.flat_map(of_row).collect()
    }

    #[test]
    fn the_page_for_users_is_right() {
        let examples = examples();
        assert!(examples.len() > 60, "{}", examples.len());
        for (key, rule) in examples {
            assert_eq!(KeyState::of(key.as_bytes()).rule(), rule, "{key}");
        }
    }

    #[test]
    fn a_path_is_read_through_its_keys() {
        let rule = |path: &[&str]| {
            path.iter().fold(KeyState::default(), |state, key| state.with(key.as_bytes())).rule()
        };
        assert_eq!(rule(&["api", "key"]), Some(Rule::ApiKey));
        assert_eq!(rule(&["credentials", "user"]), Some(Rule::Credentials));
        assert_eq!(rule(&["token", "count"]), None);
        assert_eq!(rule(&["token", "count", "deep"]), None);
        assert_eq!(rule(&["password", "value", "count"]), Some(Rule::Password));
        assert_eq!(rule(&["passwordresetandother_longerthananyword"]), None);
        assert_eq!(rule(&["token", "averyveryverylongsegmentthatisnoword"]), Some(Rule::Token));
    }

    #[test]
    fn cards_and_ids_are_told_by_the_key() {
        assert!(KeyState::of(b"payment.cardNumber").says_card());
        assert!(!KeyState::of(b"cardinal").says_card());
        assert!(KeyState::of(b"order_id").is_id() && KeyState::of(b"traceId").is_id());
        assert!(!KeyState::of(b"card_id").is_id() && !KeyState::of(b"grid").is_id());
    }
}
