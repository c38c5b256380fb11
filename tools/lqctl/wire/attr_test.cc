// SPDX-License-Identifier: GPL-2.0
#include "wire/attr.hh"

#include <gtest/gtest.h>

#include "base/error.hh"
#include "wire/message.hh"

using namespace lqctl;
using lqctl::testing::Message;

namespace {

std::vector<Attr> all(Bytes bytes)
{
	std::vector<Attr> attrs;
	for_each_attr(bytes, [&](const Attr &attr) { attrs.push_back(attr); });
	return attrs;
}

TEST(attr, for_each__none)
{
	EXPECT_TRUE(all({}).empty());
}

TEST(attr, for_each__in_order_and_without_flag_bits)
{
	Message m;
	m.u8(3, 7).u32(NLA_F_NESTED | 4, 8).u64(5, 9);
	auto attrs = all(m.attributes());
	ASSERT_EQ(attrs.size(), 3u);
	EXPECT_EQ(attrs[0].type(), 3);
	EXPECT_EQ(attrs[0].number<std::uint8_t>(), 7);
	EXPECT_EQ(attrs[1].type(), 4);
	EXPECT_EQ(attrs[1].number<std::uint32_t>(), 8u);
	EXPECT_EQ(attrs[2].number<std::uint64_t>(), 9u);
}

TEST(attr, for_each__last_without_padding)
{
	Message m;
	m.u8(3, 7);
	auto attrs = all(m.attributes().first(NLA_HDRLEN + 1));
	ASSERT_EQ(attrs.size(), 1u);
	EXPECT_EQ(attrs[0].number<std::uint8_t>(), 7);
}

TEST(attr, for_each__every_truncation_is_an_error_or_shorter)
{
	Message m;
	m.u32(3, 7).u64(5, 9).text(6, "linux");
	for (std::size_t size = 0; size < m.attributes().size(); size++) {
		/* A copy of its own size, so that a sanitizer sees a read beyond it. */
		std::vector<std::byte> copy(m.attributes().begin(),
					    m.attributes().begin() + static_cast<long>(size));
		try {
			EXPECT_LE(all(copy).size(), 3u) << size;
		} catch (const Error &) {
		}
	}
}

TEST(attr, for_each__length_below_header)
{
	nlattr bad{2, 1};
	EXPECT_THROW(all(std::as_bytes(std::span(&bad, 1))), Error);
}

TEST(attr, for_each__length_beyond_end)
{
	nlattr bad{5, 1};
	EXPECT_THROW(all(std::as_bytes(std::span(&bad, 1))), Error);
}

TEST(attr, number__wrong_size)
{
	Message m;
	m.u16(3, 7);
	EXPECT_THROW((void)all(m.attributes())[0].number<std::uint32_t>(), Error);
	EXPECT_THROW((void)all(m.attributes())[0].number<std::uint8_t>(), Error);
}

TEST(attr, string__with_and_without_nul)
{
	Message m;
	m.text(1, "linux").bytes(2, {'b', 's', 'd'}).bytes(3, {});
	auto attrs = all(m.attributes());
	EXPECT_EQ(attrs[0].string(), "linux");
	EXPECT_EQ(attrs[1].string(), "bsd");
	EXPECT_EQ(attrs[2].string(), "");
}

} // namespace
