//! Tokens as attackers send them, each with the exact error (SOI-1 to SOI-6), and the good ones
//! beside them.

use cloister_oidc::{MAX_TOKEN_BYTES, TokenError};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::fake::{Fake, NOW};
use crate::tokens::{AUDIENCE, Signer, claims, ed25519, encode, es256, rsa, weak_rsa};

struct Keys {
    ec: Signer,
    ed: Signer,
    rs: Signer,
    ps: Signer,
    /// Not in the provider's set.
    foreign: Signer,
}

impl Keys {
    fn new() -> Self {
        Self {
            ec: es256("ec"),
            ed: ed25519("ed"),
            rs: rsa("rsa", Algorithm::RS256),
            ps: rsa("rsa", Algorithm::PS256),
            foreign: es256("ec"),
        }
    }

    fn published(&self) -> Vec<Value> {
        vec![self.ec.jwk(), self.ed.jwk(), self.rs.jwk()]
    }
}

async fn world() -> (Fake, Keys) {
    let keys = Keys::new();
    (Fake::start(keys.published()).await, keys)
}

/// Asserts that each token is refused with its error.
async fn refused(fake: &Fake, cases: Vec<(&str, String, TokenError)>) {
    let verifier = fake.verifier();
    for (name, token, expected) in cases {
        match verifier.verify(&token).await {
            Ok(_) => panic!("accepted: {name}"),
            Err(error) => assert_eq!(error, expected, "{name}"),
        }
    }
}

fn algorithm(got: &str) -> TokenError {
    TokenError::Algorithm { got: got.into() }
}

fn missing(name: &str) -> TokenError {
    TokenError::MissingClaim { name: name.into() }
}

fn invalid(name: &str) -> TokenError {
    TokenError::InvalidClaim { name: name.into() }
}

fn with(mut value: Value, name: &str, member: Value) -> Value {
    value[name] = member;
    value
}

fn without(mut value: Value, name: &str) -> Value {
    value.as_object_mut().unwrap().remove(name);
    value
}

/// Good claims with one change, signed.
struct Changed<'a> {
    signer: &'a Signer,
    good: Value,
}

impl Changed<'_> {
    fn claim(&self, name: &str, value: Value) -> String {
        self.signer
            .sign(&self.signer.header(), &with(self.good.clone(), name, value))
    }

    fn absent(&self, name: &str) -> String {
        self.signer
            .sign(&self.signer.header(), &without(self.good.clone(), name))
    }

    fn key_id(&self, signer: &Signer, kid: &str) -> String {
        signer.sign(&with(signer.header(), "kid", json!(kid)), &self.good)
    }
}

#[tokio::test]
async fn good_tokens_of_every_algorithm_are_accepted() {
    let (fake, keys) = world().await;
    let verifier = fake.verifier();
    for signer in [&keys.ec, &keys.ed, &keys.rs, &keys.ps] {
        let token = verifier.verify(&signer.token(&fake.issuer)).await.unwrap();
        assert_eq!(token.subject, "alice");
        assert_eq!(token.issuer, fake.issuer);
        assert_eq!(token.client_id, "cloister-cli");
        assert_eq!(token.expires_at, NOW + 600);
        assert!(token.groups.contains("desk-rates") && token.groups.len() == 2);
    }
}

#[tokio::test]
async fn harmless_variations_are_accepted() {
    let (fake, keys) = world().await;
    let verifier = fake.verifier();
    let (ec, good) = (&keys.ec, claims(&fake.issuer));
    let many = with(good.clone(), "aud", json!(["urn:other", AUDIENCE]));
    let azp = with(without(good.clone(), "client_id"), "azp", json!("app"));
    let variations = [
        ec.sign(
            &with(ec.header(), "typ", json!("application/at+jwt")),
            &good,
        ),
        ec.sign(&with(ec.header(), "typ", json!("AT+JWT")), &good),
        ec.sign(&with(ec.header(), "x5t", json!("thumbprint")), &good),
        ec.sign(&ec.header(), &many),
        ec.sign(&ec.header(), &azp),
        ec.sign(&ec.header(), &without(good.clone(), "groups")),
        ec.sign(&ec.header(), &with(good.clone(), "exp", json!(NOW - 29))),
        ec.sign(&ec.header(), &with(good.clone(), "nbf", json!(NOW + 30))),
        ec.sign(&ec.header(), &with(good, "exp", json!(1_800_000_100.5))),
    ];
    for (index, token) in variations.iter().enumerate() {
        assert!(verifier.verify(token).await.is_ok(), "variation {index}");
    }
}

#[tokio::test]
async fn refuses_algorithms_outside_the_list() {
    let (fake, keys) = world().await;
    let (ec, good) = (&keys.ec, claims(&fake.issuer));
    let unsigned = |alg: &str| {
        let header = with(ec.header(), "alg", json!(alg)).to_string();
        format!("{}.{}.", encode(header), encode(good.to_string()))
    };
    let public_key = serde_json::to_vec(&keys.rs.jwk()).unwrap();
    let secret = jsonwebtoken::EncodingKey::from_secret(&public_key);
    let header = with(keys.rs.header(), "alg", json!("HS256")).to_string();
    let body = format!("{}.{}", encode(header), encode(good.to_string()));
    let mac = jsonwebtoken::crypto::sign(body.as_bytes(), &secret, Algorithm::HS256).unwrap();
    let named = |alg: &str| ec.sign(&with(ec.header(), "alg", json!(alg)), &good);
    let mut cases = vec![
        ("none", unsigned("none"), algorithm("none")),
        ("none in odd letters", unsigned("nOnE"), algorithm("nOnE")),
        (
            "HS256 with the public key",
            format!("{body}.{mac}"),
            algorithm("HS256"),
        ),
        (
            "no algorithm",
            ec.sign(&without(ec.header(), "alg"), &good),
            algorithm(""),
        ),
        (
            "an algorithm that is no text",
            ec.sign(&with(ec.header(), "alg", json!(["ES256"])), &good),
            TokenError::Malformed {
                part: "header",
                reason: "`alg` is not text".into(),
            },
        ),
    ];
    for alg in [
        "HS384", "RS384", "RS512", "PS512", "ES384", "ES256K", "RS1", "es256", "dir",
    ] {
        cases.push(("not in the list", named(alg), algorithm(alg)));
    }
    refused(&fake, cases).await;
}

#[tokio::test]
async fn refuses_headers_by_which_a_token_brings_its_own_key_or_rules() {
    let (fake, keys) = world().await;
    let good = claims(&fake.issuer);
    let foreign = &keys.foreign;
    let address = json!(format!("{}/jwks", fake.issuer));
    let cases = [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("jku", address.clone()),
        ("jwk", foreign.jwk()),
        ("x5u", address),
        ("x5c", json!(["MIIB"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
    ]
    .map(|(name, value)| {
        let token = foreign.sign(&with(foreign.header(), name, value), &good);
        (name, token, TokenError::ForbiddenHeader { name })
    });
    refused(&fake, cases.into()).await;
}

#[tokio::test]
async fn refuses_tokens_of_another_type() {
    let (fake, keys) = world().await;
    let (ec, good) = (&keys.ec, claims(&fake.issuer));
    let typed = |got: &str| TokenError::Type {
        got: got.into(),
        expected: "at+jwt",
    };
    let mut cases = vec![(
        "no type",
        ec.sign(&without(ec.header(), "typ"), &good),
        typed(""),
    )];
    for typ in [
        "JWT",
        "at+jwt+x",
        "id+jwt",
        "logout+jwt",
        "text/at+jwt",
        "application/application/at+jwt",
    ] {
        let token = ec.sign(&with(ec.header(), "typ", json!(typ)), &good);
        cases.push(("another type", token, typed(typ)));
    }
    refused(&fake, cases).await;
}

/// A key of the provider's set that has been changed.
fn altered(key: &Signer, kid: &str, member: &str, value: Value) -> Value {
    with(with(key.jwk(), "kid", json!(kid)), member, value)
}

#[tokio::test]
async fn refuses_keys_that_the_provider_does_not_have_for_signatures() {
    let (fake, keys) = world().await;
    let foreign = &keys.foreign;
    let mut set = keys.published();
    set.extend([
        altered(foreign, "enc", "use", json!("enc")),
        altered(foreign, "odd", "alg", json!("RS256")),
        altered(foreign, "signs", "key_ops", json!(["sign"])),
        altered(foreign, "p384", "crv", json!("P-384")),
        json!("no key"),
        json!({"kty": "oct", "k": "AA", "kid": "mac"}),
    ]);
    fake.set_keys(set);
    let changed = Changed {
        signer: foreign,
        good: claims(&fake.issuer),
    };
    let mut cases: Vec<_> = ["other", "enc", "odd", "signs", "p384", "mac"]
        .map(|kid| {
            (
                kid,
                changed.key_id(foreign, kid),
                TokenError::UnknownKey { id: kid.into() },
            )
        })
        .into();
    let unnamed = foreign.sign(&without(foreign.header(), "kid"), &changed.good);
    cases.push((
        "several to choose from",
        unnamed,
        TokenError::UnknownKey { id: String::new() },
    ));
    refused(&fake, cases).await;
}

#[tokio::test]
async fn refuses_keys_that_are_not_for_the_algorithm() {
    let (fake, keys) = world().await;
    let mut set = keys.published();
    set.push(altered(&keys.rs, "rs-only", "alg", json!("RS256")));
    fake.set_keys(set);
    let changed = Changed {
        signer: &keys.ec,
        good: claims(&fake.issuer),
    };
    let case = |name, signer: &Signer, kid: &str, algorithm| {
        let expected = TokenError::WrongKey {
            id: kid.into(),
            algorithm,
        };
        (name, changed.key_id(signer, kid), expected)
    };
    let cases = vec![
        case("an EC algorithm with an RSA key", &keys.ec, "rsa", "ES256"),
        case("an RSA algorithm with an EC key", &keys.rs, "ec", "RS256"),
        case("EdDSA with an EC key", &keys.ed, "ec", "EdDSA"),
        case(
            "a key declared for RS256 used for PS256",
            &keys.ps,
            "rs-only",
            "PS256",
        ),
    ];
    refused(&fake, cases).await;
}

#[tokio::test]
async fn refuses_wrong_signatures() {
    let (fake, keys) = world().await;
    let (ec, good) = (&keys.ec, claims(&fake.issuer));
    let token = ec.token(&fake.issuer);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let promoted = with(good.clone(), "groups", json!(["compliance"])).to_string();
    let weak = weak_rsa("weak");
    let mut set = keys.published();
    set.push(weak.jwk());
    fake.set_keys(set);
    let cases = vec![
        (
            "changed claims",
            format!("{header}.{}.{signature}", encode(promoted)),
            TokenError::Signature,
        ),
        ("no signature", format!("{signed}."), TokenError::Signature),
        (
            "an all-zero signature",
            format!("{signed}.{}", encode([0; 64])),
            TokenError::Signature,
        ),
        (
            "a short signature",
            format!("{signed}.{}", encode([1; 10])),
            TokenError::Signature,
        ),
        (
            "another's key under our name",
            keys.foreign.token(&fake.issuer),
            TokenError::Signature,
        ),
        (
            "an RSA key of 1024 bits",
            weak.token(&fake.issuer),
            TokenError::Signature,
        ),
        (
            "PKCS#1 v1.5 named as PSS",
            keys.rs
                .sign(&with(keys.rs.header(), "alg", json!("PS256")), &good),
            TokenError::Signature,
        ),
    ];
    refused(&fake, cases).await;
}

#[tokio::test]
async fn refuses_tokens_of_other_issuers() {
    let (fake, keys) = world().await;
    let changed = Changed {
        signer: &keys.ec,
        good: claims(&fake.issuer),
    };
    let slash = format!("{}/", fake.issuer);
    let upper = fake.issuer.to_uppercase();
    let mut cases: Vec<_> = ["https://evil.example", &slash, &upper]
        .map(|got| {
            (
                got,
                changed.claim("iss", json!(got)),
                TokenError::Issuer { got: got.into() },
            )
        })
        .into();
    cases.push(("none", changed.absent("iss"), missing("iss")));
    cases.push((
        "a list",
        changed.claim("iss", json!([fake.issuer])),
        invalid("iss"),
    ));
    refused(&fake, cases).await;
}

#[tokio::test]
async fn refuses_tokens_for_other_audiences() {
    let (fake, keys) = world().await;
    let changed = Changed {
        signer: &keys.ec,
        good: claims(&fake.issuer),
    };
    let audience = || TokenError::Audience {
        expected: AUDIENCE.into(),
    };
    let claim = |value: Value| changed.claim("aud", value);
    let cases = vec![
        ("another", claim(json!("urn:other")), audience()),
        (
            "one that begins alike",
            claim(json!(format!("{AUDIENCE}x"))),
            audience(),
        ),
        ("several others", claim(json!(["a", "b"])), audience()),
        ("an empty list", claim(json!([])), audience()),
        ("none", changed.absent("aud"), missing("aud")),
        ("a number", claim(json!(7)), invalid("aud")),
        (
            "a list in a list",
            claim(json!([[AUDIENCE]])),
            invalid("aud"),
        ),
        ("too many", claim(json!(vec![AUDIENCE; 17])), invalid("aud")),
    ];
    refused(&fake, cases).await;
}

#[tokio::test]
async fn refuses_tokens_of_other_times() {
    let (fake, keys) = world().await;
    let changed = Changed {
        signer: &keys.ec,
        good: claims(&fake.issuer),
    };
    let expired = |at| TokenError::Expired { at };
    let early = |at| TokenError::NotYetValid { at };
    let cases = vec![
        (
            "expired",
            changed.claim("exp", json!(NOW - 30)),
            expired(NOW - 30),
        ),
        (
            "expired long ago",
            changed.claim("exp", json!(0)),
            expired(0),
        ),
        ("without an end", changed.absent("exp"), missing("exp")),
        (
            "an end in text",
            changed.claim("exp", json!("1900000000")),
            invalid("exp"),
        ),
        (
            "an end below zero",
            changed.claim("exp", json!(-1)),
            invalid("exp"),
        ),
        (
            "an end beyond numbers",
            changed.claim("exp", json!(1e300)),
            invalid("exp"),
        ),
        (
            "an end that is null",
            changed.claim("exp", json!(null)),
            invalid("exp"),
        ),
        (
            "not yet valid",
            changed.claim("nbf", json!(NOW + 31)),
            early(NOW + 31),
        ),
        (
            "from the future",
            changed.claim("iat", json!(NOW + 31)),
            early(NOW + 31),
        ),
        ("without a beginning", changed.absent("iat"), missing("iat")),
        (
            "a beginning in text",
            changed.claim("nbf", json!("0")),
            invalid("nbf"),
        ),
    ];
    refused(&fake, cases).await;
}

#[tokio::test]
async fn refuses_claims_of_the_wrong_shape() {
    let (fake, keys) = world().await;
    let (ec, good) = (&keys.ec, claims(&fake.issuer));
    let claim = |name: &str, value: Value| ec.sign(&ec.header(), &with(good.clone(), name, value));
    let absent = |name: &str| ec.sign(&ec.header(), &without(good.clone(), name));
    let cases = vec![
        ("no subject", absent("sub"), missing("sub")),
        ("an empty subject", claim("sub", json!("")), missing("sub")),
        (
            "a subject that is a number",
            claim("sub", json!(1)),
            invalid("sub"),
        ),
        (
            "a subject of 256 bytes",
            claim("sub", json!("x".repeat(256))),
            invalid("sub"),
        ),
        (
            "a subject with a line break",
            claim("sub", json!("a\nb")),
            invalid("sub"),
        ),
        ("no client", absent("client_id"), missing("client_id")),
        (
            "groups that are a number",
            claim("groups", json!(1)),
            invalid("groups"),
        ),
        (
            "groups that are objects",
            claim("groups", json!([{"name": "trader"}])),
            invalid("groups"),
        ),
        (
            "too many groups",
            claim("groups", json!(vec!["g"; 257])),
            invalid("groups"),
        ),
        (
            "a session that is a list",
            claim("sid", json!([])),
            invalid("sid"),
        ),
    ];
    refused(&fake, cases).await;
}

fn malformed(error: &TokenError) -> &'static str {
    match error {
        TokenError::Malformed { part, .. } => part,
        _ => "nothing",
    }
}

#[tokio::test]
async fn refuses_what_is_not_three_parts_or_too_long() {
    let (fake, keys) = world().await;
    let token = keys.ec.token(&fake.issuer);
    let verifier = fake.verifier();
    for text in ["", "a", "a.b", "a.b.c.d.e", &format!("{token}.x")] {
        let error = verifier.verify(text).await.unwrap_err();
        assert_eq!(error, TokenError::NotThreeParts, "{text}");
    }
    let long = "x".repeat(MAX_TOKEN_BYTES + 1);
    let expected = TokenError::TooLong {
        got: MAX_TOKEN_BYTES + 1,
    };
    assert_eq!(verifier.verify(&long).await.unwrap_err(), expected);
}

#[tokio::test]
async fn refuses_json_that_can_be_read_in_two_ways_or_none() {
    let (fake, keys) = world().await;
    let (ec, good) = (&keys.ec, claims(&fake.issuer).to_string());
    let header = ec.header().to_string();
    let verifier = fake.verifier();
    let nested = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    for claims in [
        good.replacen('{', r#"{"sub":"mallory","#, 1),
        good.replacen('{', r#"{"act":{"sub":"a","sub":"b"},"#, 1),
        format!("{good}{{}}"),
        "[]".to_owned(),
        "{".to_owned(),
        nested,
    ] {
        let error = verifier
            .verify(&ec.sign_text(&header, &claims))
            .await
            .unwrap_err();
        assert_eq!(malformed(&error), "claims", "{claims}: {error}");
    }
    for header in [
        header.replacen('{', r#"{"alg":"none","#, 1),
        "alg".to_owned(),
    ] {
        let error = verifier
            .verify(&ec.sign_text(&header, &good))
            .await
            .unwrap_err();
        assert_eq!(malformed(&error), "header", "{header}: {error}");
    }
    let long_id = with(ec.header(), "kid", json!("k".repeat(300))).to_string();
    let error = verifier
        .verify(&ec.sign_text(&long_id, &good))
        .await
        .unwrap_err();
    assert_eq!(malformed(&error), "header");
}

#[tokio::test]
async fn refuses_sloppy_base64() {
    let (fake, keys) = world().await;
    let token = keys.ec.token(&fake.issuer);
    let verifier = fake.verifier();
    for (text, part) in [
        (format!("{token}="), "signature"),
        (format!("{token}\n"), "signature"),
        (format!("{token}+/"), "signature"),
        // The last letter of 64 bytes carries 4 bits that mean nothing.
        (format!("{}B", &token[..token.len() - 1]), "signature"),
        (format!(" {token}"), "header"),
    ] {
        let error = verifier.verify(&text).await.unwrap_err();
        assert_eq!(malformed(&error), part, "{text}: {error}");
    }
}

#[tokio::test]
async fn hostile_tokens_do_not_make_the_provider_be_asked() {
    let (fake, keys) = world().await;
    let good = claims(&fake.issuer);
    let verifier = fake.verifier();
    let none = with(keys.ec.header(), "alg", json!("none"));
    let jku = with(keys.ec.header(), "jku", json!("http://127.0.0.1:1/"));
    for token in [
        keys.ec.sign(&none, &good),
        keys.ec.sign(&jku, &good),
        "a.b.c".into(),
    ] {
        verifier.verify(&token).await.unwrap_err();
    }
    assert_eq!((fake.hits("discovery"), fake.hits("jwks")), (0, 0));
}
