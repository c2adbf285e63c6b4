//! `tls`: where the certificate comes from, and who may connect.

use std::time::Duration;

use super::{OBJECT_NAME, Problems, is_object_name};
use crate::{
    authority::Lives,
    config::{
        Files, Own, Tls, TlsSource, Trusted,
        file::{self, TlsMode},
    },
};

/// Keys that belong to one mode.
type Keys<const N: usize> = [(&'static str, Option<String>); N];

pub(super) fn tls(tls: file::Tls, problems: &mut Problems) -> Option<Tls> {
    let file::Tls { mode, secret, webhook_configuration, service, namespace, .. } = tls;
    let own = [
        ("tls.secret", secret),
        ("tls.webhookConfiguration", webhook_configuration),
        ("tls.service", service),
        ("tls.namespace", namespace),
    ];
    let lives = [
        ("tls.caLifetime", tls.ca_lifetime),
        ("tls.leafLifetime", tls.leaf_lifetime),
        ("tls.settle", tls.settle),
    ];
    let files = [("tls.certFile", tls.cert_file), ("tls.keyFile", tls.key_file)];
    let trusted = [("tls.caFile", tls.ca_file), ("tls.serverName", tls.server_name)];
    if let Some(file) = &tls.client_ca {
        problems.check("tls.clientCa", !file.is_empty(), "must be the path of a PEM file");
    }
    let source = if mode == TlsMode::SelfManaged {
        problems.none(files, "has no meaning with mode self");
        problems.none(trusted, "has no meaning with mode self");
        TlsSource::Own(self::own(own, lives, problems)?)
    } else {
        problems.none(own, "has meaning with mode self only");
        problems.none(lives, "has meaning with mode self only");
        TlsSource::Files(self::files(files, trusted, problems)?)
    };
    Some(Tls { source, client_ca: tls.client_ca.map(Into::into) })
}

fn own(own: Keys<4>, lives: Keys<3>, problems: &mut Problems) -> Option<Own> {
    let lives = self::lives(lives, problems);
    let [secret, webhook_configuration, service, namespace] = problems.all(own)?;
    for (key, name) in [("tls.service", &service), ("tls.namespace", &namespace)] {
        problems.check(key, is_object_name(name), OBJECT_NAME);
    }
    Some(Own { secret, webhook_configuration, service, namespace, lives })
}

fn lives(lives: Keys<3>, problems: &mut Problems) -> Lives {
    let default = Lives::default();
    let [ca, leaf, settle] = lives.map(|(key, text)| {
        let parsed = text.as_deref().map(humantime::parse_duration);
        problems.check(key, !matches!(parsed, Some(Err(_))), "must be a time like 8760h or 5m");
        parsed?.ok()
    });
    let lives = Lives {
        ca: ca.unwrap_or(default.ca),
        leaf: leaf.unwrap_or(default.leaf),
        settle: settle.unwrap_or(default.settle),
    };
    // Shorter ones would be renewed at every look.
    const SHORTEST: Duration = Duration::from_mins(5);
    problems.check("tls.leafLifetime", lives.leaf >= SHORTEST, "must be five minutes or longer");
    problems.check("tls.caLifetime", lives.ca > lives.leaf, "must be longer than leafLifetime");
    problems.check(
        "tls.settle",
        lives.settle < lives.ca / 3,
        "must be less than a third of caLifetime",
    );
    lives
}

fn files(files: Keys<2>, trusted: Keys<2>, problems: &mut Problems) -> Option<Files> {
    let trusted = match trusted {
        [(_, None), (_, None)] => None,
        both => {
            let [ca, name] = problems.all(both)?;
            problems.check("tls.serverName", is_object_name(&name), "must be the name of a host");
            Some(Trusted { ca: ca.into(), name })
        }
    };
    let [cert, key] = problems.all(files)?;
    Some(Files { cert: cert.into(), key: key.into(), trusted })
}
