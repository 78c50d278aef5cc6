/* script: see the header; each part of a script says what it is for beside it. */
#include "transport/worker/script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/digest.h"
#include "common/text.h"
#include "transport/transport.h"
#include "transport/worker/container.h"
#include "transport/worker/upload.h"

/* Where a worker may lie, in order of preference, as $l. Names with blanks would break lists. */
#define DEFINE_DIRS                                                                      \
	"u=$(id -u); l=; for d in \"${XDG_CACHE_HOME:-${HOME:-/dev/null}/.cache}\" "     \
	"/var/tmp "                                                                      \
	"/tmp /dev/shm; do case $d in *[[:space:]]*) ;; /*) l=\"$l $d\";; esac; done; "

#define FOR_EACH_DIR "for d in $l; do m=$d/muster-$u; "

/* ok DIR: a real directory, ours, that nobody else may enter. ls -n: no names to look up. */
#define DEFINE_OK                                                                        \
	"ok() { [ -d \"$1\" ] || return 1; set -- $(ls -ldn \"$1\" 2>/dev/null); "       \
	"case $1:$3 in drwx------*:$u) return 0;; esac; return 1; }; "

/* leased FILE: the run file of a server whose process runs (known by pid and start time), or of another machine
 * that has this directory, too; $y says which. */
#define DEFINE_LEASED                                                                    \
	"field() { sed -n \"s/.*\\\"$1\\\":\\\"*\\([^,\\\"]*\\).*/\\1/p\" $2; }; "       \
	"leased() { case $1 in *.sock) return 1;; esac; g=$(field machine $1); "         \
	"y=\"is of another machine\"; [ -n \"$g\" ] || return 1; "                       \
	"[ \"$g\" = \"$(cat /etc/machine-id 2>/dev/null || uname -n)\" ] || return 0; "  \
	"p=$(field pid $1); t=$(field start_ticks $1); "                                 \
	"y=\"is of a server on lease that runs (PID $p): muster stop ends it\"; "        \
	"g=$(cat /proc/$p/stat 2>/dev/null); set -- ${g##*\\)}; "                        \
	"[ -n \"$t\" ] && [ \"${20}\" = \"$t\" ]; }; "

bool script_dir_ok(const char *dir)
{
	return *dir == '/' &&
	       strspn(dir,
		       "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
		       "_./:=@%+,~-") == strlen(dir);
}

int transport_sh(struct buf *out, const char *script)
{
	size_t start = out->len;
	int rc;

	/* fish takes two backslashes for one, even between single quotes */
	if (strpbrk(script, "'!\n") || strstr(script, "\\\\"))
		return -EINVAL;
	rc = buf_printf(out, "exec /bin/sh -c '%s'", script);
	if (rc < 0)
		out->len = start;
	return rc;
}

int script_word(struct buf *out, const char *word)
{
	static const struct {
		char sign;
		const char *instead;
	} table[] = {{'\'', "${_q}"}, {'!', "${_b}"}, {'\\', "${_s}"}, {'\n', "${_n}"},
		{'$', "\\$"}, {'`', "\\`"}, {'"', "\\\""}};
	int rc = buf_putc(out, '"');

	for (; rc == 0 && *word; word++) {
		size_t i = 0;

		while (i < ARRAY_LEN(table) && table[i].sign != *word)
			i++;
		rc = i < ARRAY_LEN(table) ? buf_puts(out, table[i].instead)
					  : buf_putc(out, *word);
	}
	return rc ? rc : buf_putc(out, '"');
}

char *script_wrap(struct buf *script)
{
	AUTO_BUF struct buf out = BUF_INIT;

	if (!script->data || transport_sh(&out, script->data) < 0)
		return NULL;
	return buf_steal(&out);
}

/* It is not there: which directories can take it? a script that runs shows it (\041 is the sign that may not
 * stand here). The first one is about to be used; those after it are tried only when it fails after all. */
static void which_dirs(struct buf *s)
{
	buf_puts(s,
		"n=; umask 077; " FOR_EACH_DIR
		"[ -z \"$n\" ] || { n=\"$n $d\"; continue; }; mkdir -p -m 700 $m; ok $m "
		"|| continue; t=$m/t-$$; g=; "
		"printf \"#\\041/bin/sh\\nexit 0\\n\" >$t && chmod 700 $t && $t && g=$d; "
		"rm -f $t; [ -n \"$g\" ] || rmdir $m; n=$g; done "
		"2>/dev/null; "
		"printf \"\\nMUSTER-NEED %s %s %s %s\\n\" $(uname -s) $k $u \"$n\"");
}

void script_start(struct buf *s, const struct worker_file *f, const char *run)
{
	buf_printf(s, "a=%s; h=%.16s; k=$(uname -m); ", f->arch, f->sha256);
	buf_puts(s, DEFINE_DIRS DEFINE_OK);
	/* a home may be shared by machines of several kinds */
	buf_printf(s,
		"[ $k = $a ] && " FOR_EACH_DIR
		"[ -x $m/w-$h ] && ok $m && %s $m/w-$h; done; ",
		run);
	which_dirs(s);
}

char *program_find_command(const struct worker_file *f)
{
	AUTO_BUF struct buf s = BUF_INIT;

	buf_printf(&s, "f=%s; s=%s; k=$(uname -m); ", f->name, f->sha256);
	buf_puts(&s, DEFINE_DIRS DEFINE_OK FOR_EACH_DIR
		"[ -x $m/$f ] && ok $m || continue; g=$(sha256sum <$m/$f); "
		"[ \"${g%% *}\" = $s ] || break; "
		"printf \"\\nMUSTER-PROGRAM %s\\n\" $m/$f; exit 0; "
		"done 2>/dev/null; ");
	which_dirs(&s);
	return script_wrap(&s);
}

char *worker_start_command(const struct worker_file *f, const char *options)
{
	AUTO_BUF struct buf s = BUF_INIT;

	buf_printf(&s, "r() { exec $1 %s; }; ", options);
	script_start(&s, f, "r");
	return script_wrap(&s);
}

char *worker_forget_command(const struct worker_file *f)
{
	AUTO_BUF struct buf s = BUF_INIT;

	buf_puts(&s, DEFINE_DIRS DEFINE_OK);
	buf_printf(&s,
		FOR_EACH_DIR
		"ok $m && rm -f $m/w-%.16s && rmdir $m; done 2>/dev/null; exit 0",
		f->sha256);
	return script_wrap(&s);
}

/* Sets g to the hash of what arrived, or r to why it cannot run there. */
static const char check_worker[] =
	/* its own word for its hash is as good as that of sha256sum (what arrived broken does not say
	 * this one), four times as quick, and it has to run anyway to show that it can */
	"r=; g=$($p --version 2>&1 </dev/null) || { r=${g:-no answer}; g=; }; "
	"case $g in *sha256:*) g=${g##*sha256:};; "
	"*) command -v sha256sum >/dev/null 2>&1 || say run $r; "
	"g=$(sha256sum <$p);; esac; g=${g%% *}; ";

/* Another program cannot say its own hash. That it runs is seen by what the shell has for one that does not. */
static const char check_program[] =
	"g=$(sha256sum <$p 2>&1) || say write $g; g=${g%% *}; r=; "
	"[ \"$g\" = $s ] && { e=$($p -V 2>&1 </dev/null); case $? in "
	"126 | 127) r=${e:-no answer};; esac; }; ";

char *script_upload(const struct worker_file *f, const char *dir)
{
	AUTO_BUF struct buf s = BUF_INIT;
	char random[9];

	digest_random_hex(4, random);
	buf_printf(&s, "d=%s; s=%s; u=$(id -u); m=$d/muster-$u; ", dir, f->sha256);
	if (f->name)
		buf_printf(&s, "w=$m/%s; ", f->name);
	else
		buf_printf(&s, "w=$m/w-%.16s; ", f->sha256);
	buf_printf(&s, "p=$w.part.$$.%s; umask 077; set -f; ", random);
	buf_puts(&s, DEFINE_OK);
	/* say: the answer, in one line, with nothing left behind but what is good; the rest of the
	 * worker is read so that the other side need not guess */
	buf_puts(&s,
		"say() { rm -f $p; printf \"\\nMUSTER-UPLOAD %s\\n\" \"$(echo $*)\"; "
		"exit 0; }; "
		"e=; ok $m || { e=$(mkdir -p -m 700 $m 2>&1); ok $m; } || "
		"say dir ${e:-$m is not a directory of ours with mode 0700}; "
		"e=$( { cat >$p; } 2>&1) || say write $e; "
		"chmod 700 $p; ");
	buf_puts(&s, f->name ? check_program : check_worker);
	buf_puts(&s, "[ \"$g\" = $s ] || say hash $g; [ -z \"$r\" ] || say run $r; "
		     "e=$(mv -f $p $w 2>&1) || say write $e; ");
	/* an older one in another directory may be found before this one */
	if (f->name)
		buf_printf(&s,
			DEFINE_DIRS FOR_EACH_DIR "[ $m/%s = $w ] || { ok $m && "
						 "rm -f $m/%s; }; done 2>/dev/null; ",
			f->name, f->name);
	buf_puts(&s, "printf \"\\nMUSTER-UPLOAD ok %s\\n\" $w");
	return script_wrap(&s);
}

int script_find_worker(struct buf *out, const struct worker_file *files, size_t n)
{
	int r = buf_puts(out, DEFINE_DIRS DEFINE_OK "w=; k=$(uname -m); for a in");

	for (size_t i = 0; r == 0 && i < n; i++)
		r = buf_printf(out, " %s:%.16s", files[i].arch, files[i].sha256);
	return r ? r
		 : buf_puts(out,
			   "; do [ ${a%%:*} = $k ] || continue; " FOR_EACH_DIR
			   "[ -x $m/w-${a#*:} ] && ok $m && w=$m/w-${a#*:} && break; "
			   "done; done; ");
}

char *worker_clean_command(const struct host_container *c)
{
	AUTO_BUF struct buf s = BUF_INIT;

	if (c && c->image) {
		buf_puts(&s, "u=$(id -u); ");
		container_clean_script(&s, c);
	}

	/* x: what runs, "|" between the paths. A worker that runs keeps its file, and keeps the run
	 * directories beside it, for which of them is its own cannot be seen. */
	buf_puts(&s,
		"x=\"|$(ls -l /proc/[0-9]*/exe 2>/dev/null | sed \"s/.* -> "
		"//\" | tr \"\\n\" \"|\")\"; " DEFINE_DIRS DEFINE_OK DEFINE_LEASED
			FOR_EACH_DIR "[ -d $m ] || continue; "
		"ok $m || { [ -d $m ] || continue; printf \"\\nMUSTER-KEPT %s %s\\n\" $m "
		"\"is not a directory "
		"of ours with mode 0700\"; continue; }; "
		"r=; z=\"|\"; for f in $m/lease-*; do [ -f $f ] && leased $f || "
		"continue; "
		"z=\"$z$f|$f.sock|\"; printf \"\\nMUSTER-KEPT %s %s\\n\" $f \"$y\"; "
		"done; "
		"for f in $m/w-*; do [ -f $f ] || continue; "
		"case $x in *\"|$f|\"*) r=1; printf \"\\nMUSTER-KEPT %s %s\\n\" $f \"is "
		"running\"; continue;; esac; "
		"e=$(rm -f $f 2>&1) && printf \"\\nMUSTER-REMOVED %s\\n\" $f || "
		"printf \"\\nMUSTER-KEPT %s %s\\n\" $f \"$(echo $e)\"; done; "
		"[ -z \"$r\" ] || continue; "
		"for f in $m/* $m/.[a-zA-Z0-9]*; do [ -e $f ] || [ -L $f ] || continue; "
		"case $f in $m/w-*) continue;; esac; "
		"case $z in *\"|$f|\"*) continue;; esac; "
		"e=$(rm -rf $f 2>&1) && printf \"\\nMUSTER-REMOVED %s\\n\" $f || "
		"printf \"\\nMUSTER-KEPT %s %s\\n\" $f \"$(echo $e)\"; done; "
		"rmdir $m 2>/dev/null; done; exit 0");
	return script_wrap(&s);
}
