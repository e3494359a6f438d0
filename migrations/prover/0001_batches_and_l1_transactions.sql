-- The prover's own database: sealed batches, and every transaction it ever signed for Ethereum,
-- written here before it is sent (SPR-1).
--
-- Numbers are below 2^63. Hashes are 32 bytes, addresses 20 bytes. Fees are wei per gas.

create table installation (
    singleton boolean primary key default true,
    chain_id bigint not null,
    genesis_batch_hash bytea not null,
    l1_chain_id bigint not null,
    rollup_contract bytea not null,
    constraint installation_is_one_row check (singleton),
    constraint installation_ids_are_positive check (chain_id > 0 and l1_chain_id > 0),
    constraint installation_genesis_is_32_bytes check (octet_length(genesis_batch_hash) = 32),
    constraint installation_contract_is_20_bytes check (octet_length(rollup_contract) = 20)
);
comment on table installation is 'One row: which private chain, on which contract of which Ethereum chain';

create table batch (
    number bigint primary key,
    hash bytea not null,
    -- Version-1 header encoding (cloister_types::batch), public and private layer.
    header bytea not null,
    -- UNIX seconds.
    sealed_at bigint not null,
    -- How far the commit is on Ethereum, as last seen: none, included (in a block), confirmed (deep
    -- enough for this installation), final (Ethereum will not take it back).
    commit_state text not null default 'none',
    commit_transaction bytea,
    commit_block bigint,
    commit_gas_used bigint,
    constraint batch_hash_is_unique unique (hash),
    constraint batch_number_is_positive check (number > 0),
    constraint batch_hash_is_32_bytes check (octet_length(hash) = 32),
    constraint batch_commit_state_is_known check (commit_state in ('none', 'included', 'confirmed', 'final')),
    constraint batch_commit_is_whole check (
        (commit_state = 'none') = (commit_transaction is null)
        and (commit_state = 'none') = (commit_block is null)
        and (commit_state = 'none') = (commit_gas_used is null)
    ),
    constraint batch_commit_transaction_is_32_bytes check (octet_length(commit_transaction) = 32)
);
comment on table batch is 'Sealed batches, without gaps, and where their commit stands';
create index batch_not_final on batch (number) where commit_state <> 'final';

create table l1_transaction (
    id bigint generated always as identity primary key,
    -- What it does: commit. Later also: prove, finalize.
    kind text not null,
    sender bytea not null,
    nonce bigint not null,
    first_batch bigint not null references batch (number),
    last_batch bigint not null references batch (number),
    -- pending (in no block), included, final, lost (another transaction took the nonce).
    state text not null default 'pending',
    -- Of the attempt that is in a block.
    included_hash bytea,
    included_block bigint,
    included_block_hash bytea,
    included_gas_used bigint,
    succeeded boolean,
    -- UNIX milliseconds.
    created_at_ms bigint not null,
    -- One nonce, one purpose: two processes on this database cannot both use it (SPR-2).
    constraint l1_transaction_nonce_is_unique unique (sender, nonce),
    constraint l1_transaction_kind_is_known check (kind in ('commit')),
    constraint l1_transaction_sender_is_20_bytes check (octet_length(sender) = 20),
    constraint l1_transaction_nonce_is_not_negative check (nonce >= 0),
    constraint l1_transaction_range_is_ordered check (first_batch > 0 and first_batch <= last_batch),
    constraint l1_transaction_state_is_known check (state in ('pending', 'included', 'final', 'lost')),
    constraint l1_transaction_inclusion_is_whole check (
        (state in ('included', 'final')) = (included_hash is not null)
        and (included_hash is null) = (included_block is null)
        and (included_hash is null) = (included_block_hash is null)
        and (included_hash is null) = (included_gas_used is null)
        and (included_hash is null) = (succeeded is null)
    )
);
comment on table l1_transaction is 'One nonce of the committer given to one purpose';
create index l1_transaction_not_final on l1_transaction (nonce) where state <> 'final';
create index l1_transaction_by_last_batch on l1_transaction (last_batch);

create table l1_attempt (
    transaction bigint not null references l1_transaction (id),
    number integer not null,
    hash bytea not null,
    -- Signed EIP-2718 envelope: sending it again is always safe.
    raw bytea not null,
    max_fee_per_gas bigint not null,
    max_priority_fee_per_gas bigint not null,
    -- Newest Ethereum block when it was signed; fee bumps count from here.
    signed_in_block bigint not null,
    primary key (transaction, number),
    constraint l1_attempt_hash_is_unique unique (hash),
    constraint l1_attempt_hash_is_32_bytes check (octet_length(hash) = 32),
    constraint l1_attempt_number_is_not_negative check (number >= 0),
    constraint l1_attempt_fees_are_ordered check (
        max_priority_fee_per_gas >= 0 and max_priority_fee_per_gas <= max_fee_per_gas
    )
);
comment on table l1_attempt is 'The same transaction signed with rising fees; at most one can be included';
