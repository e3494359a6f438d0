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

CREATE TABLE public.disclosure_grant (
    id uuid NOT NULL,
    case_reference text NOT NULL,
    legal_basis text NOT NULL,
    auditor_issuer text NOT NULL,
    auditor_subject text NOT NULL,
    scope jsonb NOT NULL,
    kinds text[] NOT NULL,
    first_batch bigint NOT NULL,
    last_batch bigint,
    created_at bigint NOT NULL,
    created_by text NOT NULL,
    expires_at bigint NOT NULL,
    revoked_at bigint,
    revoked_by text,
    CONSTRAINT grant_basis_is_short CHECK (((octet_length(legal_basis) >= 1) AND (octet_length(legal_basis) <= 500))),
    CONSTRAINT grant_batches_are_a_range CHECK (((last_batch IS NULL) OR (last_batch >= first_batch))),
    CONSTRAINT grant_case_is_short CHECK (((octet_length(case_reference) >= 1) AND (octet_length(case_reference) <= 200))),
    CONSTRAINT grant_creation_is_a_time CHECK ((created_at >= 0)),
    CONSTRAINT grant_ends_after_creation CHECK ((expires_at > created_at)),
    CONSTRAINT grant_first_batch_is_a_number CHECK ((first_batch >= 0)),
    CONSTRAINT grant_issuer_is_short CHECK (((octet_length(auditor_issuer) >= 1) AND (octet_length(auditor_issuer) <= 500))),
    CONSTRAINT grant_names_a_kind CHECK (((cardinality(kinds) >= 1) AND (cardinality(kinds) <= 16))),
    CONSTRAINT grant_revocation_is_whole CHECK (((revoked_at IS NULL) = (revoked_by IS NULL))),
    CONSTRAINT grant_subject_is_short CHECK (((octet_length(auditor_subject) >= 1) AND (octet_length(auditor_subject) <= 255)))
);

COMMENT ON TABLE public.disclosure_grant IS 'A time-boxed, case-bound right of one auditor to obtain packages';

COMMENT ON COLUMN public.disclosure_grant.scope IS 'JSON of the service''s type Scope: accounts, tokens, storage, transactions';

COMMENT ON COLUMN public.disclosure_grant.last_batch IS 'Last batch covered; NULL: no end but that of the grant';

COMMENT ON COLUMN public.disclosure_grant.created_by IS 'Principal id (issuer|subject) of the officer';

CREATE TABLE public.package (
    id uuid NOT NULL,
    grant_id uuid NOT NULL,
    kind text NOT NULL,
    subject bytea[] NOT NULL,
    what text NOT NULL,
    batch bigint NOT NULL,
    digest bytea NOT NULL,
    delivered_at bigint NOT NULL,
    CONSTRAINT package_batch_is_a_number CHECK ((batch >= 0)),
    CONSTRAINT package_delivery_is_a_time CHECK ((delivered_at >= 0)),
    CONSTRAINT package_digest_is_32_bytes CHECK ((octet_length(digest) = 32)),
    CONSTRAINT package_has_a_subject CHECK (((cardinality(subject) >= 1) AND (cardinality(subject) <= 64))),
    CONSTRAINT package_says_what CHECK (((octet_length(what) >= 1) AND (octet_length(what) <= 1024)))
);

COMMENT ON TABLE public.package IS 'Packages given out: the register that answers who was shown what of whom';

COMMENT ON COLUMN public.package.subject IS 'Addresses whose data the package shows';

COMMENT ON COLUMN public.package.digest IS 'SHA-256 of the file';

ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (sequence);

ALTER TABLE ONLY public.disclosure_grant
    ADD CONSTRAINT disclosure_grant_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.package
    ADD CONSTRAINT package_pkey PRIMARY KEY (id);

CREATE INDEX disclosure_grant_by_auditor ON public.disclosure_grant USING btree (auditor_issuer, auditor_subject, created_at DESC, id);

CREATE INDEX disclosure_grant_by_time ON public.disclosure_grant USING btree (created_at DESC, id);

CREATE INDEX package_by_grant ON public.package USING btree (grant_id, delivered_at);

CREATE INDEX package_by_subject ON public.package USING gin (subject);

CREATE TRIGGER audit_log_is_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_log FOR EACH STATEMENT EXECUTE FUNCTION public.audit_log_is_append_only();

ALTER TABLE ONLY public.package
    ADD CONSTRAINT package_grant_id_fkey FOREIGN KEY (grant_id) REFERENCES public.disclosure_grant(id);
