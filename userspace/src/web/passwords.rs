//! Passwords of users against bcrypt hashes: off the async threads, one at a time, the last good one of each remembered.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
};

use axum::http::{HeaderMap, header};
use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

/// Comparisons that may wait for their turn; a comparison takes some 50 ms at the usual cost of 10.
const WAITING: usize = 64;

/// What of a request's password is to be thought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It is the user's.
    Right,
    /// It is not, or there is no such user, or none was sent.
    Wrong,
    /// Too many are waiting.
    Busy,
}

/// Compares passwords.
pub(super) struct Passwords {
    /// One at a time, as a hash is made to be costly.
    turn: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// By user the digest of the hash and the password that last went together: never more than there are users.
    known: Mutex<HashMap<String, [u8; 32]>>,
    /// Makes digests useless elsewhere, and the choice of a stand-in unforeseeable.
    salt: RandomState,
}

impl Passwords {
    pub(super) fn new() -> Self {
        Self {
            turn: Arc::new(Semaphore::new(1)),
            waiting: Arc::new(Semaphore::new(WAITING)),
            known: Mutex::default(),
            salt: RandomState::new(),
        }
    }

    /// Judges a request's password. One of a user that is not there costs as much as a wrong one of a user that is.
    pub(super) async fn judge(
        &self,
        users: &HashMap<String, String>,
        headers: &HeaderMap,
    ) -> Verdict {
        let Some((name, password)) = sent(headers) else { return Verdict::Wrong };
        let hash = users.get(&name);
        let digest = hash.map(|hash| self.digest(hash, &password));
        if digest.is_some() && self.lock().get(&name).copied() == digest {
            return Verdict::Right;
        }
        let Some(compared) = hash.or_else(|| self.stand_in(users, &name)) else {
            return Verdict::Wrong;
        };
        let Ok(_waits) = self.waiting.try_acquire() else { return Verdict::Busy };
        let Ok(turn) = Arc::clone(&self.turn).acquire_owned().await else { return Verdict::Busy };
        let compared = compared.clone();
        let matches = tokio::task::spawn_blocking(move || {
            // To the end, also when the client has gone: else those who leave early would not be held to one at a time.
            let _turn = turn;
            bcrypt::verify(&password, &compared).unwrap_or(false)
        });
        match (matches.await.unwrap_or(false), digest) {
            (true, Some(digest)) => {
                let mut known = self.lock();
                known.retain(|name, _| users.contains_key(name));
                known.insert(name, digest);
                Verdict::Right
            }
            _ => Verdict::Wrong,
        }
    }

    /// The hash of some user, always the same for a name: names are not told apart by what hashes cost.
    fn stand_in<'u>(&self, users: &'u HashMap<String, String>, name: &str) -> Option<&'u String> {
        let mut names: Vec<_> = users.keys().collect();
        names.sort();
        let chosen = self.salt.hash_one(name).checked_rem(names.len() as u64)?;
        users.get(names[usize::try_from(chosen).ok()?])
    }

    fn digest(&self, hash: &str, password: &[u8]) -> [u8; 32] {
        let salt = self.salt.hash_one("salt").to_ne_bytes();
        // A hash has no zero in it: no two pairs give the same text.
        let parts: [&[u8]; 4] = [&salt, hash.as_bytes(), &[0], password];
        let digest = parts.iter().fold(Sha256::new(), |digest, part| digest.chain_update(part));
        digest.finalize().into()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, [u8; 32]>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Name and password of a request: RFC 7617.
fn sent(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, encoded) = value.split_at_checked(b"Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let mut name = BASE64_STANDARD.decode(encoded.trim_ascii()).ok()?;
    let colon = name.iter().position(|&byte| byte == b':')?;
    let password = name.split_off(colon + 1);
    name.truncate(colon);
    Some((String::from_utf8(name).ok()?, password))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// Lowest cost there is.
    const COST: u32 = 4;

    fn headers(name: &str, password: &str) -> HeaderMap {
        let value = format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")));
        let value = HeaderValue::from_str(&value).expect("a header");
        HeaderMap::from_iter([(header::AUTHORIZATION, value)])
    }

    fn users(all: &[(&str, &str)]) -> HashMap<String, String> {
        let each = all.iter().map(|(name, password)| {
            (name.to_string(), bcrypt::hash(password, COST).expect("a hash"))
        });
        each.collect()
    }

    #[tokio::test]
    async fn the_right_password_of_a_user_alone_is_right() {
        let passwords = Passwords::new();
        let users = users(&[("ann", "a:b"), ("bob", "")]);
        for _ in 0..2 {
            assert_eq!(passwords.judge(&users, &headers("ann", "a:b")).await, Verdict::Right);
            assert_eq!(passwords.judge(&users, &headers("bob", "")).await, Verdict::Right);
            for (name, password) in [("ann", "a"), ("bob", "a:b"), ("cid", "a:b"), ("", "")] {
                let verdict = passwords.judge(&users, &headers(name, password)).await;
                assert_eq!(verdict, Verdict::Wrong, "{name}");
            }
        }
        assert_eq!(passwords.lock().len(), 2);
        let plain = HeaderValue::from_static("Bearer YTpi");
        let bearer = HeaderMap::from_iter([(header::AUTHORIZATION, plain)]);
        assert_eq!(passwords.judge(&users, &bearer).await, Verdict::Wrong);
        assert_eq!(passwords.judge(&users, &HeaderMap::new()).await, Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_remembered_password_is_forgotten_with_its_hash() {
        let passwords = Passwords::new();
        let old = users(&[("ann", "old")]);
        assert_eq!(passwords.judge(&old, &headers("ann", "old")).await, Verdict::Right);
        let new = users(&[("ann", "new")]);
        assert_eq!(passwords.judge(&new, &headers("ann", "old")).await, Verdict::Wrong);
        assert_eq!(passwords.judge(&new, &headers("ann", "new")).await, Verdict::Right);
    }

    #[tokio::test]
    async fn no_more_than_so_many_wait() {
        let passwords = Passwords::new();
        let users = users(&[("ann", "right")]);
        assert_eq!(passwords.judge(&users, &headers("ann", "right")).await, Verdict::Right);
        let _all = passwords.waiting.acquire_many(WAITING as u32).await.expect("all of them");
        assert_eq!(passwords.judge(&users, &headers("bob", "x")).await, Verdict::Busy);
        assert_eq!(passwords.judge(&users, &headers("ann", "right")).await, Verdict::Right);
    }

    #[test]
    fn a_stand_in_is_the_same_for_a_name() {
        let passwords = Passwords::new();
        let users = users(&[("ann", "a"), ("bob", "b")]);
        let first = passwords.stand_in(&users, "nobody");
        assert!(first.is_some() && (0..9).all(|_| passwords.stand_in(&users, "nobody") == first));
    }
}
