//! Requests in JSON, as the policy tests write them.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, U256, keccak256};
use cloister_abi::{ContractAbi, Limits, standards};
use cloister_authz::request::{
    Administer, CallContract, CallFacts, Deploy, Disclose, Disclosed, Grant, HeldGrant, Invocation,
    LinkWallet, MethodGroup, ReadAudit, RegisterContract, SendTransaction, Target, UseMethod,
    ViewAccount, ViewBatch, ViewContract, ViewLog, ViewTransaction,
};
use cloister_authz::{Decision, Desk, Engine, Principal};
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
    ViewLog {
        emitter: String,
        participants: Vec<String>,
        transaction_participants: Vec<String>,
    },
    ViewBatch(u64),
    LinkWallet(String),
    RegisterContract {
        contract: String,
        deployer: String,
    },
    Administer(String),
    Grant {
        target: String,
        holder: String,
        case: String,
        days: i64,
    },
    Disclose {
        about: String,
        concerned: Vec<String>,
        batch: u64,
        grant: Option<GrantEntry>,
    },
    DiscloseTransaction {
        participants: Vec<String>,
        batch: u64,
        grant: Option<GrantEntry>,
    },
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
pub(crate) struct GrantEntry {
    holder: String,
    scope: Vec<String>,
    batches: (u64, u64),
    #[serde(default)]
    expired: bool,
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
#[expect(clippy::too_many_lines, reason = "one arm for each action")]
pub(crate) fn decide(engine: &Engine, world: &World, who: &Principal, asked: &Asked) -> Decision {
    let hash = B256::repeat_byte(0x77);
    match asked {
        Asked::Rpc { method, group } => {
            let group = MethodGroup::ALL
                .into_iter()
                .find(|known| known.as_str() == group);
            let group = group.expect("a known group");
            engine.decide(
                who,
                &UseMethod {
                    method: method.clone(),
                    group,
                },
            )
        }
        Asked::Call(frame) => {
            let (target, invocation) = world.invocation(frame);
            engine.decide(who, &CallContract { target, invocation })
        }
        Asked::Send(frame) => {
            let (target, invocation) = world.invocation(frame);
            engine.decide(who, &SendTransaction { target, invocation })
        }
        Asked::Deploy { desk, from, value } => {
            let (desk, from, value) = (desk.clone(), world.sender(from), *value);
            engine.decide(
                who,
                &Deploy {
                    desk,
                    from,
                    value,
                    code_bytes: 5000,
                    now: NOW,
                },
            )
        }
        Asked::ViewAccount(name) => engine.decide(
            who,
            &ViewAccount {
                target: world.target(name),
            },
        ),
        Asked::ViewContract(name) => engine.decide(
            who,
            &ViewContract {
                contract: world.contract(name),
            },
        ),
        Asked::ViewTransaction {
            sender,
            participants,
        } => {
            let (sender, participants) = (world.address(sender), world.addresses(participants));
            engine.decide(
                who,
                &ViewTransaction {
                    hash,
                    sender,
                    participants,
                },
            )
        }
        Asked::ViewLog {
            emitter,
            participants,
            transaction_participants,
        } => {
            let log = ViewLog {
                transaction: hash,
                index: 0,
                emitter: world.address(emitter),
                desk: world.contract(emitter).desk,
                event: "Transfer(address,address,uint256)".into(),
                participants: world.addresses(participants),
                transaction_participants: world.addresses(transaction_participants),
            };
            engine.decide(who, &log)
        }
        Asked::ViewBatch(number) => engine.decide(who, &ViewBatch { number: *number }),
        Asked::LinkWallet(wallet) => engine.decide(
            who,
            &LinkWallet {
                wallet: world.address(wallet),
                now: NOW,
            },
        ),
        Asked::RegisterContract { contract, deployer } => {
            let (contract, deployer) = (world.contract(contract), world.address(deployer));
            engine.decide(who, &RegisterContract { contract, deployer })
        }
        Asked::Administer(operation) => engine.decide(
            who,
            &Administer {
                operation: operation.clone(),
                now: NOW,
            },
        ),
        Asked::Grant {
            target,
            holder,
            case,
            days,
        } => {
            let grant = Grant {
                target: world.target(target),
                holder: world.person(holder).id(),
                case_id: case.clone(),
                duration_s: u64::try_from(days * 86_400).unwrap(),
                now: NOW,
            };
            engine.decide(who, &grant)
        }
        Asked::Disclose {
            about,
            concerned,
            batch,
            grant,
        } => {
            let disclose = Disclose {
                subject: Disclosed::Target(world.target(about)),
                concerned: world.addresses(concerned),
                grant: grant.as_ref().map(|entry| world.grant(entry)),
                batch: *batch,
                now: NOW,
            };
            engine.decide(who, &disclose)
        }
        Asked::DiscloseTransaction {
            participants,
            batch,
            grant,
        } => {
            let participants = world.addresses(participants);
            let sender = *participants.first().expect("a sender");
            let disclose = Disclose {
                concerned: participants.clone(),
                subject: Disclosed::Transaction {
                    hash,
                    sender,
                    participants,
                },
                grant: grant.as_ref().map(|entry| world.grant(entry)),
                batch: *batch,
                now: NOW,
            };
            engine.decide(who, &disclose)
        }
        Asked::AuditRead => engine.decide(who, &ReadAudit),
    }
}
