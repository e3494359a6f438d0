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

#[tokio::test]
async fn refuses_keys_that_are_unknown_or_not_for_the_algorithm() {
    let (fake, keys) = world().await;
    let (ec, rs, good) = (&keys.ec, &keys.rs, claims(&fake.issuer));
    let mut declared = keys.rs.jwk();
    declared["alg"] = json!("RS256");
    declared["kid"] = json!("rs-only");
    let mut encryption = keys.foreign.jwk();
    encryption["use"] = json!("enc");
    encryption["kid"] = json!("enc");
    let mut contradictory = keys.foreign.jwk();
    contradictory["alg"] = json!("RS256");
    contradictory["kid"] = json!("odd");
    let mut signs_only = keys.foreign.jwk();
    signs_only["key_ops"] = json!(["sign"]);
    signs_only["kid"] = json!("signs");
    let mut set = keys.published();
    set.extend([
        declared,
        encryption,
        contradictory,
        signs_only,
        json!("no key"),
        json!({"kty": "oct", "k": "AA", "kid": "mac"}),
    ]);
    fake.set_keys(set);
    let unknown = |id: &str| TokenError::UnknownKey { id: id.into() };
    let wrong = |id: &str, algorithm| TokenError::WrongKey {
        id: id.into(),
        algorithm,
    };
    let named =
        |signer: &Signer, kid: &str| signer.sign(&with(signer.header(), "kid", json!(kid)), &good);
    let cases = vec![
        ("unknown key", named(ec, "other"), unknown("other")),
        (
            "no key named and several to choose from",
            ec.sign(&without(ec.header(), "kid"), &good),
            unknown(""),
        ),
        (
            "EC algorithm with an RSA key",
            named(ec, "rsa"),
            wrong("rsa", "ES256"),
        ),
        (
            "RSA algorithm with an EC key",
            named(rs, "ec"),
            wrong("ec", "RS256"),
        ),
        (
            "EdDSA with an EC key",
            named(&keys.ed, "ec"),
            wrong("ec", "EdDSA"),
        ),
        (
            "a key declared for RS256 used for PS256",
            named(&keys.ps, "rs-only"),
            wrong("rs-only", "PS256"),
        ),
        (
            "a key for encryption",
            named(&keys.foreign, "enc"),
            unknown("enc"),
        ),
        (
            "a key that contradicts itself",
            named(&keys.foreign, "odd"),
            unknown("odd"),
        ),
        (
            "a key that may not verify",
            named(&keys.foreign, "signs"),
            unknown("signs"),
        ),
        ("a symmetric key", named(ec, "mac"), unknown("mac")),
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
async fn refuses_claims_of_others_and_of_other_times() {
    let (fake, keys) = world().await;
    let (ec, good) = (&keys.ec, claims(&fake.issuer));
    let claim = |name: &str, value: Value| ec.sign(&ec.header(), &with(good.clone(), name, value));
    let absent = |name: &str| ec.sign(&ec.header(), &without(good.clone(), name));
    let issuer = |got: &str| TokenError::Issuer { got: got.into() };
    let audience = || TokenError::Audience {
        expected: AUDIENCE.into(),
    };
    let slash = format!("{}/", fake.issuer);
    let cases = vec![
        (
            "a foreign issuer",
            claim("iss", json!("https://evil.example")),
            issuer("https://evil.example"),
        ),
        (
            "an issuer with a slash more",
            claim("iss", json!(slash)),
            issuer(&slash),
        ),
        ("no issuer", absent("iss"), missing("iss")),
        (
            "an issuer that is a list",
            claim("iss", json!([fake.issuer])),
            invalid("iss"),
        ),
        (
            "a foreign audience",
            claim("aud", json!("urn:other")),
            audience(),
        ),
        (
            "an audience that begins alike",
            claim("aud", json!(format!("{AUDIENCE}x"))),
            audience(),
        ),
        (
            "several foreign audiences",
            claim("aud", json!(["a", "b"])),
            audience(),
        ),
        ("no audience", absent("aud"), missing("aud")),
        (
            "an empty list of audiences",
            claim("aud", json!([])),
            audience(),
        ),
        (
            "an audience that is a number",
            claim("aud", json!(7)),
            invalid("aud"),
        ),
        (
            "an audience in an audience",
            claim("aud", json!([[AUDIENCE]])),
            invalid("aud"),
        ),
        (
            "too many audiences",
            claim("aud", json!(vec![AUDIENCE; 17])),
            invalid("aud"),
        ),
        (
            "expired",
            claim("exp", json!(NOW - 30)),
            TokenError::Expired { at: NOW - 30 },
        ),
        (
            "expired long ago",
            claim("exp", json!(0)),
            TokenError::Expired { at: 0 },
        ),
        ("without an end", absent("exp"), missing("exp")),
        (
            "an end in text",
            claim("exp", json!("1900000000")),
            invalid("exp"),
        ),
        ("an end below zero", claim("exp", json!(-1)), invalid("exp")),
        (
            "an end beyond numbers",
            claim("exp", json!(1e300)),
            invalid("exp"),
        ),
        (
            "an end that is null",
            claim("exp", json!(null)),
            invalid("exp"),
        ),
        (
            "not yet valid",
            claim("nbf", json!(NOW + 31)),
            TokenError::NotYetValid { at: NOW + 31 },
        ),
        (
            "from the future",
            claim("iat", json!(NOW + 31)),
            TokenError::NotYetValid { at: NOW + 31 },
        ),
        ("without a beginning", absent("iat"), missing("iat")),
        (
            "a beginning in text",
            claim("nbf", json!("0")),
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

#[tokio::test]
async fn refuses_what_is_not_one_clear_text() {
    let (fake, keys) = world().await;
    let (ec, good) = (&keys.ec, claims(&fake.issuer).to_string());
    let header = ec.header().to_string();
    let token = ec.token(&fake.issuer);
    let doubled_claim = good.replacen('{', r#"{"sub":"mallory","#, 1);
    let doubled_header = header.replacen('{', r#"{"alg":"none","#, 1);
    let doubled_inside = good.replacen('{', r#"{"act":{"sub":"a","sub":"b"},"#, 1);
    let verifier = fake.verifier();
    let part_of = |part: &'static str| move |error: &TokenError| matches!(error, TokenError::Malformed { part: got, .. } if *got == part);
    let three = |error: &TokenError| matches!(error, TokenError::NotThreeParts);
    let (in_header, in_claims, in_signature) =
        (part_of("header"), part_of("claims"), part_of("signature"));
    let trailing = format!("{}B", &token[..token.len() - 1]);
    type Check<'a> = &'a dyn Fn(&TokenError) -> bool;
    let cases: Vec<(&str, String, Check<'_>)> = vec![
        ("nothing", String::new(), &three),
        ("two parts", "a.b".into(), &three),
        ("four parts", format!("{token}.x"), &three),
        (
            "five parts, as encrypted tokens have",
            "a.b.c.d.e".into(),
            &three,
        ),
        (
            "a claim that occurs twice",
            ec.sign_text(&header, &doubled_claim),
            &in_claims,
        ),
        (
            "a claim that occurs twice further in",
            ec.sign_text(&header, &doubled_inside),
            &in_claims,
        ),
        (
            "a header that occurs twice",
            ec.sign_text(&doubled_header, &good),
            &in_header,
        ),
        (
            "claims that are a list",
            ec.sign_text(&header, "[]"),
            &in_claims,
        ),
        (
            "claims that are no JSON",
            ec.sign_text(&header, "{"),
            &in_claims,
        ),
        (
            "more after the claims",
            ec.sign_text(&header, &format!("{good}{{}}")),
            &in_claims,
        ),
        (
            "a header that is no JSON",
            ec.sign_text("alg", &good),
            &in_header,
        ),
        ("padding", format!("{token}="), &in_signature),
        ("a space before", format!(" {token}"), &in_header),
        ("a line break after", format!("{token}\n"), &in_signature),
        (
            "the other alphabet",
            token.replace(['-', '_'], "+") + "+/",
            &|e| matches!(e, TokenError::Malformed { .. }),
        ),
        ("bits that mean nothing", trailing, &in_signature),
        (
            "deep nesting",
            ec.sign_text(&header, &format!("{}1{}", "[".repeat(200), "]".repeat(200))),
            &in_claims,
        ),
    ];
    for (name, token, check) in cases {
        let error = verifier.verify(&token).await.expect_err(name);
        assert!(check(&error), "{name}: {error}");
    }
    let long = "x".repeat(MAX_TOKEN_BYTES + 1);
    let expected = TokenError::TooLong {
        got: MAX_TOKEN_BYTES + 1,
    };
    assert_eq!(verifier.verify(&long).await.unwrap_err(), expected);
    let kid = with(ec.header(), "kid", json!("k".repeat(300)));
    let error = verifier
        .verify(&ec.sign(&kid, &claims(&fake.issuer)))
        .await
        .unwrap_err();
    assert!(in_header(&error), "{error}");
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
