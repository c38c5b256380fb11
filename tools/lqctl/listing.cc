// SPDX-License-Identifier: GPL-2.0
/* Listings: the row and the detail lines of a listener. */
#include "listing.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include "table.hh"

namespace lqctl {

namespace {

constexpr std::size_t line_width = 80;
constexpr const char *indent = "    ";

/*
 * As ss(8): sk_max_ack_backlog, one less than the queue holds (sk_acceptq_is_full() in the kernel's
 * include/net/sock.h compares with >).
 */
std::uint32_t send_q(const Listener &l)
{
	return l.accept_limit ? l.accept_limit - 1 : 0;
}

std::string backlog(const Listener &l, const Glyphs &glyphs)
{
	if (l.backlog_asked == static_cast<std::int64_t>(l.backlog))
		return fmt::format("{}", l.backlog);
	return fmt::format("{}{}{}", l.backlog_asked, glyphs.arrow, l.backlog);
}

/* "drops: a 1, b 2", wrapped, with the further lines under the first's text; empty if all are 0. */
std::string nonzero(const std::string &title, const Counters &counters)
{
	std::string out, line = indent + title;
	bool any = false;

	for (const Counter &counter : counters) {
		if (counter.value == 0)
			continue;
		std::string item = fmt::format(" {} {}", counter.name, counter.value);
		if (any) {
			line += ',';
			if (line.size() + item.size() > line_width - 1) {
				out += line + '\n';
				line = indent + std::string(title.size(), ' ');
			}
		}
		line += item;
		any = true;
	}
	return any ? out + line + '\n' : "";
}

std::string details(const Listener &l, const Glyphs &glyphs)
{
	std::string out;

	out += fmt::format("{}id {}, uid {}, inode {}\n", indent, l.id, l.uid, l.inode);
	out += fmt::format("{}accept queue {} of {}, peak {}\n", indent, l.accept_qlen,
			   l.accept_limit, l.accept_qlen_peak);
	out += fmt::format("{}SYN queue {} of {}, {} young, peak {}, {} buckets\n", indent,
			   l.syn_qlen, l.syn_limit, l.syn_young, l.syn_qlen_peak, l.syn_buckets);
	if (!l.accept_filter.empty())
		out += fmt::format("{}accept filter {} holds {} of {}\n", indent, l.accept_filter,
				   l.filter_qlen, l.filter_limit);
	out += fmt::format("{}max_syn_backlog {}, synack_retries {}, abort_on_overflow {}, "
			   "syncookies {}\n",
			   indent, l.max_syn_backlog, l.synack_retries,
			   l.flags & LISTENQ_F_ABORT_ON_OVERFLOW ? 1 : 0, l.syncookies);
	out += nonzero("events:", l.events);
	out += nonzero("drops:", l.drops);
	if (!l.accept_wait.empty()) {
		out += fmt::format("{}waited for accept():\n", indent);
		out += l.accept_wait.draw(glyphs, indent);
	}
	return out;
}

} // namespace

std::string listing_text(const std::vector<Listener> &listeners, const ListingStyle &style)
{
	using enum Table::Align;
	Table table({{"State", left},
		     {"Recv-Q", right},
		     {"Send-Q", right},
		     {"SYN-Q", right},
		     {"Young", right},
		     {"Backlog", right},
		     {"Drops", right},
		     {"Policy", left},
		     {"Local Address:Port", left}});

	for (const Listener &l : listeners)
		table.add({"LISTEN", fmt::format("{}", l.accept_qlen), fmt::format("{}", send_q(l)),
			   fmt::format("{}/{}", l.syn_qlen, l.syn_limit),
			   fmt::format("{}", l.syn_young), backlog(l, style.glyphs),
			   fmt::format("{}", total(l.drops)), l.policy,
			   to_string(l.address, style.numeric)},
			  style.extended ? details(l, style.glyphs) : "");
	return table.render(style.header);
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
