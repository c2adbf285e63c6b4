//! What of the table is shown: which users, in which order, which page of them.

use std::cmp::Ordering;

use contract::UserId;
use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use crate::state::State;

/// How many rows are on a page. Each running workspace among them is asked when it was used.
const ROWS: usize = 25;

/// What was asked for, as the query says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct View {
    /// Only these; empty for all.
    pub(super) state: String,
    /// Only users whose id begins so.
    pub(super) user: String,
    pub(super) sort: Sort,
    /// From 1.
    page: usize,
}

/// The order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Sort {
    #[default]
    User,
    State,
    /// The youngest first.
    Newest,
    Oldest,
}

/// What a row is chosen and ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) user: UserId,
    pub(super) state: State,
    pub(super) started: Option<Timestamp>,
}

/// The rows of one page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) keys: Vec<Key>,
    /// How many there are on all pages.
    pub(super) all: usize,
    /// From 1.
    pub(super) page: usize,
    pub(super) pages: usize,
}

impl Sort {
    fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::State => "state",
            Self::Newest => "newest",
            Self::Oldest => "oldest",
        }
    }

    fn compare(self, one: &Key, other: &Key) -> Ordering {
        let by_user = one.user.cmp(&other.user);
        match self {
            Self::User => by_user,
            // What needs somebody comes first.
            Self::State => {
                let rank = |key: &Key| (key.state != State::Failed, key.state.name());
                rank(one).cmp(&rank(other)).then(by_user)
            }
            Self::Newest => other.started.cmp(&one.started).then(by_user),
            Self::Oldest => one.started.cmp(&other.started).then(by_user),
        }
    }
}

impl View {
    /// The same in this state only, from its first page.
    pub(super) fn only(&self, state: Option<State>) -> Self {
        let state = state.map(State::name).unwrap_or_default().to_owned();
        Self { state, page: 0, ..self.clone() }
    }

    pub(super) fn sorted(&self, sort: Sort) -> Self {
        Self { sort, page: 0, ..self.clone() }
    }

    pub(super) fn at(&self, page: usize) -> Self {
        Self { page, ..self.clone() }
    }

    /// `path` with what differs from the plain table.
    pub(super) fn link(&self, path: &str) -> String {
        let page = self.page.to_string();
        let pairs = [
            ("state", self.state.as_str(), ""),
            ("user", &self.user, ""),
            ("sort", self.sort.name(), Sort::default().name()),
            ("page", if self.page > 1 { &page } else { "" }, ""),
        ];
        let told = pairs.iter().filter(|(_, value, plain)| value != plain);
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(told.map(|(name, value, _)| (name, value)))
            .finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }

    /// The rows of the page, of `all` those that there are. A page beyond the last is the last.
    pub(super) fn rows(&self, all: &[Key]) -> Rows {
        let prefix = self.user.trim().to_ascii_lowercase();
        let mut keys: Vec<_> = all
            .iter()
            .filter(|key| self.state.is_empty() || key.state.name() == self.state)
            .filter(|key| key.user.as_str().starts_with(&prefix))
            .collect();
        keys.sort_by(|one, other| self.sort.compare(one, other));
        let pages = keys.len().div_ceil(ROWS).max(1);
        let page = self.page.clamp(1, pages);
        Rows {
            all: keys.len(),
            page,
            pages,
            keys: keys.into_iter().skip((page - 1) * ROWS).take(ROWS).cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize, state: State, second: Option<i64>) -> Key {
        let user = format!("{number:08}-2222-4333-8444-555555555555").parse().unwrap();
        let started = second.map(|second| Timestamp::from_second(second).unwrap());
        Key { user, state, started }
    }

    fn numbers(view: &View, all: &[Key]) -> Vec<String> {
        view.rows(all).keys.iter().map(|key| key.user.as_str()[7..8].to_owned()).collect()
    }

    #[test]
    fn rows_are_chosen_and_ordered() {
        let all = [
            key(3, State::Ready, Some(30)),
            key(1, State::Starting, Some(10)),
            key(2, State::Failed, Some(50)),
            key(4, State::Queued, None),
        ];
        let view = View::default();
        assert_eq!(numbers(&view, &all), ["1", "2", "3", "4"]);
        assert_eq!(numbers(&view.sorted(Sort::State), &all), ["2", "4", "3", "1"]);
        assert_eq!(numbers(&view.sorted(Sort::Newest), &all), ["2", "3", "1", "4"]);
        assert_eq!(numbers(&view.sorted(Sort::Oldest), &all), ["4", "1", "3", "2"]);
        assert_eq!(numbers(&view.only(Some(State::Ready)), &all), ["3"]);
        let named = View { user: " 00000002-22".to_owned(), ..View::default() };
        assert_eq!(numbers(&named, &all), ["2"]);
    }

    #[test]
    fn pages_have_an_end() {
        let all: Vec<_> = (0..60).map(|number| key(number, State::Ready, None)).collect();
        let view = View::default();
        for (page, shown, rows) in [(0, 1, ROWS), (1, 1, ROWS), (3, 3, 10), (usize::MAX, 3, 10)] {
            let found = view.at(page).rows(&all);
            assert_eq!((found.page, found.keys.len(), found.pages), (shown, rows, 3), "{page}");
        }
        let none = view.rows(&[]);
        assert_eq!((none.page, none.pages, none.all), (1, 1, 0));
    }

    #[test]
    fn a_link_says_what_is_not_plain_and_escapes_it() {
        let view = View { user: "a&b".to_owned(), ..View::default() };
        assert_eq!(View::default().link("/-/users"), "/-/users");
        let link = view.only(Some(State::Failed)).sorted(Sort::Newest).at(2).link("/-/users");
        assert_eq!(link, "/-/users?state=Failed&user=a%26b&sort=newest&page=2");
    }
}
