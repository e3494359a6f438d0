-- The audit ledger (design D9): one row a decision, in a hash chain. Append-only.
CREATE TABLE audit_log (
    sequence       bigint   PRIMARY KEY CONSTRAINT audit_log_sequence_is_positive CHECK (sequence >= 1),
    time_ms        bigint   NOT NULL CONSTRAINT audit_log_time_is_positive CHECK (time_ms >= 0),
    principal      text     NOT NULL,
    session        text     NOT NULL,
    method         text     NOT NULL,
    resource       text     NOT NULL,
    rule           text     NOT NULL,
    policy_version bytea    NOT NULL CONSTRAINT audit_log_policy_version_is_a_hash CHECK (octet_length(policy_version) = 32),
    request_hash   bytea    NOT NULL CONSTRAINT audit_log_request_hash_is_a_hash CHECK (octet_length(request_hash) = 32),
    outcome        smallint NOT NULL CONSTRAINT audit_log_outcome_is_known CHECK (outcome BETWEEN 1 AND 4),
    hash           bytea    NOT NULL CONSTRAINT audit_log_hash_is_a_hash CHECK (octet_length(hash) = 32)
);
COMMENT ON TABLE audit_log IS 'Every decision, allow and deny; written before the answer leaves. Rows are never changed.';
COMMENT ON COLUMN audit_log.sequence IS 'Place in the chain, from 1, without gaps';
COMMENT ON COLUMN audit_log.time_ms IS 'UNIX milliseconds of the decision';
COMMENT ON COLUMN audit_log.principal IS 'Issuer and subject with a bar between, or `anonymous`';
COMMENT ON COLUMN audit_log.session IS 'The session or token in which it was asked';
COMMENT ON COLUMN audit_log.method IS 'What was called';
COMMENT ON COLUMN audit_log.resource IS 'What it was about';
COMMENT ON COLUMN audit_log.rule IS 'Ids of the policies that decided, with commas between';
COMMENT ON COLUMN audit_log.policy_version IS 'SHA-256 over the policies in force';
COMMENT ON COLUMN audit_log.request_hash IS 'SHA-256 of the request';
COMMENT ON COLUMN audit_log.outcome IS '1 allowed, 2 denied, 3 unauthenticated, 4 failed';
COMMENT ON COLUMN audit_log.hash IS 'SHA-256 over the hash of the row before, the sequence and this row (cloister_audit)';

CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_log_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();
