/* hosts_yaml: hosts.yaml as an inventory. Private to inventory/. */
#pragma once

struct err;
struct inventory;
struct inventory_options;
struct yaml_doc;

/* *ret is init'ed on success. Errors name FILE:LINE:COLUMN. */
int hosts_yaml_decode(const struct yaml_doc *doc, const struct inventory_options *o,
	struct inventory *ret, struct err *err);
