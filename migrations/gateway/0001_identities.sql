-- Who a wallet belongs to, browser sessions, and what is under way between the two.
-- Times are milliseconds since 1970-01-01T00:00:00Z.

CREATE TABLE wallets (
    address BYTEA PRIMARY KEY,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    linked_at_ms BIGINT NOT NULL,
    CONSTRAINT wallets_address_is_20_bytes CHECK (octet_length(address) = 20)
);
CREATE INDEX wallets_by_principal ON wallets (issuer, subject);
COMMENT ON TABLE wallets IS 'Wallets linked to a principal by a signed EIP-4361 message; a wallet belongs to one principal.';
COMMENT ON COLUMN wallets.issuer IS 'OpenID Connect issuer of the owner.';
COMMENT ON COLUMN wallets.subject IS 'Subject of the owner at that issuer.';

CREATE TABLE wallet_challenges (
    nonce_hash BYTEA PRIMARY KEY,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    expires_at_ms BIGINT NOT NULL,
    CONSTRAINT wallet_challenges_nonce_hash_is_sha256 CHECK (octet_length(nonce_hash) = 32)
);
CREATE INDEX wallet_challenges_by_expiry ON wallet_challenges (expires_at_ms);
CREATE INDEX wallet_challenges_by_principal ON wallet_challenges (issuer, subject);
COMMENT ON TABLE wallet_challenges IS 'Nonces given out for wallet messages; a row is deleted when its nonce is used.';
COMMENT ON COLUMN wallet_challenges.nonce_hash IS 'SHA-256 of the nonce.';

CREATE TABLE logins (
    state_hash BYTEA PRIMARY KEY,
    browser_hash BYTEA NOT NULL,
    nonce TEXT NOT NULL,
    code_verifier TEXT NOT NULL,
    expires_at_ms BIGINT NOT NULL,
    CONSTRAINT logins_state_hash_is_sha256 CHECK (octet_length(state_hash) = 32),
    CONSTRAINT logins_browser_hash_is_sha256 CHECK (octet_length(browser_hash) = 32)
);
CREATE INDEX logins_by_expiry ON logins (expires_at_ms);
COMMENT ON TABLE logins IS 'Browser logins that are at the identity provider; a row is deleted when the login comes back.';
COMMENT ON COLUMN logins.state_hash IS 'SHA-256 of the state parameter.';
COMMENT ON COLUMN logins.browser_hash IS 'SHA-256 of the cookie that binds the login to one browser.';
COMMENT ON COLUMN logins.nonce IS 'What the ID token must repeat.';
COMMENT ON COLUMN logins.code_verifier IS 'PKCE code verifier (RFC 7636).';

CREATE TABLE sessions (
    token_hash BYTEA PRIMARY KEY,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    name TEXT NOT NULL,
    claims TEXT[] NOT NULL,
    created_at_ms BIGINT NOT NULL,
    last_used_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL,
    CONSTRAINT sessions_token_hash_is_sha256 CHECK (octet_length(token_hash) = 32),
    CONSTRAINT sessions_end_after_they_begin CHECK (expires_at_ms > created_at_ms),
    CONSTRAINT sessions_are_used_after_they_begin CHECK (last_used_at_ms >= created_at_ms)
);
CREATE INDEX sessions_by_expiry ON sessions (expires_at_ms);
CREATE INDEX sessions_by_principal ON sessions (issuer, subject);
COMMENT ON TABLE sessions IS 'Browser sessions.';
COMMENT ON COLUMN sessions.token_hash IS 'SHA-256 of the cookie; the cookie itself is not kept.';
COMMENT ON COLUMN sessions.name IS 'What the identity provider calls the person, for the page.';
COMMENT ON COLUMN sessions.claims IS 'Values of the configured claim at the login; roles and desks are mapped from them at each request.';
COMMENT ON COLUMN sessions.expires_at_ms IS 'Absolute end, whatever the use.';
