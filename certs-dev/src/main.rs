//! `certs-dev`: a serving certificate for development, and the authority that signs it.

use std::{
    error::Error,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    process::ExitCode,
    time::SystemTime,
};

use certs_dev::folder::{self, FolderError, Issued};
use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  certs-dev
      For https://localhost, into ./certs.
  certs-dev --out webhook-tls --dns webhook.openclaw.svc --dns webhook.openclaw.svc.cluster.local
      For an in-cluster webhook; the caBundle line goes into its configuration.
  certs-dev --ip 192.0.2.7 --days 30
      For an address, for a month.

Run again, it makes a new certificate and keeps the authority, so that whoever trusts ca.crt trusts
the new certificate too. ca.key can sign for any name: keep it to yourself.";

/// Makes ca.crt, tls.crt and tls.key for development, and prints the caBundle line
#[derive(Debug, clap::Parser)]
#[command(version, after_help = EXAMPLES)]
struct Args {
    /// The folder for the files; made where it is absent
    #[arg(long, env = "CERTS_OUT", value_name = "DIR", default_value = "certs")]
    out: PathBuf,
    /// A name of the server, the first label may be `*`; may be given more than once
    #[arg(long, env = "CERTS_DNS", value_name = "NAME", value_delimiter = ',', value_parser = dns_name)]
    dns: Vec<String>,
    /// An address of the server; may be given more than once
    #[arg(long, env = "CERTS_IP", value_name = "ADDR", value_delimiter = ',')]
    ip: Vec<IpAddr>,
    /// How long the certificate counts; never longer than the authority
    #[arg(
        long, env = "CERTS_DAYS", value_name = "N", default_value_t = 365,
        value_parser = clap::value_parser!(u16).range(1..=3650)
    )]
    days: u16,
}

fn main() -> ExitCode {
    let args = Args::parse().or_local();
    let dns: Vec<&str> = args.dns.iter().map(String::as_str).collect();
    match folder::issue(&args.out, &dns, &args.ip, args.days) {
        Ok(issued) => {
            report(&args, &issued);
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

impl Args {
    /// Without any name, the names of this machine to itself.
    fn or_local(mut self) -> Self {
        if self.dns.is_empty() && self.ip.is_empty() {
            self.dns.push("localhost".to_owned());
            self.ip.extend([IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()]);
        }
        self
    }
}

fn dns_name(name: &str) -> Result<String, certs_dev::Error> {
    certs_dev::check_dns_name(name)?;
    Ok(name.to_owned())
}

#[expect(clippy::print_stdout, reason = "the report is what the program is for")]
fn report(args: &Args, issued: &Issued) {
    let row = |what, name, more| println!("{what:<12} {}{more}", args.out.join(name).display());
    let origin = if issued.reused { "kept" } else { "new" };
    let ca_end = day(issued.authority.validity().not_after());
    row("authority", folder::CA_CERTIFICATE, format!("  {origin}, until {ca_end}"));
    row("its key", folder::CA_KEY, String::new());
    let names = args.dns.iter().cloned().chain(args.ip.iter().map(IpAddr::to_string));
    let names = names.collect::<Vec<_>>().join(", ");
    let end = day(issued.leaf.validity().not_after());
    row("certificate", folder::CERTIFICATE, format!("  for {names}, until {end}"));
    row("its key", folder::KEY, String::new());
    println!("\ncaBundle: {}", issued.authority.ca_bundle());
}

/// The date of a moment, UTC.
fn day(moment: SystemTime) -> String {
    let time = humantime::format_rfc3339_seconds(moment).to_string();
    time.split('T').next().unwrap_or_default().to_owned()
}

fn complain(error: &FolderError) {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    eprintln!("error: {error}{cause}");
}
