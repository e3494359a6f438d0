//! Requests in JSON, as the policy tests write them.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, U256, keccak256};
use cloister_abi::{ContractAbi, Limits, standards};
use cloister_authz::request::{
    Administer, CallContract, CallFacts, Deploy, Disclose, Disclosed, Grant, HeldGrant, Invocation,
    LinkWallet, MethodGroup, ReadAudit, RegisterContract, SendTransaction, Target, UseMethod,
    ViewAccount, ViewBatch, ViewContract, ViewLog, ViewTransaction,
};
use cloister_authz::{Ask, Decision, Desk, Engine, Principal};
use serde::Deserialize;

use crate::world::World;

pub(crate) const NOW: u64 = 1_800_000_000;

/// One request, by action.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Asked {
    Rpc {
        method: String,
        group: String,
    },
    Call(Frame),
    Send(Frame),
    Deploy {
        desk: Desk,
        from: String,
        #[serde(default)]
        value: U256,
    },
    ViewAccount(String),
    ViewContract(String),
    ViewTransaction {
        sender: String,
        participants: Vec<String>,
    },
    ViewLog(LogEntry),
    ViewBatch(u64),
    LinkWallet(String),
    RegisterContract(RegisterAsked),
    Administer(String),
    Grant(GrantAsked),
    Disclose(DiscloseAsked),
    AuditRead,
}

/// A call: by signature and arguments (addresses by name, numbers in decimal), or raw data.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Frame {
    to: String,
    from: String,
    #[serde(default)]
    function: String,
    #[serde(default)]
    arguments: Vec<String>,
    #[serde(default)]
    value: U256,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogEntry {
    emitter: String,
    participants: Vec<String>,
    transaction_participants: Vec<String>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterAsked {
    contract: String,
    deployer: String,
    #[serde(default = "yes")]
    first: bool,
    #[serde(default)]
    age_s: u64,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantAsked {
    target: String,
    holder: String,
    case: String,
    days: u64,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiscloseAsked {
    about: Option<String>,
    concerned: Vec<String>,
    batch: u64,
    grant: Option<GrantEntry>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantEntry {
    holder: String,
    scope: Vec<String>,
    batches: (u64, u64),
    #[serde(default)]
    expired: bool,
}

fn yes() -> bool {
    true
}

const ZERO: &str = "nobody";

impl World {
    fn addresses(&self, names: &[String]) -> BTreeSet<Address> {
        names.iter().map(|name| self.address(name)).collect()
    }

    fn sender(&self, name: &str) -> Address {
        if name == ZERO {
            Address::ZERO
        } else {
            self.address(name)
        }
    }

    fn call_data(&self, frame: &Frame) -> Vec<u8> {
        if frame.function.is_empty() {
            return Vec::new();
        }
        let mut data = keccak256(&frame.function)[..4].to_vec();
        for argument in &frame.arguments {
            match argument.parse::<U256>() {
                Ok(number) if !argument.starts_with("0x") => {
                    data.extend(number.to_be_bytes::<32>());
                }
                _ => data.extend(self.address(argument).into_word()),
            }
        }
        data
    }

    fn invocation(&self, frame: &Frame) -> (Target, Invocation) {
        let target = self.target(&frame.to);
        let abi = match &target {
            Target::Contract(contract) if contract.template == "erc20" => standards::erc20(),
            _ => ContractAbi::default(),
        };
        let data = self.call_data(frame);
        let decoded = abi.decode_call(&data, &Limits::default()).unwrap();
        let from = self.sender(&frame.from);
        let call = CallFacts::new(&data, decoded.as_ref());
        let invocation = Invocation {
            from,
            caller: from,
            depth: 0,
            value: frame.value,
            call,
            now: NOW,
        };
        (target, invocation)
    }

    fn grant(&self, entry: &GrantEntry) -> HeldGrant {
        HeldGrant {
            holder: self.person(&entry.holder).id(),
            case_id: "C-1".into(),
            scope: self.addresses(&entry.scope),
            from_batch: entry.batches.0,
            to_batch: entry.batches.1,
            expires_at: if entry.expired { NOW } else { NOW + 60 },
        }
    }
}

/// Decides a request.
pub(crate) fn decide(engine: &Engine, world: &World, who: &Principal, asked: &Asked) -> Decision {
    engine.decide(who, &*world.ask(asked))
}

const HASH: B256 = B256::repeat_byte(0x77);

impl World {
    fn ask(&self, asked: &Asked) -> Box<dyn Ask> {
        match asked {
            Asked::Rpc { method, group } => {
                let group = MethodGroup::ALL
                    .into_iter()
                    .find(|known| known.as_str() == group);
                let group = group.expect("a known group");
                Box::new(UseMethod {
                    method: method.clone(),
                    group,
                })
            }
            Asked::Call(frame) => {
                let (target, invocation) = self.invocation(frame);
                Box::new(CallContract { target, invocation })
            }
            Asked::Send(frame) => {
                let (target, invocation) = self.invocation(frame);
                Box::new(SendTransaction { target, invocation })
            }
            Asked::Deploy { desk, from, value } => {
                let (desk, from, value) = (desk.clone(), self.sender(from), *value);
                Box::new(Deploy {
                    desk,
                    from,
                    value,
                    code_bytes: 5000,
                    now: NOW,
                })
            }
            Asked::ViewAccount(name) => Box::new(ViewAccount {
                target: self.target(name),
            }),
            Asked::ViewContract(name) => Box::new(ViewContract {
                contract: self.contract(name),
            }),
            Asked::ViewTransaction {
                sender,
                participants,
            } => {
                let (sender, participants) = (self.address(sender), self.addresses(participants));
                Box::new(ViewTransaction {
                    hash: HASH,
                    sender,
                    participants,
                })
            }
            Asked::ViewLog(log) => Box::new(self.view_log(log)),
            Asked::ViewBatch(number) => Box::new(ViewBatch { number: *number }),
            Asked::LinkWallet(wallet) => Box::new(LinkWallet {
                wallet: self.address(wallet),
                now: NOW,
            }),
            Asked::RegisterContract(asked) => Box::new(self.register(asked)),
            Asked::Administer(operation) => Box::new(Administer {
                operation: operation.clone(),
                now: NOW,
            }),
            Asked::Grant(grant) => Box::new(self.ask_grant(grant)),
            Asked::Disclose(disclosure) => Box::new(self.disclose(disclosure)),
            Asked::AuditRead => Box::new(ReadAudit),
        }
    }

    fn register(&self, asked: &RegisterAsked) -> RegisterContract {
        RegisterContract {
            contract: self.contract(&asked.contract),
            deployer: self.address(&asked.deployer),
            first: asked.first,
            age_s: asked.age_s,
        }
    }

    fn view_log(&self, log: &LogEntry) -> ViewLog {
        ViewLog {
            transaction: HASH,
            index: 0,
            emitter: self.address(&log.emitter),
            desk: self.contract(&log.emitter).desk,
            event: "Transfer(address,address,uint256)".into(),
            participants: self.addresses(&log.participants),
            transaction_participants: self.addresses(&log.transaction_participants),
        }
    }

    fn ask_grant(&self, grant: &GrantAsked) -> Grant {
        Grant {
            target: self.target(&grant.target),
            holder: self.person(&grant.holder).id(),
            case_id: grant.case.clone(),
            duration_s: grant.days * 86_400,
            now: NOW,
        }
    }

    /// About a target when one is named, otherwise about a transaction of those concerned.
    fn disclose(&self, asked: &DiscloseAsked) -> Disclose {
        let concerned = self.addresses(&asked.concerned);
        let subject = match &asked.about {
            Some(name) => Disclosed::Target(self.target(name)),
            None => Disclosed::Transaction {
                hash: HASH,
                sender: *concerned.first().expect("a sender"),
                participants: concerned.clone(),
            },
        };
        let grant = asked.grant.as_ref().map(|entry| self.grant(entry));
        Disclose {
            subject,
            concerned,
            grant,
            batch: asked.batch,
            now: NOW,
        }
    }
}
