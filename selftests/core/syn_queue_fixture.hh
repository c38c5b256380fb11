// SPDX-License-Identifier: GPL-2.0
// One SYN queue, and what its tests do to it.
#pragma once

#include <gtest/gtest.h>

#include "core/syn_queue.hh"
#include "support.hh"

namespace testing_core {

using listenq::Request;
using listenq::SynQueue;

// Take out and free what is in it, and its table.
inline void empty(SynQueue &queue)
{
	EXPECT_TRUE(queue.drain(~0u, [](Request &r) { free_request(&r); }));
	std::free(queue.close());
}

// A table of @buckets, and all that is queued in it.
inline void reopen(SynQueue &queue, u32 buckets)
{
	queue.resize(new_buckets(buckets), buckets);
	if (queue.is_rehashing())
		std::free(queue.rehash(~0u));
}

class syn_queue : public testing::Test {
protected:
	void SetUp() override { open(16); }
	void TearDown() override
	{
		EXPECT_EQ(queue.check(), nullptr);
		empty(queue);
	}
	void open(u32 buckets) { reopen(queue, buckets); }
	Request &put(u32 n)
	{
		Request *r = new_request(peer(n));

		queue.insert(*r, queue.hash(peer(n)));
		return *r;
	}
	Request *find(u32 n) const { return queue.find(peer(n), queue.hash(peer(n))); }
	void take(u32 n)
	{
		Request *r = find(n);

		queue.remove(*r, queue.hash(peer(n)));
		free_request(r);
	}

	SynQueue queue{kKeys};
};

} // namespace testing_core
