/* compose: between node.c and compose.c; not for others. */
#pragma once

#include <stddef.h>

struct err;
struct yaml_doc;

/* Fills doc->root from text. 0, or -1 with err; yaml_free_arena frees what was made either way. */
int yaml_compose(struct yaml_doc *doc, const char *text, size_t len, struct err *err);
void yaml_free_arena(struct yaml_doc *doc);
