//! Keys that come and go, and a provider that is away.

use cloister_oidc::TokenError;

use crate::fake::{Fake, NOW};
use crate::tokens::{claims, es256};

const FIVE_MINUTES_MS: u64 = 5 * 60 * 1000;

#[tokio::test]
async fn a_new_key_is_fetched_when_its_first_token_comes() {
    let (old, new) = (es256("old"), es256("new"));
    let fake = Fake::start(vec![old.jwk()]).await;
    let verifier = fake.verifier();
    verifier.verify(&old.token(&fake.issuer)).await.unwrap();
    fake.set_keys(vec![old.jwk(), new.jwk()]);
    fake.clock.advance_ms(5000);
    assert_eq!(
        verifier
            .verify(&new.token(&fake.issuer))
            .await
            .unwrap()
            .subject,
        "alice"
    );
    assert_eq!(fake.hits("jwks"), 2);
}

#[tokio::test]
async fn unknown_keys_make_the_set_be_fetched_at_most_once_in_five_seconds() {
    let known = es256("known");
    let fake = Fake::start(vec![known.jwk()]).await;
    let verifier = fake.verifier();
    verifier.verify(&known.token(&fake.issuer)).await.unwrap();
    for kid in ["a", "b", "c"] {
        let error = verifier
            .verify(&es256(kid).token(&fake.issuer))
            .await
            .unwrap_err();
        assert_eq!(error, TokenError::UnknownKey { id: kid.into() });
    }
    assert_eq!(fake.hits("jwks"), 1);
    fake.clock.advance_ms(5000);
    for kid in ["d", "e"] {
        verifier
            .verify(&es256(kid).token(&fake.issuer))
            .await
            .unwrap_err();
    }
    assert_eq!(fake.hits("jwks"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tokens_at_once_cause_one_fetch() {
    let key = es256("k");
    let fake = Fake::start(vec![key.jwk()]).await;
    let verifier = std::sync::Arc::new(fake.verifier());
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), key.token(&fake.issuer));
            tokio::spawn(async move { verifier.verify(&token).await.is_ok() })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    assert_eq!((fake.hits("discovery"), fake.hits("jwks")), (1, 1));
}

#[tokio::test]
async fn a_key_that_was_rotated_away_ends_within_five_minutes() {
    let (old, new) = (es256("old"), es256("new"));
    let fake = Fake::start(vec![old.jwk()]).await;
    let verifier = fake.verifier();
    verifier.verify(&old.token(&fake.issuer)).await.unwrap();
    fake.set_keys(vec![new.jwk()]);
    fake.clock.advance_ms(FIVE_MINUTES_MS);
    let error = verifier.verify(&old.token(&fake.issuer)).await.unwrap_err();
    assert_eq!(error, TokenError::UnknownKey { id: "old".into() });
    verifier.verify(&new.token(&fake.issuer)).await.unwrap();
}

#[tokio::test]
async fn a_cached_token_ends_when_it_expires() {
    let key = es256("k");
    let fake = Fake::start(vec![key.jwk()]).await;
    let verifier = fake.verifier();
    let mut short = claims(&fake.issuer);
    short["exp"] = (NOW + 60).into();
    let token = key.sign(&key.header(), &short);
    verifier.verify(&token).await.unwrap();
    fake.clock.advance_ms(89_999);
    verifier.verify(&token).await.unwrap();
    fake.clock.advance_ms(1);
    let error = verifier.verify(&token).await.unwrap_err();
    assert_eq!(error, TokenError::Expired { at: NOW + 60 });
    assert_eq!(fake.hits("jwks"), 1);
}

#[tokio::test]
async fn known_keys_serve_for_an_hour_while_the_provider_is_away() {
    let key = es256("k");
    let fake = Fake::start(vec![key.jwk()]).await;
    let verifier = fake.verifier();
    let mut long = claims(&fake.issuer);
    long["exp"] = (NOW + 100_000).into();
    let token = key.sign(&key.header(), &long);
    verifier.verify(&token).await.unwrap();
    fake.set_broken(Some(503));
    fake.clock.advance_ms(59 * 60 * 1000);
    verifier.verify(&token).await.unwrap();
    let unknown = verifier
        .verify(&es256("other").token(&fake.issuer))
        .await
        .unwrap_err();
    assert!(
        unknown.is_unavailable(),
        "nothing can be said of a key while nobody can be asked"
    );
    fake.clock.advance_ms(6 * 60 * 1000);
    assert!(verifier.verify(&token).await.unwrap_err().is_unavailable());
    fake.set_broken(None);
    fake.clock.advance_ms(5000);
    verifier.verify(&token).await.unwrap();
}

#[tokio::test]
async fn a_provider_that_is_away_at_the_start_is_asked_again_later() {
    let key = es256("k");
    let fake = Fake::start(vec![key.jwk()]).await;
    fake.set_broken(Some(500));
    let verifier = fake.verifier();
    let token = key.token(&fake.issuer);
    for _ in 0..10 {
        assert!(verifier.verify(&token).await.unwrap_err().is_unavailable());
    }
    assert_eq!(fake.hits("discovery"), 1);
    fake.set_broken(None);
    fake.clock.advance_ms(5000);
    verifier.verify(&token).await.unwrap();
}

#[tokio::test]
async fn a_token_without_a_key_id_needs_a_set_of_one() {
    let key = es256("k");
    let fake = Fake::start(vec![key.jwk()]).await;
    let mut header = key.header();
    header.as_object_mut().unwrap().remove("kid");
    let token = key.sign(&header, &claims(&fake.issuer));
    fake.verifier().verify(&token).await.unwrap();
}
