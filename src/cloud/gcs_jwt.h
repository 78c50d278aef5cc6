/* gcs_jwt: a signed token of a header and a body. Private to cloud/ and its tests. */
#pragma once

struct err;

/* JWS compact serialization with RS256 (RFC 7515) of two JSON texts as they are; pem: an RSA private key.
 * malloc; NULL with err. */
char *gcs_jws(const char *head, const char *body, const char *pem, struct err *err);
