//! As much of a browser as matters here: it keeps cookies, says where its requests come from, and
//! follows nothing by itself.

use std::collections::BTreeMap;

use http::Method;

use crate::house::{Answer, CONTROL, House, ORIGIN};

/// A browser at one of a spawner's addresses.
pub(crate) struct Browser<'a> {
    pub(crate) house: &'a House,
    /// Which.
    pub(crate) origin: &'static str,
    pub(crate) jar: BTreeMap<String, String>,
}

/// What a browser sends when a user opens a page.
pub(crate) const VISIT: [(&str, &str); 4] = [
    ("sec-fetch-site", "none"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("accept", "text/html,*/*;q=0.8"),
];
/// What it sends when a page's script asks for something of the same site.
pub(crate) const FETCH: [(&str, &str); 3] =
    [("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")];
/// What it sends with a form of a page of the same site.
pub(crate) const FORM: [(&str, &str); 5] = [
    ("origin", ORIGIN),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("content-type", "application/x-www-form-urlencoded"),
];

impl<'a> Browser<'a> {
    /// A new one, without cookies.
    pub(crate) fn at(house: &'a House) -> Self {
        Self { house, origin: ORIGIN, jar: BTreeMap::new() }
    }

    /// A new one at the control address, that `user` has signed in with.
    pub(crate) async fn at_control(house: &'a House, user: &str) -> Self {
        let mut browser = Self { origin: CONTROL, ..Self::at(house) };
        let back = browser.come_back_from_issuer("/-/users", user).await;
        assert_eq!((back.status.as_u16(), back.location()), (302, "/-/users"), "{}", back.text);
        browser
    }

    /// One that `user` has signed in with.
    pub(crate) async fn of(house: &'a House, user: &str) -> Self {
        let mut browser = Self::at(house);
        let back = browser.come_back_from_issuer("/", user).await;
        assert_eq!((back.status.as_u16(), back.location()), (302, "/"), "{}", back.text);
        browser
    }

    /// Opens `next`, signs in as `user` where it is led to, and comes back.
    pub(crate) async fn come_back_from_issuer(&mut self, next: &str, user: &str) -> Answer {
        let callback = self.callback_after(next, user).await;
        self.visit(&callback).await
    }

    /// The same up to the moment before coming back.
    pub(crate) async fn callback_after(&mut self, next: &str, user: &str) -> String {
        let login = self.visit(&format!("/-/login?next={next}")).await;
        assert_eq!(login.status, 302, "{}", login.text);
        let location = login.location().to_owned();
        let code = self.house.issuer().agree(&location, user);
        format!("/-/callback?code={code}&state={}", state_of(&location))
    }

    /// Opens a page.
    pub(crate) async fn visit(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, &VISIT, "").await
    }

    /// Asks for something from a page's script.
    pub(crate) async fn fetch(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, &FETCH, "").await
    }

    /// Sends one of our forms, with the token that the page has.
    pub(crate) async fn press(&mut self, path: &str) -> Answer {
        self.press_with(path, "").await
    }

    /// The same with these fields filled in.
    pub(crate) async fn press_with(&mut self, path: &str, fields: &str) -> Answer {
        let token = self.csrf_token().await;
        let form = self.form();
        self.send(Method::POST, path, &form, &format!("csrf={token}&{fields}")).await
    }

    /// What it sends with a form of a page of this address.
    pub(crate) fn form(&self) -> [(&'static str, &'static str); 5] {
        let [_, rest @ ..] = FORM;
        let [site, mode, dest, content] = rest;
        [("origin", self.origin), site, mode, dest, content]
    }

    /// The token in the forms of `/-/`.
    pub(crate) async fn csrf_token(&mut self) -> String {
        let page = self.visit("/-/").await;
        let (_, rest) = page.text.split_once("name=\"csrf\" value=\"").expect("a form");
        rest.split('"').next().unwrap().to_owned()
    }

    /// Sends anything, with the cookies, and keeps what is set.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let cookies = self.cookies();
        let mut all = headers.to_vec();
        if !all.iter().any(|(name, _)| *name == "host") {
            all.push(("host", self.origin.trim_start_matches("https://")));
        }
        if !cookies.is_empty() {
            all.push(("cookie", &cookies));
        }
        let answer = self.house.ask_with(method, path, &all, body).await;
        for line in answer.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if line.contains("Max-Age=0") {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    pub(crate) fn cookies(&self) -> String {
        self.jar
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("; ")
    }

    /// Whether it has a session.
    pub(crate) fn is_signed_in(&self) -> bool {
        self.jar.keys().any(|name| name.starts_with("__Host-openclaw-session"))
    }
}

/// The `state` in an authorization request.
pub(crate) fn state_of(location: &str) -> String {
    let (_, query) = location.split_once('?').unwrap();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "state").unwrap().1.into_owned()
}
