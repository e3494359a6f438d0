//! Principals, resources and contexts as Cedar sees them, exactly as the schema declares them.

use std::collections::HashSet;
use std::error::Error;
use std::str::FromStr;
use std::sync::LazyLock;

use alloy_primitives::{Address, U256, hex};
use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression as Expr};
use cloister_abi::{Amount, Fact};

use crate::action::Action;
use crate::ask::Ask;
use crate::principal::{Desk, Principal};
use crate::request::{CallFacts, Contract, HeldGrant, Invocation, Target};

pub(crate) type BuildError = Box<dyn Error + Send + Sync>;
pub(crate) type Pairs = Vec<(String, Expr)>;

/// Resource, context and entities of a request. Only this crate makes one.
#[derive(Debug)]
pub struct Shape {
    pub(crate) resource: EntityUid,
    pub(crate) context: Pairs,
    pub(crate) entities: Vec<Entity>,
}

/// A request with its principal, ready for Cedar.
pub(crate) struct Question {
    pub(crate) principal: EntityUid,
    pub(crate) action: EntityUid,
    pub(crate) resource: EntityUid,
    pub(crate) context: Pairs,
    pub(crate) entities: Vec<Entity>,
}

impl Question {
    pub(crate) fn new<R: Ask + ?Sized>(
        principal: &Principal,
        request: &R,
    ) -> Result<Self, BuildError> {
        let Shape {
            resource,
            context,
            mut entities,
        } = request.shape()?;
        let who = principal_entity(principal)?;
        let (principal, action) = (who.uid(), action_uid(request.action())?);
        entities.push(who);
        Ok(Self {
            principal,
            action,
            resource,
            context,
            entities,
        })
    }
}

/// Names of entity types, parsed once.
struct Types {
    action: EntityTypeName,
    role: EntityTypeName,
    desk: EntityTypeName,
    principal: EntityTypeName,
    call: EntityTypeName,
}

static TYPES: LazyLock<Result<Types, String>> = LazyLock::new(|| {
    let name = |name: &str| EntityTypeName::from_str(name).map_err(|error| error.to_string());
    Ok(Types {
        action: name("Action")?,
        role: name("Role")?,
        desk: name("Desk")?,
        principal: name("Principal")?,
        call: name("Call")?,
    })
});

fn types() -> Result<&'static Types, BuildError> {
    TYPES.as_ref().map_err(|error| error.clone().into())
}

fn make_uid(type_name: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(type_name.clone(), EntityId::new(id))
}

/// An entity's name from its type and id.
pub(crate) fn uid(type_name: &str, id: &str) -> Result<EntityUid, BuildError> {
    Ok(make_uid(&EntityTypeName::from_str(type_name)?, id))
}

fn action_uid(action: Action) -> Result<EntityUid, BuildError> {
    Ok(make_uid(&types()?.action, action.as_str()))
}

pub(crate) fn desk_uid(desk: &Desk) -> Result<EntityUid, BuildError> {
    Ok(make_uid(&types()?.desk, desk.as_str()))
}

pub(crate) fn principal_uid(id: &str) -> Result<EntityUid, BuildError> {
    Ok(make_uid(&types()?.principal, id))
}

fn principal_entity(principal: &Principal) -> Result<Entity, BuildError> {
    let types = types()?;
    let roles = principal
        .roles
        .iter()
        .map(|role| make_uid(&types.role, role.as_str()));
    let desks = principal
        .desks
        .iter()
        .map(|desk| make_uid(&types.desk, desk.as_str()));
    let parents: HashSet<EntityUid> = roles.chain(desks).collect();
    let attributes = [
        ("issuer".to_owned(), text(&principal.issuer)),
        ("subject".to_owned(), text(&principal.subject)),
        ("wallets".to_owned(), addresses(&principal.wallets)),
    ];
    let uid = principal_uid(&principal.id())?;
    Ok(Entity::new_with_tags(uid, attributes, parents, [])?)
}

/// A contract or an account.
pub(crate) fn target_entity(target: &Target) -> Result<Entity, BuildError> {
    match target {
        Target::Contract(contract) => contract_entity(contract),
        Target::Account(account) => account_entity(account),
    }
}

pub(crate) fn account_entity(account: &Address) -> Result<Entity, BuildError> {
    let name = hex_of(account);
    let attributes = [("address".to_owned(), text(&name))];
    Ok(Entity::new_with_tags(
        uid("Account", &name)?,
        attributes,
        [],
        [],
    )?)
}

pub(crate) fn contract_entity(contract: &Contract) -> Result<Entity, BuildError> {
    let name = hex_of(&contract.address);
    let mut attributes = vec![
        ("address".to_owned(), text(&name)),
        ("template".to_owned(), text(&contract.template)),
    ];
    if let Some(desk) = &contract.desk {
        attributes.push(("desk".to_owned(), Expr::new_entity_uid(desk_uid(desk)?)));
    }
    Ok(Entity::new_with_tags(
        uid("Contract", &name)?,
        attributes,
        [],
        [],
    )?)
}

/// The context of `call` and `send`, and the entity that holds the call's arguments.
pub(crate) fn invocation(frame: &Invocation) -> Result<(Pairs, Entity), BuildError> {
    let call = call_entity(&frame.call)?;
    let context = vec![
        ("call".to_owned(), Expr::new_entity_uid(call.uid())),
        ("from".to_owned(), address(&frame.from)),
        ("caller".to_owned(), address(&frame.caller)),
        ("depth".to_owned(), Expr::new_long(frame.depth.into())),
        ("value".to_owned(), wei(frame.value)?),
        ("now".to_owned(), long(frame.now)),
    ];
    Ok((context, call))
}

fn call_entity(call: &CallFacts) -> Result<Entity, BuildError> {
    let selector = call.selector.map(hex::encode_prefixed).unwrap_or_default();
    let mut attributes = vec![
        ("known".to_owned(), Expr::new_bool(call.is_known())),
        ("function".to_owned(), text(&call.function)),
        ("signature".to_owned(), text(&call.signature)),
        ("selector".to_owned(), text(&selector)),
        ("addresses".to_owned(), addresses(&call.facts.addresses)),
    ];
    if let Some(largest) = &call.facts.largest {
        attributes.push(("largest".to_owned(), amount(largest)?));
    }
    let tags = call.facts.arguments.iter();
    let tags: Vec<(String, Expr)> = tags
        .map(|(path, value)| Ok((path.clone(), fact(value)?)))
        .collect::<Result<_, BuildError>>()?;
    Ok(Entity::new_with_tags(
        make_uid(&types()?.call, "call"),
        attributes,
        [],
        tags,
    )?)
}

fn fact(fact: &Fact) -> Result<Expr, BuildError> {
    let mut fields = vec![
        ("kind".to_owned(), text(fact.kind)),
        ("addresses".to_owned(), addresses(&fact.addresses)),
    ];
    if let Some(value) = &fact.text {
        fields.push(("text".to_owned(), text(value)));
    }
    if let Some(value) = &fact.address {
        fields.push(("address".to_owned(), address(value)));
    }
    if let Some(value) = &fact.amount {
        fields.push(("amount".to_owned(), amount(value)?));
    }
    if let Some(value) = fact.flag {
        fields.push(("flag".to_owned(), Expr::new_bool(value)));
    }
    if let Some(value) = fact.size {
        fields.push(("size".to_owned(), Expr::new_long(value.into())));
    }
    if let Some(value) = &fact.largest {
        fields.push(("largest".to_owned(), amount(value)?));
    }
    Ok(Expr::new_record(fields)?)
}

/// A grant as a record.
pub(crate) fn grant(grant: &HeldGrant) -> Result<Expr, BuildError> {
    Ok(Expr::new_record([
        (
            "holder".to_owned(),
            Expr::new_entity_uid(principal_uid(&grant.holder)?),
        ),
        ("case_id".to_owned(), text(&grant.case_id)),
        ("scope".to_owned(), addresses(&grant.scope)),
        ("from_batch".to_owned(), long(grant.from_batch)),
        ("to_batch".to_owned(), long(grant.to_batch)),
        ("expires_at".to_owned(), long(grant.expires_at)),
    ])?)
}

fn amount(amount: &Amount) -> Result<Expr, BuildError> {
    Ok(Expr::new_record([
        ("raw".to_owned(), text(&amount.raw)),
        ("low".to_owned(), Expr::new_long(amount.low)),
        ("over".to_owned(), Expr::new_bool(amount.over)),
        ("e6".to_owned(), Expr::new_long(amount.e6)),
        ("e18".to_owned(), Expr::new_long(amount.e18)),
    ])?)
}

/// A native amount as a record.
pub(crate) fn wei(value: U256) -> Result<Expr, BuildError> {
    amount(&Amount::unsigned(value))
}

pub(crate) fn text(value: &str) -> Expr {
    Expr::new_string(value.to_owned())
}

/// A count or a time, saturated.
pub(crate) fn long(value: u64) -> Expr {
    Expr::new_long(i64::try_from(value).unwrap_or(i64::MAX))
}

pub(crate) fn hex_of(address: &Address) -> String {
    format!("{address:#x}")
}

pub(crate) fn address(value: &Address) -> Expr {
    text(&hex_of(value))
}

pub(crate) fn addresses<'a>(values: impl IntoIterator<Item = &'a Address>) -> Expr {
    Expr::new_set(values.into_iter().map(address))
}
