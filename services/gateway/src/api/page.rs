//! `GET /`: a minimal page to log in, see one's rights and link a wallet. It holds no data; its
//! script asks for them.

use axum::http::header;
use axum::response::{Html, IntoResponse};

/// The page.
pub async fn html() -> Html<&'static str> {
    Html(include_str!("page/index.html"))
}

/// Its script.
pub async fn script() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")],
        include_str!("page/page.js"),
    )
}
