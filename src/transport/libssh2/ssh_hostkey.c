/* ssh_hostkey: is it the host we know? Policy, what to say when it is not, and accept-new. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "common/text.h"
#include "transport/keys/keyfile.h"
#include "transport/keys/known_hosts.h"
#include "transport/libssh2/ssh.h"
#include "transport/wire.h"

const char *ssh_known_name(const struct ssh_target *t)
{
	return t->alias ? t->alias : t->hostname;
}

uint16_t ssh_known_port(const struct ssh_target *t)
{
	return t->alias ? 0 : t->port;
}

/* Types that are known for the host come first: else the host shows one of another type, and reads
 * as unknown. */
void ssh_hostkey_prefer(struct ssh *s)
{
	static const char *const types[] = {"ssh-ed25519", "ecdsa-sha2-nistp256",
		"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"};
	AUTO_BUF struct buf known = BUF_INIT;
	AUTO_BUF struct buf list = BUF_INIT;

	if (s->target.policy != HOST_KEY_OFF)
		known_hosts_types(s->target.known, s->target.n_known,
			ssh_known_name(&s->target), ssh_known_port(&s->target), &known);
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < ARRAY_LEN(types); i++) {
			AUTO_FREE char *item = text_printf("%s,", types[i]);
			bool is_known = item && known.data && strstr(known.data, item);

			if (is_known == (pass == 0))
				buf_printf(&list, "%s%s", list.len ? "," : "", types[i]);
		}
	}
	if (list.data)
		libssh2_session_method_pref(
			s->session, LIBSSH2_METHOD_HOSTKEY, list.data);
}

static void describe(const void *blob, size_t len, char *out, size_t size)
{
	struct wire w = wire_of(blob, len), type = wire_string(&w);
	char print[KEY_FINGERPRINT_SIZE];

	key_fingerprint(blob, len, print);
	snprintf(out, size, "%.*s %s", (int)(type.left < 60 ? type.left : 60),
		type.p ? (const char *)type.p : "", print);
	text_sanitize_inplace(out);
}

/* What else the files say that may be of help. */
static char *unknown_hint(const struct ssh *s, const struct known_match *m)
{
	if (m->other_type)
		return text_printf(" (%s:%u knows it by %s%s)", m->other_type->path,
			m->other_type->line, m->other_type->type,
			strcmp(m->other_type->type, "ssh-rsa") == 0
				? ", of which libssh2 has only the form that sshd has "
				  "given up"
				: "");
	if (m->ca)
		return text_printf(" (%s:%u trusts a certificate authority for it, which "
				   "needs transport openssh)",
			m->ca->path, m->ca->line);
	for (size_t i = 0; i < s->target.n_known; i++) {
		size_t bad = known_hosts_bad_lines(s->target.known[i]);

		if (bad)
			return text_printf(" (%zu lines of %s make no sense)", bad,
				known_hosts_path(s->target.known[i]));
	}
	return NULL;
}

void ssh_hostkey_advise(const struct ssh_target *t, struct buf *out)
{
	AUTO_FREE char *file = t->accept_file ? text_shell_word(t->accept_file)
					      : strdup("~/.ssh/known_hosts");

	/* ssh-keyscan cannot go through jump hosts */
	if (t->via)
		buf_printf(out,
			"check it, then log in once with ssh -o UserKnownHostsFile=%s",
			file);
	else
		buf_printf(out, "check it, then: ssh-keyscan -p %u %s >> %s", t->port,
			t->hostname, file);
	/* which does not take other keys of a host that is known */
	if (!known_hosts_any(t->known, t->n_known, ssh_known_name(t), ssh_known_port(t)))
		buf_puts(out, ", or host_key: accept-new");
}

static void say_unknown(struct ssh *s, const struct known_match *m, const char *shown)
{
	AUTO_BUF struct buf advice = BUF_INIT;
	AUTO_FREE char *hint = unknown_hint(s, m);

	ssh_hostkey_advise(&s->target, &advice);
	conn_fail(s->c, CONN_FAIL_HOST_KEY, "%s: host key is not known: %s%s (%s)",
		dial_where(s->dial), shown, hint ? hint : "", advice.data);
}

static void say_changed(struct ssh *s, const struct known_match *m, const char *shown)
{
	char known[128];
	AUTO_BUF struct buf name = BUF_INIT;
	AUTO_FREE char *file = text_shell_word(m->key->path);

	describe(m->key->blob, m->key->blob_len, known, sizeof(known));
	known_hosts_name(&name, ssh_known_name(&s->target), ssh_known_port(&s->target));
	conn_fail(s->c, CONN_FAIL_HOST_KEY,
		"%s: HOST KEY CHANGED: known_hosts line %s:%u has %s, the host shows %s; "
		"somebody "
		"may be listening in; if the change is right: ssh-keygen -f %s -R '%s'",
		dial_where(s->dial), m->key->path, m->key->line, known, shown, file,
		name.data ? name.data : "");
}

/* A file that ends in the middle of a line gets the end of it first. */
static int append_line(const char *path, const struct buf *line)
{
	AUTO_CLOSE int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	AUTO_BUF struct buf text = BUF_INIT;
	char last = '\n';
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
		pread(fd, &last, 1, st.st_size - 1) != 1)
		last = '\n';
	if (last != '\n' && buf_putc(&text, '\n') < 0)
		return -ENOMEM;
	if (buf_append(&text, line->data, line->len) < 0)
		return -ENOMEM;
	return file_write_all(fd, text.data, text.len);
}

static void make_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *dir = slash ? strndup(path, (size_t)(slash - path)) : NULL;

	/* open() says what is wrong */
	if (dir)
		mkdir(dir, 0700);
}

static void accept_new(struct ssh *s, const void *blob, size_t len, const char *shown)
{
	const char *path = s->target.accept_file;
	AUTO_BUF struct buf line = BUF_INIT;
	AUTO_BUF struct buf name = BUF_INIT;
	int rc = -ENOENT;

	if (known_hosts_name(
		    &name, ssh_known_name(&s->target), ssh_known_port(&s->target)) < 0 ||
		known_hosts_line(&line, name.data, blob, len) < 0)
		return;
	if (path) {
		make_directory(path);
		rc = append_line(path, &line);
	}
	if (s->target.n_known)
		known_hosts_add(s->target.known[0], name.data, blob, len);
	s->c->info.host_key_new = rc >= 0;
	if (rc < 0)
		conn_note(s->c, "%s: new host key %s accepted, but not kept: %s: %s",
			dial_where(s->dial), shown, path ? path : "known_hosts",
			strerror(-rc));
	else
		conn_note(s->c, "%s: new host key %s added to %s", dial_where(s->dial),
			shown, path);
}

void ssh_hostkey_off(struct conn *c, const char *where)
{
	struct ssh_shared *sh = c->t->ssh;

	if (sh->off_said)
		return;
	sh->off_said = true;
	conn_note(c,
		"%s: host key checking is off for it and for all hosts with host_key: "
		"off: "
		"nothing proves that they are the right ones",
		where);
}

int ssh_hostkey_check(struct ssh *s)
{
	const struct ssh_target *t = &s->target;
	size_t len = 0;
	int type;
	const char *blob = libssh2_session_hostkey(s->session, &len, &type);
	struct known_match m;
	char shown[128];

	if (!blob) {
		conn_fail(s->c, CONN_FAIL_HOST_KEY, "%s: the host showed no key",
			dial_where(s->dial));
		return -1;
	}
	describe(blob, len, shown, sizeof(shown));
	free(s->host_key);
	s->host_key = strdup(shown);
	s->c->info.host_key = s->host_key;
	if (t->policy == HOST_KEY_OFF) {
		ssh_hostkey_off(s->c, dial_where(s->dial));
		return 0;
	}
	m = known_hosts_check(t->known, t->n_known, ssh_known_name(&s->target),
		ssh_known_port(&s->target), blob, len);
	if (m.verdict == KNOWN_OK)
		return 0;
	if (m.verdict == KNOWN_UNKNOWN && t->policy == HOST_KEY_ACCEPT_NEW) {
		accept_new(s, blob, len, shown);
		return 0;
	}
	if (m.verdict == KNOWN_UNKNOWN)
		say_unknown(s, &m, shown);
	else if (m.verdict == KNOWN_CHANGED)
		say_changed(s, &m, shown);
	else
		conn_fail(s->c, CONN_FAIL_HOST_KEY,
			"%s: the host shows a revoked key: %s (%s:%u); it must get a new "
			"one",
			dial_where(s->dial), shown, m.key->path, m.key->line);
	return -1;
}
