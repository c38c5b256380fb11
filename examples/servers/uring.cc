// SPDX-License-Identifier: GPL-2.0
/*
 * One thread and io_uring: one request to accept brings every connection (multishot, Linux 5.19),
 * and each connection has one request at a time, to receive or to send.
 */
#include <liburing.h>

#include <memory>

#include "common.hh"

namespace {

struct Connection {
	int fd;
	std::size_t size = 0, sent = 0; /* size 0: it receives */
	char data[4096];
};

class Server final {
public:
	explicit Server(int listener) : listener_(listener)
	{
		const int error = io_uring_queue_init(256, &ring_, 0);
		if (error < 0)
			die(std::string("io_uring: ") + std::strerror(-error));
	}

	[[noreturn]] void run()
	{
		accept();
		for (;;) {
			io_uring_cqe *done;
			const int error = io_uring_submit_and_wait(&ring_, 1);
			if (error < 0 && error != -EINTR)
				die(std::string("io_uring: ") + std::strerror(-error));
			while (io_uring_peek_cqe(&ring_, &done) == 0) {
				auto *connection =
					static_cast<Connection *>(io_uring_cqe_get_data(done));
				const int result = done->res;
				const bool more = done->flags & IORING_CQE_F_MORE;
				io_uring_cqe_seen(&ring_, done);
				if (connection)
					go_on(connection, result);
				else
					accepted(result, more);
			}
		}
	}

private:
	io_uring_sqe *entry()
	{
		io_uring_sqe *sqe = io_uring_get_sqe(&ring_);
		while (!sqe) {
			/* The queue is full: the kernel takes what is there. */
			if (io_uring_submit(&ring_) < 0)
				die("io_uring: no room");
			sqe = io_uring_get_sqe(&ring_);
		}
		return sqe;
	}

	void accept()
	{
		io_uring_sqe *sqe = entry();
		io_uring_prep_multishot_accept(sqe, listener_, nullptr, nullptr, SOCK_CLOEXEC);
		io_uring_sqe_set_data(sqe, nullptr);
	}

	void accepted(int result, bool more)
	{
		if (result >= 0)
			receive(new Connection{result, 0, 0, {}});
		else if (!is_passing(-result))
			die(std::string("accept: ") + std::strerror(-result));
		wait_for_descriptor(-result);
		/* It ended, by an error or because completions overflowed: once more. */
		if (!more)
			accept();
	}

	void receive(Connection *c)
	{
		io_uring_sqe *sqe = entry();
		c->size = c->sent = 0;
		io_uring_prep_recv(sqe, c->fd, c->data, sizeof(c->data), 0);
		io_uring_sqe_set_data(sqe, c);
	}

	void go_on(Connection *c, int result)
	{
		if (result <= 0) {
			close(c->fd);
			delete c;
			return;
		}
		if (c->size == 0)
			c->size = static_cast<std::size_t>(result);
		else
			c->sent += static_cast<std::size_t>(result);
		if (c->sent == c->size)
			return receive(c);
		io_uring_sqe *sqe = entry();
		io_uring_prep_send(sqe, c->fd, c->data + c->sent, c->size - c->sent, MSG_NOSIGNAL);
		io_uring_sqe_set_data(sqe, c);
	}

	io_uring ring_{};
	int listener_;
};

} // namespace

int main(int argc, char **argv)
{
	Server(make_listener(options_of(argc, argv))).run();
}
