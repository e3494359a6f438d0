//! The audit ledgers' heads, combined into the one that a batch header binds.

use alloc::{collections::BTreeMap, string::String};
use alloy_primitives::B256;

use crate::{domain, hash::Sha256};

/// Combined head of the ledgers, by name: SHA-256(0x0d ‖ for each in order of its name: length u8 ‖
/// name ‖ count u64 ‖ head 32); zero when there is none.
///
/// Names longer than 255 bytes are cut at 255; services' names are far shorter.
#[must_use]
pub fn combined_head(ledgers: &BTreeMap<String, (u64, B256)>) -> B256 {
    if ledgers.is_empty() {
        return B256::ZERO;
    }
    let mut hasher = Sha256::new();
    hasher.update(&[domain::AUDIT_HEADS]);
    for (name, (count, head)) in ledgers {
        let name = name.as_bytes();
        let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
        hasher.update(&[length]);
        hasher.update(name.get(..usize::from(length)).unwrap_or(name));
        hasher.update(&count.to_be_bytes());
        hasher.update(head.as_slice());
    }
    B256::new(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_every_ledger_counts() {
        let ledgers = |name: &str, count, head| {
            BTreeMap::from([
                (String::from("gateway"), (1, B256::ZERO)),
                (String::from(name), (count, B256::repeat_byte(head))),
            ])
        };
        let head = combined_head(&ledgers("other", 2, 3));
        assert_ne!(head, combined_head(&ledgers("outer", 2, 3)));
        assert_ne!(head, combined_head(&ledgers("other", 1, 3)));
        assert_ne!(head, combined_head(&ledgers("other", 2, 4)));
        assert_eq!(combined_head(&BTreeMap::new()), B256::ZERO);
    }
}
