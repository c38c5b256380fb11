// SPDX-License-Identifier: GPL-2.0
/* Limits: the rules of module/core/policy.cc in words. */
#include "model/limit.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <algorithm>
#include <bit>

namespace lqctl {

namespace {

enum class Clamp { none, five, soacceptqueue, windows };
enum class Size { classic, modern, larger, linux24, sum, syncache, solaris, backlog, generous };

enum class Retries { configured, three, berkeley };

struct Rule {
	std::string_view policy;
	Clamp clamp;
	const char *accept; /* the formula of the accept queue */
	Size size;
	Retries retries = Retries::configured;
};

constexpr Rule rules[] = {
	{"linux", Clamp::none, "backlog + 1", Size::larger},
	{"linux-classic", Clamp::none, "backlog + 1", Size::classic},
	{"linux-modern", Clamp::none, "backlog + 1", Size::modern},
	{"linux-2.4", Clamp::none, "backlog + 1", Size::linux24},
	{"bsd", Clamp::five, "backlog, for both queues together", Size::sum, Retries::berkeley},
	{"berkeley", Clamp::five, "3 * backlog / 2 + 1, for both queues together", Size::sum,
	 Retries::berkeley},
	{"freebsd", Clamp::soacceptqueue, "3 * backlog / 2 + 1", Size::syncache, Retries::three},
	{"freebsd-4", Clamp::soacceptqueue, "backlog + 1", Size::syncache, Retries::three},
	{"aix", Clamp::none, "3 * backlog / 2 + 1, for both queues together", Size::sum,
	 Retries::berkeley},
	{"hpux", Clamp::none, "3 * backlog / 2, for both queues together", Size::sum,
	 Retries::berkeley},
	{"solaris", Clamp::none, "3 * backlog / 2 + 1", Size::solaris},
	{"xnu", Clamp::none, "backlog, for both queues together", Size::sum},
	{"windows", Clamp::windows, "backlog", Size::modern},
	{"linux-2.0", Clamp::none, "net.core.somaxconn, whatever the backlog", Size::backlog},
	{"bsdos-3.0", Clamp::none, "backlog, 1 at least", Size::generous, Retries::berkeley},
	{"illumos", Clamp::none, "3 * backlog / 2 + 1", Size::solaris},
};

/* Of a newer module's policy nothing is known. */
const Rule *rule_of(const Listener &l)
{
	const auto *found = std::find_if(std::begin(rules), std::end(rules),
					 [&](const Rule &r) { return r.policy == l.policy; });
	return found == std::end(rules) ? nullptr : found;
}

std::string own_or_sysctl(const Listener &l)
{
	if (l.own.value_or(0) & LISTENQ_OWN_MAX_SYN_BACKLOG)
		return "its own max_syn_backlog";
	return l.following.value_or(0) & LISTENQ_OWN_MAX_SYN_BACKLOG
		       ? "net.ipv4.tcp_max_syn_backlog"
		       : "max_syn_backlog";
}

Reason classic_reason(const Listener &l)
{
	const std::uint32_t least = std::min(l.backlog, l.max_syn_backlog);
	constexpr const char *rounded = "rounded up to 2^k";

	if (least < 8)
		return l.max_syn_backlog < l.backlog
			       ? Reason{Cause::max_syn_backlog,
					"as small as it gets: max_syn_backlog below 8"}
			       : Reason{Cause::asked, "as small as it gets: a backlog below 8"};
	if (l.max_syn_backlog < l.backlog)
		return {Cause::max_syn_backlog,
			fmt::format("{} {} + 1, {}", own_or_sysctl(l), l.max_syn_backlog, rounded)};
	return {Cause::asked, fmt::format("backlog {} + 1, {}", l.backlog, rounded)};
}

/* The larger of what the classic rule allows and the backlog's own. */
Reason larger_reason(const Listener &l)
{
	const std::uint64_t least = std::max(8u, std::min(l.backlog, l.max_syn_backlog));

	if (std::bit_ceil(least + 1) <= std::uint64_t{l.backlog} + 1)
		return {Cause::asked, fmt::format("backlog {} + 1", l.backlog)};
	return classic_reason(l);
}

/* The backlog does not limit it. */
Reason generous_reason(const Listener &l)
{
	if (l.backlog > l.max_syn_backlog)
		return {Cause::asked, fmt::format("backlog {}", l.backlog)};
	return {Cause::max_syn_backlog, fmt::format("{} {}", own_or_sysctl(l), l.max_syn_backlog)};
}

} // namespace

std::vector<std::string> policy_names()
{
	std::vector<std::string> names;

	for (const Rule &rule : rules)
		names.emplace_back(rule.policy);
	return names;
}

std::string retries_source(const Listener &l)
{
	const Rule *rule = rule_of(l);

	if (rule && rule->retries == Retries::three && l.synack_retries == 3)
		return fmt::format("the policy {} has 3 at most", l.policy);
	/* It is followed where nobody set anything. */
	if (rule && rule->retries == Retries::berkeley && l.synack_retries == 2 &&
	    l.following.value_or(0) & LISTENQ_OWN_SYNACK_RETRIES)
		return fmt::format("the schedule of the policy {}", l.policy);
	return source_of(l, LISTENQ_OWN_SYNACK_RETRIES);
}

const char *to_string(Cause cause)
{
	switch (cause) {
	case Cause::asked:
		return "backlog";
	case Cause::somaxconn:
		return "somaxconn";
	case Cause::soacceptqueue:
		return "soacceptqueue";
	case Cause::max_syn_backlog:
		return "max_syn_backlog";
	case Cause::policy:
		return "policy";
	}
	return "";
}

Reason backlog_reason(const Listener &l)
{
	const Rule *rule = rule_of(l);
	const Clamp clamp = rule ? rule->clamp : Clamp::none;
	const std::int64_t asked = l.backlog_asked,
			   given = l.backlog_given.value_or(l.backlog_asked);
	const std::int64_t backlog = l.backlog;

	if (asked == backlog)
		return {Cause::asked, "as listen() asked"};
	if (clamp == Clamp::five && (asked < 0 || (backlog == 5 && given > 5)))
		return {Cause::policy, fmt::format("the policy {} takes 0 to 5", l.policy)};
	if (clamp == Clamp::windows && backlog == 200 && asked >= 0 && asked < 200)
		return {Cause::policy, "the policy windows takes at least 200"};
	if (clamp == Clamp::windows && backlog == 65535)
		return {Cause::policy, "the policy windows takes at most 65535"};
	if (clamp == Clamp::soacceptqueue && (asked < 0 || given > backlog))
		return {Cause::soacceptqueue,
			asked < 0
				? fmt::format("a negative backlog means net.listenq.soacceptqueue, "
					      "{}",
					      backlog)
				: fmt::format("net.listenq.soacceptqueue is {}", backlog)};
	if (asked < 0)
		return {Cause::somaxconn,
			fmt::format("{} means net.core.somaxconn, {} when it was set", asked,
				    backlog)};
	return {Cause::somaxconn,
		fmt::format("net.core.somaxconn was {} when it was set", backlog)};
}

Reason accept_limit_reason(const Listener &l)
{
	const Rule *rule = rule_of(l);

	if (!rule)
		return {Cause::policy,
			fmt::format("the policy {}, which this lqctl does not know", l.policy)};
	return {backlog_reason(l).cause, rule->accept};
}

Reason syn_limit_reason(const Listener &l)
{
	const Rule *rule = rule_of(l);

	if (!rule)
		return accept_limit_reason(l);
	switch (rule->size) {
	case Size::classic:
		return classic_reason(l);
	case Size::modern:
		return {Cause::asked, "backlog + 1"};
	case Size::larger:
		return larger_reason(l);
	case Size::linux24:
		return {Cause::max_syn_backlog, fmt::format("{} {}, 64 at least, rounded up to 2^k",
							    own_or_sysctl(l), l.max_syn_backlog)};
	case Size::sum:
		return {Cause::asked, "the same places as the accept queue's"};
	case Size::syncache:
		return {Cause::policy, "512 buckets of 30; of more the oldest leaves"};
	case Size::solaris:
		return {Cause::policy, "accept queue + 1024; of more an old one leaves"};
	case Size::backlog:
		return {Cause::asked, "backlog, 1 at least"};
	case Size::generous:
		return generous_reason(l);
	}
	return {Cause::policy, ""};
}

bool counts_both_queues(const Listener &l)
{
	const Rule *rule = rule_of(l);
	return rule && rule->size == Size::sum;
}

} // namespace lqctl
