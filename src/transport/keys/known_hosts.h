/* known_hosts: OpenSSH's files of host keys, as sshd(8) describes them. Pure.
 *
 * A file is read and indexed once; a lookup is a hash probe plus a pass over the lines with wildcards
 * and the hashed ones. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct buf;

enum known_marker {
	KNOWN_KEY,
	KNOWN_REVOKED, /* @revoked */
	KNOWN_CA, /* @cert-authority: libssh2 has no host certificates, so it only says
	           * that ssh is needed */
};

struct known_key {
	enum known_marker marker;
	unsigned line;
	const char *path; /* of its file */
	char *type;
	uint8_t *blob;
	size_t blob_len;
};

struct known_hosts;

/* Never NULL. Lines that cannot be understood are skipped and counted. */
struct known_hosts *known_hosts_parse(const char *path, const char *text, size_t len);
/* A file that does not exist, or is no file, is empty. */
struct known_hosts *known_hosts_load(const char *path);
void known_hosts_destroy(struct known_hosts *k); /* takes NULL */
const char *known_hosts_path(const struct known_hosts *k);
size_t known_hosts_bad_lines(const struct known_hosts *k);

/* Calls fn for each key whose line matches name (as known_hosts_name gives it). */
typedef void known_hosts_fn(const struct known_key *key, void *user);
void known_hosts_lookup(
	const struct known_hosts *k, const char *name, known_hosts_fn *fn, void *user);

/* The name that stands for a host: "host", or "[host]:port" when port is neither 0 nor 22; in lower
 * case. Appended to out. */
int known_hosts_name(struct buf *out, const char *host, uint16_t port);

enum known_verdict {
	KNOWN_OK,
	KNOWN_UNKNOWN, /* no key of this type */
	KNOWN_CHANGED, /* other keys of this type, and not this one */
	KNOWN_IS_REVOKED,
};

struct known_match {
	enum known_verdict verdict;
	const struct known_key
		*key; /* what decided: the same, the other or the revoked key */
	/* for UNKNOWN: a key of another type, or a certificate authority, that stands for the host */
	const struct known_key *other_type, *ca;
};

/* Looks the key up in all files, as ssh does: a key known for the plain host is good for its other
 * ports too, but does not make them changed. port 0: host is an alias, taken as it is. */
struct known_match known_hosts_check(struct known_hosts *const *files, size_t n,
	const char *host, uint16_t port, const void *blob, size_t len);

/* Appends the types of the keys known for the host, each with a comma behind it, without repeats. */
int known_hosts_types(struct known_hosts *const *files, size_t n, const char *host,
	uint16_t port, struct buf *out);

/* A key that stands for the host under this very name; NULL: none. */
const struct known_key *known_hosts_any(
	struct known_hosts *const *files, size_t n, const char *host, uint16_t port);

/* A certificate authority that stands for the host; NULL: none. */
const struct known_key *known_hosts_ca(
	struct known_hosts *const *files, size_t n, const char *host, uint16_t port);

/* Adds a line to the index as if it had been in the file. */
void known_hosts_add(
	struct known_hosts *k, const char *name, const void *blob, size_t len);

/* Appends the line for a file, with its newline. */
int known_hosts_line(struct buf *out, const char *name, const void *blob, size_t len);
