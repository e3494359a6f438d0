//! The first byte of everything that is hashed with SHA-256 or HMAC-SHA-256, all in one place, so
//! that no two uses can ever be mistaken for one another (SC-1). Frozen in version 1.

/// Leaf node of the state tree: key 32 ‖ commitment 32.
pub const TREE_LEAF: u8 = 0x01;
/// Inner node of the state tree: left 32 ‖ right 32.
pub const TREE_INNER: u8 = 0x02;
/// Place of a leaf: encoded state key.
pub const STATE_KEY: u8 = 0x03;
/// Commitment of a leaf: kind u8 ‖ salt 16 ‖ value.
pub const STATE_COMMIT: u8 = 0x04;
/// Salt of a leaf: key 32.
pub const STATE_SALT: u8 = 0x05;
/// Commitment of a transaction's field: field u8 ‖ salt 16 ‖ bytes.
pub const FIELD_COMMIT: u8 = 0x06;
/// Salt of a field or log: transaction hash 32 ‖ field u8 ‖ log index u32.
pub const FIELD_SALT: u8 = 0x07;
/// Commitment of a log: salt 16 ‖ log.
pub const LOG_COMMIT: u8 = 0x08;
/// Transaction leaf: field commitments.
pub const TRANSACTION_LEAF: u8 = 0x09;
/// Inner node of the transaction tree: left 32 ‖ right 32.
pub const TRANSACTION_INNER: u8 = 0x0a;
/// Entry of an activity chain: kind u8 ‖ transaction leaf or log commitment.
pub const ACTIVITY_ENTRY: u8 = 0x0b;
/// Head of an activity chain: head before 32 ‖ entry 32.
pub const ACTIVITY_HEAD: u8 = 0x0c;
/// Combined head of the audit ledgers.
pub const AUDIT_HEADS: u8 = 0x0d;
/// Key of one batch's salts: batch number u64.
pub const BATCH_KEY: u8 = 0x0e;
/// Digest of a chain's configuration.
pub const CHAIN_CONFIG: u8 = 0x0f;

/// Row of an audit ledger: head before 32 ‖ sequence u64 ‖ encoded row.
pub const AUDIT_ROW: u8 = 0x10;
/// Version of the policies: for each file name and contents, each with its length u64.
pub const POLICY_ROOT: u8 = 0x11;

/// All of them, for the test that no two are equal.
pub const ALL: [u8; 17] = [
    TREE_LEAF,
    TREE_INNER,
    STATE_KEY,
    STATE_COMMIT,
    STATE_SALT,
    FIELD_COMMIT,
    FIELD_SALT,
    LOG_COMMIT,
    TRANSACTION_LEAF,
    TRANSACTION_INNER,
    ACTIVITY_ENTRY,
    ACTIVITY_HEAD,
    AUDIT_HEADS,
    BATCH_KEY,
    CHAIN_CONFIG,
    AUDIT_ROW,
    POLICY_ROOT,
];

#[cfg(test)]
mod tests {
    use super::ALL;

    /// SC-1.
    #[test]
    fn no_two_domains_share_a_byte() {
        for (position, byte) in ALL.iter().enumerate() {
            assert!(!ALL[..position].contains(byte), "{byte:#04x} is used twice");
        }
    }
}
