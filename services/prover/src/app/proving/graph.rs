//! The jobs of one batch: execute, its segments, the layers of the tree, finish.

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
    fn five_segments_make_two_leaves_and_one_root() {
        let jobs = after_execution(&plan(5)).expect("a small batch");
        let places: Vec<_> = jobs
            .iter()
            .map(|job| {
                (
                    job.stage,
                    job.layer,
                    job.node,
                    job.first_child,
                    job.last_child,
                )
            })
            .collect();
        assert_eq!(
            places,
            [
                (Segment, 1, 0, 0, 0),
                (Segment, 1, 1, 0, 0),
                (Segment, 1, 2, 0, 0),
                (Segment, 1, 3, 0, 0),
                (Segment, 1, 4, 0, 0),
                (Aggregate, 2, 0, 0, 3),
                (Aggregate, 2, 1, 4, 4),
                (Aggregate, 3, 0, 0, 1),
                (Aggregate, 4, 0, 0, 0),
                (Finish, 5, 0, 0, 0),
            ]
        );
    }

    #[test]
    fn no_segments_and_too_many_are_refused() {
        assert_eq!(after_execution(&[]), Err(BadSegmentCount(0)));
        assert_eq!(after_execution(&plan(4_097)), Err(BadSegmentCount(4_097)));
    }
}
