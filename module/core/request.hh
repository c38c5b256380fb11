// SPDX-License-Identifier: GPL-2.0
// Request: what the core asks of a struct lq_request, and lists of them.
//
// A request's life, by its flags:
//
//	(fresh) --commit--> queued --ACK--> PROMOTING --commit--> on the accept queue
//	                      |  ^              |  |
//	                      |  +----abort-----+  +--close--> PROMOTING|ORPHAN --> freed by its ACK
//	                      +--expiry, RST, close--> handed back
//
// Up to the commit it is half-open, after that connected: the two phases of struct lq_request.
#pragma once

#include "types.hh"

namespace listenq {

using Request = lq_request;

static_assert(sizeof(Request) == 64, "an IPv4 request is one cache line");
static_assert(LQ_REQUEST_SIZE_V6 == 88);
static_assert(offsetof(Request, rcv_isn) == offsetof(Request, child) &&
		      offsetof(Request, stamp_us) == offsetof(Request, child) + 40 &&
		      offsetof(Request, filter_seen) == offsetof(Request, num_timeout),
	      "the two phases are the same 40 bytes");

namespace request {

[[nodiscard]] constexpr bool has(const Request &r, u8 flag)
{
	return (r.flags & flag) != 0;
}
[[nodiscard]] constexpr bool is_young(const Request &r)
{
	return r.num_timeout == 0;
}

// Words 2 to 7 of an IPv6 address pair lie behind the struct: see LQ_REQUEST_SIZE_V6.
[[nodiscard]] inline const u32 *words(const Request &r)
{
	return reinterpret_cast<const u32 *>(reinterpret_cast<const u8 *>(&r) +
					     offsetof(Request, addr));
}

[[nodiscard]] inline bool matches(const Request &r, const lq_key &key)
{
	const u32 *addr = words(r);

	if (r.peer_port != key.peer_port || addr[0] != key.addr[0] || addr[1] != key.addr[1])
		return false;
	if (has(r, LQ_REQ_V6) != (key.v6 != 0))
		return false;
	if (key.v6 && (addr[2] != key.addr[2] || addr[3] != key.addr[3] || addr[4] != key.addr[4] ||
		       addr[5] != key.addr[5] || addr[6] != key.addr[6] || addr[7] != key.addr[7]))
		return false;
	// INET_MATCH() of include/net/inet_hashtables.h: a bound request only
	// answers to its own interface or to the VRF above it.
	return r.ifindex == 0 || r.ifindex == key.ifindex || r.ifindex == key.l3_ifindex;
}

[[nodiscard]] inline lq_key key_of(const Request &r)
{
	lq_key key{};
	const bool v6 = has(r, LQ_REQ_V6);

	for (unsigned i = 0; i < (v6 ? 8u : 2u); i++)
		key.addr[i] = words(r)[i];
	key.ifindex = r.ifindex;
	key.peer_port = r.peer_port;
	key.v6 = v6;
	return key;
}

inline void copy_to(lq_request_copy &copy, const Request &r)
{
	if (has(r, LQ_REQ_V6))
		__builtin_memcpy(copy.bytes, words(r) - offsetof(Request, addr) / sizeof(u32),
				 LQ_REQUEST_SIZE_V6);
	else
		__builtin_memcpy(&copy.request, &r, LQ_REQUEST_SIZE_V4);
	copy.request.next = nullptr;
}

} // namespace request

// First in, first out, linked by next. Owns nothing.
class RequestList final {
public:
	void push_back(Request &r)
	{
		r.next = nullptr;
		*tail_link() = &r;
		tail_ = &r;
	}
	[[nodiscard]] Request *pop_front()
	{
		Request *r = head_;

		if (!r)
			return nullptr;
		head_ = r->next;
		if (!head_)
			tail_ = nullptr;
		r->next = nullptr;
		return r;
	}
	// Empty the list and hand back its chain.
	[[nodiscard]] Request *take_all()
	{
		Request *r = head_;

		head_ = tail_ = nullptr;
		return r;
	}
	[[nodiscard]] const Request *front() const { return head_; }
	[[nodiscard]] const Request *back() const { return tail_; }

private:
	Request **tail_link() { return tail_ ? &tail_->next : &head_; }

	Request *head_ = nullptr;
	Request *tail_ = nullptr;
};

} // namespace listenq
