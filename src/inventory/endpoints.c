/* endpoints: `multi_endpoint`, of a host, an agent, or a whole workload. */
#include <stddef.h>

#include "common/cleanup.h"
#include "inventory/endpoints.h"
#include "inventory/keys.h"

#define ENDPOINTS_MAX 1000

static const char *const strategies[] = {
	"round_robin|round-robin", "least_connections|least-connections", NULL};

#define AT(member) .offset = offsetof(struct host_endpoints, member)

const struct key endpoints_keys[] = {
	{"strategy", KEY_ENUM, AT(strategy), strategies, .def = "round_robin",
		.help = "Who is next: round_robin, or least_connections: the one with "
			"the fewest ops in flight."},
	{"endpoints", KEY_STRV, AT(uris),
		.help = "URIs that see the same objects: what is below target is below "
			"each of them."},
	{.name = NULL},
};

int endpoints_decode(struct decode *d, const struct node *n, void *dst, struct err *err)
{
	struct host_endpoints *e = dst;
	size_t count = 0;

	if (n->type == NODE_NULL)
		return 0;
	e->strategy = 0; /* not that of the defaults */
	if (decode_map(d, n, endpoints_keys, "multi_endpoint section", e, err) < 0)
		return -1;
	while (e->uris && e->uris[count])
		count++;
	if (count == 0)
		return node_error(d->doc, n, err,
			"multi_endpoint needs 'endpoints', a list of URIs");
	if (count > ENDPOINTS_MAX)
		return node_error(d->doc, n, err,
			"multi_endpoint has more than %d endpoints", ENDPOINTS_MAX);
	return 0;
}
