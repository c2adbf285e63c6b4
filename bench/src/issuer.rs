//! The issuer: an RSA key, its tokens, and over TLS its discovery document and key set, as in
//! production. Peers that take a file get the same key as JWKS or PEM.

use std::{net::SocketAddr, path::Path};

use anyhow::{Context as _, Result};
use aws_lc_rs::{encoding::AsDer as _, signature::RsaPublicKeyComponents};
use axum::{Json, Router, routing::get};
use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use certs_dev::{Authority, Validity};
use edge::{
    oidc::{
        UnixTime,
        testing::{ALICE, BOB, Idp, claims, with},
    },
    serve::{Limits, Listener, TlsConfig, serve},
    shutdown::{Shutdown, Trigger},
    tls::server_config,
};
use serde_json::{Value, json};

/// How long tokens live, in seconds: longer than any run.
const LIFETIME: u64 = 3600;

/// What an issuer signs with.
pub(crate) struct Keys(Idp);

/// An issuer that serves until it is dropped.
pub(crate) struct Issuer {
    /// The claim `iss`.
    pub(crate) url: String,
    keys: Keys,
    authority: Authority,
    _serving: Trigger,
}

/// A token, and whether a verifier has to accept it.
pub(crate) struct Case {
    pub(crate) what: &'static str,
    /// `None`: the request has no `Authorization`.
    pub(crate) token: Option<String>,
    pub(crate) good: bool,
}

impl Keys {
    /// New ones.
    pub(crate) fn new() -> Self {
        Self(Idp::new(""))
    }

    /// The key set, as JSON.
    pub(crate) fn jwks(&self) -> Value {
        json!({"keys": [self.0.jwk()]})
    }

    /// `count` different tokens of the same user, all good.
    pub(crate) fn tokens(&self, issuer: &str, count: usize) -> Vec<String> {
        let claims = good(issuer, ALICE);
        (0..count)
            .map(|number| self.0.token(&with(claims.clone(), json!({"jti": number.to_string()}))))
            .collect()
    }

    /// A good token of this user.
    fn token_of(&self, issuer: &str, user: &str) -> String {
        self.0.token(&good(issuer, user))
    }
}

/// Claims of a good token.
fn good(issuer: &str, user: &str) -> Value {
    let now = UnixTime::now();
    with(claims(issuer, user, now), json!({"exp": now.as_secs() + LIFETIME}))
}

impl Issuer {
    pub(crate) async fn start() -> Result<Self> {
        let authority = Authority::new("bench CA", Validity::days(1))?;
        let leaf = authority.server(&[], &["127.0.0.1".parse()?], Validity::days(1))?;
        let tls = server_config(leaf.certificate_pem().as_bytes(), leaf.key_pem().as_bytes())?;
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Listener::bind(address, "issuer").await?;
        let url = format!("https://{}/realms/acme", listener.local_addr());
        let keys = Keys::new();
        let (trigger, shutdown) = Shutdown::manual();
        let router = documents(&url, keys.jwks());
        tokio::spawn(serve(
            listener,
            Some(TlsConfig::new(tls)),
            router,
            Limits::default(),
            shutdown,
        ));
        Ok(Self { url, keys, authority, _serving: trigger })
    }

    /// `count` different tokens of the same user, all good.
    pub(crate) fn tokens(&self, count: usize) -> Vec<String> {
        self.keys.tokens(&self.url, count)
    }

    /// A good token of this user.
    pub(crate) fn token_of(&self, user: &str) -> String {
        self.keys.token_of(&self.url, user)
    }

    /// What a verifier must tell apart.
    pub(crate) fn cases(&self) -> Vec<Case> {
        let changed = |what, changes: Value| Case {
            what,
            token: Some(self.keys.0.token(&with(self.claims(), changes))),
            good: false,
        };
        let now = UnixTime::now().as_secs();
        vec![
            Case { what: "a good token", token: self.tokens(1).pop(), good: true },
            Case { what: "no token", token: None, good: false },
            Case {
                what: "another issuer's signature",
                token: Some(Idp::new("").token(&self.claims())),
                good: false,
            },
            changed("another issuer", json!({"iss": "https://elsewhere/realms/acme"})),
            changed("another audience", json!({"aud": ["account"]})),
            changed("another user", json!({"sub": BOB})),
            changed("an expired token", json!({"exp": now - 600, "iat": now - 900})),
        ]
    }

    /// The key set, as JSON.
    pub(crate) fn jwks(&self) -> Value {
        self.keys.jwks()
    }

    /// The key as `SubjectPublicKeyInfo` in PEM.
    pub(crate) fn public_key_pem(&self) -> Result<String> {
        let jwk = self.keys.0.jwk();
        let number = |name| -> Result<Vec<u8>> {
            let text = jwk.get(name).and_then(Value::as_str).context("no RSA key")?;
            Ok(BASE64_URL_SAFE_NO_PAD.decode(text)?)
        };
        let key = RsaPublicKeyComponents { n: number("n")?, e: number("e")? };
        let der = key.as_der().context("no RSA key")?;
        let lines: Vec<_> = BASE64_STANDARD
            .encode(der.as_ref())
            .into_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        Ok(format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n")))
    }

    /// Writes the CA certificate of the issuer's own server.
    pub(crate) fn write_ca(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.authority.certificate_pem())
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn claims(&self) -> Value {
        good(&self.url, ALICE)
    }
}

fn documents(issuer: &str, jwks: Value) -> Router {
    let discovery = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/certs")});
    Router::new()
        .route(
            "/realms/acme/.well-known/openid-configuration",
            get(async move || Json(discovery.clone())),
        )
        .route("/realms/acme/certs", get(async move || Json(jwks.clone())))
}
