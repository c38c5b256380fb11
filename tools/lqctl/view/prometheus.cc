// SPDX-License-Identifier: GPL-2.0
/* Prometheus: families of samples, one after the other. */
#include "view/prometheus.hh"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "base/utf8.hh"

namespace lqctl {

namespace {

/* Label values, exposition format: backslash, quote and newline; all of it UTF-8. */
std::string escaped(std::string_view text)
{
	std::string out;
	for (const char c : valid_utf8(text)) {
		if (c == '\\' || c == '"')
			out += '\\';
		if (c == '\n')
			out += "\\n";
		else
			out += c;
	}
	return out;
}

std::string joined(const std::string &labels, const std::string &more)
{
	return labels + (labels.empty() ? "" : ",") + more;
}

void add_counters(Counters &sum, const Counters &more)
{
	for (const Counter &c : more) {
		const auto found = std::find_if(sum.begin(), sum.end(),
						[&](const Counter &s) { return s.name == c.name; });
		if (found == sum.end())
			sum.push_back(c);
		else
			found->value += c.value;
	}
}

} // namespace

class Metrics::Writer final {
public:
	void family(std::string_view name, std::string_view type, std::string_view help)
	{
		name_ = name;
		out_ += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
	}
	template <typename T>
	void sample(const std::string &labels, T value, std::string_view suffix = "")
	{
		out_ += labels.empty()
				? fmt::format("{}{} {}\n", name_, suffix, value)
				: fmt::format("{}{}{{{}}} {}\n", name_, suffix, labels, value);
	}
	/* Names of counters come from the header: letters, digits and underscores. */
	void counters(const char *label, const Counters &all, const std::string &labels)
	{
		for (const Counter &c : all)
			sample(joined(labels, fmt::format("{}=\"{}\"", label, escaped(c.name))),
			       c.value);
	}
	[[nodiscard]] std::string take() { return std::move(out_); }

private:
	std::string name_, out_;
};

std::string Metrics::labels_of(const Key &key)
{
	const auto &[netns, port, address, interface] = key;
	return joined(netns, fmt::format("address=\"{}\",port=\"{}\",interface=\"{}\"",
					 escaped(address), port, escaped(interface)));
}

void Metrics::add(const std::optional<std::string> &netns, const Stats &stats,
		  const std::vector<Listener> &listeners,
		  const std::map<std::uint64_t, Owner> &owners)
{
	const std::string labels =
		netns ? fmt::format("netns=\"{}\"", escaped(*netns)) : std::string();

	stats_[labels] = stats;
	for (const Listener &l : listeners) {
		Group &group =
			groups_[{labels, l.address.port, l.address.host(),
				 l.address.ifindex ? interface_name(l.address.ifindex) : ""}];
		const auto found = owners.find(l.inode);
		const Owner owner = found == owners.end() ? Owner{} : found->second;
		group.owner = group.members.empty() ? owner : in_common(group.owner, owner);
		group.members.push_back(l);
	}
}

Metrics::Groups Metrics::limited() const
{
	Groups groups;

	for (const auto &[key, group] : groups_) {
		if (groups.size() == limit_)
			break;
		groups.emplace(key, group);
	}
	return groups;
}

/* With what those of the group that have ended counted: it does not fall. */
Counters Metrics::added_up(const Group &group, Counters Listener::*which,
			   Counters Listener::*former)
{
	Counters sum;
	for (const Listener &l : group.members) {
		add_counters(sum, l.*which);
		add_counters(sum, l.*former);
	}
	return sum;
}

/* The sum of a group's, or the highest. */
template <typename Of>
void Metrics::write_gauge(Writer &w, const Groups &groups, std::string_view metric,
			  std::string_view help, Of of)
{
	const bool highest = metric.ends_with("_peak");

	w.family(fmt::format("listenq_listener_{}", metric), "gauge", help);
	for (const auto &[key, group] : groups) {
		std::int64_t value = 0;
		for (const Listener &l : group.members)
			value = highest ? std::max<std::int64_t>(value, of(l)) : value + of(l);
		w.sample(labels_of(key), value);
	}
}

void Metrics::write_gauges(Writer &w, const Groups &groups)
{
	write_gauge(w, groups, "backlog_asked", "Argument of the last listen().",
		    [](const Listener &l) { return l.backlog_asked; });
	for (const Number &n : numbers) {
		if (*n.metric)
			write_gauge(w, groups, n.metric, n.text,
				    [&](const Listener &l) { return l.*n.member; });
	}
	w.family("listenq_listener_accept_oldest_seconds", "gauge",
		 "How long the oldest connection has waited for accept(); 0 without one.");
	for (const auto &[key, group] : groups) {
		std::uint32_t us = 0;
		for (const Listener &l : group.members)
			us = std::max(us, l.accept_oldest);
		w.sample(labels_of(key), us / 1e6);
	}
}

/*
 * By powers of two: all that is finer would be four times as many series. Without _sum where the
 * module is older and does not add them up.
 */
struct Metrics::Times {
	const char *name, *help;
	Histogram Listener::*times, Listener::*former;
	std::optional<std::uint64_t> Listener::*us;
	std::uint64_t Listener::*former_us;
};

void Metrics::write_times(Writer &w, const Groups &groups, const Times &what)
{
	w.family(what.name, "histogram", what.help);
	for (const auto &[key, group] : groups) {
		Histogram times;
		std::uint64_t us = 0;
		bool summed = true;
		for (const Listener &l : group.members) {
			/* Each has all its buckets, whatever it counted. */
			times.add((l.*what.times).octaves());
			times.add((l.*what.former).octaves());
			us += (l.*what.us).value_or(0) + l.*what.former_us;
			summed = summed && l.*what.us;
		}
		const std::vector<Histogram::Bucket> buckets = times.cumulative();
		for (const Histogram::Bucket &b : buckets)
			w.sample(fmt::format("{},le=\"{}\"", labels_of(key),
					     b.below_us ? fmt::format("{}", *b.below_us / 1e6)
							: "+Inf"),
				 b.count, "_bucket");
		if (!buckets.empty())
			w.sample(labels_of(key), buckets.back().count, "_count");
		if (!buckets.empty() && summed)
			w.sample(labels_of(key),
				 fmt::format("{}.{:06}", us / 1'000'000, us % 1'000'000), "_sum");
	}
}

void Metrics::write_build(Writer &w, const BuildInfo &build, bool up)
{
	w.family("listenq_build_info", "gauge",
		 "Always 1; the releases of lqctl, the module and the kernel.");
	w.sample(fmt::format("version=\"{}\",module=\"{}\",kernel=\"{}\"", escaped(LISTENQ_VERSION),
			     escaped(build.module), escaped(build.kernel)),
		 1);
	w.family("listenq_up", "gauge", "Whether the module is loaded.");
	w.sample("", up ? 1 : 0);
}

void Metrics::write_info(Writer &w, const Groups &groups)
{
	w.family("listenq_listener_info", "gauge", "Always 1; what a listener is set to.");
	for (const auto &[key, group] : groups) {
		std::set<std::string> seen;
		for (const Listener &l : group.members) {
			const std::string labels =
				fmt::format("{},policy=\"{}\",accept_filter=\"{}\"", labels_of(key),
					    escaped(l.policy), escaped(l.accept_filter));
			if (seen.insert(labels).second)
				w.sample(labels, 1);
		}
	}
	w.family("listenq_listener_owner_info", "gauge",
		 "Always 1; whose the sockets are, as far as they have it in common.");
	for (const auto &[key, group] : groups)
		w.sample(fmt::format("{},program=\"{}\",unit=\"{}\",cgroup=\"{}\",pod=\"{}\"",
				     labels_of(key), escaped(group.owner.program),
				     escaped(group.owner.unit), escaped(group.owner.cgroup),
				     escaped(group.owner.pod)),
			 1);
	w.family("listenq_listener_sockets", "gauge", "Sockets that share the address and port.");
	for (const auto &[key, group] : groups)
		w.sample(labels_of(key), group.members.size());
}

std::string Metrics::text() const
{
	const Groups groups = limited();
	Writer w;

	write_build(w, build_, true);
	w.family("listenq_listeners", "gauge", "Sockets that listen in this network namespace.");
	for (const auto &[netns, stats] : stats_)
		w.sample(netns, stats.listeners);
	w.family("listenq_listeners_left_out", "gauge",
		 "Addresses and ports of which nothing is said here, as they are too many.");
	w.sample("", groups_.size() - groups.size());
	w.family("listenq_drops_total", "counter",
		 "What did not go on in this network namespace, by reason.");
	for (const auto &[netns, stats] : stats_)
		w.counters("reason", stats.drops, netns);
	w.family("listenq_events_total", "counter",
		 "What happened in this network namespace, by event.");
	for (const auto &[netns, stats] : stats_)
		w.counters("event", stats.events, netns);

	write_info(w, groups);
	write_gauges(w, groups);
	w.family("listenq_listener_drops_total", "counter", "What did not go on, by reason.");
	for (const auto &[key, group] : groups)
		w.counters("reason", added_up(group, &Listener::drops, &Listener::former_drops),
			   labels_of(key));
	w.family("listenq_listener_events_total", "counter", "What happened, by event.");
	for (const auto &[key, group] : groups)
		w.counters("event", added_up(group, &Listener::events, &Listener::former_events),
			   labels_of(key));
	write_times(w, groups,
		    {"listenq_listener_accept_wait_seconds",
		     "How long connections waited for accept().", &Listener::accept_wait,
		     &Listener::former_wait, &Listener::accept_wait_us, &Listener::former_wait_us});
	write_times(w, groups,
		    {"listenq_listener_handshake_seconds",
		     "How long connections were half-open, from the first SYN-ACK to the ACK.",
		     &Listener::handshake, &Listener::former_handshake, &Listener::handshake_us,
		     &Listener::former_handshake_us});
	return w.take();
}

std::string Metrics::text_without_module(const BuildInfo &build)
{
	Writer w;

	write_build(w, build, false);
	return w.take();
}

} // namespace lqctl
