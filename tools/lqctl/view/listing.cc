// SPDX-License-Identifier: GPL-2.0
/* Listings: the row and the detail lines of a listener. */
#include "view/listing.hh"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <linux/listenq.h>

#include "base/table.hh"

namespace lqctl {

namespace {

constexpr const char *indent = "    ";

/*
 * As ss(8): sk_max_ack_backlog, one less than the queue holds (sk_acceptq_is_full() in the kernel's
 * include/net/sock.h compares with >).
 */
std::uint32_t send_q(const Listener &l)
{
	return l.accept_limit ? l.accept_limit - 1 : 0;
}

} // namespace

std::string backlog_text(const Listener &l, const Glyphs &glyphs)
{
	if (l.backlog_asked == static_cast<std::int64_t>(l.backlog))
		return fmt::format("{}", l.backlog);
	return fmt::format("{}{}{}", l.backlog_asked, glyphs.arrow, l.backlog);
}

std::string nonzero_text(const std::string &title, const Counters &counters, std::size_t width)
{
	std::string out, line = title;
	bool any = false;

	for (const Counter &counter : counters) {
		if (counter.value == 0)
			continue;
		std::string item = fmt::format(" {} {}", counter.name, counter.value);
		if (any) {
			line += ',';
			if (line.size() + item.size() > width - 1) {
				out += line + '\n';
				line = std::string(title.size(), ' ');
			}
		}
		line += item;
		any = true;
	}
	return any ? out + line + '\n' : "";
}

namespace {

std::string details(const Listener &l, const ListingStyle &style)
{
	const std::size_t width = style.terminal.columns ? style.terminal.columns : 80;
	std::string out;

	if (l.plain)
		return fmt::format("{}uid {}, inode {}\n", indent, l.uid, l.inode);
	out += fmt::format("{}id {}, uid {}, inode {}\n", indent, l.id, l.uid, l.inode);
	out += fmt::format("{}accept queue {} of {}, peak {}{}\n", indent, l.accept_qlen,
			   l.accept_limit, l.accept_qlen_peak,
			   l.accept_gone ? fmt::format(", {} left by their clients", l.accept_gone)
					 : "");
	out += fmt::format("{}SYN queue {} of {}, {} young, peak {}, {} buckets\n", indent,
			   l.syn_qlen, l.syn_limit, l.syn_young, l.syn_qlen_peak, l.syn_buckets);
	if (!l.accept_filter.empty())
		out += fmt::format("{}accept filter {} holds {} of {}\n", indent, l.accept_filter,
				   l.filter_qlen, l.filter_limit);
	out += fmt::format("{}max_syn_backlog {}, synack_retries {}, abort_on_overflow {}, "
			   "syncookies {}\n",
			   indent, l.max_syn_backlog, l.synack_retries,
			   l.flags & LISTENQ_F_ABORT_ON_OVERFLOW ? 1 : 0, l.syncookies);
	if (l.own && *l.own)
		out += fmt::format("{}own settings: {}\n", indent,
				   fmt::join(own_names(*l.own), ", "));
	out += nonzero_text(std::string(indent) + "events:", l.events, width);
	out += nonzero_text(std::string(indent) + "drops:", select_drops(l.drops, false), width);
	out += nonzero_text(std::string(indent) + "no loss:", select_drops(l.drops, true), width);
	if (!l.accept_wait.empty()) {
		out += fmt::format("{}waited for accept():{}\n", indent,
				   l.accept_wait.fine() ? ' ' + l.accept_wait.percentiles_text()
							: "");
		out += l.accept_wait.draw(style.glyphs, indent, width);
	}
	if (!l.handshake.empty())
		out += fmt::format("{}handshakes took: {}\n", indent,
				   l.handshake.percentiles_text());
	return out;
}

} // namespace

namespace {

/* What TCP does not tell of itself is "-". */
std::vector<Table::Cell> row(const Listener &l, const ListingStyle &style)
{
	const std::uint64_t drops = total_drops(l.drops);
	const auto known = [&](Table::Cell cell) { return l.plain ? Table::Cell("-") : cell; };

	return {{"LISTEN"},
		{fmt::format("{}", l.accept_qlen), level_tone(l.accept_qlen, l.accept_limit)},
		fmt::format("{}", send_q(l)),
		known({fmt::format("{}/{}", l.syn_qlen, l.syn_limit),
		       level_tone(l.syn_qlen, l.syn_limit)}),
		known(fmt::format("{}", l.syn_young)),
		{l.plain ? fmt::format("{}", l.backlog) : backlog_text(l, style.glyphs),
		 l.flags & LISTENQ_F_BACKLOG_TRUNCATED ? Tone::warn : Tone::plain},
		known({fmt::format("{}", drops), drops ? Tone::bad : Tone::plain}),
		l.policy,
		to_string(l.address, style.numeric),
		processes_text(l.processes)};
}

} // namespace

std::string listing_text(const std::vector<Listener> &listeners, const ListingStyle &style)
{
	using enum Table::Align;
	std::vector<Table::Column> columns = {
		{"State", left, 1},  {"Recv-Q", right},	  {"Send-Q", right, 5},
		{"SYN-Q", right, 6}, {"Young", right, 2}, {"Backlog", right, 4},
		{"Drops", right},    {"Policy", left, 3}, {"Local Address:Port", left}};
	if (style.processes)
		columns.push_back({"Process", left});
	Table table(std::move(columns));

	for (const Listener &l : listeners)
		table.add(row(l, style), style.extended ? details(l, style) : "");
	return table.render(style.header, style.terminal);
}

std::string netstat_text(const std::vector<Listener> &listeners, bool header, bool numeric)
{
	std::string out;

	if (header)
		out += fmt::format("Current listen queue sizes (qlen/incqlen/maxqlen)\n"
				   "{:<5} {:<32} {}\n",
				   "Proto", "Listen", "Local Address");
	for (const Listener &l : listeners) {
		const char *proto = l.address.family != AF_INET6 ? "tcp4"
				    : l.address.v6only		 ? "tcp6"
								 : "tcp46";
		std::string text = to_string(l.address, numeric);
		const auto colon = text.rfind(':');
		std::string host = text.substr(0, colon);
		if (host.starts_with('['))
			host = host.substr(1, host.find(']') - 1) + host.substr(host.find(']') + 1);
		if (l.address.is_wildcard())
			host = "*" +
			       (host.find('%') == host.npos ? "" : host.substr(host.find('%')));
		out += fmt::format("{:<5} {:<32} {}.{}\n", proto,
				   fmt::format("{}/{}/{}", l.accept_qlen, l.filter_qlen, l.backlog),
				   host, text.substr(colon + 1));
	}
	return out;
}

nlohmann::ordered_json listing_json(const std::vector<Listener> &listeners)
{
	nlohmann::ordered_json json;
	json["listeners"] = nlohmann::ordered_json::array();
	for (const Listener &l : listeners)
		json["listeners"].push_back(to_json(l));
	return json;
}

} // namespace lqctl
