/* known_check: what the lines of all files say about one key of one host. */
#include <ctype.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "transport/keys/known_hosts.h"
#include "transport/wire.h"

struct lookup {
	const uint8_t *blob;
	size_t len;
	struct wire type;
	struct known_match match;
	struct buf *types;
};

static bool same_key(const struct lookup *l, const struct known_key *key)
{
	return key->blob_len == l->len && memcmp(key->blob, l->blob, l->len) == 0;
}

static void judge(const struct known_key *key, void *user)
{
	struct lookup *l = user;
	struct known_match *m = &l->match;

	if (key->marker == KNOWN_CA) {
		m->ca = key;
	} else if (key->marker == KNOWN_REVOKED) {
		if (same_key(l, key)) {
			m->verdict = KNOWN_IS_REVOKED;
			m->key = key;
		}
	} else if (m->verdict == KNOWN_IS_REVOKED) {
		return;
	} else if (same_key(l, key)) {
		m->verdict = KNOWN_OK;
		m->key = key;
	} else if (!wire_is(&l->type, key->type)) {
		m->other_type = key;
	} else if (m->verdict != KNOWN_OK) {
		m->verdict = KNOWN_CHANGED;
		m->key = key;
	}
}

int known_hosts_name(struct buf *out, const char *host, uint16_t port)
{
	size_t start = out->len;
	bool plain = port == 0 || port == 22;
	int rc = plain ? buf_puts(out, host) : buf_printf(out, "[%s]:%u", host, port);

	for (size_t i = start; rc == 0 && i < out->len; i++)
		out->data[i] = (char)tolower((unsigned char)out->data[i]);
	return rc;
}

static void look_up_all(struct known_hosts *const *files, size_t n, const char *host,
	uint16_t port, known_hosts_fn *fn, void *user)
{
	AUTO_BUF struct buf name = BUF_INIT;

	if (known_hosts_name(&name, host, port) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		known_hosts_lookup(files[i], name.data ? name.data : "", fn, user);
}

struct known_match known_hosts_check(struct known_hosts *const *files, size_t n,
	const char *host, uint16_t port, const void *blob, size_t len)
{
	struct wire w = wire_of(blob, len);
	struct lookup l = {
		.blob = blob,
		.len = len,
		.type = wire_string(&w),
		.match = {.verdict = KNOWN_UNKNOWN},
	};

	look_up_all(files, n, host, port, judge, &l);
	if (l.match.verdict == KNOWN_UNKNOWN && port && port != 22) {
		struct lookup plain = l;

		look_up_all(files, n, host, 0, judge, &plain);
		if (plain.match.verdict == KNOWN_OK ||
			plain.match.verdict == KNOWN_IS_REVOKED)
			return plain.match;
	}
	return l.match;
}

static void note_type(const struct known_key *key, void *user)
{
	struct lookup *l = user;
	size_t len = strlen(key->type);
	const char *at = l->types->data;

	if (key->marker != KNOWN_KEY)
		return;
	while (at && (at = strstr(at, key->type))) {
		if ((at == l->types->data || at[-1] == ',') && at[len] == ',')
			return;
		at += len;
	}
	buf_printf(l->types, "%s,", key->type);
}

int known_hosts_types(struct known_hosts *const *files, size_t n, const char *host,
	uint16_t port, struct buf *out)
{
	struct lookup l = {.types = out};

	look_up_all(files, n, host, port, note_type, &l);
	if (!out->len && port && port != 22)
		look_up_all(files, n, host, 0, note_type, &l);
	return 0;
}

static void note_any(const struct known_key *key, void *user)
{
	const struct known_key **any = user;

	if (key->marker == KNOWN_KEY)
		*any = key;
}

const struct known_key *known_hosts_any(
	struct known_hosts *const *files, size_t n, const char *host, uint16_t port)
{
	const struct known_key *any = NULL;

	look_up_all(files, n, host, port, note_any, &any);
	return any;
}

static void note_ca(const struct known_key *key, void *user)
{
	const struct known_key **ca = user;

	if (key->marker == KNOWN_CA)
		*ca = key;
}

const struct known_key *known_hosts_ca(
	struct known_hosts *const *files, size_t n, const char *host, uint16_t port)
{
	const struct known_key *ca = NULL;

	look_up_all(files, n, host, port, note_ca, &ca);
	if (!ca && port && port != 22)
		look_up_all(files, n, host, 0, note_ca, &ca);
	return ca;
}
