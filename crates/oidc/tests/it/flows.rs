//! Logging in with a browser and from a terminal.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloister_oidc::{
    Callback, ClaimPath, ClientCredentials, DeviceClient, DevicePoll, LoginClient, LoginError,
    LoginSecrets, LoginTokens, OAuthError, TokenError,
};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::fake::{Fake, NOW};
use crate::tokens::{AUDIENCE, Signer, encode, es256};

const CLIENT: &str = "cloister-gateway";

fn login_client(fake: &Fake) -> LoginClient {
    let client = ClientCredentials::confidential(CLIENT, "s3cret".to_owned().into());
    let back = "https://gateway.example/login/callback".parse().unwrap();
    let groups = ClaimPath::new("groups");
    LoginClient::new(
        Arc::clone(&fake.provider),
        client,
        back,
        "openid groups",
        groups,
    )
    .with_resource(AUDIENCE)
}

fn secrets() -> LoginSecrets {
    let mut entropy = [0; 96];
    for (index, byte) in entropy.iter_mut().enumerate() {
        *byte = u8::try_from(index).unwrap();
    }
    LoginSecrets::from_entropy(&entropy)
}

fn id_claims(fake: &Fake) -> Value {
    json!({
        "iss": fake.issuer, "sub": "alice", "aud": CLIENT, "nonce": secrets().nonce,
        "iat": NOW, "exp": NOW + 300, "groups": ["trader"], "name": "Alice", "sid": "s-1",
    })
}

fn id_token(key: &Signer, claims: &Value) -> String {
    key.sign(&json!({"alg": "ES256", "kid": key.kid}), claims)
}

fn callback(fake: &Fake) -> Callback {
    Callback {
        code: Some("the-code".into()),
        iss: Some(fake.issuer.clone()),
        error: None,
    }
}

/// Runs a login whose token endpoint answers with an ID token.
async fn finish(fake: &Fake, id_token: &str) -> Result<LoginTokens, LoginError> {
    let answer = json!({"token_type": "Bearer", "access_token": "at", "id_token": id_token});
    fake.answer_tokens(200, answer);
    login_client(fake).finish(&callback(fake), &secrets()).await
}

fn token_error(result: Result<LoginTokens, LoginError>) -> TokenError {
    match result {
        Err(LoginError::Token(error)) => error,
        other => panic!("not an ID token's error: {other:?}"),
    }
}

async fn world() -> (Fake, Signer) {
    let key = es256("k");
    (Fake::start(vec![key.jwk()]).await, key)
}

#[tokio::test]
async fn a_login_begins_with_pkce_state_and_nonce() {
    let (fake, _) = world().await;
    let url = login_client(&fake).begin(&secrets()).await.unwrap();
    let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
    let challenge = encode(digest(&SHA256, secrets().code_verifier.as_bytes()));
    assert!(
        url.as_str()
            .starts_with(&format!("{}/authorize?", fake.issuer))
    );
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", "https://gateway.example/login/callback"),
        ("scope", "openid groups"),
        ("state", &secrets().state),
        ("nonce", &secrets().nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("resource", AUDIENCE),
    ] {
        assert_eq!(query.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[tokio::test]
async fn a_login_ends_with_who_it_was() {
    let (fake, key) = world().await;
    let tokens = finish(&fake, &id_token(&key, &id_claims(&fake)))
        .await
        .unwrap();
    assert_eq!(tokens.id.subject, "alice");
    assert_eq!(tokens.id.name.as_deref(), Some("Alice"));
    assert!(tokens.id.groups.contains("trader"));
    assert_eq!(tokens.access_token.as_str(), "at");
    let (form, authorization) = fake.script.lock().unwrap().token_forms.remove(0);
    let secrets = secrets();
    for (name, value) in [
        ("grant_type", "authorization_code"),
        ("code", "the-code"),
        ("redirect_uri", "https://gateway.example/login/callback"),
        ("code_verifier", secrets.code_verifier.as_str()),
        ("resource", AUDIENCE),
    ] {
        assert_eq!(form.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!form.contains_key("client_secret"));
    let expected = format!("Basic {}", STANDARD.encode("cloister-gateway:s3cret"));
    assert_eq!(authorization, Some(expected));
}

#[tokio::test]
async fn refuses_id_tokens_of_other_logins_clients_and_kinds() {
    let (fake, key) = world().await;
    let good = id_claims(&fake);
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        id_token(&key, &claims)
    };
    let audience = || TokenError::Audience {
        expected: CLIENT.into(),
    };
    let access_token = key.sign(&key.header(), &good);
    let cases = [
        (with("nonce", json!("other")), TokenError::Nonce),
        (
            with("nonce", json!(null)),
            TokenError::MissingClaim {
                name: "nonce".into(),
            },
        ),
        (with("aud", json!("other")), audience()),
        (with("aud", json!([CLIENT, "other"])), audience()),
        (with("azp", json!("other")), audience()),
        (
            with("iss", json!("https://x")),
            TokenError::Issuer {
                got: "https://x".into(),
            },
        ),
        (
            with("exp", json!(NOW - 60)),
            TokenError::Expired { at: NOW - 60 },
        ),
        (
            access_token,
            TokenError::Type {
                got: "at+jwt".into(),
                expected: "JWT",
            },
        ),
        (
            es256("k").sign(&json!({"alg": "ES256", "kid": "k"}), &good),
            TokenError::Signature,
        ),
    ];
    for (token, expected) in cases {
        assert_eq!(token_error(finish(&fake, &token).await), expected);
    }
    let several = {
        let mut claims = good.clone();
        claims["aud"] = json!([CLIENT, "other"]);
        claims["azp"] = json!(CLIENT);
        id_token(&key, &claims)
    };
    assert!(finish(&fake, &several).await.is_ok());
}

#[tokio::test]
async fn refuses_callbacks_that_come_from_elsewhere_or_bring_no_code() {
    let (fake, _) = world().await;
    let client = login_client(&fake);
    let finish = async |callback: Callback| client.finish(&callback, &secrets()).await.unwrap_err();
    let mixed_up = Callback {
        iss: Some("https://evil.example".into()),
        ..callback(&fake)
    };
    assert!(matches!(finish(mixed_up).await, LoginError::Issuer));
    let unnamed = Callback {
        iss: None,
        ..callback(&fake)
    };
    assert!(matches!(finish(unnamed).await, LoginError::Issuer));
    let denied = Callback {
        error: Some("access_denied".into()),
        ..callback(&fake)
    };
    assert!(
        matches!(finish(denied).await, LoginError::NotCompleted { code } if code == "access_denied")
    );
    let empty = Callback {
        code: None,
        ..callback(&fake)
    };
    assert!(matches!(finish(empty).await, LoginError::NoCode));
    assert!(fake.script.lock().unwrap().token_forms.is_empty());
}

#[tokio::test]
async fn reports_what_the_token_endpoint_says() {
    let (fake, _) = world().await;
    let client = login_client(&fake);
    let finish = async || {
        client
            .finish(&callback(&fake), &secrets())
            .await
            .unwrap_err()
    };
    fake.answer_tokens(
        400,
        json!({"error": "invalid_grant", "error_description": "code\nused"}),
    );
    let error = finish().await;
    assert_eq!(
        error.to_string(),
        "the identity provider refused: `invalid_grant` codeused"
    );
    fake.answer_tokens(502, json!({}));
    assert!(
        finish()
            .await
            .to_string()
            .ends_with("answered with status 502")
    );
    fake.answer_tokens(
        200,
        json!({"token_type": "DPoP", "access_token": "a", "id_token": "b"}),
    );
    let error = finish().await;
    assert!(matches!(
        error,
        LoginError::OAuth(OAuthError::Answer { name: "token_type" })
    ));
    fake.answer_tokens(200, json!({"token_type": "Bearer", "access_token": "a"}));
    let error = finish().await;
    assert!(matches!(
        error,
        LoginError::OAuth(OAuthError::Answer { name: "id_token" })
    ));
}

#[tokio::test]
async fn a_terminal_waits_until_the_person_has_finished() {
    let (fake, _) = world().await;
    let client = DeviceClient::new(Arc::clone(&fake.provider), "cloister-cli", "openid")
        .with_resource(AUDIENCE);
    let start = client.start().await.unwrap();
    assert_eq!(
        (start.user_code.as_str(), start.interval_s),
        ("ABCD-EFGH", 7)
    );
    fake.answer_tokens(400, json!({"error": "authorization_pending"}));
    fake.answer_tokens(400, json!({"error": "slow_down"}));
    let done = json!({"token_type": "bearer", "access_token": "a", "refresh_token": "r", "expires_in": 60});
    fake.answer_tokens(200, done);
    fake.answer_tokens(400, json!({"error": "expired_token"}));
    assert!(matches!(client.poll(&start).await, Ok(DevicePoll::Pending)));
    assert!(matches!(
        client.poll(&start).await,
        Ok(DevicePoll::SlowDown)
    ));
    let Ok(DevicePoll::Tokens(tokens)) = client.poll(&start).await else {
        panic!("no tokens")
    };
    assert_eq!(tokens.access_token.as_str(), "a");
    assert_eq!(
        tokens.refresh_token.as_ref().map(|token| token.as_str()),
        Some("r")
    );
    assert_eq!(tokens.expires_in_s, Some(60));
    let error = client.poll(&start).await.unwrap_err();
    assert!(matches!(error, OAuthError::Refused { code, .. } if code == "expired_token"));
    let (form, authorization) = fake.script.lock().unwrap().token_forms.remove(0);
    assert_eq!(
        form["grant_type"],
        "urn:ietf:params:oauth:grant-type:device_code"
    );
    assert_eq!(form["device_code"], "the-device-code");
    assert_eq!(form["client_id"], "cloister-cli");
    assert_eq!(authorization, None);
}

#[tokio::test]
async fn a_refresh_token_yields_new_tokens() {
    let (fake, _) = world().await;
    let client = DeviceClient::new(Arc::clone(&fake.provider), "cloister-cli", "openid");
    fake.answer_tokens(200, json!({"token_type": "Bearer", "access_token": "a2"}));
    let tokens = client.refresh("r").await.unwrap();
    assert_eq!(tokens.access_token.as_str(), "a2");
    let (form, _) = fake.script.lock().unwrap().token_forms.remove(0);
    assert_eq!(
        (form["grant_type"].as_str(), form["refresh_token"].as_str()),
        ("refresh_token", "r")
    );
}

#[tokio::test]
async fn a_provider_without_a_device_flow_is_named() {
    let (fake, _) = world().await;
    let name = "device_authorization_endpoint";
    fake.script
        .lock()
        .unwrap()
        .metadata
        .insert(name.into(), Value::Null);
    let client = DeviceClient::new(Arc::clone(&fake.provider), "cloister-cli", "openid");
    let error = client.start().await.unwrap_err();
    assert!(matches!(error, OAuthError::NoEndpoint { name: found } if found == name));
}
