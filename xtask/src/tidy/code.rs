//! Rust source without its comments and literals, so that a search finds code only.
//!
//! Not a parser: it knows just enough of the lexical grammar to tell where a comment or a literal
//! ends.

/// `source` with comments, strings and characters blanked; every line stays where it was.
pub(super) fn only(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        // `r"` and `b'` start a literal unless the letter ends an identifier.
        let inside_word = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let length = blank_length(rest, inside_word);
        if length == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (blank, after) = rest.split_at(length);
        code.extend(blank.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = after;
    }
    code
}

/// `code` up to its `#[cfg(test)] mod … {`.
pub(super) fn without_tests(code: &str) -> &str {
    let mut from = 0;
    while let Some(at) = code[from..].find("#[cfg(test)]") {
        let start = from + at;
        from = start + "#[cfg(test)]".len();
        let item = code[from..].trim_start();
        let inline = item.lines().next().is_some_and(|line| line.contains('{'));
        if item.starts_with("mod ") && inline {
            return &code[..start];
        }
    }
    code
}

/// Length of the comment or literal at the start of `rest`; 0 if there is none.
fn blank_length(rest: &str, inside_word: bool) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    if rest.starts_with('"') {
        return quoted(rest, '"');
    }
    if rest.starts_with('\'') {
        return character(rest);
    }
    if inside_word {
        return 0;
    }
    raw_string(rest).unwrap_or(0)
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + c.len_utf8();
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}

/// A lifetime is no literal: `'a` has no closing quote where a character has it.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), _) => quoted(rest, '\''),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

fn raw_string(rest: &str) -> Option<usize> {
    let after = ["br", "cr", "r"].iter().find_map(|start| rest.strip_prefix(start))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end)? + end.len();
    Some(rest.len() - body.len() + length)
}

#[cfg(test)]
mod tests {
    use super::{only, without_tests};

    #[test]
    fn comments_and_literals_are_blank() {
        let source =
            "a /* b /* c */ d */ e // f\nlet s = \"g\\\" h\"; 'i'; '\\''; r#\"j \" k\"#; l";
        let code = only(source);
        let words: Vec<_> = code.split_whitespace().collect();
        assert_eq!(words, ["a", "e", "let", "s", "=", ";", ";", ";", ";", "l"]);
        assert_eq!(code.len(), source.len());
    }

    #[test]
    fn a_lifetime_is_code() {
        assert_eq!(only("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
    }

    #[test]
    fn an_identifier_that_ends_in_r_starts_no_raw_string() {
        assert_eq!(only("for\"x\""), "for   ");
    }

    #[test]
    fn the_test_module_is_cut_and_a_test_import_is_not() {
        assert_eq!(without_tests("a\n#[cfg(test)]\nmod tests {\n}"), "a\n");
        let import = "#[cfg(test)]\nuse x;\nb";
        assert_eq!(without_tests(import), import);
        let outside = "#[cfg(test)]\nmod tests;\nb";
        assert_eq!(without_tests(outside), outside);
    }
}
