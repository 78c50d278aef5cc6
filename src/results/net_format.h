/* net_format: values of a network test as text: csv, columns, key=value, JSON. */
#pragma once

#include "proto/net_selectors.h"

struct buf;

/* A value as csv, columns and key=value show it, with the decimals of its selector; nothing when it is
 * not known. 0, -ENOMEM or -ENOBUFS. */
int net_format_value(struct buf *out, enum net_selector s, const struct net_value *v);

/* The n values asked for, in their order. A single one as csv or columns is the bare value. Each line
 * ends with a newline, but the bare value. 0, -ENOMEM or -ENOBUFS. */
int net_format(struct buf *out, enum net_format format, const enum net_selector *asked,
	size_t n, const struct net_values *v);
