//! Admission warnings travel to the client as HTTP headers, so Kubernetes bounds them: 256
//! characters each, 4,096 in all, no control characters.

/// Longest warning, in bytes: no shorter in characters, and safe to count.
const LONGEST: usize = 256;
/// All warnings of one answer together, in bytes.
const ALL: usize = 4096;
/// What is kept free to tell how many did not fit, in bytes.
const MORE: usize = 32;
const CUT: &str = "...";

/// `texts` as they can be sent. What does not fit is cut, and said to be.
#[must_use]
pub fn bounded(texts: &[String]) -> Vec<String> {
    let mut left = ALL - MORE;
    let mut warnings = Vec::with_capacity(texts.len());
    for text in texts {
        let warning = one(text);
        let Some(rest) = left.checked_sub(warning.len()) else {
            warnings.push(format!("and {} more", texts.len() - warnings.len()));
            break;
        };
        left = rest;
        warnings.push(warning);
    }
    warnings
}

fn one(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if clean.len() <= LONGEST {
        return clean;
    }
    let end = clean.floor_char_boundary(LONGEST - CUT.len());
    format!("{}{CUT}", clean.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_keep_kubernetes_limits() {
        let texts: Vec<String> = (0..100).map(|_| "\u{e9}\n".repeat(300)).collect();
        let warnings = bounded(&texts);
        assert!(warnings.iter().map(String::len).sum::<usize>() <= ALL);
        let (more, warnings) = warnings.split_last().unwrap();
        assert_eq!((warnings.len(), more.as_str()), (15, "and 85 more"));
        for warning in warnings {
            assert!(warning.len() <= LONGEST && warning.ends_with(CUT), "{warning}");
            assert!(!warning.contains(char::is_control));
        }
    }

    #[test]
    fn a_short_warning_is_sent_as_it_is() {
        assert_eq!(bounded(&["env X was replaced".to_owned()]), ["env X was replaced"]);
    }
}
