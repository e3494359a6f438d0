//! The token and the transactions, signed before anything is timed.

use super::drive;
use super::target::Target;
use alloy::primitives::{Address, Bytes, TxKind, U256, keccak256};
use alloy::sol;
use alloy::sol_types::{SolCall as _, SolConstructor as _};
use anyhow::Context as _;
use cloister_test_kit::client::Wallet;
use cloister_test_kit::process::Program;
use cloister_test_kit::tools;

sol! {
    contract Token {
        constructor(string name, string symbol);
        function mint(address to, uint256 amount);
        function transfer(address to, uint256 amount) returns (bool);
        function balanceOf(address account) returns (uint256);
    }
}

/// Accounts that receive; the first one's balance is checked afterwards.
const RECEIVERS: usize = 1_000;

/// How much is sent.
pub(crate) struct Shape {
    /// Wallets that send.
    pub(crate) senders: usize,
    /// Transfers of each, to be sent as fast as they are taken.
    pub(crate) transfers: usize,
    /// Transfers of each, to be sent before that at a steady pace.
    pub(crate) paced: usize,
}

/// A signed transaction, as `eth_sendRawTransaction` takes it.
pub(crate) type Raw = String;

/// A token with holders, and their transfers.
pub(crate) struct Workload {
    /// Deploys and mints.
    pub(crate) owner: Wallet,
    /// Send the transfers.
    pub(crate) senders: Vec<Wallet>,
    /// Transfers at a steady pace, by sender.
    pub(crate) paced: Vec<Vec<Raw>>,
    /// Transfers as fast as possible, by sender.
    pub(crate) transfers: Vec<Vec<Raw>>,
    token: Address,
    deploy: Raw,
    mints: Vec<Raw>,
    to_first: u64,
}

impl Workload {
    /// Makes wallets and signs everything.
    pub(crate) fn new(shape: &Shape, code: &[u8]) -> anyhow::Result<Self> {
        let mut owner = Wallet::random();
        let token = owner.address().create(0);
        let deploy = owner.sign(TxKind::Create, U256::ZERO, Bytes::copy_from_slice(code))?;
        let mut senders: Vec<Wallet> = (0..shape.senders).map(|_| Wallet::random()).collect();
        let mint = |wallet: &Wallet| {
            Token::mintCall {
                to: wallet.address(),
                amount: U256::from(1_000_000_000u64),
            }
            .abi_encode()
        };
        let mints = senders
            .iter()
            .map(|wallet| owner.sign(TxKind::Call(token), U256::ZERO, mint(wallet).into()))
            .collect::<Result<_, _>>()?;
        let mut to_first = 0;
        let mut next = 0usize;
        let mut sign_all = |count: usize| {
            senders
                .iter_mut()
                .map(|wallet| {
                    (0..count)
                        .map(|_| {
                            let receiver = next % RECEIVERS;
                            next += 1;
                            to_first += u64::from(receiver == 0);
                            let to = self::receiver(receiver);
                            let call = Token::transferCall {
                                to,
                                amount: U256::ONE,
                            }
                            .abi_encode();
                            wallet.sign(TxKind::Call(token), U256::ZERO, call.into())
                        })
                        .collect::<anyhow::Result<Vec<Raw>>>()
                })
                .collect::<anyhow::Result<Vec<_>>>()
        };
        let paced = sign_all(shape.paced)?;
        let transfers = sign_all(shape.transfers)?;
        Ok(Self {
            owner,
            senders,
            paced,
            transfers,
            token,
            deploy,
            mints,
            to_first,
        })
    }

    /// Deploys the token and gives every sender some of it.
    pub(crate) async fn prepare<T: Target>(&self, target: &T) -> anyhow::Result<()> {
        target
            .send(&self.deploy)
            .await
            .context("cannot deploy the token")?;
        drive::flood(target, std::slice::from_ref(&self.mints), 32).await?;
        Ok(())
    }

    /// Contract and input of the call that asks for the first receiver's balance.
    pub(crate) fn balance_call(&self) -> (Address, Vec<u8>) {
        (
            self.token,
            Token::balanceOfCall {
                account: receiver(0),
            }
            .abi_encode(),
        )
    }

    /// That balance after all transfers.
    pub(crate) fn expected(&self) -> U256 {
        U256::from(self.to_first)
    }
}

fn receiver(number: usize) -> Address {
    Address::from_word(keccak256(number.to_be_bytes()))
}

/// The demo's OpenZeppelin ERC-20 as code that deploys it.
pub(crate) async fn creation_code() -> anyhow::Result<Vec<u8>> {
    let folder = tools::checkout().join("tests/contracts");
    let forge = Program::new(tools::node_program("forge")?);
    forge.arg("build").folder(&folder).output().await?;
    let artifact = std::fs::read_to_string(folder.join("out/DemoToken.sol/DemoToken.json"))?;
    let artifact: serde_json::Value = serde_json::from_str(&artifact)?;
    let code = artifact
        .pointer("/bytecode/object")
        .and_then(|code| code.as_str());
    let mut code = alloy::hex::decode(code.context("the token's artefact has no code")?)?;
    let arguments = Token::constructorCall {
        name: "Bench".into(),
        symbol: "BEN".into(),
    };
    code.extend(arguments.abi_encode());
    Ok(code)
}
