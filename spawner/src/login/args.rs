//! How people sign in with a browser. Without `--public-url` nobody does: then only bearer tokens
//! open a workspace.

use std::{fmt, fs, io, path::PathBuf};

use http::Uri;

/// How people sign in.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Login")]
pub struct LoginArgs {
    /// The address that people open, https://HOST; turns the login on
    #[arg(long, env = "PUBLIC_URL", value_name = "URL", value_parser = public_url, requires = "client_id")]
    public_url: Option<PublicUrl>,

    /// Where operators sign in, https://HOST of another name; turns the table of all workspaces on
    #[arg(long, env = "CONTROL_URL", value_name = "URL", value_parser = public_url, requires = "public_url")]
    control_url: Option<PublicUrl>,

    /// The confidential client at the issuer
    #[arg(long = "client-id", env = "OIDC_CLIENT_ID", value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    client_id: Option<String>,

    /// Its secret; better in the environment or in a file than on a command line
    #[arg(
        long,
        env = "OIDC_CLIENT_SECRET",
        value_name = "TEXT",
        hide_env_values = true,
        conflicts_with = "client_secret_file"
    )]
    client_secret: Option<Secret>,

    /// A file with its secret
    #[arg(long, env = "OIDC_CLIENT_SECRET_FILE", value_name = "FILE")]
    client_secret_file: Option<PathBuf>,

    /// Where the issuer answers within the cluster, when its public address does not
    #[arg(long = "internal-issuer", env = "OIDC_INTERNAL_ISSUER_URL", value_name = "URL", value_parser = internal_url)]
    internal_issuer: Option<String>,

    /// The Secret with the cookie keys, in the spawner's own namespace; made when it is missing
    #[arg(
        long,
        env = "COOKIE_KEYS_SECRET",
        value_name = "NAME",
        default_value = "openclaw-cookie-keys"
    )]
    cookie_keys_secret: String,
}

/// Everything that is needed for a login.
#[derive(Clone, Debug)]
pub struct LoginConfig {
    /// The address that people open.
    pub public_url: PublicUrl,
    /// The address where operators sign in, which no pod shares.
    pub control_url: Option<PublicUrl>,
    /// The client at the issuer.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// Where the issuer answers within the cluster, if not at its public address.
    pub internal_issuer: Option<String>,
    /// The Secret with the cookie keys.
    pub cookie_keys_secret: String,
}

/// An https origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
    authority: String,
}

/// A text that does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// A login that is configured by half.
#[derive(Debug, thiserror::Error)]
pub enum InvalidLogin {
    /// No secret.
    #[error(
        "--public-url is set, so --client-secret or --client-secret-file (OIDC_CLIENT_SECRET, OIDC_CLIENT_SECRET_FILE) is needed"
    )]
    NoSecret,
    /// No client.
    #[error("--public-url is set, so --client-id (OIDC_CLIENT_ID) is needed")]
    NoClient,
    /// The file with the secret.
    #[error("--client-secret-file: cannot read {}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The secret is empty.
    #[error("the client secret is empty")]
    EmptySecret,
    /// Browsers keep cookies by host, whatever the port.
    #[error(
        "--control-url (CONTROL_URL) {0} has the host of --public-url; it must have another, because browsers share cookies between the ports of a host"
    )]
    SharedHost(String),
}

impl LoginArgs {
    /// What the flags say; `None` without a login.
    pub fn config(self) -> Result<Option<LoginConfig>, InvalidLogin> {
        let Self {
            public_url,
            control_url,
            client_id,
            client_secret,
            client_secret_file,
            internal_issuer,
            cookie_keys_secret,
        } = self;
        let Some(public_url) = public_url else { return Ok(None) };
        let client_secret = match (client_secret, client_secret_file) {
            (Some(secret), _) => secret,
            (None, Some(path)) => match fs::read_to_string(&path) {
                Ok(text) => Secret::from(text.trim()),
                Err(source) => return Err(InvalidLogin::Unreadable { path, source }),
            },
            (None, None) => return Err(InvalidLogin::NoSecret),
        };
        if client_secret.expose().is_empty() {
            return Err(InvalidLogin::EmptySecret);
        }
        let client_id = client_id.ok_or(InvalidLogin::NoClient)?;
        if let Some(control) = &control_url
            && control.host() == public_url.host()
        {
            return Err(InvalidLogin::SharedHost(control.origin.clone()));
        }
        let config = LoginConfig {
            public_url,
            control_url,
            client_id,
            client_secret,
            internal_issuer,
            cookie_keys_secret,
        };
        Ok(Some(config))
    }
}

impl PublicUrl {
    /// Scheme, host and port, as in the header `Origin`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Host and port, as in the header `Host`.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The host without the port.
    fn host(&self) -> &str {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => &self.authority,
        }
    }
}

impl Secret {
    /// The text, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Reads an https origin. Browsers keep a `__Host-` cookie only over TLS, so nothing else would work.
pub fn public_url(text: &str) -> Result<PublicUrl, String> {
    let url: Uri = text.parse().map_err(|error| format!("not a URL: {error}"))?;
    let authority = url.authority().map(|authority| authority.as_str()).unwrap_or_default();
    if url.scheme_str() != Some("https") {
        return Err(
            "must begin with https://: browsers keep the session cookie only over TLS".into()
        );
    }
    if authority.is_empty() || authority.contains('@') {
        return Err("must be https://HOST or https://HOST:PORT".to_owned());
    }
    if url.path() != "/" || url.query().is_some() {
        return Err("must have no path: a workspace has the whole address".to_owned());
    }
    // As browsers write it.
    let authority = authority.to_ascii_lowercase();
    let authority = authority.strip_suffix(":443").unwrap_or(&authority).to_owned();
    Ok(PublicUrl { origin: format!("https://{authority}"), authority })
}

fn internal_url(text: &str) -> Result<String, String> {
    if text.starts_with("https://") || text.starts_with("http://") {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err("must begin with https:// or http://".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        login: LoginArgs,
    }

    const URL: [&str; 2] = ["--public-url", "https://agents.example"];

    fn config(flags: &[&str]) -> Result<Option<LoginConfig>, String> {
        let program = Program::try_parse_from([&["program"], flags].concat());
        let program = program.map_err(|error| error.to_string())?;
        program.login.config().map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_public_url_there_is_no_login() {
        assert!(config(&[]).unwrap().is_none());
    }

    #[test]
    fn half_a_login_is_refused_and_names_the_other_half() {
        let error = config(&URL).unwrap_err();
        assert!(error.contains("--client-id"), "{error}");
        let client = [&URL[..], &["--client-id", "openclaw"]].concat();
        let error = config(&client).unwrap_err();
        assert!(error.contains("OIDC_CLIENT_SECRET"), "{error}");
        let missing = [&client[..], &["--client-secret-file", "/does/not/exist"]].concat();
        let error = config(&missing).unwrap_err();
        assert!(error.contains("/does/not/exist"), "{error}");
        let whole = [&client[..], &["--client-secret", "s3cret"]].concat();
        let login = config(&whole).unwrap().unwrap();
        assert_eq!(login.client_secret.expose(), "s3cret");
        assert!(!format!("{login:?}").contains("s3cret"));
    }

    #[test]
    fn the_control_address_is_another_host() {
        let login = [&URL[..], &["--client-id", "openclaw", "--client-secret", "s3cret"]].concat();
        let with = |url| config(&[&login[..], &["--control-url", url]].concat());
        let control = with("https://control.example").unwrap().unwrap().control_url.unwrap();
        assert_eq!(control.origin(), "https://control.example");
        for shared in ["https://agents.example", "https://AGENTS.example:8443"] {
            let error = with(shared).unwrap_err();
            assert!(error.contains("CONTROL_URL") && error.contains("cookies"), "{error}");
        }
        assert!(with("https://[::1]:8443").is_ok());
        let alone = config(&["--control-url", "https://control.example"]).unwrap_err();
        assert!(alone.contains("--public-url"), "{alone}");
    }

    #[test]
    fn the_public_url_is_an_https_origin() {
        let url = public_url("https://Agents.Example:443/").unwrap();
        assert_eq!((url.origin(), url.authority()), ("https://agents.example", "agents.example"));
        assert_eq!(public_url("https://a:9443").unwrap().authority(), "a:9443");
        for (bad, why) in [
            ("http://agents.example", "https://"),
            ("agents.example", "https://"),
            ("https://agents.example/agents", "no path"),
            ("https://agents.example/?a", "no path"),
            ("https://me@agents.example", "HOST"),
        ] {
            let error = public_url(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
