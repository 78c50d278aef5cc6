/* What objects hold: the same bytes however they are cut into pieces, as much of them new as was asked for, and
 * found out when one of them is wrong. */
#include "check.h"

#include <stdlib.h>
#include <zlib.h>

#include "backends/content.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/rng.h"
#include "worker/objects/data.h"

#define OBJECT (128u * 1024u)

static struct data pool;

static void must_pool(void)
{
	struct err err = ERR_INIT;

	if (!pool.size && !CHECK(data_init(&pool, &err) == 0, "%s", err.text))
		abort();
}

/* Some io of a size below OBJECT. */
static struct io any_io(struct rng *r)
{
	static const uint32_t factors[] = {0, 1, 2, 3, 4, 10, 100, 5000};
	struct io io = {
		.kind = OP_PUT,
		.uri = "file:///x",
		.fill = (uint8_t)rng_below(r, 3),
		.dedup = factors[rng_below(r, 6)],
		.compress = factors[rng_below(r, ARRAY_LEN(factors))],
		.block = rng_below(r, 1000),
		.size = rng_below(r, OBJECT),
	};

	/* sizes around the ends of sectors and blocks, and small ones */
	if (rng_below(r, 3) == 0)
		io.size = (io.size & ~UINT64_C(511)) + rng_below(r, 20);
	else if (rng_below(r, 3) == 0)
		io.size %= 10000;
	content_of(&pool, rng_u64(r), &io);
	return io;
}

/* As sets on disks are: pool bytes, and at each multiple of 512 where 8 bytes are left a stamp. */
static void test_unique_stays(void)
{
	static const uint64_t sizes[] = {
		0, 1, 7, 8, 511, 512, 513, 519, 520, 521, 4096, 4100, 70000, 65536 + 3};
	AUTO_FREE uint8_t *got = malloc(OBJECT), *want = malloc(OBJECT);

	must_pool();
	for (size_t i = 0; got && want && i < ARRAY_LEN(sizes); i++) {
		struct io io = {.kind = OP_PUT,
			.fill = FILL_UNIQUE,
			.size = sizes[i],
			.dedup = 1};
		uint64_t id = rng_mix(i + 77);

		content_of(&pool, id, &io);
		CHECK(io.stamp == id &&
			io.data_at == (id & (pool.size - 1) & ~UINT64_C(63)));
		memcpy(want, pool.random + io.data_at, (size_t)sizes[i]);
		for (size_t at = 0; at + 8 <= sizes[i]; at += 512) {
			uint64_t mark = rng_mix(id + at / 512);

			memcpy(want + at, &mark, 8);
		}
		content_build(&pool, &io, 0, got, (size_t)sizes[i]);
		CHECK(memcmp(got, want, (size_t)sizes[i]) == 0, "size %ju",
			(uintmax_t)sizes[i]);
	}
}

/* Pieces of any size that begin with a sector. */
static void test_pieces(void)
{
	AUTO_FREE uint8_t *whole = malloc(OBJECT), *parts = malloc(OBJECT);
	struct rng r;

	must_pool();
	rng_seed(&r, 1);
	for (int i = 0; whole && parts && i < 600; i++) {
		struct io io = any_io(&r);
		size_t at = 0, size = (size_t)io.size;

		content_build(&pool, &io, 0, whole, size);
		while (at < size) {
			size_t n = (1 + rng_below(&r, 20)) * CONTENT_STAMP;

			n = n < size - at ? n : size - at;
			content_build(&pool, &io, at, parts + at, n);
			at += n;
		}
		CHECK(memcmp(whole, parts, size) == 0,
			"%d: fill %u dedup %u compress %u size %zu", i, io.fill, io.dedup,
			io.compress, size);
		for (at = 0; content_is_in_place(&io) && at < size;) {
			size_t n;
			const uint8_t *p = content_in_place(&pool, &io, at, &n);

			CHECK(memcmp(whole + at, p, n) == 0, "%d: at %zu", i, at);
			at += n;
		}
	}
}

/* What was built is right in pieces that begin and end anywhere, also as ranges of the object; one wrong bit
 * in them is found where it is. */
static void test_checks(void)
{
	AUTO_FREE uint8_t *whole = malloc(OBJECT + 8);
	struct rng r;

	must_pool();
	rng_seed(&r, 2);
	for (int i = 0; whole && i < 3000; i++) {
		struct io io = any_io(&r);
		size_t size = (size_t)io.size + 1, from, to, wrong;
		char want[40];

		io.size = size;
		content_build(&pool, &io, 0, whole, size);
		from = (size_t)rng_below(&r, size);
		to = from + 1 + (size_t)rng_below(&r, size - from);
		if (rng_below(&r, 2)) {
			io.kind = OP_RANGE_GET;
			io.object_size = size;
			io.offset = from;
			io.size = to - from;
		} else {
			io.kind = OP_GET;
		}
		CHECK(content_check(&pool, &io, from, whole + from, to - from),
			"%d: fill %u dedup %u compress %u size %zu, %zu to %zu: %s", i,
			io.fill, io.dedup, io.compress, size, from, to, io.error_text);
		wrong = from + (size_t)rng_below(&r, to - from);
		whole[wrong] ^= (uint8_t)(1u << rng_below(&r, 8));
		CHECK(!content_check(&pool, &io, from, whole + from, to - from),
			"%d: fill %u dedup %u compress %u, at %zu", i, io.fill, io.dedup,
			io.compress, wrong);
		CHECK(io.error == OP_ERR_CORRUPT);
		snprintf(want, sizeof(want), "corrupt at offset %zu: ", wrong);
		CHECK(strstr(io.error_text, want) != NULL, "%s: %s", want, io.error_text);
	}
}

/* A range_put writes what a get of the whole finds there. */
static void test_ranges_overwrite(void)
{
	AUTO_FREE uint8_t *whole = malloc(OBJECT), *part = malloc(OBJECT);
	struct rng r;

	must_pool();
	rng_seed(&r, 3);
	for (int i = 0; whole && part && i < 500; i++) {
		struct io io = any_io(&r);
		size_t size = (size_t)io.size + 1, from, n;

		io.size = size;
		content_build(&pool, &io, 0, whole, size);
		from = (size_t)rng_below(&r, size) & ~(size_t)511;
		n = 1 + (size_t)rng_below(&r, size - from);
		io.kind = OP_RANGE_PUT;
		io.object_size = size;
		io.offset = from;
		io.size = n;
		content_build(&pool, &io, from, part, n);
		CHECK(memcmp(whole + from, part, n) == 0, "%d: %zu of %zu at %zu", i, n,
			size, from);
	}
}

static void test_error_text(void)
{
	uint8_t read[600] = {0};
	char uri[300];
	struct io io = {
		.kind = OP_GET, .uri = "s3://b/k", .fill = FILL_ZERO, .size = 600};

	must_pool();
	memcpy(read + 520, "\x01\x02\x03\x04\x05\x06\x07\x08\x09", 9);
	CHECK(!content_check(&pool, &io, 1024, read, 600));
	CHECK_STR(io.error_text, "GET s3://b/k: corrupt at offset 1544: expected "
				 "0x0000000000000000 found 0x0102030405060708");
	/* the first one stays */
	CHECK(!content_check(&pool, &io, 0, read + 1, 599));
	CHECK(strstr(io.error_text, "1544") != NULL);
	/* fewer than 8 bytes are left */
	io.error = OP_OK;
	CHECK(!content_check(&pool, &io, 0, read + 521, 2));
	CHECK_STR(io.error_text,
		"GET s3://b/k: corrupt at offset 0: expected 0x0000 found 0x0203");
	/* a long key keeps its end */
	memset(uri, 'a', sizeof(uri));
	memcpy(uri + sizeof(uri) - 14, "/the-object-1", 14);
	io.uri = uri;
	io.kind = OP_RANGE_GET;
	io.error = OP_OK;
	CHECK(!content_check(&pool, &io, UINT64_C(1) << 62, read, 600));
	CHECK(strncmp(io.error_text, "RANGE_GET ...a", 14) == 0, "%s", io.error_text);
	CHECK(strstr(io.error_text, "/the-object-1: corrupt at offset ") != NULL, "%s",
		io.error_text);
	CHECK(strlen(io.error_text) == sizeof(io.error_text) - 1 &&
			strcmp(strstr(io.error_text, "found"),
				"found 0x0102030405060708") == 0,
		"%s", io.error_text);
}

static void test_key_ids(void)
{
	static const struct {
		const char *uri, *target, *other_uri, *other_target;
		bool same;
	} rows[] = {
		{"s3://b/p/k", "s3://b/p/", "s3://c/k", "s3://c/", true},
		{"s3://b/p/k", "s3://b/p", "file:///mnt/k", "file:///mnt/", true},
		{"file:///mnt/h1/a/k", "file:///mnt/h1/", "file:///d/a/k", "file:///d/",
			true},
		{"s3://b/p/k", "s3://b/p/", "s3://b/p/l", "s3://b/p/", false},
		/* not behind the target: whole */
		{"s3://b/pq/k", "s3://b/p", "s3://b/pq/k", NULL, true},
		{"s3://b/k", "s3://c/", "s3://b/k", "s3://d/", true},
		{"s3://b/p/q/k", "s3://b/", "s3://b/p/q/k", "s3://b/p/", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK((content_key_id(rows[i].uri, rows[i].target) ==
			      content_key_id(rows[i].other_uri, rows[i].other_target)) ==
				rows[i].same,
			"row %zu: %s, %s", i, rows[i].uri, rows[i].other_uri);
}

/* ---- how much of it is new ---- */

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, CONTENT_BLOCK);
}

/* How often a block is there in the middle; pieces behind the last whole block of an object, which are padded here,
 * are blocks too. */
static double dedup_ratio(
	const struct io *io, const uint64_t *sizes, size_t n, uint64_t block)
{
	size_t blocks = 0, differ = 0, at = 0;
	uint8_t *all;

	for (size_t i = 0; i < n; i++)
		blocks += (size_t)(sizes[i] + CONTENT_BLOCK - 1) / CONTENT_BLOCK;
	all = calloc(blocks, CONTENT_BLOCK);
	if (!CHECK(all != NULL))
		return 0;
	for (size_t i = 0; i < n; i++) {
		struct io object = *io;

		object.size = sizes[i];
		object.block = block;
		block += content_blocks(sizes[i]);
		content_build(&pool, &object, 0, all + at, (size_t)sizes[i]);
		at += (size_t)(sizes[i] + CONTENT_BLOCK - 1) / CONTENT_BLOCK *
		      CONTENT_BLOCK;
	}
	qsort(all, blocks, CONTENT_BLOCK, compare);
	for (size_t i = 0; i < blocks; i++)
		differ += i == 0 || compare(all + i * CONTENT_BLOCK,
					    all + (i - 1) * CONTENT_BLOCK) != 0;
	free(all);
	return (double)blocks / (double)differ;
}

#define OBJECTS 600

static void test_dedup(void)
{
	static const uint32_t factors[] = {2, 3, 10};
	static const uint64_t fixed[] = {4096, 65536, 1000, 5000, 20000};
	uint64_t sizes[OBJECTS];
	struct rng r;

	must_pool();
	rng_seed(&r, 4);
	for (size_t f = 0; f < ARRAY_LEN(factors); f++) {
		const double want = factors[f];
		struct io io = {.kind = OP_PUT, .dedup = factors[f], .fill = FILL_UNIQUE};
		double got;

		content_of(&pool, 99 + f, &io);
		for (size_t s = 0; s < ARRAY_LEN(fixed); s++) {
			for (size_t i = 0; i < OBJECTS; i++)
				sizes[i] = fixed[s];
			got = dedup_ratio(&io, sizes, OBJECTS, 12345);
			CHECK(got > 0.95 * want && got < 1.05 * want,
				"dedup %u, objects of %ju: %f", factors[f],
				(uintmax_t)fixed[s], got);
		}
		/* whole blocks, from one on, of different sizes */
		for (size_t i = 0; i < OBJECTS; i++)
			sizes[i] = CONTENT_BLOCK * (1 + rng_below(&r, 16));
		got = dedup_ratio(&io, sizes, OBJECTS, 0);
		CHECK(got > 0.95 * want && got < 1.05 * want, "dedup %u, mixed: %f",
			factors[f], got);
		/* within one object alone */
		sizes[0] = OBJECTS * CONTENT_BLOCK;
		got = dedup_ratio(&io, sizes, 1, 0);
		CHECK(got > 0.95 * want && got < 1.05 * want, "dedup %u, one: %f",
			factors[f], got);
	}
}

static double zlib_ratio(const uint8_t *data, size_t len)
{
	uLong room = compressBound(len);
	AUTO_FREE uint8_t *out = malloc(room);

	if (!CHECK(out && compress2(out, &room, data, len, 6) == Z_OK))
		return 0;
	return (double)len / (double)room;
}

static void test_compress(void)
{
	static const uint32_t factors[] = {1, 2, 3, 4, 10};
	static const size_t sizes[] = {1024 * 1024, 65536};
	AUTO_FREE uint8_t *object = malloc(sizes[0]);

	must_pool();
	for (size_t i = 0; object && i < ARRAY_LEN(factors) * ARRAY_LEN(sizes); i++) {
		const double want = factors[i % ARRAY_LEN(factors)];
		const size_t size = sizes[i / ARRAY_LEN(factors)];

		for (uint8_t fill = FILL_RANDOM; fill <= FILL_UNIQUE; fill++) {
			struct io io = {
				.kind = OP_PUT,
				.size = size,
				.fill = fill,
				.compress = (uint32_t)want,
			};
			double got;

			if (fill == FILL_ZERO)
				continue;
			content_of(&pool, rng_mix(i), &io);
			content_build(&pool, &io, 0, object, size);
			got = zlib_ratio(object, size);
			CHECK(got > 0.9 * want && got < 1.1 * want,
				"%s, compress %f, %zu bytes: %f", fill_names[fill], want,
				size, got);
		}
	}
}

/* Both: blocks of which the half is zero, and each is there three times. */
static void test_both(void)
{
	AUTO_FREE uint8_t *object = malloc(sizeof(uint8_t) * 60 * CONTENT_BLOCK);
	uint64_t size = 60 * CONTENT_BLOCK;
	struct io io = {.kind = OP_PUT, .size = size, .dedup = 3, .compress = 2};
	double got;

	must_pool();
	content_of(&pool, 5, &io);
	CHECK(dedup_ratio(&io, &size, 1, 0) == 3);
	for (uint64_t b = 0; object && b < 20; b++)
		content_build(&pool, &io, 3 * b * CONTENT_BLOCK,
			object + b * CONTENT_BLOCK, CONTENT_BLOCK);
	got = object ? zlib_ratio(object, 20 * CONTENT_BLOCK) : 0;
	CHECK(got > 1.8 && got < 2.2, "%f", got);
	io.fill = FILL_ZERO;
	CHECK(content_is_in_place(&io));
	if (object)
		content_build(&pool, &io, 0, object, 1000);
	for (size_t i = 0; object && i < 1000; i++)
		CHECK(object[i] == 0);
}

TEST_MAIN(TEST(test_unique_stays), TEST(test_pieces), TEST(test_checks),
	TEST(test_ranges_overwrite), TEST(test_error_text), TEST(test_key_ids),
	TEST(test_dedup), TEST(test_compress), TEST(test_both))
