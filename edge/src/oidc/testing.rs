//! An issuer for tests: real keys of every kind, tokens of any shape, and a server on loopback that
//! can be made to fail. Only with the feature `testing`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot be set up has to fail"
)]
#![allow(missing_debug_implementations, reason = "nothing prints an issuer")]

pub mod laws;

use std::sync::{
    Arc, LazyLock, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair, RsaSignatureEncoding,
    },
};
use axum::{Json, Router, extract::State, routing::get};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{OwnedRwLockWriteGuard, RwLock},
};
use tokio_util::task::AbortOnDropHandle;

use super::UnixTime;

/// The user of [`claims`] in most tests.
pub const ALICE: &str = "11111111-2222-4333-8444-555555555555";
/// Another user.
pub const BOB: &str = "99999999-2222-4333-8444-555555555555";
/// The audience of [`claims`].
pub const AUDIENCE: &str = "openclaw";

/// The keys of an issuer, one of each kind.
pub struct Idp {
    prefix: &'static str,
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
}

impl Idp {
    /// Makes new keys; their `kid`s begin with `prefix`.
    pub fn new(prefix: &'static str) -> Self {
        Self {
            prefix,
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            p256: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            p384: EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(),
            ed25519: Ed25519KeyPair::generate().unwrap(),
        }
    }

    /// One issuer for all tests of a process: making an RSA key is slow.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Idp> = LazyLock::new(|| Idp::new(""));
        &SHARED
    }

    /// The RSA key, as Keycloak publishes it.
    pub fn jwk(&self) -> Value {
        // RFC 8017 section A.1.1, for 2048 bits and the exponent 65537.
        let der = self.rsa.public_key().as_ref();
        assert_eq!(der.len(), 270);
        json!({
            "kid": self.kid("RS256"), "kty": "RSA", "use": "sig", "alg": "RS256",
            "n": encode(&der[9..265]), "e": encode(&der[267..]),
        })
    }

    /// Every key, without `alg` and `use`, and beside them what Keycloak lists for encryption.
    pub fn jwks(&self) -> Value {
        let rsa = self.jwk();
        let point = |key: &EcdsaKeyPair, algorithm, curve| {
            let (x, y) =
                key.public_key().as_ref()[1..].split_at((key.public_key().as_ref().len() - 1) / 2);
            json!({"kid": self.kid(algorithm), "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
        };
        json!({"keys": [
            {"kid": "enc", "kty": "RSA", "use": "enc", "alg": "RSA-OAEP", "n": rsa["n"], "e": rsa["e"]},
            {"kid": rsa["kid"], "kty": "RSA", "n": rsa["n"], "e": rsa["e"]},
            point(&self.p256, "ES256", "P-256"),
            point(&self.p384, "ES384", "P-384"),
            {"kid": self.kid("EdDSA"), "kty": "OKP", "crv": "Ed25519", "x": encode(self.ed25519.public_key().as_ref())},
        ]})
    }

    /// An RS256 token with these claims.
    pub fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.kid("RS256")});
        self.sign("RS256", &header.to_string(), &claims.to_string())
    }

    /// Signs any two texts with `algorithm`, whatever the header says.
    pub fn sign(&self, algorithm: &str, header: &str, claims: &str) -> String {
        self.sign_bytes(algorithm, header.as_bytes(), claims.as_bytes())
    }

    /// The same for what need not be text.
    pub fn sign_bytes(&self, algorithm: &str, header: &[u8], claims: &[u8]) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self.signature(algorithm, signed.as_bytes());
        format!("{signed}.{}", encode(&signature))
    }

    /// The id of the key that signs with `algorithm`.
    pub fn kid(&self, algorithm: &str) -> String {
        let kind = match algorithm {
            "ES256" => "p256",
            "ES384" => "p384",
            "EdDSA" => "ed25519",
            _ => "rsa",
        };
        format!("{}{kind}", self.prefix)
    }

    fn signature(&self, algorithm: &str, signed: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |encoding: &'static RsaSignatureEncoding| {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa.sign(encoding, &random, signed, &mut signature).unwrap();
            signature
        };
        match algorithm {
            "RS256" => rsa(&signature::RSA_PKCS1_SHA256),
            "RS384" => rsa(&signature::RSA_PKCS1_SHA384),
            "RS512" => rsa(&signature::RSA_PKCS1_SHA512),
            "PS256" => rsa(&signature::RSA_PSS_SHA256),
            "PS384" => rsa(&signature::RSA_PSS_SHA384),
            "PS512" => rsa(&signature::RSA_PSS_SHA512),
            "ES256" => self.p256.sign(&random, signed).unwrap().as_ref().to_vec(),
            "ES384" => self.p384.sign(&random, signed).unwrap().as_ref().to_vec(),
            "EdDSA" => self.ed25519.sign(signed).as_ref().to_vec(),
            _ => panic!("no such algorithm: {algorithm}"),
        }
    }
}

/// Claims as Keycloak makes them, good for five minutes from `now`.
pub fn claims(issuer: &str, user: &str, now: UnixTime) -> Value {
    let now = now.as_secs();
    json!({
        "exp": now + 300, "iat": now, "jti": "onrtac:7f2c", "iss": issuer,
        "aud": [AUDIENCE, "account"], "sub": user, "typ": "Bearer", "azp": "openclaw",
        "sid": "c2b1a5d2", "scope": "openid profile",
        "realm_access": {"roles": ["offline_access"]},
        "resource_access": {"account": {"roles": ["view-profile"]}},
    })
}

/// The claims of a logout token as Keycloak makes them, good for two minutes from `now`. The session
/// is that of [`claims`].
pub fn logout_claims(issuer: &str, subject: &str, now: UnixTime) -> Value {
    let now = now.as_secs();
    json!({
        "iat": now, "exp": now + 120, "jti": "logout-1", "iss": issuer, "aud": AUDIENCE,
        "sub": subject, "typ": "Logout", "sid": "c2b1a5d2",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    })
}

/// `base` with some members replaced; `null` removes one.
pub fn with(mut base: Value, changes: Value) -> Value {
    let members = base.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.shift_remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    base
}

/// base64url without padding.
pub fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of base64url without padding.
pub fn decode(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// An issuer on loopback, with discovery document and key set.
pub struct IdpServer {
    /// The value of `iss`, and where discovery begins.
    pub issuer: String,
    answers: Arc<Answers>,
    _serving: AbortOnDropHandle<()>,
}

struct Answers {
    issuer: String,
    /// `None` is an outage.
    jwks: Mutex<Option<Value>>,
    fetched: AtomicUsize,
    held: Arc<RwLock<()>>,
}

impl IdpServer {
    /// Serves `jwks`, or an outage, on a free port.
    pub async fn start(jwks: Option<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}/realms/acme", listener.local_addr().unwrap());
        let answers = Arc::new(Answers {
            issuer: issuer.clone(),
            jwks: Mutex::new(jwks),
            fetched: AtomicUsize::new(0),
            held: Arc::default(),
        });
        let router = Router::new()
            .route("/realms/acme/.well-known/openid-configuration", get(discovery))
            .route("/realms/acme/certs", get(certs))
            .with_state(Arc::clone(&answers));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { issuer, answers, _serving: AbortOnDropHandle::new(serving) }
    }

    /// From now on serves `jwks`, or an outage.
    pub fn set(&self, jwks: Option<Value>) {
        *self.answers.jwks.lock().unwrap() = jwks;
    }

    /// Until the guard is dropped, keys that are asked for come late: as they were when asked for.
    pub async fn hold(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.answers.held).write_owned().await
    }

    /// How often keys were asked for.
    pub fn fetched(&self) -> usize {
        self.answers.fetched.load(Ordering::SeqCst)
    }
}

async fn discovery(State(answers): State<Arc<Answers>>) -> Json<Value> {
    let issuer = &answers.issuer;
    Json(json!({"issuer": issuer, "jwks_uri": format!("{issuer}/certs")}))
}

async fn certs(State(answers): State<Arc<Answers>>) -> Result<Json<Value>, StatusCode> {
    let jwks = answers.jwks.lock().unwrap().clone();
    answers.fetched.fetch_add(1, Ordering::SeqCst);
    let _not_held = answers.held.read().await;
    jwks.map(Json).ok_or(StatusCode::BAD_GATEWAY)
}
