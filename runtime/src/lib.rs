//! A small reference runtime, for trying the platform without a large agent. It is identity-blind:
//! it knows a NewAPI and one key, and whoever reaches it uses that key. Who may reach it is the
//! auth sidecar's business, in front of it.

mod app;
mod newapi;
mod page;
mod settings;
mod socket;
mod sse;

use std::net::SocketAddr;

use contract::port;
use edge::{
    args::{DrainArgs, LogArgs},
    program::Failure,
    serve::{Limits, Listener},
    shutdown::Shutdown,
};

pub use self::{
    app::app,
    newapi::{ApiKey, InvalidKey, NewApi},
    settings::{Missing, SettingsError, newapi_from},
};

/// Command line. What belongs to the user comes by environment only, from the webhook.
#[derive(Debug, clap::Parser)]
#[command(
    name = "runtime",
    version,
    about = "Reference runtime: /v1/* to NewAPI with the key it was given",
    after_help = settings::HELP,
    // Nothing but the auth sidecar sends it requests, and that ends later: there is no endpoint
    // whose removal has to spread.
    mut_arg("drain_delay", |flag| flag.default_value("0s"))
)]
pub struct Args {
    /// Address to listen on; loopback, because only the auth sidecar may reach it
    #[arg(long, env = "LISTEN", default_value_t = SocketAddr::from(([127, 0, 0, 1], port::RUNTIME)))]
    pub listen: SocketAddr,

    /// PEM file with CA certificates for an https NewAPI, besides the public ones
    #[arg(long, env = "NEWAPI_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<std::path::PathBuf>,

    /// How it stops.
    #[command(flatten)]
    pub drain: DrainArgs,

    /// How it logs.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Serves until the program is asked to stop.
pub async fn serve(args: Args, shutdown: Shutdown) -> Result<(), Failure> {
    let Args { listen, ca_file, drain, log: _ } = args;
    let newapi = newapi_from(|name| std::env::var(name).ok(), ca_file.as_deref())
        .map_err(Failure::config)?;
    let listener = Listener::bind(listen, "runtime").await.map_err(Failure::runtime)?;
    tracing::info!(newapi = newapi.host(), "forwarding /v1 to NewAPI");
    let limits = Limits { drain, ..Limits::default() };
    edge::serve::serve(listener, None, app(newapi), limits, shutdown).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::Args;

    #[test]
    fn by_default_it_listens_on_loopback_and_drains_at_once() {
        let args = Args::try_parse_from(["runtime"]).unwrap();
        assert_eq!(args.listen.to_string(), "127.0.0.1:18789");
        assert_eq!(args.drain.drain_delay, Duration::ZERO);
    }
}
