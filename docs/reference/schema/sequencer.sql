-- Made by `cargo xtask gen` from the migrations.

CREATE TABLE public.audit_head (
    ledger text NOT NULL,
    count bigint NOT NULL,
    head bytea NOT NULL,
    CONSTRAINT audit_head_count_is_not_negative CHECK ((count >= 0)),
    CONSTRAINT audit_head_is_32_bytes CHECK ((octet_length(head) = 32)),
    CONSTRAINT audit_head_ledger_is_short CHECK (((octet_length(ledger) >= 1) AND (octet_length(ledger) <= 64)))
);

COMMENT ON TABLE public.audit_head IS 'Latest audit-ledger heads; the next sealed batch binds them';

CREATE TABLE public.batch (
    number bigint NOT NULL,
    hash bytea NOT NULL,
    header bytea NOT NULL,
    first_block bigint NOT NULL,
    last_block bigint NOT NULL,
    transaction_count integer NOT NULL,
    transaction_leaves bytea NOT NULL,
    sealed_at bigint NOT NULL,
    estimated_instructions bigint,
    measured_instructions bigint,
    CONSTRAINT batch_blocks_are_in_order CHECK ((first_block <= last_block)),
    CONSTRAINT batch_has_a_leaf_for_each_transaction CHECK (((transaction_count >= 0) AND (octet_length(transaction_leaves) = (32 * transaction_count)))),
    CONSTRAINT batch_hash_is_32_bytes CHECK ((octet_length(hash) = 32)),
    CONSTRAINT batch_instructions_are_positive CHECK (((estimated_instructions > 0) AND (measured_instructions > 0))),
    CONSTRAINT batch_number_is_not_negative CHECK ((number >= 0))
);
ALTER TABLE ONLY public.batch ALTER COLUMN transaction_leaves SET STORAGE EXTERNAL;

COMMENT ON TABLE public.batch IS 'Sealed batches; each was executed again from its witness before it was written';

CREATE TABLE public.batch_input (
    batch bigint NOT NULL,
    input bytea NOT NULL
);
ALTER TABLE ONLY public.batch_input ALTER COLUMN input SET STORAGE EXTERNAL;

COMMENT ON TABLE public.batch_input IS 'What a prover needs for one batch';

CREATE TABLE public.block (
    number bigint NOT NULL,
    hash bytea NOT NULL,
    parent_hash bytea NOT NULL,
    header bytea NOT NULL,
    "timestamp" bigint NOT NULL,
    batch bigint NOT NULL,
    transaction_count integer NOT NULL,
    transaction_bytes bigint NOT NULL,
    built_at_ms bigint NOT NULL,
    CONSTRAINT block_batch_is_not_after_block CHECK (((batch >= 0) AND (batch <= number))),
    CONSTRAINT block_counts_are_not_negative CHECK (((transaction_count >= 0) AND (transaction_bytes >= 0))),
    CONSTRAINT block_hash_is_32_bytes CHECK ((octet_length(hash) = 32)),
    CONSTRAINT block_number_is_not_negative CHECK ((number >= 0)),
    CONSTRAINT block_parent_hash_is_32_bytes CHECK ((octet_length(parent_hash) = 32))
);

COMMENT ON TABLE public.block IS 'Durable blocks; a transaction is acknowledged only when its block is here';

CREATE TABLE public.chain (
    singleton boolean DEFAULT true NOT NULL,
    chain_id bigint NOT NULL,
    writer_term bigint DEFAULT 0 NOT NULL,
    CONSTRAINT chain_id_is_positive CHECK ((chain_id > 0)),
    CONSTRAINT chain_is_one_row CHECK (singleton),
    CONSTRAINT writer_term_is_not_negative CHECK ((writer_term >= 0))
);

COMMENT ON TABLE public.chain IS 'One row: which chain this database holds, and who may write it';

CREATE TABLE public.code (
    hash bytea NOT NULL,
    code bytea NOT NULL,
    CONSTRAINT code_hash_is_32_bytes CHECK ((octet_length(hash) = 32)),
    CONSTRAINT code_is_not_empty CHECK ((octet_length(code) > 0))
);
ALTER TABLE ONLY public.code ALTER COLUMN code SET STORAGE EXTERNAL;

COMMENT ON TABLE public.code IS 'Contract code by its hash; never removed';

CREATE TABLE public.leaf (
    kind smallint NOT NULL,
    address bytea NOT NULL,
    slot bytea NOT NULL,
    value bytea NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT leaf_address_is_20_bytes CHECK ((octet_length(address) = 20)),
    CONSTRAINT leaf_shape_fits_kind CHECK ((((kind = 1) AND (octet_length(slot) = 0) AND (octet_length(value) = 72)) OR ((kind = 2) AND (octet_length(slot) = 32) AND (octet_length(value) = 32)) OR ((kind = 3) AND (octet_length(slot) = 0) AND (octet_length(value) = 40)))),
    CONSTRAINT leaf_version_is_not_negative CHECK ((version >= 0))
);

COMMENT ON TABLE public.leaf IS 'The whole state at the last sealed batch';

CREATE TABLE public.leaf_opening (
    key bytea NOT NULL,
    version bigint NOT NULL,
    value bytea NOT NULL,
    CONSTRAINT leaf_opening_key_is_32_bytes CHECK ((octet_length(key) = 32))
);

COMMENT ON TABLE public.leaf_opening IS 'Every value that a leaf had at a batch boundary, for proofs at earlier batches';

CREATE TABLE public.log (
    block_number bigint NOT NULL,
    log_index integer NOT NULL,
    transaction_index integer NOT NULL,
    address bytea NOT NULL,
    topic0 bytea,
    topic1 bytea,
    topic2 bytea,
    topic3 bytea,
    data bytea NOT NULL,
    CONSTRAINT log_address_is_20_bytes CHECK ((octet_length(address) = 20)),
    CONSTRAINT log_topics_are_32_bytes CHECK (((octet_length(topic0) = 32) AND (octet_length(topic1) = 32) AND (octet_length(topic2) = 32) AND (octet_length(topic3) = 32))),
    CONSTRAINT log_topics_have_no_gap CHECK ((((topic0 IS NOT NULL) OR (topic1 IS NULL)) AND ((topic1 IS NOT NULL) OR (topic2 IS NULL)) AND ((topic2 IS NOT NULL) OR (topic3 IS NULL))))
);

COMMENT ON TABLE public.log IS 'Logs in block order; filters by first topic alone use the block range';

CREATE TABLE public.transaction (
    block_number bigint NOT NULL,
    index_in_block integer NOT NULL,
    hash bytea NOT NULL,
    sender bytea NOT NULL,
    raw bytea NOT NULL,
    succeeded boolean NOT NULL,
    gas_used bigint NOT NULL,
    cumulative_gas_used bigint NOT NULL,
    effective_gas_price bytea NOT NULL,
    contract_address bytea,
    first_log_index integer NOT NULL,
    log_count integer NOT NULL,
    CONSTRAINT transaction_contract_is_20_bytes CHECK ((octet_length(contract_address) = 20)),
    CONSTRAINT transaction_counts_are_not_negative CHECK (((index_in_block >= 0) AND (gas_used >= 0) AND (cumulative_gas_used >= gas_used) AND (first_log_index >= 0) AND (log_count >= 0))),
    CONSTRAINT transaction_hash_is_32_bytes CHECK ((octet_length(hash) = 32)),
    CONSTRAINT transaction_price_is_16_bytes CHECK ((octet_length(effective_gas_price) = 16)),
    CONSTRAINT transaction_sender_is_20_bytes CHECK ((octet_length(sender) = 20))
);

COMMENT ON TABLE public.transaction IS 'Transactions with their receipts, in block order';

CREATE TABLE public.tree_page (
    page bytea NOT NULL,
    version bigint NOT NULL,
    content bytea NOT NULL,
    CONSTRAINT tree_page_id_has_a_path CHECK (((octet_length(page) >= 1) AND (octet_length(page) <= 33))),
    CONSTRAINT tree_page_version_is_a_batch CHECK ((version >= 0))
);
ALTER TABLE ONLY public.tree_page ALTER COLUMN content SET STORAGE PLAIN;

COMMENT ON TABLE public.tree_page IS 'Subtrees of four levels of the state tree, one row for each batch that changed them';

ALTER TABLE ONLY public.audit_head
    ADD CONSTRAINT audit_head_pkey PRIMARY KEY (ledger);

ALTER TABLE ONLY public.batch
    ADD CONSTRAINT batch_hash_is_unique UNIQUE (hash);

ALTER TABLE ONLY public.batch_input
    ADD CONSTRAINT batch_input_pkey PRIMARY KEY (batch);

ALTER TABLE ONLY public.batch
    ADD CONSTRAINT batch_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.block
    ADD CONSTRAINT block_hash_is_unique UNIQUE (hash);

ALTER TABLE ONLY public.block
    ADD CONSTRAINT block_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.chain
    ADD CONSTRAINT chain_pkey PRIMARY KEY (singleton);

ALTER TABLE ONLY public.code
    ADD CONSTRAINT code_pkey PRIMARY KEY (hash);

ALTER TABLE ONLY public.leaf_opening
    ADD CONSTRAINT leaf_opening_pkey PRIMARY KEY (key, version);

ALTER TABLE ONLY public.leaf
    ADD CONSTRAINT leaf_pkey PRIMARY KEY (kind, address, slot);

ALTER TABLE ONLY public.log
    ADD CONSTRAINT log_pkey PRIMARY KEY (block_number, log_index);

ALTER TABLE ONLY public.transaction
    ADD CONSTRAINT transaction_hash_is_unique UNIQUE (hash);

ALTER TABLE ONLY public.transaction
    ADD CONSTRAINT transaction_pkey PRIMARY KEY (block_number, index_in_block);

ALTER TABLE ONLY public.tree_page
    ADD CONSTRAINT tree_page_pkey PRIMARY KEY (page, version);

CREATE INDEX batch_by_last_block ON public.batch USING btree (last_block);

CREATE INDEX block_by_batch ON public.block USING btree (batch, number);

CREATE INDEX log_by_address ON public.log USING btree (address, block_number);

CREATE INDEX log_by_topic1 ON public.log USING btree (topic1, block_number) WHERE (topic1 IS NOT NULL);

CREATE INDEX log_by_topic2 ON public.log USING btree (topic2, block_number) WHERE (topic2 IS NOT NULL);

CREATE INDEX log_by_topic3 ON public.log USING btree (topic3, block_number) WHERE (topic3 IS NOT NULL);

CREATE INDEX tree_page_version ON public.tree_page USING brin (version) WITH (pages_per_range='16');

ALTER TABLE ONLY public.batch
    ADD CONSTRAINT batch_first_block_fkey FOREIGN KEY (first_block) REFERENCES public.block(number);

ALTER TABLE ONLY public.batch_input
    ADD CONSTRAINT batch_input_batch_fkey FOREIGN KEY (batch) REFERENCES public.batch(number);

ALTER TABLE ONLY public.batch
    ADD CONSTRAINT batch_last_block_fkey FOREIGN KEY (last_block) REFERENCES public.block(number);
