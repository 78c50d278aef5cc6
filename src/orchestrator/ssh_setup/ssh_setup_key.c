/* ssh_setup_key: the key that is handed out: found, read, or made by ssh-keygen. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/file.h"
#include "common/log.h"
#include "common/text.h"
#include "orchestrator/command.h"
#include "orchestrator/ssh_setup/ssh_setup.h"
#include "transport/process/subprocess.h"
#include "transport/wire.h"

#define KEY_FILE_MAX (64u * 1024)

char *setup_short_path(const char *path)
{
	const char *home = getenv("HOME");
	size_t n = home ? strlen(home) : 0;
	char *copy;

	while (n > 1 && home[n - 1] == '/')
		n--;
	if (n > 1 && strncmp(path, home, n) == 0 && path[n] == '/')
		copy = text_printf("~%s", path + n);
	else
		copy = strdup(path);
	if (!copy)
		abort();
	return copy;
}

char *setup_shell_path(const char *path)
{
	AUTO_FREE char *brief = setup_short_path(path);
	struct buf b = BUF_INIT;
	size_t tilde = text_starts_with(brief, "~/") ? 2 : 0;

	/* a quoted "~" would be the name of a folder */
	buf_append(&b, brief, tilde);
	text_shell_quote(&b, brief + tilde);
	return buf_steal(&b);
}

/* ---- ssh-keygen ---- */

/* Runs it to its end; what it prints is appended to out. */
static int run_keygen(const char *const *argv, struct buf *out, struct err *err)
{
	AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	AUTO_CLOSE int from = -1, to = -1;
	int fds[2], status, rc;
	ssize_t n;
	pid_t pid;

	if (null < 0 || pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "ssh-keygen");
	from = fds[0];
	to = fds[1];
	rc = spawn_program(argv, (const int[]){null, to, to}, &pid);
	close(steal_fd(&to));
	if (rc == -ENOENT)
		return err_set(err, ERR_FAILED,
			"ssh-keygen is not installed here: it comes with "
			"openssh-client (Debian, "
			"Ubuntu) or openssh (Fedora, Arch, Alpine); or name a key "
			"that is there "
			"with --key");
	if (rc < 0)
		return err_sys(err, -rc, "ssh-keygen");
	for (;;) {
		char *room = buf_reserve(out, 1024);

		n = room ? read(from, room, 1024) : 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		out->len += (size_t)n;
		out->data[out->len] = '\0';
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (out->data)
		text_sanitize_inplace(out->data);
	return err_set(err, ERR_FAILED, "ssh-keygen: %.300s",
		out->len ? out->data : "it failed without a word");
}

/* ---- the public half ---- */

/* Takes "TYPE BLOB [COMMENT]" apart (text is changed) and keeps it when it is one. */
static int take_line(
	struct setup_key *k, const char *place, struct buf *text, struct err *err)
{
	char *start = buf_puts(text, "") < 0 ? NULL : text->data;
	char *end, *type, *blob, *comment;
	AUTO_FREE uint8_t *raw = NULL;
	struct wire w, name;
	long n;

	if (!start)
		return err_sys(err, ENOMEM, "%s", place);
	end = start + strcspn(start, "\r\n");
	*end = '\0';
	type = start + strspn(start, " \t");
	blob = type + strcspn(type, " \t");
	if (*blob)
		*blob++ = '\0';
	blob += strspn(blob, " \t");
	comment = blob + strcspn(blob, " \t");
	if (*comment)
		*comment++ = '\0';
	comment += strspn(comment, " \t");
	raw = malloc(strlen(blob) + 1);
	n = raw ? digest_base64_decode(blob, strlen(blob), raw) : -1;
	w = wire_of(raw, n > 0 ? (size_t)n : 0);
	name = wire_string(&w);
	if (n <= 0 || w.bad || name.left != strlen(type) ||
		memcmp(name.p, type, name.left) != 0)
		return err_set(
			err, ERR_INPUT, "%s: no public SSH key stands there", place);
	text_sanitize_inplace(comment);
	key_fingerprint(raw, (size_t)n, k->fingerprint);
	k->line = text_printf("%s %s%s%s", type, blob, *comment ? " " : "", comment);
	return k->line ? 0 : err_sys(err, ENOMEM, "%s", place);
}

/* The public half that stands in a private key file as well, as far as muster can read it. */
static int read_private(const char *path, struct keyfile *ret, struct err *err)
{
	static const char mark[] = "PRIVATE KEY-----";
	struct buf text = BUF_INIT;
	int rc = file_read(path, KEY_FILE_MAX, &text, err);

	keyfile_parse(text.data ? text.data : "", text.len, NULL, ret);
	if (rc == 0 && !ret->blob &&
		!(text.data && memmem(text.data, text.len, mark, strlen(mark))))
		rc = err_set(err, ERR_INPUT, "%s: no SSH key stands there", path);
	if (text.data)
		explicit_bzero(text.data, text.cap);
	buf_finish(&text);
	return rc;
}

static int put_blob(const struct keyfile *f, struct buf *out)
{
	AUTO_FREE char *base64 = malloc(digest_base64_len(f->blob_len) + 1);

	if (!base64)
		return -ENOMEM;
	digest_base64_encode(f->blob, f->blob_len, base64);
	return buf_printf(out, "%s %s", f->type, base64);
}

static int check_pair(const struct setup_key *k, const char *public_path,
	const struct keyfile *private, struct err *err)
{
	char print[KEY_FINGERPRINT_SIZE];

	if (!private->blob)
		return 0;
	key_fingerprint(private->blob, private->blob_len, print);
	if (strcmp(print, k->fingerprint) == 0)
		return 0;

	AUTO_FREE char *from = setup_shell_path(k->path);
	AUTO_FREE char *to = setup_shell_path(public_path);

	return err_set(err, ERR_INPUT,
		"%s is not the public half of %s: make it anew with: ssh-keygen -y -f %s "
		"> %s",
		public_path, k->path, from, to);
}

static bool is_open_to_others(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && (st.st_mode & 077);
}

static int derive(struct setup_key *k, const struct keyfile *private, struct err *err)
{
	const char *const argv[] = {"ssh-keygen", "-y", "-P", "", "-f", k->path, NULL};
	AUTO_FREE char *word = setup_shell_path(k->path);
	AUTO_BUF struct buf out = BUF_INIT;

	if (private->blob && private->type && put_blob(private, &out) == 0)
		return take_line(k, k->path, &out, err);
	if (is_open_to_others(k->path))
		return err_set(err, ERR_INPUT,
			"%s can be read by others, so that ssh-keygen does not read it: "
			"chmod 600 %s",
			k->path, word);
	if (run_keygen(argv, &out, err) < 0)
		return err_prefix(err, "%s: its public half cannot be read", k->path);
	return take_line(k, k->path, &out, err);
}

static void warn_of_mode(const char *path)
{
	AUTO_FREE char *word = setup_shell_path(path);

	if (is_open_to_others(path))
		log_warn("%s can be read by others: chmod 600 %s", path, word);
}

static int read_public(struct setup_key *k, struct err *err)
{
	AUTO_FREE char *path = text_printf("%s.pub", k->path);
	CLEANUP(keyfile_finish) struct keyfile private = {.blob = NULL};
	AUTO_BUF struct buf text = BUF_INIT;

	if (!path)
		return err_sys(err, ENOMEM, "%s", k->path);
	if (read_private(k->path, &private, err) < 0)
		return -1;
	k->encrypted = private.state == KEYFILE_ENCRYPTED;
	if (access(path, F_OK) < 0) {
		if (derive(k, &private, err) < 0)
			return -1;
	} else if (file_read(path, KEY_FILE_MAX, &text, err) < 0 ||
		   take_line(k, path, &text, err) < 0 ||
		   check_pair(k, path, &private, err) < 0) {
		return -1;
	}
	warn_of_mode(k->path);
	return 0;
}

int setup_key_find(struct setup_key *k, const struct options *o, struct err *err)
{
	AUTO_FREE char *public_path = NULL;
	AUTO_FREE char *standard = NULL;
	struct stat st;

	k->type = setup_key_types[o->key_type];
	standard = text_printf("~/.ssh/muster_%s", k->type);
	k->path = standard ? file_expand_home(o->key ? o->key : standard) : NULL;
	public_path = k->path ? text_printf("%s.pub", k->path) : NULL;
	if (!public_path)
		return err_sys(err, ENOMEM, "key");
	if (stat(k->path, &st) == 0) {
		if (!S_ISREG(st.st_mode))
			return err_set(err, ERR_INPUT, "%s is no key file", k->path);
		k->exists = true;
		return read_public(k, err);
	}
	if (errno != ENOENT) {
		err_sys(err, errno, "%s", k->path);
		err->kind = ERR_INPUT;
		return -1;
	}
	if (access(public_path, F_OK) == 0)
		return err_set(err, ERR_INPUT,
			"%s is there, and %s is not: a public key without its private "
			"half is of no "
			"use",
			public_path, k->path);
	return 0;
}

static int make_folder(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *folder =
		slash && slash != path ? strndup(path, (size_t)(slash - path)) : NULL;

	return folder ? file_mkdir_p(folder, 0700, err) : 0;
}

int setup_key_make(struct setup_key *k, struct err *err)
{
	char host[256] = "";
	AUTO_FREE char *comment = NULL;
	AUTO_BUF struct buf out = BUF_INIT;

	if (k->exists)
		return 0;
	if (make_folder(k->path, err) < 0)
		return -1;
	gethostname(host, sizeof(host) - 1);
	comment = text_printf("muster@%s", host);
	if (!comment)
		return err_sys(err, ENOMEM, "key");

	/* the empty word is the passphrase: there is none, for nobody sits beside a run */
	const char *argv[] = {"ssh-keygen", "-q", "-t", k->type, "-N", "", "-C", comment,
		"-f", k->path, strcmp(k->type, "rsa") == 0 ? "-b" : NULL, "3072", NULL};

	if (run_keygen(argv, &out, err) < 0)
		return err_prefix(err, "%s cannot be made", k->path);
	k->exists = k->made = true;
	return read_public(k, err);
}

void setup_key_finish(struct setup_key *k)
{
	free(k->path);
	free(k->line);
}
