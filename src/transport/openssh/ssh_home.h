/* ssh_home: who we are, and which home is meant. ssh looks into the one that the password file has,
 * whatever $HOME says; a person who sets another $HOME means what is there. */
#pragma once

struct ssh_home {
	char *user;
	char *own;    /* $HOME, or NULL */
	char *theirs; /* that of the password file where it is another one, else NULL */
};

/* Asks the password file, once for all hosts: a server may be behind it. */
void ssh_home_init(struct ssh_home *h);
void ssh_home_finish(struct ssh_home *h);

/* The configuration file to name to ssh with -F; NULL: it finds the right one by itself. malloc. */
char *ssh_home_config(const struct ssh_home *h);
/* A path of ssh's ("~/x", or one that ssh has put its home in front of) in the home that is meant.
 * malloc; NULL only when out of memory. */
char *ssh_home_path(const struct ssh_home *h, const char *path);
