/* ssh_home: compares $HOME with the password file. */
#include "transport/ssh_home.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "common/text.h"

/* The home of the password file where $HOME is another one, else NULL. */
static const char *other_home(void)
{
	const struct passwd *pw = getpwuid(getuid());
	const char *home = getenv("HOME");

	return pw && home && strcmp(home, pw->pw_dir) != 0 ? pw->pw_dir : NULL;
}

char *ssh_home_config(void)
{
	AUTO_FREE char *own = file_expand_home("~/.ssh/config");

	if (!own || !other_home())
		return NULL;
	return access(own, R_OK) == 0 ? STEAL_PTR(&own) : strdup("/etc/ssh/ssh_config");
}

char *ssh_home_path(const char *path)
{
	const char *theirs = other_home();
	size_t len = theirs ? strlen(theirs) : 0;

	if (theirs && text_starts_with(path, theirs) &&
		text_starts_with(path + len, "/.ssh/"))
		return text_printf("%s%s", getenv("HOME"), path + len);
	return file_expand_home(path);
}
