//! Browser login: code with PKCE, a session cookie, and what a thief cannot do with either.

use cloister_test_kit::client::Wallet;
use cloister_test_kit::stack::Stack;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _};

use crate::support::{rows, stack};

pub(crate) struct Browser {
    http: Client,
    url: String,
}

impl Browser {
    pub(crate) fn new(stack: &Stack) -> Self {
        Self {
            http: stack.provider().unwrap().browser().unwrap(),
            url: stack.gateway_url(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        let answer = self
            .http
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap();
        let status = answer.status();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    async fn post(&self, path: &str, origin: &str, body: &Value) -> StatusCode {
        let request = self
            .http
            .post(format!("{}{path}", self.url))
            .header("origin", origin);
        request.json(body).send().await.unwrap().status()
    }

    /// Logs alice in.
    pub(crate) async fn login(&self, stack: &Stack) {
        let callback = self.come_back(stack).await;
        let answer = self.http.get(&callback).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    }

    /// Goes to the provider and back; the address that the provider sends the browser to.
    async fn come_back(&self, stack: &Stack) -> String {
        let answer = self
            .http
            .get(format!("{}/auth/login", self.url))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let to_provider = answer.headers()["location"].to_str().unwrap().to_owned();
        assert!(
            to_provider.contains("code_challenge_method=S256"),
            "{to_provider}"
        );
        let until = format!("{}/auth/callback", self.url);
        let provider = stack.provider().unwrap();
        provider
            .walk_to(&self.http, &stack.people.alice, &to_provider, &until)
            .await
            .unwrap()
    }
}

/// The secret in the session cookie, whose properties are checked.
fn session_secret(answer: &Response) -> String {
    let cookies = answer.headers().get_all("set-cookie").iter();
    let session = cookies
        .map(|cookie| cookie.to_str().unwrap())
        .find(|cookie| cookie.starts_with("__Host-cloister-session="))
        .unwrap();
    for property in [
        "Secure",
        "HttpOnly",
        "SameSite=Strict",
        "Path=/",
        "Max-Age=28800",
    ] {
        assert!(session.contains(property), "{property} is not in {session}");
    }
    session.split(['=', ';']).nth(1).unwrap().to_owned()
}

/// Defends SGW-7.
async fn is_kept_hashed(stack: &Stack, secret: &str) {
    let database = &stack.databases.as_ref().unwrap().gateway;
    let dump: String = sqlx::query_scalar("SELECT string_agg(s::text, ' ') FROM sessions s")
        .fetch_one(&mut database.connect().await.unwrap())
        .await
        .unwrap();
    assert!(
        !dump.contains(secret),
        "the session's secret is in the database"
    );
}

#[tokio::test]
async fn a_person_logs_in_and_out_with_a_browser() {
    let stack = stack().await;
    let browser = Browser::new(&stack);
    assert_eq!(browser.get("/auth/me").await.0, StatusCode::UNAUTHORIZED);
    let callback = browser.come_back(&stack).await;
    let answer = browser.http.get(&callback).send().await.unwrap();
    assert_eq!(
        answer.status(),
        StatusCode::SEE_OTHER,
        "{:?}",
        answer.text().await
    );
    let secret = session_secret(&answer);

    let (_, me) = browser.get("/auth/me").await;
    assert_eq!(
        (&me["subject"], &me["roles"]),
        (&json!("alice"), &json!(["trader"])),
        "{me}"
    );
    assert_eq!(me["desks"], json!(["rates"]));
    is_kept_hashed(&stack, &secret).await;

    // A page of another site cannot use the session (SGW-9).
    let body = json!({"address": Wallet::random().address()});
    let evil = browser
        .post("/wallets/challenge", "https://evil.example", &body)
        .await;
    assert_eq!(evil, StatusCode::UNAUTHORIZED);
    let ours = browser
        .post("/wallets/challenge", &browser.url, &body)
        .await;
    assert_eq!(ours, StatusCode::OK);

    let out = browser.post("/auth/logout", &browser.url, &json!({})).await;
    assert_eq!(out, StatusCode::NO_CONTENT);
    let cookie = format!("__Host-cloister-session={secret}");
    let stolen = browser
        .http
        .get(format!("{}/auth/me", browser.url))
        .header("cookie", cookie);
    assert_eq!(
        stolen.send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_login_comes_back_once_and_to_its_own_browser() {
    let stack = stack().await;
    let (browser, other) = (Browser::new(&stack), Browser::new(&stack));
    let callback = browser.come_back(&stack).await;
    let stolen = other.http.get(&callback).send().await.unwrap();
    assert_eq!(stolen.status(), StatusCode::UNAUTHORIZED, "another browser");
    let own = browser.http.get(&callback).send().await.unwrap();
    assert_eq!(own.status(), StatusCode::SEE_OTHER);
    let again = browser.http.get(&callback).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::UNAUTHORIZED, "a second time");
    let made_up = browser.get("/auth/callback?code=x&state=y").await;
    assert_eq!(made_up.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_refused_login_is_answered_only_with_its_row() {
    // Defends SGW-5.
    let stack = stack().await;
    let browser = Browser::new(&stack);
    let callback = browser.come_back(&stack).await;
    let not_ours = callback.replace("code=", "code=x");
    for path in [
        "/auth/callback",
        "/auth/callback?code=x&state=y",
        "/auth/callback?state=x&state=y",
        &not_ours,
    ] {
        let path = path.strip_prefix(&browser.url).unwrap_or(path);
        let before = rows(&stack, 1_000).await.len();
        let (status, answer) = browser.get(path).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}: {answer}");
        let after = rows(&stack, 1_000).await;
        assert_eq!(after.len(), before + 1, "{path}");
        let (who, method, rule) = ("-", "GET /auth/callback", "unauthenticated");
        let row = (who.to_owned(), method.to_owned(), 3, rule.to_owned());
        assert_eq!(after[0], row, "{path}");
    }

    let database = &stack.databases.as_ref().unwrap().gateway;
    let mut database = database.connect().await.unwrap();
    let mut blocker = database.begin().await.unwrap();
    blocker
        .execute("LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let (status, answer) = browser.get("/auth/callback?code=x&state=y").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
    assert_eq!(answer["error"]["data"]["part"], "audit ledger", "{answer}");
    blocker.rollback().await.unwrap();
}

#[tokio::test]
async fn the_page_is_locked_down() {
    let stack = stack().await;
    let browser = Browser::new(&stack);
    let answer = browser
        .http
        .get(format!("{}/", browser.url))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let headers = answer.headers();
    assert!(
        headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("default-src 'none'")
    );
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["cache-control"], "no-store");
    assert!(
        headers["strict-transport-security"]
            .to_str()
            .unwrap()
            .starts_with("max-age=")
    );
}
