//! Times for people: how long ago or how soon, which is the same in every time zone; the moment
//! itself is in the attributes.

use k8s_openapi::jiff::Timestamp;
use maud::{Markup, html};

/// `3 minutes ago`, or `in 3 minutes` for what is to come.
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> Markup {
    let seconds = at.duration_since(now).as_secs();
    let words = match (seconds, span(seconds.unsigned_abs())) {
        (_, None) if seconds > 0 => "in less than a minute".to_owned(),
        (_, None) => "just now".to_owned(),
        (1.., Some(span)) => format!("in {span}"),
        (_, Some(span)) => format!("{span} ago"),
    };
    html! {
        time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) title=(at.strftime("%Y-%m-%d %H:%M UTC")) {
            (words)
        }
    }
}

/// The largest unit that fits, rounded down.
fn span(seconds: u64) -> Option<String> {
    let (count, unit) = match seconds {
        ..60 => return None,
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    Some(format!("{count} {unit}{}", if count == 1 { "" } else { "s" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_its_largest_unit() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (at, words) in [
            ("2026-11-24T12:00:00Z", "just now"),
            ("2026-11-24T11:59:01Z", "just now"),
            ("2026-11-24T11:59:00Z", "1 minute ago"),
            ("2026-11-24T11:00:01Z", "59 minutes ago"),
            ("2026-11-24T09:30:00Z", "2 hours ago"),
            ("2026-11-22T12:00:00Z", "2 days ago"),
            ("2026-11-24T12:00:20Z", "in less than a minute"),
            ("2026-11-24T12:25:00Z", "in 25 minutes"),
        ] {
            let told = relative(at.parse().unwrap(), now).into_string();
            assert!(told.contains(&format!(">{words}<")), "{at}: {told}");
        }
    }
}
