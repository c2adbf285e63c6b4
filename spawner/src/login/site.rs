//! The addresses of one spawner. At the public one a user's own pod serves everything but `/-/`, so
//! its code shares the origin and rides the session's cookie. At the control address nothing of a
//! pod is ever served: only there may a cookie speak for more than the user's own workspace.

use http::{HeaderMap, HeaderValue, Uri, header};

use super::{args::PublicUrl, seal::Purpose};

/// Which of the addresses a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    /// The one that people open, with their workspaces.
    Workspaces,
    /// The one without.
    Control,
}

/// The addresses.
#[derive(Clone, Debug)]
pub(super) struct Sites {
    pub(super) workspaces: PublicUrl,
    pub(super) control: Option<PublicUrl>,
}

impl Site {
    /// What a session of this address is sealed for: it is none at the other.
    pub(super) fn session(self) -> Purpose {
        match self {
            Self::Workspaces => Purpose::Session,
            Self::Control => Purpose::ControlSession,
        }
    }

    /// The same of a login that begins here: it ends here too.
    pub(super) fn login(self) -> Purpose {
        match self {
            Self::Workspaces => Purpose::Login,
            Self::Control => Purpose::ControlLogin,
        }
    }
}

impl Sites {
    /// The one that a request names, to the letter.
    pub(super) fn of(&self, headers: &HeaderMap, uri: &Uri) -> Option<Site> {
        let mut hosts = headers.get_all(header::HOST).iter();
        // HTTP/2 has it in `:authority`.
        let target = uri.authority().map(|authority| authority.as_str().as_bytes());
        let host = hosts.next().map(HeaderValue::as_bytes);
        if hosts.next().is_some() {
            return None;
        }
        let named = host.or(target)?;
        let agree = [host, target].into_iter().flatten().all(|it| it.eq_ignore_ascii_case(named));
        let is = |url: &PublicUrl| agree && named.eq_ignore_ascii_case(url.authority().as_bytes());
        if is(&self.workspaces) {
            Some(Site::Workspaces)
        } else {
            self.control.as_ref().filter(|url| is(url)).map(|_| Site::Control)
        }
    }

    /// Scheme, host and port of an address. There is no request for a control address that is not.
    pub(super) fn origin(&self, site: Site) -> &str {
        match (site, &self.control) {
            (Site::Control, Some(control)) => control.origin(),
            _ => self.workspaces.origin(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::args::public_url, *};

    fn named(hosts: &[&'static str], uri: &'static str) -> Option<Site> {
        let sites = Sites {
            workspaces: public_url("https://agents.example").unwrap(),
            control: Some(public_url("https://control.example:8443").unwrap()),
        };
        let hosts = hosts.iter().map(|host| (header::HOST, HeaderValue::from_static(host)));
        sites.of(&hosts.collect(), &Uri::from_static(uri))
    }

    #[test]
    fn a_request_is_for_the_address_that_it_names_and_for_no_other() {
        assert_eq!(named(&["agents.example"], "/"), Some(Site::Workspaces));
        assert_eq!(named(&["Control.example:8443"], "/"), Some(Site::Control));
        assert_eq!(named(&[], "https://control.example:8443/"), Some(Site::Control));
        for (hosts, uri) in [
            (&[][..], "/"),
            (&["control.example"], "/"),
            (&["agents.example:443"], "/"),
            (&["control.example:8443.evil.example"], "/"),
            (&["agents.example", "agents.example"], "/"),
            (&["agents.example", "control.example:8443"], "/"),
            (&["agents.example"], "https://control.example:8443/"),
        ] {
            assert_eq!(named(hosts, uri), None, "{hosts:?} {uri}");
        }
    }
}
