//! From `OpenVM`'s proving key to AIRs of a circuit.

use openvm_continuations::RootSC;
use openvm_stark_backend::{
    air_builders::symbolic::{
        SymbolicConstraintsDag, SymbolicExpressionNode, symbolic_variable::Entry,
    },
    keygen::types::{MultiStarkProvingKey, StarkProvingKey},
    p3_field::PrimeField32,
};

use crate::{
    circuit::{Air, Interaction, Node, NodeIndex, PublicValues},
    merge::Place,
    openvm::Source,
};

/// Why a key has no circuit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The plan names another number of AIRs.
    #[error("the plan has {expected} AIRs, the key {got}")]
    Count {
        /// In the plan.
        expected: usize,
        /// In the key.
        got: usize,
    },
    /// The AIR uses what the adapter does not know.
    #[error("AIR `{air}`: {what}")]
    Air {
        /// Its name.
        air: String,
        /// What it uses.
        what: &'static str,
    },
    /// Heights that `OpenVM`'s own verifier would refuse.
    #[error("the heights break `OpenVM`'s height constraint {0}")]
    Heights(usize),
}

/// The AIRs of a key, in its order.
///
/// `dag_commit` is the commitment to the constraints that the root verifier checks, the constant
/// of the internal-recursive key.
///
/// # Errors
/// [`Unfit`] when the key uses what this adapter does not know or the plan does not fit.
pub fn airs(
    key: &MultiStarkProvingKey<RootSC>,
    places: &[Place],
    dag_commit: &[u32; 8],
) -> Result<Vec<Air>, Unfit> {
    if key.per_air.len() != places.len() {
        return Err(Unfit::Count {
            expected: places.len(),
            got: key.per_air.len(),
        });
    }
    check_heights(key, places)?;
    key.per_air
        .iter()
        .enumerate()
        .map(|(index, source)| adapt(source, public_values(index, source, dag_commit)))
        .collect()
}

/// Checks what `OpenVM`'s verifier checks of heights; here they are fixed, so once is enough.
fn check_heights(key: &MultiStarkProvingKey<RootSC>, places: &[Place]) -> Result<(), Unfit> {
    for (index, constraint) in key.trace_height_constraints.iter().enumerate() {
        let sum: u64 = constraint
            .coefficients
            .iter()
            .zip(places)
            .map(|(weight, place)| u64::from(*weight) << place.log_height)
            .sum();
        if sum >= u64::from(constraint.threshold) {
            return Err(Unfit::Heights(index));
        }
    }
    Ok(())
}

/// Where the public values of an AIR come from, by its place in the root circuit.
fn public_values(
    index: usize,
    source: &StarkProvingKey<RootSC>,
    dag_commit: &[u32; 8],
) -> PublicValues {
    match (index, source.vk.params.num_public_values) {
        (_, 0) => PublicValues::None,
        (0, 16) => PublicValues::Commitments,
        (openvm_continuations::circuit::root::USER_PVS_COMMIT_AIR_ID, count) => {
            PublicValues::Bytes(u32::try_from(count).unwrap_or(u32::MAX))
        }
        _ => PublicValues::Fixed(dag_commit.to_vec()),
    }
}

/// Turns one AIR's constraints and interactions over.
fn adapt(source: &StarkProvingKey<RootSC>, public_values: PublicValues) -> Result<Air, Unfit> {
    let unfit = |what| Unfit::Air {
        air: source.air_name.clone(),
        what,
    };
    let params = &source.vk.params;
    if params.width.preprocessed.is_some() || !params.width.cached_mains.is_empty() {
        return Err(unfit("preprocessed or cached columns"));
    }
    if params.num_public_values != public_values.count() {
        return Err(unfit("unexpected public values"));
    }
    let dag = &source.vk.symbolic_constraints;
    let nodes = nodes(dag).map_err(unfit)?;
    check_selectors(&nodes, dag).map_err(unfit)?;
    let interactions = dag.interactions.iter().map(|interaction| Interaction {
        bus: u32::from(interaction.bus_index) + 1,
        count: narrow(interaction.count),
        weight: interaction.count_weight,
        fields: interaction.message.iter().copied().map(narrow).collect(),
    });
    Ok(Air {
        name: source.air_name.clone(),
        width: narrow(params.width.common_main),
        public_values,
        constraints: dag
            .constraints
            .constraint_idx
            .iter()
            .copied()
            .map(narrow)
            .collect(),
        interactions: interactions.collect(),
        nodes,
    })
}

/// An index as a circuit has it. What does not fit points nowhere, which the circuit's own check
/// refuses.
fn narrow(index: usize) -> NodeIndex {
    NodeIndex::try_from(index).unwrap_or(NodeIndex::MAX)
}

/// The nodes of an AIR.
fn nodes(dag: &SymbolicConstraintsDag<Source>) -> Result<Vec<Node>, &'static str> {
    dag.constraints
        .nodes
        .iter()
        .map(|node| {
            Ok(match node {
                SymbolicExpressionNode::Variable(variable) => {
                    let index = narrow(variable.index);
                    match variable.entry {
                        Entry::Main {
                            part_index: 0,
                            offset: 0,
                        } => Node::Local(index),
                        Entry::Main {
                            part_index: 0,
                            offset: 1,
                        } => Node::Next(index),
                        Entry::Public => Node::Public(index),
                        _ => return Err("a variable of another kind"),
                    }
                }
                SymbolicExpressionNode::IsFirstRow => Node::FirstRow,
                SymbolicExpressionNode::IsLastRow => Node::LastRow,
                SymbolicExpressionNode::IsTransition => Node::Transition,
                SymbolicExpressionNode::Constant(value) => Node::Constant(value.as_canonical_u32()),
                SymbolicExpressionNode::Add {
                    left_idx,
                    right_idx,
                    ..
                } => Node::Add(narrow(*left_idx), narrow(*right_idx)),
                SymbolicExpressionNode::Sub {
                    left_idx,
                    right_idx,
                    ..
                } => Node::Sub(narrow(*left_idx), narrow(*right_idx)),
                SymbolicExpressionNode::Neg { idx, .. } => Node::Neg(narrow(*idx)),
                SymbolicExpressionNode::Mul {
                    left_idx,
                    right_idx,
                    ..
                } => Node::Mul(narrow(*left_idx), narrow(*right_idx)),
            })
        })
        .collect()
}

/// How a node depends on the row's place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Not at all.
    Free,
    /// It is a multiple of this selector.
    Multiple(Node),
    /// In another way.
    Other,
}

/// Plonky3's selectors are not 0 and 1 but 0 and something. That is the same for a constraint that
/// is a multiple of one selector, and for nothing else: refuses others, and messages with any.
fn check_selectors(
    nodes: &[Node],
    dag: &SymbolicConstraintsDag<Source>,
) -> Result<(), &'static str> {
    let mut kinds: Vec<Use> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let of = |index: u32| kinds.get(index as usize).copied().unwrap_or(Use::Other);
        let kind = match *node {
            Node::FirstRow | Node::LastRow | Node::Transition => Use::Multiple(*node),
            Node::Local(_) | Node::Next(_) | Node::Public(_) | Node::Constant(_) => Use::Free,
            Node::Neg(inner) => of(inner),
            Node::Add(left, right) | Node::Sub(left, right) => {
                if of(left) == of(right) {
                    of(left)
                } else {
                    Use::Other
                }
            }
            Node::Mul(left, right) => match (of(left), of(right)) {
                (kind, Use::Free) | (Use::Free, kind) => kind,
                _ => Use::Other,
            },
        };
        kinds.push(kind);
    }
    let kind = |index: &usize| kinds.get(*index).copied().unwrap_or(Use::Other);
    if dag
        .constraints
        .constraint_idx
        .iter()
        .any(|index| kind(index) == Use::Other)
    {
        return Err("a constraint that mixes selectors");
    }
    let message_nodes = dag
        .interactions
        .iter()
        .flat_map(|interaction| interaction.message.iter().chain([&interaction.count]));
    if message_nodes
        .into_iter()
        .any(|index| kind(index) != Use::Free)
    {
        return Err("a message with a selector");
    }
    Ok(())
}
