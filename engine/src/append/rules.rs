//! The rules by name, and which of them are on.

/// What is redacted, and what is put in its place: `[redacted:<name>]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Rule {
    /// Values of keys such as `password`, `passwd`, `pwd`.
    Password,
    /// Values of keys such as `secret`, `client_secret`, `aws_secret_access_key`.
    Secret,
    /// Values of keys such as `token`, `access_token`.
    Token,
    /// Values of keys such as `api_key`, `access_key`.
    ApiKey,
    /// `Authorization` headers and `Bearer` tokens.
    Authorization,
    /// `Cookie` and `Set-Cookie`.
    Cookie,
    /// Values of keys such as `private_key`, and PEM blocks.
    PrivateKey,
    /// Values of keys such as `credentials`.
    Credentials,
    /// The password in `scheme://user:password@host`.
    UriPassword,
    /// Access key ids of AWS.
    AwsKey,
    /// JSON Web Tokens.
    Jwt,
    /// Tokens of GitHub.
    GithubToken,
    /// Tokens of Slack.
    SlackToken,
    /// Keys of Google's APIs.
    GoogleKey,
    /// Keys of Stripe.
    StripeKey,
    /// Numbers of payment cards, and values of keys such as `cvv`.
    Card,
}

/// The number of [`Rule`]s.
pub(super) const RULES: usize = Rule::ALL.len();

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 16] = [
        Self::Password,
        Self::Secret,
        Self::Token,
        Self::ApiKey,
        Self::Authorization,
        Self::Cookie,
        Self::PrivateKey,
        Self::Credentials,
        Self::UriPassword,
        Self::AwsKey,
        Self::Jwt,
        Self::GithubToken,
        Self::SlackToken,
        Self::GoogleKey,
        Self::StripeKey,
        Self::Card,
    ];

    /// The name in markers, settings and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Secret => "secret",
            Self::Token => "token",
            Self::ApiKey => "api_key",
            Self::Authorization => "authorization",
            Self::Cookie => "cookie",
            Self::PrivateKey => "private_key",
            Self::Credentials => "credentials",
            Self::UriPassword => "uri_password",
            Self::AwsKey => "aws_key",
            Self::Jwt => "jwt",
            Self::GithubToken => "github_token",
            Self::SlackToken => "slack_token",
            Self::GoogleKey => "google_key",
            Self::StripeKey => "stripe_key",
            Self::Card => "card",
        }
    }

    /// The rule of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }

    fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// Which rules are on. All are, unless told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    bits: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self { bits: Rule::ALL.into_iter().fold(0, |bits, rule| bits | rule.bit()) }
    }
}

impl Rules {
    /// No rule: everything is stored as it came.
    pub fn none() -> Self {
        Self { bits: 0 }
    }

    /// These rules but for one.
    #[must_use]
    pub fn without(self, rule: Rule) -> Self {
        Self { bits: self.bits & !rule.bit() }
    }

    /// Whether a rule is on.
    pub fn is_on(self, rule: Rule) -> bool {
        self.bits & rule.bit() != 0
    }

    /// Whether no rule is on.
    pub fn is_none(self) -> bool {
        self.bits == 0
    }
}
