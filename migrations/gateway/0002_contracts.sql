-- Contracts that were deployed through the gateway, and who owns them.

CREATE TABLE deployments (
    transaction_hash BYTEA PRIMARY KEY,
    address BYTEA NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    wallet BYTEA NOT NULL,
    desk TEXT,
    submitted_at_ms BIGINT NOT NULL,
    CONSTRAINT deployments_transaction_hash_is_32_bytes CHECK (octet_length(transaction_hash) = 32),
    CONSTRAINT deployments_address_is_20_bytes CHECK (octet_length(address) = 20),
    CONSTRAINT deployments_wallet_is_20_bytes CHECK (octet_length(wallet) = 20)
);
COMMENT ON TABLE deployments IS 'Deployments handed to the sequencer whose outcome is not recorded yet; written before the transaction is submitted, so that a restart loses no owner.';
COMMENT ON COLUMN deployments.address IS 'The address that the contract will have.';
COMMENT ON COLUMN deployments.desk IS 'The desk that will own it.';

CREATE TABLE contracts (
    address BYTEA PRIMARY KEY,
    transaction_hash BYTEA NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    deployer BYTEA NOT NULL,
    desk TEXT,
    template TEXT NOT NULL,
    abi TEXT,
    recorded_at_ms BIGINT NOT NULL,
    CONSTRAINT contracts_address_is_20_bytes CHECK (octet_length(address) = 20),
    CONSTRAINT contracts_transaction_hash_is_32_bytes CHECK (octet_length(transaction_hash) = 32),
    CONSTRAINT contracts_deployer_is_20_bytes CHECK (octet_length(deployer) = 20)
);
COMMENT ON TABLE contracts IS 'Contracts that policies know: owner, template and ABI.';
COMMENT ON COLUMN contracts.issuer IS 'Issuer of the principal who deployed it.';
COMMENT ON COLUMN contracts.subject IS 'Subject of the principal who deployed it.';
COMMENT ON COLUMN contracts.deployer IS 'The wallet that signed the deployment.';
COMMENT ON COLUMN contracts.desk IS 'The desk that owns it; null when its deployer had none.';
COMMENT ON COLUMN contracts.template IS 'Name of the policy template, e.g. erc20; its ABI is used while abi is null.';
COMMENT ON COLUMN contracts.abi IS 'JSON ABI attached by cloister_registerContract.';
