//! A batch of a small chain: some accounts, a token contract, a few transactions.

use alloy_primitives::{Address, B256, U256, address, keccak256};
use cloister_crypto::{Salter, StateSecret, activity, state};
use cloister_disclosure::build::{self, Frame, OpenedLeaf};
use cloister_disclosure::manifest::{Anchor, AuditorStatement};
use cloister_disclosure::{
    AnchorRecord, AnchorState, BalanceLayout, Claim, GrantStatement, IssuerKey, LifecycleAtIssue,
    SigningKey,
};
use cloister_state_tree::{LeafCommit, LeafKey, MemoryStore, Tree};
use cloister_types::{
    AccountValue, BatchHeader, BatchNumber, BlockNumber, Field, LogRecord, PrivateHeader, StateKey,
    TransactionFields, TransactionOpening,
};

pub(crate) const ALICE: Address = address!("00000000000000000000000000000000000a11ce");
pub(crate) const BOB: Address = address!("000000000000000000000000000000000b0b0b0b");
pub(crate) const NOBODY: Address = address!("00000000000000000000000000000000deadbeef");
pub(crate) const TOKEN: Address = address!("00000000000000000000000000000000000070cc");
pub(crate) const ROLLUP: Address = address!("5fbdb2315678afecb367f032d93f642f64180aa3");
pub(crate) const L1_CHAIN_ID: u64 = 31_337;
pub(crate) const BATCH: u64 = 7;

/// The batch with all that is needed to open it.
pub(crate) struct World {
    tree: Tree<MemoryStore>,
    leaves: Vec<(StateKey, Vec<u8>)>,
    salter: cloister_crypto::BatchSalter,
    transactions: Vec<TransactionFields>,
    pub(crate) header: BatchHeader,
}

pub(crate) fn signing_key() -> SigningKey {
    SigningKey::from_seed(&[42; 32])
}

fn account(nonce: u64, balance: u64) -> Vec<u8> {
    let balance = U256::from(balance);
    AccountValue {
        nonce,
        balance,
        ..AccountValue::EMPTY
    }
    .encode()
    .to_vec()
}

fn transactions() -> Vec<TransactionFields> {
    (0..5_u8)
        .map(|position| TransactionFields {
            block_number: 90 + u64::from(position),
            index: u32::from(position),
            hash: B256::repeat_byte(0x10 + position),
            sender: ALICE,
            to: (position != 1).then_some(TOKEN),
            created: (position == 1).then_some(TOKEN),
            value: U256::from(position),
            input: vec![0xa9, 0x05, 0x9c, 0xbb, position].into(),
            succeeded: position != 3,
            gas_used: 51_000 + u64::from(position),
            logs: (0..position % 3)
                .map(|log| LogRecord {
                    address: TOKEN,
                    topics: vec![
                        B256::repeat_byte(log + 1),
                        ALICE.into_word(),
                        BOB.into_word(),
                    ],
                    data: vec![log; 32].into(),
                })
                .collect(),
        })
        .collect()
}

impl World {
    pub(crate) fn new() -> Self {
        Self::at(BATCH)
    }

    /// The same content as batch `number`.
    pub(crate) fn at(number: u64) -> Self {
        let salter = Salter::new(&StateSecret::new([9; 32])).batch(BatchNumber(number));
        let slot = |holder| StateKey::Storage(TOKEN, BalanceLayout::OPENZEPPELIN.slot_of(holder));
        let mut leaves = vec![
            (StateKey::Account(ALICE), account(5, 1_000)),
            (StateKey::Account(BOB), account(0, 3)),
            (slot(ALICE), B256::from(U256::from(900)).to_vec()),
            (slot(BOB), B256::from(U256::from(100)).to_vec()),
        ];
        leaves.extend((1..60_u8).map(|i| {
            (
                StateKey::Account(Address::repeat_byte(i)),
                account(u64::from(i), 77),
            )
        }));
        let mut changes: Vec<(LeafKey, LeafCommit)> = leaves
            .iter()
            .map(|(key, value)| {
                let place = state::leaf_key(key);
                let salt = salter.leaf_salt(&place);
                (
                    LeafKey(place),
                    LeafCommit(state::leaf_commit(key.kind(), &salt, value)),
                )
            })
            .collect();
        changes.sort_unstable_by_key(|(key, _)| *key);
        let tree = Tree::new(MemoryStore::new());
        let update = tree.update(number, &changes).expect("sorted");
        tree.store().insert(&update);
        tree.commit(update).expect("newest");
        let transactions = transactions();
        let roots: Vec<B256> = transactions
            .iter()
            .map(|fields| activity::commit_transaction(fields, &salter).leaf)
            .collect();
        let header = BatchHeader {
            chain_id: 61_337,
            number: BatchNumber(number),
            previous_hash: keccak256("previous"),
            state_root: B256::new(tree.root()),
            private: PrivateHeader {
                state_root_before: keccak256("before"),
                transaction_root: activity::transaction_root(&roots),
                transaction_count: 5,
                policy_root: keccak256("policy"),
                audit_head: keccak256("audit"),
                first_block: BlockNumber(90),
                first_block_hash: keccak256("first"),
                last_block: BlockNumber(94),
                last_block_hash: keccak256("last"),
                timestamp: 1_790_000_500,
            },
            ..BatchHeader::default()
        };
        Self {
            tree,
            leaves,
            salter,
            transactions,
            header,
        }
    }

    pub(crate) fn leaf(&self, key: &StateKey) -> OpenedLeaf {
        let place = LeafKey(state::leaf_key(key));
        let value = self
            .leaves
            .iter()
            .find(|(at, _)| at == key)
            .map(|(_, value)| (value.clone(), *self.salter.leaf_salt(&place.0).as_bytes()));
        let path = self
            .tree
            .prove(self.header.number.0, &place)
            .expect("in memory")
            .encode();
        OpenedLeaf { value, path }
    }

    pub(crate) fn account(&self, address: Address) -> Claim {
        build::account_state(address, self.leaf(&StateKey::Account(address))).expect("decodes")
    }

    pub(crate) fn slot(&self, slot: B256) -> Claim {
        build::storage_slot(TOKEN, slot, self.leaf(&StateKey::Storage(TOKEN, slot)))
            .expect("decodes")
    }

    pub(crate) fn balance(&self, holder: Address) -> Claim {
        let layout = BalanceLayout::OPENZEPPELIN;
        let leaf = self.leaf(&StateKey::Storage(TOKEN, layout.slot_of(holder)));
        build::token_balance(TOKEN, holder, layout, leaf).expect("decodes")
    }

    /// Hashes of the transactions, in order.
    pub(crate) fn hashes(&self) -> Vec<B256> {
        self.transactions.iter().map(|fields| fields.hash).collect()
    }

    /// A transaction opened in full, with its path.
    pub(crate) fn opened(&self, index: usize) -> (TransactionOpening, Vec<B256>) {
        let leaves: Vec<B256> = self
            .transactions
            .iter()
            .map(|fields| activity::commit_transaction(fields, &self.salter).leaf)
            .collect();
        let siblings = activity::transaction_path(&leaves, index).expect("a leaf");
        let opening = activity::open_transaction(&self.transactions[index], &self.salter);
        (opening, siblings)
    }

    fn claim(&self, index: usize, opening: &TransactionOpening, siblings: Vec<B256>) -> Claim {
        let index = u32::try_from(index).expect("few");
        build::transaction(&self.header.private, index, siblings, opening).expect("decodes")
    }

    pub(crate) fn transaction(&self, index: usize) -> Claim {
        let (opening, siblings) = self.opened(index);
        self.claim(index, &opening, siblings)
    }

    pub(crate) fn redacted_transaction(&self, index: usize) -> Claim {
        let (opening, siblings) = self.opened(index);
        let keep = |field| !matches!(field, Field::Input | Field::Value);
        let opening = activity::redact(opening, keep, |log| log.index != 0);
        self.claim(index, &opening, siblings)
    }

    pub(crate) fn anchor(&self) -> AnchorRecord {
        AnchorRecord {
            l1_chain_id: L1_CHAIN_ID,
            rollup: ROLLUP,
            batch: self.header.number,
            state_root: self.header.state_root,
            batch_hash: self.header.hash(),
            state: AnchorState::Committed,
        }
    }

    pub(crate) fn frame() -> Frame {
        Frame {
            anchor: Anchor {
                l1_chain_id: L1_CHAIN_ID,
                rollup: ROLLUP,
            },
            grant: GrantStatement {
                id: "0197f3a2-0000-7000-8000-000000000001".to_owned(),
                case_reference: "BaFin 2026/114".to_owned(),
                legal_basis: "KWG § 44".to_owned(),
                auditor: AuditorStatement {
                    issuer: "https://id.example".to_owned(),
                    subject: "dave".to_owned(),
                },
                expires_at: 1_790_100_000,
            },
            lifecycle: LifecycleAtIssue::Committed,
            issued_at: 1_790_001_000,
        }
    }

    /// The signed file for a claim.
    pub(crate) fn package(&self, claim: Claim) -> String {
        self.package_at(claim, ROLLUP)
    }

    /// The signed file for a claim, anchored in another contract.
    pub(crate) fn package_at(&self, claim: Claim, rollup: Address) -> String {
        let key = signing_key();
        let mut frame = Self::frame();
        frame.anchor.rollup = rollup;
        build::package(&key.issuer_key(), frame, &self.header, claim)
            .expect("holds")
            .sign(&key)
            .expect("own key")
    }

    /// Every kind of claim by name.
    pub(crate) fn claims(&self) -> Vec<(&'static str, Claim)> {
        vec![
            ("account_state", self.account(ALICE)),
            ("account_state_absent", self.account(NOBODY)),
            (
                "storage_slot",
                self.slot(BalanceLayout::OPENZEPPELIN.slot_of(BOB)),
            ),
            ("storage_slot_absent", self.slot(B256::repeat_byte(0xee))),
            ("token_balance", self.balance(ALICE)),
            ("token_balance_absent", self.balance(NOBODY)),
            ("transaction", self.transaction(2)),
            ("transaction_creation", self.transaction(1)),
            ("transaction_last_failed_neighbour", self.transaction(4)),
            ("transaction_redacted", self.redacted_transaction(2)),
        ]
    }
}

pub(crate) fn issuer() -> IssuerKey {
    signing_key().issuer_key()
}
