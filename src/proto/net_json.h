/* net_json: what the ends of a pair said, as JSON and back, for files: the members that messages have. */
#pragma once

#include "proto/net.h"

struct err;
typedef struct json_t json_t;

/* A new reference; NULL: no memory. */
json_t *net_result_to_json(const struct net_result *r);
json_t *net_interval_to_json(const struct net_interval *i);

/* Refuse what is missing, of another type or out of range, by its name; *ret then holds nothing. What ret
 * points to is the caller's. */
int net_result_from_json(const json_t *json, struct net_result *ret, struct err *err);
int net_interval_from_json(const json_t *json, struct net_interval *ret, struct err *err);
