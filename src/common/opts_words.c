/* opts_words: what a struct of options says, as words of a command line again. */
#include <inttypes.h>
#include <string.h>

#include "common/buf.h"
#include "common/opts.h"
#include "common/units.h"

static const size_t sizes[] = {
	[OPT_FLAG] = sizeof(bool),
	[OPT_COUNTER] = sizeof(int),
	[OPT_STR] = sizeof(char *),
	[OPT_LIST] = sizeof(struct opt_list),
	[OPT_COUNT] = sizeof(uint64_t),
	[OPT_DURATION] = sizeof(uint64_t),
	[OPT_SIZE] = sizeof(uint64_t),
	[OPT_DOUBLE] = sizeof(double),
	[OPT_PORT] = sizeof(uint16_t),
	[OPT_CHOICE] = sizeof(int),
	[OPT_OPTIONAL] = sizeof(char *),
};

bool opts_given(const struct opt *o, const void *in)
{
	static const char nothing[sizeof(struct opt_list)];
	const char *from = in;

	if (o->set_offset)
		return *(const bool *)(const void *)(from + o->set_offset);
	return memcmp(from + o->offset, nothing, sizes[o->type]) != 0;
}

void opts_copy(const struct opt *o, const void *in, void *into)
{
	const char *from = in;
	char *to = into;

	memcpy(to + o->offset, from + o->offset, sizes[o->type]);
	if (o->set_offset)
		memcpy(to + o->set_offset, from + o->set_offset, sizeof(bool));
}

/* "=VALUE" of one that takes a value; nothing of a flag. */
static int print_value(const struct opt *o, const void *at, struct buf *out)
{
	uint64_t n;

	switch (o->type) {
	case OPT_STR:
		return buf_printf(out, "=%s", *(const char *const *)at);
	case OPT_OPTIONAL:
		return **(const char *const *)at
			       ? buf_printf(out, "=%s", *(const char *const *)at)
			       : 0;
	case OPT_COUNT:
	case OPT_SIZE:
		return buf_printf(out, "=%" PRIu64, *(const uint64_t *)at);
	case OPT_DURATION:
		n = *(const uint64_t *)at;
		return buf_printf(out, "=%" PRIu64 ".%09" PRIu64 "s", n / NS_PER_SEC,
			n % NS_PER_SEC);
	case OPT_DOUBLE:
		return buf_printf(out, "=%.17g", *(const double *)at);
	case OPT_PORT:
		return buf_printf(out, "=%u", (unsigned)*(const uint16_t *)at);
	case OPT_CHOICE:
		return buf_printf(out, "=%s", o->choices[*(const int *)at]);
	default:
		return 0;
	}
}

int opts_word(const struct opt *o, const void *in, struct buf *out)
{
	int rc = buf_printf(out, "--%s", o->name);

	return rc == 0 ? print_value(o, (const char *)in + o->offset, out) : rc;
}
