/* aws_ini: the INI dialect of ~/.aws/credentials and ~/.aws/config, read as the AWS command line does.
 * Private to cloud/. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;

/* Whether the whole text can be read: no line that is neither section, name = value, comment nor the
 * continuation of one. -1 with err, which names path and line. */
int aws_ini_check(const char *text, size_t len, const char *path, struct err *err);

/* Sections are named by profile: in the config file "[profile NAME]", or "[default]"; in the credentials
 * file "[NAME]". */
bool aws_ini_has(const char *text, bool config, const char *profile);
/* The value of an option (in lower case) of a profile; malloc; NULL when it is not there, empty, or there is
 * no memory. Values that go on in indented lines have the first line alone. */
char *aws_ini_value(
	const char *text, bool config, const char *profile, const char *option);
