/* container: start scripts run here by login shells with a docker that only says what it was told, and
 * what the words of real runtimes mean. */
#include "check.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "transport/worker/container.h"
#include "transport/worker/script.h"
#include "transport/worker/upload.h"

static char home[] = "/tmp/muster-test-container-XXXXXX";

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
static const struct worker_file file = {.arch = "x86_64", .sha256 = HASH};

/* What a command line prints, run as sshd would with this login shell. */
static char *output_of(const char *shell, const char *command)
{
	AUTO_BUF struct buf out = BUF_INIT;
	AUTO_BUF struct buf line = BUF_INIT;
	FILE *p;
	int c;

	buf_printf(&line, "%s -c ", shell);
	text_shell_quote(&line, command);
	buf_puts(&line, " </dev/null 2>&1");
	p = popen(line.data, "re");
	while (p && (c = fgetc(p)) != EOF)
		buf_putc(&out, (char)c);
	if (p)
		pclose(p);
	buf_putc(&out, '\0');
	return buf_steal(&out);
}

static void program(const char *name, const char *text)
{
	AUTO_FREE char *path = text_printf("%s/bin/%s", home, name);
	struct err err = ERR_INIT;

	file_write_atomic(path, text, strlen(text), 0755, &err);
}

/* Each word that it gets in a line of its own. */
#define ECHO "#!/bin/sh\nfor w; do printf \"[%s]\\n\" \"$w\"; done\n"

static bool has(const char *shell, const char *out, const char *words)
{
	if (strstr(out, words))
		return true;
	printf("# %s: no %s in %s\n", shell, words, out);
	return false;
}

/* Every byte that people may write arrives through every login shell that is here. */
static void test_words(void)
{
	static const char *const shells[] = {
		"sh", "dash", "bash", "zsh", "fish", "tcsh", "csh", "mksh", "busybox sh"};
	char any[256];
	char *args[] = {any, (char[]){"a'b!c\\\\d\n"}, (char[]){"$HOME `id` \"q\" * ~"},
		(char[]){""}, (char[]){"\\n%s\n\n"}, NULL};
	struct host h = {.container = {.image = (char[]){"it's $x"}, .args = args}};
	AUTO_BUF struct buf want = BUF_INIT;
	AUTO_FREE char *command = NULL;

	for (int c = 1; c < 256; c++)
		any[c - 1] = (char)c;
	any[255] = '\0';
	command = container_start_command(&file, &h, "/w", false);
	for (char **a = args; *a; a++)
		buf_printf(&want, "[%s]\n", *a);
	buf_puts(&want, "[it's $x]\n");
	for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
		AUTO_FREE char *there = text_printf("command -v %s", shells[i]);
		AUTO_FREE char *path = output_of("sh", there), *got = NULL;

		if (!*path)
			continue;
		got = output_of(shells[i], command);
		CHECK(has(shells[i], got, want.data), "%s", shells[i]);
	}
}

static void test_options(void)
{
	char *ports[] = {(char[]){"80:80"}, NULL}, *volumes[] = {(char[]){"/d:/d"}, NULL};
	struct host h = {.container = {.image = (char[]){"img"},
				 .network = (char[]){"net"},
				 .ports = ports,
				 .volumes = volumes,
				 .pull = PULL_ALWAYS}};
	AUTO_FREE char *command = container_start_command(&file, &h, "/w", false);
	AUTO_FREE char *again = container_start_command(&file, &h, "/w", true);
	AUTO_FREE char *got = output_of("sh", command),
		       *got_again = output_of("sh", again);
	AUTO_FREE char *inside = NULL, *got_inside = NULL;

	CHECK(strstr(got, "\nMUSTER-CONTAINER docker\n[run]\n[--rm]\n[-i]\n[--name]\n"
			  "[muster-01234567-"));
	CHECK(strstr(got, "[--label]\n[muster=worker]\n"));
	CHECK(strstr(got, "[--network]\n[net]\n[--pull]\n[always]\n[--entrypoint]\n[/"
			  "muster-worker]\n"
			  "[-v]\n[/w:/muster-worker:ro,z]\n[-p]\n[80:80]\n[-v]\n[/d:/"
			  "d]\n[img]\n"),
		"%s", got);
	CHECK(!strstr(got_again, "--pull"), "%s", got_again);
	h = (struct host){.worker_path = (char[]){"/opt/my worker"},
		.container = {.image = (char[]){"img"}}};
	inside = container_start_command(&file, &h, NULL, false);
	got_inside = output_of("sh", inside);
	CHECK(strstr(got_inside,
		      "[--network]\n[host]\n[--entrypoint]\n[/opt/my worker]\n[img]\n"),
		"%s", got_inside);
}

static void test_which_runtime(void)
{
	static const struct {
		const char *docker, *podman, *runtime, *want;
	} rows[] = {
		{ECHO, NULL, NULL, "MUSTER-CONTAINER docker\n[run]"},
		{NULL, ECHO, NULL, "MUSTER-CONTAINER podman\n[run]"},
		{ECHO, ECHO, NULL, "MUSTER-CONTAINER docker\n[run]"},
		{"#!/bin/sh\nexit 1\n", ECHO, NULL, "MUSTER-CONTAINER podman\n[run]"},
		{ECHO, ECHO, "podman", "MUSTER-CONTAINER podman\n[run]"},
		{ECHO, NULL, "nerdctl", "MUSTER-CONTAINER \n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct host h = {.container = {.image = (char[]){"img"},
					 .runtime = (char *)(uintptr_t)rows[i].runtime}};
		AUTO_FREE char *command = container_start_command(&file, &h, "/w", false);
		AUTO_FREE char *clean =
			text_printf("rm -f %s/bin/docker %s/bin/podman", home, home);
		AUTO_FREE char *got = NULL;

		free(output_of("sh", clean));
		if (rows[i].docker)
			program("docker", rows[i].docker);
		if (rows[i].podman)
			program("podman", rows[i].podman);
		got = output_of("sh", command);
		CHECK(strstr(got, rows[i].want), "%zu: want %s, got %s", i, rows[i].want,
			got);
	}
	program("docker", ECHO);
}

/* A host that has the worker runs it at once; one that does not answers as ever. */
static void test_found_or_needed(void)
{
	struct worker_file f = file;
	struct host h = {.container = {.image = (char[]){"img"}}};
	AUTO_FREE char *arch = output_of("sh", "uname -m");
	AUTO_FREE char *dir = text_printf("%s/.cache/muster-%u", home, getuid());
	AUTO_FREE char *path = text_printf("%s/w-%.16s", dir, HASH);
	AUTO_FREE char *mount = text_printf("[-v]\n[%s:/muster-worker:ro,z]\n", path);
	AUTO_FREE char *command = NULL, *need = NULL, *found = NULL, *forget = NULL;
	struct err err = ERR_INIT;
	struct stat st;

	snprintf(f.arch, sizeof(f.arch), "%s", strtok(arch, "\n"));
	command = container_start_command(&f, &h, NULL, false);
	need = output_of("sh", command);
	CHECK(strstr(need, "MUSTER-CONTAINER docker\n\nMUSTER-NEED Linux "), "%s", need);
	file_write_atomic(path, "x", 1, 0700, &err);
	found = output_of("sh", command);
	CHECK(strstr(found, mount), "%s", found);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0755);
	forget = worker_forget_command(&f);
	free(output_of("sh", forget));
	CHECK(stat(dir, &st) < 0);
}

static void test_clean(void)
{
	struct host_container c = {.image = (char[]){"img"}};
	AUTO_BUF struct buf script = BUF_INIT;
	AUTO_FREE char *command = NULL, *got = NULL;

	/* not all that clean does: others use the other directories of this machine */
	buf_puts(&script, "u=$(id -u); ");
	container_clean_script(&script, &c);
	command = script_wrap(&script);

	program("docker",
		"#!/bin/sh\n"
		"case $*:$1 in *muster=worker*status=exited*:ps) echo m-1; echo m-2;;\n"
		"*status=running*:ps) echo m-3;; \"rm m-2:rm\") echo busy; exit 1;;\n"
		"*:rm) ;; *) echo unexpected $*;; esac\n");
	got = output_of("sh", command);
	CHECK(strstr(got, "MUSTER-REMOVED container m-1\n"), "%s", got);
	CHECK(strstr(got, "MUSTER-KEPT container m-2 busy\n"), "%s", got);
	CHECK(strstr(got, "MUSTER-KEPT container m-3 is running\n"), "%s", got);
	CHECK(!strstr(got, "unexpected"), "%s", got);
	program("docker", ECHO);
}

/* Words as the programs write them: docker 28.2, 20.10; podman 4.3. */
static void test_explain(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"docker: Cannot connect to the Docker daemon at "
		 "unix:///var/run/docker.sock. Is the "
		 "docker daemon running?\n\nRun 'docker run --help' for more "
		 "information\n",
			"docker could not run img:1: the docker daemon does not run "
			"there"},
		{"docker: permission denied while trying to connect to the Docker daemon "
		 "socket at "
		 "unix:///var/run/docker.sock: Head "
		 "\"http://%2Fvar%2Frun%2Fdocker.sock/_ping\": dial "
		 "unix /var/run/docker.sock: connect: permission denied.\nSee 'docker "
		 "run --help'.\n",
			"docker could not run img:1: the user may not use the docker "
			"daemon: add it "
			"to group docker"},
		{"Unable to find image 'img:1' locally\ndocker: Error response from "
		 "daemon: pull access "
		 "denied for img, repository does not exist or may require 'docker "
		 "login': denied: "
		 "requested access to the resource is denied.\nSee 'docker run "
		 "--help'.\n",
			"docker could not run img:1: the registry does not give out the "
			"image img:1"},
		{"Unable to find image 'img:1' locally\ndocker: Error response from "
		 "daemon: manifest for "
		 "img:1 not found: manifest unknown: manifest unknown.\n",
			"the registry has no such tag"},
		{"docker: Error response from daemon: No such image: img:1.\n",
			"is not on the host and pull is never"},
		{"Error: img:1: image not known\n",
			"is not on the host and pull is never"},
		{"Error: short-name \"img:1\" did not resolve to an alias and no "
		 "unqualified-search registries are defined in "
		 "\"/etc/containers/registries.conf\"\n",
			"write the whole name"},
		{"docker: Error response from daemon: network lan not found.\n",
			"there is no network lan on the host"},
		{"Error: unable to find network with name or ID nonet: network not "
		 "found\n",
			"there is no network lan on the host"},
		{"unknown flag: --nosuch\nSee 'docker run --help'.\n",
			"it does not know an option of container.args: unknown flag: "
			"--nosuch"},
		{"docker: Error response from daemon: failed to create task for "
		 "container: failed to "
		 "create shim task: OCI runtime create failed: runc create failed: "
		 "unable to start "
		 "container process: exec: \"/muster-worker\": permission denied: "
		 "unknown.\n",
			"the container cannot run the worker at /muster-worker: failed "
			"to create"},
		{"exec /muster-worker: exec format error\n",
			"is for another kind of machine"},
		{"Error: statfs /nosuch: no such file or directory\n",
			"a volume of container.volumes cannot be mounted: statfs "
			"/nosuch"},
		{"docker: Error response from daemon: toomanyrequests: You have reached "
		 "your pull rate "
		 "limit.\n",
			"the registry has limited how often"},
		{"Error: initializing source docker://127.0.0.1:1/empty:latest: pinging "
		 "container "
		 "registry 127.0.0.1:1: connection refused\n",
			"cannot be reached from the host"},
		{"something new\n\x1b[31mreally\n\n",
			"docker could not run img:1: really"},
		{"\n", "docker could not run img:1: it said nothing"},
	};
	struct host h = {
		.container = {.image = (char[]){"img:1"}, .network = (char[]){"lan"}}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *got = container_explain(&h, "docker", rows[i].text);

		CHECK(strstr(got, rows[i].want), "want %s, got %s", rows[i].want, got);
		CHECK(!strpbrk(got, "\n\x1b"), "%s", got);
	}
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int main(void)
{
	static const struct check_test tests[] = {
		TEST(test_words),
		TEST(test_options),
		TEST(test_which_runtime),
		TEST(test_found_or_needed),
		TEST(test_clean),
		TEST(test_explain),
	};
	AUTO_FREE char *bin = NULL, *path = NULL;
	int rc;

	if (!mkdtemp(home))
		return 1;
	bin = text_printf("%s/bin", home);
	path = text_printf("%s:/usr/bin:/bin", bin);
	setenv("HOME", home, 1);
	setenv("PATH", path, 1);
	unsetenv("XDG_CACHE_HOME");
	if (mkdir(bin, 0700) < 0)
		return 1;
	program("docker", ECHO);
	rc = check_run_(tests, ARRAY_LEN(tests));
	nftw(home, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return rc;
}
