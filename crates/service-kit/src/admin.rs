//! The admin port: `/livez`, `/readyz`, `/metrics`, in clear text, for the installation's own
//! network only.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::get;
use cloister_telemetry::Metrics;
use tokio::net::TcpListener;

use crate::{Readiness, Result, Shutdown};

#[derive(Clone)]
struct Admin {
    readiness: Readiness,
    shutdown: Shutdown,
    metrics: Metrics,
}

/// Serves until step two of the shutdown: while the service finishes its work, it still answers that
/// it lives and is not ready.
pub(crate) async fn serve(
    listener: TcpListener,
    readiness: Readiness,
    shutdown: Shutdown,
    metrics: Metrics,
) -> Result<()> {
    let end = shutdown.clone();
    let served = axum::serve(listener, router(readiness, shutdown, metrics));
    if let Some(result) = end.unless_leaving(async { served.await }).await {
        result?;
    }
    Ok(())
}

fn router(readiness: Readiness, shutdown: Shutdown, metrics: Metrics) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route(
            "/metrics",
            get(|State(admin): State<Admin>| async move { admin.metrics.render() }),
        )
        .with_state(Admin {
            readiness,
            shutdown,
            metrics,
        })
}

async fn ready(State(admin): State<Admin>) -> Response {
    let stopping = admin.shutdown.is_stopping();
    let ready = admin.readiness.is_ready() && !stopping;
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let checks = admin.readiness.report();
    let body = serde_json::json!({ "ready": ready, "stopping": stopping, "not_ready": checks
        .into_iter()
        .filter_map(|(name, reason)| Some((name, reason?)))
        .collect::<std::collections::BTreeMap<_, _>>() });
    (status, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;

    async fn fetch(router: &Router, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 4096)
            .await
            .unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn is_ready_only_when_every_check_is_and_nobody_asked_to_stop() {
        let (readiness, shutdown) = (Readiness::default(), Shutdown::new());
        let router = router(readiness.clone(), shutdown.clone(), Metrics::detached());
        let check = readiness.check("database");
        let (status, body) = fetch(&router, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        // As values: the order of members depends on features of the JSON library.
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            body,
            serde_json::json!({"ready": false, "stopping": false, "not_ready": {"database": "starting"}})
        );
        check.ready();
        assert_eq!(fetch(&router, "/readyz").await.0, StatusCode::OK);
        shutdown.stop();
        assert_eq!(
            fetch(&router, "/readyz").await.0,
            StatusCode::SERVICE_UNAVAILABLE
        );
        assert_eq!(
            fetch(&router, "/livez").await,
            (StatusCode::OK, "ok\n".to_owned())
        );
        assert_eq!(fetch(&router, "/metrics").await.0, StatusCode::OK);
        assert_eq!(fetch(&router, "/config").await.0, StatusCode::NOT_FOUND);
    }
}
