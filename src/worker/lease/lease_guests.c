/* lease_guests: the workers that come to a leased server over its unix socket: they give it a new lease or end it, and
 * bring pairs, which end with their connection. */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/err.h"
#include "common/loop.h"
#include "worker/lease/lease_server_impl.h"
#include "worker/lease/lines.h"
#include "worker/net/pairs.h"

/* A worker that came. */
struct guest {
	struct guest *next;
	struct lease_server *server;
	struct lines *lines;
	struct pairs pairs;
};

static int guest_say(const struct msg *m, void *user)
{
	struct guest *g = user;

	return lines_say(g->lines, m);
}

static bool guest_has_room(void *user)
{
	struct guest *g = user;

	return lines_has_room(g->lines);
}

static void guest_leave(struct guest *g)
{
	struct guest **at = &g->server->guests;

	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	pairs_finish(&g->pairs);
	lines_destroy(g->lines);
	free(g);
}

static void renew(struct guest *g, const struct msg_lease_start *start)
{
	struct lease_info info;
	struct err err = ERR_INIT;
	struct msg m = {.type = MSG_LEASES,
		.u.leases = {.request = start->request,
			.already = true,
			.left_ns = lease_server_info(g->server).left_ns}};

	if (lease_server_set(g->server, start->lease_ns, &err) < 0)
		m.u.leases.error = err.text;
	info = lease_server_info(g->server);
	m.u.leases.items = &info;
	m.u.leases.n_items = 1;
	lines_say(g->lines, &m);
}

static void on_guest_line(struct lines *l, const char *line, size_t len, void *user)
{
	struct guest *g = user;
	struct err err = ERR_INIT;
	struct msg m;

	(void)l;
	if (msg_decode(MSG_FROM_ORCHESTRATOR, line, len, &m, &err) < 0) {
		guest_leave(g); /* a worker of another version */
		return;
	}
	if (m.type == MSG_LEASE_START)
		renew(g, &m.u.lease_start);
	else if (m.type == MSG_LEASE_STOP)
		loop_stop(g->server->loop);
	else if (g->server->listener)
		pairs_message(&g->pairs, &m);
	msg_finish(&m);
}

static void on_guest_closed(struct lines *l, void *user)
{
	(void)l;
	guest_leave(user);
}

/* The directory lets nobody else in; this does not depend on it. */
static bool is_ours(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       peer.uid == geteuid();
}

static void on_guest(struct loop_fd *w, uint32_t events, void *user)
{
	static const struct lines_events lines = {
		.line = on_guest_line, .closed = on_guest_closed};
	struct lease_server *s = user;
	int fd = accept4(s->control_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct err ignored = ERR_INIT;
	struct guest *g;

	(void)w;
	(void)events;
	if (fd < 0)
		return;
	g = is_ours(fd) ? calloc(1, sizeof(*g)) : NULL;
	if (!g) {
		close(fd);
		return;
	}
	g->server = s;
	g->pairs = (struct pairs){.loop = s->loop,
		.shared = s->listener,
		.say = guest_say,
		.has_room = guest_has_room,
		.user = g};
	g->lines = lines_create(s->loop, fd, &lines, g, &ignored);
	if (!g->lines) {
		free(g);
		return;
	}
	g->next = s->guests;
	s->guests = g;
}

int lease_guests_watch(struct lease_server *s, struct err *err)
{
	return loop_fd_add(s->loop, s->control_fd, EPOLLIN, on_guest, s, err) ? 0 : -1;
}

void lease_guests_finish(struct lease_server *s)
{
	while (s->guests)
		guest_leave(s->guests);
}
