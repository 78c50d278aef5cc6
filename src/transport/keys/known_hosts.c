/* known_hosts: the lines of one file, indexed. What they mean together is known_check.c. */
#include "transport/keys/known_hosts.h"

#define OPENSSL_SUPPRESS_DEPRECATED /* low-level SHA1: no allocation for each of many hashes */
#include <ctype.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/file.h"
#include "common/rng.h"
#include "transport/wire.h"

#define FILE_MAX ((size_t)64 << 20)
#define SHA1_BYTES SHA_DIGEST_LENGTH
#define SHA1_BLOCK 64
#define BUCKETS_MIN 64

enum entry_kind { ENTRY_PLAIN, ENTRY_PATTERNS, ENTRY_HASHED };

struct entry {
	struct known_key key;
	enum entry_kind kind;
	char *patterns;           /* ENTRY_PATTERNS: the list as written, in lower case */
	uint8_t salt[SHA1_BYTES]; /* ENTRY_HASHED */
	uint8_t hash[SHA1_BYTES];
	struct entry *next; /* of the lines that are not in the table */
};

/* One name of a plain line. */
struct name {
	struct name *next;
	char *text;
	struct entry *entry;
};

struct known_hosts {
	char *path;
	size_t bad_lines;
	struct entry **entries;
	size_t n, cap;
	struct name **buckets;
	size_t n_buckets, n_names;
	struct entry *others; /* patterns and hashed, newest first */
};

/* ---- matching ---- */

/* '*' and '?' only: brackets stand for themselves, as in [host]:port. */
static bool match_one(const char *pattern, size_t len, const char *s)
{
	size_t p = 0, star = SIZE_MAX;
	const char *retry = NULL;

	while (*s) {
		if (p < len && pattern[p] == '*') {
			star = p++;
			retry = s;
		} else if (p < len && (pattern[p] == '?' || pattern[p] == *s)) {
			p++;
			s++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			s = ++retry;
		} else {
			return false;
		}
	}
	while (p < len && pattern[p] == '*')
		p++;
	return p == len;
}

/* One negated pattern that matches undoes the whole line. */
static bool match_list(const char *list, const char *name)
{
	bool found = false;

	while (*list) {
		size_t len = strcspn(list, ",");
		bool negated = *list == '!';

		if (match_one(list + negated, len - negated, name)) {
			if (negated)
				return false;
			found = true;
		}
		list += len + (list[len] == ',');
	}
	return found;
}

static void hmac_sha1(
	const uint8_t key[SHA1_BYTES], const char *text, uint8_t out[SHA1_BYTES])
{
	uint8_t pad[SHA1_BLOCK];
	SHA_CTX ctx;

	memset(pad, 0x36, sizeof(pad));
	for (size_t i = 0; i < SHA1_BYTES; i++)
		pad[i] ^= key[i];
	SHA1_Init(&ctx);
	SHA1_Update(&ctx, pad, sizeof(pad));
	SHA1_Update(&ctx, text, strlen(text));
	SHA1_Final(out, &ctx);
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	SHA1_Init(&ctx);
	SHA1_Update(&ctx, pad, sizeof(pad));
	SHA1_Update(&ctx, out, SHA1_BYTES);
	SHA1_Final(out, &ctx);
}

static bool entry_matches(const struct entry *e, const char *name)
{
	uint8_t hash[SHA1_BYTES];

	if (e->kind == ENTRY_PATTERNS)
		return match_list(e->patterns, name);
	hmac_sha1(e->salt, name, hash);
	return memcmp(hash, e->hash, sizeof(hash)) == 0;
}

static size_t bucket_of(const struct known_hosts *k, const char *name)
{
	return rng_hash(name, strlen(name)) & (k->n_buckets - 1);
}

void known_hosts_lookup(
	const struct known_hosts *k, const char *name, known_hosts_fn *fn, void *user)
{
	const struct entry *last = NULL;

	if (k->n_buckets) {
		for (const struct name *n = k->buckets[bucket_of(k, name)]; n;
			n = n->next) {
			if (strcmp(n->text, name) != 0)
				continue;
			/* a line that names the host twice counts once */
			if (n->entry != last)
				fn(&n->entry->key, user);
			last = n->entry;
		}
	}
	for (const struct entry *e = k->others; e; e = e->next)
		if (entry_matches(e, name))
			fn(&e->key, user);
}

/* ---- reading ---- */

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static char *lower_copy(const char *s, size_t len)
{
	char *copy = must(malloc(len + 1));

	for (size_t i = 0; i < len; i++)
		copy[i] = (char)tolower((unsigned char)s[i]);
	copy[len] = '\0';
	return copy;
}

static void grow_table(struct known_hosts *k)
{
	size_t n = k->n_buckets ? k->n_buckets * 4 : BUCKETS_MIN;
	struct name **old = k->buckets;
	size_t n_old = k->n_buckets;

	k->buckets = must(calloc(n, sizeof(*k->buckets)));
	k->n_buckets = n;
	for (size_t i = 0; i < n_old; i++) {
		for (struct name *at = old[i], *next; at; at = next) {
			size_t b = bucket_of(k, at->text);

			next = at->next;
			at->next = k->buckets[b];
			k->buckets[b] = at;
		}
	}
	free(old);
}

static void add_name(struct known_hosts *k, struct entry *e, const char *text, size_t len)
{
	struct name *n = must(calloc(1, sizeof(*n)));
	size_t b;

	if (k->n_names >= k->n_buckets)
		grow_table(k);
	n->text = lower_copy(text, len);
	n->entry = e;
	b = bucket_of(k, n->text);
	n->next = k->buckets[b];
	k->buckets[b] = n;
	k->n_names++;
}

static void add_names(
	struct known_hosts *k, struct entry *e, const char *list, size_t len)
{
	for (size_t at = 0; at < len;) {
		const char *comma = memchr(list + at, ',', len - at);
		size_t n = comma ? (size_t)(comma - (list + at)) : len - at;

		if (n)
			add_name(k, e, list + at, n);
		at += n + 1;
	}
}

static void entry_free(struct entry *e)
{
	free(e->key.type);
	free(e->key.blob);
	free(e->patterns);
	free(e);
}

static void keep(struct known_hosts *k, struct entry *e)
{
	if (k->n == k->cap) {
		k->cap = k->cap ? 2 * k->cap : 16;
		k->entries =
			must(reallocarray(k->entries, k->cap, sizeof(struct entry *)));
	}
	k->entries[k->n++] = e;
	if (e->kind == ENTRY_PLAIN)
		return;
	e->next = k->others;
	k->others = e;
}

/* "|1|SALT|HASH", both of 20 bytes in base64. */
static bool parse_hashed(struct entry *e, const char *s, size_t len)
{
	const char *bar = len > 3 ? memchr(s + 3, '|', len - 3) : NULL;
	uint8_t bytes[32];
	size_t salt_len, hash_len;

	if (!bar || memcmp(s, "|1|", 3) != 0)
		return false;
	salt_len = (size_t)(bar - (s + 3));
	hash_len = len - 3 - salt_len - 1;
	if (salt_len > 40 || hash_len > 40 ||
		digest_base64_decode(s + 3, salt_len, bytes) != SHA1_BYTES)
		return false;
	memcpy(e->salt, bytes, SHA1_BYTES);
	if (digest_base64_decode(bar + 1, hash_len, bytes) != SHA1_BYTES)
		return false;
	memcpy(e->hash, bytes, SHA1_BYTES);
	e->kind = ENTRY_HASHED;
	return true;
}

/* The key: its type stands in the line and again in front of the blob. */
static bool parse_key(
	struct entry *e, const char *type, size_t type_len, const char *text, size_t len)
{
	struct wire w, name;
	long n;

	e->key.blob = must(malloc(len / 4 * 3 + 1));
	n = digest_base64_decode(text, len, e->key.blob);
	if (n <= 0)
		return false;
	e->key.blob_len = (size_t)n;
	w = wire_of(e->key.blob, e->key.blob_len);
	name = wire_string(&w);
	if (name.bad || name.left != type_len || memcmp(name.p, type, type_len) != 0)
		return false;
	e->key.type = must(strndup(type, type_len));
	return true;
}

/* The next word of [*at, end); its length, 0 at the end. */
static size_t next_word(const char **at, const char *end, const char **ret)
{
	const char *p = *at;

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	*ret = p;
	while (p < end && *p != ' ' && *p != '\t')
		p++;
	*at = p;
	return (size_t)(p - *ret);
}

static bool word_is(const char *word, size_t len, const char *s)
{
	return len == strlen(s) && memcmp(word, s, len) == 0;
}

static bool parse_line(
	struct known_hosts *k, struct entry *e, const char *at, const char *end)
{
	const char *hosts, *type, *key;
	size_t hosts_len = next_word(&at, end, &hosts), type_len, key_len;

	if (hosts_len && *hosts == '@') {
		if (word_is(hosts, hosts_len, "@revoked"))
			e->key.marker = KNOWN_REVOKED;
		else if (word_is(hosts, hosts_len, "@cert-authority"))
			e->key.marker = KNOWN_CA;
		else
			return false;
		hosts_len = next_word(&at, end, &hosts);
	}
	type_len = next_word(&at, end, &type);
	key_len = next_word(&at, end, &key);
	if (!hosts_len || !key_len || memchr(hosts, '\0', (size_t)(end - hosts)) ||
		!parse_key(e, type, type_len, key, key_len))
		return false;
	if (*hosts == '|')
		return parse_hashed(e, hosts, hosts_len);
	if (memchr(hosts, '*', hosts_len) || memchr(hosts, '?', hosts_len) ||
		memchr(hosts, '!', hosts_len)) {
		e->kind = ENTRY_PATTERNS;
		e->patterns = lower_copy(hosts, hosts_len);
	} else {
		add_names(k, e, hosts, hosts_len);
	}
	return true;
}

static void add_line(struct known_hosts *k, const char *line, size_t len, unsigned number)
{
	const char *end = line + len;
	struct entry *e;

	while (line < end && (*line == ' ' || *line == '\t'))
		line++;
	if (line == end || *line == '#')
		return;
	e = must(calloc(1, sizeof(*e)));
	e->key.path = k->path;
	e->key.line = number;
	if (parse_line(k, e, line, end)) {
		keep(k, e);
	} else {
		k->bad_lines++;
		entry_free(e);
	}
}

struct known_hosts *known_hosts_parse(const char *path, const char *text, size_t len)
{
	struct known_hosts *k = must(calloc(1, sizeof(*k)));
	const char *end = text + len;
	unsigned number = 0;

	k->path = must(strdup(path));
	while (len && text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));
		const char *stop = nl ? nl : end;
		size_t n = (size_t)(stop - text);

		add_line(k, text, n && text[n - 1] == '\r' ? n - 1 : n, ++number);
		text = stop + 1;
	}
	return k;
}

struct known_hosts *known_hosts_load(const char *path)
{
	AUTO_BUF struct buf text = BUF_INIT;
	struct err err = ERR_INIT;

	if (file_read(path, FILE_MAX, &text, &err) < 0)
		return known_hosts_parse(path, "", 0);
	return known_hosts_parse(path, text.data ? text.data : "", text.len);
}

void known_hosts_destroy(struct known_hosts *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->n_buckets; i++) {
		for (struct name *n = k->buckets[i], *next; n; n = next) {
			next = n->next;
			free(n->text);
			free(n);
		}
	}
	for (size_t i = 0; i < k->n; i++)
		entry_free(k->entries[i]);
	free(k->buckets);
	free(k->entries);
	free(k->path);
	free(k);
}

const char *known_hosts_path(const struct known_hosts *k)
{
	return k->path;
}

size_t known_hosts_bad_lines(const struct known_hosts *k)
{
	return k->bad_lines;
}

int known_hosts_line(struct buf *out, const char *name, const void *blob, size_t len)
{
	struct wire w = wire_of(blob, len);
	struct wire type = wire_string(&w);
	AUTO_FREE char *text = must(malloc(digest_base64_len(len) + 1));

	digest_base64_encode(blob, len, text);
	return buf_printf(
		out, "%s %.*s %s\n", name, (int)type.left, (const char *)type.p, text);
}

void known_hosts_add(
	struct known_hosts *k, const char *name, const void *blob, size_t len)
{
	AUTO_BUF struct buf line = BUF_INIT;

	if (known_hosts_line(&line, name, blob, len) < 0)
		abort();
	add_line(k, line.data, line.len - 1, 0);
}
