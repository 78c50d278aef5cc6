/* Hosts from lists, hosts.yaml and agents: what becomes of them, and the words of each refusal. */
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "inventory-data.h"
#include "inventory/keys.h"

static void check_list(const char *prefix, const char *text, const char *want)
{
	struct err err = ERR_INIT;
	struct inventory inv;
	AUTO_FREE char *got = NULL;

	if (inventory_parse_list(prefix, text, strlen(text), NULL, NULL, &inv, &err) <
		0) {
		CHECK_STR(err.text, want);
		CHECK(err.kind == ERR_INPUT, "%s", text);
		return;
	}
	got = summary(&inv);
	CHECK_STR(got, want);
	inventory_finish(&inv);
}

static void test_lists(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"a", "a"},
		{"a,b c\td\n\re", "a b c d e"},
		{",, a ,", "a"},
		{"root@a:2222", "a/2222@root"},
		{"u@corp.example@a", "a@u@corp.example"}, /* of a domain */
		{"node[01-03,10]", "node01 node02 node03 node10"},
		{"node[9-11]", "node9 node10 node11"},
		{"n[08-10]", "n08 n09 n10"},
		{"r[1-2]n[1-2]", "r1n1 r1n2 r2n1 r2n2"},
		{"[01-02]x", "01x 02x"},
		{"u@a[1-2]:22", "a1/22@u a2/22@u"},
		{"::1", "::1"},
		{"[::1]", "::1"},
		{"[::1]:22", "::1/22"},
		{"bob@[2001:db8::1]:2200", "2001:db8::1/2200@bob"},
		{"fe80::1%eth0", "fe80::1%eth0"},
		{"2001:db8::[1-2]", "2001:db8::1 2001:db8::2"},
		{"127.0.0.1:[2201-2203]", "127.0.0.1:2201=127.0.0.1/2201 "
					  "127.0.0.1:2202=127.0.0.1/2202 "
					  "127.0.0.1:2203=127.0.0.1/2203"},
		{"a a:22", "a a:22=a/22"},
		{"[::1]:1 [::1]:2", "[::1]:1=::1/1 [::1]:2=::1/2"},
		{"", "--hosts: names no host"},
		{" , ", "--hosts: names no host"},
		{"a a", "--hosts: host 'a' is there twice"},
		{"a[1-2] a2", "--hosts: host 'a2' is there twice"},
		{"a:0", "--hosts: 'a:0' is no host: the port must be a number from 1 to "
			"65535"},
		{"a:65536", "--hosts: 'a:65536' is no host: the port must be a number "
			    "from 1 to "
			    "65535"},
		{"a:22x", "--hosts: 'a:22x' is no host: the port must be a number from 1 "
			  "to 65535"},
		{"a:", "--hosts: 'a:' is no host: the port must be a number from 1 to "
		       "65535"},
		{"a:b:c", "--hosts: 'a:b:c' is no host: more than one ':', and it is no "
			  "IPv6 "
			  "address"},
		{"[::g]:22", "--hosts: '[::g]:22' is no host: brackets must hold an IPv6 "
			     "address"},
		{"[::1]x",
			"--hosts: '[::1]x' is no host: only :port may stand behind ']'"},
		{"@a", "--hosts: '@a' is no host: no user name can stand before '@' like "
		       "that"},
		{"-oProxyCommand=x@a",
			"--hosts: '-oProxyCommand=x@a' is no host: no user name can "
			"stand before '@' like that"},
		{"-v", "--hosts: '-v' is no host: the name begins with one of . - %"},
		{"a;b", "--hosts: 'a;b' is no host: the name holds something else than "
			"letters, "
			"digits and . _ - : [ ] %"},
		{"a/b", "--hosts: 'a/b' is no host: the name holds something else than "
			"letters, "
			"digits and . _ - : [ ] %"},
		{"node[3-1]", "--hosts: the range 3-1 goes backwards"},
		{"node[1-]", "--hosts: a range like [01-16,20] needs a number here: ']'"},
		{"node[,1]",
			"--hosts: a range like [01-16,20] needs a number here: ',1]'"},
		{"node[1-2", "--hosts: 'node[1-2' has a '[' without its ']'"},
		{"node[1-2 ]", "--hosts: 'node[1-2' has a '[' without its ']'"},
		{"node[1-10001]", "--hosts: more than 10000 hosts"},
		{"n[1-101]x[1-101]", "--hosts: more than 10000 hosts"},
		{"n[1-5000] m[1-5001]", "--hosts: more than 10000 hosts"},
		{"n[1-9999999999]", "--hosts: numbers in a range have at most 9 digits"},
		{"\x1b[31mred", "--hosts: '' is not the name of a host"},
		{"caf\xc3\xa9", "--hosts: 'caf?' is not the name of a host"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_list("--hosts", rows[i].text, rows[i].want);
}

static void test_list_places(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"# all\na # one\nb,c#d\n", "a b c"},
		{"a\n  b:x\n", "hosts.txt:2:3: 'b:x' is no host: the port must be a "
			       "number from 1 to "
			       "65535"},
		{"a\nb, a\n", "hosts.txt:2:4: host 'a' is there twice; the first is at "
			      "hosts.txt:1:1"},
		{"# nothing\n", "hosts.txt: names no host"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_list("hosts.txt", rows[i].text, rows[i].want);
}

static void test_yaml(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"hosts: [{name: a}]", "a"},
		{"hosts: [{address: 10.0.0.1}]", "10.0.0.1"},
		{"hosts: [{name: a, address: 10.0.0.1, ssh_port: 23, ssh_user: u}]",
			"a=10.0.0.1/23@u"},
		{"defaults: {ssh_user: u, ssh_port: 7}\nhosts: [{name: a}, {name: b, "
		 "ssh_user: v}]",
			"a/7@u b/7@v"},
		{"defaults: {address: 127.0.0.1}\nhosts: [{name: a, ssh_port: 1}, "
		 "{ssh_port: 2}]",
			"a=127.0.0.1/1 127.0.0.1/2"},
		{"hosts:\n  - n[01-02]\n  - \"bob@x:2\"\n", "n01 n02 x/2@bob"},
		{"hosts: [{address: h, ssh_port: 1}, {address: h, ssh_port: 2}]",
			"h:1=h/1 h:2=h/2"},
		{"hosts: []", "h.yaml:1:8: 'hosts' wants a list of hosts"},
		{"hosts:", "h.yaml:1:7: 'hosts' wants a list of hosts"},
		{"{}", "h.yaml:1:1: 'hosts' is missing"},
		{"- a", "h.yaml:1:1: an inventory is a mapping, not a list"},
		{"hosts: [{}]", "h.yaml:1:9: a host needs a name or an address"},
		{"hosts:\n  - {name: a, adress: b}\n",
			"h.yaml:2:15: unknown key 'adress' in a host (did you mean "
			"'address'?)"},
		{"host: [{name: a}]", "h.yaml:1:1: unknown key 'host' in an inventory "
				      "(did you mean 'hosts'?)"},
		{"hosts: [{name: a, role: boss}]", "h.yaml:1:25: key 'role' wants one of "
						   "both, client, server, not 'boss'"},
		{"hosts: [{name: a, transport: telnet}]",
			"h.yaml:1:30: key 'transport' wants one of auto, libssh2, "
			"openssh, local, command, not 'telnet'"},
		{"hosts: [{name: a, weight: 2}]",
			"h.yaml:1:19: key 'weight' is not supported yet"},
		{"hosts: [{name: a, multi_endpoint: {}}]",
			"h.yaml:1:35: multi_endpoint needs 'endpoints', a list of URIs"},
		{"hosts: [{name: a, multi_endpoint: {strategy: random, endpoints: [a]}}]",
			"h.yaml:1:46: key 'strategy' wants one of round_robin, "
			"least_connections, not 'random'"},
		{"hosts: [{name: a, workers: 0}]", "h.yaml:1:28: key 'workers' wants a "
						   "count from 1 to 1,024, not '0'"},
		{"hosts: [{name: a, ssh_port: 65536}]",
			"h.yaml:1:29: key 'ssh_port' wants a port from 1 to 65535, not "
			"'65536'"},
		{"hosts: [{name: a/b}]", "h.yaml:1:16: the name 'a/b' holds something "
					 "else than letters, digits and "
					 ". _ - : [ ] %"},
		{"hosts: [{name: \"\"}]", "h.yaml:1:16: the name '' is empty"},
		{"hosts: [{name: a, address: -oX}]",
			"h.yaml:1:28: the address '-oX' begins with one of . - %"},
		{"hosts:\n- {name: a}\n- {name: a}\n",
			"h.yaml:3:3: host 'a' is there twice; the first is at "
			"h.yaml:2:3"},
		{"defaults: {name: a}\nhosts: [{name: b}]",
			"h.yaml:1:18: 'name' cannot have a default: names are unique"},
		{"hosts: [\"a b:\"]",
			"h.yaml:1:9: 'a b:' is no host: the port must be a number "
			"from 1 to 65535"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *got = yaml_outcome(rows[i].text, NULL, summary);

		CHECK_STR(got, rows[i].want);
	}
}

static void test_lenient(void)
{
	struct inventory_options o = {.lenient = true};
	AUTO_FREE char *got = yaml_outcome("hosts: [{name: a, adress: b}]", &o, summary);

	CHECK_STR(got, "h.yaml:1:19: unknown key 'adress' in a host (did you mean "
		       "'address'?)\na");
}

static void test_command_line_defaults(void)
{
	struct inventory_options o = {.default_user = "cli",
		.default_key = "/k",
		.default_port = 99,
		.default_workers = 3};
	const char *text =
		"hosts: [{name: a}, {name: b, ssh_user: u, ssh_port: 1, ssh_key: /j, "
		"workers: 2}]";
	struct err err = ERR_INIT;
	struct inventory inv;

	if (!CHECK(inventory_parse_yaml("h", text, strlen(text), &o, &inv, &err) == 0,
		    "%s", err.text))
		return;
	CHECK_STR(inv.hosts[0].user, "cli");
	CHECK_STR(inv.hosts[0].key, "/k");
	CHECK(inv.hosts[0].port == 99 && inv.hosts[0].workers == 3);
	CHECK_STR(inv.hosts[1].user, "u");
	CHECK_STR(inv.hosts[1].key, "/j");
	CHECK(inv.hosts[1].port == 1 && inv.hosts[1].workers == 2);
	inventory_finish(&inv);
}

static void test_env_and_paths(void)
{
	const char *text = "defaults: {env: {A: 1, B: 2}, labels: [x], ssh_key: ~/k}\n"
			   "hosts: [{name: a, env: {B: 3, C: 4}, known_hosts: ~/kh}]";
	struct err err = ERR_INIT;
	struct inventory inv;
	char **env;

	setenv("HOME", "/home/me", 1);
	if (!CHECK(inventory_parse_yaml("h", text, strlen(text), NULL, &inv, &err) == 0,
		    "%s", err.text))
		return;
	env = inv.hosts[0].env;
	CHECK_STR(env[0], "A=1");
	CHECK_STR(env[1], "B=3");
	CHECK_STR(env[2], "C=4");
	CHECK(env[3] == NULL);
	CHECK_STR(inv.hosts[0].labels[0], "x");
	CHECK_STR(inv.hosts[0].key, "/home/me/k");
	CHECK_STR(inv.hosts[0].known_hosts, "/home/me/kh");
	inventory_finish(&inv);
}

static void test_round_trip(void)
{
	const char *text =
		"hosts:\n"
		"- {name: a, address: 10.0.0.1, data_address: 10.9.0.1, role: server, "
		"ssh_user: \"we ird\\\"\\\\\", ssh_port: 2, ssh_key: \"/k\\te\\x01y\", "
		"jump: \"u@j:1,k\", host_key: strict, known_hosts: /kh, timeout: 1500ms, "
		"transport: openssh, worker_path: /w, container: {runtime: podman, "
		"image: \"i:1\", network: n, ports: [\"80:80\"], volumes: [/a:/b, "
		"/c:/c], "
		"args: [--cpus, 2, -e, TOKEN=secret, -eT=secret, --env=U=secret, -e, "
		"V], pull: never}, "
		"workers: 4, target_override: \"file:///x/\", concurrency_override: 7, "
		"multi_endpoint: {strategy: least_connections, endpoints: "
		"[\"s3://h:1/b/\", "
		"\"s3://h:2/b/\"]}, "
		"path_template: \"p{n}/\", env: {A: secret}, machine: m, labels: [l, "
		"m]}\n"
		"- {name: b, transport: command, command: [x, \"y z\", -e, S=secret]}\n"
		"- {name: c}\n";
	struct err err = ERR_INIT;
	struct inventory inv, again;
	AUTO_FREE char *first = NULL, *second = NULL;

	if (!CHECK(inventory_parse_yaml("h", text, strlen(text), NULL, &inv, &err) == 0,
		    "%s", err.text))
		return;
	first = inventory_to_yaml(&inv);
	inventory_finish(&inv);
	CHECK(!strstr(first, "secret"), "%s", first);
	for (const struct key *k = host_keys; k->name; k++) {
		AUTO_FREE char *word = text_printf(" %s: ", k->name);

		CHECK(k->type == KEY_LATER || strstr(first, word), "%s in %s", word,
			first);
	}
	CHECK(strstr(first,
		      "container: {runtime: \"podman\", image: \"i:1\", network: "
		      "\"n\", ports: [\"80:80\"], volumes: [\"/a:/b\", \"/c:/c\"], "
		      "args: [\"--cpus\", \"2\", \"-e\", \"TOKEN=***\", "
		      "\"-eT=***\", \"--env=U=***\", \"-e\", \"V\"], pull: never}\n"),
		"%s", first);
	CHECK(strstr(first, "multi_endpoint: {strategy: least_connections, endpoints: "
			    "[\"s3://h:1/b/\", \"s3://h:2/b/\"]}\n"),
		"%s", first);
	CHECK(strstr(first, "command: [\"x\", \"y z\", \"-e\", \"S=***\"]\n"), "%s",
		first);
	if (!CHECK(inventory_parse_yaml("h", first, strlen(first), NULL, &again, &err) ==
			    0,
		    "%s: %s", err.text, first))
		return;
	second = inventory_to_yaml(&again);
	CHECK_STR(second, first);
	CHECK_STR(again.hosts[0].user, "we ird\"\\");
	CHECK_STR(again.hosts[0].key, "/k\te\x01y");
	CHECK(again.hosts[0].timeout_ns == 1500000000);
	CHECK(again.hosts[0].container.pull == PULL_NEVER);
	CHECK(!again.hosts[2].container.image && !again.hosts[2].command);
	CHECK(again.hosts[0].host_key_set && !again.hosts[1].host_key_set);
	inventory_finish(&again);
}

static void test_limit(void)
{
	const char *text = "hosts:\n"
			   "- {name: node01, address: 10.0.0.1, labels: [eu, nvme]}\n"
			   "- {name: node02, address: 10.0.0.2, labels: [us]}\n"
			   "- {name: node03, role: server}\n"
			   "- {name: other, role: client}\n";
	static const struct {
		const char *pattern, *want;
	} rows[] = {
		{"node01", "node01"},
		{"node[01-02]", "node01 node02"},
		{"node*", "node01 node02 node03"},
		{"node0?,!node02", "node01 node03"},
		{"!node*", "other"},
		{"10.0.0.2", "node02"},
		{"eu us", "node01 node02"},
		{"server", "node03"},
		{"client,eu", "node01 other"},
		{"!server", "node01 node02 other"},
		{"node0[!1]", "node02 node03"},
		{"node9", "--limit: 'node9' matches no host"},
		{"node01,nod02", "--limit: 'nod02' matches no host"},
		{"ser*", "--limit: 'ser*' matches no host"},
		{"!*", "--limit: '!*' leaves no host"},
		{"node[2-1]", "--limit: 'node[2-1]': the range 2-1 goes backwards"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = ERR_INIT;
		struct inventory inv;
		struct buf b AUTO_BUF = BUF_INIT;

		if (inventory_parse_yaml("h", text, strlen(text), NULL, &inv, &err) < 0)
			return;
		if (inventory_limit(&inv, rows[i].pattern, &err) < 0)
			buf_puts(&b, err.text);
		for (size_t h = 0; err.kind == ERR_NONE && h < inv.n; h++)
			buf_printf(&b, "%s%s", h ? " " : "", inv.hosts[h].name);
		CHECK_STR(b.data, rows[i].want);
		inventory_finish(&inv);
	}
}

static void test_agents(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"agents: [{address: h1}, {address: h2, id: two}]", "h1 two=h2"},
		{"{}", ""},
		{"agents: []", ""},
		{"agents: [h1, \"u@h2\"]", "h1 h2@u"},
		{"ssh: {user: bench, key_path: /k}\nagents: [{address: h}]", "h@bench"},
		{"agents: [{address: \"h:7761\"}, {address: \"h:7762\"}]",
			"w.yaml:1:20: port 7761 of 'h:7761' is an old agent port and not "
			"used: "
			"hosts are reached over SSH, on the port that ssh_port or "
			"ssh_config "
			"say, or 22\n"
			"h:7761=h h:7762=h"},
		{"agents: [{address: u@h, ssh_port: 2222}, {address: h, jump: b}]",
			"h:2222=h/2222@u h"},
		{"agents: [{address: h, jump: \"a b\"}]",
			"w.yaml:1:29: 'a b' in 'jump' is no host: the name holds "
			"something else than letters, digits and . _ - : [ ] %"},
		{"agents: [{address: h, listen_port: 1}]",
			"w.yaml:1:23: key 'listen_port' does nothing here (hosts are "
			"reached over "
			"SSH)\nh"},
		{"ssh: {enabled: false}", "w.yaml:1:6: 'enabled: false' does nothing "
					  "here: hosts are reached over "
					  "SSH\n"},
		{"agents: [{id: a}]", "w.yaml:1:10: an agent needs an address"},
		{"agents: [{address: h, volumes: [/a:/a]}]",
			"w.yaml:1:32: 'volumes' does nothing: there is no container "
			"without 'deployment'\nh"},
		{"agents: [{address: h, multi_endpoint: {}}]",
			"w.yaml:1:39: multi_endpoint needs 'endpoints', a list of URIs"},
		{"agents: [{address: h, ids: a}]", "w.yaml:1:23: unknown key 'ids' in an "
						   "agent (did you mean 'id'?)"},
		{"agents: [{address: h}, {address: h}]",
			"w.yaml:1:24: host 'h' is there twice; the first is at "
			"w.yaml:1:10"},
		{"agents: {a: b}", "w.yaml:1:9: 'agents' wants a list of agents"},
		{"agents: [{address: \"h:\"}]", "w.yaml:1:20: 'h:' is no host: the port "
						"must be a number from 1 to 65535"},
		{"agents: [{address: h, id: ../x}]",
			"w.yaml:1:27: the id '../x' begins with one of . - %"},
		{"ssh: {usr: a}",
			"w.yaml:1:7: unknown key 'usr' in a set of ssh settings (did you "
			"mean 'user'?)"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *got = agents_outcome(rows[i].text, summary);

		CHECK_STR(got, rows[i].want);
	}
}

/* What --hosts takes a value for. */
static void test_load(void)
{
	static const struct {
		const char *name, *content, *want;
	} rows[] = {
		{"h.yaml", "hosts: [{name: a}]", "a"},
		{"h", "hosts: [{name: a}]", "a"},
		{"h", "a\nb[1-2]\n", "a b1 b2"},
		{"h", "[::1]:22\n", "::1/22"},
		{"h", "hosts:\n  - {name: a\n", "h:3:1: "},
		{"h.yaml", "- a", "h.yaml:1:1: an inventory is a mapping, not a list"},
		{"h.yaml", "", "h.yaml:1:1: an inventory is a mapping, not nothing"},
		{"h", "", "h: names no host"},
		{"h",
			"\x7f"
			"ELF\x01\x02",
			"h:1:1: '?' is not the name of a host"},
	};
	char folder[] = "/tmp/test-inventory-XXXXXX";

	if (!CHECK(mkdtemp(folder) != NULL))
		return;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *path = text_printf("%s/%s", folder, rows[i].name);
		struct err err = ERR_INIT;
		struct inventory inv;
		AUTO_FREE char *got = NULL;
		FILE *f = fopen(path, "w");

		fputs(rows[i].content, f);
		fclose(f);
		if (inventory_load(path, NULL, NULL, &inv, &err) == 0) {
			got = summary(&inv);
			inventory_finish(&inv);
			CHECK_STR(got, rows[i].want);
		} else {
			const char *text = err.text + strlen(folder) + 1;

			CHECK(strncmp(text, rows[i].want, strlen(rows[i].want)) == 0,
				"got \"%s\", want \"%s\"", text, rows[i].want);
		}
		unlink(path);
	}
	rmdir(folder);
}

static void test_load_missing(void)
{
	struct err err = ERR_INIT;
	struct inventory inv;

	CHECK(inventory_load("/nowhere/hosts.yaml", NULL, NULL, &inv, &err) < 0);
	CHECK_STR(err.text, "cannot open /nowhere/hosts.yaml: No such file or directory");
	CHECK(err_exit_code(&err) == 2);
	CHECK(inventory_load("no-such-hosts.yaml", NULL, NULL, &inv, &err) < 0);
	CHECK_STR(err.text, "cannot open no-such-hosts.yaml: No such file or directory");
	CHECK(inventory_load("no-such-clients.txt", NULL, NULL, &inv, &err) < 0);
	CHECK_STR(err.text, "cannot open no-such-clients.txt: No such file or directory");
	CHECK(inventory_load_list_file("/nowhere/x", NULL, NULL, &inv, &err) < 0);
	CHECK(err_exit_code(&err) == 2);
}

static size_t count_files(const char *folder)
{
	DIR *d = opendir(folder);
	size_t n = 0;

	for (struct dirent *e; d && (e = readdir(d));)
		n += *e->d_name != '.';
	if (d)
		closedir(d);
	return n;
}

static void test_examples(void)
{
	static const struct {
		const char *file;
		size_t hosts;
	} rows[] = {{"simple.yaml", 4}, {"four-hosts.yaml", 4}, {"list.txt", 15},
		{"overrides.yaml", 6}, {"jump.yaml", 4}, {"containers.yaml", 6},
		{"kubernetes.yaml", 3}, {"slurm.yaml", 2}, {"roles.yaml", 4}};

	CHECK(count_files(SOURCE_DIR "/inventory") == ARRAY_LEN(rows),
		"an example is not in this table");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *path =
			text_printf("%s/inventory/%s", SOURCE_DIR, rows[i].file);
		struct buf warnings AUTO_BUF = BUF_INIT;
		struct inventory_options o = {.warn = collect, .user = &warnings};
		struct err err = ERR_INIT;
		struct inventory inv;

		if (!CHECK(inventory_load(path, NULL, &o, &inv, &err) == 0, "%s",
			    err.text))
			continue;
		CHECK(inv.n == rows[i].hosts, "%s: %zu", path, inv.n);
		CHECK(warnings.len == 0, "%s", warnings.data ? warnings.data : "");
		inventory_finish(&inv);
	}
}

TEST_MAIN(TEST(test_lists), TEST(test_list_places), TEST(test_yaml), TEST(test_lenient),
	TEST(test_command_line_defaults), TEST(test_env_and_paths), TEST(test_round_trip),
	TEST(test_limit), TEST(test_agents), TEST(test_load), TEST(test_load_missing),
	TEST(test_examples))
