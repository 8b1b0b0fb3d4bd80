//! Moments, as file systems record them.

use std::fmt;

/// Nanoseconds-exact moment in Unix time; may lie before 1970 and far after 2106.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z, negative before it.
    pub seconds: i64,
    /// Nanoseconds to add, 0 to 999,999,999.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// A moment on a whole second.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanoseconds: 0 }
    }
}

/// RFC 3339 in UTC, with a fraction only where there is one. Moments outside of the years
/// -9999 to 9999 are written as `@seconds`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanoseconds = i32::try_from(self.nanoseconds).unwrap_or(0);
        match jiff::Timestamp::new(self.seconds, nanoseconds) {
            Ok(moment) => write!(f, "{moment}"),
            Err(_) => write!(f, "@{}", self.seconds),
        }
    }
}
