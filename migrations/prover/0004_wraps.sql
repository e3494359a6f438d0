-- Wraps: the zero-knowledge proof of each final proof, which Ethereum checks. One job a batch, after
-- finish; it is there only where a wrapper is configured.

alter table proving
    -- Kept for ever, like the final proof.
    add column wrap bigint references artefact (id),
    add column wrapped_at timestamptz,
    add column wrap_verify_wall_ms bigint,
    add constraint proving_wrap_is_whole check (
        (wrap is null) = (wrapped_at is null)
        and (wrap is null) = (wrap_verify_wall_ms is null)
        and (wrap is null or state = 'verified')
    ),
    add constraint proving_wrap_verify_is_not_negative check (wrap_verify_wall_ms >= 0);
create index proving_wrap on proving (wrap);
-- Batches that a wrapper may still have to do.
create index proving_unwrapped on proving (batch) where state = 'verified' and wrap is null;

alter table job
    drop constraint job_stage_is_known,
    add constraint job_stage_is_known check (
        stage in ('execute', 'segment', 'aggregate', 'finish', 'wrap')
    );
create unique index job_wrap_is_unique on job (batch) where stage = 'wrap';
