/* askpass: gives the ssh that we started the one password that is meant for it.
 *
 * ssh runs a program to ask for a password (SSH_ASKPASS): this very program, which sees by its
 * environment what it is for and asks back through an abstract socket. The answer goes once, and only to
 * a child of that ssh: never through argv, environment or a file. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct askpass;
struct err;
struct loop;

/* Borrows secret. */
struct askpass *askpass_create(struct loop *loop, const char *secret, struct err *err);
void askpass_destroy(struct askpass *a); /* takes NULL */
/* What the environment of ssh must have; NULL-terminated. */
const char *const *askpass_env(const struct askpass *a);
/* Which process may ask: ssh itself, a child of ours, is its parent. 0: none any more. A second question
 * ends that ssh. */
void askpass_allow(struct askpass *a, pid_t ssh);
/* The password was given; what else was asked, which only a person can answer, or NULL. */
bool askpass_given(const struct askpass *a);
const char *askpass_other(const struct askpass *a);
