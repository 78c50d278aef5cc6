/* aws_files: what ~/.aws/credentials and ~/.aws/config say of the profile that counts. Private to cloud/. */
#pragma once

#include "cloud/credentials.h"

struct err;

/* As aws_credentials_find, of the files alone. ret is empty, or has what was found so far. */
int aws_files_credentials(
	const struct cloud_env *env, struct aws_credentials *ret, struct err *err);
