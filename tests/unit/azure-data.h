/* azure-data: the environment in which tests of Azure run. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "object-data.h"

#define KEY_TEXT "a key that is made up for tests"
#define ENDPOINT "http://127.0.0.1:10000/acc"

extern const struct backend backend_az;

/* NULL: not set. key "": one that is made up. */
static inline void set_environment(const char *key, const char *sas, const char *endpoint)
{
	char base64[64];

	unsetenv("AZURE_STORAGE_CONNECTION_STRING");
	unsetenv("AZURE_STORAGE_ACCOUNT_KEY");
	setenv("AZURE_STORAGE_ACCOUNT", "acc", 1);
	digest_base64_encode(KEY_TEXT, strlen(KEY_TEXT), base64);
	unsetenv("AZURE_STORAGE_KEY");
	unsetenv("AZURE_STORAGE_SAS_TOKEN");
	unsetenv("AZURE_STORAGE_ENDPOINT");
	if (key)
		setenv("AZURE_STORAGE_KEY", *key ? key : base64, 1);
	if (sas)
		setenv("AZURE_STORAGE_SAS_TOKEN", sas, 1);
	if (endpoint)
		setenv("AZURE_STORAGE_ENDPOINT", endpoint, 1);
}
