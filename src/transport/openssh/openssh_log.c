/* openssh_log: tables of the lines that matter, and the splitting of the stream. */
#include "transport/openssh/openssh_log.h"

#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/text.h"

#define TRIED_MAX 480

/* ---- lines that carry something ---- */

static void copy(char *to, size_t size, const char *from, size_t len)
{
	snprintf(to, size, "%.*s", (int)(len < size ? len : size - 1), from);
	text_sanitize_inplace(to);
}

/* An offer has been answered. */
static void settle_offer(struct openssh_log *l)
{
	bool agent = text_starts_with(l->offered, "agent ");
	const char *label = l->offered + strlen(agent ? "agent " : "publickey ");

	const char *why = "refused";

	if (l->accepted)
		why = *l->unsigned_why ? l->unsigned_why
				       : "encrypted, or not to be used without a person";
	if (l->offering && l->tried.len < TRIED_MAX)
		buf_printf(
			&l->tried, "%s%s (%s), ", agent ? "agent key " : "", label, why);
	l->locked |= l->accepted;
	l->refused |= l->offering && !l->accepted;
	l->offering = l->accepted = false;
}

static void on_established(struct openssh_log *l, const char *rest)
{
	(void)rest;
	l->established = true;
}

static void on_proxied(struct openssh_log *l, const char *rest)
{
	(void)rest;
	l->proxied = true;
}

static void on_spoke(struct openssh_log *l, const char *rest)
{
	(void)rest;
	l->spoke = true;
}

static void on_keyed(struct openssh_log *l, const char *rest)
{
	(void)rest;
	l->keyed = true;
}

static void on_host_key(struct openssh_log *l, const char *rest)
{
	copy(l->host_key, sizeof(l->host_key), rest, strlen(rest));
}

/* "PATH ED25519 SHA256:... explicit", "COMMENT RSA SHA256:... agent"; before OpenSSH 7.8 "RSA SHA256:...
 * PATH" */
static void on_offer(struct openssh_log *l, const char *rest)
{
	const char *print = NULL, *p = rest;
	size_t len = strlen(rest);

	settle_offer(l);
	while ((p = strstr(p, " SHA256:")))
		print = p++;
	if (print) {
		len = (size_t)(print - rest);
		while (len && rest[len - 1] != ' ')
			len--;
		while (len && rest[len - 1] == ' ')
			len--;
	}
	if (!len && (p = strchr(print ? print + 1 : rest, ' '))) {
		rest = p + 1;
		len = strlen(rest);
	}
	snprintf(l->offered, sizeof(l->offered), "%s %.*s",
		print && strstr(print, " agent") ? "agent" : "publickey",
		(int)(len < 250 ? len : 250), rest);
	text_sanitize_inplace(l->offered);
	l->offering = true;
}

static void on_accepted(struct openssh_log *l, const char *rest)
{
	(void)rest;
	l->accepted = l->offering;
	l->unsigned_why[0] = '\0';
}

/* "ED25519-SK \"/path\": device not found", "RSA \"/path\" from agent: agent refused operation" */
static void on_unsigned(struct openssh_log *l, const char *rest)
{
	const char *end = strrchr(rest, '"'), *why = end ? strstr(end, ": ") : NULL;

	if (why)
		copy(l->unsigned_why, sizeof(l->unsigned_why), why + 2, strlen(why + 2));
}

static void on_methods(struct openssh_log *l, const char *rest)
{
	settle_offer(l);
	copy(l->methods, sizeof(l->methods), rest, strlen(rest));
	l->password_refused |= l->asking;
	l->asking = false;
}

/* The method is the one that the next answer is about. */
static void on_next(struct openssh_log *l, const char *rest)
{
	l->asking = text_starts_with(rest, "password") ||
		    text_starts_with(rest, "keyboard-interactive");
}

/* "\"password\" with partial success." */
static void on_partial(struct openssh_log *l, const char *rest)
{
	(void)rest;
	l->asking = false;
}

static void on_no_more(struct openssh_log *l, const char *rest)
{
	(void)rest;
	settle_offer(l);
}

/* "/path: No such file or directory" */
static void on_missing(struct openssh_log *l, const char *rest)
{
	if (l->tried.len < TRIED_MAX)
		buf_printf(&l->tried, "%.*s (no such file), ", (int)strcspn(rest, ":"),
			rest);
}

/* "\"/path\": bad permissions" */
static void on_load(struct openssh_log *l, const char *rest)
{
	const char *end = strstr(rest, "\": ");

	if (end && *rest == '"' && l->tried.len < TRIED_MAX)
		buf_printf(&l->tried, "%.*s (%.60s), ", (int)(end - rest - 1), rest + 1,
			end + 3);
}

/* "HOST ([ADDR]:PORT) using \"publickey\"." */
static void on_authenticated(struct openssh_log *l, const char *rest)
{
	const char *using = strstr(rest, " using \"");
	const char *method = using ? using + strlen(" using \"") : "publickey";
	size_t len = strcspn(method, "\"");

	if (l->offering && len == strlen("publickey") &&
		strncmp(method, "publickey", len) == 0)
		copy(l->login, sizeof(l->login), l->offered, strlen(l->offered));
	else
		copy(l->login, sizeof(l->login), method, len);
	l->keyed = l->authenticated = true;
}

static void on_shared(struct openssh_log *l, const char *rest)
{
	(void)rest;
	l->shared = l->authenticated = true;
	snprintf(l->login, sizeof(l->login), "shared connection of ssh");
}

static void on_added(struct openssh_log *l, const char *rest)
{
	(void)rest;
	l->added = true;
}

/* "key in PATH:LINE" behind the type */
static void on_offending(struct openssh_log *l, const char *rest)
{
	const char *path = strstr(rest, " key in ");

	if (path && !l->known[0])
		copy(l->known, sizeof(l->known), path + strlen(" key in "),
			strlen(path + strlen(" key in ")));
}

/* "line 0: TEXT" */
static void on_banner(struct openssh_log *l, const char *rest)
{
	const char *text = strstr(rest, ": ");

	if (text && !l->banner[0])
		copy(l->banner, sizeof(l->banner), text + 2, strlen(text + 2));
}

/* Before the login. A line has one of them, at its begin. Once encryption is on the host may send a text,
 * which ssh shows as it is: by then what it must not say itself has been said. */
static const struct {
	const char *begin;
	void (*take)(struct openssh_log *l, const char *rest);
	bool before_keyed;
} facts[] = {
	{"debug1: Connection established", on_established, true},
	{"debug1: Executing proxy command", on_proxied, true},
	{"debug1: Remote protocol version", on_spoke, true},
	{"debug1: Server host key: ", on_host_key, true},
	{"debug1: Server host certificate: ", on_host_key, true},
	{"debug1: SSH2_MSG_NEWKEYS received", on_keyed, true},
	{"debug1: Offering public key: ", on_offer, false},
	{"debug1: Server accepts key: ", on_accepted, false},
	{"sign_and_send_pubkey: signing failed for ", on_unsigned, false},
	{"debug1: Authentications that can continue: ", on_methods, false},
	{"debug1: Next authentication method: ", on_next, false},
	{"debug1: No more authentication methods", on_no_more, false},
	{"no such identity: ", on_missing, false},
	{"Load key ", on_load, false},
	{"Authenticated to ", on_authenticated, false},
	{"Authenticated using ", on_partial, false},
	{"debug1: mux_client_request_session: master session id", on_shared, true},
	{"Warning: Permanently added ", on_added, true},
	{"Offending ", on_offending, true},
	{"debug1: kex_exchange_identification: banner ", on_banner, true},
};

/* ---- lines that say why ---- */

/* Of several the one of the highest rank counts, of equals the last: "closed" follows all others, and
 * those of a jump host come before. */
static const struct {
	const char *words;
	enum conn_failure why;
	int rank;
} reasons[] = {
	{"REMOTE HOST IDENTIFICATION HAS CHANGED", CONN_FAIL_HOST_KEY, 4},
	{"REVOKED HOST KEY DETECTED", CONN_FAIL_HOST_KEY, 4},
	{"Could not resolve hostname", CONN_FAIL_NAME, 3},
	{": Connection refused", CONN_FAIL_REFUSED, 3},
	{": No route to host", CONN_FAIL_UNREACHABLE, 3},
	{": Network is unreachable", CONN_FAIL_UNREACHABLE, 3},
	{": Connection timed out", CONN_FAIL_TIMEOUT, 3},
	{"Connection timed out during banner exchange", CONN_FAIL_TIMEOUT, 3},
	{"Unable to negotiate with ", CONN_FAIL_NO_ALGORITHM, 3},
	{"Host key verification failed", CONN_FAIL_HOST_KEY, 3},
	{"Permission denied (", CONN_FAIL_LOGIN, 3},
	{"Too many authentication failures", CONN_FAIL_LOGIN, 3},
	{"Bad configuration option", CONN_FAIL_OTHER, 3},
	{"Bad owner or permissions on ", CONN_FAIL_OTHER, 3},
	{"stdio forwarding failed", CONN_FAIL_UNREACHABLE, 3},
	{"kex_exchange_identification: ", CONN_FAIL_BANNER, 2},
	{"Connection reset by ", CONN_FAIL_BANNER, 2},
	{"Received disconnect from ", CONN_FAIL_BANNER, 2},
	{"Connection closed by ", CONN_FAIL_BANNER, 1},
	{"Disconnected from ", CONN_FAIL_BANNER, 1},
	{"Connection to ", CONN_FAIL_BANNER, 1},
};

static void take_reason(struct openssh_log *l, const char *line)
{
	size_t i = 0;

	while (i < ARRAY_LEN(reasons) && !strstr(line, reasons[i].words))
		i++;
	if (i == ARRAY_LEN(reasons) && *line)
		copy(l->other, sizeof(l->other), line, strlen(line));
	if (i == ARRAY_LEN(reasons) || reasons[i].rank < l->rank)
		return;
	l->failed = true;
	l->rank = reasons[i].rank;
	l->why = reasons[i].why;
	l->changed = i == 0;
	l->revoked = i == 1;
	copy(l->said, sizeof(l->said), line, strlen(line));
}

static void take_line(struct openssh_log *l, const char *line)
{
	for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
		if (text_starts_with(line, facts[i].begin)) {
			if (l->keyed && facts[i].before_keyed)
				return;
			facts[i].take(l, line + strlen(facts[i].begin));
			return;
		}
	}
	if (!text_starts_with(line, "debug"))
		take_reason(l, line);
}

/* ---- after the login ---- */

/* How ssh's own lines begin. */
static const struct {
	const char *begin;
	bool last_words; /* it says why the connection is gone */
} own[] = {
	{"debug1: ", false},
	{"Transferred: sent ", false},
	{"Bytes per second: sent ", false},
	{"Connection to ", true},
	{"Connection closed by ", true},
	{"Connection reset by ", true},
	{"Disconnected from ", true},
	{"Received disconnect from ", true},
	{"Disconnecting ", true},
	{"Timeout, server ", true},
	{"Read from remote host ", true},
	{"Write failed: ", true},
	{"client_loop: ", true},
	{"ssh_dispatch_run_fatal: ", true},
	{"ssh_packet_", true},
	{"packet_write_wait: ", true},
	{"Bad packet length ", true},
	{"Corrupted MAC on input", true},
	{"channel 0: open failed: ", true},
	{"exec request failed on channel ", true},
	{"mux_client_", true},
	{"Killed by signal ", true},
};

/* Where in the line (of len bytes, NUL-terminated) ssh itself speaks, or NULL. */
static const char *find_own(struct openssh_log *l, const char *line, size_t len)
{
	const char *found = NULL;
	bool last_words = false;

	if (len < 2 || line[len - 2] != '\r')
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		const char *p = memmem(line, len, own[i].begin, strlen(own[i].begin));

		if (p && (!found || p < found)) {
			found = p;
			last_words = own[i].last_words;
		}
	}
	if (found && last_words)
		copy(l->said, sizeof(l->said), found, (size_t)(line + len - 2 - found));
	return found;
}

/* A whole line with its end, or a piece that is as long as a line can be. What stands before words of
 * ssh is the begin of a line that goes on behind them. */
static void take_remote(struct openssh_log *l, openssh_remote_fn *remote, void *user)
{
	const char *mine = find_own(l, l->line, l->len);
	static const char request[] = "debug1: client_input_channel_req: ";

	if (!mine) {
		remote(l->line, l->len, user);
		l->len = 0;
		return;
	}
	if (text_starts_with(mine, request)) {
		l->exit_status |= strstr(mine, " rtype exit-status ") != NULL;
		l->exit_signal |= strstr(mine, " rtype exit-signal ") != NULL;
	}
	l->len = (size_t)(mine - l->line);
}

/* ---- the stream ---- */

void openssh_log_start(struct openssh_log *l)
{
	buf_finish(&l->tried);
	*l = (struct openssh_log){.len = 0};
}

void openssh_log_finish(struct openssh_log *l)
{
	buf_finish(&l->tried);
}

/* Before the login: the end of a line has come. */
static void end_line(struct openssh_log *l)
{
	size_t len = l->len;

	while (len && (l->line[len - 1] == '\n' || l->line[len - 1] == '\r'))
		len--;
	l->line[len] = '\0';
	/* no NUL of theirs hides what is behind it */
	for (size_t i = 0; i < len; i++)
		if (!l->line[i])
			l->line[i] = '?';
	l->len = 0;
	take_line(l, l->line);
}

static void add_byte(struct openssh_log *l, char c, openssh_remote_fn *remote, void *user)
{
	bool full;

	if (l->skip) {
		l->skip = c != '\n';
		return;
	}
	l->line[l->len++] = c;
	l->line[l->len] = '\0';
	full = l->len == OPENSSH_LINE_MAX;
	if (c != '\n' && !full)
		return;
	if (l->authenticated) {
		take_remote(l, remote, user);
	} else {
		l->skip = c != '\n';
		end_line(l);
	}
}

void openssh_log_feed(struct openssh_log *l, const char *data, size_t len,
	openssh_remote_fn *remote, void *user)
{
	for (size_t i = 0; i < len; i++)
		add_byte(l, data[i], remote, user);
}

void openssh_log_end(struct openssh_log *l, openssh_remote_fn *remote, void *user)
{
	if (!l->len)
		return;
	if (l->authenticated)
		remote(l->line, l->len, user);
	else
		end_line(l);
	l->len = 0;
}
