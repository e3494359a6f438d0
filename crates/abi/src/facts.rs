//! Flattening of decoded arguments into facts that a policy can name.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, hex};

use crate::amount::Amount;
use crate::value::{Argument, Value};

/// Longest text or byte string that a fact carries; a longer one has only its size.
pub const MAX_TEXT_BYTES: usize = 256;

/// One value, as far as policies are concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fact {
    /// `address`, `uint`, `int`, `bool`, `bytes`, `string`, `hash`, `array` or `tuple`.
    pub kind: &'static str,
    /// Canonical text: lower-case hex with `0x`, decimal, `true`/`false`, or the string itself.
    /// Absent for arrays, tuples and long byte strings.
    pub text: Option<String>,
    /// The address, for `address`.
    pub address: Option<Address>,
    /// The number, for `uint` and `int`.
    pub amount: Option<Amount>,
    /// The truth value, for `bool`.
    pub flag: Option<bool>,
    /// Bytes of `bytes` and `string`, items of `array` and `tuple`.
    pub size: Option<u32>,
    /// All addresses inside, for `array` and `tuple`.
    pub addresses: BTreeSet<Address>,
    /// The number of largest magnitude inside, for `array` and `tuple`.
    pub largest: Option<Amount>,
}

/// The arguments of a call or the fields of an event by path.
///
/// Each value stands under the path of its names (`order.legs.0.amount`) and under that of its
/// positions (`0.2.0.1`), so that a rule for a standard function need not know what a contract's
/// author called an argument.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Values by path.
    pub arguments: BTreeMap<String, Fact>,
    /// All addresses anywhere.
    pub addresses: BTreeSet<Address>,
    /// The number of largest magnitude anywhere.
    pub largest: Option<Amount>,
}

impl Facts {
    /// Flattens arguments. Their number was bounded when they were decoded.
    #[must_use]
    pub fn of(arguments: &[Argument]) -> Self {
        let mut facts = Self::default();
        let whole = facts.list(
            arguments.iter().map(|a| (a.name.as_str(), &a.value)),
            "",
            "",
        );
        facts.addresses = whole.addresses;
        facts.largest = whole.largest;
        facts
    }

    fn list<'a>(
        &mut self,
        items: impl Iterator<Item = (&'a str, &'a Value)>,
        names: &str,
        positions: &str,
    ) -> Fact {
        let mut whole = Fact::default();
        let mut count = 0_u32;
        for (index, (name, value)) in items.enumerate() {
            let index = index.to_string();
            let name = join(names, if name.is_empty() { &index } else { name });
            let part = self.value(value, &name, &join(positions, &index));
            whole.addresses.extend(part.address);
            whole.addresses.extend(part.addresses.iter().copied());
            whole.largest = [whole.largest, part.amount, part.largest]
                .into_iter()
                .flatten()
                .reduce(Amount::larger);
            count = count.saturating_add(1);
        }
        whole.size = Some(count);
        whole
    }

    fn value(&mut self, value: &Value, names: &str, positions: &str) -> Fact {
        let fact = match value {
            Value::Array(items) => {
                let fact = self.list(items.iter().map(|item| ("", item)), names, positions);
                Fact {
                    kind: "array",
                    ..fact
                }
            }
            Value::Tuple(fields) => {
                let fields = fields
                    .iter()
                    .map(|field| (field.name.as_str(), &field.value));
                Fact {
                    kind: "tuple",
                    ..self.list(fields, names, positions)
                }
            }
            leaf => leaf_fact(leaf),
        };
        self.arguments.insert(positions.to_owned(), fact.clone());
        if names != positions {
            self.arguments.insert(names.to_owned(), fact.clone());
        }
        fact
    }
}

fn leaf_fact(value: &Value) -> Fact {
    let fact = |kind, text: String| Fact {
        kind,
        text: Some(text),
        ..Fact::default()
    };
    match value {
        Value::Address(address) => Fact {
            address: Some(*address),
            ..fact("address", format!("{address:#x}"))
        },
        Value::Uint(number) => {
            let amount = Amount::unsigned(*number);
            Fact {
                amount: Some(amount.clone()),
                ..fact("uint", amount.raw)
            }
        }
        Value::Int(number) => {
            let amount = Amount::signed(*number);
            Fact {
                amount: Some(amount.clone()),
                ..fact("int", amount.raw)
            }
        }
        Value::Bool(flag) => Fact {
            flag: Some(*flag),
            ..fact("bool", flag.to_string())
        },
        Value::Hashed(hash) => fact("hash", format!("{hash:#x}")),
        Value::Bytes(bytes) => sized("bytes", bytes.len(), || hex::encode_prefixed(bytes)),
        Value::Text(text) => sized("string", text.len(), || text.clone()),
        Value::Array(_) | Value::Tuple(_) => Fact::default(),
    }
}

fn sized(kind: &'static str, length: usize, text: impl FnOnce() -> String) -> Fact {
    let text = (length <= MAX_TEXT_BYTES).then(text);
    let size = Some(u32::try_from(length).unwrap_or(u32::MAX));
    Fact {
        kind,
        text,
        size,
        ..Fact::default()
    }
}

fn join(path: &str, step: &str) -> String {
    if path.is_empty() {
        step.to_owned()
    } else {
        format!("{path}.{step}")
    }
}
