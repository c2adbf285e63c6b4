//! How a NewAPI base URL is joined with a path.

/// Strips trailing `/` and one `/v1`, so that whoever appends `/v1` has it exactly once.
///
/// Both forms are in use, and the wrong one is a silent fault: without `/v1` NewAPI answers a chat
/// call with 200 and an HTML page.
#[must_use]
pub fn base(url: &str) -> &str {
    let url = url.trim().trim_end_matches('/');
    url.strip_suffix("/v1").unwrap_or(url).trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::base;

    #[test]
    fn v1_is_stripped_once_and_slashes_always() {
        for (given, expected) in [
            ("http://newapi:3000", "http://newapi:3000"),
            ("http://newapi:3000/", "http://newapi:3000"),
            ("http://newapi:3000/v1", "http://newapi:3000"),
            (" http://newapi:3000/v1// \n", "http://newapi:3000"),
            ("http://newapi/team/v1/v1", "http://newapi/team/v1"),
            ("http://newapi/api-v1", "http://newapi/api-v1"),
        ] {
            assert_eq!(base(given), expected, "{given:?}");
        }
    }
}
