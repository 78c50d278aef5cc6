/* hlog: V2 histograms, compressed by zlib behind a header of their own, in base64. */
#include "results/hlog.h"

#include <errno.h>
#include <zlib.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/units.h"
#include "proto/hist.h"

#define COMPRESSED_COOKIE UINT32_C(0x1c849314)
#define HEADER_BYTES 8u

int hlog_header(struct buf *out, uint64_t wall_ns)
{
	char text[32];

	clock_format_rfc3339(wall_ns, text, sizeof(text));
	return buf_printf(out,
		"#[Logged with muster]\n"
		"#[Histogram log format version 1.2]\n"
		"#[StartTime: %.3f (seconds since epoch), %s]\n"
		"\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
		"\"Interval_Compressed_Histogram\"\n",
		(double)(wall_ns / NS_PER_MS) / 1e3, text);
}

static void put_be32(uint8_t *to, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		to[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* The compressed form of h behind what is in out. */
static int compress_hist(const struct hist *h, struct buf *out)
{
	AUTO_BUF struct buf plain = BUF_INIT;
	uLongf len;
	uint8_t *room;

	if (hist_encode(h, &plain) < 0)
		return -ENOMEM;
	len = compressBound(plain.len);
	room = (uint8_t *)buf_reserve(out, HEADER_BYTES + len);
	if (!room || compress(room + HEADER_BYTES, &len, (const Bytef *)plain.data,
			     plain.len) != Z_OK)
		return -ENOMEM;
	put_be32(room, COMPRESSED_COOKIE);
	put_be32(room + 4, (uint32_t)len);
	out->len += HEADER_BYTES + len;
	return 0;
}

int hlog_line(struct buf *out, const char *tag, double start_s, double length_s,
	const struct hist *h)
{
	AUTO_BUF struct buf bytes = BUF_INIT;
	size_t len;
	char *room;

	if (compress_hist(h, &bytes) < 0 ||
		buf_printf(out, "Tag=%s,%.3f,%.3f,%.3f,", tag, start_s, length_s,
			(double)h->max / 1e6) < 0)
		return -ENOMEM;
	len = digest_base64_len(bytes.len);
	room = buf_reserve(out, len + 1);
	if (!room)
		return -ENOMEM;
	digest_base64_encode(bytes.data, bytes.len, room);
	out->len += len;
	return buf_putc(out, '\n');
}
