// SPDX-License-Identifier: GPL-2.0
/* Adoption: the ULP, what keeps a socket from it, and the way back. */
#include "kernel/adoption.hh"

#include <fmt/core.h>
#include <linux/listenq.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

namespace lqctl {

namespace {

/* Of Linux 6.7; struct tcp_ao_info_opt has so many bytes. */
constexpr int tcp_ao_info = 40;
constexpr std::size_t tcp_ao_info_size = 56;

std::string message_of(int code)
{
	return std::generic_category().message(code);
}

/* An int option; none: the socket does not know it. */
std::optional<int> get_int(int fd, int level, int name)
{
	int value = 0;
	socklen_t length = sizeof(value);

	if (getsockopt(fd, level, name, &value, &length) < 0)
		return std::nullopt;
	return value;
}

std::string ulp_of(int fd)
{
	std::array<char, 16> name{};
	socklen_t length = name.size();

	if (getsockopt(fd, SOL_TCP, TCP_ULP, name.data(), &length) < 0)
		return "";
	return std::string(name.data(),
			   strnlen(name.data(), std::min<size_t>(length, name.size())));
}

bool has_ao_keys(int fd)
{
	std::array<char, tcp_ao_info_size> info{};
	socklen_t length = info.size();

	return getsockopt(fd, SOL_TCP, tcp_ao_info, info.data(), &length) == 0;
}

/* Neither CLOSE nor LISTEN. */
bool is_connected(int fd)
{
	tcp_info info{};
	socklen_t length = sizeof(info);

	return getsockopt(fd, SOL_TCP, TCP_INFO, &info, &length) == 0 &&
	       info.tcpi_state != TCP_CLOSE && info.tcpi_state != TCP_LISTEN;
}

Refusal other_ulp(const std::string &name)
{
	return {"other_ulp", fmt::format("it has another upper layer (TCP_ULP), {}", name)};
}

/* What can be seen to keep a socket from being taken. */
std::optional<Refusal> obstacle(int fd, const TcpListener &tcp)
{
	const int protocol = get_int(fd, SOL_SOCKET, SO_PROTOCOL).value_or(-1);

	if (protocol == IPPROTO_MPTCP || tcp.ulp == "mptcp")
		return Refusal{"mptcp", "MPTCP's listeners cannot be taken"};
	if (protocol != IPPROTO_TCP)
		return Refusal{"not_tcp", "it is no TCP socket"};
	if (is_connected(fd))
		return Refusal{"connected", "it is connected, or connecting: only a socket that "
					    "listens, or may, can be taken"};
	if (const std::string ulp = ulp_of(fd); !ulp.empty())
		return other_ulp(ulp);
	if (get_int(fd, SOL_TCP, TCP_SAVE_SYN).value_or(0))
		return Refusal{"save_syn", "it keeps SYNs (TCP_SAVE_SYN)"};
	if (tcp.md5)
		return Refusal{"md5_keys", "it has TCP-MD5 keys"};
	if (has_ao_keys(fd))
		return Refusal{"ao_keys", "it has TCP-AO keys"};
	return std::nullopt;
}

/* TCP_ULP failed with @code. */
Refusal refusal(int fd, const TcpListener &tcp, int code)
{
	if (code == ENOENT)
		return {"module_too_old",
			"the loaded listenq module takes no sockets over: install "
			"module and lqctl of the same release"};
	if (code == ENOMEM || code == ENOBUFS)
		return {"no_memory", "the kernel has no memory for it"};
	if (const auto seen = obstacle(fd, tcp))
		return *seen;
	if (code == EOPNOTSUPP)
		return {"unsupported",
			"it has TCP-MD5 or TCP-AO keys, or other kernel code replaced its "
			"operations"};
	return {"refused", fmt::format("the kernel refused: {}", message_of(code))};
}

/* LQ_RELEASE failed with @code, on a socket that is ours. */
Refusal no_release(int code)
{
	if (code == ENOPROTOOPT)
		return {"module_too_old", "the loaded listenq module releases no sockets: install "
					  "module and lqctl of the same release"};
	return {"refused", fmt::format("the kernel refused: {}", message_of(code))};
}

bool set_ulp(int fd)
{
	/* EAGAIN: its program called listen(), or shutdown(), at this moment. */
	for (int attempt = 0; attempt < 10; attempt++) {
		if (setsockopt(fd, SOL_TCP, TCP_ULP, LISTENQ_ULP_NAME,
			       sizeof(LISTENQ_ULP_NAME) - 1) == 0)
			return true;
		if (errno != EAGAIN)
			return false;
	}
	return false;
}

bool set_release(int fd, int value)
{
	return setsockopt(fd, SOL_LISTENQ, LQ_RELEASE, &value, sizeof(value)) == 0;
}

/* LQ_RELEASE; none: it is TCP's. */
std::optional<int> get_release(int fd)
{
	return get_int(fd, SOL_LISTENQ, LQ_RELEASE);
}

/* --- what is set afterwards --- */

/* The socket option of LISTENQ_A_LISTENER_*. */
int option_of(std::uint16_t attribute)
{
	switch (attribute) {
	case LISTENQ_A_LISTENER_POLICY:
		return LQ_POLICY;
	case LISTENQ_A_LISTENER_MAX_SYN_BACKLOG:
		return LQ_SYN_BACKLOG;
	case LISTENQ_A_LISTENER_ABORT_ON_OVERFLOW:
		return LQ_ABORT_ON_OVERFLOW;
	case LISTENQ_A_LISTENER_SYNACK_RETRIES:
		return LQ_SYNACK_RETRIES;
	case LISTENQ_A_LISTENER_SYNCOOKIES:
		return LQ_SYNCOOKIES;
	case LISTENQ_A_LISTENER_ACCEPT_MAX_WAIT_MS:
		return LQ_ACCEPT_MAX_WAIT_MS;
	case LISTENQ_A_LISTENER_ACCEPT_DEAD:
		return LQ_ACCEPT_DEAD;
	case LISTENQ_A_LISTENER_ACCEPT_ORDER:
		return LQ_ACCEPT_ORDER;
	case LISTENQ_A_LISTENER_CODEL_TARGET_MS:
		return LQ_CODEL_TARGET_MS;
	case LISTENQ_A_LISTENER_CODEL_INTERVAL_MS:
		return LQ_CODEL_INTERVAL_MS;
	case LISTENQ_A_LISTENER_SYN_ADMISSION_MS:
		return LQ_SYN_ADMISSION_MS;
	case LISTENQ_A_LISTENER_GRACE_MS:
		return LQ_GRACE_MS;
	case LISTENQ_A_LISTENER_STEAL_US:
		return LQ_STEAL_US;
	case LISTENQ_A_LISTENER_STALLED_MS:
		return LQ_STALLED_MS;
	default:
		return LQ_ACCEPT_FILTER;
	}
}

bool set_option(int fd, const Setting &setting)
{
	const int option = option_of(setting.attribute);

	if (const auto *number = std::get_if<std::uint32_t>(&setting.value))
		return setsockopt(fd, SOL_LISTENQ, option, number, sizeof(*number)) == 0;
	const std::string &name = std::get<std::string>(setting.value);
	if (option != LQ_ACCEPT_FILTER)
		return setsockopt(fd, SOL_LISTENQ, option, name.c_str(),
				  static_cast<socklen_t>(name.size() + 1)) == 0;
	listenq_accept_filter_arg filter{};
	name.copy(filter.name, sizeof(filter.name) - 1);
	return setsockopt(fd, SOL_LISTENQ, option, &filter, name.empty() ? 0 : sizeof(filter)) == 0;
}

/* What could not be set; a socket that is taken stays so. */
std::optional<Refusal> fulfil(int fd, const Wishes &wishes)
{
	if (wishes.backlog && listen(fd, *wishes.backlog) < 0)
		return Refusal{"option_refused",
			       fmt::format("listen() with the backlog {} failed: {}",
					   *wishes.backlog, message_of(errno))};
	for (const Setting &setting : wishes.settings) {
		if (set_option(fd, setting))
			continue;
		const int code = errno;
		return Refusal{"option_refused",
			       fmt::format("{} could not be set: {}{}", setting_name(setting),
					   message_of(code),
					   code == EPERM ? " (needs CAP_NET_ADMIN)" : "")};
	}
	return std::nullopt;
}

Drain drain_of(int fd)
{
	listenq_info info{};
	socklen_t length = sizeof(info);

	if (getsockopt(fd, SOL_LISTENQ, LQ_INFO, &info, &length) < 0)
		return {};
	return {info.syn_qlen, info.accept_qlen, info.filter_qlen};
}

Outcome outcome(const Listener &listener, Result result, std::optional<Refusal> reason = {})
{
	return {listener, result, std::move(reason), std::nullopt};
}

} // namespace

bool is_ours(int fd)
{
	listenq_info info;
	socklen_t length = sizeof(info);

	return getsockopt(fd, SOL_LISTENQ, LQ_INFO, &info, &length) == 0;
}

Outcome adopt_socket(int fd, const TcpListener &tcp, const Wishes &wishes, bool dry)
{
	const Listener &l = tcp.listener;

	if (is_ours(fd)) {
		const auto release = get_release(fd);
		/* None of a module that knows no such option. */
		if (release ? *release == 0 : is_ours(fd))
			return outcome(l, Result::already);
		if (dry)
			return outcome(l, Result::would_take);
		if (set_release(fd, 0))
			return outcome(l, Result::taken, fulfil(fd, wishes));
		/* It became TCP's this moment: take it as any other. */
	}
	if (dry) {
		auto why = obstacle(fd, tcp);
		return outcome(l, why ? Result::not_taken : Result::would_take, std::move(why));
	}
	if (!set_ulp(fd)) {
		const int code = errno;
		/* Somebody else was faster. */
		if (code == EEXIST && is_ours(fd))
			return outcome(l, Result::already);
		return outcome(l, Result::not_taken, refusal(fd, tcp, code));
	}
	return outcome(l, Result::taken, fulfil(fd, wishes));
}

Outcome release_state(int fd, const Listener &listener)
{
	const auto value = get_release(fd);

	if (!value)
		return outcome(listener, Result::released);
	if (*value == 0)
		return outcome(listener, Result::not_released,
			       Refusal{"taken_back", "somebody took the release back"});
	Outcome o = outcome(listener, Result::draining);
	o.drain = drain_of(fd);
	return o;
}

Outcome release_socket(int fd, const Listener &listener, bool dry)
{
	if (!is_ours(fd))
		return outcome(listener, Result::already);
	if (dry) {
		Outcome o = outcome(listener, Result::would_release);
		o.drain = drain_of(fd);
		return o;
	}
	if (!set_release(fd, 1)) {
		const int code = errno;
		/* Else it became TCP's this moment. */
		if (code != ENOPROTOOPT || is_ours(fd))
			return outcome(listener, Result::not_released, no_release(code));
	}
	return release_state(fd, listener);
}

} // namespace lqctl
