// SPDX-License-Identifier: GPL-2.0
/* Showing one listener: limits and why, queues, drops and waits as bars. */
#include "view/show.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <algorithm>

#include "base/table.hh"
#include "base/timespan.hh"
#include "model/limit.hh"

namespace lqctl {

namespace {

using enum Table::Align;

std::string bars(std::uint64_t part, std::uint64_t whole, std::size_t cells, const Glyphs &glyphs)
{
	std::string out;
	if (part == 0 || whole == 0)
		return out;
	/* Rounded up: what is there is seen. */
	const auto full = static_cast<std::size_t>(static_cast<long double>(std::min(part, whole)) *
						   static_cast<long double>(cells) /
						   static_cast<long double>(whole));
	for (std::size_t i = 0; i < std::max<std::size_t>(full, 1); i++)
		out += glyphs.bar;
	return out;
}

std::size_t line_width(const ShowStyle &style)
{
	return style.terminal.columns ? style.terminal.columns : 80;
}

std::string title(const char *text, const ShowStyle &style)
{
	return paint(text, Tone::title, style.terminal.colour);
}

std::string head(const Listener &l, const ShowStyle &style)
{
	std::string out = title(to_string(l.address, style.numeric).c_str(), style);

	out += fmt::format("  @{}, uid {}", l.id, l.uid);
	if (l.has_processes && l.processes.empty())
		out += ", process not seen (run as its user or as root)";
	for (const Process &p : l.processes)
		out += fmt::format(", {} (pid {}, fd {})", p.name, p.pid, p.fd);
	return out + '\n';
}

std::string limits(const Listener &l, const ShowStyle &style)
{
	const bool narrow = line_width(style) < 80;
	std::vector<Table::Column> columns = {
		{"Limit", left}, {"Asked", right}, {"In force", right}};
	if (!narrow)
		columns.push_back({"Why", left});
	Table table(std::move(columns));
	const auto number = [](auto n) { return fmt::format("{}", n); };
	const auto add = [&](const char *name, std::string asked, Table::Cell value,
			     const std::string &why) {
		if (narrow)
			table.add({name, asked, value},
				  why.empty() ? "" : wrapped(why, "    ", line_width(style)));
		else
			table.add({name, asked, value, why});
	};

	add("backlog", number(l.backlog_asked),
	    {number(l.backlog), l.flags & LISTENQ_F_BACKLOG_TRUNCATED ? Tone::warn : Tone::plain},
	    backlog_reason(l).text);
	add("accept queue", "", number(l.accept_limit), accept_limit_reason(l).text);
	add("SYN queue", "", number(l.syn_limit), syn_limit_reason(l).text);
	add("policy", "", l.policy, source_of(l, LISTENQ_OWN_POLICY));
	add("max_syn_backlog", "", number(l.max_syn_backlog),
	    source_of(l, LISTENQ_OWN_MAX_SYN_BACKLOG));
	add("syncookies", "", number(l.syncookies), source_of(l, LISTENQ_OWN_SYNCOOKIES));
	add("synack_retries", "", number(l.synack_retries), retries_source(l));
	add("abort_on_overflow", "", number(l.flags & LISTENQ_F_ABORT_ON_OVERFLOW ? 1 : 0),
	    source_of(l, LISTENQ_OWN_ABORT_ON_OVERFLOW));
	if (l.shards)
		add("shards", "", number(l.shards), source_of(l, LISTENQ_OWN_SHARDS));
	/* What is as it always is says nothing. */
	const auto overload = [&](const char *name, std::uint32_t flag, const std::string &value,
				  bool usual) {
		if (!usual || (l.own && *l.own & flag))
			add(name, "", value, source_of(l, flag));
	};
	overload("accept_max_wait_ms", LISTENQ_OWN_ACCEPT_MAX_WAIT_MS, number(l.accept_max_wait_ms),
		 l.accept_max_wait_ms == 0);
	overload("accept_dead", LISTENQ_OWN_ACCEPT_DEAD, dead_name(l.accept_dead),
		 l.accept_dead == LISTENQ_DEAD_SKIP);
	overload("accept_order", LISTENQ_OWN_ACCEPT_ORDER, order_name(l.accept_order),
		 l.accept_order == LISTENQ_ORDER_FIFO);
	overload("codel_target_ms", LISTENQ_OWN_CODEL_TARGET_MS, number(l.codel_target_ms),
		 l.codel_target_ms == 0);
	overload("codel_interval_ms", LISTENQ_OWN_CODEL_INTERVAL_MS, number(l.codel_interval_ms),
		 l.codel_target_ms == 0);
	overload("syn_admission_ms", LISTENQ_OWN_SYN_ADMISSION_MS, number(l.syn_admission_ms),
		 l.syn_admission_ms == 0);
	overload("grace_ms", LISTENQ_OWN_GRACE_MS, number(l.grace_ms), l.grace_ms == 0);
	overload("steal_us", LISTENQ_OWN_STEAL_US, number(l.steal_us), l.steal_us == 0);
	overload("stalled_ms", LISTENQ_OWN_STALLED_MS, number(l.stalled_ms), l.stalled_ms == 0);
	return table.render(true, {style.terminal.colour, 0});
}

std::string queue_line(const char *name, std::uint64_t length, std::uint64_t limit,
		       const std::string &more, const ShowStyle &style)
{
	const bool narrow = line_width(style) < 80;
	const std::size_t cells = narrow ? 8 : 20;
	std::string bar = bars(length, limit, cells, style.glyphs);
	const std::size_t filled = bar.size() / std::max<std::size_t>(style.glyphs.bar.size(), 1);

	bar = paint(bar, level_tone(length, limit), style.terminal.colour);
	std::string line =
		fmt::format("{:<13} [{}{}] {} of {}", name, bar,
			    std::string(cells - std::min(filled, cells), '.'), length, limit);
	return narrow ? line + '\n' + wrapped(more, "    ", line_width(style))
		      : line + ", " + more + '\n';
}

std::string who(const char *what, const std::string &them, const ShowStyle &style)
{
	return them.empty() ? ""
			    : wrapped(fmt::format("{}: {}", what, them), "  ", line_width(style));
}

std::string queues(const Listener &l, const Peers &peers, const ShowStyle &style)
{
	std::string oldest;
	if (l.accept_gone && l.accept_gone == l.accept_qlen)
		oldest = ", all of them left by their clients";
	else if (l.accept_gone)
		oldest = fmt::format(", {} of them left by their clients", l.accept_gone);
	if (l.accept_oldest)
		oldest += fmt::format(", the oldest waits {}", duration_text(l.accept_oldest));

	std::string out = queue_line("accept queue", l.accept_qlen, l.accept_limit,
				     fmt::format("peak {}{}", l.accept_qlen_peak, oldest), style);
	out += queue_line("SYN queue", l.syn_qlen, l.syn_limit,
			  fmt::format("{} young, peak {}, {} buckets", l.syn_young, l.syn_qlen_peak,
				      l.syn_buckets),
			  style);
	out += who("who waits for accept()", peers.waiting.text(), style) +
	       who("who is half open", peers.half_open.text(), style);
	if (!l.accept_filter.empty())
		out += queue_line("accept filter", l.filter_qlen, l.filter_limit, l.accept_filter,
				  style);
	return out;
}

/* One line for each that counted something, with a bar and its words where there is room. */
std::string counters(const Counters &all, Tone tone, const ShowStyle &style)
{
	constexpr std::size_t cells = 12;
	const std::size_t width = line_width(style);
	std::size_t name_width = 0, digits = 0;
	std::uint64_t largest = 0;
	std::string out;

	for (const Counter &c : all) {
		if (c.value == 0)
			continue;
		name_width = std::max(name_width, c.name.size());
		digits = std::max(digits, fmt::formatted_size("{}", c.value));
		largest = std::max(largest, c.value);
	}
	for (const Counter &c : all) {
		if (c.value == 0)
			continue;
		std::string line =
			fmt::format("  {:<{}} {:>{}}", c.name, name_width, c.value, digits);
		const std::size_t taken = line.size();
		const std::string bar = bars(c.value, largest, cells, style.glyphs);
		const std::size_t filled = bar.size() / style.glyphs.bar.size();
		if (taken + 1 + cells < width)
			line += ' ' + paint(bar, tone, style.terminal.colour);
		if (taken + 2 + cells + c.text.size() <= width)
			line += std::string(cells - filled + 1, ' ') + c.text;
		out += line + '\n';
	}
	return out;
}

/* What stands before a histogram, on a line of its own where there is no room beside its name. */
std::string times(const char *name, const std::string &words, const Histogram &all,
		  const ShowStyle &style)
{
	const bool fits = std::string_view(name).size() + 1 + words.size() <= line_width(style);

	return title(name, style) +
	       (fits ? ' ' + words + '\n' : '\n' + wrapped(words, "  ", line_width(style))) +
	       all.draw(style.glyphs, "  ", line_width(style));
}

std::string waits(const Listener &l, const ShowStyle &style)
{
	const Histogram &all = l.accept_wait;

	return times("waited for accept():",
		     fmt::format("{} connections, {}", all.count(),
				 all.fine() ? all.percentiles_text()
					    : fmt::format("half of them {}, 99 % {}",
							  all.percentile_text(50),
							  all.percentile_text(99))),
		     all, style);
}

std::string handshakes(const Listener &l, const ShowStyle &style)
{
	return times(
		"handshakes took:",
		fmt::format("{} of them, {}", l.handshake.count(), l.handshake.percentiles_text()),
		l.handshake, style);
}

nlohmann::ordered_json reason_json(std::uint64_t limit, const Reason &reason)
{
	return {{"limit", limit}, {"cause", to_string(reason.cause)}, {"text", reason.text}};
}

} // namespace

std::string show_text(const Listener &l, const ShowStyle &style, const Peers &peers)
{
	const std::uint64_t dropped = total_drops(l.drops);
	const Counters harmless = select_drops(l.drops, true);
	std::string out = head(l, style) + '\n' + limits(l, style) + '\n' + queues(l, peers, style);

	out += fmt::format("\n{} {}\n", title("drops:", style), dropped);
	out += counters(select_drops(l.drops, false), Tone::bad, style) +
	       who("who is dropped, of late", to_string(peers.dropped), style);
	if (total(harmless) != 0)
		out += fmt::format("\n{}\n", title("no loss:", style)) +
		       counters(harmless, Tone::plain, style);
	if (total(l.events) != 0)
		out += fmt::format("\n{}\n", title("events:", style)) +
		       counters(l.events, Tone::good, style);
	if (!l.accept_wait.empty())
		out += '\n' + waits(l, style);
	if (!l.handshake.empty())
		out += '\n' + handshakes(l, style);
	return out;
}

nlohmann::ordered_json show_json(const Listener &l, const Peers &peers)
{
	nlohmann::ordered_json json = to_json(l);

	json["why"]["backlog"] = reason_json(l.backlog, backlog_reason(l));
	json["why"]["accept_queue"] = reason_json(l.accept_limit, accept_limit_reason(l));
	json["why"]["syn_queue"] = reason_json(l.syn_limit, syn_limit_reason(l));
	json["waiting"] = peers.waiting.to_json();
	json["half_open"] = peers.half_open.to_json();
	json["dropped_from"] = to_json(peers.dropped);
	return json;
}

} // namespace lqctl
