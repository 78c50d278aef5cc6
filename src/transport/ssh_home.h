/* ssh_home: which home is meant. ssh looks into the one that the password file has, whatever $HOME
 * says; a person who sets another $HOME means what is there. */
#pragma once

/* The configuration file to name to ssh with -F; NULL: it finds the right one by itself. malloc. */
char *ssh_home_config(void);
/* A path of ssh's ("~/x", or one that ssh has put its home in front of) in the home that is meant.
 * malloc; NULL only when out of memory. */
char *ssh_home_path(const char *path);
