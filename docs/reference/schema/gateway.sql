-- Made by `cargo xtask gen` from the migrations.

CREATE FUNCTION public.audit_log_is_append_only() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TABLE public.audit_log (
    sequence bigint NOT NULL,
    time_ms bigint NOT NULL,
    principal text NOT NULL,
    session text NOT NULL,
    method text NOT NULL,
    resource text NOT NULL,
    rule text NOT NULL,
    policy_version bytea NOT NULL,
    request_hash bytea NOT NULL,
    outcome smallint NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT audit_log_hash_is_a_hash CHECK ((octet_length(hash) = 32)),
    CONSTRAINT audit_log_outcome_is_known CHECK (((outcome >= 1) AND (outcome <= 4))),
    CONSTRAINT audit_log_policy_version_is_a_hash CHECK ((octet_length(policy_version) = 32)),
    CONSTRAINT audit_log_request_hash_is_a_hash CHECK ((octet_length(request_hash) = 32)),
    CONSTRAINT audit_log_sequence_is_positive CHECK ((sequence >= 1)),
    CONSTRAINT audit_log_time_is_positive CHECK ((time_ms >= 0))
);

COMMENT ON TABLE public.audit_log IS 'Every decision, allow and deny; written before the answer leaves. Rows are never changed.';

COMMENT ON COLUMN public.audit_log.sequence IS 'Place in the chain, from 1, without gaps';

COMMENT ON COLUMN public.audit_log.time_ms IS 'UNIX milliseconds of the decision';

COMMENT ON COLUMN public.audit_log.principal IS 'Issuer and subject with a bar between, or `anonymous`';

COMMENT ON COLUMN public.audit_log.session IS 'The session or token in which it was asked';

COMMENT ON COLUMN public.audit_log.method IS 'What was called';

COMMENT ON COLUMN public.audit_log.resource IS 'What it was about';

COMMENT ON COLUMN public.audit_log.rule IS 'Ids of the policies that decided, with commas between';

COMMENT ON COLUMN public.audit_log.policy_version IS 'SHA-256 over the policies in force';

COMMENT ON COLUMN public.audit_log.request_hash IS 'SHA-256 of the request';

COMMENT ON COLUMN public.audit_log.outcome IS '1 allowed, 2 denied, 3 unauthenticated, 4 failed';

COMMENT ON COLUMN public.audit_log.hash IS 'SHA-256 over the hash of the row before, the sequence and this row (cloister_audit)';

CREATE TABLE public.contracts (
    address bytea NOT NULL,
    transaction_hash bytea NOT NULL,
    issuer text NOT NULL,
    subject text NOT NULL,
    deployer bytea NOT NULL,
    desk text,
    template text NOT NULL,
    abi text,
    recorded_at_ms bigint NOT NULL,
    registered_at_ms bigint,
    registered_issuer text,
    registered_subject text,
    CONSTRAINT contracts_address_is_20_bytes CHECK ((octet_length(address) = 20)),
    CONSTRAINT contracts_deployer_is_20_bytes CHECK ((octet_length(deployer) = 20)),
    CONSTRAINT contracts_registration_is_whole CHECK ((((registered_at_ms IS NULL) = (registered_issuer IS NULL)) AND ((registered_at_ms IS NULL) = (registered_subject IS NULL)))),
    CONSTRAINT contracts_transaction_hash_is_32_bytes CHECK ((octet_length(transaction_hash) = 32))
);

COMMENT ON TABLE public.contracts IS 'Contracts that policies know: owner, template and ABI.';

COMMENT ON COLUMN public.contracts.issuer IS 'Issuer of the principal who deployed it.';

COMMENT ON COLUMN public.contracts.subject IS 'Subject of the principal who deployed it.';

COMMENT ON COLUMN public.contracts.deployer IS 'The wallet that signed the deployment.';

COMMENT ON COLUMN public.contracts.desk IS 'The desk that owns it; null when its deployer had none.';

COMMENT ON COLUMN public.contracts.template IS 'Name of the policy template, e.g. erc20; its ABI is used while abi is null.';

COMMENT ON COLUMN public.contracts.abi IS 'JSON ABI attached by cloister_registerContract.';

COMMENT ON COLUMN public.contracts.registered_at_ms IS 'When template and ABI were attached last; null when nobody has, or not since migration 4.';

COMMENT ON COLUMN public.contracts.registered_issuer IS 'Issuer of the principal who attached them.';

COMMENT ON COLUMN public.contracts.registered_subject IS 'Subject of the principal who attached them.';

CREATE TABLE public.deployments (
    transaction_hash bytea NOT NULL,
    address bytea NOT NULL,
    issuer text NOT NULL,
    subject text NOT NULL,
    wallet bytea NOT NULL,
    desk text,
    submitted_at_ms bigint NOT NULL,
    CONSTRAINT deployments_address_is_20_bytes CHECK ((octet_length(address) = 20)),
    CONSTRAINT deployments_transaction_hash_is_32_bytes CHECK ((octet_length(transaction_hash) = 32)),
    CONSTRAINT deployments_wallet_is_20_bytes CHECK ((octet_length(wallet) = 20))
);

COMMENT ON TABLE public.deployments IS 'Deployments handed to the sequencer whose outcome is not recorded yet; written before the transaction is submitted, so that a restart loses no owner.';

COMMENT ON COLUMN public.deployments.address IS 'The address that the contract will have.';

COMMENT ON COLUMN public.deployments.desk IS 'The desk that will own it.';

CREATE TABLE public.logins (
    state_hash bytea NOT NULL,
    browser_hash bytea NOT NULL,
    nonce text NOT NULL,
    code_verifier text NOT NULL,
    expires_at_ms bigint NOT NULL,
    CONSTRAINT logins_browser_hash_is_sha256 CHECK ((octet_length(browser_hash) = 32)),
    CONSTRAINT logins_state_hash_is_sha256 CHECK ((octet_length(state_hash) = 32))
);

COMMENT ON TABLE public.logins IS 'Browser logins that are at the identity provider; a row is deleted when the login comes back.';

COMMENT ON COLUMN public.logins.state_hash IS 'SHA-256 of the state parameter.';

COMMENT ON COLUMN public.logins.browser_hash IS 'SHA-256 of the cookie that binds the login to one browser.';

COMMENT ON COLUMN public.logins.nonce IS 'What the ID token must repeat.';

COMMENT ON COLUMN public.logins.code_verifier IS 'PKCE code verifier (RFC 7636).';

CREATE TABLE public.revocations (
    issuer text NOT NULL,
    subject text NOT NULL,
    revoked_at_ms bigint NOT NULL,
    by_issuer text NOT NULL,
    by_subject text NOT NULL
);

COMMENT ON TABLE public.revocations IS 'Principals whose sessions and tokens were revoked; what began before is refused until it ends by itself.';

COMMENT ON COLUMN public.revocations.issuer IS 'OpenID Connect issuer of the principal.';

COMMENT ON COLUMN public.revocations.subject IS 'Subject of the principal at that issuer.';

COMMENT ON COLUMN public.revocations.revoked_at_ms IS 'When it was revoked last.';

COMMENT ON COLUMN public.revocations.by_issuer IS 'Issuer of the principal who revoked.';

COMMENT ON COLUMN public.revocations.by_subject IS 'Subject of the principal who revoked.';

CREATE TABLE public.sessions (
    token_hash bytea NOT NULL,
    issuer text NOT NULL,
    subject text NOT NULL,
    name text NOT NULL,
    claims text[] NOT NULL,
    created_at_ms bigint NOT NULL,
    last_used_at_ms bigint NOT NULL,
    expires_at_ms bigint NOT NULL,
    CONSTRAINT sessions_are_used_after_they_begin CHECK ((last_used_at_ms >= created_at_ms)),
    CONSTRAINT sessions_end_after_they_begin CHECK ((expires_at_ms > created_at_ms)),
    CONSTRAINT sessions_token_hash_is_sha256 CHECK ((octet_length(token_hash) = 32))
);

COMMENT ON TABLE public.sessions IS 'Browser sessions.';

COMMENT ON COLUMN public.sessions.token_hash IS 'SHA-256 of the cookie; the cookie itself is not kept.';

COMMENT ON COLUMN public.sessions.name IS 'What the identity provider calls the person, for the page.';

COMMENT ON COLUMN public.sessions.claims IS 'Values of the configured claim at the login; roles and desks are mapped from them at each request.';

COMMENT ON COLUMN public.sessions.expires_at_ms IS 'Absolute end, whatever the use.';

CREATE TABLE public.wallet_challenges (
    nonce_hash bytea NOT NULL,
    issuer text NOT NULL,
    subject text NOT NULL,
    expires_at_ms bigint NOT NULL,
    CONSTRAINT wallet_challenges_nonce_hash_is_sha256 CHECK ((octet_length(nonce_hash) = 32))
);

COMMENT ON TABLE public.wallet_challenges IS 'Nonces given out for wallet messages; a row is deleted when its nonce is used.';

COMMENT ON COLUMN public.wallet_challenges.nonce_hash IS 'SHA-256 of the nonce.';

CREATE TABLE public.wallets (
    address bytea NOT NULL,
    issuer text NOT NULL,
    subject text NOT NULL,
    linked_at_ms bigint NOT NULL,
    CONSTRAINT wallets_address_is_20_bytes CHECK ((octet_length(address) = 20))
);

COMMENT ON TABLE public.wallets IS 'Wallets linked to a principal by a signed EIP-4361 message; a wallet belongs to one principal.';

COMMENT ON COLUMN public.wallets.issuer IS 'OpenID Connect issuer of the owner.';

COMMENT ON COLUMN public.wallets.subject IS 'Subject of the owner at that issuer.';

ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (sequence);

ALTER TABLE ONLY public.contracts
    ADD CONSTRAINT contracts_pkey PRIMARY KEY (address);

ALTER TABLE ONLY public.deployments
    ADD CONSTRAINT deployments_pkey PRIMARY KEY (transaction_hash);

ALTER TABLE ONLY public.logins
    ADD CONSTRAINT logins_pkey PRIMARY KEY (state_hash);

ALTER TABLE ONLY public.revocations
    ADD CONSTRAINT revocations_pkey PRIMARY KEY (issuer, subject);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (token_hash);

ALTER TABLE ONLY public.wallet_challenges
    ADD CONSTRAINT wallet_challenges_pkey PRIMARY KEY (nonce_hash);

ALTER TABLE ONLY public.wallets
    ADD CONSTRAINT wallets_pkey PRIMARY KEY (address);

CREATE INDEX logins_by_expiry ON public.logins USING btree (expires_at_ms);

CREATE INDEX sessions_by_expiry ON public.sessions USING btree (expires_at_ms);

CREATE INDEX sessions_by_principal ON public.sessions USING btree (issuer, subject);

CREATE INDEX wallet_challenges_by_expiry ON public.wallet_challenges USING btree (expires_at_ms);

CREATE INDEX wallet_challenges_by_principal ON public.wallet_challenges USING btree (issuer, subject);

CREATE INDEX wallets_by_principal ON public.wallets USING btree (issuer, subject);

CREATE TRIGGER audit_log_is_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_log FOR EACH STATEMENT EXECUTE FUNCTION public.audit_log_is_append_only();
