//! How each kind of request becomes a question for Cedar.

use cedar_policy::{Entity, RestrictedExpression as Expr};

use crate::action::Action;
use crate::entities::{
    BuildError, Pairs, Shape, account_entity, address, addresses, contract_entity, desk_uid, grant,
    hex_of, invocation, long, principal_uid, target_entity, text, uid, wei,
};
use crate::request::{
    Administer, CallContract, Deploy, Disclose, Disclosed, Grant, LinkWallet, ReadAudit,
    RegisterContract, SendTransaction, Target, UseMethod, ViewAccount, ViewBatch, ViewContract,
    ViewLog, ViewTransaction,
};

/// A request that policies can decide. Implemented by the types of [`crate::request`] only.
pub trait Ask {
    /// What is asked.
    fn action(&self) -> Action;
    /// The resource as one text for the audit ledger, e.g. `account:0x…`.
    fn resource_text(&self) -> String;
    /// Entities and context, which only this crate can build.
    #[doc(hidden)]
    fn shape(&self) -> Result<Shape, BuildError>;
}

fn about(entity: Entity, context: Pairs) -> Shape {
    Shape {
        resource: entity.uid(),
        context,
        entities: vec![entity],
    }
}

fn target_text(target: &Target) -> String {
    match target {
        Target::Contract(contract) => format!("contract:{}", hex_of(&contract.address)),
        Target::Account(account) => format!("account:{}", hex_of(account)),
    }
}

impl Ask for UseMethod {
    fn action(&self) -> Action {
        Action::Rpc
    }

    fn resource_text(&self) -> String {
        format!("method:{}", self.method)
    }

    fn shape(&self) -> Result<Shape, BuildError> {
        let group = uid("MethodGroup", self.group.as_str())?;
        let method = uid("Method", &self.method)?;
        Ok(about(
            Entity::new_with_tags(method, [], [group], [])?,
            Vec::new(),
        ))
    }
}

impl Ask for CallContract {
    fn action(&self) -> Action {
        Action::Call
    }

    fn resource_text(&self) -> String {
        target_text(&self.target)
    }

    fn shape(&self) -> Result<Shape, BuildError> {
        let (context, call) = invocation(&self.invocation)?;
        let mut shape = about(target_entity(&self.target)?, context);
        shape.entities.push(call);
        Ok(shape)
    }
}

impl Ask for SendTransaction {
    fn action(&self) -> Action {
        Action::Send
    }

    fn resource_text(&self) -> String {
        target_text(&self.target)
    }

    fn shape(&self) -> Result<Shape, BuildError> {
        let (context, call) = invocation(&self.invocation)?;
        let mut shape = about(target_entity(&self.target)?, context);
        shape.entities.push(call);
        Ok(shape)
    }
}

impl Ask for Deploy {
    fn action(&self) -> Action {
        Action::Deploy
    }

    fn resource_text(&self) -> String {
        format!("desk:{}", self.desk)
    }

    fn shape(&self) -> Result<Shape, BuildError> {
        let context = vec![
            ("from".to_owned(), address(&self.from)),
            ("value".to_owned(), wei(self.value)?),
            ("code_bytes".to_owned(), long(self.code_bytes)),
            ("now".to_owned(), long(self.now)),
        ];
        Ok(about(Entity::with_uid(desk_uid(&self.desk)?), context))
    }
}

impl Ask for ViewAccount {
    fn action(&self) -> Action {
        Action::ViewAccount
    }

    fn resource_text(&self) -> String {
        target_text(&self.target)
    }

    fn shape(&self) -> Result<Shape, BuildError> {
        Ok(about(target_entity(&self.target)?, Vec::new()))
    }
}

impl Ask for ViewContract {
    fn action(&self) -> Action {
        Action::ViewContract
    }

    fn resource_text(&self) -> String {
        format!("contract:{}", hex_of(&self.contract.address))
    }

    fn shape(&self) -> Result<Shape, BuildError> {
        Ok(about(contract_entity(&self.contract)?, Vec::new()))
    }
}

fn transaction_entity<'a>(
    hash: &alloy_primitives::B256,
    sender: &alloy_primitives::Address,
    participants: impl IntoIterator<Item = &'a alloy_primitives::Address>,
) -> Result<Entity, BuildError> {
    let attributes = [
        ("sender".to_owned(), address(sender)),
        ("participants".to_owned(), addresses(participants)),
    ];
    Ok(Entity::new_with_tags(
        uid("Transaction", &format!("{hash:#x}"))?,
        attributes,
        [],
        [],
    )?)
}

impl Ask for ViewTransaction {
    fn action(&self) -> Action {
        Action::ViewTransaction
    }

    fn resource_text(&self) -> String {
        format!("transaction:{:#x}", self.hash)
    }

    fn shape(&self) -> Result<Shape, BuildError> {
        let entity = transaction_entity(&self.hash, &self.sender, &self.participants)?;
        Ok(about(entity, Vec::new()))
    }
}

impl Ask for ViewLog {
    fn action(&self) -> Action {
        Action::ViewLog
    }

    fn resource_text(&self) -> String {
        format!("log:{:#x}/{}", self.transaction, self.index)
    }

    fn shape(&self) -> Result<Shape, BuildError> {
        let name = format!("{:#x}/{}", self.transaction, self.index);
        let mut attributes = vec![
            ("emitter".to_owned(), address(&self.emitter)),
            ("event".to_owned(), text(&self.event)),
            ("participants".to_owned(), addresses(&self.participants)),
            (
                "transaction_participants".to_owned(),
                addresses(&self.transaction_participants),
            ),
        ];
        if let Some(desk) = &self.desk {
            attributes.push(("desk".to_owned(), Expr::new_entity_uid(desk_uid(desk)?)));
        }
        Ok(about(
            Entity::new_with_tags(uid("Log", &name)?, attributes, [], [])?,
            Vec::new(),
        ))
    }
}

impl Ask for ViewBatch {
    fn action(&self) -> Action {
        Action::ViewBatch
    }

    fn resource_text(&self) -> String {
        format!("batch:{}", self.number)
    }

    fn shape(&self) -> Result<Shape, BuildError> {
        let attributes = [("number".to_owned(), long(self.number))];
        let name = uid("Batch", &self.number.to_string())?;
        Ok(about(
            Entity::new_with_tags(name, attributes, [], [])?,
            Vec::new(),
        ))
    }
}

impl Ask for LinkWallet {
    fn action(&self) -> Action {
        Action::LinkWallet
    }

    fn resource_text(&self) -> String {
        format!("account:{}", hex_of(&self.wallet))
    }

    fn shape(&self) -> Result<Shape, BuildError> {
        Ok(about(
            account_entity(&self.wallet)?,
            vec![("now".to_owned(), long(self.now))],
        ))
    }
}

impl Ask for RegisterContract {
    fn action(&self) -> Action {
        Action::RegisterContract
    }

    fn resource_text(&self) -> String {
        format!("contract:{}", hex_of(&self.contract.address))
    }

    fn shape(&self) -> Result<Shape, BuildError> {
        let context = vec![
            ("deployer".to_owned(), address(&self.deployer)),
            ("template".to_owned(), text(&self.contract.template)),
            ("first".to_owned(), Expr::new_bool(self.first)),
            ("age_s".to_owned(), long(self.age_s)),
        ];
        Ok(about(contract_entity(&self.contract)?, context))
    }
}

fn system() -> Result<Entity, BuildError> {
    Ok(Entity::with_uid(uid("System", "cloister")?))
}

impl Ask for Administer {
    fn action(&self) -> Action {
        Action::Administer
    }

    fn resource_text(&self) -> String {
        format!("system:{}", self.operation)
    }

    fn shape(&self) -> Result<Shape, BuildError> {
        let context = vec![
            ("operation".to_owned(), text(&self.operation)),
            ("now".to_owned(), long(self.now)),
        ];
        Ok(about(system()?, context))
    }
}

impl Ask for Grant {
    fn action(&self) -> Action {
        Action::Grant
    }

    fn resource_text(&self) -> String {
        target_text(&self.target)
    }

    fn shape(&self) -> Result<Shape, BuildError> {
        let context = vec![
            (
                "holder".to_owned(),
                Expr::new_entity_uid(principal_uid(&self.holder)?),
            ),
            ("case_id".to_owned(), text(&self.case_id)),
            ("duration_s".to_owned(), long(self.duration_s)),
            ("now".to_owned(), long(self.now)),
        ];
        Ok(about(target_entity(&self.target)?, context))
    }
}

impl Ask for Disclose {
    fn action(&self) -> Action {
        Action::Disclose
    }

    fn resource_text(&self) -> String {
        match &self.subject {
            Disclosed::Target(target) => target_text(target),
            Disclosed::Transaction { hash, .. } => format!("transaction:{hash:#x}"),
        }
    }

    fn shape(&self) -> Result<Shape, BuildError> {
        let mut context = vec![
            ("concerned".to_owned(), addresses(&self.concerned)),
            ("batch".to_owned(), long(self.batch)),
            ("now".to_owned(), long(self.now)),
        ];
        if let Some(held) = &self.grant {
            context.push(("grant".to_owned(), grant(held)?));
        }
        let entity = match &self.subject {
            Disclosed::Target(target) => target_entity(target)?,
            Disclosed::Transaction {
                hash,
                sender,
                participants,
            } => transaction_entity(hash, sender, participants)?,
        };
        Ok(about(entity, context))
    }
}

impl Ask for ReadAudit {
    fn action(&self) -> Action {
        Action::AuditRead
    }

    fn resource_text(&self) -> String {
        "system:audit".to_owned()
    }

    fn shape(&self) -> Result<Shape, BuildError> {
        Ok(about(system()?, Vec::new()))
    }
}
