//! What stands before every page of a TCP listener: the rate limit, the password, and the headers of the web's file.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    access::Access,
    api,
    config::{Config, Loaded, Rate},
    passwords::{Passwords, Verdict},
    tally::Tally,
};
use crate::report::Refused;

/// One for all TCP listeners.
pub(super) struct Guard {
    config: Arc<Config>,
    tally: Arc<Tally>,
    access: Access,
    passwords: Passwords,
    bucket: Mutex<Bucket>,
}

impl Guard {
    pub(super) fn new(config: Arc<Config>, tally: Arc<Tally>, access: Access) -> Self {
        let (passwords, bucket) = (Passwords::new(), Mutex::default());
        Self { config, tally, access, passwords, bucket }
    }

    async fn refuses(&self, config: &Loaded, path: &str, headers: &HeaderMap) -> Option<Refused> {
        if let Some(rate) = config.rate {
            let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
            if !bucket.takes(rate, Instant::now()) {
                return Some(Refused::RateLimit);
            }
        }
        // A request has room for one proof: the capture token is enough where it is asked for.
        if config.users.is_empty() || api::is_capture(path) && self.access.vouches(headers) {
            return None;
        }
        match self.passwords.judge(&config.users, headers).await {
            Verdict::Right => None,
            Verdict::Wrong => Some(Refused::Unauthorized),
            Verdict::Busy => Some(Refused::Passwords),
        }
    }
}

/// Lets a request in, or says why not.
pub(super) async fn guard(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let config = guard.config.fresh().await;
    let mut response = match guard.refuses(&config, request.uri().path(), request.headers()).await {
        None => next.run(request).await,
        Some(why) => {
            guard.tally.refuse(why);
            answer(why)
        }
    };
    for (name, value) in &config.headers {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

fn answer(why: Refused) -> Response {
    match why {
        Refused::Unauthorized => {
            // Nobody keeps a connection by being refused.
            let challenge = [(header::WWW_AUTHENTICATE, "Basic"), (header::CONNECTION, "close")];
            (StatusCode::UNAUTHORIZED, challenge, "Unauthorized\n").into_response()
        }
        Refused::RateLimit => {
            (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests\n").into_response()
        }
        _ => {
            let wait = [(header::RETRY_AFTER, "1")];
            (StatusCode::SERVICE_UNAVAILABLE, wait, "too many passwords to compare; try again\n")
                .into_response()
        }
    }
}

/// A bucket of requests that fills by one each interval, full at first (GCRA: one time says how full it is).
#[derive(Debug, Default)]
struct Bucket {
    /// When it is full again.
    full: Option<Instant>,
}

impl Bucket {
    fn takes(&mut self, rate: Rate, now: Instant) -> bool {
        let full = self.full.filter(|&full| full > now).unwrap_or(now);
        // It owes no more than a burst, whatever the interval was before.
        let full =
            full.min(now.checked_add(rate.interval.saturating_mul(rate.burst)).unwrap_or(full));
        let debt = full.duration_since(now);
        // What may be owed before the last one of a burst.
        let most = rate.interval.saturating_mul(rate.burst - 1);
        let takes = debt <= most;
        if takes {
            self.full = full.checked_add(rate.interval).or(Some(full));
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_goes_through_and_then_one_each_interval() {
        let rate = Rate { interval: Duration::from_secs(1), burst: 3 };
        let (mut bucket, start) = (Bucket::default(), Instant::now());
        let mut at = |ms| bucket.takes(rate, start + Duration::from_millis(ms));
        assert_eq!([at(0), at(0), at(0), at(0)], [true, true, true, false]);
        assert_eq!([at(999), at(1000), at(1001)], [false, true, false]);
        assert_eq!([at(9000), at(9000), at(9000), at(9000)], [true, true, true, false]);
    }

    #[test]
    fn a_longer_interval_holds_at_once() {
        let (mut bucket, now) = (Bucket::default(), Instant::now());
        assert!(bucket.takes(Rate { interval: Duration::from_secs(1), burst: 1 }, now));
        let rate = Rate { interval: Duration::MAX, burst: u32::MAX };
        assert!(bucket.takes(rate, now) && bucket.takes(rate, now));
    }
}
