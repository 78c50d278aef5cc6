/* store: names and life of store options. */
#include "proto/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const store_addressing_names[] = {"auto", "path", "virtual", NULL};
const char *const store_payload_names[] = {"unsigned", "signed", NULL};
const char *const store_engine_names[] = {"own", "curl", NULL};

static void wipe(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

void store_options_finish(struct store_options *o)
{
	wipe(o->client_key_pem);
	wipe(o->proxy); /* which may have a password */
	free(o->endpoint);
	free(o->region);
	free(o->ca_pem);
	free(o->client_cert_pem);
	*o = (struct store_options){0};
}

static int copy(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

int store_options_copy(struct store_options *to, const struct store_options *from)
{
	int rc = 0;

	*to = *from;
	to->endpoint = to->region = to->ca_pem = NULL;
	to->client_cert_pem = to->client_key_pem = to->proxy = NULL;
	rc |= copy(&to->endpoint, from->endpoint);
	rc |= copy(&to->region, from->region);
	rc |= copy(&to->ca_pem, from->ca_pem);
	rc |= copy(&to->client_cert_pem, from->client_cert_pem);
	rc |= copy(&to->client_key_pem, from->client_key_pem);
	rc |= copy(&to->proxy, from->proxy);
	if (rc == 0)
		return 0;
	store_options_finish(to);
	return -ENOMEM;
}
