-- Who told the gateway what a contract is, and when: its deployer may once.

ALTER TABLE contracts
    ADD COLUMN registered_at_ms BIGINT,
    ADD COLUMN registered_issuer TEXT,
    ADD COLUMN registered_subject TEXT,
    ADD CONSTRAINT contracts_registration_is_whole CHECK (
        (registered_at_ms IS NULL) = (registered_issuer IS NULL)
        AND (registered_at_ms IS NULL) = (registered_subject IS NULL)
    );
COMMENT ON COLUMN contracts.registered_at_ms IS 'When template and ABI were attached last; null when nobody has, or not since migration 4.';
COMMENT ON COLUMN contracts.registered_issuer IS 'Issuer of the principal who attached them.';
COMMENT ON COLUMN contracts.registered_subject IS 'Subject of the principal who attached them.';
