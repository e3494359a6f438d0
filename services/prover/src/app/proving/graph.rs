//! The jobs of one batch: execute, its segments, the layers of the tree, finish; and the wrap, which
//! is planted when the final proof is verified.

use cloister_prove::protocol::SegmentPlan;
use cloister_prove::tree::{BadSegmentCount, LayerKind, layers};

use super::model::Stage;

/// Layer of the segments; the execution is below it.
pub(crate) const SEGMENT_LAYER: u32 = 1;

/// A job to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned {
    /// What it does.
    pub stage: Stage,
    /// Layer in the graph.
    pub layer: u32,
    /// Position in the layer.
    pub node: u32,
    /// Circuit of an aggregation.
    pub circuit: Option<LayerKind>,
    /// First job of the layer below that it takes in.
    pub first_child: u32,
    /// Last job of the layer below that it takes in.
    pub last_child: u32,
    /// Measure of its effort.
    pub weight: u64,
}

/// All jobs after the execution, lowest layer first.
///
/// # Errors
/// [`BadSegmentCount`] when no tree takes in so many.
pub(crate) fn after_execution(segments: &[SegmentPlan]) -> Result<Vec<Planned>, BadSegmentCount> {
    let count = u32::try_from(segments.len()).unwrap_or(u32::MAX);
    let tree = layers(count)?;
    let mut jobs = Vec::new();
    for (node, segment) in (0..).zip(segments) {
        jobs.push(Planned {
            stage: Stage::Segment,
            layer: SEGMENT_LAYER,
            node,
            circuit: None,
            first_child: 0,
            last_child: 0,
            weight: segment.cells,
        });
    }
    let mut layer = SEGMENT_LAYER;
    for row in &tree {
        layer = layer.saturating_add(1);
        for (node, children) in (0..).zip(&row.nodes) {
            jobs.push(Planned {
                stage: Stage::Aggregate,
                layer,
                node,
                circuit: Some(row.kind),
                first_child: children.start,
                last_child: children.end.saturating_sub(1),
                weight: 1,
            });
        }
    }
    jobs.push(Planned {
        stage: Stage::Finish,
        layer: layer.saturating_add(1),
        node: 0,
        circuit: None,
        first_child: 0,
        last_child: 0,
        weight: 1,
    });
    Ok(jobs)
}

/// The wrap of a batch of so many segments: above the final proof.
///
/// # Errors
/// [`BadSegmentCount`] when no tree takes in so many.
pub(crate) fn wrap(segments: u32) -> Result<Planned, BadSegmentCount> {
    let tree = u32::try_from(layers(segments)?.len()).unwrap_or(u32::MAX);
    Ok(Planned {
        stage: Stage::Wrap,
        // The segments, the tree, the final proof.
        layer: SEGMENT_LAYER.saturating_add(tree).saturating_add(2),
        node: 0,
        circuit: None,
        first_child: 0,
        last_child: 0,
        weight: 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Stage::{Aggregate, Finish, Segment};

    fn plan(count: usize) -> Vec<SegmentPlan> {
        vec![
            SegmentPlan {
                instructions: 1,
                cells: 7,
            };
            count
        ]
    }

    #[test]
    fn every_job_takes_in_the_jobs_of_the_layer_below() {
        for count in [1, 2, 5, 23] {
            let jobs = after_execution(&plan(count)).expect("a small batch");
            let (segments, rest) = jobs.split_at(count);
            assert!(
                segments
                    .iter()
                    .all(|job| (job.stage, job.layer, job.weight) == (Segment, 1, 7))
            );
            let (last, tree) = rest.split_last().expect("an end");
            let mut below = segments;
            let mut left = tree;
            while !left.is_empty() {
                let layer = left[0].layer;
                let width = left.iter().filter(|job| job.layer == layer).count();
                let (row, above) = left.split_at(width);
                assert_eq!(layer, below[0].layer + 1);
                let taken: Vec<u32> = row
                    .iter()
                    .flat_map(|job| job.first_child..=job.last_child)
                    .collect();
                let there: Vec<u32> = below.iter().map(|job| job.node).collect();
                assert_eq!(taken, there, "each once, in order");
                assert!(
                    row.iter()
                        .all(|job| job.stage == Aggregate && job.circuit.is_some())
                );
                (below, left) = (row, above);
            }
            assert_eq!(below.len(), 1, "one root");
            assert_eq!((last.stage, last.layer), (Finish, below[0].layer + 1));
            assert_eq!((last.first_child, last.last_child), (0, 0));
            let wrap = wrap(u32::try_from(count).expect("a few")).expect("a small batch");
            assert_eq!((wrap.stage, wrap.layer), (Stage::Wrap, last.layer + 1));
            assert_eq!((wrap.first_child, wrap.last_child), (0, 0));
        }
    }

    #[test]
    fn no_segments_and_too_many_are_refused() {
        assert_eq!(after_execution(&[]), Err(BadSegmentCount(0)));
        assert_eq!(wrap(0), Err(BadSegmentCount(0)));
        assert_eq!(after_execution(&plan(4_097)), Err(BadSegmentCount(4_097)));
    }
}
