/* Store settings of other tools from anywhere: refused with words, or a target and variables that a job can
 * carry. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "workload/store_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store_config c;
	struct err err = ERR_INIT;

	if (store_config_parse("fuzz", (const char *)data, size, &c, &err) < 0) {
		assert(err.kind != ERR_NONE && *err.text);
		return 0;
	}
	assert(text_starts_with(c.target, "s3://") && text_ends_with(c.target, "/"));
	for (char **env = c.env; *env; env++)
		assert(text_starts_with(*env, "AWS_") && strchr(*env, '='));
	store_config_finish(&c);
	return 0;
}
