/* net_pingpong: what a request and its response cost when nothing else is done: two processes, a connection
 * over loopback, a byte each way, one clock read per round trip. Held against muster's rr test (bench/net.py).
 *
 *     net_pingpong SECONDS CLIENT_CPU SERVER_CPU */
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/units.h"

static void stay_on(const char *cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned)atoi(cpu), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static int answer(int listener)
{
	int fd = accept(listener, NULL, NULL), on = 1;
	char byte;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	while (recv(fd, &byte, 1, 0) == 1 && send(fd, &byte, 1, 0) == 1)
		;
	return 0;
}

static uint64_t ask(int fd, uint64_t until_ns)
{
	uint64_t n = 0;
	char byte = 0;

	do {
		if (send(fd, &byte, 1, 0) != 1 || recv(fd, &byte, 1, 0) != 1)
			exit(1);
		n++;
	} while (clock_ns() < until_ns);
	return n;
}

static double cpu_ns(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e9 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e3;
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd, on = 1;
	uint64_t begin, n;
	double wall, cpu;
	pid_t child;

	if (argc != 4 || bind(listener, (struct sockaddr *)&a, len) < 0 ||
		listen(listener, 1) < 0 ||
		getsockname(listener, (struct sockaddr *)&a, &len) < 0)
		return 1;
	child = fork();
	if (child == 0) {
		stay_on(argv[3]);
		_exit(answer(listener));
	}
	stay_on(argv[2]);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&a, len) < 0)
		return 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	begin = clock_ns();
	n = ask(fd, begin + (uint64_t)(atof(argv[1]) * (double)NS_PER_SEC));
	wall = (double)(clock_ns() - begin);
	cpu = cpu_ns(RUSAGE_SELF);
	close(fd);
	waitpid(child, NULL, 0);
	cpu += cpu_ns(RUSAGE_CHILDREN);
	printf("{\"transactions_per_s\": %.1f, \"cpu_ns\": %.1f}\n",
		(double)n * 1e9 / wall, cpu / (double)n);
	return 0;
}
