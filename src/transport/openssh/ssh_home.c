/* ssh_home: compares $HOME with the password file. */
#include "transport/openssh/ssh_home.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "common/text.h"

static char *copy(const char *s)
{
	char *c = s ? strdup(s) : NULL;

	if (s && !c)
		abort();
	return c;
}

void ssh_home_init(struct ssh_home *h)
{
	const struct passwd *pw = getpwuid(getuid());
	const char *user = getenv("USER"), *home = getenv("HOME");
	bool differs = pw && home && strcmp(home, pw->pw_dir) != 0;

	*h = (struct ssh_home){
		.user = copy(pw              ? pw->pw_name
			     : user && *user ? user
					     : "root"),
		.own = copy(home),
		.theirs = differs ? copy(pw->pw_dir) : NULL,
	};
}

void ssh_home_finish(struct ssh_home *h)
{
	free(h->user);
	free(h->own);
	free(h->theirs);
}

char *ssh_home_config(const struct ssh_home *h)
{
	AUTO_FREE char *own = file_expand_home("~/.ssh/config");

	if (!own || !h->theirs)
		return NULL;
	return access(own, R_OK) == 0 ? STEAL_PTR(&own) : strdup("/etc/ssh/ssh_config");
}

char *ssh_home_path(const struct ssh_home *h, const char *path)
{
	size_t len = h->theirs ? strlen(h->theirs) : 0;

	if (h->theirs && text_starts_with(path, h->theirs) &&
		text_starts_with(path + len, "/.ssh/"))
		return text_printf("%s%s", h->own, path + len);
	return file_expand_home(path);
}
