/* net_json: results and intervals of network tests by the tables of their messages. */
#include "proto/net_json.h"

#include <jansson.h>

#include "common/err.h"
#include "proto/net_fields.h"

static json_t *encode(const struct field *fields, const void *object)
{
	json_t *json = json_object();

	if (json && fields_encode(fields, object, json) == 0)
		return json;
	json_decref(json);
	return NULL;
}

json_t *net_result_to_json(const struct net_result *r)
{
	return encode(net_result_fields, r);
}

json_t *net_interval_to_json(const struct net_interval *i)
{
	return encode(net_interval_fields, i);
}

static int decode(const struct field *fields, field_check *check, const json_t *json,
	void *ret, const char *what, struct err *err)
{
	struct err why = ERR_INIT;

	if (!json_is_object(json))
		return err_set(err, ERR_FAILED, "%s must be an object", what);
	if (fields_decode(fields, json, ret, what, err) == 0) {
		if (check(ret, &why) == 0)
			return 0;
		err_set(err, ERR_FAILED, "%s: %s", what, why.text);
	}
	fields_finish(fields, ret);
	return -1;
}

int net_result_from_json(const json_t *json, struct net_result *ret, struct err *err)
{
	*ret = (struct net_result){0};
	if (decode(net_result_fields, net_result_check, json, ret, "result", err) == 0)
		return 0;
	*ret = (struct net_result){0};
	return -1;
}

int net_interval_from_json(const json_t *json, struct net_interval *ret, struct err *err)
{
	*ret = (struct net_interval){0};
	return decode(
		net_interval_fields, net_interval_check, json, ret, "interval", err);
}
