/* loader: what the dynamic loader of a host says of a program that was built elsewhere, and what a person can do
 * about it. Pure. */
#pragma once

/* text: what came instead of an answer. The sentence that names the library, or the version of one, that the
 * host lacks; NULL when text is about something else. program: its name, NULL for the worker. malloc. */
char *loader_explain(const char *program, const char *text);

/* The same for the worker, lying there and about to be run: the loader itself may be missing, of which the
 * shell says that there is no such file. */
char *loader_explain_start(const char *text);
