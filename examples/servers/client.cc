// SPDX-License-Identifier: GPL-2.0
/*
 * client [-t | -f] [-c COUNT] HOST PORT: one connection after the other by AF_LISTENQ, without
 * lqrun. Each says something and must hear it again.
 *
 * A socket of listenq's that connects is plain TCP from then on: it is here to show that a program
 * needs no other family for it.
 */
#include <netdb.h>
#include <sys/time.h>

#include <chrono>

#include "common.hh"

namespace {

bool is_answered(int fd, const std::string &words)
{
	std::string heard;
	char data[4096];

	if (!send_all(fd, words.data(), words.size()))
		return false;
	while (heard.size() < words.size()) {
		const ssize_t size = read(fd, data, sizeof(data));
		if (size < 0 && errno == EINTR)
			continue;
		if (size <= 0)
			return false;
		heard.append(data, static_cast<std::size_t>(size));
	}
	return heard == words;
}

} // namespace

int main(int argc, char **argv)
{
	const std::string usage =
		std::string("usage: ") + argv[0] + " [-t | -f] [-c COUNT] HOST PORT";
	Options::Stack stack = Options::Stack::listenq;
	unsigned long count = 1;
	addrinfo hints{}, *found;

	for (int c; (c = getopt(argc, argv, "tfc:")) != -1;) {
		if (c == '?')
			die(usage);
		if (c == 'c')
			count = number_of(optarg, 1000000000);
		else
			stack = c == 't' ? Options::Stack::tcp : Options::Stack::either;
	}
	if (optind != argc - 2)
		die(usage);
	hints.ai_socktype = SOCK_STREAM;
	if (const int error = getaddrinfo(argv[optind], argv[optind + 1], &hints, &found))
		die(std::string(argv[optind]) + ": " + gai_strerror(error));

	const auto start = std::chrono::steady_clock::now();
	for (unsigned long i = 0; i < count; i++) {
		const timeval patience{.tv_sec = 60, .tv_usec = 0};
		const int fd = stream_socket(stack, found->ai_family == AF_INET6);
		if (fd < 0)
			die_of_errno("socket");
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		if (connect(fd, found->ai_addr, found->ai_addrlen) != 0)
			die_of_errno(std::string("connect to ") + argv[optind]);
		if (!is_answered(fd, "connection " + std::to_string(i) + '\n'))
			die("connection " + std::to_string(i) + " got no answer");
		close(fd);
	}
	freeaddrinfo(found);
	std::printf(
		"%lu connections, each answered, in %.3f s\n", count,
		std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
}
