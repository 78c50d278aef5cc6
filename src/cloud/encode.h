/* encode: bytes as they stand in request targets and in signatures. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Percent-encodes text[0..len) but for the unreserved characters of RFC 3986 (A-Z a-z 0-9 - _ . ~) and,
 * with keep_slash, '/'; hex digits in capitals, as SigV4 wants it. out needs 3 * len + 1 bytes; it is
 * NUL-terminated. Returns the length. */
size_t encode_uri(const char *text, size_t len, bool keep_slash, char *out);
/* Decodes %XX (an application/x-www-form-urlencoded '+' stays '+'). out needs len + 1 bytes; may be text
 * itself. Returns the length, or -1 when a '%' is followed by anything but two hex digits. */
long decode_uri(const char *text, size_t len, char *out);

/* base64url without padding (RFC 4648 section 5), for JWTs. out needs digest_base64_len(len) + 1. */
size_t encode_base64url(const void *data, size_t len, char *out);
/* n bytes as 2n lower-case hex digits and a NUL. */
void encode_hex(const uint8_t *data, size_t n, char *out);

/* A time as headers have it: "20261121T160500Z" (17 bytes with the NUL) and
 * "Sat, 21 Nov 2026 16:05:00 GMT" (30 bytes with the NUL; RFC 9110 5.6.7). unix_s: seconds since 1970. */
void encode_time_amz(uint64_t unix_s, char out[17]);
void encode_time_http(uint64_t unix_s, char out[30]);
/* "2026-11-21T16:05:00Z" (21 bytes with the NUL). */
void encode_time_iso(uint64_t unix_s, char out[21]);
/* Reads an ISO 8601 time ("2026-11-21T16:05:00Z"; also without seconds, with a fraction, with an offset like
 * +01:00, or a date alone, which is its midnight UTC) or an HTTP date. False: neither. */
bool decode_time(const char *text, uint64_t *ret_unix_s);
