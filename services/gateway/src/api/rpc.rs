//! `POST /`: JSON-RPC 2.0.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use alloy_primitives::B256;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, Method as HttpMethod, StatusCode, header};
use axum::response::{IntoResponse as _, Response as HttpResponse};
use futures::StreamExt as _;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Gateway;
use super::authenticate::{Sender, malformed, refuse, sender};
use super::problem::{self, unauthenticated};
use super::rate::{counted, take};
use crate::app::identity::Caller;
use crate::app::rate::Counted;
use crate::method::Method;
use crate::metrics;
use crate::rpc::{self, Code, Frame, Item, Response, RpcError};

/// What the ledger calls a body of which no request is known.
const NAME: &str = "POST /";

/// Answers a body of one request or a batch.
pub async fn handle(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Body,
) -> HttpResponse {
    match answer(&gateway, peer.ip(), &headers, body).await {
        Ok(response) => response,
        Err((status, error)) => {
            metrics::refused(error.code().as_str());
            whole(status, &Response::error(error))
        }
    }
}

type Refusal = (StatusCode, RpcError);

async fn answer(
    gateway: &Gateway,
    peer: IpAddr,
    headers: &HeaderMap,
    body: Body,
) -> Result<HttpResponse, Refusal> {
    let _place = gateway.places.try_acquire().map_err(|_| {
        let error = RpcError::new(Code::LimitExceeded, "too many requests at once: try again");
        (StatusCode::SERVICE_UNAVAILABLE, error)
    })?;
    let body = read(body, gateway.app.limits.max_body_bytes).await?;
    let caller = caller(gateway, peer, headers, &body).await?;
    let frame = match rpc::parse(&body, gateway.app.limits.frame()) {
        Ok(frame) => frame,
        Err(error) => {
            let caller = caller.map_or_else(Caller::anonymous, |caller| *caller);
            take(gateway, counted(&caller, peer), 1).map_err(too_many)?;
            record(gateway, &caller, &body, error.code().as_str()).await?;
            return Err((StatusCode::OK, error));
        }
    };
    let caller = match caller {
        Some(caller) => *caller,
        None if only_public(&frame) => Caller::anonymous(),
        None => return Err(reject(gateway, peer, "no token", &body).await),
    };
    take(gateway, counted(&caller, peer), frame.len()).map_err(too_many)?;
    let malformed = frame.malformed();
    if malformed > 0 {
        record(gateway, &caller, &body, &format!("entries:{malformed}")).await?;
    }
    Ok(run(gateway, &caller, frame).await)
}

/// One row about all of a body that is no request, however much there is of it (SGW-5).
async fn record(
    gateway: &Gateway,
    caller: &Caller,
    body: &[u8],
    what: &str,
) -> Result<(), Refusal> {
    malformed(gateway, caller, NAME, what, hash(body))
        .await
        .map_err(|error| (problem::status(error.code()), error))
}

fn hash(body: &[u8]) -> B256 {
    B256::from(<[u8; 32]>::from(Sha256::digest(body)))
}

async fn read(body: Body, limit: usize) -> Result<Bytes, Refusal> {
    axum::body::to_bytes(body, limit).await.map_err(|_| {
        let message = format!("the body is longer than {limit} bytes, or broke off");
        (
            StatusCode::PAYLOAD_TOO_LARGE,
            RpcError::new(Code::LimitExceeded, message),
        )
    })
}

async fn caller(
    gateway: &Gateway,
    peer: IpAddr,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Option<Box<Caller>>, Refusal> {
    match sender(gateway, &HttpMethod::POST, headers).await {
        Ok(Sender::Known(caller)) => Ok(Some(caller)),
        Ok(Sender::Nobody) => Ok(None),
        Ok(Sender::Refused(reason)) => Err(reject(gateway, peer, &reason, body).await),
        Err(error) => Err((problem::status(error.code()), error)),
    }
}

/// Refuses somebody who is not authenticated, with a row; not more often than the rate for
/// unknown callers, so that they cannot fill the ledger.
async fn reject(gateway: &Gateway, peer: IpAddr, reason: &str, body: &[u8]) -> Refusal {
    if let Err(error) = take(gateway, Counted::Address(peer), 1) {
        return too_many(error);
    }
    let refused = refuse::<()>(gateway, NAME, reason, hash(body)).await;
    let error = refused.err().unwrap_or_else(unauthenticated);
    (problem::status(error.code()), error)
}

fn only_public(frame: &Frame) -> bool {
    let public = |item: &Item| match item {
        Ok(request) => Method::parse(&request.method).is_some_and(Method::is_public),
        Err(_) => true,
    };
    match frame {
        Frame::Single(item) => public(item),
        Frame::Batch(items) => items.iter().all(public),
    }
}

fn too_many(error: RpcError) -> Refusal {
    (problem::status(error.code()), error)
}

async fn run(gateway: &Gateway, caller: &Caller, frame: Frame) -> HttpResponse {
    match frame {
        Frame::Single(item) => match one(gateway, caller, item).await {
            None => StatusCode::NO_CONTENT.into_response(),
            Some(response) => whole(StatusCode::OK, &response),
        },
        Frame::Batch(items) => {
            let concurrency = gateway.app.limits.batch_concurrency;
            let answers: Vec<_> = futures::stream::iter(items)
                .map(|item| one(gateway, caller, item))
                .buffered(concurrency)
                .filter_map(std::future::ready)
                .collect()
                .await;
            if answers.is_empty() {
                return StatusCode::NO_CONTENT.into_response();
            }
            whole(StatusCode::OK, &answers)
        }
    }
}

async fn one(gateway: &Gateway, caller: &Caller, item: Item) -> Option<Response> {
    match item {
        Ok(request) => gateway.app.answer(caller, request).await,
        Err(invalid) => Some(*invalid),
    }
}

fn whole<T: Serialize>(status: StatusCode, body: &T) -> HttpResponse {
    let json = serde_json::to_vec(body).unwrap_or_default();
    let kind = [(header::CONTENT_TYPE, "application/json")];
    let mut response = (status, kind, json).into_response();
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer realm=\"cloister\"");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
