//! Keys of tests, and signed transactions of every form.

use alloy_consensus::{
    SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxLegacy,
    transaction::RlpEcdsaEncodableTx,
};
use alloy_eips::{
    eip2930::{AccessList, AccessListItem},
    eip7702,
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use anyhow::{Context as _, Result, bail};
use k256::ecdsa::SigningKey;

use crate::fixture::{AccessItem, Indexes, SignedAuthorization, Transaction};

/// A key with its address.
#[derive(Clone, Debug)]
pub struct Person {
    key: SigningKey,
    /// The key's bytes; nothing but tests has them.
    pub secret: B256,
    /// Address of the key.
    pub address: Address,
}

impl Person {
    /// The person with a key.
    ///
    /// # Errors
    /// When it is no secp256k1 key.
    pub fn new(secret: B256) -> Result<Self> {
        let key = SigningKey::from_slice(secret.as_slice()).context("no secp256k1 key")?;
        let address = Address::from_public_key(key.verifying_key());
        Ok(Self {
            key,
            secret,
            address,
        })
    }

    /// Signs a digest.
    ///
    /// # Errors
    /// When the key cannot.
    pub fn sign_digest(&self, digest: &B256) -> Result<Signature> {
        let (signature, recovery) = self.key.sign_prehash_recoverable(digest.as_slice())?;
        Ok(Signature::from_signature_and_parity(
            signature,
            recovery.is_y_odd(),
        ))
    }

    /// Signs a transaction and encodes it.
    ///
    /// # Errors
    /// When the key cannot.
    pub fn sign<T>(&self, tx: &T) -> Result<Bytes>
    where
        T: SignableTransaction<Signature> + RlpEcdsaEncodableTx,
    {
        let signature = self.sign_digest(&tx.signature_hash())?;
        Ok(encode(tx, &signature))
    }
}

/// A transaction with a signature.
#[must_use]
pub fn encode<T: RlpEcdsaEncodableTx>(tx: &T, signature: &Signature) -> Bytes {
    let mut out = Vec::new();
    tx.eip2718_encode(signature, &mut out);
    out.into()
}

/// What one case takes of a fixture's lists.
#[derive(Clone, Debug)]
pub struct Chosen<'a> {
    /// The transaction with the lists.
    pub all: &'a Transaction,
    /// Gas limit.
    pub gas_limit: U256,
    /// Wei.
    pub value: U256,
    /// Call data, or code that creates the contract.
    pub data: &'a Bytes,
    /// Access list.
    pub access_list: Option<&'a Vec<AccessItem>>,
    /// Whom it calls.
    pub to: TxKind,
}

impl<'a> Chosen<'a> {
    /// Takes from the lists.
    ///
    /// # Errors
    /// When a position is beyond a list or a number is too long.
    pub fn new(all: &'a Transaction, indexes: Indexes) -> Result<Self> {
        let gas_limit = all
            .gas_limit
            .get(indexes.gas)
            .context("no such gas limit")?;
        let value = all.value.get(indexes.value).context("no such value")?;
        let data = all.data.get(indexes.data).context("no such data")?;
        let lists = all.access_lists.as_ref();
        let to = match all.to.as_str() {
            "" | "0x" => TxKind::Create,
            address => TxKind::Call(address.parse().context("the target is no address")?),
        };
        Ok(Self {
            all,
            gas_limit: gas_limit.u256()?,
            value: value.u256()?,
            data,
            access_list: lists.and_then(|lists| lists.get(indexes.data)?.as_ref()),
            to,
        })
    }

    fn gas_limit(&self) -> Result<u64> {
        u64::try_from(self.gas_limit).context("the gas limit is above 64 bits")
    }

    fn access_list(&self) -> AccessList {
        let items = self.access_list.into_iter().flatten();
        AccessList(
            items
                .map(|item| AccessListItem {
                    address: item.address,
                    storage_keys: item.storage_keys.clone(),
                })
                .collect(),
        )
    }

    /// The transaction, signed for a chain with the key that the fixture gives.
    ///
    /// # Errors
    /// When it gives none, or a number does not fit its field.
    pub fn signed(&self, chain_id: u64) -> Result<Bytes> {
        let secret = self.all.secret_key.context("the fixture gives no key")?;
        let person = Person::new(secret)?;
        if self.all.blob_versioned_hashes.is_some() {
            bail!("a blob transaction cannot be signed here");
        }
        if let Some(authorizations) = &self.all.authorization_list {
            return person.sign(&self.eip7702(chain_id, authorizations)?);
        }
        if self.all.max_fee_per_gas.is_some() {
            return person.sign(&self.eip1559(chain_id)?);
        }
        if self.access_list.is_some() {
            return person.sign(&self.eip2930(chain_id)?);
        }
        person.sign(&self.legacy(chain_id)?)
    }

    fn price(&self) -> Result<u128> {
        self.all.gas_price.as_ref().context("no gas price")?.u128()
    }

    fn fees(&self) -> Result<(u128, u128)> {
        let fee = self.all.max_fee_per_gas.as_ref().context("no fee")?;
        let priority = self.all.max_priority_fee_per_gas.as_ref();
        Ok((fee.u128()?, priority.context("no priority fee")?.u128()?))
    }

    fn legacy(&self, chain_id: u64) -> Result<TxLegacy> {
        Ok(TxLegacy {
            chain_id: Some(chain_id),
            nonce: self.all.nonce.u64()?,
            gas_price: self.price()?,
            gas_limit: self.gas_limit()?,
            to: self.to,
            value: self.value,
            input: self.data.clone(),
        })
    }

    fn eip2930(&self, chain_id: u64) -> Result<TxEip2930> {
        Ok(TxEip2930 {
            chain_id,
            nonce: self.all.nonce.u64()?,
            gas_price: self.price()?,
            gas_limit: self.gas_limit()?,
            to: self.to,
            value: self.value,
            access_list: self.access_list(),
            input: self.data.clone(),
        })
    }

    fn eip1559(&self, chain_id: u64) -> Result<TxEip1559> {
        let (max_fee_per_gas, max_priority_fee_per_gas) = self.fees()?;
        Ok(TxEip1559 {
            chain_id,
            nonce: self.all.nonce.u64()?,
            gas_limit: self.gas_limit()?,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to: self.to,
            value: self.value,
            access_list: self.access_list(),
            input: self.data.clone(),
        })
    }

    fn eip7702(&self, chain_id: u64, signed: &[SignedAuthorization]) -> Result<TxEip7702> {
        let (max_fee_per_gas, max_priority_fee_per_gas) = self.fees()?;
        let TxKind::Call(to) = self.to else {
            bail!("an EIP-7702 transaction needs a target");
        };
        Ok(TxEip7702 {
            chain_id,
            nonce: self.all.nonce.u64()?,
            gas_limit: self.gas_limit()?,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to,
            value: self.value,
            access_list: self.access_list(),
            authorization_list: signed.iter().map(authorization).collect::<Result<_>>()?,
            input: self.data.clone(),
        })
    }
}

/// An authorization of a fixture in Ethereum's form.
///
/// # Errors
/// When a number does not fit its field.
pub fn authorization(signed: &SignedAuthorization) -> Result<eip7702::SignedAuthorization> {
    let inner = eip7702::Authorization {
        chain_id: signed.chain_id.u256()?,
        address: signed.address,
        nonce: signed.nonce.u64()?,
    };
    let parity = signed.y_parity.as_ref().unwrap_or(&signed.v).u256()?;
    let parity = u8::try_from(parity).context("the parity is above 8 bits")?;
    Ok(eip7702::SignedAuthorization::new_unchecked(
        inner,
        parity,
        signed.r.u256()?,
        signed.s.u256()?,
    ))
}

/// Short transactions for scenes.
pub mod transfers {
    use alloy_consensus::TxLegacy;
    use alloy_primitives::{Address, Bytes, TxKind, U256};
    use anyhow::Result;

    use super::Person;
    use crate::attacks::CHAIN;

    /// A legacy transaction with a million gas and a price of 100 wei.
    #[derive(Clone, Debug)]
    pub struct Transfer(TxLegacy);

    impl Transfer {
        /// To an address, or a creation.
        #[must_use]
        pub fn new(nonce: u64, to: Option<Address>) -> Self {
            Self(TxLegacy {
                chain_id: Some(CHAIN),
                nonce,
                gas_price: 100,
                gas_limit: 1_000_000,
                to: to.map_or(TxKind::Create, TxKind::Call),
                value: U256::ZERO,
                input: Bytes::new(),
            })
        }

        /// With wei.
        #[must_use]
        pub fn value(self, wei: u64) -> Self {
            self.whole_value(U256::from(wei))
        }

        /// With any amount of wei.
        #[must_use]
        pub const fn whole_value(mut self, wei: U256) -> Self {
            self.0.value = wei;
            self
        }

        /// With another gas limit.
        #[must_use]
        pub const fn gas(mut self, limit: u64) -> Self {
            self.0.gas_limit = limit;
            self
        }

        /// With data.
        #[must_use]
        pub fn data(mut self, data: impl Into<Bytes>) -> Self {
            self.0.input = data.into();
            self
        }

        /// Signed for the scene's chain.
        ///
        /// # Errors
        /// When the key cannot sign.
        pub fn sign(self, person: &Person) -> Result<Bytes> {
            person.sign(&self.0)
        }

        /// Signed for another chain, or none.
        ///
        /// # Errors
        /// When the key cannot sign.
        pub fn sign_for(mut self, person: &Person, chain_id: Option<u64>) -> Result<Bytes> {
            self.0.chain_id = chain_id;
            person.sign(&self.0)
        }
    }
}
