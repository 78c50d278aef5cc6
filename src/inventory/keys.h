/* keys: the key tables of an inventory, for documentation, checks of examples, and workload/. */
#pragma once

#include "yaml/decode.h"

extern const struct key inventory_keys[];              /* top level of hosts.yaml */
extern const struct key host_keys[];                   /* hosts[], defaults */
extern const struct key container_keys[];              /* hosts[].container */
extern const struct key endpoints_keys[];              /* multi_endpoint */
extern const struct key distributed_agent_keys[];      /* distributed.agents[] */
extern const struct key distributed_ssh_keys[];        /* distributed.ssh */
extern const struct key distributed_deployment_keys[]; /* distributed.deployment */
