//! The paths that every request takes, as often as told and on one thread, for `make
//! bench-instructions` to count what they cost.
//!
//! `hot-paths verdicts COUNT TOKENS`: the verdict on each token of a file in turn; the policy and the
//! keys come from the environment as for the programs. `hot-paths headers COUNT`: a request's headers
//! on their way to the upstream, and an answer's on their way back.

use std::{error::Error, hint::black_box, str::FromStr as _};

use clap::Parser;
use edge::{
    oidc::{OidcArgs, Token, Verifier},
    program::install_crypto_provider,
    proxy::headers::{to_client, to_upstream},
    readiness::Readiness,
    shutdown::Shutdown,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};

#[derive(Debug, Parser)]
enum HotPath {
    Verdicts {
        count: usize,
        tokens: std::path::PathBuf,
        #[command(flatten)]
        oidc: Box<OidcArgs>,
    },
    Headers {
        count: usize,
    },
}

fn main() -> Result<(), Box<dyn Error>> {
    match HotPath::parse() {
        HotPath::Verdicts { count, tokens, oidc } => {
            let tokens = std::fs::read_to_string(tokens)?;
            let tokens: Result<Vec<_>, _> = tokens.lines().map(Token::from_text).collect();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(verdicts(count, &tokens?, *oidc))
        }
        HotPath::Headers { count } => headers(count),
    }
}

async fn verdicts(count: usize, tokens: &[Token], oidc: OidcArgs) -> Result<(), Box<dyn Error>> {
    install_crypto_provider();
    let (_trigger, shutdown) = Shutdown::manual();
    let verifier = Verifier::start(oidc, Readiness::new().gate("keys"), shutdown)?;
    for token in tokens.iter().cycle().take(count) {
        black_box(verifier.verify(token).await?);
    }
    Ok(())
}

fn headers(count: usize) -> Result<(), Box<dyn Error>> {
    let (request, response) = (map(REQUEST)?, map(RESPONSE)?);
    let authorization = HeaderValue::from_static("Bearer gateway-token");
    for _ in 0..count {
        let mut request = request.clone();
        to_upstream(&mut request, |headers| {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        });
        let mut response = response.clone();
        to_client(&mut response);
        black_box((request, response));
    }
    Ok(())
}

fn map(fields: &[(&str, &'static str)]) -> Result<HeaderMap, Box<dyn Error>> {
    let field = |&(name, value): &(&str, &'static str)| {
        Ok((HeaderName::from_str(name)?, HeaderValue::from_static(value)))
    };
    fields.iter().map(field).collect()
}

/// As a browser's page sends it through an ingress.
const REQUEST: &[(&str, &str)] = &[
    ("host", "agents.example"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("accept", "application/json, text/plain, */*"),
    ("accept-language", "en-GB,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("content-type", "application/json"),
    ("content-length", "31"),
    ("origin", "https://agents.example"),
    ("referer", "https://agents.example/chat?session=main"),
    ("cookie", "theme=dark; __Host-openclaw=c2VhbGVkLXNlc3Npb24; sidebar=open"),
    ("authorization", "Bearer eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl"),
    ("sec-fetch-dest", "empty"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-site", "same-origin"),
    ("x-forwarded-for", "203.0.113.7"),
    ("x-forwarded-proto", "https"),
    ("x-request-id", "0c8a6f0e"),
    ("connection", "keep-alive"),
];

const RESPONSE: &[(&str, &str)] = &[
    ("content-type", "application/json; charset=utf-8"),
    ("content-length", "1187"),
    ("date", "Tue, 24 Nov 2026 10:00:00 GMT"),
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("set-cookie", "runtime=1; Path=/; HttpOnly"),
    ("connection", "keep-alive"),
    ("keep-alive", "timeout=5"),
];
