-- Pages of the state tree.
create table tree_page (
    -- Depth of the page's top in bits and the path to there (cloister_state_tree::PageId).
    page bytea not null,
    -- Batch that wrote this content.
    version bigint not null,
    -- Version-1 encoding (cloister_state_tree::Page): at most 1,057 bytes.
    content bytea not null,
    constraint tree_page_pkey primary key (page, version)
);
comment on table tree_page is 'Every version of every page of the state tree';
-- Hashes do not compress.
alter table tree_page alter column content set storage external;
-- Pruning goes by batch, and rows arrive in the order of their batch.
create index tree_page_version on tree_page using brin (version) with (pages_per_range = 16);
