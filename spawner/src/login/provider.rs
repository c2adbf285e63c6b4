//! The issuer as a login needs it: where to send the browser, and where to trade a code or a refresh
//! token for tokens (OpenID Connect Discovery 1.0, RFC 6749).

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use edge::{
    client::{FetchError, Fetcher},
    program::Chain,
};
use http::StatusCode;
use serde::Deserialize;
use tokio::time::Instant;

use super::args::Secret;

/// Keycloak's answers have 2 to 20 KB.
const MAX_BYTES: usize = 256 * 1024;
/// Longest wait for one answer: somebody looks at a blank page meanwhile.
const TIMEOUT: Duration = Duration::from_secs(8);
/// How long the addresses are taken for true.
const ADDRESSES_KEPT: Duration = Duration::from_secs(600);

/// The issuer.
#[derive(Debug)]
pub(crate) struct Provider {
    fetcher: Fetcher,
    issuer: String,
    /// Where it answers from here.
    internal: String,
    client_id: String,
    client_secret: Secret,
    known: ArcSwapOption<(Addresses, Instant)>,
}

/// Where the issuer does what.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Addresses {
    issuer: String,
    /// For the browser.
    pub(crate) authorization_endpoint: String,
    /// For us.
    token_endpoint: String,
    /// For the browser; not every issuer has one.
    pub(crate) end_session_endpoint: Option<String>,
}

/// What the issuer gives for a code or a refresh token. Does not print.
#[derive(Clone, Deserialize)]
pub(crate) struct Tokens {
    pub(crate) access_token: String,
    pub(crate) refresh_token: Option<String>,
    pub(crate) id_token: Option<String>,
}

/// Why there are no tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProviderFault {
    /// It cannot be asked now; another time may do.
    #[error("the identity provider cannot be reached: {0}")]
    Unavailable(String),
    /// The code or refresh token is not good, or not any more: RFC 6749 section 5.2, `invalid_grant`.
    #[error("the identity provider does not accept the grant")]
    InvalidGrant,
    /// It does not accept us, which an administrator has to look at.
    #[error("the identity provider refuses this client: {0}")]
    Refused(String),
    /// It says what is not in the standards.
    #[error("the identity provider's answer is not understood: {0}")]
    Strange(String),
}

impl Provider {
    pub(crate) fn new(
        fetcher: Fetcher,
        issuer: &str,
        internal: Option<String>,
        (client_id, client_secret): (String, Secret),
    ) -> Self {
        let issuer = issuer.to_owned();
        let internal = internal.unwrap_or_else(|| reached_at(&issuer));
        Self { fetcher, issuer, internal, client_id, client_secret, known: ArcSwapOption::empty() }
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where the issuer does what; asked again now and then.
    pub(crate) async fn addresses(&self) -> Result<Addresses, ProviderFault> {
        if let Some(known) = &*self.known.load()
            && known.1.elapsed() < ADDRESSES_KEPT
        {
            return Ok(known.0.clone());
        }
        let addresses = discover(&self.fetcher, &self.issuer, &self.internal).await?;
        self.known.store(Some(Arc::new((addresses.clone(), Instant::now()))));
        Ok(addresses)
    }

    /// The tokens for a code (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
    pub(crate) async fn exchange(
        &self,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
    ) -> Result<Tokens, ProviderFault> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ];
        self.tokens(&form).await
    }

    /// Fresh tokens (RFC 6749 section 6).
    pub(crate) async fn refresh(&self, refresh_token: &str) -> Result<Tokens, ProviderFault> {
        self.tokens(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    async fn tokens(&self, form: &[(&str, &str)]) -> Result<Tokens, ProviderFault> {
        let url = self.addresses().await?.token_endpoint;
        let client = (self.client_id.as_str(), self.client_secret.expose());
        let answer = self.fetcher.post_form(&url, client, form, MAX_BYTES, TIMEOUT).await;
        let (status, body) = answer.map_err(down)?;
        read_tokens(status, &body)
    }
}

/// Where an issuer answers that has no other address within the cluster.
pub(crate) fn reached_at(issuer: &str) -> String {
    issuer.trim_end_matches('/').to_owned()
}

/// Where `issuer` does what, as it says itself; asked at `internal`.
pub(crate) async fn discover(
    fetcher: &Fetcher,
    issuer: &str,
    internal: &str,
) -> Result<Addresses, ProviderFault> {
    let url = format!("{internal}/.well-known/openid-configuration");
    let document = fetcher.get_json_bytes(&url, MAX_BYTES, TIMEOUT).await.map_err(down)?;
    read_addresses(&document, issuer, internal)
}

/// Reads the discovery document, which must be about `issuer`.
///
/// Keycloak may name its public address for everything, also for what only we ask for; `internal` is
/// then where it answers.
fn read_addresses(
    document: &[u8],
    issuer: &str,
    internal: &str,
) -> Result<Addresses, ProviderFault> {
    let mut found: Addresses = serde_json::from_slice(document)
        .map_err(|error| ProviderFault::Strange(format!("discovery: {error}")))?;
    if found.issuer != issuer {
        let said = format!("discovery is about {:?}, not {issuer:?}", found.issuer);
        return Err(ProviderFault::Strange(said));
    }
    if let Some(path) = found.token_endpoint.strip_prefix(issuer.trim_end_matches('/')) {
        found.token_endpoint = format!("{internal}{path}");
    }
    let for_browsers = [Some(&found.authorization_endpoint), found.end_session_endpoint.as_ref()];
    let insecure = |url: &&String| issuer.starts_with("https://") && !url.starts_with("https://");
    if let Some(url) = for_browsers.into_iter().flatten().find(insecure) {
        return Err(ProviderFault::Strange(format!("{url:?} leaves https")));
    }
    Ok(found)
}

/// Reads the answer of the token endpoint (RFC 6749 sections 5.1 and 5.2).
fn read_tokens(status: StatusCode, body: &[u8]) -> Result<Tokens, ProviderFault> {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    if status == StatusCode::OK {
        // The error could repeat what is in the document.
        return serde_json::from_slice(body)
            .map_err(|_| ProviderFault::Strange("tokens in no known form".to_owned()));
    }
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(ProviderFault::Unavailable(format!("it answers {status}")));
    }
    match serde_json::from_slice(body) {
        Ok(Refusal { error }) if error == "invalid_grant" => Err(ProviderFault::InvalidGrant),
        Ok(Refusal { error }) => {
            Err(ProviderFault::Refused(error.chars().take(60).collect::<String>()))
        }
        Err(_) => Err(ProviderFault::Strange(format!("it answers {status}"))),
    }
}

fn down(error: FetchError) -> ProviderFault {
    ProviderFault::Unavailable(Chain(&error).to_string())
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(..)")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PUBLIC: &str = "https://id.example/realms/acme";
    const INSIDE: &str = "http://keycloak.svc:8080/realms/acme";

    fn addresses(
        authorization: &str,
        token: &str,
        internal: &str,
    ) -> Result<Addresses, ProviderFault> {
        let document = json!({
            "issuer": PUBLIC, "authorization_endpoint": authorization, "token_endpoint": token,
        });
        read_addresses(document.to_string().as_bytes(), PUBLIC, internal)
    }

    #[test]
    fn what_we_ask_for_ourselves_is_asked_inside() {
        let (login, token) = (format!("{PUBLIC}/auth"), format!("{PUBLIC}/token"));
        let outside = addresses(&login, &token, PUBLIC).unwrap();
        assert_eq!(outside.token_endpoint, token);
        let inside = addresses(&login, &token, INSIDE).unwrap();
        assert_eq!(inside.token_endpoint, format!("{INSIDE}/token"));
        assert_eq!(inside.authorization_endpoint, login, "the browser stays outside");
        let dynamic = addresses(&login, &format!("{INSIDE}/token"), INSIDE).unwrap();
        assert_eq!(dynamic.token_endpoint, format!("{INSIDE}/token"));
    }

    #[test]
    fn a_document_of_another_issuer_or_without_tls_is_refused() {
        let error = addresses("http://id.example/auth", PUBLIC, PUBLIC).unwrap_err().to_string();
        assert!(error.contains("leaves https"), "{error}");
        let other = json!({"issuer": "https://evil.example", "authorization_endpoint": "https://a",
            "token_endpoint": "https://a"});
        let error = read_addresses(other.to_string().as_bytes(), PUBLIC, PUBLIC).unwrap_err();
        assert!(error.to_string().contains("evil.example"), "{error}");
    }

    #[test]
    fn whose_fault_it_is_decides_what_happens_to_the_session() {
        use ProviderFault::{InvalidGrant, Refused, Strange, Unavailable};
        let fault = |status, body: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            read_tokens(status, body.as_bytes()).unwrap_err()
        };
        assert_eq!(fault(400, r#"{"error":"invalid_grant"}"#), InvalidGrant);
        assert_eq!(fault(401, r#"{"error":"invalid_client"}"#), Refused("invalid_client".into()));
        assert!(matches!(fault(502, "<html>"), Unavailable(_)));
        assert!(matches!(fault(429, ""), Unavailable(_)));
        assert!(matches!(fault(404, "<html>"), Strange(_)));
        let strange = fault(200, r#"{"token":"secret-value"}"#).to_string();
        assert!(!strange.contains("secret"), "{strange}");
    }
}
