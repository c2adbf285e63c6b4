use edge::oidc::Rejection;

/// A named token, and what is to be said about it.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) setting: Setting,
    /// What follows `Bearer `.
    pub(crate) credentials: String,
    pub(crate) expected: Result<(), Rejection>,
}

/// How the judges are configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// The defaults, with a leeway wide enough for the time a test takes.
    Plain,
    /// Every optional check: clients, lifetime, another user claim.
    Strict,
}

/// A verdict as every judge can tell it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) reason: String,
}

pub(crate) const ISSUER: &str = "https://id.example/realms/acme";
pub(crate) const LEEWAY_SECS: u64 = 300;
pub(crate) const LONGEST_SECS: u64 = 600;
pub(crate) const PARTIES: [&str; 2] = ["openclaw", "openclaw-cli"];

impl Setting {
    /// The claim that holds the user's id.
    pub(crate) const fn user_claim(self) -> &'static str {
        match self {
            Self::Plain => "sub",
            Self::Strict => "openova_user",
        }
    }

    /// The flags that both commands have.
    pub(crate) fn flags(self) -> Vec<String> {
        let text = |flags: &[&str]| flags.iter().map(ToString::to_string).collect::<Vec<_>>();
        let leeway = format!("{LEEWAY_SECS}s");
        let common = text(&["--issuer", ISSUER, "--audience", "openclaw", "--leeway", &leeway]);
        let longest = format!("{LONGEST_SECS}s");
        let parties = PARTIES.join(",");
        let strict = ["--max-lifetime", &longest, "--authorized-party", &parties];
        match self {
            Self::Plain => common,
            Self::Strict => {
                let user = text(&["--user-claim", self.user_claim()]);
                [common, text(&strict), user].concat()
            }
        }
    }
}

impl Said {
    pub(crate) fn of(verdict: &Result<(), Rejection>) -> Self {
        let (status, reason) = match verdict {
            Ok(()) => (200, "accepted"),
            Err(rejection) => (rejection.status().as_u16(), rejection.reason()),
        };
        Self { status, reason: reason.to_owned() }
    }
}
