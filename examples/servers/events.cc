// SPDX-License-Identifier: GPL-2.0
/*
 * One thread and epoll: accept4() until the accept queue is empty, and no call ever waits for a
 * client. What a client does not take yet is kept, and nothing more is read from it meanwhile.
 */
#include <sys/epoll.h>

#include <map>

#include "common.hh"

namespace {

class Events final {
public:
	explicit Events(int listener) : epoll_(epoll_create1(EPOLL_CLOEXEC)), listener_(listener)
	{
		if (epoll_ < 0)
			die_of_errno("epoll_create1");
		watch(EPOLL_CTL_ADD, listener_, EPOLLIN);
	}

	[[noreturn]] void run()
	{
		epoll_event events[64];

		for (;;) {
			const int count = epoll_wait(epoll_, events, 64, -1);
			if (count < 0 && errno != EINTR)
				die_of_errno("epoll_wait");
			for (int i = 0; i < count; i++) {
				if (events[i].data.fd == listener_)
					accept_all();
				else if (!go_on(events[i].data.fd))
					end(events[i].data.fd);
			}
		}
	}

private:
	void watch(int what, int fd, std::uint32_t events)
	{
		epoll_event event{};
		event.events = events;
		event.data.fd = fd;
		if (epoll_ctl(epoll_, what, fd, &event) != 0)
			die_of_errno("epoll_ctl");
	}

	void accept_all()
	{
		for (;;) {
			const int fd =
				accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
			if (fd < 0 && errno == EAGAIN)
				return;
			if (fd < 0 && !is_passing(errno))
				die_of_errno("accept");
			if (fd < 0) {
				/* epoll says it again. */
				wait_for_descriptor(errno);
				return;
			}
			unsent_.emplace(fd, "");
			watch(EPOLL_CTL_ADD, fd, EPOLLIN);
		}
	}

	/* False: the connection is over. */
	bool go_on(int fd)
	{
		std::string &unsent = unsent_.at(fd);
		char data[4096];

		if (unsent.empty()) {
			const ssize_t size = read(fd, data, sizeof(data));
			if (size < 0)
				return errno == EAGAIN || errno == EINTR;
			if (size == 0)
				return false;
			unsent.assign(data, static_cast<std::size_t>(size));
		}
		const ssize_t sent = send(fd, unsent.data(), unsent.size(), MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		unsent.erase(0, sent < 0 ? 0 : static_cast<std::size_t>(sent));
		watch(EPOLL_CTL_MOD, fd, unsent.empty() ? EPOLLIN : EPOLLOUT);
		return true;
	}

	void end(int fd)
	{
		unsent_.erase(fd);
		close(fd);
	}

	int epoll_, listener_;
	std::map<int, std::string> unsent_;
};

} // namespace

int main(int argc, char **argv)
{
	Events(make_listener(options_of(argc, argv), SOCK_NONBLOCK)).run();
}
