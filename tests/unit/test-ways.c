/* How hosts are reached: jump hosts, transports, commands, containers; and where a list takes it from. */
#include "inventory-data.h"

/* How hosts are reached, as "name: transport jump |command| image". */
static char *ways(const struct inventory *inv)
{
	struct buf b AUTO_BUF = BUF_INIT;

	for (size_t i = 0; i < inv->n; i++) {
		const struct host *h = &inv->hosts[i];

		buf_printf(&b, "%s%s: %s", i ? "; " : "", h->name,
			host_transport_names[h->transport]);
		if (h->jump)
			buf_printf(&b, " %s", h->jump);
		for (size_t w = 0; h->command && h->command[w]; w++)
			buf_printf(&b, " |%s|", h->command[w]);
		if (h->container.image)
			buf_printf(&b, " in %s", h->container.image);
	}
	return buf_steal(&b);
}

static void test_ways(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"hosts: [{name: a, transport: openssh}]", "a: openssh"},
		{"hosts: [{name: a, jump: b}]", "a: auto b"},
		{"hosts: [{name: a, jump: \"u@b:2222,[::1]:22,c\"}]",
			"a: auto u@b:2222,[::1]:22,c"},
		{"hosts: [{name: a, jump: none, transport: local}]", "a: local none"},
		{"hosts: [{name: a, jump: \"b,\"}]",
			"h.yaml:1:25: '' in 'jump' is no host: the name is empty"},
		{"hosts: [{name: a, jump: \"b, c\"}]",
			"h.yaml:1:25: ' c' in 'jump' is no host: the name holds "
			"something "
			"else than letters, digits and . _ - : [ ] %"},
		{"hosts: [{name: a, jump: -oX}]",
			"h.yaml:1:25: '-oX' in 'jump' is no host: the name begins with "
			"one of . - %"},
		{"hosts: [{name: a, jump: \"b:0\"}]",
			"h.yaml:1:25: 'b:0' in 'jump' is no host: the port must be a "
			"number from 1 to 65535"},
		{"hosts: [{name: a, jump: \"b,none\"}]",
			"h.yaml:1:25: 'none' in 'jump' stands alone or not at all"},
		{"hosts: [{name: a, jump: b, transport: local}]",
			"h.yaml:1:25: 'jump' is for hosts that are reached over SSH, and "
			"not for transport local or command"},
		{"hosts: [{name: a, transport: command, command: [docker, exec, -i, x]}]",
			"a: command |docker| |exec| |-i| |x|"},
		{"hosts: [{name: a, transport: command, command: docker exec -i "
		 "\"x;y\"}]",
			"h.yaml:1:48: key 'command' wants a list of words, such as "
			"[docker, exec, -i, '\"x;y\"']"},
		{"hosts: [{name: a, transport: command, command: []}]",
			"h.yaml:1:48: key 'command' wants a list of words that begins "
			"with a program"},
		{"hosts: [{name: a, transport: command}]",
			"h.yaml:1:30: transport 'command' needs 'command', a list of "
			"words such as [docker, exec, -i, NAME]"},
		{"hosts: [{name: a, command: [x]}]",
			"h.yaml:1:28: 'command' is for hosts with 'transport: command'"},
		{"defaults: {command: [x]}\nhosts: [{name: a, transport: command}, b]",
			"h.yaml:1:21: host 'b': 'command' is for hosts with 'transport: "
			"command'"},
		{"defaults: {command: [x], transport: command}\n"
		 "hosts: [a, {name: b, transport: auto}, {name: c, command: [y]}]",
			"a: command |x|; b: auto; c: command |y|"},
		{"defaults: {transport: command}\nhosts: [{name: a, command: [x]}, b]",
			"h.yaml:1:23: host 'b': transport 'command' needs 'command', a "
			"list of words such as [docker, exec, -i, NAME]"},
		{"defaults: {jump: j}\nhosts: [a, {name: b, jump: none}, {name: c, "
		 "transport: local}, {name: d, transport: command, command: [x]}]",
			"a: auto j; b: auto none; c: local; d: command |x|"},
		{"defaults: {jump: j, transport: local}\nhosts: [a]",
			"h.yaml:1:18: host 'a': 'jump' is for hosts that are reached "
			"over "
			"SSH, and not for transport local or command"},
		{"defaults: {transport: local}\nhosts: [{name: a, jump: j}]",
			"h.yaml:2:25: 'jump' is for hosts that are reached over SSH, and "
			"not for transport local or command"},
		{"hosts: [{name: a, worker_path: w}]",
			"h.yaml:1:32: key 'worker_path' wants an absolute path on the "
			"host, not 'w'"},
		{"hosts: [{name: a, worker_path: \"/a\\nb\"}]",
			"h.yaml:1:32: key 'worker_path' holds a control character"},
		{"hosts: [{name: a, container: img:1}]", "a: auto in img:1"},
		{"hosts: [{name: a, container: {image: img}, transport: local}]",
			"a: local in img"},
		{"defaults: {container: img}\nhosts: [a, {name: b, container: none}, "
		 "{name: c, container: {image: other}}]",
			"a: auto in img; b: auto; c: auto in other"},
		{"defaults: {container: {runtime: podman}}\nhosts: [{name: a, "
		 "container: i}]",
			"a: auto in i"},
		{"defaults: {container: {runtime: podman}}\nhosts: [a]",
			"h.yaml:1:23: host 'a': the container has no 'image'"},
		{"hosts: [{name: a, container: {network: host}}]",
			"h.yaml:1:30: the container has no 'image'"},
		{"hosts: [{name: a, container: {}}]",
			"h.yaml:1:30: the container has no 'image'"},
		{"hosts: [{name: a, container: [i]}]",
			"h.yaml:1:30: key 'container' wants a mapping with 'image', or "
			"the name of an image, not a list"},
		{"hosts: [{name: a, container: }]",
			"h.yaml:1:30: key 'container' wants a mapping with 'image', or "
			"the name of an image, not nothing"},
		{"hosts: [{name: a, container: --privileged}]",
			"h.yaml:1:30: key 'image' of a container wants a text that does "
			"not begin with '-'"},
		{"hosts: [{name: a, container: {image: \"\"}}]",
			"h.yaml:1:38: key 'image' of a container wants a text that is "
			"not "
			"empty"},
		{"hosts: [{name: a, container: {image: i, runtime: -x}}]",
			"h.yaml:1:50: key 'runtime' of a container wants a text that "
			"does "
			"not begin with '-'"},
		{"hosts: [{name: a, container: {image: i, volume: [/a:/a]}}]",
			"h.yaml:1:41: unknown key 'volume' in a container (did you mean "
			"'volumes'?)"},
		{"hosts: [{name: a, container: {image: i, volumes: [{a: b}]}}]",
			"h.yaml:1:51: key 'volumes' wants a text, not a mapping"},
		{"hosts: [{name: a, container: {image: i, pull: daily}}]",
			"h.yaml:1:47: key 'pull' wants one of missing, always, never, "
			"not "
			"'daily'"},
		{"hosts: [{name: a, container: {image: i, ports: [\"80:80\"]}}]",
			"h.yaml:1:30: 'ports' does nothing in a container on the host's "
			"network\na: auto in i"},
		{"hosts: [{name: a, container: {image: i, network: bench, ports: "
		 "\"80:80\"}}]",
			"a: auto in i"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *got = yaml_outcome(rows[i].text, NULL, ways);

		CHECK_STR(got, rows[i].want);
	}
}

/* A list beside an inventory: its elements are hosts of the inventory, or new ones with its defaults. */
static void test_base(void)
{
	const char *text = "defaults: {ssh_user: u, ssh_port: 2200}\n"
			   "hosts:\n"
			   "- {name: a, address: 10.0.0.1}\n"
			   "- {name: s1, address: 10.0.0.9, ssh_port: 1}\n"
			   "- {name: s2, address: 10.0.0.9, ssh_port: 2}\n"
			   "- {name: node01, address: x1}\n"
			   "- {address: \"::1\", ssh_port: 5}\n"
			   "- {address: \"::1\", ssh_port: 6}\n";
	static const struct {
		const char *list, *want;
	} rows[] = {
		{"a", "a=10.0.0.1/2200@u"},
		{"v@a b", "a=10.0.0.1/2200@v b/2200@u"},
		{"v@a:7", "a=10.0.0.1/7@v"},
		{"w@b:9", "b/9@w"},
		{"10.0.0.1", "a=10.0.0.1/2200@u"},
		{"v@10.0.0.1:2200", "a=10.0.0.1/2200@v"},
		{"10.0.0.1:7", "10.0.0.1/7@u"},
		{"10.0.0.9:2 10.0.0.9:1", "s2=10.0.0.9/2@u s1=10.0.0.9/1@u"},
		{"10.0.0.9",
			"clients.txt:1:1: '10.0.0.9' is the address of more than one "
			"host of the inventory, s1 and s2: name one of them"},
		{"node[01-02]", "node01=x1/2200@u node02/2200@u"},
		{"v@[::1]:5", "[::1]:5=::1/5@v"},
		{"a a:7", "a=10.0.0.1/2200@u a:7=10.0.0.1/7@u"},
		{"a 10.0.0.1",
			"clients.txt:1:3: host 'a' is there twice; the first is at "
			"clients.txt:1:1"},
	};
	struct err err = ERR_INIT;
	struct inventory base;

	if (!CHECK(inventory_parse_yaml("h", text, strlen(text), NULL, &base, &err) == 0,
		    "%s", err.text))
		return;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *got = NULL;
		struct inventory inv;

		if (inventory_parse_list("clients.txt", rows[i].list,
			    strlen(rows[i].list), &base, NULL, &inv, &err) == 0) {
			got = summary(&inv);
			inventory_finish(&inv);
		}
		CHECK_STR(got ? got : err.text, rows[i].want);
	}
	inventory_finish(&base);
}

/* What defaults say without a host to say it for is found out by the list. */
static void test_base_defaults(void)
{
	const char *text = "defaults: {transport: command, container: i}\n"
			   "hosts: [{name: a, command: [x], container: none}]";
	struct err err = ERR_INIT;
	struct inventory base, inv;
	AUTO_FREE char *got = NULL;

	if (!CHECK(inventory_parse_yaml("h", text, strlen(text), NULL, &base, &err) == 0,
		    "%s", err.text))
		return;
	CHECK(inventory_parse_list("--hosts", "a", 1, &base, NULL, &inv, &err) == 0, "%s",
		err.text);
	got = ways(&inv);
	CHECK_STR(got, "a: command |x|");
	inventory_finish(&inv);
	CHECK(inventory_parse_list("--hosts", "b", 1, &base, NULL, &inv, &err) < 0);
	CHECK_STR(err.text,
		"--hosts: host 'b', with the inventory's defaults: transport 'command' "
		"needs 'command', a list of words such as [docker, exec, -i, NAME]");
	inventory_finish(&base);
}

static char *deployed(const struct inventory *inv)
{
	const struct host_container *c = &inv->hosts[0].container;
	char **const lists[] = {c->volumes, c->args};
	struct buf b AUTO_BUF = BUF_INIT;

	buf_printf(&b, "%s %s %s %s", c->runtime ? c->runtime : "-",
		c->image ? c->image : "-", c->network ? c->network : "-",
		container_pull_names[c->pull]);
	for (size_t l = 0; l < ARRAY_LEN(lists); l++)
		for (size_t i = 0; lists[l] && lists[l][i]; i++)
			buf_printf(&b, " |%s|", lists[l][i]);
	return buf_steal(&b);
}

/* distributed.deployment becomes the container of each agent. */
static void test_deployment(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"deployment: {image: i}", "- i - missing"},
		{"deployment: {deploy_type: docker, container_runtime: podman, image: i, "
		 "network_mode: bench, pull_policy: if_not_present, docker_args: "
		 "[--cpus=2, \"--memory  4g\"]}",
			"podman i bench missing |--cpus=2| |--memory| |4g|"},
		{"deployment: {image: i, docker_args: --privileged, pull_policy: Always}",
			"- i - always |--privileged|"},
		{"deployment: {deploy_type: binary, image: i}", "- - - missing"},
		{"deployment:", "- - - missing"},
		{"deployment: {}", "w.yaml:1:13: 'image' is missing: deploy_type docker "
				   "runs workers "
				   "in it"},
		{"deployment: {deploy_type: kubernetes, image: i}",
			"w.yaml:1:27: key 'deploy_type' wants one of docker, binary, not "
			"'kubernetes'"},
		{"deployment: {container_runtime: lxc, image: i}",
			"w.yaml:1:33: key 'container_runtime' wants one of docker, "
			"podman, "
			"not 'lxc'"},
		{"deployment: {image: i, pull_policy: daily}",
			"w.yaml:1:37: key 'pull_policy' wants one of missing, always, "
			"never, not 'daily'"},
		{"deployment: {image: -x}",
			"w.yaml:1:21: key 'image' of a container wants a text that does "
			"not begin with '-'"},
		{"deployment: {image: i, docker_args: [a, \"--label='x y'\"]}",
			"w.yaml:1:41: no shell reads docker_args: '--label='x y'' would "
			"go to docker with its quotes or signs"},
		{"deployment: {image: i, imagee: j}",
			"w.yaml:1:24: unknown key 'imagee' in a deployment (did you mean "
			"'image'?)"},
		{"deployment: [docker]",
			"w.yaml:1:13: a deployment is a mapping, not a list"},
		{"deployment: {image: i, binary_path: /x}",
			"w.yaml:1:24: key 'binary_path' does nothing here (the worker is "
			"copied to the hosts)\n- i - missing"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *text =
			text_printf("%s\nagents: [{address: h}, g]", rows[i].text);
		AUTO_FREE char *got = agents_outcome(text, deployed);

		CHECK_STR(got, rows[i].want);
	}
	AUTO_FREE char *volumes =
		agents_outcome("agents: [{address: h, volumes: [/a:/b, /c:/c:ro]}]\n"
			       "deployment: {image: i}",
			deployed);

	CHECK_STR(volumes, "- i - missing |/a:/b| |/c:/c:ro|");
}

TEST_MAIN(
	TEST(test_ways), TEST(test_base), TEST(test_base_defaults), TEST(test_deployment))
