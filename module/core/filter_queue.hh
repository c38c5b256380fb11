// SPDX-License-Identifier: GPL-2.0
// FilterQueue: the connections that an accept filter holds back, the oldest first.
//
// A refused one stands in front of all others until the shim has fetched it, so that it still
// counts, and leaves first when the queue overflows.
//
// Invariants (check()): qlen is the length of the list, refused of them are marked REFUSED and
// stand in front; links agree in both directions; all are marked HELD. REFUSED stays with one
// that has left.
// Locking: the caller's; see bridge/listenq.h.
#pragma once

#include "request.hh"

namespace listenq {

class FilterQueue final {
public:
	void push(Request &r, u8 filter, void *child, Micros now);
	void remove(Request &r);
	void refuse(Request &r);
	// It was removed and has to come back, as a refused one.
	void put_back(Request &r);

	// Empty it and hand back the chain, at a cost that does not depend on its length: those
	// in it are marked HELD still.
	[[nodiscard]] Request *close();

	// The one to go first, or nullptr; it is removed.
	[[nodiscard]] Request *pop();
	// The oldest that is not refused, or nullptr; it is removed.
	[[nodiscard]] Request *pop_waiting();
	// A refused one, or nullptr; it is removed.
	[[nodiscard]] Request *pop_refused();

	[[nodiscard]] u32 qlen() const { return qlen_; }
	// Those that are not refused.
	[[nodiscard]] u32 waiting() const { return qlen_ - refused_; }
	[[nodiscard]] const char *check() const;

private:
	void unlink(Request &r);
	void push_front(Request &r);

	Request *head_ = nullptr;
	Request *tail_ = nullptr;
	u32 qlen_ = 0;
	u32 refused_ = 0;
};

} // namespace listenq
