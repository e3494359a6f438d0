-- The disclosure service's own database: who may obtain what under which case, and what was given
-- to whom. Numbers are below 2^63; times are UNIX seconds; addresses and hashes are bytes.

CREATE TABLE disclosure_grant (
    id              uuid   PRIMARY KEY,
    case_reference  text   NOT NULL CONSTRAINT grant_case_is_short CHECK (octet_length(case_reference) BETWEEN 1 AND 200),
    legal_basis     text   NOT NULL CONSTRAINT grant_basis_is_short CHECK (octet_length(legal_basis) BETWEEN 1 AND 500),
    auditor_issuer  text   NOT NULL CONSTRAINT grant_issuer_is_short CHECK (octet_length(auditor_issuer) BETWEEN 1 AND 500),
    auditor_subject text   NOT NULL CONSTRAINT grant_subject_is_short CHECK (octet_length(auditor_subject) BETWEEN 1 AND 255),
    scope           jsonb  NOT NULL,
    kinds           text[] NOT NULL CONSTRAINT grant_names_a_kind CHECK (cardinality(kinds) BETWEEN 1 AND 16),
    first_batch     bigint NOT NULL CONSTRAINT grant_first_batch_is_a_number CHECK (first_batch >= 0),
    last_batch      bigint CONSTRAINT grant_batches_are_a_range CHECK (last_batch IS NULL OR last_batch >= first_batch),
    created_at      bigint NOT NULL CONSTRAINT grant_creation_is_a_time CHECK (created_at >= 0),
    created_by      text   NOT NULL,
    expires_at      bigint NOT NULL CONSTRAINT grant_ends_after_creation CHECK (expires_at > created_at),
    revoked_at      bigint,
    revoked_by      text,
    CONSTRAINT grant_revocation_is_whole CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
COMMENT ON TABLE disclosure_grant IS 'A time-boxed, case-bound right of one auditor to obtain packages';
COMMENT ON COLUMN disclosure_grant.scope IS 'JSON of the service''s type Scope: accounts, tokens, storage, transactions';
COMMENT ON COLUMN disclosure_grant.last_batch IS 'Last batch covered; NULL: no end but that of the grant';
COMMENT ON COLUMN disclosure_grant.created_by IS 'Principal id (issuer|subject) of the officer';
CREATE INDEX disclosure_grant_by_auditor ON disclosure_grant (auditor_issuer, auditor_subject, created_at DESC, id);
CREATE INDEX disclosure_grant_by_time ON disclosure_grant (created_at DESC, id);

CREATE TABLE package (
    id           uuid    PRIMARY KEY,
    grant_id     uuid    NOT NULL REFERENCES disclosure_grant (id),
    kind         text    NOT NULL,
    subject      bytea[] NOT NULL CONSTRAINT package_has_a_subject CHECK (cardinality(subject) BETWEEN 1 AND 64),
    what         text    NOT NULL CONSTRAINT package_says_what CHECK (octet_length(what) BETWEEN 1 AND 1024),
    batch        bigint  NOT NULL CONSTRAINT package_batch_is_a_number CHECK (batch >= 0),
    digest       bytea   NOT NULL CONSTRAINT package_digest_is_32_bytes CHECK (octet_length(digest) = 32),
    delivered_at bigint  NOT NULL CONSTRAINT package_delivery_is_a_time CHECK (delivered_at >= 0)
);
COMMENT ON TABLE package IS 'Packages given out: the register that answers who was shown what of whom';
COMMENT ON COLUMN package.subject IS 'Addresses whose data the package shows';
COMMENT ON COLUMN package.digest IS 'SHA-256 of the file';
CREATE INDEX package_by_subject ON package USING gin (subject);
CREATE INDEX package_by_grant ON package (grant_id, delivered_at);
