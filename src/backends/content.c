/* content: see the header. */
#include "backends/content.h"

#include <string.h>

#include "common/rng.h"

const uint8_t *content_in_place(
	const struct data *data, const struct io *io, uint64_t offset, size_t *ret_len)
{
	uint64_t left = io->size - offset;

	/* the pool is mapped twice in a row: as much as it holds lies in one piece from anywhere */
	*ret_len = left < data->size ? (size_t)left : data->size;
	if (io->fill == FILL_ZERO)
		return data->zero;
	return data->random + ((io->data_at + offset) & (data->size - 1));
}

void content_build(const struct data *data, const struct io *io, uint64_t offset,
	uint8_t *out, size_t len)
{
	for (size_t done = 0; done < len;) {
		size_t at = (size_t)((io->data_at + offset + done) & (data->size - 1));
		size_t n = len - done < data->size ? len - done : data->size;

		memcpy(out + done, data->random + at, n);
		done += n;
	}
	for (size_t i = 0; i + 8 <= len; i += CONTENT_STAMP) {
		uint64_t mark = rng_mix(io->stamp + (offset + i) / CONTENT_STAMP);

		memcpy(out + i, &mark, 8);
	}
}
