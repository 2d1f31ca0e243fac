//! Secrets do not leave the host: what stands beside a word such as `password` is replaced before a text goes anywhere.
//!
//! Every secret becomes the same stars, so that neither a text nor the difference of two tells anything of it, not even
//! its length. A mask errs on the side of too much; plain words of configuration (`yes`, `none`, numbers) stay.

/// What stands where a secret was.
pub(crate) const STARS: &str = "********";

/// Parts of a key that make its value a secret, in lower case. `-` and `.` in a key count as `_`.
const WORDS: [&str; 16] = [
    "passwd",
    "password",
    "passphrase",
    "requirepass",
    "masterauth",
    "secret",
    "token",
    "credential",
    "api_key",
    "apikey",
    "access_key",
    "accesskey",
    "private_key",
    "privatekey",
    "authorization",
    "community",
];

/// Values that are settings, not secrets.
const HARMLESS: [&str; 24] = [
    "yes",
    "no",
    "true",
    "false",
    "on",
    "off",
    "none",
    "null",
    "nil",
    "default",
    "auto",
    "required",
    "requisite",
    "optional",
    "sufficient",
    "files",
    "compat",
    "systemd",
    "sss",
    "ldap",
    "nis",
    "winbind",
    "db",
    "shadow",
];
/// A number up to this long is a setting, such as a length or an age.
const NUMBER_DIGITS_MAX: usize = 3;

/// What is taken for a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mask {
    words: Vec<String>,
}

impl Mask {
    /// The built-in words and `more`.
    pub(crate) fn new(more: &[String]) -> Self {
        let own = WORDS.iter().map(|word| (*word).to_owned());
        let more = more.iter().map(|word| normal(word)).filter(|word| !word.is_empty());
        Self {
            words: own.chain(more).collect(),
        }
    }

    /// The text without secrets, and in how many places something was taken out.
    pub(crate) fn apply(&self, text: &str) -> (String, usize) {
        let mut out = String::with_capacity(text.len());
        let (mut masked, mut within) = (0, Within::Nothing);
        for line in text.split_inclusive('\n') {
            let (line, end) = match line.strip_suffix('\n') {
                Some(line) => (line, "\n"),
                None => (line, ""),
            };
            if let Some(new) = self.line(line, &mut within) {
                masked += usize::from(new != line);
                out.push_str(&new);
                out.push_str(end);
            }
        }
        (out, masked)
    }

    /// The line without secrets; `None` when it is left out whole.
    fn line(&self, line: &str, within: &mut Within) -> Option<String> {
        match *within {
            Within::Key => {
                if line.contains("-----END") {
                    *within = Within::Nothing;
                    return Some(line.to_owned());
                }
                return None;
            }
            Within::Block(indent) => {
                if line.trim().is_empty() || indent_of(line) > indent {
                    return None;
                }
                *within = Within::Nothing;
            }
            Within::Nothing => {}
        }
        if line.contains("-----BEGIN") && line.contains("PRIVATE KEY") {
            if line.contains("-----END") {
                return Some(STARS.to_owned());
            }
            *within = Within::Key;
            let line = line.trim_end().trim_end_matches(STARS).trim_end();
            return Some(format!("{line} {STARS}"));
        }
        if let Some((kept, value)) = self.secret(line) {
            if matches!(value.trim_end(), "|" | ">" | "|-" | ">-" | "|+" | ">+") {
                *within = Within::Block(indent_of(line));
            }
            return Some(format!("{}{STARS}", addresses(&crypts(kept))));
        }
        Some(addresses(&crypts(line)))
    }

    /// Splits a line before the value of the first key that names a secret.
    fn secret<'l>(&self, line: &'l str) -> Option<(&'l str, &'l str)> {
        let lower = normal(line);
        debug_assert_eq!(lower.len(), line.len());
        let mut from = 0;
        while let Some(at) = self.first_word(&lower, from) {
            // The rest of the key.
            let end = at
                + lower[at..]
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(lower.len() - at);
            if let Some(value) = value_at(line, at, end) {
                let text = &line[value..];
                if !is_harmless(text) {
                    return Some((&line[..value], text));
                }
            }
            from = end.max(at + 1);
        }
        None
    }

    fn first_word(&self, lower: &str, from: usize) -> Option<usize> {
        let ends = self.words.iter().filter_map(|word| {
            let at = lower.get(from..)?.find(word.as_str())?;
            Some(from + at + word.len())
        });
        ends.min()
    }
}

#[derive(Debug, Clone, Copy)]
enum Within {
    Nothing,
    /// A private key in PEM.
    Key,
    /// A block of text in YAML, of a key with this indent.
    Block(usize),
}

/// In lower case, `-` and `.` as `_`; as long as before.
fn normal(text: &str) -> String {
    text.chars()
        .map(|c| {
            if matches!(c, '-' | '.') {
                '_'
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect()
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Where the value begins of a key that ends at `end`; `word` is where the telling word ends.
fn value_at(line: &str, word: usize, end: usize) -> Option<usize> {
    let rest = &line[end..];
    let after_quote = rest.trim_start_matches(['"', '\'', ']', ')']);
    let spaced = after_quote.trim_start();
    let separated = spaced.strip_prefix(":=").or_else(|| spaced.strip_prefix("=>"));
    let separated = separated.or_else(|| spaced.strip_prefix(['=', ':', '>']));
    if let Some(value) = separated {
        let value = value.trim_start();
        return (!value.is_empty()).then_some(line.len() - value.len());
    }
    // `requirepass foo`, `--password foo`, `password: foo` without its colon: the key begins the line or an option.
    let key_from = line[..word].rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let key = &line[key_from..word];
    let first = line[..key_from].trim().is_empty();
    let gap = after_quote.len() > spaced.len();
    (gap && !spaced.is_empty() && (first || key.starts_with('-'))).then_some(line.len() - spaced.len())
}

fn is_harmless(value: &str) -> bool {
    let mut words = value
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"' | '\'' | '[' | ']' | '{' | '}'))
        .filter(|word| !word.is_empty())
        .peekable();
    words.peek().is_none()
        || words.all(|word| {
            let number = word.len() <= NUMBER_DIGITS_MAX && word.bytes().all(|byte| byte.is_ascii_digit());
            let stars = word == STARS;
            number || stars || HARMLESS.iter().any(|harmless| word.eq_ignore_ascii_case(harmless))
        })
}

/// Without crypt(5) hashes, such as `$6$salt$…`.
fn crypts(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let tail = &rest[at..];
        let length = crypt_length(tail);
        if length > 0 {
            out.push_str(STARS);
            rest = &tail[length..];
        } else {
            out.push('$');
            rest = &tail[1..];
        }
    }
    out.push_str(rest);
    out
}

/// The length of a crypt(5) hash at the beginning, 0 when there is none.
fn crypt_length(text: &str) -> usize {
    let part_of = |c: char| c.is_ascii_alphanumeric() || matches!(c, '$' | '.' | '/' | ',' | '=' | '+' | '-' | '_');
    let length = text.find(|c| !part_of(c)).unwrap_or(text.len());
    let mut fields = text[1..length].split('$');
    let scheme = fields
        .next()
        .is_some_and(|id| matches!(id, "1" | "5" | "6" | "7" | "y" | "gy" | "2a" | "2b" | "2y" | "apr1"));
    if scheme && fields.any(|field| field.len() >= 8) {
        length
    } else {
        0
    }
}

/// Without the passwords of addresses, such as `https://user:secret@host`.
fn addresses(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '<' | '>'))
            .unwrap_or(after.len());
        let authority = &after[..end];
        match authority
            .rsplit_once('@')
            .map(|(user, host)| (user.split_once(':'), host))
        {
            Some((Some((user, secret)), host)) if !secret.is_empty() => {
                out.push_str(user);
                out.push(':');
                out.push_str(STARS);
                out.push('@');
                out.push_str(host);
            }
            _ => out.push_str(authority),
        }
        rest = &after[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;
    use proptest::prelude::*;

    fn masked(text: &str) -> String {
        Mask::new(&["wallet".to_owned()]).apply(text).0
    }

    #[test]
    fn secrets_of_many_formats_are_taken_out() {
        for (text, expected) in [
            ("password = hunter2", "password = ********"),
            ("DB_PASSWORD=hunter2 # prod", "DB_PASSWORD=********"),
            ("  \"api-key\": \"k-123\",", "  \"api-key\": ********"),
            ("<secret>x9</secret>", "<secret>********"),
            ("requirepass foobared", "requirepass ********"),
            ("exec tool --auth-token abc", "exec tool --auth-token ********"),
            ("Authorization: Bearer abc.def", "Authorization: ********"),
            ("rocommunity public 10.0.0.0/8", "rocommunity ********"),
            ("my.wallet=gold", "my.wallet=********"),
            (
                "url = https://bob:s3cret@db.example/x",
                "url = https://bob:********@db.example/x",
            ),
            ("root:$6$salt$abcdefghijkl:1:", "root:********:1:"),
            ("a\npassword: |\n  one\n  two\nb: 1\n", "a\npassword: ********\nb: 1\n"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabcd\n-----END RSA PRIVATE KEY-----\nx\n",
                "-----BEGIN RSA PRIVATE KEY----- ********\n-----END RSA PRIVATE KEY-----\nx\n",
            ),
        ] {
            assert_eq!(masked(text), expected);
        }
    }

    #[test]
    fn settings_that_only_sound_like_secrets_stay() {
        for text in [
            "PasswordAuthentication no",
            "passwd:         files systemd",
            "PASS_MAX_DAYS 99999",
            "password_min_length = 12",
            "# the password is asked for",
            "TokenLimit=100",
            "root:x:0:0:root:/root:/bin/bash",
            "echo $HOME $1 $$",
            "http://host:8080/path",
            "",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn the_same_stars_whatever_the_secret_so_that_a_difference_tells_nothing() {
        assert_eq!(masked("password=a"), masked("password=much longer than that"));
        let (text, places) = Mask::new(&[]).apply("token: a\nplain\nsecret=b\n");
        assert_eq!(
            (text.as_str(), places),
            ("token: ********\nplain\nsecret=********\n", 2)
        );
    }

    proptest! {
        #[test]
        fn no_secret_behind_a_telling_key_gets_through(
            key in "[a-zA-Z_]{0,6}", word in 0..WORDS.len(), separator in "( = |=|: |: \"|:|=> )", secret in "[g-zG-Z]{5}[0-9]{5}",
        ) {
            let text = format!("x\n{key}{}{separator}{secret}\ny\n", WORDS[word]);
            let out = masked(&text);
            prop_assert!(!out.contains(&secret), "{text} {out}");
            prop_assert_eq!(out.lines().count(), 3);
        }

        #[test]
        fn what_was_masked_is_not_masked_again(text in "(\\PC|\n){0,200}") {
            let once = masked(&text);
            prop_assert_eq!(masked(&once), once);
        }
    }

    #[test]
    fn any_text_is_survived() {
        bolero::check!().with_type::<String>().for_each(timed(|text: &String| {
            let _ = masked(text);
            let _ = masked(&format!("password: {text}\nhttp://{text}@h $6${text}"));
        }));
    }
}
