//! `GetLogs`: logs by filter, in chain order.

use alloy_primitives::B256;
use cloister_proto::sequencer::v1::{GetLogsRequest, GetLogsResponse};
use tonic::Status;

use super::convert::{address, at_most, hash, placed};
use crate::{
    app::{model::LogFilter, node::Node, peers::Peer},
    config::LimitsSection,
    error::{Refusal as _, RequestError},
};

pub(super) async fn handle(
    node: &Node,
    _peer: Peer,
    request: GetLogsRequest,
) -> Result<GetLogsResponse, Status> {
    let filter = parse(&request, node.limits()).map_err(|refused| refused.status())?;
    let found = node
        .logs(&filter)
        .await
        .map_err(|refused| refused.status())?;
    Ok(GetLogsResponse {
        transactions: found.transactions.iter().map(placed).collect(),
        truncated: found.truncated,
    })
}

fn parse(request: &GetLogsRequest, limits: &LimitsSection) -> Result<LogFilter, RequestError> {
    let (from, to) = (request.from_block, request.to_block);
    let span = to
        .checked_sub(from)
        .ok_or(RequestError::EmptyRange { from, to })?;
    if span >= limits.max_log_blocks {
        let got = span.saturating_add(1);
        return Err(RequestError::TooMany {
            field: "blocks",
            limit: limits.max_log_blocks,
            got,
        });
    }
    at_most(
        "addresses",
        request.addresses.len(),
        limits.max_log_alternatives,
    )?;
    at_most("topics", request.topics.len(), 4)?;
    if request.limit > limits.max_logs {
        let limit = u64::from(limits.max_logs);
        return Err(RequestError::TooMany {
            field: "limit",
            limit,
            got: request.limit.into(),
        });
    }
    let mut topics: [Vec<B256>; 4] = Default::default();
    for (position, filter) in topics.iter_mut().zip(&request.topics) {
        at_most("topics", filter.any_of.len(), limits.max_log_alternatives)?;
        *position = filter
            .any_of
            .iter()
            .map(|topic| hash("topics", topic))
            .collect::<Result<_, _>>()?;
    }
    let addresses = request
        .addresses
        .iter()
        .map(|bytes| address("addresses", bytes))
        .collect::<Result<_, _>>()?;
    let limit = if request.limit == 0 {
        limits.max_logs
    } else {
        request.limit
    };
    Ok(LogFilter {
        from_block: from,
        to_block: to,
        addresses,
        topics,
        limit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(from_block: u64, to_block: u64) -> GetLogsRequest {
        GetLogsRequest {
            from_block,
            to_block,
            ..GetLogsRequest::default()
        }
    }

    #[test]
    fn refuses_a_range_that_is_backwards_or_too_long() {
        let limits = LimitsSection {
            max_log_blocks: 10,
            ..LimitsSection::default()
        };
        assert_eq!(
            parse(&request(5, 4), &limits),
            Err(RequestError::EmptyRange { from: 5, to: 4 })
        );
        assert_eq!(
            parse(&request(1, 11), &limits),
            Err(RequestError::TooMany {
                field: "blocks",
                limit: 10,
                got: 11
            })
        );
        assert!(parse(&request(1, 10), &limits).is_ok());
        assert!(parse(&request(0, u64::MAX), &limits).is_err());
    }

    #[test]
    fn a_limit_of_zero_is_the_largest_served() {
        let limits = LimitsSection::default();
        assert_eq!(
            parse(&request(1, 1), &limits).unwrap().limit,
            limits.max_logs
        );
        let over = GetLogsRequest {
            limit: limits.max_logs + 1,
            ..request(1, 1)
        };
        assert_eq!(
            parse(&over, &limits),
            Err(RequestError::TooMany {
                field: "limit",
                limit: 10_000,
                got: 10_001
            })
        );
    }

    #[test]
    fn refuses_a_topic_of_the_wrong_length() {
        let filter = cloister_proto::sequencer::v1::TopicFilter {
            any_of: vec![tonic::codegen::Bytes::from_static(&[1])],
        };
        let request = GetLogsRequest {
            topics: vec![filter],
            ..request(1, 1)
        };
        assert_eq!(
            parse(&request, &LimitsSection::default()),
            Err(RequestError::Length {
                field: "topics",
                expected: 32,
                got: 1
            })
        );
    }
}
