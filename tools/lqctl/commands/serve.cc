// SPDX-License-Identifier: GPL-2.0
/* lqctl serve: the text of export, by HTTP. */
#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <system_error>

#include "base/error.hh"
#include "base/fd.hh"
#include "base/signals.hh"
#include "commands/commands.hh"
#include "commands/metrics.hh"
#include "commands/microhttpd.hh"
#include "commands/words.hh"
#include "model/address.hh"

namespace lqctl {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

struct Options {
	bool all_netns = false;
	std::string listen = "127.0.0.1:9718";
	std::vector<std::string> filter;
};

/* Each connection is of one request, and ends with it. */
constexpr unsigned most_connections = 16;
constexpr std::size_t most_bytes_of_a_request = 16384;
constexpr auto longest_connection = 10s; /* however slowly its client goes on */
constexpr const char *metrics_path = "/metrics";

Error failed(const std::string &what)
{
	return Error(fmt::format("{}: {}", what, std::generic_category().message(errno)));
}

/* An address and a port that there are no services' names for; an interface's is of no use here. */
class Place final {
public:
	explicit Place(const std::string &text)
	{
		std::optional<Endpoint> endpoint;
		try {
			endpoint = Filter(text).endpoint();
		} catch (const Error &) {
		}
		if (!endpoint)
			throw Error(fmt::format(
				"\"{}\" is no address and port to listen at: give one such "
				"as 127.0.0.1:9718, [::1]:9718, or :9718 for all addresses",
				text));
		const Address any = any_address();
		const Address &address = endpoint->address ? *endpoint->address : any;
		family_ = address.family;
		wildcard_ = !endpoint->address;
		if (family_ == AF_INET) {
			auto *to = reinterpret_cast<sockaddr_in *>(&storage_);
			to->sin_port = htons(endpoint->port);
			std::memcpy(&to->sin_addr, address.bytes.data(), sizeof(to->sin_addr));
			size_ = sizeof(*to);
		} else {
			auto *to = reinterpret_cast<sockaddr_in6 *>(&storage_);
			to->sin6_port = htons(endpoint->port);
			std::memcpy(&to->sin6_addr, address.bytes.data(), sizeof(to->sin6_addr));
			size_ = sizeof(*to);
		}
		storage_.ss_family = family_;
	}

	[[nodiscard]] Fd listen(const std::string &name) const
	{
		const int on = 1, off = 0;
		Fd fd(socket(family_, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));

		if (fd.get() < 0 ||
		    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		    (wildcard_ && family_ == AF_INET6 &&
		     setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0) ||
		    bind(fd.get(), reinterpret_cast<const sockaddr *>(&storage_), size_) < 0 ||
		    ::listen(fd.get(), most_connections) < 0)
			throw failed(fmt::format("cannot listen at {}", name));
		return fd;
	}

private:
	/* Without IPv6 in this kernel, all of IPv4. */
	static Address any_address()
	{
		Address any;
		const Fd probe(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
		any.family = probe.get() < 0 ? AF_INET : AF_INET6;
		return any;
	}

	sockaddr_storage storage_{};
	socklen_t size_ = 0;
	sa_family_t family_ = AF_INET;
	bool wildcard_ = false;
};

std::string name_of(int fd)
{
	sockaddr_storage storage{};
	socklen_t size = sizeof(storage);
	char host[INET6_ADDRSTRLEN] = "";

	if (getsockname(fd, reinterpret_cast<sockaddr *>(&storage), &size) < 0)
		throw failed("getsockname");
	if (storage.ss_family == AF_INET) {
		const auto *v4 = reinterpret_cast<const sockaddr_in *>(&storage);
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		return fmt::format("{}:{}", host, ntohs(v4->sin_port));
	}
	const auto *v6 = reinterpret_cast<const sockaddr_in6 *>(&storage);
	inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
	return fmt::format("[{}]:{}", host, ntohs(v6->sin6_port));
}

class Server final {
public:
	explicit Server(const Options &options)
	    : selection_(options.filter), all_netns_(options.all_netns),
	      listener_(Place(options.listen).listen(options.listen)),
	      name_(name_of(listener_.get()))
	{
		/* Once: what is wrong for ever is said before anybody asks. */
		(void)metrics_text(selection_, all_netns_, false);
		daemon_ = http_.start_daemon(
			MHD_USE_EPOLL, 0, nullptr, nullptr, &Server::answer, this,
			MHD_OPTION_LISTEN_SOCKET, listener_.get(), MHD_OPTION_CONNECTION_LIMIT,
			most_connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
			most_bytes_of_a_request, MHD_OPTION_CONNECTION_TIMEOUT,
			static_cast<unsigned>(longest_connection / 1s),
			MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION,
			&Server::notice, this, MHD_OPTION_END);
		if (!daemon_)
			throw Error("the HTTP server does not start");
		listener_.release(); /* it is the library's, which closes it */
	}
	~Server() { http_.stop_daemon(daemon_); }
	Server(const Server &) = delete;
	Server &operator=(const Server &) = delete;

	[[nodiscard]] const std::string &name() const { return name_; }

	void run(Signals &signals)
	{
		const MHD_DaemonInfo *info =
			http_.get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD);
		if (!info)
			throw Error("the HTTP server cannot be waited for");
		for (;;) {
			pollfd fds[] = {{info->epoll_fd, POLLIN, 0}, {signals.fd(), POLLIN, 0}};
			if (poll(fds, 2, wait_ms()) < 0 && errno != EINTR)
				throw failed("poll");
			if (fds[1].revents)
				return;
			end_slow_ones();
			const bool was_full = open_ >= most_connections;
			http_.run(daemon_);
			/* It looks at who waits only as it runs the next time. */
			if (was_full && open_ < most_connections)
				http_.run(daemon_);
		}
	}

private:
	[[nodiscard]] int wait_ms() const
	{
		MHD_UNSIGNED_LONG_LONG timeout;
		std::int64_t ms = -1;

		if (http_.get_timeout(daemon_, &timeout) == MHD_YES)
			ms = static_cast<std::int64_t>(
				std::min<unsigned long long>(timeout, 60'000));
		for (const auto &[fd, began] : began_) {
			const auto left = std::chrono::ceil<std::chrono::milliseconds>(
				began + longest_connection - Clock::now());
			const std::int64_t mine = std::max<std::int64_t>(left.count(), 0);
			ms = ms < 0 ? mine : std::min(ms, mine);
		}
		return static_cast<int>(ms);
	}

	/* The library's own timeout begins anew with each byte. */
	void end_slow_ones()
	{
		for (auto it = began_.begin(); it != began_.end();) {
			if (Clock::now() < it->second + longest_connection) {
				++it;
				continue;
			}
			shutdown(it->first, SHUT_RDWR);
			it = began_.erase(it);
		}
	}

	static void notice(void *self, MHD_Connection *connection, void **,
			   MHD_ConnectionNotificationCode code)
	{
		auto &server = *static_cast<Server *>(self);
		const MHD_ConnectionInfo *info = server.http_.get_connection_info(
			connection, MHD_CONNECTION_INFO_CONNECTION_FD);

		if (!info)
			return;
		if (code == MHD_CONNECTION_NOTIFY_STARTED) {
			server.began_[info->connect_fd] = Clock::now();
			server.open_++;
		} else {
			server.began_.erase(info->connect_fd);
			server.open_--;
		}
	}

	struct Said {
		unsigned status;
		std::string text;
		const char *type = "text/plain; charset=utf-8";
		const char *allow = nullptr;
	};

	[[nodiscard]] Said say(std::string_view method, std::string_view path) const
	{
		if (path != metrics_path)
			return {MHD_HTTP_NOT_FOUND, "There is nothing but /metrics.\n"};
		if (method != MHD_HTTP_METHOD_GET && method != MHD_HTTP_METHOD_HEAD)
			return {.status = MHD_HTTP_METHOD_NOT_ALLOWED,
				.text = "There is nothing but GET and HEAD.\n",
				.allow = "GET, HEAD"};
		try {
			return {MHD_HTTP_OK, metrics_text(selection_, all_netns_, false),
				"text/plain; version=0.0.4; charset=utf-8"};
		} catch (const std::exception &error) {
			fmt::print(stderr, "lqctl: {}\n", error.what());
			return {MHD_HTTP_INTERNAL_SERVER_ERROR, fmt::format("{}\n", error.what())};
		}
	}

	static MHD_Result answer(void *self, MHD_Connection *connection, const char *path,
				 const char *method, const char *, const char *, std::size_t *,
				 void **)
	{
		/* At once, whatever body comes behind: nobody reads it. */
		const auto &server = *static_cast<const Server *>(self);
		const MicroHttpd &http = server.http_;
		const Said said = server.say(method, path);
		MHD_Response *response = http.create_response_from_buffer(
			said.text.size(), const_cast<char *>(said.text.data()),
			MHD_RESPMEM_MUST_COPY);

		if (!response)
			return MHD_NO;
		http.add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, said.type);
		http.add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
		if (said.allow)
			http.add_response_header(response, MHD_HTTP_HEADER_ALLOW, said.allow);
		const MHD_Result queued = http.queue_response(connection, said.status, response);
		http.destroy_response(response);
		return queued;
	}

	const MicroHttpd http_;
	Selection selection_;
	bool all_netns_;
	Fd listener_;
	std::string name_;
	MHD_Daemon *daemon_ = nullptr;
	std::map<int, Clock::time_point> began_; /* connections, by their descriptors */
	std::size_t open_ = 0;			 /* also those that were too slow */
};

std::string run(const Options &options)
{
	Signals signals({SIGINT, SIGTERM, SIGHUP}, {SIGINT, SIGTERM});
	Server server(options);

	fmt::print(stderr, "lqctl: http://{}{}\n", server.name(), metrics_path);
	server.run(signals);
	return "";
}

} // namespace

Command serve(CLI::App &app)
{
	const auto o = std::make_shared<Options>();
	auto *command = app.add_subcommand("serve", "What export writes, by HTTP for Prometheus");
	command->add_option("-l,--listen", o->listen,
			    "ADDRESS:PORT; 127.0.0.1:9718 unless given, :PORT for all addresses");
	command->add_flag("--all-netns", o->all_netns, all_netns_help);
	command->add_option("FILTER", o->filter, filter_help);
	return {command, [o] { return run(*o); }};
}

} // namespace lqctl
