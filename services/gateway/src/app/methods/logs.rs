//! `eth_getLogs`: the sequencer says in which blocks something matches; what is shown comes from
//! those blocks as the caller sees them.

use alloy::rpc::types::{Filter, FilterBlockOption, Log};
use alloy_eips::BlockNumberOrTag;
use cloister_audit::Outcome;

use super::{Answer, json};
use crate::app::blocks::Seen;
use crate::app::failure;
use crate::app::model::LogQuery;
use crate::app::op::Op;
use crate::app::render;
use crate::rpc::params::Params;
use crate::rpc::{Code, RpcError};
use crate::upstream::sequencer::BlockKey;

/// Most addresses, and most topics in one position.
const MAX_ALTERNATIVES: usize = 64;
/// Logs that are asked of the sequencer at once.
const PAGE_LOGS: u32 = 10_000;

/// `eth_getLogs`.
pub(crate) async fn logs(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let filter: Filter = params.required(0, "filter")?;
    let head = op
        .app
        .sequencer
        .info()
        .await
        .map_err(|error| failure::upstream(&error))?
        .head
        .0;
    let query = query(op, &filter, head).await?;
    let resource = format!("logs:{}..{}", query.from_block, query.to_block);
    let Some(mut query) = Some(query).filter(|query| query.from_block <= query.to_block) else {
        op.record_rule("nothing-visible", &resource, Outcome::Allowed)
            .await?;
        return json(&Vec::<Log>::new());
    };
    let asked = query.clone();
    let mut found = Vec::new();
    let mut rules = std::collections::BTreeSet::new();
    loop {
        let page = op.app.sequencer.log_blocks(&query, PAGE_LOGS).await;
        let (blocks, truncated) = page.map_err(|error| failure::upstream(&error))?;
        for number in &blocks {
            let Some(block) = op.app.block(BlockKey::Number(*number)).await? else {
                continue;
            };
            let seen = op.app.seen(op.caller, block).await?;
            let before = found.len();
            matching(&seen, &asked, &mut found);
            if found.len() > before {
                rules.insert(seen.rules().to_owned());
            }
            if found.len() > op.app.limits.max_logs {
                return Err(too_many(op));
            }
        }
        // A block that was cut off was looked at whole, so the next page starts after it.
        match blocks.last() {
            Some(last) if truncated && *last < query.to_block => query.from_block = last + 1,
            _ => break,
        }
    }
    let rules: Vec<_> = rules.into_iter().collect();
    let rule = if found.is_empty() {
        "nothing-visible".to_owned()
    } else {
        rules.join(",")
    };
    op.record_rule(&rule, &resource, Outcome::Allowed).await?;
    json(&found)
}

fn matching(seen: &Seen, query: &LogQuery, found: &mut Vec<Log>) {
    for view in &seen.view.transactions {
        let Some(source) = seen.source(view) else {
            continue;
        };
        let shown = render::logs(&seen.block, view);
        let pairs = view.logs.iter().zip(shown);
        let wanted = pairs.filter(|(visible, _)| {
            source
                .receipt
                .logs
                .get(visible.source)
                .is_some_and(|log| query.matches(log))
        });
        found.extend(wanted.map(|(_, log)| log));
    }
}

fn too_many(op: &Op<'_>) -> RpcError {
    RpcError::new(
        Code::LimitExceeded,
        format!(
            "more than {} logs match: ask for fewer blocks",
            op.app.limits.max_logs
        ),
    )
}

/// The filter with its tags resolved, within limits. The range may come out empty.
async fn query(op: &Op<'_>, filter: &Filter, head: u64) -> Result<LogQuery, RpcError> {
    let (from_block, to_block) = match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let Some(block) = op.app.block(BlockKey::Hash(hash)).await? else {
                return Err(RpcError::invalid_params(
                    "unknown block: no block has this hash",
                ));
            };
            (block.number, block.number)
        }
        FilterBlockOption::Range {
            from_block,
            to_block,
        } => range(from_block, to_block, head, op.app.limits.max_log_blocks)?,
    };
    let mut addresses: Vec<_> = filter.address.iter().copied().collect();
    addresses.sort_unstable();
    let mut topics: Vec<Vec<_>> = filter
        .topics
        .iter()
        .map(|any_of| {
            let mut any_of: Vec<_> = any_of.iter().copied().collect();
            any_of.sort_unstable();
            any_of
        })
        .collect();
    while topics.last().is_some_and(Vec::is_empty) {
        topics.pop();
    }
    if addresses.len() > MAX_ALTERNATIVES || topics.iter().any(|any| any.len() > MAX_ALTERNATIVES) {
        return Err(RpcError::new(
            Code::LimitExceeded,
            format!("a filter names at most {MAX_ALTERNATIVES} addresses and topics each"),
        ));
    }
    Ok(LogQuery {
        from_block,
        to_block,
        addresses,
        topics,
    })
}

fn range(
    from: Option<BlockNumberOrTag>,
    to: Option<BlockNumberOrTag>,
    head: u64,
    max_blocks: u64,
) -> Result<(u64, u64), RpcError> {
    let resolve = |tag: Option<BlockNumberOrTag>| match tag {
        None
        | Some(
            BlockNumberOrTag::Latest
            | BlockNumberOrTag::Pending
            | BlockNumberOrTag::Safe
            | BlockNumberOrTag::Finalized,
        ) => head,
        Some(BlockNumberOrTag::Earliest) => 0,
        Some(BlockNumberOrTag::Number(number)) => number,
    };
    let (from, to) = (resolve(from), resolve(to));
    if from > to {
        return Err(RpcError::invalid_params(
            "invalid block range: `fromBlock` is after `toBlock`",
        ));
    }
    let to = to.min(head);
    if to.saturating_sub(from) >= max_blocks {
        return Err(RpcError::new(
            Code::LimitExceeded,
            format!("the query spans more than {max_blocks} blocks: ask in parts"),
        ));
    }
    Ok((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "as the parameters come")]
    fn number(number: u64) -> Option<BlockNumberOrTag> {
        Some(BlockNumberOrTag::Number(number))
    }

    #[test]
    fn tags_are_the_head_and_nothing_is_the_head() {
        assert_eq!(range(None, None, 7, 10).unwrap(), (7, 7));
        assert_eq!(
            range(Some(BlockNumberOrTag::Earliest), number(3), 7, 10).unwrap(),
            (0, 3)
        );
        assert_eq!(
            range(number(5), Some(BlockNumberOrTag::Pending), 7, 10).unwrap(),
            (5, 7)
        );
    }

    #[test]
    fn a_range_beyond_the_head_is_cut_and_may_be_empty() {
        assert_eq!(range(number(5), number(100), 7, 10).unwrap(), (5, 7));
        assert_eq!(range(number(9), number(100), 7, 10).unwrap(), (9, 7));
    }

    #[test]
    fn refuses_a_range_that_is_backwards_or_too_long() {
        assert_eq!(
            range(number(6), number(5), 7, 10).unwrap_err().code(),
            Code::InvalidParams
        );
        assert!(range(number(0), number(9), 20, 10).is_ok());
        assert_eq!(
            range(number(0), number(10), 20, 10).unwrap_err().code(),
            Code::LimitExceeded
        );
    }
}
