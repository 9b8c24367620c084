//! Who may capture packets: metrics and flows are for everybody who reaches a listener, packets are not.
//!
//! Each listener has an [`Access`], which its requests carry as an axum extension. A reload replaces what it says.

use std::{
    fmt,
    fs::File,
    hint,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use axum::http::{HeaderMap, header};

use super::Failure;

/// What the clients of one listener may do.
#[derive(Clone, Debug)]
pub struct Access {
    capture: Arc<RwLock<Capture>>,
}

#[derive(Clone, Debug)]
enum Capture {
    Allowed,
    Token(Arc<Token>),
    Refused,
}

impl Access {
    /// Everybody who reaches the listener may capture.
    #[must_use]
    pub fn allowed() -> Self {
        Self::of(Capture::Allowed)
    }

    /// Whoever sends this token may.
    #[must_use]
    pub fn bearers(token: Token) -> Self {
        Self::of(Capture::Token(Arc::new(token)))
    }

    /// Nobody may.
    #[must_use]
    pub fn refused() -> Self {
        Self::of(Capture::Refused)
    }

    fn of(capture: Capture) -> Self {
        Self { capture: Arc::new(RwLock::new(capture)) }
    }

    /// From here on, and for all clones, what `other` says.
    pub fn replace(&self, other: &Self) {
        let said = other.said();
        *self.capture.write().unwrap_or_else(PoisonError::into_inner) = said;
    }

    fn said(&self) -> Capture {
        self.capture.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether anybody may capture at all.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.said(), Capture::Refused)
    }

    /// Whether a request with these headers has shown who it is from, by the token.
    pub(super) fn vouches(&self, headers: &HeaderMap) -> bool {
        matches!(self.said(), Capture::Token(token) if bearer(headers).is_some_and(|sent| token.is(sent)))
    }

    /// Whether a request with these headers may capture.
    ///
    /// # Errors
    /// 403 where nobody may, 401 without the right token.
    pub(super) fn capture(&self, headers: &HeaderMap) -> Result<(), Failure> {
        match self.said() {
            Capture::Allowed => Ok(()),
            Capture::Refused => Err(Failure::Forbidden),
            Capture::Token(token) => match bearer(headers) {
                Some(sent) if token.is(sent) => Ok(()),
                _ => Err(Failure::Unauthorized),
            },
        }
    }
}

/// The token of a request: RFC 6750, section 2.1. The scheme's letters may be of either case (RFC 9110, section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// A secret that a client may send.
pub struct Token(String);

impl Token {
    /// Fewer could be guessed.
    const SHORTEST: usize = 16;
    /// More would not go through every proxy's limit of a header.
    const LONGEST: u64 = 4096;

    /// The text of `file`, without the white space around it.
    ///
    /// # Errors
    /// When others than its owner may read it, and when it is too short or cannot stand in a header.
    pub fn read(file: &Path) -> io::Result<Self> {
        let mut file = File::open(file)?;
        // Of the open file, not of its path: what was looked at is what is read.
        let mode = file.metadata()?.mode();
        if mode & 0o077 != 0 {
            let mode = mode & 0o777;
            return Err(unfit(format!("its mode is {mode:04o}: chmod 0600 keeps others out")));
        }
        let mut text = String::new();
        file.by_ref().take(Self::LONGEST + 1).read_to_string(&mut text)?;
        Self::new(&text).map_err(unfit)
    }

    /// `text` without the white space around it.
    fn new(text: &str) -> Result<Self, String> {
        let (token, shortest, longest) = (text.trim(), Self::SHORTEST, Self::LONGEST);
        if token.len() < shortest {
            return Err(format!("a token has at least {shortest} characters"));
        }
        if text.len() as u64 > longest {
            return Err(format!("a token has at most {longest} characters"));
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a token is of ASCII letters, digits and signs alone".to_owned());
        }
        Ok(Self(token.to_owned()))
    }

    /// In the same time wherever the first difference is; the length is no secret.
    fn is(&self, sent: &[u8]) -> bool {
        let token = self.0.as_bytes();
        let pairs = token.iter().zip(sent);
        let differences = pairs.fold(0, |all, (a, b)| hint::black_box(all | (a ^ b)));
        token.len() == sent.len() && differences == 0
    }
}

fn unfit(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use axum::http::HeaderValue;

    use super::*;

    const SECRET: &str = "0123456789abcdef";

    fn headers(authorization: &'static str) -> HeaderMap {
        let value = HeaderValue::from_static(authorization);
        HeaderMap::from_iter([(header::AUTHORIZATION, value)])
    }

    #[test]
    fn the_listener_decides() {
        let nothing = HeaderMap::new();
        assert!(Access::allowed().capture(&nothing).is_ok());
        assert!(matches!(Access::refused().capture(&nothing), Err(Failure::Forbidden)));
        let token = "Bearer 0123456789abcdef";
        assert!(matches!(Access::refused().capture(&headers(token)), Err(Failure::Forbidden)));
    }

    #[test]
    fn the_right_token_alone_opens() {
        let access = Access::bearers(Token::new(SECRET).expect("a token"));
        for right in ["Bearer 0123456789abcdef", "bearer  0123456789abcdef "] {
            assert!(access.capture(&headers(right)).is_ok(), "{right}");
        }
        let wrong = [
            "",
            "Bearer",
            "Bearer ",
            "0123456789abcdef",
            "Basic 0123456789abcdef",
            "Bearer 0123456789abcdeF",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Bearer 0123456789abcdef 0123456789abcdef",
        ];
        for wrong in wrong {
            let refused = access.capture(&headers(wrong));
            assert!(matches!(refused, Err(Failure::Unauthorized)), "{wrong}");
        }
        assert!(matches!(access.capture(&HeaderMap::new()), Err(Failure::Unauthorized)));
    }

    #[test]
    fn a_token_is_long_and_fits_a_header() {
        assert!(Token::new(&format!("\n {SECRET}\r\n")).is_ok_and(|token| token.0 == SECRET));
        for unfit in
            ["", "short", "               \n    ", "0123456789 abcdef", "0123456789abcdefé"]
        {
            assert!(Token::new(unfit).is_err(), "{unfit:?}");
        }
        assert!(Token::new(&"x".repeat(5000)).is_err());
        assert_eq!(format!("{:?}", Token::new(SECRET).expect("a token")), "Token(…)");
    }

    #[test]
    fn a_token_that_others_can_read_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        fs::write(&file, SECRET).expect("writing a token");
        for (mode, fits) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("chmod");
            let read = Token::read(&file);
            assert_eq!(read.is_ok(), fits, "{mode:o}: {read:?}");
            let told = read.err().is_none_or(|error| error.to_string().contains("chmod 0600"));
            assert!(told, "{mode:o}");
        }
    }
}
