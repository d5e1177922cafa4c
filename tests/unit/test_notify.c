#include "test.h"

#include "notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

TEST(notify_send_reaches_the_socket_that_systemd_names)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	scoped(close_p) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[100];
	ssize_t n;

	snprintf(to.sun_path, sizeof to.sun_path, "%s", test_path("notify"));
	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof to), 0);
	setenv("NOTIFY_SOCKET", to.sun_path, 1);
	notify_send("READY=1\nSTATUS=%s", "serving");
	unsetenv("NOTIFY_SOCKET");
	n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "READY=1\nSTATUS=serving"));
}

TEST(notify_without_systemd_does_nothing)
{
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	notify_send("READY=1");
	assert_int_equal(notify_watchdog_ms(), 0);
}

TEST(notify_watchdog_tells_the_time_that_systemd_gives)
{
	setenv("WATCHDOG_USEC", "30000000", 1);
	assert_true(notify_watchdog_ms() > 0 && notify_watchdog_ms() <= 30000);
	setenv("WATCHDOG_USEC", "nonsense", 1);
	assert_int_equal(notify_watchdog_ms(), 0);
	unsetenv("WATCHDOG_USEC");
}
