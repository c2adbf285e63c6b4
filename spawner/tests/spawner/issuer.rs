//! An issuer that signs people in: authorization codes with PKCE, refresh tokens, and a script for
//! what goes wrong. Its keys are real.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use edge::oidc::{
    UnixTime,
    testing::{Idp, claims, with},
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

pub(crate) const CLIENT: &str = "openclaw";
pub(crate) const SECRET: &str = "top-secret";

/// The issuer. Clones are the same.
#[derive(Clone)]
pub(crate) struct Issuer {
    /// The value of `iss`.
    pub(crate) url: String,
    inner: Arc<Mutex<Script>>,
}

/// What it does next.
#[derive(Clone)]
pub(crate) struct Script {
    /// Codes that were given out and not used yet.
    codes: BTreeMap<String, Login>,
    /// Changes to every access token, as in [`with`].
    pub(crate) access: Value,
    /// Changes to every ID token.
    pub(crate) id: Value,
    /// How the next requests for tokens end.
    pub(crate) refresh: Refresh,
    /// The forms that asked for tokens.
    pub(crate) asked: Vec<BTreeMap<String, String>>,
    /// How many tokens were made, so that no two are the same.
    made: usize,
}

/// A login that the user has agreed to.
#[derive(Clone)]
struct Login {
    user: String,
    nonce: String,
    challenge: String,
    redirect_uri: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refresh {
    Granted,
    InvalidGrant,
    Down,
}

impl Issuer {
    /// As of this address.
    pub(crate) fn at(url: String) -> Self {
        let script = Script {
            codes: BTreeMap::new(),
            access: json!({}),
            id: json!({}),
            refresh: Refresh::Granted,
            asked: Vec::new(),
            made: 0,
        };
        Self { url, inner: Arc::new(Mutex::new(script)) }
    }

    pub(crate) fn router(&self) -> Router {
        Router::new()
            .route("/realms/acme/.well-known/openid-configuration", get(discovery))
            .route("/realms/acme/certs", get(async || Json(Idp::shared().jwks())))
            .route("/realms/acme/token", post(token))
            .with_state(self.clone())
    }

    /// Changes what it does.
    pub(crate) fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.inner.lock().unwrap());
    }

    /// How often fresh tokens were asked for.
    pub(crate) fn refreshes(&self) -> usize {
        let script = self.inner.lock().unwrap();
        script.asked.iter().filter(|form| form["grant_type"] == "refresh_token").count()
    }

    /// `user` agrees to what `location` asks for; the code.
    pub(crate) fn agree(&self, location: &str, user: &str) -> String {
        let (_, query) = location.split_once('?').unwrap();
        let asked: BTreeMap<String, String> =
            form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["code_challenge_method"], "S256");
        assert_eq!(asked["client_id"], CLIENT);
        assert!(asked["scope"].split(' ').any(|scope| scope == "openid"));
        let login = Login {
            user: user.to_owned(),
            nonce: asked["nonce"].clone(),
            challenge: asked["code_challenge"].clone(),
            redirect_uri: asked["redirect_uri"].clone(),
        };
        let code = format!("code-{}", &asked["state"][..8]);
        self.script(|script| drop(script.codes.insert(code.clone(), login)));
        code
    }

    fn tokens(&self, user: &str, nonce: Option<&str>) -> Value {
        let mut script = self.inner.lock().unwrap();
        script.made += 1;
        let base = claims(&self.url, user, UnixTime::now());
        let of = |changes: Value| Idp::shared().token(&with(base.clone(), changes));
        let jti = format!("token-{}", script.made);
        let access = with(json!({"jti": jti}), script.access.clone());
        let id = json!({"typ": "ID", "aud": CLIENT, "nonce": nonce, "jti": jti});
        json!({
            "token_type": "Bearer",
            "access_token": of(access),
            "refresh_token": format!("refresh-of-{user}"),
            "id_token": of(with(id, script.id.clone())),
        })
    }
}

async fn discovery(State(issuer): State<Issuer>) -> Json<Value> {
    let url = &issuer.url;
    Json(json!({
        "issuer": url,
        "jwks_uri": format!("{url}/certs"),
        "authorization_endpoint": format!("{url}/auth"),
        "token_endpoint": format!("{url}/token"),
        "end_session_endpoint": format!("{url}/logout"),
    }))
}

async fn token(State(issuer): State<Issuer>, headers: HeaderMap, body: Bytes) -> Response {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let form: BTreeMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    let credentials = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{SECRET}")));
    if headers["authorization"] != credentials {
        return refuse(401, "invalid_client");
    }
    issuer.script(|script| script.asked.push(form.clone()));
    if form["grant_type"] == "refresh_token" {
        let refresh = issuer.inner.lock().unwrap().refresh;
        return match (refresh, form["refresh_token"].strip_prefix("refresh-of-")) {
            (Refresh::Granted, Some(user)) => Json(issuer.tokens(user, None)).into_response(),
            (Refresh::Down, _) => StatusCode::BAD_GATEWAY.into_response(),
            _ => refuse(400, "invalid_grant"),
        };
    }
    let login = issuer.inner.lock().unwrap().codes.remove(&form["code"]);
    let hash =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, form["code_verifier"].as_bytes());
    let challenge = edge::oidc::testing::encode(hash.as_ref());
    match login {
        Some(login)
            if login.challenge == challenge && login.redirect_uri == form["redirect_uri"] =>
        {
            Json(issuer.tokens(&login.user, Some(&login.nonce))).into_response()
        }
        _ => refuse(400, "invalid_grant"),
    }
}

fn refuse(status: u16, error: &str) -> Response {
    (StatusCode::from_u16(status).unwrap(), Json(json!({ "error": error }))).into_response()
}
