//! The shape of the aggregation tree: which proofs each node takes in.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Segments in a batch, at most. A batch that needs more is refused.
pub const MAX_SEGMENTS: u32 = 4_096;

/// Segments that a leaf takes in. OpenVM 2.0.2 allows 4, but a leaf over 3 takes more than 10 GB.
pub const LEAF_CHILDREN: u32 = 2;

/// Nodes that an internal node takes in (OpenVM 2.0.2, `MAX_NUM_CHILDREN_INTERNAL`).
pub const INTERNAL_CHILDREN: u32 = 3;

/// Kinds of layer; each has its own circuit or checks its children by another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerKind {
    /// Over segments.
    Leaf,
    /// Over leaves.
    InternalForLeaf,
    /// Over internal-for-leaf nodes.
    InternalFirst,
    /// Over internal nodes of the same circuit.
    InternalRecursive,
}

/// One layer: its kind, and for each node the positions of its children in the layer below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Kind of its nodes.
    pub kind: LayerKind,
    /// Children of each node.
    pub nodes: Vec<Range<u32>>,
}

/// The layers over so many segments, from the leaves to the one root.
///
/// # Errors
/// [`BadSegmentCount`] for none and for more than [`MAX_SEGMENTS`].
pub fn layers(segments: u32) -> Result<Vec<Layer>, BadSegmentCount> {
    if segments == 0 || segments > MAX_SEGMENTS {
        return Err(BadSegmentCount(segments));
    }
    let mut layers = Vec::new();
    let mut below = segments;
    for kind in [
        LayerKind::Leaf,
        LayerKind::InternalForLeaf,
        LayerKind::InternalFirst,
    ] {
        below = push(&mut layers, kind, below);
    }
    while below > 1 {
        below = push(&mut layers, LayerKind::InternalRecursive, below);
    }
    Ok(layers)
}

/// Adds a layer over `below` nodes and gives its own number of nodes.
fn push(layers: &mut Vec<Layer>, kind: LayerKind, below: u32) -> u32 {
    let children = match kind {
        LayerKind::Leaf => LEAF_CHILDREN,
        LayerKind::InternalForLeaf | LayerKind::InternalFirst | LayerKind::InternalRecursive => {
            INTERNAL_CHILDREN
        }
    };
    let count = below.div_ceil(children);
    let nodes = (0..count)
        .map(|node| {
            let start = node.saturating_mul(children);
            start..start.saturating_add(children).min(below)
        })
        .collect();
    layers.push(Layer { kind, nodes });
    count
}

/// No tree has so many segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a batch has 1 to {MAX_SEGMENTS} segments, not {0}; seal smaller batches")]
pub struct BadSegmentCount(pub u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_segment_climbs_three_layers() {
        let layers = layers(1).unwrap();
        let kinds: Vec<_> = layers.iter().map(|layer| layer.kind).collect();
        assert_eq!(
            kinds,
            [
                LayerKind::Leaf,
                LayerKind::InternalForLeaf,
                LayerKind::InternalFirst
            ]
        );
        let only_child = |layer: &Layer| layer.nodes.len() == 1 && layer.nodes[0] == (0..1);
        assert!(layers.iter().all(only_child));
    }

    #[test]
    fn every_node_has_one_parent_and_there_is_one_root() {
        for segments in [1, 2, 4, 5, 13, 37, 108, 109, MAX_SEGMENTS] {
            let mut below = segments;
            for layer in layers(segments).unwrap() {
                let mut next = 0;
                for node in &layer.nodes {
                    assert_eq!(node.start, next);
                    assert!(node.end > node.start);
                    assert!(node.end - node.start <= LEAF_CHILDREN.max(INTERNAL_CHILDREN));
                    next = node.end;
                }
                assert_eq!(next, below);
                below = u32::try_from(layer.nodes.len()).unwrap();
            }
            assert_eq!(below, 1);
        }
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        assert_eq!(layers(0), Err(BadSegmentCount(0)));
        assert_eq!(
            layers(MAX_SEGMENTS + 1),
            Err(BadSegmentCount(MAX_SEGMENTS + 1))
        );
    }
}
