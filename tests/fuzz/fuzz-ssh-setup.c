/* fuzz-ssh-setup: any bytes as what a host answers to ssh-setup, line by line. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/ssh_setup/ssh_setup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *s)
{
	for (; s && *s; s++)
		assert((unsigned char)*s >= ' ');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct setup_host h = {.asked_ns = 1, .lines = BUF_INIT_MAX(1 << 16)};
	char *text = malloc(size + 1), *line, *end, *why;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	for (line = text; (end = memchr(line, '\n', size - (size_t)(line - text)));
		line = end + 1) {
		*end = '\0';
		setup_script_answer(&h, line);
	}
	why = setup_script_reason(&h);
	assert(why);
	check_text(why);
	check_text(h.reason);
	check_text(h.os);
	check_text(h.arch);
	check_text(h.worker);
	check_text(h.docker);
	free(why);
	free(text);
	setup_host_finish(&h);
	return 0;
}
