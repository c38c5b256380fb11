// SPDX-License-Identifier: GPL-2.0
#include "view/top.hh"

#include <gtest/gtest.h>
#include <linux/listenq.h>

#include "base/error.hh"

using namespace lqctl;

namespace {

Listener listener(std::uint64_t id, std::uint16_t port, std::uint32_t qlen, std::uint64_t syns,
		  std::uint64_t drops)
{
	Listener l;
	l.id = id;
	l.address.port = port;
	l.policy = "linux";
	l.accept_qlen = qlen;
	l.accept_limit = 10;
	l.syn_limit = 16;
	l.events[LISTENQ_EVENT_SYN_RECEIVED - 1].value = syns;
	l.events[LISTENQ_EVENT_ACCEPTED - 1].value = 100 - syns;
	l.drops[0].value = drops;
	return l;
}

class top : public testing::Test {
protected:
	top()
	{
		t.update({listener(1, 80, 0, 10, 0), listener(2, 81, 9, 20, 5),
			  listener(3, 82, 10, 30, 0)},
			 100);
	}
	std::string text(unsigned columns = 120, unsigned rows = 24)
	{
		std::string out;
		for (const Table::Line &line :
		     t.frame({.columns = columns, .rows = rows, .numeric = true}, "14:05:07")) {
			for (const Table::Cell &piece : line)
				out += piece.text;
			while (out.ends_with(' '))
				out.pop_back();
			out += '\n';
		}
		return out;
	}
	/* The ports in the order of their rows. */
	std::string ports()
	{
		std::string out, all = text();
		for (std::size_t at = 0; (at = all.find("0.0.0.0:", at)) != all.npos; at += 8)
			out += all.substr(at + 8, 2) + " ";
		return out;
	}

	Top t;
};

TEST_F(top, frame__first_look_has_no_rates)
{
	EXPECT_EQ(text(),
		  "lqctl 14:05:07 3 of 3 by load  drop 0.0/s SYN 0.0/s acc 0.0/s\n"
		  "Accept     queue SYN        queue SYN/s Acc/s Drop/s Drops Oldest Last minute  "
		  "Policy Program Address:Port\n"
		  "[########] 10/10 [........]  0/16   0.0   0.0    0.0     0                   # "
		  "linux          0.0.0.0:82\n"
		  "[#######.]  9/10 [........]  0/16   0.0   0.0    0.0     5                   % "
		  "linux          0.0.0.0:81\n"
		  "[........]  0/10 [........]  0/16   0.0   0.0    0.0     0                   . "
		  "linux          0.0.0.0:80\n");
}

TEST_F(top, frame__who_holds_it)
{
	Listener one = listener(1, 80, 0, 0, 0), more = listener(2, 81, 0, 0, 0);
	one.processes = {{"nginx", 12, 6, 'S'}, {"nginx", 12, 7, 'S'}};
	more.processes = {{"python3", 13, 3, 'S'}, {"python3", 14, 3, 'S'}, {"sh", 15, 3, 'S'}};
	t.update({one, more}, 101);
	EXPECT_NE(text().find(" nginx     0.0.0.0:80\n"), std::string::npos) << text();
	EXPECT_NE(text().find(" python3+2 0.0.0.0:81\n"), std::string::npos) << text();
	/* In a terminal of 80 columns it is there, and the policy is not. */
	EXPECT_NE(text(80).find("Program"), std::string::npos) << text(80);
	EXPECT_EQ(text(80).find("Policy"), std::string::npos) << text(80);
}

TEST_F(top, frame__last_minute)
{
	const auto minute = [&] {
		const std::string all = text();
		const std::size_t row = all.find("[", all.find("Address:Port"));
		return all.substr(row + all.find("Last minute") - all.find("Accept"), 12);
	};
	t.set_filter("sport = 80");
	EXPECT_EQ(minute(), "           .");
	t.update({listener(1, 80, 1, 0, 0)}, 104.9); /* the same 5 s: the most counts */
	EXPECT_EQ(minute(), "           :");
	t.update({listener(1, 80, 0, 0, 0)}, 104.95);
	EXPECT_EQ(minute(), "           :");
	t.update({listener(1, 80, 5, 0, 0)}, 105);
	EXPECT_EQ(minute(), "          :+");
	t.update({listener(1, 80, 99, 0, 0)}, 116); /* nobody looked for 5 s */
	EXPECT_EQ(minute(), "        :+ #");
	t.update({listener(1, 80, 0, 0, 0)}, 161);
	EXPECT_EQ(minute(), "+ #        .");
	t.update({listener(1, 80, 0, 0, 0)}, 1e6);
	EXPECT_EQ(minute(), "           .");
	t.update({listener(5, 80, 10, 0, 0)}, 1e6 + 1); /* another listener at the port */
	EXPECT_EQ(minute(), "           #");
}

TEST_F(top, frame__whom_it_drops)
{
	EXPECT_EQ(t.worst(), nullptr) << "there was one look";
	t.update({listener(1, 80, 0, 10, 3), listener(2, 81, 9, 20, 9)}, 101);
	ASSERT_NE(t.worst(), nullptr);
	EXPECT_EQ(t.worst()->address.port, 81);
	t.name_dropped("");
	EXPECT_EQ(text().find("drops"), std::string::npos);
	t.name_dropped("192.0.2.0/24 62 %");
	EXPECT_NE(text().find("/s\n:81 drops 192.0.2.0/24 62 %\nAccept"), std::string::npos)
		<< text();
	EXPECT_EQ(t.frame({.columns = 80, .rows = 4}, "x").size(), 4u);
	t.set_filter("sport = 80");
	EXPECT_EQ(t.worst()->address.port, 80);
	t.set_filter("");
	t.update({listener(1, 80, 0, 10, 3), listener(2, 81, 9, 20, 9)}, 102);
	EXPECT_EQ(t.worst(), nullptr);
	EXPECT_EQ(text().find("drops"), std::string::npos);
}

TEST_F(top, frame__rates)
{
	t.update({listener(1, 80, 0, 30, 0), listener(2, 81, 9, 20, 9), listener(4, 83, 0, 99, 9)},
		 102);
	EXPECT_EQ(text().substr(0, text().find('\n')),
		  "lqctl 14:05:07 3 of 3 by load  drop 2.0/s SYN 10.0/s acc 0.0/s");
	t.sort = TopSort::drops;
	EXPECT_EQ(ports(), "81 83 80 ");
	t.sort = TopSort::syns;
	EXPECT_EQ(ports().substr(0, 3), "80 ");
}

TEST_F(top, sort__each_and_reversed)
{
	EXPECT_EQ(ports(), "82 81 80 ");
	t.sort = TopSort::port;
	EXPECT_EQ(ports(), "80 81 82 ");
	t.reversed = true;
	EXPECT_EQ(ports(), "82 81 80 ");
	TopSort sort = TopSort::load;
	for (int i = 0; i < 5; i++)
		sort = next(sort);
	EXPECT_EQ(sort, TopSort::load);
}

TEST_F(top, sort__by_a_title)
{
	const TopStyle style{.columns = 120, .rows = 24, .numeric = true};
	const std::string all = text(), titles = all.substr(all.find('\n') + 1);
	const auto at = [&](const char *title, unsigned row) {
		return t.sort_at(style, static_cast<unsigned>(titles.find(title)), row);
	};

	EXPECT_EQ(at("Accept", 1), TopSort::load);
	EXPECT_EQ(at("Last", 1), TopSort::load);
	EXPECT_EQ(at("SYN/s", 1), TopSort::syns);
	EXPECT_EQ(at("Acc/s", 1), TopSort::accepts);
	EXPECT_EQ(at("Drops", 1), TopSort::drops);
	EXPECT_EQ(at("Port", 1), TopSort::port);
	EXPECT_EQ(at("Oldest", 1), std::nullopt);
	EXPECT_EQ(at("Drops", 0), std::nullopt);
	EXPECT_EQ(at("Drops", 2), std::nullopt);
	EXPECT_EQ(t.sort_at(style, 10, 1), std::nullopt) << "between two";
	EXPECT_EQ(t.sort_at(style, 119, 1), std::nullopt);
	t.update({listener(1, 80, 0, 10, 3)}, 101);
	t.name_dropped("somebody"); /* by a line of its own */
	EXPECT_EQ(at("Drops", 1), std::nullopt);
	EXPECT_EQ(at("Drops", 2), TopSort::drops);
}

TEST_F(top, settings)
{
	const TopSettings settings{.sort = TopSort::syns, .reversed = true, .numeric = true};

	EXPECT_EQ(settings.text(), "sort SYNs\nreversed 1\nnumeric 1\n");
	EXPECT_EQ(TopSettings::of(settings.text()), settings);
	EXPECT_EQ(TopSettings::of(""), TopSettings());
	EXPECT_EQ(TopSettings::of("sort sideways\ncolour blue\nnumeric 1\nreversed"),
		  (TopSettings{.numeric = true}));
}

TEST_F(top, filter)
{
	t.set_filter("drops > 0");
	EXPECT_EQ(ports(), "81 ");
	EXPECT_EQ(t.size(), 1u);
	EXPECT_NE(text().find("1 of 3"), std::string::npos);
	EXPECT_NE(text().find("  drops > 0\n"), std::string::npos);
	EXPECT_THROW(t.set_filter("nonsense"), Error);
	EXPECT_EQ(ports(), "81 ");
	t.set_filter(" ");
	EXPECT_EQ(ports(), "82 81 80 ");
}

TEST_F(top, frame__fits_any_terminal)
{
	Listener wide = listener(1, 65535, 10, 10, 1ULL << 60);
	wide.address.family = AF_INET6;
	wide.address.bytes.fill(0xfe);
	wide.accept_limit = wide.syn_limit = 0x7fffffff;
	t.update({wide}, 101);
	for (unsigned columns = 1; columns < 200; columns++) {
		for (const unsigned rows : {0u, 1u, 2u, 3u, 50u}) {
			const auto frame = t.frame(
				{.columns = columns, .rows = rows, .glyphs = utf8_glyphs}, "x");
			EXPECT_LE(frame.size(), rows);
			for (const Table::Line &line : frame) {
				std::size_t cells = 0;
				for (const Table::Cell &piece : line)
					cells += cells_of(piece.text);
				EXPECT_LE(cells, columns);
			}
		}
	}
}

TEST_F(top, frame__forty_columns)
{
	EXPECT_EQ(text(40), "lqctl 14:05:07 3 of 3  drop 0.0/s\n"
			    "Accept     queue Drop/s Address:Port\n"
			    "[########] 10/10    0.0 0.0.0.0:82\n"
			    "[#######.]  9/10    0.0 0.0.0.0:81\n"
			    "[........]  0/10    0.0 0.0.0.0:80\n");
}

TEST_F(top, frame__scrolled)
{
	t.first = 1;
	EXPECT_EQ(ports(), "81 80 ");
	t.first = 99;
	EXPECT_EQ(ports(), "80 ");
	t.first = 0;
	EXPECT_EQ(text(120, 3).find("0.0.0.0:81"), std::string::npos);
}

TEST_F(top, frame__nobody_listens)
{
	t.update({}, 101);
	EXPECT_NE(text().find("0 of 0"), std::string::npos);
}

} // namespace
