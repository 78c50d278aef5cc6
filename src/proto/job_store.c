/* job_store: store options on the wire, one row each. */
#include "common/cleanup.h"
#include "proto/fields.h"
#include "proto/job_fields.h"
#include "proto/store.h"

#define RETRIES_MAX 1000u
#define DAY_NS (UINT64_C(86400) * 1000000000)

static const struct names addressings = {store_addressing_names, sizeof(char *), 3};
static const struct names payloads = {store_payload_names, sizeof(char *), 2};
static const struct names engines = {store_engine_names, sizeof(char *), 2};

#define STORE(m, ...) MEMBER(store_options, m, __VA_ARGS__, .optional = true)

const struct field store_fields[] = {
	STORE(endpoint, FIELD_EXACT, .max = FIELD_EXACT_MAX),
	STORE(region, FIELD_EXACT, .max = FIELD_EXACT_MAX),
	STORE(addressing, FIELD_NAME, .names = &addressings),
	STORE(payload, FIELD_NAME, .names = &payloads),
	STORE(engine, FIELD_NAME, .names = &engines),
	STORE(anonymous, FIELD_BOOL),
	STORE(insecure_tls, FIELD_BOOL),
	STORE(presigned, FIELD_BOOL),
	STORE(expect_continue, FIELD_BOOL),
	STORE(ca_pem, FIELD_EXACT, .max = STORE_PEM_MAX),
	STORE(client_cert_pem, FIELD_EXACT, .max = STORE_PEM_MAX),
	STORE(client_key_pem, FIELD_EXACT, .max = STORE_PEM_MAX, .secret = true),
	STORE(proxy, FIELD_EXACT, .max = FIELD_EXACT_MAX, .secret = true),
	STORE(connect_timeout_ns, FIELD_U64, .max = DAY_NS),
	STORE(first_byte_timeout_ns, FIELD_U64, .max = DAY_NS),
	STORE(stall_timeout_ns, FIELD_U64, .max = DAY_NS),
	STORE(retries, FIELD_U32, .max = RETRIES_MAX),
	STORE(retry_delay_ns, FIELD_U64, .max = DAY_NS),
	STORE(retry_delay_max_ns, FIELD_U64, .max = DAY_NS),
	STORE(retry_multiplier, FIELD_DOUBLE, .max = 1000),
	STORE(retry_jitter, FIELD_DOUBLE, .max = 1),
	MEMBERS_END,
};
