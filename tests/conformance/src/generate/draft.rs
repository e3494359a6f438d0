//! A test before its expected results are known.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, address};
use anyhow::Result;
use cloister_types::block::prev_randao;

use crate::{
    fixture::{
        AccessItem, Account, Config, Env, Fixture, Indexes, Info, Number, Post,
        SignedAuthorization, Transaction,
    },
    sign::{Chosen, Person},
};

/// What most tests call.
pub(crate) const TARGET: Address = address!("0x0000000000000000000000000000000000001000");
/// A second contract.
pub(crate) const OTHER: Address = address!("0x0000000000000000000000000000000000002000");
/// A third contract.
pub(crate) const THIRD: Address = address!("0x0000000000000000000000000000000000003000");
/// Who receives priority fees.
pub(crate) const COINBASE: Address = address!("0x2adc25665018aa1fe0e6bc666dac8fc2697ff9ba");
/// Chain of the tests.
pub(crate) const CHAIN: u64 = 1;
/// What the sender owns, in wei: a thousand ether.
pub(crate) const WEALTH: u128 = 1_000_000_000_000_000_000_000;
/// Hash of the block before.
const PARENT: B256 = B256::repeat_byte(0x70);

/// The person with a number.
pub(crate) fn person(number: u8) -> Result<Person> {
    Person::new(B256::repeat_byte(number))
}

/// A test before its expected results are known.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) name: String,
    about: String,
    source: &'static str,
    fork: &'static str,
    pub(crate) env: Env,
    pub(crate) pre: BTreeMap<Address, Account>,
    pub(crate) tx: Transaction,
    raw: Option<Bytes>,
    refusal: Option<&'static str>,
    /// Without the list of accounts, which would be long; the root of the state stays.
    pub(crate) root_only: bool,
}

impl Draft {
    /// A legacy transaction of person 1 to [`TARGET`] with a million gas at 10 wei, base fee 7.
    pub(crate) fn new(name: impl Into<String>, about: impl Into<String>) -> Result<Self> {
        let sender = person(1)?;
        let mut draft = Self {
            name: name.into(),
            about: about.into(),
            source: "https://ethereum.github.io/yellowpaper/paper.pdf",
            fork: "Osaka",
            env: Env {
                current_coinbase: COINBASE,
                current_gas_limit: number(100_000_000),
                current_number: number(1),
                current_timestamp: number(1_000),
                current_difficulty: Some(number(0)),
                current_random: Some(Number::new(U256::from_be_bytes(prev_randao(&PARENT).0))),
                current_base_fee: Some(number(7)),
                current_excess_blob_gas: Some(number(0)),
                previous_hash: Some(PARENT),
            },
            pre: BTreeMap::new(),
            tx: Transaction {
                gas_price: Some(number(10)),
                gas_limit: vec![number(1_000_000)],
                to: TARGET.to_string().to_lowercase(),
                value: vec![number(0)],
                data: vec![Bytes::new()],
                nonce: number(0),
                ..Transaction::default()
            },
            raw: None,
            refusal: None,
            root_only: false,
        };
        draft.tx.sender = Some(sender.address);
        draft.tx.secret_key = Some(sender.secret);
        Ok(draft.rich(sender.address))
    }

    /// The same with code at [`TARGET`].
    pub(crate) fn of(
        name: impl Into<String>,
        about: impl Into<String>,
        code: impl Into<Bytes>,
    ) -> Result<Self> {
        Ok(Self::new(name, about)?.contract(TARGET, code))
    }

    pub(crate) fn source(mut self, document: &'static str) -> Self {
        self.source = document;
        self
    }

    pub(crate) fn prague(mut self) -> Self {
        self.fork = "Prague";
        self
    }

    /// An account with a balance.
    pub(crate) fn owner(mut self, address: Address, balance: impl Into<U256Like>) -> Self {
        self.pre.entry(address).or_default().balance = Number::new(balance.into().0);
        self.pre.entry(address).or_default().nonce = number(0);
        self
    }

    fn rich(self, address: Address) -> Self {
        self.owner(address, WEALTH)
    }

    /// A contract with nonce 1.
    pub(crate) fn contract(mut self, address: Address, code: impl Into<Bytes>) -> Self {
        let account = self.pre.entry(address).or_insert_with(|| Account {
            balance: number(0),
            ..Account::default()
        });
        account.nonce = number(1);
        account.code = code.into();
        self
    }

    pub(crate) fn slot(mut self, address: Address, slot: u64, value: u64) -> Self {
        let account = self.pre.entry(address).or_default();
        account.storage.insert(number(slot).0, number(value));
        self
    }

    pub(crate) fn to(mut self, address: Address) -> Self {
        self.tx.to = address.to_string().to_lowercase();
        self
    }

    /// Creates a contract.
    pub(crate) fn creating(mut self, init: impl Into<Bytes>) -> Self {
        self.tx.to = String::new();
        self.data(init)
    }

    pub(crate) fn data(mut self, data: impl Into<Bytes>) -> Self {
        self.tx.data = vec![data.into()];
        self
    }

    pub(crate) fn value(mut self, value: impl Into<U256Like>) -> Self {
        self.tx.value = vec![Number::new(value.into().0)];
        self
    }

    pub(crate) fn gas(mut self, limit: u64) -> Self {
        self.tx.gas_limit = vec![number(limit)];
        self
    }

    pub(crate) fn price(mut self, wei: u64) -> Self {
        self.tx.gas_price = Some(number(wei));
        self
    }

    pub(crate) fn nonce(mut self, nonce: u64) -> Self {
        self.tx.nonce = number(nonce);
        self
    }

    /// EIP-1559's fees instead of a price.
    pub(crate) fn fees(mut self, most: u64, priority: u64) -> Self {
        self.tx.gas_price = None;
        self.tx.max_fee_per_gas = Some(number(most));
        self.tx.max_priority_fee_per_gas = Some(number(priority));
        self
    }

    pub(crate) fn access(mut self, list: &[(Address, &[u64])]) -> Self {
        let items = list.iter().map(|(address, slots)| AccessItem {
            address: *address,
            storage_keys: slots.iter().map(|slot| U256::from(*slot).into()).collect(),
        });
        self.tx.access_lists = Some(vec![Some(items.collect())]);
        self
    }

    pub(crate) fn authorize(mut self, list: Vec<SignedAuthorization>) -> Self {
        if self.tx.max_fee_per_gas.is_none() {
            self = self.fees(10, 2);
        }
        self.tx.authorization_list = Some(list);
        self
    }

    /// The transaction's bytes as they are, not signed again.
    pub(crate) fn raw(mut self, bytes: impl Into<Bytes>) -> Self {
        self.raw = Some(bytes.into());
        self
    }

    /// The stable name with which our chain refuses the transaction.
    pub(crate) const fn refused(mut self, code: &'static str) -> Self {
        self.refusal = Some(code);
        self
    }

    pub(crate) fn signed(&self) -> Result<Bytes> {
        Chosen::new(&self.tx, Indexes::default())?.signed(CHAIN)
    }

    /// The fixture without expected results.
    pub(crate) fn fixture(self) -> Result<(String, Fixture)> {
        let raw = match &self.raw {
            Some(raw) => raw.clone(),
            None => self.signed()?,
        };
        let post = Post {
            txbytes: Some(raw),
            ..Post::default()
        };
        let fixture = Fixture {
            env: self.env,
            pre: self.pre,
            transaction: self.tx,
            post: BTreeMap::from([(self.fork.to_owned(), vec![post])]),
            config: Some(Config {
                chainid: Some(number(CHAIN)),
                blob_schedule: None,
            }),
            info: Some(Info {
                description: Some(self.about),
                filling_transition_tool: Some("ethereum-execution 2.20.0".to_owned()),
                reference_spec: Some(self.source.to_owned()),
                cloister_refusal: self.refusal.map(str::to_owned),
            }),
        };
        Ok((self.name, fixture))
    }
}

/// A number of wei in any width.
pub(crate) struct U256Like(pub(crate) U256);

impl From<u64> for U256Like {
    fn from(value: u64) -> Self {
        Self(U256::from(value))
    }
}

impl From<u128> for U256Like {
    fn from(value: u128) -> Self {
        Self(U256::from(value))
    }
}

impl From<U256> for U256Like {
    fn from(value: U256) -> Self {
        Self(value)
    }
}

/// A number as the format writes it.
pub(crate) fn number(value: u64) -> Number {
    Number::new(U256::from(value))
}
