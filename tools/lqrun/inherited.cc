// SPDX-License-Identifier: GPL-2.0
/* Open files that are listeners, before execve(). */
#include "inherited.hh"

#include <climits>
#include <cstdlib>

#include "decimal.hh"
#include "environment.hh"
#include "takeover.hh"

namespace lqrun {

namespace {

constexpr int first_given = 3; /* sd_listen_fds(3) */
constexpr int most_fds = 1024; /* looked at; nobody is given more */

int number_of(const char *variable, int otherwise)
{
	const char *text = std::getenv(variable);
	int number;
	return text && parse_decimal(text, INT_MAX, number) ? number : otherwise;
}

/* As sd_listen_fds(3) counts: nothing where they were another process's. */
int end_of_given()
{
	if (number_of("LISTEN_PID", 0) != getpid())
		return first_given;
	const int count = number_of("LISTEN_FDS", 0);
	return count > most_fds ? most_fds : first_given + count;
}

bool is_tcp_listener(int fd)
{
	return socket_option(fd, SO_ACCEPTCONN) == 1 && owner_of(fd) == Owner::tcp;
}

bool outlives_exec(int fd)
{
	return !(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

/* It listens already, so that the library may never see it. */
void dress(int fd)
{
	const bool verbose = std::getenv(env_verbose) != nullptr;
	const int backlog = parse_backlog(std::getenv(env_backlog));

	if (verbose)
		tell_taken_over(fd);
	if (backlog != own_backlog && listen(fd, backlog) != 0)
		Line().put("backlog ")
			.put(backlog)
			.put(" could not be set on ")
			.put(fd)
			.put(": errno ")
			.put(errno)
			.write();
	if (const char *filter = known_filter(std::getenv(env_filter)))
		set_filter(fd, filter, verbose);
}

/* Loads the module, too. */
int take(int fd)
{
	int why = take_over(fd);
	if (why != ENOENT)
		return why;
	const int other = socket(number_of(env_family, AF_LISTENQ), SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (other < 0)
		return why;
	close(other);
	return take_over(fd);
}

} // namespace

int take_inherited(const char *program)
{
	const int end = end_of_given();
	int left = 0;

	for (int fd = 0; fd < most_fds; fd++) {
		if (!is_tcp_listener(fd) || !outlives_exec(fd))
			continue;
		const bool given = fd == STDIN_FILENO || (fd >= first_given && fd < end);
		const int why = given ? take(fd) : 0;
		if (given && why == 0) {
			dress(fd);
			continue;
		}
		left += given;
		tell_plain(program, fd, why, "");
	}
	return left;
}

} // namespace lqrun
