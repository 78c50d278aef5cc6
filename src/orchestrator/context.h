/* context: what every command needs before its own work begins: loop, console, hosts, transport, worker
 * programs. Made in this order and taken down in the other. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "inventory/inventory.h"
#include "transport/transport.h"
#include "transport/worker/upload.h"

struct app;
struct console;
struct err;
struct fleet;
struct fleet_config;
struct loop;
struct status;

#define CONTEXT_MAX_FILES 4

struct context {
	struct app *app;
	struct loop *loop;
	struct console *console;
	struct status *status;
	struct console *json; /* --json-lines, or NULL */
	int json_fd;
	struct inventory hosts;
	const struct host **refs; /* to hosts.hosts */
	size_t n_refs;            /* so many of them are contacted; 0: all */
	bool embedded; /* no hosts were given: this machine over the local transport */
	struct transport_config config; /* context_open fills it in */
	struct transport *transport;
	struct worker_file files[CONTEXT_MAX_FILES];
	size_t n_files;
};

/* Options for reading inventories, from the command line. */
struct inventory_options context_inventory_options(const struct app *app);
/* Prints a warning of a parser. */
void context_warn(const char *text, void *user);

/* Hosts: --hosts and --hosts-file, else given (those of a workload; may be NULL or empty), else this
 * machine. --limit applies. */
int context_hosts(struct context *c, const struct inventory *given, struct err *err);

/* Loop, signals are the command's own, console, status, json lines. */
int context_open(struct context *c, struct app *app, bool plain, struct err *err);
/* Transport and worker programs; asks for passphrases. */
int context_transport(struct context *c, struct err *err);
void context_close(struct context *c);

/* A fleet over all hosts of c with the rest of config as given. */
struct fleet *context_fleet(
	struct context *c, struct fleet_config *config, struct err *err);
/* Starts it, once context_transport was called. */
void context_start(struct context *c, struct fleet *f);
