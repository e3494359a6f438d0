-- Pages of the state tree. This text is the reference: a service's migration repeats it.
create table tree_page (
    -- cloister_state_tree::PageId: depth of the page's top in bits, then the path's bytes.
    page bytea not null,
    -- Number of the batch that wrote this version of the page.
    version bigint not null,
    -- cloister_state_tree::Page, encoding version 1: at most 1,057 bytes, stored as they are.
    content bytea not null,
    constraint tree_page_pkey primary key (page, version),
    constraint tree_page_version_is_a_batch check (version >= 0),
    constraint tree_page_id_has_a_path check (octet_length(page) between 1 and 33)
);
-- Hashes do not compress, and a page always fits into its row.
alter table tree_page alter column content set storage plain;
comment on table tree_page is 'Subtrees of four levels of the state tree, one row for each batch that changed them';
-- Pruning goes by batch, and rows arrive in the order of their batch.
create index tree_page_version on tree_page using brin (version) with (pages_per_range = 16);
