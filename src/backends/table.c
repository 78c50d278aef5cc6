/* table: all backends. Adding one is its file and a line here. */
#include "backends/backend.h"

#include <string.h>

extern const struct backend backend_null, backend_file, backend_direct, backend_s3,
	backend_az, backend_gs;

const struct backend *const backends[] = {&backend_null, &backend_file, &backend_direct,
	&backend_s3, &backend_az, &backend_gs, NULL};

/* schemes is "file://,direct://". */
static bool has_scheme(const char *schemes, const char *uri)
{
	while (*schemes) {
		size_t len = strcspn(schemes, ",");

		if (strncmp(uri, schemes, len) == 0)
			return true;
		schemes += len + (schemes[len] == ',');
	}
	return false;
}

const struct backend *backend_for(const char *uri)
{
	for (size_t i = 0; backends[i]; i++)
		if (has_scheme(backends[i]->schemes, uri))
			return backends[i];
	return NULL;
}
