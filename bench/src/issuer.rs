//! The issuer: an RSA key, its tokens, and over TLS its discovery document, key set and token endpoint,
//! as in production. Peers that take a file get the same key as JWKS or PEM.

use std::{net::SocketAddr, path::Path, sync::Arc};

use anyhow::{Context as _, Result};
use aws_lc_rs::{encoding::AsDer as _, signature::RsaPublicKeyComponents};
use axum::{
    Form, Json, Router,
    routing::{get, post},
};
use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use certs_dev::{Authority, Validity};
use edge::{
    oidc::{
        UnixTime,
        testing::{ALICE, AUDIENCE, BOB, Idp, claims, with},
    },
    serve::{Limits, Listener, TlsConfig, serve},
    shutdown::{Shutdown, Trigger},
    tls::server_config,
};
use serde_json::{Value, json};

/// How long tokens live, in seconds: longer than any run.
const LIFETIME: u64 = 3600;

/// The client with which people sign in at the spawner.
pub(crate) const CLIENT: &str = AUDIENCE;

/// What an issuer signs with.
#[derive(Clone)]
pub(crate) struct Keys(Arc<Idp>);

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
        Self(Arc::new(Idp::new("")))
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

    /// The tokens of a user who has just signed in.
    fn signed_in(&self, issuer: &str, user: &str, nonce: &str) -> Value {
        let identity = json!({"typ": "ID", "aud": CLIENT, "nonce": nonce});
        json!({
            "token_type": "Bearer",
            "access_token": self.token_of(issuer, user),
            "refresh_token": format!("refresh-of-{user}"),
            "id_token": self.0.token(&with(good(issuer, user), identity)),
        })
    }
}

/// Claims of a good token; each user has one session.
fn good(issuer: &str, user: &str) -> Value {
    let now = UnixTime::now();
    let changes = json!({"exp": now.as_secs() + LIFETIME, "sid": format!("session-of-{user}")});
    with(claims(issuer, user, now), changes)
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
        let router = documents(&url, &keys);
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

/// What the issuer answers with. Whoever comes with a code has signed in: it says who and with which
/// nonce.
fn documents(issuer: &str, keys: &Keys) -> Router {
    let discovery = json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/certs"),
        "authorization_endpoint": format!("{issuer}/auth"),
        "token_endpoint": format!("{issuer}/token"),
        "end_session_endpoint": format!("{issuer}/logout"),
    });
    let (jwks, keys, issuer) = (keys.jwks(), keys.clone(), issuer.to_owned());
    Router::new()
        .route(
            "/realms/acme/.well-known/openid-configuration",
            get(async move || Json(discovery.clone())),
        )
        .route("/realms/acme/certs", get(async move || Json(jwks.clone())))
        .route(
            "/realms/acme/token",
            post(async move |Form(form): Form<Exchange>| {
                let (user, nonce) = form.code.split_once('.').unwrap_or_default();
                Json(keys.signed_in(&issuer, user, nonce))
            }),
        )
}

/// The code for which tokens are wanted (RFC 6749 section 4.1.3).
#[derive(serde::Deserialize)]
struct Exchange {
    code: String,
}

/// The code that a user would come back with.
pub(crate) fn code(user: &str, nonce: &str) -> String {
    format!("{user}.{nonce}")
}
