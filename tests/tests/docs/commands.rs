//! The commands in a fence.

use crate::page::Fence;

/// A command, and what the page says that it prints.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// With all its lines.
    pub(crate) text: String,
    /// `None` in a script, which shows no output.
    pub(crate) output: Option<String>,
}

/// Whether a shell is to read it.
pub(crate) fn is_shell(fence: &Fence) -> bool {
    matches!(fence.language.as_str(), "sh" | "console")
}

/// The commands one by one: in `console` what stands behind `$ `, followed by what it prints; in `sh`
/// each line. Comments are left out, and lines that end with a backslash are one with the next.
pub(crate) fn commands(fence: &Fence) -> Vec<Command> {
    let shows_output = fence.language == "console";
    let mut commands: Vec<Command> = Vec::new();
    for line in fence.text.lines() {
        let begins = if shows_output { line.strip_prefix("$ ") } else { Some(line) };
        match (begins, commands.last_mut()) {
            (_, Some(last)) if last.text.ends_with('\\') => {
                last.text.push('\n');
                last.text.push_str(line);
            }
            (Some(text), _) => {
                let output = shows_output.then(String::new);
                commands.push(Command { text: text.to_owned(), output });
            }
            (None, Some(Command { output: Some(output), .. })) => {
                output.push_str(line);
                output.push('\n');
            }
            (None, _) => {}
        }
    }
    commands.retain(|command| !without_comment(&command.text).is_empty());
    commands
}

/// A command as one line, without its comment.
pub(crate) fn plain(text: &str) -> String {
    let lines = text.lines().map(|line| without_comment(line.trim_end_matches('\\')).trim());
    lines.collect::<Vec<_>>().join(" ").trim().to_owned()
}

fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with('#') {
        return "";
    }
    line.split(" # ").next().unwrap_or(line).trim_end()
}

/// What is run one after another, or in a pipe: the words of each part, without variables in front.
pub(crate) fn parts(text: &str) -> Vec<Vec<String>> {
    let text = plain(text).replace("$(", "|");
    let parts = text.split(['|', ';', '&', '(', ')']);
    parts
        .map(|part| {
            let words = part.split_whitespace();
            words.skip_while(|word| is_assignment(word)).map(str::to_owned).collect::<Vec<_>>()
        })
        .filter(|words| !words.is_empty())
        .collect()
}

fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fence(language: &str, text: &str) -> Fence {
        Fence { line: 1, language: language.to_owned(), mark: None, text: text.to_owned() }
    }

    #[test]
    fn a_console_shows_what_each_command_prints() {
        let found = commands(&fence("console", "$ a \\\n  b\nx\n\ny\n$ c\n"));
        let expected = [("a \\\n  b", "x\n\ny\n"), ("c", "")].map(|(text, output)| Command {
            text: text.to_owned(),
            output: Some(output.to_owned()),
        });
        assert_eq!(found, expected);
        assert_eq!(plain(&expected[0].text), "a b");
    }

    #[test]
    fn a_script_has_comments_and_no_output() {
        let found = commands(&fence("sh", "# first\na --b    # why\n\nc | d\n"));
        let found: Vec<_> = found.iter().map(|command| plain(&command.text)).collect();
        assert_eq!(found, ["a --b", "c | d"]);
    }

    #[test]
    fn each_part_of_a_pipe_is_told() {
        let words = parts("A=1 b -c | d e && F=$(g --h)");
        assert_eq!(words, [vec!["b", "-c"], vec!["d", "e"], vec!["g", "--h"]]);
    }
}
