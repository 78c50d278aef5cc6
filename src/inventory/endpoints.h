/* endpoints: `multi_endpoint` as a value of a key table, for inventory/ and workload/. */
#pragma once

#include "inventory/inventory.h"
#include "yaml/decode.h"

/* A decode_fn for struct host_endpoints. URIs stay as written; nobody has looked at them. */
decode_fn endpoints_decode;
