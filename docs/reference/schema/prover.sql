-- Made by `cargo xtask gen` from the migrations.

CREATE TABLE public.artefact (
    id bigint NOT NULL,
    shelf text NOT NULL,
    bytes bigint NOT NULL,
    sha256 bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT artefact_bytes_is_not_negative CHECK ((bytes >= 0)),
    CONSTRAINT artefact_sha256_is_32_bytes CHECK ((octet_length(sha256) = 32)),
    CONSTRAINT artefact_shelf_is_known CHECK ((shelf = ANY (ARRAY['postgres'::text, 'folder'::text])))
);

COMMENT ON TABLE public.artefact IS 'Inputs, partial proofs and final proofs, each stored once; read only if length and hash agree (SPV-20)';

CREATE TABLE public.artefact_chunk (
    artefact bigint NOT NULL,
    number integer NOT NULL,
    data bytea NOT NULL,
    CONSTRAINT artefact_chunk_number_is_not_negative CHECK ((number >= 0))
);
ALTER TABLE ONLY public.artefact_chunk ALTER COLUMN data SET STORAGE EXTERNAL;

COMMENT ON TABLE public.artefact_chunk IS 'Bytes of the artefacts on the shelf postgres, in order';

ALTER TABLE public.artefact ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.artefact_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.batch (
    number bigint NOT NULL,
    hash bytea NOT NULL,
    header bytea NOT NULL,
    sealed_at bigint NOT NULL,
    commit_state text DEFAULT 'none'::text NOT NULL,
    commit_transaction bytea,
    commit_block bigint,
    commit_gas_used bigint,
    prove_state text DEFAULT 'none'::text NOT NULL,
    prove_transaction bytea,
    prove_block bigint,
    prove_gas_used bigint,
    verifier_version integer,
    finalize_state text DEFAULT 'none'::text NOT NULL,
    finalize_block bigint,
    CONSTRAINT batch_commit_is_whole CHECK ((((commit_state = 'none'::text) = (commit_transaction IS NULL)) AND ((commit_state = 'none'::text) = (commit_block IS NULL)) AND ((commit_state = 'none'::text) = (commit_gas_used IS NULL)))),
    CONSTRAINT batch_commit_state_is_known CHECK ((commit_state = ANY (ARRAY['none'::text, 'included'::text, 'confirmed'::text, 'final'::text]))),
    CONSTRAINT batch_commit_transaction_is_32_bytes CHECK ((octet_length(commit_transaction) = 32)),
    CONSTRAINT batch_finality_is_whole CHECK (((finalize_state = 'none'::text) = (finalize_block IS NULL))),
    CONSTRAINT batch_finalize_state_is_known CHECK ((finalize_state = ANY (ARRAY['none'::text, 'included'::text, 'confirmed'::text, 'final'::text]))),
    CONSTRAINT batch_hash_is_32_bytes CHECK ((octet_length(hash) = 32)),
    CONSTRAINT batch_number_is_positive CHECK ((number > 0)),
    CONSTRAINT batch_proof_is_whole CHECK ((((prove_state = 'none'::text) = (prove_transaction IS NULL)) AND ((prove_state = 'none'::text) = (prove_block IS NULL)) AND ((prove_state = 'none'::text) = (prove_gas_used IS NULL)) AND ((prove_state = 'none'::text) = (verifier_version IS NULL)))),
    CONSTRAINT batch_prove_state_is_known CHECK ((prove_state = ANY (ARRAY['none'::text, 'included'::text, 'confirmed'::text, 'final'::text]))),
    CONSTRAINT batch_prove_transaction_is_32_bytes CHECK ((octet_length(prove_transaction) = 32)),
    CONSTRAINT batch_verifier_version_is_positive CHECK ((verifier_version > 0))
);

COMMENT ON TABLE public.batch IS 'Sealed batches, without gaps, and where their commit stands';

CREATE TABLE public.installation (
    singleton boolean DEFAULT true NOT NULL,
    chain_id bigint NOT NULL,
    genesis_batch_hash bytea NOT NULL,
    l1_chain_id bigint NOT NULL,
    rollup_contract bytea NOT NULL,
    CONSTRAINT installation_contract_is_20_bytes CHECK ((octet_length(rollup_contract) = 20)),
    CONSTRAINT installation_genesis_is_32_bytes CHECK ((octet_length(genesis_batch_hash) = 32)),
    CONSTRAINT installation_ids_are_positive CHECK (((chain_id > 0) AND (l1_chain_id > 0))),
    CONSTRAINT installation_is_one_row CHECK (singleton)
);

COMMENT ON TABLE public.installation IS 'One row: which private chain, on which contract of which Ethereum chain';

CREATE TABLE public.job (
    id bigint NOT NULL,
    batch bigint NOT NULL,
    stage text NOT NULL,
    layer integer NOT NULL,
    node integer NOT NULL,
    circuit text,
    first_child integer,
    last_child integer,
    weight bigint DEFAULT 1 NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    faults integer DEFAULT 0 NOT NULL,
    not_before timestamp with time zone DEFAULT now() NOT NULL,
    fence bigint DEFAULT 0 NOT NULL,
    lease_owner text,
    lease_until timestamp with time zone,
    error_kind text,
    error text,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    cpu_ms bigint,
    wall_ms bigint,
    peak_bytes bigint,
    output bigint,
    public_values bigint,
    pruned boolean DEFAULT false NOT NULL,
    CONSTRAINT job_children_are_a_range CHECK ((((stage = 'execute'::text) = (first_child IS NULL)) AND ((stage = 'execute'::text) = (last_child IS NULL)) AND (first_child >= 0) AND (first_child <= last_child))),
    CONSTRAINT job_circuit_is_known CHECK ((((stage = 'aggregate'::text) = (circuit IS NOT NULL)) AND (circuit = ANY (ARRAY['leaf'::text, 'internal_for_leaf'::text, 'internal_first'::text, 'internal_recursive'::text])))),
    CONSTRAINT job_done_is_whole CHECK ((((state <> 'done'::text) OR (stage = 'execute'::text) OR pruned OR (output IS NOT NULL)) AND ((state = 'done'::text) OR ((output IS NULL) AND (public_values IS NULL))) AND ((state <> 'done'::text) OR (finished_at IS NOT NULL)) AND ((state = 'done'::text) OR (NOT pruned)))),
    CONSTRAINT job_failure_has_a_reason CHECK ((((error_kind IS NULL) = (error IS NULL)) AND ((state <> ALL (ARRAY['dead'::text, 'rejected'::text])) OR (error IS NOT NULL)))),
    CONSTRAINT job_lease_is_whole CHECK ((((state = 'leased'::text) = (lease_owner IS NOT NULL)) AND ((state = 'leased'::text) = (lease_until IS NOT NULL)))),
    CONSTRAINT job_numbers_are_not_negative CHECK (((layer >= 0) AND (node >= 0) AND (weight >= 0) AND (attempts >= 0) AND (faults >= 0) AND (fence >= 0) AND (cpu_ms >= 0) AND (wall_ms >= 0) AND (peak_bytes >= 0))),
    CONSTRAINT job_only_execution_is_rejected CHECK (((state <> 'rejected'::text) OR (stage = 'execute'::text))),
    CONSTRAINT job_stage_fits_layer CHECK ((((stage = 'execute'::text) = (layer = 0)) AND ((stage = 'segment'::text) = (layer = 1)))),
    CONSTRAINT job_stage_is_known CHECK ((stage = ANY (ARRAY['execute'::text, 'segment'::text, 'aggregate'::text, 'finish'::text, 'wrap'::text]))),
    CONSTRAINT job_state_is_known CHECK ((state = ANY (ARRAY['waiting'::text, 'ready'::text, 'leased'::text, 'done'::text, 'dead'::text, 'rejected'::text, 'discarded'::text])))
);

COMMENT ON TABLE public.job IS 'One step of proving one batch, worked on by lease';

ALTER TABLE public.job ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.job_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.l1_attempt (
    transaction bigint NOT NULL,
    number integer NOT NULL,
    hash bytea NOT NULL,
    raw bytea NOT NULL,
    max_fee_per_gas bigint NOT NULL,
    max_priority_fee_per_gas bigint NOT NULL,
    signed_in_block bigint NOT NULL,
    CONSTRAINT l1_attempt_fees_are_ordered CHECK (((max_priority_fee_per_gas >= 0) AND (max_priority_fee_per_gas <= max_fee_per_gas))),
    CONSTRAINT l1_attempt_hash_is_32_bytes CHECK ((octet_length(hash) = 32)),
    CONSTRAINT l1_attempt_number_is_not_negative CHECK ((number >= 0))
);

COMMENT ON TABLE public.l1_attempt IS 'The same transaction signed with rising fees; at most one can be included';

CREATE TABLE public.l1_transaction (
    id bigint NOT NULL,
    kind text NOT NULL,
    sender bytea NOT NULL,
    nonce bigint NOT NULL,
    first_batch bigint NOT NULL,
    last_batch bigint NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    included_hash bytea,
    included_block bigint,
    included_block_hash bytea,
    included_gas_used bigint,
    succeeded boolean,
    created_at_ms bigint NOT NULL,
    CONSTRAINT l1_transaction_inclusion_is_whole CHECK ((((state = ANY (ARRAY['included'::text, 'final'::text])) = (included_hash IS NOT NULL)) AND ((included_hash IS NULL) = (included_block IS NULL)) AND ((included_hash IS NULL) = (included_block_hash IS NULL)) AND ((included_hash IS NULL) = (included_gas_used IS NULL)) AND ((included_hash IS NULL) = (succeeded IS NULL)))),
    CONSTRAINT l1_transaction_kind_is_known CHECK ((kind = ANY (ARRAY['commit'::text, 'begin'::text, 'check'::text, 'prove'::text, 'finalize'::text]))),
    CONSTRAINT l1_transaction_nonce_is_not_negative CHECK ((nonce >= 0)),
    CONSTRAINT l1_transaction_proof_is_of_one_batch CHECK (((kind <> ALL (ARRAY['begin'::text, 'check'::text, 'prove'::text])) OR (first_batch = last_batch))),
    CONSTRAINT l1_transaction_range_is_ordered CHECK (((first_batch > 0) AND (first_batch <= last_batch))),
    CONSTRAINT l1_transaction_sender_is_20_bytes CHECK ((octet_length(sender) = 20)),
    CONSTRAINT l1_transaction_state_is_known CHECK ((state = ANY (ARRAY['pending'::text, 'included'::text, 'final'::text, 'lost'::text])))
);

COMMENT ON TABLE public.l1_transaction IS 'One nonce of the committer given to one purpose';

ALTER TABLE public.l1_transaction ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.l1_transaction_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.proving (
    batch bigint NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    execution text DEFAULT 'unchecked'::text NOT NULL,
    executed_hash bytea,
    instructions bigint,
    segments integer,
    program bytea,
    machine bytea,
    image integer,
    input bigint,
    input_failures integer DEFAULT 0 NOT NULL,
    input_error text,
    input_not_before timestamp with time zone DEFAULT now() NOT NULL,
    proof bigint,
    verify_wall_ms bigint,
    begun_at timestamp with time zone DEFAULT now() NOT NULL,
    verified_at timestamp with time zone,
    pruned boolean DEFAULT false NOT NULL,
    wrap bigint,
    wrapped_at timestamp with time zone,
    wrap_verify_wall_ms bigint,
    CONSTRAINT proving_commitments_are_32_bytes CHECK (((octet_length(program) = 32) AND (octet_length(machine) = 32))),
    CONSTRAINT proving_counts_are_not_negative CHECK (((instructions >= 0) AND (segments > 0) AND (input_failures >= 0) AND (verify_wall_ms >= 0))),
    CONSTRAINT proving_executed_hash_only_when_different CHECK (((executed_hash IS NULL) OR ((execution = 'different'::text) AND (octet_length(executed_hash) = 32)))),
    CONSTRAINT proving_executed_is_whole CHECK ((((execution = 'equal'::text) = (instructions IS NOT NULL)) AND ((execution = 'equal'::text) = (segments IS NOT NULL)) AND ((execution = 'equal'::text) = (program IS NOT NULL)) AND ((execution = 'equal'::text) = (machine IS NOT NULL)) AND ((execution = 'equal'::text) = (image IS NOT NULL)))),
    CONSTRAINT proving_execution_is_known CHECK ((execution = ANY (ARRAY['unchecked'::text, 'equal'::text, 'different'::text]))),
    CONSTRAINT proving_rejected_is_different CHECK (((state = 'rejected'::text) = (execution = 'different'::text))),
    CONSTRAINT proving_state_is_known CHECK ((state = ANY (ARRAY['open'::text, 'verified'::text, 'rejected'::text, 'discarded'::text]))),
    CONSTRAINT proving_verified_is_whole CHECK ((((state = 'verified'::text) = (proof IS NOT NULL)) AND ((state = 'verified'::text) = (verified_at IS NOT NULL)) AND ((state = 'verified'::text) = (verify_wall_ms IS NOT NULL)) AND ((state <> 'verified'::text) OR (execution = 'equal'::text)))),
    CONSTRAINT proving_wrap_is_whole CHECK ((((wrap IS NULL) = (wrapped_at IS NULL)) AND ((wrap IS NULL) = (wrap_verify_wall_ms IS NULL)) AND ((wrap IS NULL) OR (state = 'verified'::text)))),
    CONSTRAINT proving_wrap_verify_is_not_negative CHECK ((wrap_verify_wall_ms >= 0))
);

COMMENT ON TABLE public.proving IS 'Batches that are to be proved, and how far they are';

ALTER TABLE ONLY public.artefact_chunk
    ADD CONSTRAINT artefact_chunk_pkey PRIMARY KEY (artefact, number);

ALTER TABLE ONLY public.artefact
    ADD CONSTRAINT artefact_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.batch
    ADD CONSTRAINT batch_hash_is_unique UNIQUE (hash);

ALTER TABLE ONLY public.batch
    ADD CONSTRAINT batch_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (singleton);

ALTER TABLE ONLY public.job
    ADD CONSTRAINT job_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.job
    ADD CONSTRAINT job_place_is_unique UNIQUE (batch, layer, node);

ALTER TABLE ONLY public.l1_attempt
    ADD CONSTRAINT l1_attempt_hash_is_unique UNIQUE (hash);

ALTER TABLE ONLY public.l1_attempt
    ADD CONSTRAINT l1_attempt_pkey PRIMARY KEY (transaction, number);

ALTER TABLE ONLY public.l1_transaction
    ADD CONSTRAINT l1_transaction_nonce_is_unique UNIQUE (sender, nonce);

ALTER TABLE ONLY public.l1_transaction
    ADD CONSTRAINT l1_transaction_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.proving
    ADD CONSTRAINT proving_pkey PRIMARY KEY (batch);

CREATE INDEX batch_finality_final ON public.batch USING btree (number) WHERE (finalize_state = 'final'::text);

CREATE INDEX batch_finality_open ON public.batch USING btree (number) WHERE (finalize_state = ANY (ARRAY['included'::text, 'confirmed'::text]));

CREATE INDEX batch_not_final ON public.batch USING btree (number) WHERE (commit_state <> 'final'::text);

CREATE INDEX batch_proof_final ON public.batch USING btree (number) WHERE (prove_state = 'final'::text);

CREATE INDEX batch_proof_open ON public.batch USING btree (number) WHERE (prove_state = ANY (ARRAY['included'::text, 'confirmed'::text]));

CREATE INDEX job_leased ON public.job USING btree (lease_until) WHERE (state = 'leased'::text);

CREATE INDEX job_measured ON public.job USING btree (stage, finished_at DESC) WHERE (state = 'done'::text);

CREATE INDEX job_output ON public.job USING btree (output) WHERE (output IS NOT NULL);

CREATE INDEX job_public_values ON public.job USING btree (public_values) WHERE (public_values IS NOT NULL);

CREATE INDEX job_ready ON public.job USING btree (batch, layer DESC, node) WHERE (state = 'ready'::text);

CREATE INDEX job_trouble ON public.job USING btree (batch) WHERE (state = ANY (ARRAY['dead'::text, 'rejected'::text]));

CREATE UNIQUE INDEX job_wrap_is_unique ON public.job USING btree (batch) WHERE (stage = 'wrap'::text);

CREATE INDEX l1_transaction_by_first_batch ON public.l1_transaction USING btree (first_batch);

CREATE INDEX l1_transaction_by_last_batch ON public.l1_transaction USING btree (last_batch);

CREATE INDEX l1_transaction_not_final ON public.l1_transaction USING btree (nonce) WHERE (state <> 'final'::text);

CREATE INDEX proving_input ON public.proving USING btree (input);

CREATE INDEX proving_proof ON public.proving USING btree (proof);

CREATE INDEX proving_unfinished ON public.proving USING btree (batch) WHERE (state = ANY (ARRAY['open'::text, 'rejected'::text]));

CREATE INDEX proving_unwrapped ON public.proving USING btree (batch) WHERE ((state = 'verified'::text) AND (wrap IS NULL));

CREATE INDEX proving_wrap ON public.proving USING btree (wrap);

ALTER TABLE ONLY public.artefact_chunk
    ADD CONSTRAINT artefact_chunk_artefact_fkey FOREIGN KEY (artefact) REFERENCES public.artefact(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.job
    ADD CONSTRAINT job_batch_fkey FOREIGN KEY (batch) REFERENCES public.proving(batch);

ALTER TABLE ONLY public.job
    ADD CONSTRAINT job_output_fkey FOREIGN KEY (output) REFERENCES public.artefact(id);

ALTER TABLE ONLY public.job
    ADD CONSTRAINT job_public_values_fkey FOREIGN KEY (public_values) REFERENCES public.artefact(id);

ALTER TABLE ONLY public.l1_attempt
    ADD CONSTRAINT l1_attempt_transaction_fkey FOREIGN KEY (transaction) REFERENCES public.l1_transaction(id);

ALTER TABLE ONLY public.l1_transaction
    ADD CONSTRAINT l1_transaction_first_batch_fkey FOREIGN KEY (first_batch) REFERENCES public.batch(number);

ALTER TABLE ONLY public.l1_transaction
    ADD CONSTRAINT l1_transaction_last_batch_fkey FOREIGN KEY (last_batch) REFERENCES public.batch(number);

ALTER TABLE ONLY public.proving
    ADD CONSTRAINT proving_batch_fkey FOREIGN KEY (batch) REFERENCES public.batch(number);

ALTER TABLE ONLY public.proving
    ADD CONSTRAINT proving_input_fkey FOREIGN KEY (input) REFERENCES public.artefact(id);

ALTER TABLE ONLY public.proving
    ADD CONSTRAINT proving_proof_fkey FOREIGN KEY (proof) REFERENCES public.artefact(id);

ALTER TABLE ONLY public.proving
    ADD CONSTRAINT proving_wrap_fkey FOREIGN KEY (wrap) REFERENCES public.artefact(id);
