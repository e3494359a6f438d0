-- The sequencer's own database: blocks as they were acknowledged, the state as of the last sealed
-- batch, and everything that a proof about a sealed batch needs. What the blocks after the last
-- sealed batch changed is not stored: a starting sequencer executes them again.
--
-- Numbers are below 2^63. Hashes and 256-bit integers are 32 bytes big-endian, addresses 20 bytes.

create table chain (
    singleton boolean primary key default true,
    chain_id bigint not null,
    -- Raised by every process that starts to write. A block commits only under the current term, so
    -- a process that was replaced cannot add one, and a new one waits for commits in flight.
    writer_term bigint not null default 0,
    constraint chain_is_one_row check (singleton),
    constraint chain_id_is_positive check (chain_id > 0),
    constraint writer_term_is_not_negative check (writer_term >= 0)
);
comment on table chain is 'One row: which chain this database holds, and who may write it';

create table block (
    number bigint primary key,
    hash bytea not null,
    parent_hash bytea not null,
    -- Version-1 header encoding (cloister_types::block).
    header bytea not null,
    -- UNIX seconds.
    timestamp bigint not null,
    -- The batch that this block belongs to, decided when the block was made.
    batch bigint not null,
    transaction_count integer not null,
    -- Sum of the transactions' envelopes.
    transaction_bytes bigint not null,
    -- UNIX milliseconds at which the block was made; the age limit of a batch counts from here.
    built_at_ms bigint not null,
    constraint block_hash_is_unique unique (hash),
    constraint block_hash_is_32_bytes check (octet_length(hash) = 32),
    constraint block_parent_hash_is_32_bytes check (octet_length(parent_hash) = 32),
    constraint block_number_is_not_negative check (number >= 0),
    constraint block_batch_is_not_after_block check (batch >= 0 and batch <= number),
    constraint block_counts_are_not_negative check (transaction_count >= 0 and transaction_bytes >= 0)
);
comment on table block is 'Durable blocks; a transaction is acknowledged only when its block is here';
create index block_by_batch on block (batch, number);

-- Transactions and logs carry no foreign key to their block: all three are written by the one
-- database transaction of a block, and a check per row would be paid in throughput.
create table transaction (
    block_number bigint not null,
    index_in_block integer not null,
    hash bytea not null,
    sender bytea not null,
    -- EIP-2718 envelope.
    raw bytea not null,
    succeeded boolean not null,
    gas_used bigint not null,
    cumulative_gas_used bigint not null,
    -- Wei, 16 bytes big-endian.
    effective_gas_price bytea not null,
    -- Set when the transaction created a contract.
    contract_address bytea,
    -- Position in the block of the first of its logs.
    first_log_index integer not null,
    log_count integer not null,
    constraint transaction_pkey primary key (block_number, index_in_block),
    constraint transaction_hash_is_unique unique (hash),
    constraint transaction_hash_is_32_bytes check (octet_length(hash) = 32),
    constraint transaction_sender_is_20_bytes check (octet_length(sender) = 20),
    constraint transaction_price_is_16_bytes check (octet_length(effective_gas_price) = 16),
    constraint transaction_contract_is_20_bytes check (octet_length(contract_address) = 20),
    constraint transaction_counts_are_not_negative check (
        index_in_block >= 0 and gas_used >= 0 and cumulative_gas_used >= gas_used
        and first_log_index >= 0 and log_count >= 0
    )
);
comment on table transaction is 'Transactions with their receipts, in block order';

create table log (
    block_number bigint not null,
    -- Position in the block.
    log_index integer not null,
    -- Position in the block of the transaction that emitted it.
    transaction_index integer not null,
    address bytea not null,
    topic0 bytea,
    topic1 bytea,
    topic2 bytea,
    topic3 bytea,
    data bytea not null,
    constraint log_pkey primary key (block_number, log_index),
    constraint log_address_is_20_bytes check (octet_length(address) = 20),
    constraint log_topics_are_32_bytes check (
        octet_length(topic0) = 32 and octet_length(topic1) = 32
        and octet_length(topic2) = 32 and octet_length(topic3) = 32
    ),
    constraint log_topics_have_no_gap check (
        (topic0 is not null or topic1 is null)
        and (topic1 is not null or topic2 is null)
        and (topic2 is not null or topic3 is null)
    )
);
comment on table log is 'Logs in block order; filters by first topic alone use the block range';
create index log_by_address on log (address, block_number);
create index log_by_topic1 on log (topic1, block_number) where topic1 is not null;
create index log_by_topic2 on log (topic2, block_number) where topic2 is not null;
create index log_by_topic3 on log (topic3, block_number) where topic3 is not null;

create table code (
    -- Keccak-256 of the code.
    hash bytea primary key,
    code bytea not null,
    constraint code_hash_is_32_bytes check (octet_length(hash) = 32),
    constraint code_is_not_empty check (octet_length(code) > 0)
);
comment on table code is 'Contract code by its hash; never removed';
alter table code alter column code set storage external;

create table batch (
    number bigint primary key,
    hash bytea not null,
    -- Version-1 header encodings (cloister_types::batch).
    header bytea not null,
    first_block bigint not null references block (number),
    last_block bigint not null references block (number),
    transaction_count integer not null,
    -- Salted commitments to the transactions with their receipts, in order, 32 bytes each.
    transaction_leaves bytea not null,
    -- UNIX seconds.
    sealed_at bigint not null,
    constraint batch_hash_is_unique unique (hash),
    constraint batch_hash_is_32_bytes check (octet_length(hash) = 32),
    constraint batch_number_is_not_negative check (number >= 0),
    constraint batch_blocks_are_in_order check (first_block <= last_block),
    constraint batch_has_a_leaf_for_each_transaction check (
        transaction_count >= 0 and octet_length(transaction_leaves) = 32 * transaction_count
    )
);
alter table batch alter column transaction_leaves set storage external;
comment on table batch is 'Sealed batches; each was executed again from its witness before it was written';
create index batch_by_last_block on batch (last_block);

create table batch_input (
    batch bigint primary key references batch (number),
    -- Encoded input of the state transition (cloister_stf::BatchInput).
    input bytea not null
);
comment on table batch_input is 'What a prover needs for one batch';
alter table batch_input alter column input set storage external;

create table leaf (
    -- 1 account, 2 storage slot, 3 activity.
    kind smallint not null,
    address bytea not null,
    -- Empty unless a storage slot.
    slot bytea not null,
    -- Account: nonce, balance, code hash. Slot: 32 bytes. Activity: count, head.
    value bytea not null,
    -- Batch that last wrote the leaf; its salt is derived from it.
    version bigint not null,
    constraint leaf_pkey primary key (kind, address, slot),
    constraint leaf_address_is_20_bytes check (octet_length(address) = 20),
    constraint leaf_shape_fits_kind check (
        (kind = 1 and octet_length(slot) = 0 and octet_length(value) = 72)
        or (kind = 2 and octet_length(slot) = 32 and octet_length(value) = 32)
        or (kind = 3 and octet_length(slot) = 0 and octet_length(value) = 40)
    ),
    constraint leaf_version_is_not_negative check (version >= 0)
);
comment on table leaf is 'The whole state at the last sealed batch';

create table leaf_opening (
    -- Path in the state tree.
    key bytea not null,
    -- Batch that wrote this value.
    version bigint not null,
    value bytea not null,
    constraint leaf_opening_pkey primary key (key, version),
    constraint leaf_opening_key_is_32_bytes check (octet_length(key) = 32)
);
comment on table leaf_opening is 'Every value that a leaf had at a batch boundary, for proofs at earlier batches';

create table audit_head (
    -- Name of the service that keeps the ledger.
    ledger text primary key,
    -- Rows in the ledger so far.
    count bigint not null,
    head bytea not null,
    constraint audit_head_ledger_is_short check (octet_length(ledger) between 1 and 64),
    constraint audit_head_count_is_not_negative check (count >= 0),
    constraint audit_head_is_32_bytes check (octet_length(head) = 32)
);
comment on table audit_head is 'Latest audit-ledger heads; the next sealed batch binds them';
