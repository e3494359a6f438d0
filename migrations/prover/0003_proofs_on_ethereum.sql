-- Proofs on Ethereum: the transactions that bring a wrap in parts, and where each batch stands.

alter table batch
    -- How far the proof is on Ethereum, as last seen; the words are those of commit_state.
    add column prove_state text not null default 'none',
    -- The transaction that made it proved, ours or somebody else's.
    add column prove_transaction bytea,
    add column prove_block bigint,
    add column prove_gas_used bigint,
    -- Version of the verifier in the contract's router.
    add column verifier_version integer,
    -- How far the contract's word that it is final is on Ethereum.
    add column finalize_state text not null default 'none',
    -- Block of our transaction, or in which somebody else's was noticed.
    add column finalize_block bigint,
    add constraint batch_prove_state_is_known check (prove_state in ('none', 'included', 'confirmed', 'final')),
    add constraint batch_proof_is_whole check (
        (prove_state = 'none') = (prove_transaction is null)
        and (prove_state = 'none') = (prove_block is null)
        and (prove_state = 'none') = (prove_gas_used is null)
        and (prove_state = 'none') = (verifier_version is null)
    ),
    add constraint batch_prove_transaction_is_32_bytes check (octet_length(prove_transaction) = 32),
    add constraint batch_verifier_version_is_positive check (verifier_version > 0),
    add constraint batch_finalize_state_is_known check (finalize_state in ('none', 'included', 'confirmed', 'final')),
    add constraint batch_finality_is_whole check ((finalize_state = 'none') = (finalize_block is null));
create index batch_proof_open on batch (number) where prove_state in ('included', 'confirmed');
create index batch_proof_final on batch (number) where prove_state = 'final';
create index batch_finality_open on batch (number) where finalize_state in ('included', 'confirmed');
create index batch_finality_final on batch (number) where finalize_state = 'final';

-- begin and check bring parts of one batch's wrap, prove the rest; finalize is for a range.
alter table l1_transaction
    drop constraint l1_transaction_kind_is_known,
    add constraint l1_transaction_kind_is_known check (kind in ('commit', 'begin', 'check', 'prove', 'finalize')),
    add constraint l1_transaction_proof_is_of_one_batch check (
        kind not in ('begin', 'check', 'prove') or first_batch = last_batch
    );
create index l1_transaction_by_first_batch on l1_transaction (first_batch);
