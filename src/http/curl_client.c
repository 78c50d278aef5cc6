/* curl_client: a thread's exchanges on libcurl's multi handles, which tell what sockets and when to wait for. */
#include <errno.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/units.h"
#include "http/curl_engine.h"
#include "http/own.h"

#define EVENTS 64

static struct curl_client *client_of(struct http_client *base)
{
	return (struct curl_client *)base;
}

/* --- what libcurl asks for */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *known)
{
	struct curl_group *g = user;
	struct epoll_event event = {
		.events = ((what & CURL_POLL_IN) ? (uint32_t)EPOLLIN : 0) |
			  ((what & CURL_POLL_OUT) ? (uint32_t)EPOLLOUT : 0),
		.data.u64 = (uint64_t)(g - g->client->groups) << 32 | (uint32_t)fd,
	};
	int ep = g->client->epoll;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL);
		curl_multi_assign(g->multi, fd, NULL);
		return 0;
	}
	/* what is assigned to a socket says whether epoll has it */
	if (known || (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event) < 0 && errno == EEXIST))
		epoll_ctl(ep, EPOLL_CTL_MOD, fd, &event);
	curl_multi_assign(g->multi, fd, g);
	return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *user)
{
	struct curl_group *g = user;

	(void)multi;
	g->due_ns = timeout_ms < 0 ? UINT64_MAX
				   : clock_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	return 0;
}

/* --- ends */

static void push_done(struct curl_client *c, struct http_exchange *ex)
{
	ex->next = NULL;
	if (c->last_done)
		c->last_done->next = ex;
	else
		c->first_done = ex;
	c->last_done = ex;
	c->in_flight--;
}

/* The slot is free for the next; the response goes with its exchange. */
static void release(struct curl_client *c, struct curl_slot *s)
{
	struct http_exchange *ex = s->ex;

	curl_multi_remove_handle(s->group->multi, s->easy);
	ex->engine = NULL;
	if (ex->response_len) {
		ex->engine = s->head;
		s->head = c->spare;
		c->spare = c->spare->next;
	}
	s->ex = NULL;
	s->next = c->idle;
	c->idle = s;
	push_done(c, ex);
}

static void give_up(struct curl_client *c, struct curl_slot *s, enum http_fail fail)
{
	s->fail = fail;
	curl_slot_end(s, CURLE_OK);
	release(c, s);
}

/* --- beginnings */

static void act(struct curl_group *g, curl_socket_t fd, int what)
{
	int running;

	curl_multi_socket_action(g->multi, fd, what, &running);
}

static void begin(struct curl_client *c, struct curl_slot *s)
{
	if (curl_multi_add_handle(s->group->multi, s->easy) != CURLM_OK) {
		give_up(c, s, HTTP_FAIL_MEMORY);
		return;
	}
	s->group->due_ns = UINT64_MAX;
	act(s->group, CURL_SOCKET_TIMEOUT,
		0); /* what is due is this one: it goes out now */
}

static void take_messages(struct curl_client *c, struct curl_group *g)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(g->multi, &left))) {
		CURLcode code = m->data.result;
		struct curl_slot *s;
		char *user = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &user);
		s = (struct curl_slot *)(void *)user;
		if (s->resend) {
			curl_multi_remove_handle(g->multi, s->easy);
			curl_slot_again(s);
			begin(c, s);
			continue;
		}
		curl_slot_end(s, code);
		release(c, s);
	}
}

static void sweep(struct curl_client *c, uint64_t now)
{
	c->sweep_ns = now + CURL_SWEEP_NS;
	for (uint32_t i = 0; i < c->n_slots; i++) {
		struct curl_slot *s = &c->slots[i];
		enum http_fail fail = s->ex ? curl_slot_late(s, now) : HTTP_OK;

		if (fail != HTTP_OK)
			give_up(c, s, fail);
	}
}

/* --- waiting */

/* When something is to be done without an event. */
static uint64_t next_due(const struct curl_client *c, uint64_t until)
{
	if (c->in_flight && c->sweep_ns < until)
		until = c->sweep_ns;
	for (uint32_t i = 0; i < c->n_groups; i++)
		if (c->groups[i].due_ns < until)
			until = c->groups[i].due_ns;
	return until;
}

/* epoll_wait counts milliseconds, and late ones: ppoll on its descriptor does better. */
static int wait_events(struct curl_client *c, struct epoll_event *events, uint64_t until)
{
	int n = epoll_wait(c->epoll, events, EVENTS, 0);
	uint64_t now = n == 0 ? clock_ns() : 0;

	if (n != 0 || now >= until)
		return n;
	if (until - now > 3600 * NS_PER_SEC)
		until = now + 3600 * NS_PER_SEC;
	ppoll(&(struct pollfd){.fd = c->epoll, .events = POLLIN}, 1,
		&(struct timespec){(time_t)((until - now) / NS_PER_SEC),
			(long)((until - now) % NS_PER_SEC)},
		NULL);
	return epoll_wait(c->epoll, events, EVENTS, 0);
}

static int what_happened(uint32_t events)
{
	return ((events & EPOLLIN) ? CURL_CSELECT_IN : 0) |
	       ((events & EPOLLOUT) ? CURL_CSELECT_OUT : 0) |
	       ((events & (EPOLLERR | EPOLLHUP)) ? CURL_CSELECT_ERR : 0);
}

static void step(struct curl_client *c, uint64_t until)
{
	struct epoll_event events[EVENTS];
	int n = wait_events(c, events, next_due(c, until));
	uint64_t now;

	for (int i = 0; i < n; i++)
		act(&c->groups[events[i].data.u64 >> 32],
			(curl_socket_t)(events[i].data.u64 & UINT32_MAX),
			what_happened(events[i].events));
	now = clock_ns();
	for (uint32_t i = 0; i < c->n_groups; i++) {
		struct curl_group *g = &c->groups[i];

		if (g->due_ns <= now) {
			g->due_ns = UINT64_MAX;
			act(g, CURL_SOCKET_TIMEOUT, 0);
		}
		take_messages(c, g);
	}
	if (c->in_flight && now >= c->sweep_ns)
		sweep(c, now);
}

/* Responses that were handed back last time may go now. */
static void take_back(struct curl_client *c)
{
	while (c->lent) {
		struct curl_head *head = c->lent;

		c->lent = head->next;
		head->next = c->spare;
		c->spare = head;
	}
}

static size_t hand_out(struct curl_client *c, struct http_exchange **done, size_t max)
{
	size_t n = 0;

	while (n < max && c->first_done) {
		struct http_exchange *ex = c->first_done;
		struct curl_head *head = ex->engine;

		c->first_done = ex->next;
		if (!c->first_done)
			c->last_done = NULL;
		if (head) {
			head->next = c->lent;
			c->lent = head;
		}
		ex->engine = NULL;
		done[n++] = ex;
	}
	return n;
}

static size_t client_wait(struct http_client *base, struct http_exchange **done,
	size_t max, uint64_t deadline_ns)
{
	struct curl_client *c = client_of(base);
	size_t n;

	take_back(c);
	/* a response may have come while its request was sent; the others have their turn all the same */
	for (uint32_t i = 0; i < c->n_groups; i++)
		take_messages(c, &c->groups[i]);
	do {
		step(c, c->first_done ? 0 : deadline_ns);
		n = hand_out(c, done, max);
	} while (n == 0 && clock_ns() < deadline_ns);
	return n;
}

/* --- exchanges */

static void client_start(struct http_client *base, struct http_exchange *ex)
{
	struct curl_client *c = client_of(base);
	struct curl_slot *s = c->idle;

	c->idle = s->next;
	if (c->in_flight++ == 0)
		c->sweep_ns = ex->start_ns + CURL_SWEEP_NS;
	if (curl_slot_set(s, ex) < 0)
		give_up(c, s, HTTP_FAIL_MEMORY);
	else
		begin(c, s);
}

static void client_cancel(struct http_client *base)
{
	struct curl_client *c = client_of(base);

	for (uint32_t i = 0; i < c->n_slots; i++)
		if (c->slots[i].ex)
			give_up(c, &c->slots[i], HTTP_FAIL_CANCELLED);
}

/* libcurl keeps no connection that has carried no request. */
static void client_ramp(struct http_client *base, uint32_t server, uint32_t n)
{
	(void)base, (void)server, (void)n;
}

/* --- life */

static void client_destroy(struct http_client *base)
{
	struct curl_client *c = client_of(base);

	for (uint32_t i = 0; c->slots && i < c->n_slots; i++)
		curl_slot_finish(&c->slots[i]);
	for (uint32_t i = 0; c->groups && i < c->n_groups; i++)
		curl_multi_cleanup(c->groups[i].multi);
	take_back(c);
	while (c->spare) {
		struct curl_head *head = c->spare;

		c->spare = head->next;
		buf_finish(&head->text);
		free(head);
	}
	if (c->epoll >= 0)
		close(c->epoll);
	free(c->slots);
	free(c->groups);
	free(c);
}

static int group_init(struct curl_client *c, struct curl_group *g)
{
	*g = (struct curl_group){
		.client = c, .multi = curl_multi_init(), .due_ns = UINT64_MAX};
	if (!g->multi)
		return -1;
	curl_multi_setopt(g->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(g->multi, CURLMOPT_SOCKETDATA, g);
	curl_multi_setopt(g->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(g->multi, CURLMOPT_TIMERDATA, g);
	curl_multi_setopt(g->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	/* what has no exchange now is kept for the next, of some servers */
	curl_multi_setopt(g->multi, CURLMOPT_MAXCONNECTS, (long)CURL_GROUP_SLOTS * 4);
	return 0;
}

/* Exchanges that have ended may hold as many heads as there are slots, and so may those handed back. */
static int add_spare_heads(struct curl_client *c)
{
	for (uint64_t i = 0; i < (uint64_t)c->n_slots * 2; i++) {
		struct curl_head *head = calloc(1, sizeof(*head));

		if (!head)
			return -1;
		head->next = c->spare;
		c->spare = head;
	}
	return 0;
}

static int add_slots(struct curl_client *c)
{
	for (uint32_t i = 0; i < c->n_groups; i++)
		if (group_init(c, &c->groups[i]) < 0)
			return -1;
	for (uint32_t i = 0; i < c->n_slots; i++) {
		struct curl_slot *s = &c->slots[i];

		if (curl_slot_init(s, &c->groups[i / CURL_GROUP_SLOTS]) < 0)
			return -1;
		s->next = c->idle;
		c->idle = s;
	}
	return add_spare_heads(c);
}

static struct http_client *client_create(
	struct http_space *space, uint32_t slots, struct err *err)
{
	struct curl_client *c = calloc(1, sizeof(*c));

	if (!c) {
		err_set(err, ERR_SYSTEM, "no memory");
		return NULL;
	}
	c->base.space = space;
	c->n_slots = slots;
	c->n_groups = (slots + CURL_GROUP_SLOTS - 1) / CURL_GROUP_SLOTS;
	c->slots = calloc(slots, sizeof(*c->slots));
	c->groups = calloc(c->n_groups, sizeof(*c->groups));
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll < 0)
		err_sys(err, errno, "epoll");
	else if (!c->slots || !c->groups || add_slots(c) < 0)
		err_set(err, ERR_SYSTEM, "no memory");
	else
		return &c->base;
	client_destroy(&c->base);
	return NULL;
}

/* libcurl would find fault with a client's certificate at each connection; here it is said once. */
static int space_init(struct http_space *s, struct err *err)
{
	bool secure_proxy = s->cfg.proxy && strncasecmp(s->cfg.proxy, "https:", 6) == 0;
	SSL_CTX *context = own_tls_context(&s->cfg, err);
	int rc = context ? 0 : -1;

	SSL_CTX_free(context);
	/* that of a proxy is verified before there is a server */
	if (rc == 0 && secure_proxy && !s->cfg.insecure) {
		s->trusted = http_trust(&s->cfg, err);
		rc = s->trusted ? 0 : -1;
	}
	return rc;
}

static void space_fini(struct http_space *s)
{
	(void)s;
}

const struct http_engine_ops http_curl = {
	.space_init = space_init,
	.space_fini = space_fini,
	.client_create = client_create,
	.ramp = client_ramp,
	.start = client_start,
	.wait = client_wait,
	.cancel = client_cancel,
	.client_destroy = client_destroy,
};
