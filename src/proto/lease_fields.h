/* lease_fields: the bounds and names that a lease's file and the messages about leases share. Private to
 * proto/. */
#pragma once

#include "proto/fields.h"

#define LEASE_ADDRESS_MAX 256
#define LEASE_ENGINE_MAX 32
#define LEASE_WORDS_MAX 100

extern const struct names lease_states_by_name;
