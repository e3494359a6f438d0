//! A contract's functions and events.

use std::collections::BTreeMap;

use alloy_json_abi::{Event, Function, JsonAbi};
use alloy_primitives::B256;
use serde::Deserialize;
use thiserror::Error;

use crate::decode::{self, DecodeError, Limits};
use crate::facts::Facts;
use crate::kind::{self, Field};
use crate::value::Argument;

/// Longest ABI document, in bytes.
pub const MAX_ABI_BYTES: usize = 1024 * 1024;
/// Most functions and most events in one ABI.
pub const MAX_ITEMS: usize = 1024;

/// Why an ABI is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AbiError {
    /// Not a JSON ABI.
    #[error("not a contract ABI in JSON: {reason}")]
    Syntax {
        /// What the parser said.
        reason: String,
    },
    /// The document is longer than the limit.
    #[error("the ABI has {got} bytes, at most {limit} are accepted")]
    TooLong {
        /// Bytes received.
        got: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// More functions or events than the limit.
    #[error("the ABI has more than {limit} functions or events")]
    TooManyItems {
        /// Items allowed.
        limit: usize,
    },
    /// A type that the ABI encoding does not have.
    #[error("`{name}` is not an ABI type; write library enums as `uint8`")]
    UnknownType {
        /// The type as written.
        name: String,
    },
    /// Types nested deeper than the limit.
    #[error("types nest deeper than {limit} levels")]
    TypeTooDeep {
        /// Levels allowed.
        limit: usize,
    },
    /// A static type wider than the limit.
    #[error("a fixed-size type spans more than {limit} words, or none")]
    TypeTooLarge {
        /// Words allowed.
        limit: usize,
    },
    /// A name longer than the limit.
    #[error("a name in the ABI is longer than {limit} bytes")]
    NameTooLong {
        /// Bytes allowed.
        limit: usize,
    },
    /// Two parameters of one function or tuple with the same name: a rule could not tell them apart.
    #[error("the name `{name}` occurs twice in one list of parameters")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// Two functions with one selector.
    #[error("`{first}` and `{second}` have the same selector")]
    SelectorCollision {
        /// One signature.
        first: String,
        /// The other.
        second: String,
    },
}

/// The functions and events of one contract, ready to decode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContractAbi {
    functions: BTreeMap<[u8; 4], FunctionAbi>,
    /// Events of one topic may differ in which fields are indexed (ERC-20 and ERC-721 `Transfer`).
    events: BTreeMap<B256, Vec<EventAbi>>,
}

/// What compilers write around an ABI.
#[derive(Deserialize)]
struct Artifact {
    abi: JsonAbi,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct FunctionAbi {
    name: String,
    signature: String,
    inputs: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct EventAbi {
    name: String,
    signature: String,
    fields: Vec<(Field, bool)>,
}

impl EventAbi {
    fn indexed(&self) -> usize {
        self.fields.iter().filter(|(_, indexed)| *indexed).count()
    }
}

/// A decoded call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// First four bytes of the call data.
    pub selector: [u8; 4],
    /// Function name, e.g. `transfer`.
    pub function: String,
    /// Canonical signature, e.g. `transfer(address,uint256)`.
    pub signature: String,
    /// Arguments in order.
    pub arguments: Vec<Argument>,
}

impl Call {
    /// The call as facts for a policy.
    #[must_use]
    pub fn facts(&self) -> Facts {
        Facts::of(&self.arguments)
    }
}

/// A decoded log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLog {
    /// Event name, e.g. `Transfer`.
    pub event: String,
    /// Canonical signature, e.g. `Transfer(address,address,uint256)`.
    pub signature: String,
    /// Fields in the order of the ABI.
    pub fields: Vec<Argument>,
}

impl EventLog {
    /// The event as facts for a policy.
    #[must_use]
    pub fn facts(&self) -> Facts {
        Facts::of(&self.fields)
    }
}

impl ContractAbi {
    /// Reads an ABI as compilers write it: an array of items, or an object with an `abi` member.
    ///
    /// # Errors
    /// When it is not one, or breaks a limit of this crate.
    pub fn from_json(json: &str) -> Result<Self, AbiError> {
        if json.len() > MAX_ABI_BYTES {
            return Err(AbiError::TooLong {
                got: json.len(),
                limit: MAX_ABI_BYTES,
            });
        }
        let syntax = |error: serde_json::Error| AbiError::Syntax {
            reason: error.to_string(),
        };
        if json.trim_start().starts_with('{') {
            let Artifact { abi } = serde_json::from_str(json).map_err(syntax)?;
            return Self::from_abi(&abi);
        }
        Self::from_abi(&serde_json::from_str(json).map_err(syntax)?)
    }

    /// Reads an ABI in Solidity's own notation, one item each, e.g.
    /// `function transfer(address to, uint256 value) returns (bool)`.
    ///
    /// # Errors
    /// When an item does not parse, or breaks a limit of this crate.
    pub fn from_items<'a>(items: impl IntoIterator<Item = &'a str>) -> Result<Self, AbiError> {
        let abi = JsonAbi::parse(items).map_err(|error| AbiError::Syntax {
            reason: error.to_string(),
        })?;
        Self::from_abi(&abi)
    }

    fn from_abi(abi: &JsonAbi) -> Result<Self, AbiError> {
        if abi.functions().count() > MAX_ITEMS || abi.events().count() > MAX_ITEMS {
            return Err(AbiError::TooManyItems { limit: MAX_ITEMS });
        }
        let mut contract = Self::default();
        for function in abi.functions() {
            contract.add_function(function)?;
        }
        for event in abi.events() {
            contract.add_event(event)?;
        }
        Ok(contract)
    }

    fn add_function(&mut self, function: &Function) -> Result<(), AbiError> {
        check_name(&function.name)?;
        let inputs = kind::resolve_all(&function.inputs)?;
        let added = FunctionAbi {
            name: function.name.clone(),
            signature: function.signature(),
            inputs,
        };
        let selector = function.selector().0;
        if let Some(present) = self.functions.get(&selector) {
            if present.signature == added.signature {
                return Ok(());
            }
            let (first, second) = (present.signature.clone(), added.signature);
            return Err(AbiError::SelectorCollision { first, second });
        }
        self.functions.insert(selector, added);
        Ok(())
    }

    fn add_event(&mut self, event: &Event) -> Result<(), AbiError> {
        check_name(&event.name)?;
        if event.anonymous {
            return Ok(());
        }
        let params: Vec<_> = event.inputs.iter().map(event_param).collect();
        let fields = kind::resolve_all(&params)?
            .into_iter()
            .zip(event.inputs.iter().map(|input| input.indexed))
            .collect();
        let added = EventAbi {
            name: event.name.clone(),
            signature: event.signature(),
            fields,
        };
        let variants = self.events.entry(event.selector()).or_default();
        if variants
            .iter()
            .all(|variant| variant.indexed() != added.indexed())
        {
            variants.push(added);
        }
        Ok(())
    }

    /// Adds what `other` has and this one lacks; where both have an item, this one's stays.
    #[must_use]
    pub fn or(mut self, other: &Self) -> Self {
        for (selector, function) in &other.functions {
            self.functions
                .entry(*selector)
                .or_insert_with(|| function.clone());
        }
        for (topic, variants) in &other.events {
            let present = self.events.entry(*topic).or_default();
            for variant in variants {
                if present
                    .iter()
                    .all(|known| known.indexed() != variant.indexed())
                {
                    present.push(variant.clone());
                }
            }
        }
        self
    }

    /// The first function that has the selector of one of `other` under another signature, with
    /// that signature: a rule about one of them would not apply to calls of the other.
    #[must_use]
    pub fn conflict<'a>(&'a self, other: &'a Self) -> Option<(&'a str, &'a str)> {
        self.functions.iter().find_map(|(selector, function)| {
            let there = other.functions.get(selector)?;
            (there.signature != function.signature)
                .then_some((function.signature.as_str(), there.signature.as_str()))
        })
    }

    /// Signatures of all functions, sorted by selector.
    pub fn signatures(&self) -> impl Iterator<Item = &str> {
        self.functions
            .values()
            .map(|function| function.signature.as_str())
    }

    /// Decodes call data. `None`: the selector names no function of this contract, or there is no
    /// call data at all (a plain transfer of value).
    ///
    /// # Errors
    /// When the data is not a strict encoding of the function's arguments, or breaks a limit.
    pub fn decode_call(&self, data: &[u8], limits: &Limits) -> Result<Option<Call>, DecodeError> {
        if data.len() > limits.input_bytes {
            return Err(DecodeError::InputTooLong {
                got: data.len(),
                limit: limits.input_bytes,
            });
        }
        if data.is_empty() {
            return Ok(None);
        }
        let Some((selector, body)) = data.split_first_chunk::<4>() else {
            return Err(DecodeError::NoSelector { got: data.len() });
        };
        let Some(function) = self.functions.get(selector) else {
            return Ok(None);
        };
        Ok(Some(Call {
            selector: *selector,
            function: function.name.clone(),
            signature: function.signature.clone(),
            arguments: decode::decode_fields(&function.inputs, body, limits)?,
        }))
    }

    /// Decodes a log. `None`: the first topic names no event of this contract.
    ///
    /// # Errors
    /// When topics or data are not a strict encoding of the event, or break a limit.
    pub fn decode_log(
        &self,
        topics: &[B256],
        data: &[u8],
        limits: &Limits,
    ) -> Result<Option<EventLog>, DecodeError> {
        let Some((first, indexed)) = topics.split_first() else {
            return Ok(None);
        };
        let Some(variants) = self.events.get(first) else {
            return Ok(None);
        };
        let Some(event) = variants
            .iter()
            .find(|event| event.indexed() == indexed.len())
        else {
            let expected = variants.first().map_or(0, EventAbi::indexed) + 1;
            return Err(DecodeError::TopicCount {
                got: topics.len(),
                expected,
            });
        };
        let body: Vec<Field> = event
            .fields
            .iter()
            .filter(|(_, indexed)| !indexed)
            .map(|(f, _)| f.clone())
            .collect();
        let mut in_data = decode::decode_fields(&body, data, limits)?.into_iter();
        let mut in_topics = indexed.iter();
        let mut fields = Vec::with_capacity(event.fields.len());
        for (field, indexed) in &event.fields {
            let value = if *indexed {
                in_topics
                    .next()
                    .map(|topic| decode::decode_topic(field, topic))
                    .transpose()?
            } else {
                in_data.next().map(|argument| argument.value)
            };
            let expected = event.indexed() + 1;
            let value = value.ok_or(DecodeError::TopicCount {
                got: topics.len(),
                expected,
            })?;
            fields.push(Argument {
                name: field.name.clone(),
                value,
            });
        }
        let EventAbi {
            name, signature, ..
        } = event;
        Ok(Some(EventLog {
            event: name.clone(),
            signature: signature.clone(),
            fields,
        }))
    }
}

fn check_name(name: &str) -> Result<(), AbiError> {
    if name.len() > kind::MAX_NAME_BYTES {
        return Err(AbiError::NameTooLong {
            limit: kind::MAX_NAME_BYTES,
        });
    }
    Ok(())
}

fn event_param(input: &alloy_json_abi::EventParam) -> alloy_json_abi::Param {
    alloy_json_abi::Param {
        ty: input.ty.clone(),
        name: input.name.clone(),
        components: input.components.clone(),
        internal_type: None,
    }
}
