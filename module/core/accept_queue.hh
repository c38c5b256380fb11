// SPDX-License-Identifier: GPL-2.0
// AcceptQueue: the connections that wait for accept(), in the order in which they came.
//
// Invariants (check()): qlen is the length of the list, which can be walked both ways, but for the
// oldest's prev, which nobody reads; each entry has a child; the sweep is at one of them. Slots are
// also held by ACKs that are building a child (promoting) and by accept() calls that have
// not handed theirs over yet (leaving).
// Locking: the caller's; see bridge/core.h.
#pragma once

#include "request.hh"

namespace listenq {

class AcceptQueue final {
public:
	// The promotion protocol: reserve a slot, then commit a child or abort.
	void reserve() { promoting_.add(); }
	void abort() { promoting_.end(1, "accept queue: a slot that nobody held is given back"); }
	void commit(Request &r, void *child, Micros now);

	// Without a slot of its own: a filter held it, and there is room.
	void push(Request &r, void *child, Micros now);

	// The oldest connection, or nullptr; it holds its slot until left().
	[[nodiscard]] Request *pop();
	// The same, and it gives up its slot at once.
	[[nodiscard]] Request *take();
	// It was the last that pop() or take() gave, and is the oldest again.
	void undo_pop(Request &r);
	void undo_take(Request &r);
	// From wherever it is; it gives up its slot at once, or holds it until left().
	void remove(Request &r);
	void remove_and_hold(Request &r);
	void left(u32 count)
	{
		leaving_.end(count, "accept queue: more connections left than were taken out");
	}

	// Empty it and hand back the chain; slots held by ACKs stay held.
	[[nodiscard]] Request *close();

	// One after the other, from the oldest on, with other calls in between; nullptr: there are
	// no more, and the next one is the oldest again.
	[[nodiscard]] Request *sweep();

	[[nodiscard]] Request *oldest() { return head_; }
	[[nodiscard]] Request *newest() { return tail_; }
	[[nodiscard]] const Request *oldest() const { return head_; }
	[[nodiscard]] u32 qlen() const { return qlen_; }
	[[nodiscard]] u32 promoting() const { return promoting_.count(); }
	// What a limit is compared with.
	[[nodiscard]] u32 taken() const { return qlen_ + promoting_.count() + leaving_.count(); }

	[[nodiscard]] const char *check() const;

private:
	[[nodiscard]] Request *pop_front();

	Request *head_ = nullptr;
	Request *tail_ = nullptr;
	Request *sweep_ = nullptr; // the next one to be swept; with sweeping_
	bool sweeping_ = false;	   // a sweep has begun, and nullptr is its end
	Hint<u32> qlen_{0};
	Reservations promoting_;
	Reservations leaving_;
};

} // namespace listenq
