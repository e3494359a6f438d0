//! The chain over rows, and its verification.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use cloister_crypto::{domain, sha256};
use thiserror::Error;

use crate::row::Row;

/// Where a chain stands: how many rows, and the hash over all of them. The head of an empty chain is
/// 32 zero bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Number of rows.
    pub count: u64,
    /// Hash of the last row.
    pub hash: B256,
}

/// A row in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Place in the ledger; the first is 1.
    pub sequence: u64,
    /// The row.
    pub row: Row,
    /// Hash of the chain up to and with this row.
    pub hash: B256,
}

/// The end of a chain that grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    head: Head,
}

impl Chain {
    /// Goes on from a head; `Head::default()` starts a chain.
    #[must_use]
    pub fn resume(head: Head) -> Self {
        Self { head }
    }

    /// Where it stands.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// Appends a row, cleaned by [`Row::clean`].
    pub fn append(&mut self, row: Row) -> Entry {
        let row = row.clean();
        let sequence = self.head.count + 1;
        let hash = chain_hash(&self.head.hash, sequence, &row);
        self.head = Head {
            count: sequence,
            hash,
        };
        Entry {
            sequence,
            row,
            hash,
        }
    }
}

/// SHA-256(0x10 ‖ hash before 32 ‖ sequence u64 ‖ encoded row).
fn chain_hash(before: &B256, sequence: u64, row: &Row) -> B256 {
    let parts: [&[u8]; 3] = [before.as_slice(), &sequence.to_be_bytes(), &row.encode()];
    B256::from(sha256(domain::AUDIT_ROW, &parts))
}

/// How a ledger differs from the one that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Tampered {
    /// A row is not where its number says: rows were deleted, inserted, doubled or moved.
    #[error("row {got} stands where row {expected} belongs; rows were deleted, added or moved")]
    Sequence {
        /// Number that the place has.
        expected: u64,
        /// Number that the row has.
        got: u64,
    },
    /// A row's hash does not follow from it and the row before.
    #[error("row {at} does not match its hash; it or a row before it was edited")]
    Hash {
        /// Number of the first row that does not match.
        at: u64,
    },
    /// The chain is consistent in itself but is not the one that was anchored.
    #[error("row {at} is not the one that was anchored; the ledger was rewritten")]
    Anchor {
        /// Number of the row.
        at: u64,
    },
    /// The chain ends before a head that was anchored.
    #[error("the ledger has {got} rows, but {anchored} were anchored; its end was cut off")]
    Truncated {
        /// Rows found.
        got: u64,
        /// Rows anchored.
        anchored: u64,
    },
}

/// Verifies a ledger row by row, in constant memory but for the anchors.
#[derive(Clone, Debug)]
pub struct Verifier {
    head: Head,
    anchors: BTreeMap<u64, B256>,
}

impl Verifier {
    /// Starts at the first row. `anchors` are heads known from elsewhere (a batch header).
    ///
    /// # Errors
    /// When two anchors contradict each other.
    pub fn new(anchors: &[Head]) -> Result<Self, Tampered> {
        let mut known = BTreeMap::from([(0, B256::ZERO)]);
        for anchor in anchors {
            if *known.entry(anchor.count).or_insert(anchor.hash) != anchor.hash {
                return Err(Tampered::Anchor { at: anchor.count });
            }
        }
        Ok(Self {
            head: Head::default(),
            anchors: known,
        })
    }

    /// Starts after a head that is known to be right, to verify the rows behind it.
    #[must_use]
    pub fn resume(head: Head) -> Self {
        Self {
            head,
            anchors: BTreeMap::new(),
        }
    }

    /// Checks the next row.
    ///
    /// # Errors
    /// When it is not the next row of the chain that was written.
    pub fn push(&mut self, entry: &Entry) -> Result<(), Tampered> {
        let Entry {
            sequence,
            row,
            hash,
        } = entry;
        let expected = self.head.count + 1;
        if *sequence != expected {
            return Err(Tampered::Sequence {
                expected,
                got: *sequence,
            });
        }
        if chain_hash(&self.head.hash, expected, row) != *hash {
            return Err(Tampered::Hash { at: expected });
        }
        if self
            .anchors
            .get(&expected)
            .is_some_and(|anchor| anchor != hash)
        {
            return Err(Tampered::Anchor { at: expected });
        }
        self.head = Head {
            count: expected,
            hash: *hash,
        };
        Ok(())
    }

    /// Ends the verification.
    ///
    /// # Errors
    /// When rows that were anchored are missing at the end.
    pub fn finish(self) -> Result<Head, Tampered> {
        match self.anchors.last_key_value() {
            Some((anchored, _)) if *anchored > self.head.count => Err(Tampered::Truncated {
                got: self.head.count,
                anchored: *anchored,
            }),
            _ => Ok(self.head),
        }
    }
}

/// Verifies a whole ledger against heads known from elsewhere.
///
/// # Errors
/// The first difference found.
pub fn verify<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    anchors: &[Head],
) -> Result<Head, Tampered> {
    let mut verifier = Verifier::new(anchors)?;
    for entry in entries {
        verifier.push(entry)?;
    }
    verifier.finish()
}

#[cfg(test)]
pub(crate) mod tests {
    use cloister_types::UnixMillis;
    use proptest::prelude::*;

    use super::*;
    use crate::row::Outcome;

    pub(crate) fn row(number: u64) -> Row {
        Row {
            time: UnixMillis(1_700_000_000_000 + number),
            principal: "https://id.example|alice".into(),
            session: format!("session-{number}"),
            method: "eth_call".into(),
            resource: "contract:0x1111111111111111111111111111111111111111".into(),
            rule: "call-own-desk".into(),
            policy_version: B256::repeat_byte(0x22),
            request_hash: B256::repeat_byte(0x33),
            outcome: Outcome::Allowed,
        }
    }

    fn ledger(rows: u64) -> (Vec<Entry>, Head) {
        let mut chain = Chain::resume(Head::default());
        let entries = (1..=rows).map(|number| chain.append(row(number))).collect();
        (entries, chain.head())
    }

    #[test]
    fn an_untouched_ledger_verifies_to_its_head() {
        let (entries, head) = ledger(5);
        assert_eq!(verify(&entries, &[head]), Ok(head));
        assert_eq!(verify(&[], &[]), Ok(Head::default()));
    }

    #[test]
    fn a_resumed_chain_goes_on_where_it_stood() {
        let (entries, head) = ledger(5);
        let mut resumed = Chain::resume(Head {
            count: 3,
            hash: entries[2].hash,
        });
        assert_eq!(resumed.append(row(4)), entries[3]);
        resumed.append(row(5));
        assert_eq!(resumed.head(), head);
    }

    #[test]
    fn detects_a_deleted_row() {
        let (mut entries, head) = ledger(5);
        entries.remove(2);
        assert_eq!(
            verify(&entries, &[head]),
            Err(Tampered::Sequence {
                expected: 3,
                got: 4
            })
        );
    }

    #[test]
    fn detects_a_deleted_row_when_the_rest_is_renumbered() {
        let (mut entries, head) = ledger(5);
        entries.remove(2);
        for entry in &mut entries[2..] {
            entry.sequence -= 1;
        }
        assert_eq!(verify(&entries, &[head]), Err(Tampered::Hash { at: 3 }));
    }

    #[test]
    fn detects_reordered_rows() {
        let (mut entries, head) = ledger(5);
        entries.swap(1, 2);
        assert_eq!(
            verify(&entries, &[head]),
            Err(Tampered::Sequence {
                expected: 2,
                got: 3
            })
        );
        entries[1].sequence = 2;
        entries[2].sequence = 3;
        assert_eq!(verify(&entries, &[head]), Err(Tampered::Hash { at: 2 }));
    }

    #[test]
    fn detects_a_ledger_that_was_cut_short_by_its_anchor() {
        let (mut entries, head) = ledger(5);
        entries.truncate(3);
        assert_eq!(
            verify(&entries, &[head]),
            Err(Tampered::Truncated {
                got: 3,
                anchored: 5
            })
        );
    }

    #[test]
    fn detects_a_ledger_that_was_rewritten_with_fresh_hashes_by_its_anchor() {
        let (_, head) = ledger(3);
        let mut chain = Chain::resume(Head::default());
        let mut edited = row(2);
        edited.outcome = Outcome::Denied;
        let entries = vec![
            chain.append(row(1)),
            chain.append(edited),
            chain.append(row(3)),
        ];
        assert_eq!(verify(&entries, &[]), Ok(chain.head()));
        assert_eq!(verify(&entries, &[head]), Err(Tampered::Anchor { at: 3 }));
    }

    #[test]
    fn refuses_anchors_that_contradict_each_other() {
        let (entries, head) = ledger(2);
        let other = Head {
            count: 2,
            hash: B256::ZERO,
        };
        assert_eq!(
            verify(&entries, &[head, other]),
            Err(Tampered::Anchor { at: 2 })
        );
        let no_start = Head {
            count: 0,
            hash: B256::repeat_byte(1),
        };
        assert_eq!(
            verify(&entries, &[no_start]),
            Err(Tampered::Anchor { at: 0 })
        );
    }

    #[test]
    fn rows_written_after_the_anchor_are_no_tampering() {
        let (entries, _) = ledger(5);
        let anchor = Head {
            count: 3,
            hash: entries[2].hash,
        };
        assert_eq!(verify(&entries, &[anchor]).map(|head| head.count), Ok(5));
    }

    /// Changes one field of an entry, by number.
    fn edit(entry: &mut Entry, field: usize) {
        let row = &mut entry.row;
        match field {
            0 => row.time.0 += 1,
            1 => row.principal.push('x'),
            2 => row.session.push('x'),
            3 => row.method.push('x'),
            4 => row.resource.push('x'),
            5 => row.rule.push('x'),
            6 => row.policy_version.0[31] ^= 1,
            7 => row.request_hash.0[0] ^= 0x80,
            8 => row.outcome = Outcome::Denied,
            _ => entry.hash.0[0] ^= 1,
        }
    }

    proptest! {
        /// SAU-1: no single edit anywhere goes unnoticed.
        #[test]
        fn detects_an_edit_of_any_field_of_any_row(at in 0_usize..6, field in 0_usize..10) {
            let (mut entries, head) = ledger(6);
            edit(&mut entries[at], field);
            let number = entries[at].sequence;
            prop_assert_eq!(verify(&entries, &[head]), Err(Tampered::Hash { at: number }));
        }

        /// Text that moves from one field to the next is a different row.
        #[test]
        fn no_two_rows_share_an_encoding(a in "[a-c]{0,4}", b in "[a-c]{0,4}", c in "[a-c]{0,4}", d in "[a-c]{0,4}") {
            let with = |principal: &str, session: &str| {
                let mut row = row(1);
                row.principal = principal.into();
                row.session = session.into();
                row
            };
            let (one, two) = (with(&a, &b), with(&c, &d));
            prop_assert_eq!(one == two, one.encode() == two.encode());
        }
    }
}
