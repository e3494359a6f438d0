//! OpenID Connect: discovery, key rotation, access-token checks by RFC 8725 and RFC 9068.
