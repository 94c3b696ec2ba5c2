//! Chance that nobody can foresee.

use rustix::rand::{GetRandomFlags, getrandom};

/// Bytes from the system.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut all = [0; N];
    let mut filled = 0;
    while filled < N {
        // The system's source blocks until it is ready; a signal may cut it short, and then it is asked again.
        filled += getrandom(&mut all[filled..], GetRandomFlags::empty()).unwrap_or(0);
    }
    all
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_not_the_same_twice() {
        assert_ne!(super::bytes::<32>(), super::bytes::<32>());
    }
}
