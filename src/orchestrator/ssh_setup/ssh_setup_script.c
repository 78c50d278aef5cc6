/* ssh_setup_script: what runs on a host, and what its answers mean.
 *
 * The rules of transport/worker/script.h hold. The key comes on stdin: nothing of it stands in a command line. Only
 * what is known to be ours is taken out of authorized_keys, and its content is never at risk: adding
 * appends, removing puts a new file in its place once the sizes of what stays and what goes add up. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/text.h"
#include "orchestrator/ssh_setup/ssh_setup.h"
#include "transport/worker/script.h"

#define ANSWER "MUSTER-SETUP "

/* say WORD ...: an answer. die ...: the last one. */
#define DEFINE_SAY                                                                       \
	"LC_ALL=C; PATH=$PATH:/usr/sbin:/sbin; export LC_ALL PATH; umask 077; set -f; "  \
	"say() { printf \"\\nMUSTER-SETUP %s\\n\" \"$(echo \"$@\")\"; }; "               \
	"die() { say fail \"$@\"; exit 0; }; "

/* mode PATH: m and o are its mode, as ls shows it, and its owner. fix PATH MODE PATTERN. */
#define DEFINE_MODE                                                                      \
	"mode() { set -- $(ls -ldnL \"$1\" 2>/dev/null); m=$1; o=$3; }; "                \
	"fix() { mode \"$1\"; case $m in $3) ;; "                                        \
	"*) chmod $2 \"$1\" 2>/dev/null && say mode $m $2 \"$1\";; esac; }; "

/* t, b, c: the key. d, f: where it goes. sshd refuses keys below a home that others may write to. */
#define DEFINE_PLACES                                                                    \
	"t=; b=; c=; read -r t b c; [ -n \"$b\" ] || die no key came; "                  \
	"u=$(id -u); h=${HOME:-}; [ -d \"$h\" ] || "                                     \
	"die \"the home directory ${h:-of the user} is not there\"; "                    \
	"d=$h/.ssh; f=$d/authorized_keys; mode \"$h\"; "                                 \
	"case $m in ?????w*|????????w*) say loose \"$h\";; esac; "                       \
	"[ \"$o\" = \"$u\" ] || [ \"$o\" = 0 ] || say owner \"$h\"; "

/* has: whether the key's blob stands in a line, with l that line. */
#define DEFINE_HAS                                                                       \
	"has() { while read -r l || [ -n \"$l\" ]; do case $l in \\#*) continue;; "      \
	"esac; "                                                                         \
	"case \"$l \" in *[[:space:]]\"$b\"[[:space:]]*) return 0;; esac; done "         \
	"<\"$f\"; "                                                                      \
	"return 1; }; "

/* One at a time: hosts often share a home directory. A lock that stays for 10 s belongs to nobody. */
#define LOCK                                                                             \
	"k=$d/.muster-lock; n=0; until mkdir \"$k\" 2>/dev/null; do "                    \
	"[ $n -lt 100 ] && [ -w \"$d\" ] || break; "                                     \
	"sleep 0.1 2>/dev/null && n=$((n+1)) || { sleep 1; n=$((n+10)); }; done; "       \
	"bye() { rmdir \"$k\" 2>/dev/null; }; trap bye 0; "

#define LABEL                                                                            \
	"label() { command -v restorecon >/dev/null 2>&1 && "                            \
	"restorecon -F \"$d\" \"$f\" >/dev/null 2>&1; }; "

static char *wrap(struct buf *script)
{
	AUTO_BUF struct buf out = BUF_INIT;

	if (!script->data || transport_sh(&out, script->data) < 0)
		return NULL;
	return buf_steal(&out);
}

static char *wrap_text(const char *text)
{
	AUTO_BUF struct buf script = BUF_INIT;

	buf_puts(&script, text);
	return wrap(&script);
}

char *setup_script_add(void)
{
	return wrap_text(DEFINE_SAY DEFINE_MODE DEFINE_PLACES DEFINE_HAS LABEL
		"if [ -e \"$d\" ]; then [ -d \"$d\" ] || die \"$d is not a directory\"; "
		"else e=$(mkdir -m 700 \"$d\" 2>&1) || [ -d \"$d\" ] || die \"$d cannot "
		"be made:\" $e; "
		"fi; "
		"fix \"$d\" 700 \"drwx------*\"; " LOCK
		"[ -d \"$f\" ] && die \"$f is a directory\"; "
		"if [ -e \"$f\" ]; then [ -r \"$f\" ] || die \"$f cannot be read\"; "
		"fix \"$f\" 600 \"-r?-------*\"; "
		"if has; then case $l in ssh-*|ecdsa-*|sk-*) say there;; "
		"*) say there with options;; esac; label; exit 0; fi; fi; "
		/* a last line without its end gets it */
		"s=; [ -s \"$f\" ] && [ -n \"$(tail -c 1 \"$f\")\" ] && s=1; "
		"new() { [ -z \"$s\" ] || echo || return 1; "
		"printf \"%s %s%s\\n\" \"$t\" \"$b\" \"${c:+ $c}\"; }; "
		/* a full disk shows here first, and not in the middle of a line */
		"if [ -w \"$d\" ]; then p=$d/.muster-part.$$; "
		"e=$( { new >\"$p\"; } 2>&1); r=$?; rm -f \"$p\"; "
		"[ $r = 0 ] || die \"$d: nothing can be written there (disk full, or "
		"over quota?):\" $e; fi; "
		"e=$( { new >>\"$f\"; } 2>&1) || die \"$f cannot be written:\" $e; "
		"fix \"$f\" 600 \"-r?-------*\"; label; "
		"has || die \"the key did not arrive in $f\"; "
		"[ -z \"$s\" ] || say healed; say copied; exit 0");
}

char *setup_script_remove(void)
{
	return wrap_text(DEFINE_SAY DEFINE_MODE DEFINE_PLACES DEFINE_HAS LABEL
		"[ -e \"$f\" ] || { say removed 0; exit 0; }; "
		"[ -r \"$f\" ] || die \"$f cannot be read\"; "
		"has || { say removed 0; exit 0; }; " LOCK
		/* r: the file itself, where f is a link */
		"r=$(readlink -f \"$f\" 2>/dev/null); [ -n \"$r\" ] || r=$f; "
		"[ -L \"$r\" ] && die \"$f is a link, and where it leads cannot be "
		"found out\"; "
		"p=$r.muster.$$; "
		"no() { rm -f \"$p\"; die \"$r cannot be rewritten:\" \"$@\"; }; "
		"a=\"^[[:space:]]*[^#[:space:]].*[[:space:]]$b\"; "
		"e=$(cp -p \"$r\" \"$p\" 2>&1) || no $e; "
		"e=$( { sed -e \"\\|$a[[:space:]]|d\" -e \"\\|$a\\$|d\" \"$r\" >\"$p\"; "
		"} 2>&1) || no $e; "
		"gone() { sed -e \"\\|$a[[:space:]]|b\" -e \"\\|$a\\$|b\" -e d \"$r\"; "
		"}; "
		"x=$(wc -c <\"$r\"); y=$(wc -c <\"$p\"); z=$(gone | wc -c); "
		"[ $((y+z)) -eq $((x)) ] || [ $((y+z)) -eq $((x+1)) ] || "
		"no \"what stays and what goes do not add up\"; "
		"mode \"$r\"; w=$m$o; mode \"$p\"; [ \"$m$o\" = \"$w\" ] || "
		"no \"its owner or mode would change\"; "
		"i=$(gone | grep -c .); "
		"e=$(mv -f \"$p\" \"$r\" 2>&1) || no $e; label; "
		"say removed $i; exit 0");
}

char *setup_script_why(void)
{
	/* what sshd itself says, when it may be asked; else its files, of which the first word counts,
	 * up to the first Match */
	return wrap_text(DEFINE_SAY
		"set +f; { sshd -T 2>/dev/null || "
		"cat /etc/ssh/sshd_config.d/*.conf /etc/ssh/sshd_config 2>/dev/null; } | "
		"sed -e \"/^[[:space:]]*[Mm][Aa][Tt][Cc][Hh][[:space:]]/,\\$d\" | "
		"grep -i -E \"^[[:space:]]*(pubkeyauthentication|authorizedkeysfile|"
		"strictmodes|authenticationmethods)[[:space:]=]\" | "
		"while read -r l; do say sshd \"$l\"; done; exit 0");
}

char *setup_script_look(
	const struct worker_file *files, size_t n, const char *worker_path)
{
	AUTO_BUF struct buf s = BUF_INIT;

	buf_puts(&s,
		DEFINE_SAY "set +f; say os $(uname -s) $(uname -m); "
			   "for r in docker podman; do p=$(command -v $r 2>/dev/null) && "
			   "say runtime $r \"$p\"; done; ");
	if (worker_path && script_dir_ok(worker_path))
		buf_printf(&s, "w=; [ -x %s ] && w=%s; ", worker_path, worker_path);
	else if (!worker_path)
		script_find_worker(&s, files, n);
	else
		buf_puts(&s, "w=; ");
	buf_puts(&s, "[ -z \"$w\" ] || say worker \"$w\"; "
		     "say go; read -r x; say clock $(date +%s.%N); exit 0");
	return wrap(&s);
}

/* ---- answers ---- */

static void set_text(char **to, const char *text)
{
	free(*to);
	*to = strdup(text);
}

static void answer_fail(struct setup_host *h, const char *text)
{
	set_text(&h->reason, text);
}

static void answer_mode(struct setup_host *h, const char *text)
{
	char was[16], now[8], path[256];

	if (sscanf(text, "%15s %7s %255[^\n]", was, now, path) == 3)
		setup_say(h, MARK_PLAIN, "%s was %s: now 0%s", path, was, now);
}

static void answer_loose(struct setup_host *h, const char *text)
{
	h->loose = true;
	setup_say(h, MARK_WARN,
		"%s may be written by others: sshd may refuse keys for that "
		"(StrictModes); on the host: chmod go-w %s",
		text, text);
}

static void answer_owner(struct setup_host *h, const char *text)
{
	h->loose = true;
	setup_say(h, MARK_WARN,
		"%s belongs to somebody else: sshd may refuse keys for that "
		"(StrictModes)",
		text);
}

static void answer_there(struct setup_host *h, const char *text)
{
	h->fate = FATE_THERE;
	h->options = *text;
}

static void answer_copied(struct setup_host *h, const char *text)
{
	(void)text;
	h->fate = FATE_COPIED;
}

static void answer_healed(struct setup_host *h, const char *text)
{
	(void)text;
	setup_say(h, MARK_PLAIN,
		"the last line of authorized_keys had no end: it has one now");
}

static void answer_removed(struct setup_host *h, const char *text)
{
	h->removed = (unsigned)strtoul(text, NULL, 10);
	h->fate = h->removed ? FATE_REMOVED : FATE_ABSENT;
}

static void answer_os(struct setup_host *h, const char *text)
{
	size_t n = strcspn(text, " ");

	free(h->os);
	h->os = strndup(text, n);
	set_text(&h->arch, text + n + (text[n] == ' '));
}

static void answer_worker(struct setup_host *h, const char *text)
{
	set_text(&h->worker, text);
}

static void answer_runtime(struct setup_host *h, const char *text)
{
	if (text_starts_with(text, "docker "))
		set_text(&h->docker, text + 7);
	else if (text_starts_with(text, "podman "))
		set_text(&h->podman, text + 7);
}

static void answer_sshd(struct setup_host *h, const char *text)
{
	if (h->sshd.len < 4096)
		buf_printf(&h->sshd, "%s\n", text);
}

/* Both ends of the question bound when the answer was true. A date without a fraction is up to a second
 * old. */
static void answer_clock(struct setup_host *h, const char *text)
{
	uint64_t back = clock_ns();
	double trip = (double)(back - h->asked_ns) / 1e9, there, ours;
	char *end;

	there = strtod(text, &end);
	if (end == text || !h->asked_ns || !(there > 0 && there < 1e12))
		return;
	ours = (double)clock_wall_ns() / 1e9 - trip / 2;
	h->clock_bound_s = trip / 2;
	if (!strchr(text, '.') || !strpbrk(strchr(text, '.'), "0123456789")) {
		there += 0.5;
		h->clock_bound_s += 0.5;
	}
	h->clock_offset_s = there - ours;
	h->clock_known = true;
}

static const struct answer {
	const char *word;
	void (*take)(struct setup_host *h, const char *text);
} answers[] = {
	{"fail", answer_fail},
	{"mode", answer_mode},
	{"loose", answer_loose},
	{"owner", answer_owner},
	{"there", answer_there},
	{"copied", answer_copied},
	{"healed", answer_healed},
	{"removed", answer_removed},
	{"os", answer_os},
	{"worker", answer_worker},
	{"runtime", answer_runtime},
	{"sshd", answer_sshd},
	{"clock", answer_clock},
};

int setup_script_answer(struct setup_host *h, char *line)
{
	char *word, *text;

	text_sanitize_inplace(line);
	if (!text_starts_with(line, ANSWER))
		return -1;
	word = line + strlen(ANSWER);
	text = word + strcspn(word, " ");
	if (*text)
		*text++ = '\0';
	if (strcmp(word, "go") == 0)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(answers); i++)
		if (strcmp(answers[i].word, word) == 0)
			answers[i].take(h, text);
	return 0;
}

/* ---- why a key is refused ---- */

/* The first value of a keyword, as sshd takes it. malloc, or NULL. */
static char *sshd_value(const struct setup_host *h, const char *keyword)
{
	const char *at = h->sshd.data;
	size_t n = strlen(keyword);

	for (; at && *at; at += strcspn(at, "\n"), at += *at == '\n') {
		at += strspn(at, " \t");
		if (strncasecmp(at, keyword, n) == 0 && strchr(" \t=", at[n])) {
			at += n + strspn(at + n, " \t=");
			return strndup(at, strcspn(at, "\n"));
		}
	}
	return NULL;
}

char *setup_script_reason(const struct setup_host *h)
{
	AUTO_FREE char *pubkey = sshd_value(h, "PubkeyAuthentication");
	AUTO_FREE char *file = sshd_value(h, "AuthorizedKeysFile");
	AUTO_FREE char *methods = sshd_value(h, "AuthenticationMethods");

	if (pubkey && strcasecmp(pubkey, "no") == 0)
		return strdup("sshd there has PubkeyAuthentication no");
	if (file && !strstr(file, ".ssh/authorized_keys"))
		return text_printf("sshd there reads keys from AuthorizedKeysFile %s, "
				   "and not from ~/.ssh/authorized_keys",
			file);
	if (h->loose)
		return strdup("sshd refuses keys where others may write to the home "
			      "directory (StrictModes)");
	if (methods && strcasecmp(methods, "any") != 0 &&
		strcasecmp(methods, "publickey") != 0)
		return text_printf("sshd there asks for more than a key "
				   "(AuthenticationMethods %s)",
			methods);
	if (h->options)
		return strdup("its line in authorized_keys begins with options (from=, "
			      "command=, ...) that keep this login out");
	return strdup("the log of sshd there says why (journalctl -u ssh, or "
		      "/var/log/auth.log)");
}
