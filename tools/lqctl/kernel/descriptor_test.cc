// SPDX-License-Identifier: GPL-2.0
#include "kernel/descriptor.hh"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>

using namespace lqctl;

namespace {

class descriptor : public testing::Test {
protected:
	void SetUp() override
	{
		EXPECT_EQ(getsockopt(socket_.get(), SOL_SOCKET, SO_COOKIE, &tcp.cookie, &length_),
			  0);
		if (take_descriptor(getpid(), socket_.get()).reason.code == "no_right")
			GTEST_SKIP() << "pidfd_getfd() is forbidden here";
	}
	[[nodiscard]] Process here(int fd) const { return {"test", getpid(), fd}; }
	[[nodiscard]] int fd() const { return socket_.get(); }

	TcpListener tcp;

private:
	Fd socket_{socket(AF_INET, SOCK_STREAM, 0)};
	socklen_t length_ = sizeof(tcp.cookie);
};

TEST_F(descriptor, take_descriptor)
{
	const Taken taken = take_descriptor(getpid(), fd());
	EXPECT_GE(taken.fd.get(), 0);
	EXPECT_NE(taken.fd.get(), fd());
	EXPECT_EQ(take_descriptor(getpid(), 9999).reason.code, "closed");
}

TEST_F(descriptor, take_descriptor__of_a_process_that_has_ended)
{
	const pid_t child = fork();
	if (child == 0)
		_exit(0);
	waitpid(child, nullptr, 0);
	EXPECT_EQ(take_descriptor(child, 0).reason.code, "process_ended");
}

TEST_F(descriptor, take_socket__from_whoever_has_it)
{
	const Fd other(socket(AF_INET, SOCK_STREAM, 0));
	tcp.listener.processes = {here(9999), here(other.get()), here(fd())};
	EXPECT_GE(take_socket(tcp).fd.get(), 0);
}

TEST_F(descriptor, take_socket__another_one_is_not_taken)
{
	const Fd other(socket(AF_INET, SOCK_STREAM, 0));
	tcp.listener.processes = {here(other.get()), here(STDERR_FILENO)};
	const Taken taken = take_socket(tcp);
	EXPECT_LT(taken.fd.get(), 0);
	EXPECT_EQ(taken.reason.code, "closed");
}

TEST_F(descriptor, take_socket__nobody)
{
	EXPECT_EQ(take_socket(tcp).reason.code, geteuid() ? "no_right" : "no_process");
}

} // namespace
