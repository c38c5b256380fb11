// SPDX-License-Identifier: GPL-2.0
// FilterQueue: the connections that an accept filter holds back. Each is in one of three lists:
//
//	waiting   its filter has not decided; the oldest first
//	ready     its filter let it go, and the accept queue has no room yet; in that order
//	refused   its filter will not have it, until the shim has fetched it; the last one first
//
// All of them count. The refused leave first when the queue overflows, then those that wait;
// the ready never do.
//
// Invariants (check()): each list is as long as its length says, its links agree in both
// directions, and its entries are marked HELD and, where so, READY or REFUSED. REFUSED stays with
// one that has left.
// Locking: the caller's; see bridge/core.h.
#pragma once

#include "request.hh"

namespace listenq {

class FilterQueue final {
public:
	void push(Request &r, u8 filter, void *child, Micros now);
	void remove(Request &r);
	void refuse(Request &r);
	// It waits, and is ready now.
	void make_ready(Request &r);
	// It was removed and has to come back, as a refused one.
	void put_back(Request &r);

	// Empty it and hand back the chain, at a cost that does not depend on its length: those
	// in it are marked HELD still.
	[[nodiscard]] Request *close();

	// The one that makes room for another, or nullptr; it is removed.
	[[nodiscard]] Request *pop();
	// The one that is ready for longest, or nullptr; it is removed.
	[[nodiscard]] Request *pop_ready();
	// A refused one, or nullptr; it is removed.
	[[nodiscard]] Request *pop_refused();

	// The one that waits for longest, or nullptr.
	[[nodiscard]] Request *oldest() { return waiting_.head; }
	[[nodiscard]] const Request *oldest() const { return waiting_.head; }
	[[nodiscard]] u32 qlen() const { return waiting_.length + ready_.length + refused_.length; }
	[[nodiscard]] u32 ready() const { return ready_.length; }
	[[nodiscard]] u32 refused() const { return refused_.length; }
	[[nodiscard]] const char *check() const;

private:
	struct List {
		Request *head = nullptr;
		Request *tail = nullptr;
		u32 length = 0;

		void push_back(Request &r);
		void push_front(Request &r);
		void unlink(Request &r);
		[[nodiscard]] const char *check(u8 flags) const;
	};
	[[nodiscard]] List &list_of(const Request &r);
	[[nodiscard]] Request *pop_from(List &list);

	List waiting_;
	List ready_;
	List refused_;
};

} // namespace listenq
