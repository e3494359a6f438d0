-- Proving: for each batch a graph of jobs (execute, segments, layers of a tree, finish) that any
-- number of workers share, and the artefacts that the jobs hand to each other.
--
-- Times of leases are Postgres' own clock, the only one that all workers share.

create table artefact (
    id bigint generated always as identity primary key,
    -- Where the bytes are: postgres (artefact_chunk) or folder (a file named by the id).
    shelf text not null,
    bytes bigint not null,
    sha256 bytea not null,
    created_at timestamptz not null default now(),
    constraint artefact_shelf_is_known check (shelf in ('postgres', 'folder')),
    constraint artefact_bytes_is_not_negative check (bytes >= 0),
    constraint artefact_sha256_is_32_bytes check (octet_length(sha256) = 32)
);
comment on table artefact is 'Inputs, partial proofs and final proofs, each stored once; read only if length and hash agree (SPV-20)';

create table artefact_chunk (
    artefact bigint not null references artefact (id) on delete cascade,
    number integer not null,
    data bytea not null,
    primary key (artefact, number),
    constraint artefact_chunk_number_is_not_negative check (number >= 0)
);
comment on table artefact_chunk is 'Bytes of the artefacts on the shelf postgres, in order';
-- Proofs do not compress.
alter table artefact_chunk alter column data set storage external;

create table proving (
    batch bigint primary key references batch (number),
    -- open, verified (the final proof holds), rejected (the program and the sequencer disagree),
    -- discarded (an operator gave it up).
    state text not null default 'open',
    -- unchecked, equal (the program reveals the sealed batch hash), different. Commits wait for
    -- equal (SPV-21).
    execution text not null default 'unchecked',
    -- What the program revealed, when it differs.
    executed_hash bytea,
    instructions bigint,
    segments integer,
    -- Commitments of the program and the machine that prove this batch: its jobs are only for
    -- workers with the same.
    program bytea,
    machine bytea,
    -- Version of the guest image, as in `guest/image/`.
    image integer,
    input bigint references artefact (id),
    input_failures integer not null default 0,
    input_error text,
    input_not_before timestamptz not null default now(),
    proof bigint references artefact (id),
    verify_wall_ms bigint,
    begun_at timestamptz not null default now(),
    verified_at timestamptz,
    -- Its jobs and its input were deleted by age.
    pruned boolean not null default false,
    constraint proving_state_is_known check (state in ('open', 'verified', 'rejected', 'discarded')),
    constraint proving_execution_is_known check (execution in ('unchecked', 'equal', 'different')),
    constraint proving_rejected_is_different check ((state = 'rejected') = (execution = 'different')),
    constraint proving_executed_is_whole check (
        (execution = 'equal') = (instructions is not null)
        and (execution = 'equal') = (segments is not null)
        and (execution = 'equal') = (program is not null)
        and (execution = 'equal') = (machine is not null)
        and (execution = 'equal') = (image is not null)
    ),
    constraint proving_executed_hash_only_when_different check (
        executed_hash is null or (execution = 'different' and octet_length(executed_hash) = 32)
    ),
    constraint proving_verified_is_whole check (
        (state = 'verified') = (proof is not null)
        and (state = 'verified') = (verified_at is not null)
        and (state = 'verified') = (verify_wall_ms is not null)
        and (state <> 'verified' or execution = 'equal')
    ),
    constraint proving_commitments_are_32_bytes check (
        octet_length(program) = 32 and octet_length(machine) = 32
    ),
    constraint proving_counts_are_not_negative check (
        instructions >= 0 and segments > 0 and input_failures >= 0 and verify_wall_ms >= 0
    )
);
comment on table proving is 'Batches that are to be proved, and how far they are';
create index proving_unfinished on proving (batch) where state in ('open', 'rejected');
create index proving_input on proving (input);
create index proving_proof on proving (proof);

create table job (
    id bigint generated always as identity primary key,
    batch bigint not null references proving (batch),
    stage text not null,
    -- 0 execute, 1 the segments, then the layers of the tree, last finish.
    layer integer not null,
    -- Position in the layer.
    node integer not null,
    -- Circuit of an aggregation.
    circuit text,
    -- Jobs of the layer below whose artefacts it takes in; it is ready when they are done.
    first_child integer,
    last_child integer,
    -- Measure of its effort: cells of a segment's trace, else 1.
    weight bigint not null default 1,
    state text not null default 'waiting',
    -- Failures that count against it, and those that are its surroundings' fault.
    attempts integer not null default 0,
    faults integer not null default 0,
    not_before timestamptz not null default now(),
    -- Rises with every lease: who holds an older one can change nothing any more (SPV-22).
    fence bigint not null default 0,
    lease_owner text,
    lease_until timestamptz,
    error_kind text,
    error text,
    started_at timestamptz,
    finished_at timestamptz,
    cpu_ms bigint,
    wall_ms bigint,
    peak_bytes bigint,
    output bigint references artefact (id),
    -- Proof of the public values; the last segment makes it.
    public_values bigint references artefact (id),
    -- What it made was deleted, because the final proof is verified.
    pruned boolean not null default false,
    constraint job_place_is_unique unique (batch, layer, node),
    constraint job_stage_is_known check (stage in ('execute', 'segment', 'aggregate', 'finish')),
    constraint job_stage_fits_layer check (
        (stage = 'execute') = (layer = 0) and (stage = 'segment') = (layer = 1)
    ),
    constraint job_circuit_is_known check (
        (stage = 'aggregate') = (circuit is not null)
        and circuit in ('leaf', 'internal_for_leaf', 'internal_first', 'internal_recursive')
    ),
    constraint job_children_are_a_range check (
        (stage = 'execute') = (first_child is null)
        and (stage = 'execute') = (last_child is null)
        and first_child >= 0 and first_child <= last_child
    ),
    constraint job_state_is_known check (
        state in ('waiting', 'ready', 'leased', 'done', 'dead', 'rejected', 'discarded')
    ),
    constraint job_only_execution_is_rejected check (state <> 'rejected' or stage = 'execute'),
    constraint job_lease_is_whole check (
        (state = 'leased') = (lease_owner is not null) and (state = 'leased') = (lease_until is not null)
    ),
    constraint job_done_is_whole check (
        (state <> 'done' or stage = 'execute' or pruned or output is not null)
        and (state = 'done' or (output is null and public_values is null))
        and (state <> 'done' or finished_at is not null)
        and (state = 'done' or not pruned)
    ),
    constraint job_failure_has_a_reason check (
        (error_kind is null) = (error is null) and (state not in ('dead', 'rejected') or error is not null)
    ),
    constraint job_numbers_are_not_negative check (
        layer >= 0 and node >= 0 and weight >= 0 and attempts >= 0 and faults >= 0 and fence >= 0
        and cpu_ms >= 0 and wall_ms >= 0 and peak_bytes >= 0
    )
);
comment on table job is 'One step of proving one batch, worked on by lease';
create index job_ready on job (batch, layer desc, node) where state = 'ready';
create index job_leased on job (lease_until) where state = 'leased';
create index job_trouble on job (batch) where state in ('dead', 'rejected');
create index job_output on job (output) where output is not null;
create index job_public_values on job (public_values) where public_values is not null;
create index job_measured on job (stage, finished_at desc) where state = 'done';
