//! Who may ask, and how much.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use super::spec::{AuthSpec, LimitScope, RequestRate};

/// The accepted keys, as digests: comparing them takes the same time whatever is presented.
#[derive(Debug)]
pub(super) struct Keys(Vec<blake3::Hash>);

impl Keys {
    pub(super) fn new(auth: &AuthSpec) -> Self {
        Self(auth.keys.iter().map(|key| blake3::hash(key.as_bytes())).collect())
    }

    /// The position of the presented key.
    pub(super) fn identify(&self, headers: &HeaderMap) -> Option<usize> {
        let presented = blake3::hash(presented(headers)?);
        // Every key is looked at: how long it takes says nothing about which one is like it.
        let mut found = None;
        for (index, key) in self.0.iter().enumerate() {
            if *key == presented {
                found = Some(index);
            }
        }
        found
    }
}

fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let (scheme, key) = value.as_bytes().split_at_checked(7)?;
        return scheme.eq_ignore_ascii_case(b"bearer ").then_some(key.trim_ascii());
    }
    headers.get("x-api-key").map(hyper::header::HeaderValue::as_bytes)
}

/// Counts requests in windows that begin with their first request.
#[derive(Debug)]
pub(super) struct Limiter {
    pub(super) spec: RequestRate,
    windows: Mutex<HashMap<usize, (Instant, u64)>>,
}

impl Limiter {
    pub(super) fn new(spec: &RequestRate) -> Self {
        Self { spec: spec.clone(), windows: Mutex::new(HashMap::new()) }
    }

    /// Counts one request of a key; refused, it says how long to wait.
    pub(super) fn take(&self, key: usize, now: Instant) -> Result<(), Duration> {
        let key = if self.spec.per == LimitScope::Key { key } else { 0 };
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.entry(key).or_insert((now, 0));
        let passed = now.saturating_duration_since(window.0);
        let length = Duration::from_millis(self.spec.window_ms);
        if passed >= length {
            *window = (now, 0);
        }
        if window.1 >= self.spec.requests {
            return Err(length.saturating_sub(passed));
        }
        window.1 += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_both_headers() {
        let keys = Keys::new(&AuthSpec { keys: vec!["one".into(), "two".into()] });
        let with = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            keys.identify(&headers)
        };
        assert_eq!(with("authorization", "Bearer two"), Some(1));
        assert_eq!(with("authorization", "bearer one"), Some(0));
        assert_eq!(with("x-api-key", "one"), Some(0));
        assert_eq!(with("x-api-key", "three"), None);
        assert_eq!(with("authorization", "Basic one"), None);
        assert_eq!(with("authorization", "x"), None);
        assert_eq!(keys.identify(&HeaderMap::new()), None);
    }

    #[test]
    fn a_limit_holds_for_its_window_and_its_key() {
        let limiter = Limiter::new(&RequestRate { requests: 2, window_ms: 60_000, per: LimitScope::Key });
        let now = Instant::now();
        assert!(limiter.take(0, now).is_ok() && limiter.take(0, now).is_ok());
        let later = now + Duration::from_secs(20);
        assert_eq!(limiter.take(0, later), Err(Duration::from_secs(40)));
        assert!(limiter.take(1, later).is_ok());
        assert!(limiter.take(0, now + Duration::from_secs(60)).is_ok());
    }
}
