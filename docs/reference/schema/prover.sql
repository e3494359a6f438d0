-- Made by `cargo xtask gen` from the migrations.

CREATE TABLE public.batch (
    number bigint NOT NULL,
    hash bytea NOT NULL,
    header bytea NOT NULL,
    sealed_at bigint NOT NULL,
    commit_state text DEFAULT 'none'::text NOT NULL,
    commit_transaction bytea,
    commit_block bigint,
    commit_gas_used bigint,
    CONSTRAINT batch_commit_is_whole CHECK ((((commit_state = 'none'::text) = (commit_transaction IS NULL)) AND ((commit_state = 'none'::text) = (commit_block IS NULL)) AND ((commit_state = 'none'::text) = (commit_gas_used IS NULL)))),
    CONSTRAINT batch_commit_state_is_known CHECK ((commit_state = ANY (ARRAY['none'::text, 'included'::text, 'confirmed'::text, 'final'::text]))),
    CONSTRAINT batch_commit_transaction_is_32_bytes CHECK ((octet_length(commit_transaction) = 32)),
    CONSTRAINT batch_hash_is_32_bytes CHECK ((octet_length(hash) = 32)),
    CONSTRAINT batch_number_is_positive CHECK ((number > 0))
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
    CONSTRAINT l1_transaction_kind_is_known CHECK ((kind = 'commit'::text)),
    CONSTRAINT l1_transaction_nonce_is_not_negative CHECK ((nonce >= 0)),
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

ALTER TABLE ONLY public.batch
    ADD CONSTRAINT batch_hash_is_unique UNIQUE (hash);

ALTER TABLE ONLY public.batch
    ADD CONSTRAINT batch_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (singleton);

ALTER TABLE ONLY public.l1_attempt
    ADD CONSTRAINT l1_attempt_hash_is_unique UNIQUE (hash);

ALTER TABLE ONLY public.l1_attempt
    ADD CONSTRAINT l1_attempt_pkey PRIMARY KEY (transaction, number);

ALTER TABLE ONLY public.l1_transaction
    ADD CONSTRAINT l1_transaction_nonce_is_unique UNIQUE (sender, nonce);

ALTER TABLE ONLY public.l1_transaction
    ADD CONSTRAINT l1_transaction_pkey PRIMARY KEY (id);

CREATE INDEX batch_not_final ON public.batch USING btree (number) WHERE (commit_state <> 'final'::text);

CREATE INDEX l1_transaction_by_last_batch ON public.l1_transaction USING btree (last_batch);

CREATE INDEX l1_transaction_not_final ON public.l1_transaction USING btree (nonce) WHERE (state <> 'final'::text);

ALTER TABLE ONLY public.l1_attempt
    ADD CONSTRAINT l1_attempt_transaction_fkey FOREIGN KEY (transaction) REFERENCES public.l1_transaction(id);

ALTER TABLE ONLY public.l1_transaction
    ADD CONSTRAINT l1_transaction_first_batch_fkey FOREIGN KEY (first_batch) REFERENCES public.batch(number);

ALTER TABLE ONLY public.l1_transaction
    ADD CONSTRAINT l1_transaction_last_batch_fkey FOREIGN KEY (last_batch) REFERENCES public.batch(number);
