/*
 * listeners.c - many that watch the events of all jobs, and do nothing with them.
 *
 *	listeners N PORT
 *
 * Opens N streams of GET /api/v1/events at 127.0.0.1:PORT, prints "ready" when each has sent something, and reads on until
 * its standard input ends; then prints how many bytes came.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static const char request[] = "GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static int open_one(int port)
{
	const struct sockaddr_in there = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&there, sizeof there) < 0 ||
	    write(fd, request, strlen(request)) != (ssize_t)strlen(request))
		die("listeners: connect");
	return fd;
}

static void read_on(int epoll, int n)
{
	static char bytes[64 << 10];
	char *has_spoken = calloc(65536, 1);
	struct epoll_event ev[64];
	long total = 0;
	int silent = n;

	while (has_spoken) {
		int got = epoll_wait(epoll, ev, 64, -1);

		for (int i = 0; i < got; i++) {
			ssize_t r = read(ev[i].data.fd, bytes, sizeof bytes);

			if (ev[i].data.fd == STDIN_FILENO) {
				printf("%ld\n", total);
				free(has_spoken);
				return;
			}
			if (r <= 0) {
				fprintf(stderr, "listeners: a stream ended\n");
				exit(EXIT_FAILURE);
			}
			total += r;
			if (!has_spoken[ev[i].data.fd & 65535] && --silent == 0) {
				puts("ready");
				fflush(stdout);
			}
			has_spoken[ev[i].data.fd & 65535] = 1;
		}
	}
	die("calloc");
}

static void add(int epoll, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLHUP, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		die("listeners: epoll");
}

int main(int argc, char **argv)
{
	int n = argc == 3 ? (int)strtol(argv[1], NULL, 10) : 0, epoll = epoll_create1(EPOLL_CLOEXEC);
	const struct rlimit files = { 8192, 8192 };

	if (n < 1 || n > 8000) {
		fprintf(stderr, "usage: listeners N PORT\n");
		return 2;
	}
	setrlimit(RLIMIT_NOFILE, &files);
	add(epoll, STDIN_FILENO);
	for (int i = 0; i < n; i++)
		add(epoll, open_one((int)strtol(argv[2], NULL, 10)));
	read_on(epoll, n);
	return EXIT_SUCCESS;
}
