// SPDX-License-Identifier: GPL-2.0
/* The probe of UNP exercise 15.4. */
#include "kernel/probe.hh"

#include <fmt/core.h>
#include <linux/listenq.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <string_view>
#include <system_error>

#include "base/error.hh"
#include "base/fd.hh"
#include "kernel/sysctl.hh"

namespace lqctl {
namespace {

using Clock = std::chrono::steady_clock;

[[nodiscard]] Error failed(const std::string &what)
{
	return Error(fmt::format("{}: {}", what, std::generic_category().message(errno)));
}

/* Listens with a policy and a backlog, and never accepts. */
Fd make_listener(const Probe &probe, sockaddr_in &address)
{
	const bool tcp = probe.policy.empty();
	const int family = tcp ? AF_INET : AF_LISTENQ;
	Fd fd(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));

	if (fd.get() < 0 && errno == EAFNOSUPPORT)
		throw Error(
			"the listenq module is not loaded in this kernel: run \"modprobe listenq\" "
			"(or insmod listenq.ko) as root, or probe plain TCP with --tcp",
			Exit::no_module);
	if (fd.get() < 0)
		throw failed("cannot make a socket");
	if (!tcp && setsockopt(fd.get(), SOL_LISTENQ, LQ_POLICY, probe.policy.c_str(),
			       static_cast<socklen_t>(probe.policy.size() + 1)) < 0) {
		if (errno != EINVAL)
			throw failed("cannot set the policy");
		throw Error(fmt::format("unknown policy \"{}\": give one of {}", probe.policy,
					kPolicies));
	}
	socklen_t length = sizeof(address);
	address = {};
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd.get(), reinterpret_cast<sockaddr *>(&address), length) < 0 ||
	    listen(fd.get(), probe.backlog) < 0 ||
	    getsockname(fd.get(), reinterpret_cast<sockaddr *>(&address), &length) < 0)
		throw failed("cannot listen on the loopback interface");
	return fd;
}

/* One probe under way. */
class Run final {
public:
	explicit Run(Probe &probe) : probe_(probe), listener_(make_listener(probe, address_)) {}

	/* Begin the next connect(). */
	void connect_next(Clock::time_point deadline)
	{
		deadline_ = deadline;
		client_ = Fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
		if (client_.get() < 0)
			throw failed("cannot make another client socket");
		if (connect(client_.get(), reinterpret_cast<sockaddr *>(&address_),
			    sizeof(address_)) < 0 &&
		    errno != EINPROGRESS)
			done_ = true;
	}

	/* What poll() said. Returns whether a new connect() should begin. */
	bool advance(short events, Clock::time_point now, int limit)
	{
		if (events == 0) {
			done_ = now >= deadline_;
			return false;
		}
		if (!completed()) {
			done_ = true;
			return false;
		}
		held_.push_back(std::move(client_));
		client_ = Fd();
		probe_.limited = ++probe_.completed >= limit;
		done_ = probe_.limited;
		return !done_;
	}

	[[nodiscard]] bool done() const { return done_; }
	[[nodiscard]] int fd() const { return client_.get(); }

private:
	/* Established, and not reset as the handshake's last segment arrived. */
	[[nodiscard]] bool completed() const
	{
		char byte;

		return recv(client_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
		       (errno == EAGAIN || errno == EWOULDBLOCK);
	}

	Probe &probe_;
	sockaddr_in address_{};
	Fd listener_;
	Fd client_;
	std::vector<Fd> held_;
	Clock::time_point deadline_{};
	bool done_ = false;
};

void allow_many_files()
{
	rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int number(std::string_view text, const std::string &whole)
{
	int value = -1;
	const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);

	if (error != std::errc() || end != text.data() + text.size() || value < 0 || value > 65535)
		throw Error(fmt::format("backlogs \"{}\": write numbers from 0 to 65535 as 0-14 or "
					"1,5,128",
					whole));
	return value;
}

} // namespace

std::vector<int> parse_backlogs(const std::string &text)
{
	std::vector<int> backlogs;
	std::string_view rest = text;

	for (bool more = true; more;) {
		const size_t comma = rest.find(',');
		const std::string_view item = rest.substr(0, comma);
		const size_t dash = item.find('-');
		const int first = number(item.substr(0, dash), text);
		const int last = dash == item.npos ? first : number(item.substr(dash + 1), text);

		if (last < first || last - first > 1000)
			throw Error(fmt::format("backlogs \"{}\": a range goes up, by at most 1000",
						text));
		for (int b = first; b <= last; b++)
			backlogs.push_back(b);
		more = comma != rest.npos;
		if (more)
			rest.remove_prefix(comma + 1);
	}
	return backlogs;
}

void run_probes(std::vector<Probe> &probes, int timeout_ms, int limit)
{
	const std::chrono::milliseconds timeout(timeout_ms);
	std::vector<Run> runs;
	std::vector<pollfd> polled;

	allow_many_files();
	runs.reserve(probes.size());
	for (Probe &probe : probes)
		runs.emplace_back(probe).connect_next(Clock::now() + timeout);
	for (;;) {
		polled.clear();
		for (const Run &run : runs)
			polled.push_back({run.done() ? -1 : run.fd(), POLLOUT, 0});
		if (std::all_of(runs.begin(), runs.end(), [](const Run &r) { return r.done(); }))
			return;
		if (poll(polled.data(), polled.size(), 20) < 0 && errno != EINTR)
			throw failed("cannot wait for the clients");
		const auto now = Clock::now();
		for (size_t i = 0; i < runs.size(); i++) {
			if (!runs[i].done() && runs[i].advance(polled[i].revents, now, limit))
				runs[i].connect_next(Clock::now() + timeout);
		}
	}
}

std::string probe_table(const std::vector<Probe> &probes, const std::vector<int> &backlogs)
{
	size_t name = 7, cell = 3;
	std::string text;

	for (const Probe &p : probes) {
		name = std::max(name, p.policy.size());
		cell = std::max(cell, std::to_string(std::max(p.completed, p.backlog)).size() +
					      (p.limited ? 1 : 0));
	}
	text = fmt::format("{:<{}}", "backlog", name);
	for (const int b : backlogs)
		text += fmt::format(" {:>{}}", b, cell);
	for (size_t i = 0; i < probes.size(); i++) {
		const Probe &p = probes[i];

		if (i % backlogs.size() == 0)
			text += fmt::format("\n{:<{}}", p.policy.empty() ? "TCP" : p.policy, name);
		text += fmt::format(" {:>{}}",
				    fmt::format("{}{}", p.limited ? ">" : "", p.completed), cell);
	}
	return text + '\n';
}

} // namespace lqctl
