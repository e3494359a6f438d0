-- Whose sessions and tokens were taken out of use.

CREATE TABLE revocations (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    revoked_at_ms BIGINT NOT NULL,
    by_issuer TEXT NOT NULL,
    by_subject TEXT NOT NULL,
    PRIMARY KEY (issuer, subject)
);
COMMENT ON TABLE revocations IS 'Principals whose sessions and tokens were revoked; what began before is refused until it ends by itself.';
COMMENT ON COLUMN revocations.issuer IS 'OpenID Connect issuer of the principal.';
COMMENT ON COLUMN revocations.subject IS 'Subject of the principal at that issuer.';
COMMENT ON COLUMN revocations.revoked_at_ms IS 'When it was revoked last.';
COMMENT ON COLUMN revocations.by_issuer IS 'Issuer of the principal who revoked.';
COMMENT ON COLUMN revocations.by_subject IS 'Subject of the principal who revoked.';
