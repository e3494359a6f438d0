//! Tables whose own constraints fix their height, in a higher table.
//!
//! Three kinds of columns are added on the right:
//!
//! ```text
//!  row    marked  number  first (one for each column that a next row is read of)
//!  0      1       0       x₀      the table's rows
//!  …      1       …       x₀
//!  h-1    1       h-1     x₀
//!  h      0       h       x₀      here the column itself is x₀ again: the row after the last is
//!  …      0       …       x₀      the first
//! ```
//!
//! Every constraint and count is multiplied by the mark. `LastRow` becomes "the next row is not
//! marked" and `Transition` "the next row is marked".

use crate::circuit::{Air, Node, NodeIndex};

/// Where [`pin`] put its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// Marks the table's rows.
    pub marked: u32,
    /// Counts rows from 0.
    pub number: u32,
    /// Columns whose next row is read, each with the column that repeats its first value.
    pub first: Vec<(u32, u32)>,
}

/// Where [`pin`] puts its columns for this AIR.
#[must_use]
pub fn columns(air: &Air) -> Columns {
    let mut read: Vec<u32> = air
        .nodes
        .iter()
        .filter_map(|node| match node {
            Node::Next(column) => Some(*column),
            _ => None,
        })
        .collect();
    read.sort_unstable();
    read.dedup();
    Columns {
        marked: air.width,
        number: air.width + 1,
        first: read.into_iter().zip(air.width + 2..).collect(),
    }
}

/// Where [`pin`] put its columns in this AIR, which had `width` columns before.
#[must_use]
pub fn added(air: &Air, width: usize) -> Columns {
    let width = u32::try_from(width).unwrap_or(u32::MAX);
    let mut before = columns(air);
    before.first.retain(|(column, _)| *column < width);
    let first = before.first.into_iter().map(|(column, _)| column);
    Columns {
        marked: width,
        number: width + 1,
        first: first.zip(width + 2..).collect(),
    }
}

/// Holds an AIR to its first `height` rows. Its table must be higher.
#[must_use]
pub fn pin(air: Air, height: u32) -> Air {
    let columns = columns(&air);
    let mut nodes = Nodes(air.nodes);
    // References go back only, so what replaces a selector must stand where it stood: a product
    // with nothing but nodes before it. Rebuild the list with the new nodes in front.
    let mut moved = Nodes(Vec::new());
    let marked = moved.push(Node::Local(columns.marked));
    let next_marked = moved.push(Node::Next(columns.marked));
    let one = moved.push(Node::Constant(1));
    let ends = moved.push(Node::Sub(one, next_marked));
    let mut places: Vec<NodeIndex> = Vec::with_capacity(nodes.0.len());
    for node in nodes.0.drain(..) {
        let at = |of: NodeIndex| places.get(of as usize).copied().unwrap_or(NodeIndex::MAX);
        let place = match node {
            Node::LastRow => ends,
            Node::Transition => next_marked,
            Node::Add(left, right) => moved.push(Node::Add(at(left), at(right))),
            Node::Sub(left, right) => moved.push(Node::Sub(at(left), at(right))),
            Node::Mul(left, right) => moved.push(Node::Mul(at(left), at(right))),
            Node::Neg(of) => moved.push(Node::Neg(at(of))),
            other => moved.push(other),
        };
        places.push(place);
    }
    let at = |of: &NodeIndex| places.get(*of as usize).copied().unwrap_or(NodeIndex::MAX);
    let mut constraints: Vec<NodeIndex> = air
        .constraints
        .iter()
        .map(|constraint| moved.push(Node::Mul(marked, at(constraint))))
        .collect();
    let mut interactions = air.interactions;
    for interaction in &mut interactions {
        interaction.count = moved.push(Node::Mul(marked, at(&interaction.count)));
        for field in &mut interaction.fields {
            *field = at(field);
        }
    }
    mark_rows(&mut moved, &columns, height, &mut constraints);
    let width = columns.number + 1 + u32::try_from(columns.first.len()).unwrap_or(u32::MAX);
    Air {
        name: air.name,
        width,
        public_values: air.public_values,
        nodes: moved.0,
        constraints,
        interactions,
    }
}

/// Constrains the added columns.
fn mark_rows(nodes: &mut Nodes, columns: &Columns, height: u32, constraints: &mut Vec<NodeIndex>) {
    let marked = nodes.push(Node::Local(columns.marked));
    let next_marked = nodes.push(Node::Next(columns.marked));
    let number = nodes.push(Node::Local(columns.number));
    let next_number = nodes.push(Node::Next(columns.number));
    let (first_row, last_row) = (nodes.push(Node::FirstRow), nodes.push(Node::LastRow));
    let transition = nodes.push(Node::Transition);
    let one = nodes.push(Node::Constant(1));
    let unmarked = nodes.push(Node::Sub(one, marked));
    let next_unmarked = nodes.push(Node::Sub(one, next_marked));
    // The mark is 0 or 1, begins at 1, never comes back, and has ended before the last row.
    constraints.push(nodes.push(Node::Mul(marked, unmarked)));
    constraints.push(nodes.push(Node::Mul(first_row, unmarked)));
    let returns = nodes.push(Node::Mul(unmarked, next_marked));
    constraints.push(nodes.push(Node::Mul(transition, returns)));
    constraints.push(nodes.push(Node::Mul(last_row, marked)));
    // Rows are counted, and the mark ends at the right one.
    constraints.push(nodes.push(Node::Mul(first_row, number)));
    let step = nodes.push(Node::Sub(next_number, number));
    let step = nodes.push(Node::Sub(step, one));
    constraints.push(nodes.push(Node::Mul(transition, step)));
    let ends = nodes.push(Node::Mul(marked, next_unmarked));
    let last = nodes.push(Node::Constant(height.saturating_sub(1)));
    let wrong = nodes.push(Node::Sub(number, last));
    constraints.push(nodes.push(Node::Mul(ends, wrong)));
    // After the last row comes the first.
    for (column, first) in &columns.first {
        let value = nodes.push(Node::Local(*column));
        let next_value = nodes.push(Node::Next(*column));
        let kept = nodes.push(Node::Local(*first));
        let next_kept = nodes.push(Node::Next(*first));
        let begins = nodes.push(Node::Sub(kept, value));
        constraints.push(nodes.push(Node::Mul(first_row, begins)));
        let stays = nodes.push(Node::Sub(next_kept, kept));
        constraints.push(nodes.push(Node::Mul(transition, stays)));
        let wraps = nodes.push(Node::Sub(next_value, kept));
        constraints.push(nodes.push(Node::Mul(ends, wraps)));
    }
}

/// A growing list of nodes.
struct Nodes(Vec<Node>);

impl Nodes {
    fn push(&mut self, node: Node) -> NodeIndex {
        let index = NodeIndex::try_from(self.0.len()).unwrap_or(NodeIndex::MAX);
        self.0.push(node);
        index
    }
}
