-- What a batch was estimated to cost in the guest when it was sealed, and what the prover measured.
-- Batches sealed before have neither.

alter table batch
    -- Guest instructions by the sequencer's model.
    add column estimated_instructions bigint,
    -- Guest instructions by plain execution, as the prover reported first.
    add column measured_instructions bigint,
    add constraint batch_instructions_are_positive check (
        estimated_instructions > 0 and measured_instructions > 0
    );
