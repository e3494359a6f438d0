//! Numbers that must not be mistaken for one another.

use core::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
        pub struct $name(pub u64);

        impl $name {
            /// Number zero: genesis.
            pub const GENESIS: Self = Self(0);

            /// The number after this one, or `None` at the end of the range.
            #[must_use]
            pub const fn next(self) -> Option<Self> {
                match self.0.checked_add(1) {
                    Some(next) => Some(Self(next)),
                    None => None,
                }
            }

            /// The number before this one, or `None` at genesis.
            #[must_use]
            pub const fn previous(self) -> Option<Self> {
                match self.0.checked_sub(1) {
                    Some(previous) => Some(Self(previous)),
                    None => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<u64> for $name {
            fn from(value: u64) -> Self {
                Self(value)
            }
        }

        impl From<$name> for u64 {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}

number! {
    /// Position of a block in the private chain; 0 is genesis.
    BlockNumber
}

number! {
    /// Position of a batch, the unit that is proved and posted to Ethereum; 0 is genesis.
    BatchNumber
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_instead_of_wrapping() {
        assert_eq!(BlockNumber(4).next(), Some(BlockNumber(5)));
        assert_eq!(BlockNumber(u64::MAX).next(), None);
        assert_eq!(BatchNumber::GENESIS.previous(), None);
    }
}
