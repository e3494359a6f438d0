//! Which part of a wrap is brought next: a pure decision from what the contract already has.

use cloister_l1::{Session, U256};

/// Queries that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Queries {
    /// The first.
    pub first: usize,
    /// How many; there may be none.
    pub count: usize,
}

/// A transaction's part of a wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The head, which begins the session.
    Begin,
    /// Some queries.
    Check(Queries),
    /// The queries that are left, with which the batch is proved.
    Prove(Queries),
}

/// Not even one query fits in a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// The part that follows from the contract's session, of a wrap of `all` queries. `fits` tells
/// whether such queries go in one transaction. Queries are spread evenly over as few transactions as
/// it takes; so whatever the session already has, the rest is brought in the fewest.
pub(crate) fn next(
    session: Session,
    all: usize,
    fits: impl Fn(Queries) -> bool,
) -> Result<Part, TooLarge> {
    if !session.begun {
        return Ok(Part::Begin);
    }
    let runs = unchecked(session.checked, all);
    let Some(run) = runs.first() else {
        return Ok(Part::Prove(Queries { first: 0, count: 0 }));
    };
    let pieces = (1..=run.count).find(|pieces| even(*run, *pieces).all(&fits));
    let pieces = pieces.ok_or(TooLarge)?;
    if pieces == 1 && runs.len() == 1 {
        return Ok(Part::Prove(*run));
    }
    even(*run, pieces).next().map(Part::Check).ok_or(TooLarge)
}

/// Runs of queries that the session does not have.
fn unchecked(checked: U256, all: usize) -> Vec<Queries> {
    let mut runs: Vec<Queries> = Vec::new();
    for query in (0..all).filter(|query| !checked.bit(*query)) {
        match runs.last_mut() {
            Some(run) if run.first.saturating_add(run.count) == query => {
                run.count = run.count.saturating_add(1);
            }
            _ => runs.push(Queries {
                first: query,
                count: 1,
            }),
        }
    }
    runs
}

/// A run in so many pieces, of which none has more than one query more than another; the larger ones
/// come first.
fn even(run: Queries, pieces: usize) -> impl Iterator<Item = Queries> {
    let mut left = run;
    (0..pieces).rev().map(move |after| {
        let piece = Queries {
            first: left.first,
            count: left.count.div_ceil(after.saturating_add(1)),
        };
        left = Queries {
            first: left.first.saturating_add(piece.count),
            count: left.count.saturating_sub(piece.count),
        };
        piece
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn queries(first: usize, count: usize) -> Queries {
        Queries { first, count }
    }

    fn session(checked: &[usize]) -> Session {
        let mut bits = U256::ZERO;
        for query in checked {
            bits.set_bit(*query, true);
        }
        Session {
            begun: true,
            checked: bits,
        }
    }

    /// All parts in order, each landing before the next is asked for.
    fn all_parts(all: usize, fits: impl Fn(Queries) -> bool) -> Vec<Part> {
        let mut now = Session {
            begun: false,
            checked: U256::ZERO,
        };
        let mut parts = Vec::new();
        while !matches!(parts.last(), Some(Part::Prove(_))) {
            let part = next(now, all, &fits).expect("a part");
            match part {
                Part::Begin => now.begun = true,
                Part::Check(range) | Part::Prove(range) => {
                    for query in range.first..range.first + range.count {
                        assert!(!now.checked.bit(query), "twice");
                        now.checked.set_bit(query, true);
                    }
                }
            }
            parts.push(part);
        }
        assert_eq!(now.checked, session(&(0..all).collect::<Vec<_>>()).checked);
        parts
    }

    #[test]
    fn spreads_queries_evenly_and_proves_with_the_last() {
        assert_eq!(
            all_parts(33, |range| range.count <= 7),
            [
                Part::Begin,
                Part::Check(queries(0, 7)),
                Part::Check(queries(7, 7)),
                Part::Check(queries(14, 7)),
                Part::Check(queries(21, 6)),
                Part::Prove(queries(27, 6)),
            ]
        );
        assert_eq!(
            all_parts(33, |range| range.count <= 20),
            [
                Part::Begin,
                Part::Check(queries(0, 17)),
                Part::Prove(queries(17, 16)),
            ]
        );
        assert_eq!(
            all_parts(4, |_| true),
            [Part::Begin, Part::Prove(queries(0, 4))]
        );
    }

    #[test]
    fn takes_the_fewest_whatever_each_query_weighs() {
        // The middle ones are heavy: 5 bytes, the others 1, and 6 fit.
        let weight = |query: usize| if (3..5).contains(&query) { 5 } else { 1 };
        let fits = |range: Queries| {
            let queries = range.first..range.first + range.count;
            queries.map(weight).sum::<usize>() <= 6
        };
        assert_eq!(
            all_parts(8, fits),
            [
                Part::Begin,
                Part::Check(queries(0, 2)),
                Part::Check(queries(2, 2)),
                Part::Check(queries(4, 2)),
                Part::Prove(queries(6, 2)),
            ]
        );
    }

    #[test]
    fn goes_on_from_what_the_contract_has() {
        let fits = |range: Queries| range.count <= 3;
        assert_eq!(
            next(session(&[0, 1, 2]), 6, fits),
            Ok(Part::Prove(queries(3, 3)))
        );
        assert_eq!(
            next(session(&[0, 1, 2, 3, 4, 5]), 6, fits),
            Ok(Part::Prove(queries(0, 0)))
        );
        // A hole is filled first; the rest goes with the proof.
        assert_eq!(
            next(session(&[0, 3, 4]), 6, fits),
            Ok(Part::Check(queries(1, 2)))
        );
        assert_eq!(
            next(session(&[0, 1, 2, 3, 4]), 6, fits),
            Ok(Part::Prove(queries(5, 1)))
        );
    }

    #[test]
    fn says_when_nothing_fits() {
        assert_eq!(next(session(&[]), 6, |_| false), Err(TooLarge));
    }
}
