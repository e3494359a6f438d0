//! ABI types, resolved once when an ABI is registered.

use alloy_json_abi::Param;

use crate::contract::AbiError;

/// How deep types may nest.
pub(crate) const MAX_TYPE_DEPTH: usize = 8;
/// How many 32-byte words a static type may span.
pub(crate) const MAX_STATIC_WORDS: usize = 1024;
/// How long a name in an ABI may be, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 128;

/// A resolved ABI type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Address,
    Uint(usize),
    Int(usize),
    Bool,
    FixedBytes(usize),
    Bytes,
    Text,
    Array(Box<Kind>),
    FixedArray(Box<Kind>, usize),
    Tuple(Vec<Field>),
}

/// A named type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

impl Kind {
    /// Whether the encoding holds an offset to data elsewhere.
    pub(crate) fn is_dynamic(&self) -> bool {
        match self {
            Self::Address | Self::Uint(_) | Self::Int(_) | Self::Bool | Self::FixedBytes(_) => {
                false
            }
            Self::Bytes | Self::Text | Self::Array(_) => true,
            Self::FixedArray(item, count) => *count > 0 && item.is_dynamic(),
            Self::Tuple(fields) => fields.iter().any(|field| field.kind.is_dynamic()),
        }
    }

    /// Whether an event indexes it by hash.
    pub(crate) fn is_hashed_when_indexed(&self) -> bool {
        matches!(
            self,
            Self::Bytes | Self::Text | Self::Array(_) | Self::FixedArray(..) | Self::Tuple(_)
        )
    }

    /// Words that the type takes in the head; `None` above the limit.
    pub(crate) fn static_words(&self) -> Option<usize> {
        let words = match self {
            _ if self.is_dynamic() => {
                // An offset; the parts must still be sane.
                match self {
                    Self::Array(item) | Self::FixedArray(item, _) => item.static_words().map(|_| 1),
                    Self::Tuple(fields) => words_of(fields).map(|_| 1),
                    _ => Some(1),
                }
            }
            Self::FixedArray(item, count) => item.static_words()?.checked_mul(*count),
            Self::Tuple(fields) => words_of(fields),
            _ => Some(1),
        }?;
        (words <= MAX_STATIC_WORDS).then_some(words)
    }
}

/// Words that fields take one after another; `None` above the limit.
pub(crate) fn words_of(fields: &[Field]) -> Option<usize> {
    fields
        .iter()
        .try_fold(0_usize, |sum, field| {
            sum.checked_add(field.kind.static_words()?)
        })
        .filter(|sum| *sum <= MAX_STATIC_WORDS)
}

/// Resolves parameters and refuses names that would make a path ambiguous.
pub(crate) fn resolve_all(params: &[Param]) -> Result<Vec<Field>, AbiError> {
    fields(params, 0)
}

fn fields(params: &[Param], depth: usize) -> Result<Vec<Field>, AbiError> {
    let mut resolved: Vec<Field> = Vec::with_capacity(params.len());
    for param in params {
        if param.name.len() > MAX_NAME_BYTES {
            return Err(AbiError::NameTooLong {
                limit: MAX_NAME_BYTES,
            });
        }
        if !param.name.is_empty() && resolved.iter().any(|field| field.name == param.name) {
            return Err(AbiError::DuplicateName {
                name: param.name.clone(),
            });
        }
        let kind = parse(&param.ty, &param.components, depth)?;
        resolved.push(Field {
            name: param.name.clone(),
            kind,
        });
    }
    words_of(&resolved).ok_or(AbiError::TypeTooLarge {
        limit: MAX_STATIC_WORDS,
    })?;
    Ok(resolved)
}

fn parse(ty: &str, components: &[Param], depth: usize) -> Result<Kind, AbiError> {
    if depth >= MAX_TYPE_DEPTH {
        return Err(AbiError::TypeTooDeep {
            limit: MAX_TYPE_DEPTH,
        });
    }
    let unknown = || AbiError::UnknownType {
        name: ty.to_owned(),
    };
    if let Some(body) = ty.strip_suffix(']') {
        let (item, count) = body.rsplit_once('[').ok_or_else(unknown)?;
        let item = Box::new(parse(item, components, depth + 1)?);
        if count.is_empty() {
            return Ok(Kind::Array(item));
        }
        let count: usize = count.parse().map_err(|_| unknown())?;
        if count == 0 || count > MAX_STATIC_WORDS {
            return Err(AbiError::TypeTooLarge {
                limit: MAX_STATIC_WORDS,
            });
        }
        return Ok(Kind::FixedArray(item, count));
    }
    let width = |digits: &str, unit: usize, max: usize| match digits.parse::<usize>() {
        Ok(width) if width > 0 && width <= max && width.is_multiple_of(unit) => Ok(width),
        _ => Err(unknown()),
    };
    match ty {
        "address" => Ok(Kind::Address),
        "bool" => Ok(Kind::Bool),
        "string" => Ok(Kind::Text),
        "bytes" => Ok(Kind::Bytes),
        "function" => Ok(Kind::FixedBytes(24)),
        "tuple" => {
            let fields = fields(components, depth + 1)?;
            // An array of nothing would let a short input claim endless items.
            if fields.is_empty() {
                Err(unknown())
            } else {
                Ok(Kind::Tuple(fields))
            }
        }
        "uint" => Ok(Kind::Uint(256)),
        "int" => Ok(Kind::Int(256)),
        _ => {
            if let Some(digits) = ty.strip_prefix("uint") {
                width(digits, 8, 256).map(Kind::Uint)
            } else if let Some(digits) = ty.strip_prefix("int") {
                width(digits, 8, 256).map(Kind::Int)
            } else if let Some(digits) = ty.strip_prefix("bytes") {
                width(digits, 1, 32).map(Kind::FixedBytes)
            } else {
                Err(unknown())
            }
        }
    }
}
