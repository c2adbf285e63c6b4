//! NewAPI for the development cluster, with a record of what it was asked: a stand-in
//! (`--key alice=sk-...`), or a relay to a real one (`--relay-to https://newapi.example`).

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result};
use clap::Parser;
use tests::newapi::{StandIn, relay};
use tokio::net::TcpListener;

/// Answers as NewAPI would, and tells at /recorded what it was asked.
#[derive(Debug, Parser)]
struct Args {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:3900")]
    listen: SocketAddr,
    /// A key that is accepted, and whose it is; may be given many times
    #[arg(long = "key", value_name = "NAME=KEY", value_parser = named_key)]
    keys: Vec<(String, String)>,
    /// Time between two words of a streamed answer
    #[arg(long, default_value = "30ms", value_parser = humantime::parse_duration)]
    pace: Duration,
    /// Pass everything on to this NewAPI instead of answering
    #[arg(long, value_name = "URL", conflicts_with = "keys")]
    relay_to: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Args { listen, keys, pace, relay_to } = Args::parse();
    let router = match &relay_to {
        Some(base_url) => relay(base_url)?,
        None => StandIn::new(keys.into_iter().collect(), pace).router(),
    };
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}; choose another one with --listen"))?;
    eprintln!("listening on {}", listener.local_addr()?);
    Ok(axum::serve(listener, router).await?)
}

/// Key and name, in the order in which they are looked up.
fn named_key(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, key)) if !name.is_empty() && !key.is_empty() => {
            Ok((key.to_owned(), name.to_owned()))
        }
        _ => Err("it must be NAME=KEY".to_owned()),
    }
}
