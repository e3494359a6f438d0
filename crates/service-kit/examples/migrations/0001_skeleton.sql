CREATE TABLE skeleton (id bigint PRIMARY KEY);
